"""Which networks are made, joined and removed: listed ones are there, unused ones of ours go. Pure.

The engine keeps for a container that was started once the id of each of its networks: one that was removed
and made anew is another, and the start fails ("network ... not found"). Such a container is made anew too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dockerup import labels
from dockerup.decision import Decision, settled
from dockerup.host import Host, managed
from dockerup.keys.network_options import Options, made_otherwise
from dockerup.sheet import Sheet
from dockerup.snapshot import Container, Network, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, CreateNetwork, Existing, Phase, Remove, RemoveNetwork, Why

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


def write_networks(decisions: Mapping[str, Decision], host: Host, sheet: Sheet) -> None:
    """Write down the networks that have to be made before a container is created or started."""
    if host.observed.networks is None:
        return
    there = {network.name for network in host.observed.networks}
    options = _options(host)
    for decision in decisions.values():
        for name in decision.spec.networks if decision.starts else ():
            if name not in there and name not in sheet.networks:
                step = CreateNetwork(f"network {name}", name, Cause(Why.NOT_THERE), options.get(name, {}))
                sheet.networks[name] = sheet.add(f"network {name}", step, ())
    sheet.notes += _otherwise(host.observed.networks, options)


def _options(host: Host) -> dict[str, Options]:
    """Return how networks are to be made, as entries say; two that say it say the same."""
    return {name: options for spec in host.desired.specs for name, options in spec.network_options.items()}


def _otherwise(there: Iterable[Network], options: Mapping[str, Options]) -> list[str]:
    """Return a sentence for each network that is there and was made otherwise than entries say."""
    return [
        f"network {network.name} is there, and not as listed: {', '.join(fields)}. It stays so. To have it "
        f"made anew, stop all that is on it, and run: docker network rm {network.name}"
        for network in there
        for fields in [made_otherwise(options.get(network.name, {}), network.options)]
        if fields
    ]


def write_unused_networks(host: Host, sheet: Sheet) -> None:
    """Write down the removal of the networks of dockerup that nobody uses after all other steps."""
    if not host.desired.complete:
        return
    removed = {
        node.step.target.container_id: node.number
        for node in sheet.nodes
        if isinstance(node.step, Remove) and isinstance(node.step.target, Existing)
    }
    for network in sorted(host.observed.networks or (), key=lambda one: one.network_id):
        users = users_of(network, host)
        if removable(network, host) and all(one.container_id in removed for one in users):
            step = RemoveNetwork(
                f"network {network.name}", network.name, network.network_id, Cause(Why.UNUSED)
            )
            after = (removed[one.container_id] for one in users)
            sheet.add(f"network {network.name}", step, after, Phase.CLEAN_UP)


def users_of(network: Network, host: Host) -> list[Container]:
    """Return the containers that are on a network, be it that they do not run: they may run again."""
    return [
        one
        for one in host.observed.containers
        if network.network_id in one.networks.values() or one.networks.get(network.name) == ""
    ]


def removable(network: Network, host: Host) -> bool:
    """Tell whether a network is dockerup's, and no entry names it."""
    named = {name for spec in host.desired.specs for name in spec.networks}
    kept = network.labels.get(labels.IGNORE, "").lower() == "true"
    return labels.NETWORK in network.labels and network.name not in named and not kept
