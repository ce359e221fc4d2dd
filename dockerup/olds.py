"""Which containers have to give way to an entry's, for which entry each does, and which will not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dockerup import labels
from dockerup.decision import Decision
from dockerup.host import Host, asides, entry_of, managed, protection, stays
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, Why


def rivals(family: tuple[Container, ...], keeper: Container | None, host: Host) -> tuple[Container, ...]:
    """Return the containers of an entry, besides its keeper, that may go."""
    return tuple(
        one
        for one in family
        if one is not keeper
        and not protection(one, host)
        and (managed(one) or host.policy.unmanaged != "keep")
    )


def replaced_by(keeper: Container, host: Host) -> Iterable[Container]:
    """Return the containers that a keeper's label says it takes the place of, if they may go."""
    ids = labels.read_replaced(keeper.labels)
    if not ids:
        return ()
    return (one for one in host.observed.containers if one.container_id in ids and _may_go(one, host))


def in_the_way(spec: ContainerSpec, host: Host) -> tuple[Container, ...]:
    """Return the unlisted containers that hold a host port or a name of an entry and may go."""
    holders = unique((*port_holders(spec, host), *name_holders(spec, None, host)))
    return tuple(one for one in holders if _may_go(one, host))


def name_holders(spec: ContainerSpec, keeper: Container | None, host: Host) -> Iterable[Container]:
    """Return the unlisted containers that have a name which an entry is about to need, and may go."""
    if keeper is not None and keeper.name == spec.name:
        return ()
    names = (spec.name, *asides(spec.name))
    found = (host.by_name[name] for name in names if name in host.by_name)
    return tuple(one for one in found if one is not keeper and _may_go(one, host))


def port_holders(spec: ContainerSpec, host: Host) -> Iterable[Container]:
    wanted = [port for port in spec.ports if port.host_port]
    if not wanted:
        return ()
    return (
        one
        for one in host.observed.containers
        if entry_of(one) != spec.name and any(port.clashes(held) for port in wanted for held in one.ports)
    )


def _may_go(one: Container, host: Host) -> bool:
    return entry_of(one) not in host.listed and not stays(one, host)


def unique(containers: Iterable[Container]) -> tuple[Container, ...]:
    """Return containers in their order, each once."""
    return tuple({one.container_id: one for one in containers}.values())


def owners(decisions: Mapping[str, Decision]) -> dict[str, str]:
    """Return the entry that each old container, by id, is replaced by."""
    return {one.container_id: name for name, decision in decisions.items() for one in decision.olds}


def each_old_once(decisions: Mapping[str, Decision]) -> dict[str, Decision]:
    """Return the decisions with each old container left to one entry: that of its name, else the first."""
    owner: dict[str, str] = {}
    for name, decision in decisions.items():
        for one in decision.olds:
            if one.container_id not in owner or one.name in {name, *asides(name)}:
                owner[one.container_id] = name
    return {
        name: replace(decision, olds=tuple(one for one in decision.olds if owner[one.container_id] == name))
        for name, decision in decisions.items()
    }


def port_givers(decision: Decision, owner: Mapping[str, str], host: Host) -> tuple[str, ...]:
    """Return the entries that have yet to make a host port free which this entry is about to need.

    `owner` tells which entry each old container is stopped for.
    """
    if not decision.starts:
        return ()
    ids = (one.container_id for one in port_holders(decision.spec, host))
    return tuple(sorted({owner[container_id] for container_id in ids if container_id in owner}))


def blocked_by_others(decisions: Mapping[str, Decision], host: Host) -> dict[str, Cause]:
    """Return the entries whose host port or name stays with another container, with that as the cause."""
    going = owners(decisions)
    found: dict[str, Cause] = {}
    for name, decision in decisions.items():
        other = host.by_name.get(name)
        renames = not decision.held and (decision.keeper is None or decision.keeper.name != name)
        if renames and other is not None and other.container_id not in going:
            what = f"its name is that of a container which stays: {stays(other, host) or entry_of(other)}"
            found[name] = Cause(Why.HELD_BACK, what)
        for one in port_holders(decision.spec, host) if decision.starts else ():
            if one.container_id not in going:
                found[name] = Cause(Why.HELD_BACK, f"its host port is held by the container {one.name}")
    return found
