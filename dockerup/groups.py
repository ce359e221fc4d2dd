"""Which entries change together, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from dockerup.decision import Decision, needed_well
from dockerup.host import Host
from dockerup.labels import BOUND, read_map
from dockerup.olds import each_old_once, owners, port_givers
from dockerup.steps import Cause, Why
from dockerup.turns import before_in_turn


def groups(decisions: Mapping[str, Decision], host: Host) -> list[list[str]]:
    """Return the entries in groups that change together, everything in the order of dependencies."""
    leader = {name: name for name in decisions}
    owner = owners(decisions)

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for name, decision in decisions.items():
        others = list(port_givers(decision, owner, host))
        if decision.disturbs and decision.olds and not decision.last_life:
            others += [other for other in decision.spec.bound_to if other in decisions]
            # The way back of a container leads over what it held on to.
            held = (i for one in decision.olds for i in read_map(one.labels, BOUND).values())
            others += [owner[container_id] for container_id in held if container_id in owner]
        for other in others:
            if decisions[other].disturbs:
                leader[find(name)] = find(other)
    while True:
        found: dict[str, list[str]] = {}
        for name in decisions:
            found.setdefault(find(name), []).append(name)
        after = {
            head: [
                find(other)
                for name in names
                for other in (*decisions[name].spec.after, *before_in_turn(decisions[name], decisions))
                if other in decisions
            ]
            for head, names in found.items()
        }
        order = TopologicalSorter(
            {head: [one for one in dict.fromkeys(others) if one != head] for head, others in after.items()}
        )
        try:
            return [found[head] for head in order.static_order()]
        except CycleError as circle:
            # Each of these groups would have to wait for another: they are one.
            for head in circle.args[1]:
                leader[find(head)] = find(circle.args[1][0])


def in_circles(decisions: Mapping[str, Decision], host: Host) -> dict[str, Cause]:
    """Return the entries that would change together with what has to be well before they are touched.

    What runs of them could not be started again. Others that wait for them are what closes the circle.
    """
    last = [name for name, one in decisions.items() if one.last_life and any(old.running for old in one.olds)]
    together = groups(each_old_once(decisions), host) if last else []
    group_of = {name: names for names in together for name in names}
    found: dict[str, Cause] = {}
    for name in last:
        for other in needed_well(decisions[name].spec):
            if other in group_of[name] and decisions[other].disturbs:
                found[name] = Cause(Why.HELD_BACK, f"{other} has to be well before what runs is stopped")
    return found
