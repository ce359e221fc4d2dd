"""Which networks a container is on, is to be on, and whether those are there still. Pure.

The engine keeps for a container that was started once the id of each of its networks: one that was removed
and made anew is another, and the start fails ("network ... not found"). Such a container is made anew too.
"""

from __future__ import annotations

from collections.abc import Iterable

from dockerup import labels
from dockerup.host import Host, managed
from dockerup.settled import settled
from dockerup.snapshot import Container, Snapshot
from dockerup.spec import ContainerSpec

BUILT_IN = frozenset({"bridge", "host", "none"})


def any_to_care_for(observed: Snapshot, specs: Iterable[ContainerSpec]) -> bool:
    """Tell whether there may be networks to care for, now that these are known or nobody asked for them.

    Such are those that an entry names, those of dockerup, and those that a container of dockerup is on.
    """
    return (
        any(spec.networks for spec in specs)
        or any(labels.NETWORK in network.labels for network in observed.networks or ())
        or any(managed(one) and {*one.networks} - BUILT_IN for one in observed.containers)
    )


def not_joined(one: Container, spec: ContainerSpec) -> tuple[str, ...]:
    """Return the listed networks that a container which was never started has yet to be connected to."""
    return tuple(name for name in spec.networks if one.state == "created" and name not in one.networks)


def lost_networks(one: Container, spec: ContainerSpec, host: Host) -> tuple[str, ...]:
    """Return the listed networks that a container is no longer on, though it runs or is to be started.

    One that runs cannot lose a network but by being disconnected; one that ended can: by its removal.
    """
    if one.state == "created" or (settled(one, spec) and not one.running):
        return ()
    lost = tuple(name for name in spec.networks if not _is_on(one, name, host))
    return ("bridge",) if not spec.networks and _is_off_the_bridge(one, spec) else lost


def _is_off_the_bridge(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container that publishes ports was disconnected from the engine's own network.

    Not every engine lists that network; the ports of what runs all do.
    """
    publishes = any(port.host_port for port in spec.ports)
    seen = one.ports or one.networks or one.state != "running"
    return spec.network == "bridge" and publishes and not seen


def networks_are_there(one: Container, host: Host) -> bool:
    """Tell whether all networks that a container is on are still there, so that it can be started."""
    return all(_is_there(name, known, host) for name, known in one.networks.items())


def _is_on(one: Container, name: str, host: Host) -> bool:
    known = one.networks.get(name)
    return known is not None and (one.running or _is_there(name, known, host))


def _is_there(name: str, known: str, host: Host) -> bool:
    # An engine that lists names for ids says nothing about a new network of the name.
    if host.observed.networks is None or known in {"", name}:
        return True
    return any(network.network_id == known for network in host.observed.networks)
