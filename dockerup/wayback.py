"""The way back: what replaced another and failed is set aside, and the other serves again. Pure.

It is planned from what is there, so that one that was interrupted goes on. It is never rolled back itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dockerup import labels
from dockerup.again import lives_in, needs_running
from dockerup.decision import Decision
from dockerup.host import Host, asides, dependents_first, entry_of, is_failed, managed, protection
from dockerup.memory import failed_name
from dockerup.olds import rivals
from dockerup.sheet import Chain, Sheet, existing, set_restart
from dockerup.snapshot import Container, ContainerId
from dockerup.spec import clash
from dockerup.steps import Cause, Existing, Remove, Rename, Start, Stop, Tag, Why
from dockerup.transition import Transition, ports_back, restart_before
from dockerup.turns import memories_of


def write_way_back(decisions: dict[str, Decision], host: Host, sheet: Sheet) -> None:
    """Write down the way back of each replacement that has to go back, those begun together as one."""
    groups: dict[tuple[str, ...], list[Decision]] = {}
    for name, decision in decisions.items():
        if decision.back is not None:
            mates = labels.read_list(decision.back.new.labels, labels.GROUP) or (name,)
            groups.setdefault(mates, []).append(decision)
    for group in groups.values():
        chain = Chain(f"{group[0].spec.name}, way back", host, sheet, ())
        sheet.mark_urgent(chain.group)
        for decision in reversed(group):
            _set_aside(decision, chain)
        _free_ports(group, decisions, chain)
        ends = _bring_back(group, chain)
        for decision in group:
            _tidy(decision, chain.branch(*(ends[old.container_id] for old in _opened(decision).olds)))


def _opened(decision: Decision) -> Transition:
    assert decision.back is not None
    return decision.back


def _set_aside(decision: Decision, chain: Chain) -> None:
    """Stop what failed, and keep it under its own name: it is the memory of that.

    What was never tried is no memory, and goes when what serves does so again: the way back is in its labels.
    """
    name, new, cause = decision.spec.name, _opened(decision).new, decision.cause
    if not _opened(decision).tried:
        if new.name == name:
            chain.add(Rename(name, existing(new), name, asides(name)[0], cause))
        return
    set_restart(name, new, "no", cause, chain)
    if new.running:
        chain.add(Stop(name, existing(new), None, cause))
    called = failed_name(name, former=labels.FORMER in new.labels)
    if new.name == called:
        return
    earlier = chain.host.by_name.get(called)
    if earlier is not None:
        if earlier.running:
            chain.add(Stop(name, existing(earlier), None, Cause(Why.LEFT_OVER)))
        chain.add(Remove(name, existing(earlier), Cause(Why.LEFT_OVER)))
    chain.add(Rename(name, existing(new), new.name, called, cause))


def _free_ports(group: list[Decision], decisions: Mapping[str, Decision], chain: Chain) -> None:
    """Stop what was first started beside these with a host port of theirs: what served before comes first.

    With it what lives in its network. The engine must not start them in a reboot either. They start again,
    as they are, once the port is free.
    """
    for one in dependents_first(_giving_way(group, decisions, chain.host)):
        name = entry_of(one)
        decision = decisions[name]
        set_restart(name, one, "no", decision.cause, chain)
        chain.add(Stop(name, existing(one), decision.spec.update.stop_timeout, decision.cause))


def _giving_way(
    group: list[Decision], decisions: Mapping[str, Decision], host: Host
) -> Collection[Container]:
    """Return what runs with a host port of what these go back to, and what lives in such a one's network."""
    ports = [port for mate in group for port in ports_back(_opened(mate))]
    found: dict[ContainerId, Container] = {}
    for name, decision in decisions.items():  # each after those that it is bound to
        family = rivals(host.families.get(name, ()), None, host) if decision.gives_way else ()
        for one in family:
            if one.running and (clash(ports, one.ports) or lives_in(one) & found.keys()):
                found[one.container_id] = one
    return found.values()


def _bring_back(group: list[Decision], chain: Chain) -> Mapping[ContainerId, tuple[int, ...]]:
    """Let the old ones serve again, each beside those that it can do without; return where each ends."""
    owner = {old.container_id: one for one in group for old in _opened(one).olds}
    olds = {old.container_id: old for one in group for old in _opened(one).olds}
    needed = _needed(olds, chain.host)
    ends: dict[ContainerId, tuple[int, ...]] = {}
    for old in reversed(dependents_first([*olds.values(), *(one for one, _ in needed.values())])):
        branch = chain.branch(*(ends[one] for one in ends if _comes_after(old, chain.host.by_id[one])))
        if old.container_id in needed:
            _start_needed(old, owner[needed[old.container_id][1]], branch)
        else:
            _serve_again(old, owner[old.container_id], olds, branch)
        ends[old.container_id] = branch.end
    return ends


