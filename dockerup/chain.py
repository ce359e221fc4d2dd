"""How a group of entries changes: the steps, in the one order that can be interrupted anywhere.

Each step is written down only while what it brings about is not yet so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from dockerup import labels
from dockerup.again import goes_when_it_ends
from dockerup.decision import Decision
from dockerup.definition import definition_hash
from dockerup.fetch import write_fetch
from dockerup.host import Host, asides, dependents_first, entry_of
from dockerup.joined import not_joined
from dockerup.keys.networks import joined_at_create
from dockerup.keys.row import Change
from dockerup.memory import failed_name
from dockerup.new_labels import new_labels
from dockerup.sheet import Chain, Sheet, existing, set_restart
from dockerup.snapshot import Container
from dockerup.steps import (
    Cause,
    ConnectNetwork,
    Create,
    Existing,
    Goal,
    Keep,
    Prove,
    Remove,
    Rename,
    Signal,
    Start,
    Step,
    Stop,
    Update,
    Why,
)
from dockerup.transition import served, was_stopped
from dockerup.turns import before_in_turn
from dockerup.volumes import inherited

_PROOFS = ("HEALTHY", "SUCCESS")  # the conditions that are a proof
AWAITED = ", awaited"  # ends the names of groups that are a proof for the sake of dependents only


def write_group(group: list[Decision], host: Host, sheet: Sheet) -> None:
    """Write down what one group needs, in the order that closes ports only from stop to start."""
    named = (sheet.named.get(decision.spec.name) for decision in group)
    chain = Chain(group[0].spec.name, host, sheet, tuple(number for number in named if number))
    acting = [decision for decision in group if not decision.held]
    if any(map(_can_be_undone, acting)):
        sheet.mark_undoable(chain.group)
    chain.mates = [decision.spec.name for decision in acting if _has_way_back(decision)]
    for decision in acting:
        _amend(decision, chain)
    inside = {decision.spec.name for decision in acting}
    for decision in acting:
        chain.wait_for(_gates(decision, chain, {*decision.waits_for} - inside))
        turns = {*before_in_turn(decision, sheet.decisions)} - inside
        chain.wait_for(filter(None, (_gate(name, "HEALTHY", chain) for name in sorted(turns))))
    # What is created before all images are here would be left over by a run that is asked to end meanwhile.
    fetched = {decision.spec.name: write_fetch(decision, chain) for decision in acting}
    for decision in acting:
        chain.wait_for(fetched[decision.spec.name] if decision.keeper is None else ())
    for decision in acting:  # only now: what is stale tells how to undo what a killed run began
        _clear_stale(decision, chain)
    for decision in acting:
        _prepare(decision, chain)
    eager = [decision for decision in acting if len(acting) == 1 and _start_first(decision, chain)]
    for decision in eager:
        _forget(decision.forget, decision, chain.add)
        _start(decision, chain)
        _prove(eager, chain)
    _silence_olds(acting, chain)
    for decision in acting:
        _take_name(decision, chain)
    rest = [decision for decision in acting if decision not in eager]
    _start_all(rest, inside, chain)
    for decision in reversed(acting):
        _remove_olds(decision, chain)
        _forget(decision.forget_last, decision, chain.last)
    for decision in group:
        if decision.back is None and not chain.touched(decision.spec.name):
            chain.keep(Keep(decision.spec.name, decision.cause, decision.well))


def _start_all(rest: list[Decision], inside: set[str], chain: Chain) -> None:
    """Start what has its name by now, and let it prove itself; what failed before goes, its try is made."""
    for decision in rest:
        _forget(decision.forget, decision, chain.add)
    for decision in rest:
        awaited = decision.waits_for if decision.starts else {}
        _prove([one for one in rest if awaited.get(one.spec.name) in _PROOFS], chain)
        chain.wait_for(_gates(decision, chain, inside))
        _start(decision, chain)
    _prove(rest, chain)


def _stale(decision: Decision) -> list[Container]:
    """Return the olds that hold a name which is needed and are the way back to nothing.

    Where the container of the entry's own name is dead and one that stands aside lives, it is the former.
    """
    name = decision.spec.name
    named = [one for one in decision.olds if one.name == name]
    aside = [one for one in decision.olds if one.name in asides(name)]
    if not named or not aside:
        return []
    if named[0].state == "created" and any(
        one.container_id in labels.read_replaced(named[0].labels) for one in aside
    ):
        return named
    if any(one.running for one in aside) and not named[0].running:
        return named
    needed = {_moved(decision), *([_new(name)] if decision.keeper is None else [])}
    return [one for one in aside if one.name in needed]


def _new(name: str) -> str:
    return asides(name)[0]


def _taken(decision: Decision) -> bool:
    """Tell whether one that stands aside until the new container runs has the entry's name."""
    return any(one.name == decision.spec.name for one in _standing(decision))


