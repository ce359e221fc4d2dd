"""Containers that a person gave a name which another entry needs: first of all they get their own. Pure."""

from __future__ import annotations

from dataclasses import replace

from dockerup.host import Host, asides, entry_of, managed, protection
from dockerup.memory import failed_names
from dockerup.records import dataclass
from dockerup.snapshot import Container, Snapshot


@dataclass(frozen=True)
class Stray:
    """A container of one entry under the name of another, and the name that it gets.

    `entries` are those that have to wait for that.
    """

    one: Container
    name: str
    entries: frozenset[str]


def strays(host: Host) -> list[Stray]:
    """Return the containers that are in the way by their names, in the order in which they can be renamed."""
    owner = {
        called: name for name in sorted(host.listed) for called in (name, *asides(name), *failed_names(name))
    }
    taken = set(host.by_name)
    found = []
    for one in sorted(host.observed.containers, key=lambda one: one.container_id):
        mine, needs_it = entry_of(one), owner.get(one.name)
        if needs_it in {None, mine} or mine not in host.listed or not managed(one) or protection(one, host):
            continue
        name = f"{mine}.dockerup-{one.container_id[:12]}" if mine in taken else mine
        taken = (taken - {one.name}) | {name}
        found.append(Stray(one, name, frozenset({mine, needs_it or mine})))
    return found


def straightened(observed: Snapshot, found: list[Stray]) -> Snapshot:
    """Return the host as it is once the strays have their names."""
    names = {stray.one.container_id: stray.name for stray in found}
    containers = (replace(one, name=names.get(one.container_id, one.name)) for one in observed.containers)
    return replace(observed, containers=tuple(containers))
