"""What each listed container needs: nothing, a start, or a new container in the place of others.

Pure: everything that is asked was observed before, and the same input gives the same decision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from dockerup import labels
from dockerup.adoption import adopted
from dockerup.again import is_stuck, may_start
from dockerup.decision import Decision, needed_well, though_unwell
from dockerup.definition import Difference
from dockerup.desired import Desired
from dockerup.going_back import (
    given_up,
    goes_back,
    leans_on,
    loses_its_mate,
    port_goes_back,
    way_back,
    within_reach,
)
from dockerup.groups import in_circles
from dockerup.held_back import forgotten, forgotten_last, serves_on, waits_serving
from dockerup.host import Host, managed, protection
from dockerup.image import Unknown
from dockerup.images import WantedImage
from dockerup.in_place import amended, amendment, differences_of, same_make
from dockerup.joined import lost_networks
from dockerup.keeper import bindings, find_keeper, has_lost_its_hold, newest, not_listed, same_image
from dockerup.keys import RELEASES, needed_versions
from dockerup.later import image_now
from dockerup.olds import (
    blocked_by_others,
    each_old_once,
    in_the_way,
    name_holders,
    replaced_by,
    rivals,
    unique,
)
from dockerup.records import dataclass
from dockerup.settled import complete, failed, serves, settled
from dockerup.snapshot import Container, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.steady import unwell
from dockerup.steps import Cause, Target, Why
from dockerup.transition import Transition, with_mates
from dockerup.turns import after_failed, failed_as_listed, waits_for_turn

_AS_BEFORE = frozenset({Why.FAILED_BEFORE, Why.AFTER_FAILED})  # what was good serves on
# An entry that waits for these is as it should be, as long as what it has serves.
_STAYS_WELL = frozenset({Why.SOURCE_BROKEN, Why.AFTER_FAILED})


@dataclass(frozen=True)
class _Found:
    """What is known of an entry before it is decided.

    `family` are its containers but for those that failed, `bound` those that it holds on to. What else may
    keep it from a change: one that it has to hold on to is `missing`, another's container is in the way
    (`blocked`), a dependency is not there (`waits`), it is another replica's `turn`.
    """

    image: WantedImage
    family: tuple[Container, ...]
    bound: tuple[tuple[str, Target], ...]
    missing: Cause | None
    blocked: Cause | None
    waits: Cause | None
    turn: Cause | None


def decide_all(host: Host, open_ones: Mapping[str, Transition] | None = None) -> dict[str, Decision]:
    """Return the decision on each entry, in the order of their dependencies.

    `open_ones` are the replacements that are not concluded, by entry.
    """
    open_ones = open_ones or {}
    blocked: dict[str, Cause] = {}
    while True:
        decisions: dict[str, Decision] = {}
        going: set[str] = set()  # what will be gone, whatever becomes of its successor
        for spec in host.desired.specs:
            decision = decisions[spec.name] = _decide(spec, host, decisions, blocked, open_ones, going)
            going.update(one.container_id for one in decision.olds if decision.last_life)
        newly = {**in_circles(decisions, host), **blocked_by_others(decisions, host)}
        back = with_mates({name: decisions[name].back or opened for name, opened in open_ones.items()})
        if newly.keys() <= blocked.keys() and back == open_ones:
            return each_old_once(decisions)
        blocked.update(newly)
        open_ones = back


def _decide(
    spec: ContainerSpec,
    host: Host,
    made: Mapping[str, Decision],
    blocked: Mapping[str, Cause],
    open_ones: Mapping[str, Transition],
    going: Collection[str],
) -> Decision:
    opened = within_reach(open_ones.get(spec.name), host, made)
    image = image_now(spec, host, going)
    failed_ones = (host.failed_one(spec.name), host.failed_one(spec.name, former=True))
    family = tuple(one for one in host.families.get(spec.name, ()) if one not in failed_ones)
    bound, missing = bindings(spec, host, made)
    keeper = find_keeper(spec, family, image, host, made, bound)
    port_goes = port_goes_back(spec, family, open_ones)
    if opened is None:
        gives = port_goes or loses_its_mate(spec, made)
        if gives:
            return replace(_held(spec, family, image, Cause(Why.HELD_BACK, gives)), gives_way=True)
    elif spec.name not in blocked:
        back = goes_back(spec, opened, keeper, host) or port_goes
        if back:
            return way_back(spec, image, opened, back)
        keeper = opened.new if opened.new.state != "created" and not opened.reason else keeper
    leans = leans_on(family, open_ones)
    if leans:
        held = _held(spec, family, image, Cause(Why.HELD_BACK, f"waits for the way back of {leans}"))
        return given_up(opened, held, host) or held
    lived = [one for one in family if one.state != "created"]
    last_life = bool(lived) and not any(may_start(one, host, going) for one in lived)
    needed = needed_well(spec) if last_life and any(one.running for one in lived) else {}
    waits = waits_for(spec, family, host, made, needed)
    turn = waits_for_turn(spec, family, image, host, made, open_ones)
    found = _Found(image, family, bound, missing, blocked.get(spec.name), waits, turn)
    decision = _make(spec, host, found) if keeper is None else _keep(spec, keeper, host, found)
    left = given_up(opened, decision, host)
    if left is not None:
        return left
    if opened is None and decision.held and decision.cause is turn:
        decision = waits_serving(decision, family, host)
    forget = forgotten(decision, host)
    last = forgotten_last(decision, forget, host)
    decision = replace(decision, forget=forget, forget_last=last, last_life=last_life)
    return amended(decision, host)


def _make(spec: ContainerSpec, host: Host, found: _Found) -> Decision:
    """Return the decision on an entry none of whose containers can stay."""
    image, family = found.image, found.family
    hold = (
        _too_early(spec, family, image, host) or _hold(spec, family, host) or found.missing or found.blocked
    )
    if hold is not None:
        return _held(spec, family, image, hold)
    remembered = serves_on(spec, family, image, host)
    if remembered is not None:
        return remembered
    hold = found.turn or found.waits
    if hold is not None:
        return _held(spec, family, image, hold)
    olds = unique((*rivals(family, None, host), *in_the_way(spec, host)))
    cause = _why_new(spec, family, image, host, found.bound)
    return Decision(spec, cause, image, None, olds, found.bound)


def _keep(spec: ContainerSpec, keeper: Container, host: Host, found: _Found) -> Decision:
    """Return the decision on an entry of which one container stays, or goes on."""
    image, bound = found.image, found.bound
    olds = unique(
        (*rivals(found.family, keeper, host), *replaced_by(keeper, host), *name_holders(spec, keeper, host))
    )
    if settled(keeper, spec) and keeper.name != spec.name and found.blocked:
        return _held(spec, (keeper,), image, found.blocked)
    if found.missing is not None and has_lost_its_hold(keeper, spec, host):
        return _held(spec, (keeper,), image, found.missing)
    if keeper.state in {"running", "restarting"}:
        return _running(spec, image, keeper, olds, bound)
    again = spec.name in host.policy.retry
    if settled(keeper, spec) and not again:
        why = Why.COMPLETE if complete(keeper, spec) else Why.FAILED
        cause = Cause(why, f"exit code {keeper.exit_code}" if why is Why.FAILED else "")
        return Decision(spec, cause, image, keeper, olds, bound, well=why is Why.COMPLETE)
    hold = found.missing or found.blocked or found.waits or _together(spec, host) or _tried(spec, host)
    if hold is not None:
        return _held(spec, (keeper,), image, hold)
    olds = unique((*olds, *in_the_way(spec, host)))
    return Decision(spec, _why_start(keeper, olds), image, keeper, olds, bound, again)


def stands_still(desired: Desired, observed: Snapshot) -> bool:
    """Tell whether anything listed does not run: it may be mended without asking what is new."""
    running = {one.name for one in observed.containers if one.running and one.state != "paused"}
    return any(spec.name not in running for spec in desired.specs)


def _too_early(
    spec: ContainerSpec, family: tuple[Container, ...], image: WantedImage, host: Host
) -> Cause | None:
    """Return why a new container is not made now, though it could be; None when it may be."""
    unasked, answer = host.policy.unasked, host.answers.get(spec.image)
    if unasked and (spec.image in unasked or image.local is None or family):
        return Cause(Why.HELD_BACK, "the registries are asked first")
    if image.local is None and isinstance(answer, Unknown) and answer.wait:
        return Cause(Why.HELD_BACK, f"its image is not here, and {answer.reason}")
    if image.local is None and image.fetch is None:
        return Cause(Why.HELD_BACK, f"its image is not here{image.doubt and f', and {image.doubt}'}")
    return None if family else _tried(spec, host)


def _together(spec: ContainerSpec, host: Host) -> Cause | None:
    """Return why an entry is not started before the registries were asked, None when it may be.

    What is bound to it is made anew when it starts, and may have to wait for the registries: a start alone
    would leave that in the network of a process that is gone, and nothing would tell later.
    """
    if host.policy.unasked and spec.name in host.depended_on:
        return Cause(Why.HELD_BACK, "the registries are asked first, for those that are bound to it")
    return None


def _tried(spec: ContainerSpec, host: Host) -> Cause | None:
    if spec.name in host.policy.tried:
        return Cause(Why.HELD_BACK, "its start failed in this run; the next tries again")
    return None


def waits_for(
    spec: ContainerSpec,
    family: Iterable[Container],
    host: Host,
    made: Mapping[str, Decision],
    needed: Mapping[str, str],
) -> Cause | None:
    """Return which dependency keeps an entry from being started, None when none does.

    `needed` are the conditions of others that it depends on as well. One that is about to be started, or to
    get well, keeps nobody: what waits for it comes after that.
    """
    idle = not any(one.running for one in family)
    for name, condition in {**spec.depends_on, **needed}.items():
        decision = made.get(name)
        if decision is None:
            sure = not host.desired.broken or not host.families.get(spec.name)
            if name in spec.depends_on and sure:
                return not_listed(name, spec, host)
            continue
        reason = _unfit(decision, condition)
        unfit = Cause(Why.HELD_BACK, f"waits for {name}: {reason}") if reason else None
        cause = _waits_for_failed(spec, decision, condition, host) or unfit
        if cause is not None and not (idle and _is_as_before(decision, condition)):
            return cause
    return None


def _waits_for_failed(spec: ContainerSpec, other: Decision, condition: str, host: Host) -> Cause | None:
    """Return that an entry waits for one that failed and is as before, None when that one did not.

    What another did well with its former image is no success that something new may build on.
    """
    name = other.spec.name
    # What holds on to it has to go with it.
    former = name in host.formers and name not in spec.bound_to
    failed = failed_as_listed(other.spec, host) if former or other.cause.why in _AS_BEFORE else ""
    if failed or (condition == "SUCCESS" and other.image.rolled_back):
        return after_failed(failed or name, host)
    return other.cause if other.cause.why is Why.AFTER_FAILED else None


def _is_as_before(decision: Decision, condition: str) -> bool:
    """Tell whether a dependency is well, though not as listed: who does not serve at all takes that."""
    one = decision.keeper
    if condition == "SUCCESS" and decision.image.rolled_back:
        return one is not None and complete(one, decision.spec)
    fit = one is not None and one.state == "running" and one.health in {"", "healthy"}
    return fit and decision.cause.why in _AS_BEFORE and condition in {"START", "HEALTHY"}


def _unfit(decision: Decision, condition: str) -> str:
    """Return why a dependency is not what its dependents wait for, "" when it is, or is about to be."""
    one, spec = decision.keeper, decision.spec
    if decision.cause.why is Why.WAY_BACK or (decision.held and not decision.well):
        return str(decision.cause)
    if one is None or decision.starts or condition == "START":
        return ""
    if condition in {"COMPLETE", "SUCCESS"}:
        return str(decision.cause) if condition == "SUCCESS" and failed(one, spec) else ""
    return str(decision.cause) if not decision.well else ""


def _running(
    spec: ContainerSpec,
    image: WantedImage,
    keeper: Container,
    olds: tuple[Container, ...],
    bound: tuple[tuple[str, Target], ...],
) -> Decision:
    doubt = f"whether there is a newer image is unknown: {image.doubt}" if image.doubt else ""
    said = ("adopted" if adopted(keeper) else "", image.held or doubt)
    cause = Cause(Why.INTERRUPTED) if olds else Cause(Why.CURRENT, "; ".join(filter(None, said)))
    if not olds and keeper.name != spec.name:
        cause = Cause(Why.RENAMED, f"it was called {keeper.name}")
    wrong = unwell(keeper)
    cause = Cause(Why.UNWELL, wrong) if wrong else cause
    return Decision(spec, cause, image, keeper, olds, bound, well=not wrong)


def _held(spec: ContainerSpec, family: tuple[Container, ...], image: WantedImage, cause: Cause) -> Decision:
    keeper = max(family, key=lambda one: (one.running, one.name == spec.name, newest(one)), default=None)
    if keeper is None or cause.why not in _STAYS_WELL:
        return Decision(spec, cause, image, keeper, held=True, well=False)
    told = though_unwell(cause, keeper)
    return Decision(spec, told, image, keeper, held=True, well=serves(keeper, spec))


def _hold(spec: ContainerSpec, family: tuple[Container, ...], host: Host) -> Cause | None:
    """Return why an entry's containers must be left as they are, None when they need not."""
    for one in family:
        reason = protection(one, host)
        if reason:
            return Cause(Why.HELD_BACK, f"a container of this name is never touched: {reason}")
        if not managed(one) and host.policy.unmanaged == "keep":
            return Cause(
                Why.HELD_BACK,
                f"a container that dockerup did not start has this name{_unlike(one)}, and unmanaged=keep; "
                f"rename or remove it: docker rename {one.name} {one.name}-old",
            )
        source = one.labels.get(labels.SOURCE, spec.source)
        if source != spec.source and source in host.desired.broken:
            return Cause(Why.SOURCE_BROKEN, f"{source} defined what runs, {spec.source} lists another")
    if spec.image.platform in host.policy.cannot_run:
        return Cause(Why.HELD_BACK, host.policy.cannot_run[spec.image.platform])
    for key, version in needed_versions(spec.definition):
        if host.policy.api < _number(version):
            docker = RELEASES.get(version)
            known_by = f"version {version} of its API" + (f" (Docker {docker})" if docker else "")
            api = ".".join(map(str, host.policy.api))
            return Cause(Why.HELD_BACK, f"{key} needs an engine with {known_by}, and this one has {api}")
    return None