def _moved(decision: Decision) -> str:
    """Return what the predecessor is called while it stands aside."""
    new, old = asides(decision.spec.name)
    return new if decision.keeper is not None and decision.keeper.name == old else old


def _standing(decision: Decision) -> list[Container]:
    """Return the olds that stand aside until the new container runs."""
    stale = {one.container_id for one in _stale(decision)}
    return [one for one in decision.olds if one.container_id not in stale]


def _staying(decision: Decision) -> list[Container]:
    """Return those of them that are there once they are stopped."""
    return [one for one in _standing(decision) if not goes_when_it_ends(one)]


def _has_way_back(decision: Decision) -> bool:
    """Tell whether any that the new container takes the place of served, or did before an interruption.

    One that is there already has to have it in its labels: by them the way back is found.
    """
    standing = [one for one in _standing(decision) if not _is_lost(one, decision)]
    if decision.keeper is None:
        return any(served(one) or was_stopped(one) for one in standing)
    before = labels.read_replaced(decision.keeper.labels)
    known = [one for one in standing if one.container_id in before]
    return any(served(one) or before[one.container_id].ran for one in known)


def _is_lost(one: Container, decision: Decision) -> bool:
    """Tell whether one that is replaced could not be started again."""
    return goes_when_it_ends(one) or (decision.last_life and entry_of(one) == decision.spec.name)


def _can_be_undone(decision: Decision) -> bool:
    """Tell whether a decision leaves what ran in a state from which it can be brought back."""
    return any(not _is_lost(one, decision) for one in decision.olds)


def _clear_stale(decision: Decision, chain: Chain) -> None:
    """First of all give the survivor its own restart policy back, while what tells of it is still there."""
    if decision.keeper is not None and (decision.starts or decision.olds):
        _set_restart(decision, decision.keeper, decision.spec.restart_policy, chain)
    for one in _stale(decision):
        if one.running:
            chain.add(Stop(decision.spec.name, existing(one), None, Cause(Why.LEFT_OVER)))
        chain.add(Remove(decision.spec.name, existing(one), Cause(Why.LEFT_OVER)))


def _amend(decision: Decision, chain: Chain) -> None:
    """Change the keeper in place; what is as listed is never taken back."""
    amend, keeper, spec = decision.amend, decision.keeper, decision.spec
    if amend is None or keeper is None:
        return
    restart = "" if decision.starts or decision.olds else amend.restart  # else the survivor got its own
    if amend.limits or restart:
        wanted = definition_hash(spec.definition, Change.IN_PLACE)
        cause = Cause(Why.DEFINITION, changes=amend.changes)
        chain.apart(Update(spec.name, existing(keeper), amend.limits, restart, amend.room, wanted, cause))


def _set_restart(decision: Decision, one: Container, restart: str, chain: Chain) -> None:
    set_restart(decision.spec.name, one, restart, _why_goes(one, decision), chain)


