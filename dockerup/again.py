"""Which containers the engine would start again once they are stopped: only those are a way back. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from dockerup import labels
from dockerup.definition import described
from dockerup.host import Host, entry_of
from dockerup.joined import BUILT_IN, networks_are_there
from dockerup.snapshot import Container, ContainerId
from dockerup.spec import Port, clash, published, shared
from dockerup.volumes import sharers

_START_FAILED = 128  # the engine's exit code
# Of containerd (services/tasks/local.go): it died with the engine while it started the container.
_REMAINS = re.compile(r"\btask [0-9a-f]{64}: already exists")


def has_remains(text: str) -> bool:
    """Tell whether the engine says of a start that remains of an earlier one are in its way.

    It says so of every start of that container, until the machine is booted.
    """
    return _REMAINS.search(text) is not None


def is_stuck(one: Container) -> bool:
    """Tell whether the engine will not start a container again, though nothing is wrong with it."""
    return one.detail is not None and has_remains(one.detail.error)


def may_be_stuck(one: Container) -> bool:
    """Tell whether a container has to be inspected to know that: its last start may have failed."""
    return one.detail is None and (one.state == "created" or one.exit_code == _START_FAILED)


def needs_running(one: Container) -> frozenset[ContainerId]:
    """Return the containers without which the engine does not start this one.

    It looks for those that it has volumes from when it is created, and never again. On networks of its own it
    looks for those that it is linked to whenever somebody asks for their names.
    """
    if {*one.networks} - BUILT_IN:
        return frozenset()
    bound = labels.read_map(one.labels, labels.BOUND)
    return frozenset(ContainerId(bound[name]) for name in bound.keys() - sharers(one))


def lives_in(one: Container) -> frozenset[ContainerId]:
    """Return the containers whose network, processes or shared memory this one has."""
    bound = labels.read_map(one.labels, labels.BOUND)
    names = shared(described(one.labels))
    return frozenset(ContainerId(bound[name]) for name in names if name in bound)


def own_ports(one: Container) -> tuple[Port, ...]:
    """Return the host ports by a container's definition; the engine tells only those of one that runs."""
    try:
        return tuple(port for port in published(described(one.labels)) if port.host_port)
    except (KeyError, TypeError, AttributeError):  # a person wrote the label
        return ()


def _has_free_ports(one: Container, host: Host) -> bool:
    """Tell whether no other entry's container has a host port of one that does not run."""
    ports, entry = own_ports(one), entry_of(one)
    others = (other for other in host.observed.containers if ports and entry_of(other) != entry)
    return not any(clash(ports, other.ports) for other in others)


def goes_when_it_ends(one: Container) -> bool:
    """Tell whether a container is known to be one that the engine removes as soon as it is stopped."""
    return one.detail is not None and one.detail.removes_itself


def lives(one: Container, host: Host) -> bool:
    """Tell whether a container runs, or did and may be started again."""
    return one.running or (one.state != "created" and may_start(one, host))


def may_start(
    one: Container, host: Host, without: Collection[str] = (), together: Collection[str] = ()
) -> bool:
    """Tell whether a stopped container is there, and what it needs to start runs, or is listed and so will.

    `without` are the ids of containers that will not be there, `together` of those brought back with it.
    """
    if goes_when_it_ends(one) or is_stuck(one):
        return False
    if {*one.networks} - BUILT_IN:
        return networks_are_there(one, host)
    for container_id in needs_running(one):
        other = host.by_id.get(container_id)
        if other is None or container_id in without:
            return False
        # What is in a circle, as labels that a person forged may be, is there once.
        rest = {*without, one.container_id}
        listed = entry_of(other) in host.listed | host.unread and _has_free_ports(other, host)
        comes = (listed or container_id in together) and may_start(other, host, rest, together)
        if not other.running and not comes:
            return False
    return True
