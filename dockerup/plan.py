"""The plan: which steps, in which order, make the host run what is listed. Pure.

(desired, observed, answers of the registries, policy, time) -> an ordered graph of steps, each with its
cause. Every step is there only while what it brings about is not yet observed, so that a run which was
killed anywhere is finished by planning again.

An entry is replaced like this: the new container is created beside the old one, the old one's restart policy
is set to `no` (the engine must not bring it back), it is stopped and renamed aside, the new one gets the
name and is started, the old one is removed. Entries that have to change together are one group: those bound
to a container that is replaced, and those that hand a host port to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dockerup.adoption import adopt, still_true
from dockerup.again import may_be_stuck, needs_running
from dockerup.chain import AWAITED, write_group
from dockerup.clean_up import write_clean_up
from dockerup.decide import decide_all
from dockerup.decision import Decision
from dockerup.desired import Desired
from dockerup.former import with_formers
from dockerup.going_back import unlisted_ways_back
from dockerup.groups import groups
from dockerup.host import Host, Policy, dependents_first, entry_of, is_failed, managed, protection, stays
from dockerup.image import Answer, ImageRef
from dockerup.in_place import remembered, unsure
from dockerup.labels import AFTER, read_list
from dockerup.names import Stray, straightened, strays
from dockerup.networks import removable, users_of, write_networks, write_unused_networks
from dockerup.sheet import Sheet
from dockerup.snapshot import Container, ContainerId, Snapshot
from dockerup.steady import doubtful, may_have_given_up
from dockerup.steps import (
    Cause,
    Existing,
    Phase,
    Plan,
    Prove,
    Remove,
    RemoveImage,
    RemoveNetwork,
    Rename,
    SetRestart,
    Start,
    Stop,
    Update,
    Why,
)
from dockerup.transition import transitions
from dockerup.wayback import write_way_back


class PlanError(AssertionError):
    """The plan would break one of its own promises: a fault of dockerup's, found before anything is done."""


def make_plan(
    desired: Desired,
    observed: Snapshot,
    answers: Mapping[ImageRef, Answer],
    policy: Policy,
    now: float,
) -> Plan:
    """Return the steps that make the host run what is listed. `now` is in seconds since the epoch."""
    sheet = Sheet()
    adoption = adopt(desired, observed, policy)
    if adoption.wanted:
        return Plan(wanted=adoption.wanted)
    observed = adoption.observed
    host = Host.of(desired, observed, answers, policy, now)
    found = strays(host)
    if found:
        _write_names(found, sheet)
        host = Host.of(desired, straightened(observed, found), answers, policy, now)
    opened, wanted = transitions(host)
    unlisted = {name: opened.pop(name) for name in opened.keys() - host.listed}
    host, unknown = with_formers(host, opened)
    listed = (one for name in host.listed for one in host.families.get(name, ()))
    wanted |= unknown | doubtful(listed, now) | _unknown_ends(host) | unsure(host)
    if wanted:
        return Plan(wanted=wanted)
    decisions = decide_all(host, opened)
    sheet.decisions.update(decisions)
    write_networks(decisions, host, sheet)
    write_way_back({**decisions, **unlisted_ways_back(unlisted)}, host, sheet)
    for names in groups(decisions, host):
        write_group([decisions[name] for name in names], host, sheet)
    _write_removals(_leaving(host, decisions), host, sheet)
    write_clean_up(host, decisions, sheet)
    write_unused_networks(host, sheet)
    plan = sheet.plan((*_notes(host), *adoption.notes, *sheet.notes))
    check(plan, host)
    formers = tuple(host.formers.values())
    plan = replace(plan, adopted=adoption.records, in_place=remembered(host), formers=formers)
    return replace(plan, notes=tuple(still_true(plan.notes, plan)))


def _unknown_ends(host: Host) -> frozenset[ContainerId]:
    """Return the containers to inspect: the engine may have given them up, or be unable to start them."""
    return frozenset(
        one.container_id
        for spec in host.desired.specs
        for one in host.families.get(spec.name, ())
        if (may_have_given_up(one, spec.restart_policy) or may_be_stuck(one)) and not is_failed(one)
    )


def _write_names(found: list[Stray], sheet: Sheet) -> None:
    freed: dict[str, int] = {}
    for stray in found:
        one, entry = stray.one, entry_of(stray.one)
        target = Existing(one.container_id, one.name)
        step = Rename(entry, target, one.name, stray.name, Cause(Why.RENAMED, "another entry has that name"))
        after = (freed[stray.name],) if stray.name in freed else ()
        number = sheet.add(f"name of {one.container_id}", step, after)
        freed[one.name] = number
        sheet.named.update(dict.fromkeys(stray.entries, number))


def _leaving(host: Host, decisions: Mapping[str, Decision]) -> list[Container]:
    """Return the containers that no entry lists or takes over and that may go, dependents first."""
    taken = {one.container_id for decision in decisions.values() for one in decision.olds}
    taken |= {old.container_id for one in decisions.values() if one.back for old in one.back.olds}
    leaving = [
        one
        for one in host.observed.containers
        if entry_of(one) not in host.listed and one.container_id not in taken and not stays(one, host)
    ]
    return dependents_first(leaving)