def _prepare(decision: Decision, chain: Chain) -> None:
    """Create the new container, while the old one still serves."""
    spec, image = decision.spec, decision.image
    if decision.keeper is not None:
        _connect(decision, not_joined(decision.keeper, spec), chain)
        return
    # Which image an index has for a platform that was asked for is known by its digest.
    only_image = decision.cause.why is Why.IMAGE and image.fetch is not None and not spec.image.platform
    exact = image.digest and (spec.image.platform or image.held)
    newest = max(decision.olds, key=lambda one: one.created, default=None)
    chain.add(
        Create(
            entry=spec.name,
            spec=spec,
            image=(spec.image.with_digest(image.digest) if exact else spec.image).familiar,
            name=_new(spec.name) if _taken(decision) else spec.name,
            labels=new_labels(decision, _standing(decision), chain),
            volumes=inherited(spec, _standing(decision), chain.host),
            bound=decision.bound,
            unless_image=newest.image_id if only_image and newest else None,
            cause=decision.cause,
        ),
        *(chain.sheet.networks[name] for name in spec.networks if name in chain.sheet.networks),
    )
    at_create = joined_at_create(spec.definition, chain.host.policy.api)
    _connect(decision, tuple(spec.networks)[len(at_create) :], chain)


def _connect(decision: Decision, networks: Iterable[str], chain: Chain) -> None:
    """Connect a container that was never started to the networks that it is not on yet."""
    if decision.starts:
        for name in networks:
            made = (chain.sheet.networks[name],) if name in chain.sheet.networks else ()
            chain.add(
                ConnectNetwork(decision.spec.name, decision.target, name, decision.spec, decision.cause),
                *made,
            )


def _start_first(decision: Decision, chain: Chain) -> bool:
    """Tell whether the new container of an eager entry can run beside the old one."""
    if not (
        decision.spec.update.eager and decision.starts and any(one.running for one in _standing(decision))
    ):
        return False
    ports = [port.host_port for port in decision.spec.ports if port.host_port]
    if ports:
        reason = f"host port {ports[0]} can be held once only"
    elif decision.spec.network == "host":
        reason = "both would use the host's network"
    elif inherited(decision.spec, _standing(decision), chain.host):
        reason = "both would write to the same anonymous volume"
    else:
        return True
    chain.sheet.notes.append(f"{decision.spec.name}: update.eager has no effect: {reason}")
    return False


def _silence_olds(acting: list[Decision], chain: Chain) -> None:
    """Stop what is replaced, so that the engine does not bring it back after a reboot.

    What holds on to another stops before it, so that the way back starts it after it.
    """
    owner = {one.container_id: decision for decision in acting for one in _standing(decision)}
    olds = [one for decision in acting for one in _standing(decision)]
    for old in dependents_first(olds):
        decision = owner[old.container_id]
        _set_restart(decision, old, "no", chain)
        if old.running:
            timeout = decision.spec.update.stop_timeout
            chain.add(Stop(decision.spec.name, existing(old), timeout, _why_goes(old, decision)))
        if goes_when_it_ends(old):  # its name is free only once it is gone
            chain.add(Remove(decision.spec.name, existing(old), _why_goes(old, decision)))


def _remove_olds(decision: Decision, chain: Chain) -> None:
    name = decision.spec.name
    for old in _staying(decision):
        called = _moved(decision) if old.name == name else old.name
        chain.last(Remove(name, Existing(old.container_id, called), _why_goes(old, decision)))


def _why_goes(old: Container, decision: Decision) -> Cause:
    if entry_of(old) == decision.spec.name:
        return decision.cause
    return Cause(Why.IN_THE_WAY, f"nobody lists it, and {decision.spec.name} needs its name or host port")


def _take_name(decision: Decision, chain: Chain) -> None:
    """Give the new container the entry's name."""
    name, keeper = decision.spec.name, decision.keeper
    if keeper is not None and keeper.name == name:
        return
    for old in _staying(decision):
        if old.name == name:
            cause = _why_goes(old, decision)
            chain.add(Rename(name, existing(old), name, _moved(decision), cause))
    if keeper is not None or _taken(decision):
        was = keeper.name if keeper is not None else _new(name)
        chain.add(Rename(name, decision.target, was, name, decision.cause))