def _comes_after(one: Container, other: Container) -> bool:
    """Tell whether a container is started after another, by the engine's needs or by its entry's word."""
    asked = labels.read_list(one.labels, labels.AFTER)
    return other.container_id in needs_running(one) or entry_of(other) in asked


def _serve_again(old: Container, decision: Decision, olds: Collection[ContainerId], chain: Chain) -> None:
    name, opened, cause = decision.spec.name, _opened(decision), decision.cause
    was = labels.read_replaced(opened.new.labels)[old.container_id]
    set_restart(name, old, was.restart, cause, chain)
    if old is opened.last and old.name != name and _free_name(name, olds, chain):
        chain.add(Rename(name, existing(old), old.name, name, cause))
    if was.ran and not old.running:
        chain.sheet.started[entry_of(old)] = chain.add(Start(name, existing(old), False, "", cause))


def _needed(
    olds: Mapping[ContainerId, Container], host: Host
) -> Mapping[ContainerId, tuple[Container, ContainerId]]:
    """Return what stands still and these need to be started, each with the id of one that needs it.

    Its own way back is not known any more: the container that told of it was removed.
    """
    found: dict[ContainerId, tuple[Container, ContainerId]] = {}
    rest = [(old, old.container_id) for old in olds.values()]
    while rest:
        one, root = rest.pop()
        for container_id in needs_running(one) - olds.keys() - found.keys():
            other = host.by_id.get(container_id)
            if other is not None and not other.running and entry_of(other) in host.listed | host.unread:
                found[container_id] = other, root
                rest.append((other, root))
    return found


def _start_needed(one: Container, decision: Decision, chain: Chain) -> None:
    name, cause = entry_of(one), decision.cause
    set_restart(name, one, restart_before(one), cause, chain)
    if name not in chain.host.by_name:
        chain.add(Rename(name, existing(one), one.name, name, cause))
    chain.sheet.started[name] = chain.add(Start(name, existing(one), False, "", cause))


def _free_name(name: str, olds: Collection[ContainerId], chain: Chain) -> bool:
    """Let a container go that somebody gave the name meanwhile; tell whether the name is free then.

    Where it stays, what is brought back serves under the name that it has: better than not at all.
    """
    host, other = chain.host, chain.host.by_name.get(name)
    if other is None or managed(other) or other.container_id in olds:
        return True
    if protection(other, host) or host.policy.unmanaged == "keep":
        return False
    cause = Cause(Why.UNMANAGED)
    if other.running:
        chain.add(Stop(name, existing(other), None, cause))
    chain.add(Remove(name, existing(other), cause))
    return True


def _tidy(decision: Decision, chain: Chain) -> None:
    """Let the tag go back as well; what is no memory of anything that is listed need not stay."""
    opened, host = _opened(decision), chain.host
    _tag_back(decision, opened, chain)
    if not opened.tried:
        target = Existing(opened.new.container_id, asides(decision.spec.name)[0])
        chain.add(Remove(decision.spec.name, target, Cause(Why.LEFT_OVER)))
        return
    if decision.spec.name not in host.listed:
        return  # what it is the memory of is known once the list is whole
    stale = (
        not memories_of(decision.spec, host)
        if labels.FORMER in opened.new.labels
        else host.memory_in(opened.new, decision.spec).stale
    )
    # What had to go with its mates is no memory of its own: theirs is enough.
    with_mates = labels.GROUP in opened.new.labels and opened.new.labels.get(labels.CAUSE) == Why.BOUND.name
    if stale or with_mates:
        chain.add(Remove(decision.spec.name, existing(opened.new), Cause(Why.LEFT_OVER)))


def _tag_back(decision: Decision, opened: Transition, chain: Chain) -> None:
    """Let the local tag mean again what serves, unless another container is made from what it means now.

    What failed is none: the engine starts it no more.
    """
    ref, last, host = decision.spec.image, opened.last, chain.host
    tagged = host.local.by_tag.get(ref.familiar)
    if last is None or tagged is None or tagged.image_id != opened.new.image_id:
        return
    serves = host.local.by_id.get(last.image_id)
    others = (one for one in host.observed.containers if one is not opened.new and not is_failed(one))
    used = any(one.image_id == tagged.image_id for one in others)
    known = serves is not None and host.local.digest_of(serves.image_id, ref)
    if not known or ref.untagged or last.image_id == tagged.image_id or used:
        return
    chain.add(Tag(decision.spec.name, last.image_id, ref.familiar, tagged.image_id, decision.cause))