def _write_removals(leaving: list[Container], host: Host, sheet: Sheet) -> None:
    gone: dict[str, list[int]] = {}
    removed = {
        node.step.target.container_id: node.number
        for node in sheet.nodes
        if isinstance(node.step, Remove) and isinstance(node.step.target, Existing)
    }
    leaving_ids = {one.container_id for one in leaving}
    needed_by = _needed_by(host) if leaving else {}
    for one in leaving:
        needing = needed_by.get(one.container_id, ()) if one.state == "running" else ()
        holders = [other for other in needing if other not in leaving_ids]
        if removed.keys() >= set(holders):
            _write_removal(one, [removed[holder] for holder in holders], sheet, gone)


def _needed_by(host: Host) -> dict[ContainerId, list[ContainerId]]:
    """Return, by what they need, the containers that could not be started any more without it."""
    found: dict[ContainerId, list[ContainerId]] = {}
    for one in host.observed.containers:
        if not is_failed(one):
            for needed in needs_running(one):
                found.setdefault(needed, []).append(one.container_id)
    return found


def _write_removal(one: Container, lets_go: list[int], sheet: Sheet, gone: dict[str, list[int]]) -> None:
    name, target = entry_of(one), Existing(one.container_id, one.name)
    cause = Cause(Why.ORPHAN if managed(one) else Why.UNMANAGED)
    group = f"leaving {one.container_id}"
    after = (*lets_go, *gone.get(name, ()))
    if one.running:
        after = (sheet.add(group, Stop(name, target, None, cause), after, Phase.REMOVE),)
    number = sheet.add(group, Remove(name, target, cause), after, Phase.REMOVE)
    for other in read_list(one.labels, AFTER):
        gone.setdefault(other, []).append(number)


def _notes(host: Host) -> list[str]:
    """Return what a person should know of containers that stay though no entry lists them."""
    silent = ("the setting", "it has the label", "the list is not", "unmanaged=keep", "no list says")
    unlisted = [one for one in host.observed.containers if entry_of(one) not in host.listed]
    reasons = ((one.name, stays(one, host)) for one in unlisted)
    return sorted(
        f"{name} is left alone: {reason}"
        for name, reason in reasons
        if reason and not reason.startswith(silent)
    )


def _check_proofs(plan: Plan) -> None:
    """Raise PlanError when an old container would go before the new one of its entry is proven."""
    proofs = {
        node.step.entry: node.number
        for node in plan.nodes
        if isinstance(node.step, Prove) and not node.group.endswith(AWAITED)
    }
    for node in plan.nodes:
        last = isinstance(node.step, Remove) and node.group.endswith(", olds")
        proof = proofs.get(node.step.entry) if last else None
        if proof is not None and proof not in _all_before(node.number, plan):
            raise PlanError(f"{node.step} does not wait for the proof of {node.step.entry}")


def _all_before(number: int, plan: Plan) -> set[int]:
    by_number = {node.number: node for node in plan.nodes}
    found: set[int] = set()
    rest = [number]
    while rest:
        new = {*by_number[rest.pop()].after} - found
        found |= new
        rest += new
    return found


def _check_images(plan: Plan, host: Host) -> None:
    """Raise PlanError when an image would go that a container needs which stays."""
    used = {one.image_id for one in host.observed.containers if one.container_id not in plan.removed}
    for step in (node.step for node in plan.nodes):
        if isinstance(step, RemoveImage) and step.image_id in used:
            raise PlanError(f"{step}, though a container was made from it")


def _check_networks(plan: Plan, host: Host) -> None:
    """Raise PlanError when a network would go that is another's, or that a container needs which stays."""
    removed = plan.removed
    by_id = {network.network_id: network for network in host.observed.networks or ()}
    for step in (node.step for node in plan.nodes):
        if isinstance(step, RemoveNetwork):
            network = by_id[step.network_id]
            used = any(one.container_id not in removed for one in users_of(network, host))
            if used or not removable(network, host) or not host.desired.complete:
                raise PlanError(f"{step}, which is somebody's")


def check(plan: Plan, host: Host) -> None:
    """Raise PlanError when a plan would break a promise, before anything of it is done."""
    _check_proofs(plan)
    by_id = {one.container_id: one for one in host.observed.containers}
    _check_images(plan, host)
    _check_networks(plan, host)
    stopped: set[str] = set()
    touching = (
        (node.step, node.group in plan.urgent)
        for node in plan.nodes
        if isinstance(node.step, (Stop, Remove, Rename, SetRestart, Update, Start))
    )
    for step, leads_back in touching:
        if not isinstance(step.target, Existing):
            continue
        one = by_id[step.target.container_id]
        if protection(one, host):
            raise PlanError(f"{step} would touch a protected container")
        if entry_of(one) not in host.listed and not host.desired.complete and not leads_back:
            raise PlanError(f"{step}, though the list is not whole")
        if isinstance(step, Stop):
            stopped.add(one.container_id)
        if isinstance(step, Remove) and one.running and one.container_id not in stopped:
            raise PlanError(f"{step}, though it runs")