def _gates(decision: Decision, chain: Chain, among: Collection[str]) -> Iterator[int]:
    """Give the steps of those dependencies, all of them planned by now, that an entry's start waits for."""
    for name, condition in decision.waits_for.items() if decision.starts else ():
        number = _gate(name, condition, chain) if name in among else None
        if number is not None:
            yield number


def _gate(name: str, condition: str, chain: Chain) -> int | None:
    sheet, other = chain.sheet, chain.sheet.decisions.get(name)
    if condition == "START" or other is None:
        return sheet.started.get(name)
    if (name, condition) not in sheet.reached and _has_to_reach(other, condition):
        goal = Goal.ENDED if condition == "COMPLETE" else Goal.PROVEN
        before = (sheet.started[name],) if name in sheet.started else ()
        step = _proof(other, goal, "", Cause(Why.DEPENDED_ON), chain.host)
        sheet.reached[name, condition] = sheet.add(f"{name}{AWAITED}", step, before)
    return sheet.reached.get((name, condition))


def _has_to_reach(other: Decision, condition: str) -> bool:
    """Tell whether a dependency is not yet seen to be what its dependents wait for."""
    one = other.keeper
    if one is None or other.starts:
        return True
    if condition == "HEALTHY":
        return one.health == "starting"
    return one.running


def _proof(decision: Decision, goal: Goal, failed: str, cause: Cause, host: Host) -> Prove:
    spec = decision.spec
    return Prove(
        entry=spec.name,
        target=decision.target,
        goal=goal,
        stretch=spec.update.prove_seconds,
        within=spec.health_timeout(host.policy.health_timeout),
        job=spec.restart == "no",
        checked=spec.checked,
        failed_name=failed,
        cause=cause,
    )


def _prove(decisions: Iterable[Decision], chain: Chain) -> None:
    """Let what takes another's place prove itself before that goes, once."""
    reached = chain.sheet.reached
    due = [
        one
        for one in decisions
        if _has_way_back(one) and one.spec.update.rollback and (one.spec.name, _PROOFS[0]) not in reached
    ]
    steps = [_proof(one, Goal.PROVEN, _failed_name(one, chain), one.cause, chain.host) for one in due]
    for decision, number in zip(due, chain.together(steps)):
        reached.update({(decision.spec.name, condition): number for condition in _PROOFS})


def _failed_name(decision: Decision, chain: Chain) -> str:
    """Return what an entry's new container is called from the moment that it fails."""
    name, keeper = decision.spec.name, decision.keeper
    former = labels.FORMER in keeper.labels if keeper is not None else name in chain.host.formers
    return failed_name(name, former=former)


def _forget(one: Container | None, decision: Decision, add: Callable[[Step], object]) -> None:
    """Remove a failed container that is of no use any more."""
    if one is None:
        return
    if one.running:
        add(Stop(decision.spec.name, existing(one), None, Cause(Why.LEFT_OVER)))
    add(Remove(decision.spec.name, existing(one), Cause(Why.LEFT_OVER)))


def _start(decision: Decision, chain: Chain) -> None:
    if not decision.starts:
        return
    spec, keeper = decision.spec, decision.keeper
    failed = _failed_name(decision, chain) if _has_way_back(decision) else ""
    # A new one was created after its networks.
    joins = spec.networks if keeper is not None else ()
    before = (chain.sheet.networks[name] for name in joins if name in chain.sheet.networks)
    paused = keeper is not None and keeper.state == "paused"
    number = chain.add(Start(spec.name, decision.target, paused, failed, decision.cause), *before)
    chain.sheet.started[spec.name] = number
    for name, signal in spec.signals.items():
        chain.beside(Signal(spec.name, name, signal, Cause(Why.SIGNAL)))