def _unlike(one: Container) -> str:
    return f" and that is not as listed ({', '.join(one.unlike)})" if one.unlike else ""


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _why_new(
    spec: ContainerSpec,
    family: tuple[Container, ...],
    image: WantedImage,
    host: Host,
    bound: tuple[tuple[str, Target], ...],
) -> Cause:
    """Return why an entry needs a new container."""
    old = max(family, key=lambda one: (one.running, newest(one)), default=None)
    if old is None:
        return Cause(Why.NOT_THERE)
    if not managed(old):
        return Cause(Why.TAKEN_OVER, f"a container that dockerup did not start{_unlike(old)}")
    if not same_make(old, spec):
        return Cause(Why.DEFINITION, changes=differences_of(old, spec, host.observed))
    if not same_image(old, image):
        before = host.local.digest_of(old.image_id, spec.image) or old.image_id
        after = image.digest or (image.local.image_id if image.local else "")
        what = "with the definition that serves" if spec.name in host.formers else ""
        return Cause(Why.IMAGE, what, (Difference("digest", _short(before), _short(after)),))
    amend = amendment(old, spec, host)
    if amend is not None and amend.refused:
        return Cause(Why.DEFINITION, amend.refused, amend.changes)
    if old.state in {"dead", "removing"}:
        return Cause(Why.STOPPED, f"the engine calls it {old.state}")
    if is_stuck(old):
        return Cause(Why.STOPPED, "the engine has remains of an earlier start")
    lost = lost_networks(old, spec, host)
    if lost:
        return Cause(Why.DETACHED, ", ".join(lost))
    return Cause(Why.BOUND, ", ".join(name for name, _ in bound))


def _short(digest: str) -> str:
    kind, colon, digits = digest.partition(":")
    return f"{kind}:{digits[:12]}" if colon else digest[:12]


def _why_start(keeper: Container, olds: tuple[Container, ...]) -> Cause:
    if olds or (keeper.state == "created" and labels.read_replaced(keeper.labels)):
        return Cause(Why.INTERRUPTED)
    if keeper.state == "created":
        return Cause(Why.NEVER_STARTED)
    return Cause(Why.STOPPED, "paused" if keeper.state == "paused" else f"exit code {keeper.exit_code}")
