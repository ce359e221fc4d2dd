"""What each listed container needs: nothing, a start, or a new container in the place of others.

Pure: everything that is asked was observed before, and the same input gives the same decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dockerup import labels
from dockerup.definition import (
    SCHEME,
    Difference,
    definition_hash,
    differences,
)
from dockerup.host import DEPENDED_ON, Host, asides, entry_of, managed, protection, stays
from dockerup.images import WantedImage
from dockerup.keys import Change
from dockerup.later import image_now, utc
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, Created, Existing, Target, Why
from dockerup.transition import Transition


@dataclass(frozen=True)
class Decision:
    """What an entry needs.

    `keeper` is the container that stays or goes on, None when one has to be created. `olds` are those
    that it takes the place of. `again`: what ended is started again, as a person asked. `held` says that
    nothing can be done now, `well` that this is how it should be. `back`: its replacement goes back.
    `forget`: the failed container that is of no use any more.
    """

    spec: ContainerSpec
    cause: Cause
    image: WantedImage
    keeper: Container | None = None
    olds: tuple[Container, ...] = ()
    bound: tuple[tuple[str, Target], ...] = ()
    again: bool = False
    held: bool = False
    well: bool = True
    back: Transition | None = None
    forget: Container | None = None

    @property
    def target(self) -> Target:
        """The container that the entry will have."""
        if self.keeper is None:
            return Created(self.spec.name)
        return Existing(self.keeper.container_id, self.keeper.name)

    @property
    def starts(self) -> bool:
        """Whether the entry's container has yet to be started."""
        return not self.held and (self.keeper is None or self.again or not settled(self.keeper, self.spec))

    @property
    def disturbs(self) -> bool:
        """Whether anything that ran is touched."""
        return not self.held and (self.starts or bool(self.olds))


def settled(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container runs, or ended as its entry allows: no start is due."""
    return one.state in {"running", "restarting"} or complete(one, spec) or failed(one, spec)


def complete(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container did its work and is not meant to run again."""
    return one.state == "exited" and one.exit_code == 0 and spec.restart in {"on-failure", "no"}


def failed(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a job that is never started again ended badly."""
    return one.state == "exited" and one.exit_code not in {0, None} and spec.restart == "no"


def decide_all(host: Host, open_ones: Mapping[str, Transition] | None = None) -> dict[str, Decision]:
    """Return the decision on each entry, in the order of their dependencies.

    `open_ones` are the replacements that are not concluded, by entry.
    """
    open_ones = open_ones or {}
    blocked: dict[str, Cause] = {}
    while True:
        decisions: dict[str, Decision] = {}
        for spec in host.desired.specs:
            decisions[spec.name] = _decide(spec, host, decisions, blocked, open_ones)
        newly = _blocked_by_others(decisions, host)
        if newly.keys() <= blocked.keys():
            return _each_old_once(decisions)
        blocked.update(newly)


def _decide(
    spec: ContainerSpec,
    host: Host,
    made: Mapping[str, Decision],
    blocked: Mapping[str, Cause],
    open_ones: Mapping[str, Transition],
) -> Decision:
    opened = open_ones.get(spec.name)
    image = image_now(spec, host)
    memory = host.memories.get(spec.name)
    family = tuple(one for one in host.families.get(spec.name, ()) if memory is None or one is not memory.one)
    bound, missing = _bindings(spec, host, made)
    keeper = _keeper(spec, family, image, host, made, bound)
    leans = _leans_on(family, open_ones)
    if opened is None and leans:
        return _held(spec, family, image, Cause(Why.HELD_BACK, f"waits for the way back of {leans}"))
    if opened is not None and spec.name not in blocked:
        back = _goes_back(spec, opened, keeper)
        if back:
            return Decision(
                spec, Cause(Why.WAY_BACK, back), image, opened.last, held=True, well=False, back=opened
            )
        keeper = opened.new if opened.new.state != "created" else keeper
    decision = _decide_on(spec, host, made, blocked, (image, family, bound, missing, keeper))
    return replace(decision, forget=_forgotten(decision, host))


def _leans_on(family: tuple[Container, ...], open_ones: Mapping[str, Transition]) -> str:
    """Return the entry that goes back to a container which holds on to one of these, "" when none does."""
    ids = {one.container_id for one in family}
    for name, opened in open_ones.items():
        if opened.reason and any(
            not old.running and ids & {*labels.read_map(old.labels, labels.BOUND).values()}
            for old in opened.olds
        ):
            return name
    return ""


def _goes_back(spec: ContainerSpec, opened: Transition, keeper: Container | None) -> str:
    """Return why an open replacement goes back, "" when it goes on."""
    if opened.reason or keeper is opened.new or opened.new.running or settled(opened.new, spec):
        return opened.reason
    # It stands still, and is not what is listed any more: what was proven comes first.
    stopped = opened.last is not None and not opened.last.running
    return "what is listed changed meanwhile" if stopped else ""


def _forgotten(decision: Decision, host: Host) -> Container | None:
    """Return the failed container of an entry, if it is of no use any more."""
    memory = host.memories.get(decision.spec.name)
    if memory is None or protection(memory.one, host) or decision.held:
        return None
    tried = decision.keeper is None
    keeper = decision.keeper
    made_it = keeper is not None and keeper.running and not decision.image.held and memory.one is not keeper
    return (
        memory.one
        if memory.stale or tried or (made_it and decision.cause.why is not Why.FAILED_BEFORE)
        else None
    )


def _remembered(
    spec: ContainerSpec, family: tuple[Container, ...], image: WantedImage, host: Host
) -> Decision | None:
    """Return the decision on an entry that failed as it is listed: what served before serves on."""
    memory = host.memory(spec.name)
    replaced = labels.read_replaced(memory.one.labels) if memory is not None else {}
    fit = [one for one in family if one.container_id in replaced and not protection(one, host)]
    if memory is None:
        return None
    cause = Cause(
        Why.FAILED_BEFORE,
        f"it is tried again after {utc(memory.until)}, or by: dockerup apply --retry {spec.name}",
    )
    if not fit:
        others = [one for one in host.observed.containers if one.container_id in replaced and one.running]
        return Decision(spec, cause, image, others[0], held=True) if others else None
    keeper = max(fit, key=_newest)
    was = replaced[keeper.container_id]
    ended = not keeper.running and (not was.ran or (was.restart == "on-failure" and keeper.exit_code == 0))
    held = ended or was.restart == "no"
    return Decision(spec, cause, image, keeper, () if held else _rivals(family, keeper, host), held=held)


def _decide_on(
    spec: ContainerSpec,
    host: Host,
    made: Mapping[str, Decision],
    blocked: Mapping[str, Cause],
    found: tuple[
        WantedImage,
        tuple[Container, ...],
        tuple[tuple[str, Target], ...],
        Cause | None,
        Container | None,
    ],
) -> Decision:
    image, family, bound, missing, keeper = found
    waits = waits_for(spec, host, made)
    if keeper is None:
        hold = _hold(spec, family, host) or missing or blocked.get(spec.name)
        if hold is not None:
            return _held(spec, family, image, hold)
        remembered = _remembered(spec, family, image, host)
        if remembered is not None:
            return remembered
        if waits is not None:
            return _held(spec, family, image, waits)
        olds = (*_rivals(family, None, host), *_in_the_way(spec, host))
        return Decision(spec, _why_new(spec, family, image, host, bound), image, None, _unique(olds), bound)
    olds = _unique(
        (*_rivals(family, keeper, host), *_replaced(keeper, host), *_name_holders(spec, keeper, host))
    )
    if settled(keeper, spec) and keeper.name != spec.name and spec.name in blocked:
        return _held(spec, (keeper,), image, blocked[spec.name])
    if missing is not None and _has_lost_its_hold(keeper, spec, host):
        return _held(spec, (keeper,), image, missing)
    if keeper.state in {"running", "restarting"}:
        return _running(spec, image, keeper, olds, bound)
    again = spec.name in host.policy.retry
    if settled(keeper, spec) and not again:
        why = Why.COMPLETE if complete(keeper, spec) else Why.FAILED
        cause = Cause(why, f"exit code {keeper.exit_code}" if why is Why.FAILED else "")
        return Decision(spec, cause, image, keeper, olds, bound, well=why is Why.COMPLETE)
    hold = missing or blocked.get(spec.name) or waits
    if hold is not None:
        return _held(spec, (keeper,), image, hold)
    olds = _unique((*olds, *_in_the_way(spec, host)))
    return Decision(spec, _why_start(keeper, olds), image, keeper, olds, bound, again)


def waits_for(spec: ContainerSpec, host: Host, made: Mapping[str, Decision]) -> Cause | None:
    """Return which dependency keeps an entry from being started, None when none does.

    One that is about to be started, or to get well, keeps nobody: what waits for it comes after that.
    """
    for name, condition in spec.depends_on.items():
        decision = made.get(name)
        if decision is None:
            if not host.desired.broken or not host.families.get(spec.name):
                return Cause(Why.HELD_BACK, f"it depends on {name}, which is not listed")
            continue
        reason = _unfit(decision, condition)
        if reason:
            return Cause(Why.HELD_BACK, f"waits for {name}: {reason}")
    return None


def _unfit(decision: Decision, condition: str) -> str:
    """Return why a dependency is not what its dependents wait for, "" when it is, or is about to be."""
    one, spec = decision.keeper, decision.spec
    if decision.cause.why in {Why.FAILED_BEFORE, Why.WAY_BACK} or (decision.held and not decision.well):
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
    cause = Cause(Why.INTERRUPTED) if olds else Cause(Why.CURRENT, image.held or doubt)
    if not olds and keeper.name != spec.name:
        cause = Cause(Why.RENAMED, f"it was called {keeper.name}")
    if keeper.health == "unhealthy":
        return Decision(
            spec, Cause(Why.UNWELL, "its health check fails"), image, keeper, olds, bound, well=False
        )
    if keeper.state == "restarting":
        unwell = Cause(Why.UNWELL, f"it keeps exiting with code {keeper.exit_code}")
        return Decision(spec, unwell, image, keeper, olds, bound, well=False)
    return Decision(spec, cause, image, keeper, olds, bound)


def _held(spec: ContainerSpec, family: tuple[Container, ...], image: WantedImage, cause: Cause) -> Decision:
    keeper = max(family, key=lambda one: (one.running, one.name == spec.name, _newest(one)), default=None)
    well = cause.why is Why.SOURCE_BROKEN and keeper is not None and keeper.running
    return Decision(spec, cause, image, keeper, held=True, well=well)


def _hold(spec: ContainerSpec, family: tuple[Container, ...], host: Host) -> Cause | None:
    """Return why an entry's containers must be left as they are, None when they need not."""
    for one in family:
        reason = protection(one, host)
        if reason:
            return Cause(Why.HELD_BACK, f"a container of this name is never touched: {reason}")
        if not managed(one) and host.policy.unmanaged == "keep":
            return Cause(
                Why.HELD_BACK,
                "a container that dockerup did not start has this name, and unmanaged=keep; "
                f"rename or remove it: docker rename {one.name} {one.name}-old",
            )
        source = one.labels.get(labels.SOURCE, spec.source)
        if source != spec.source and source in host.desired.broken:
            return Cause(Why.SOURCE_BROKEN, f"{source} defined what runs, {spec.source} lists another")
    networks = host.observed.networks
    if spec.own_network and networks is not None and spec.own_network not in networks:
        return Cause(
            Why.HELD_BACK, f"there is no network {spec.own_network}: docker network create {spec.own_network}"
        )
    return None


def _bindings(
    spec: ContainerSpec, host: Host, made: Mapping[str, Decision]
) -> tuple[tuple[tuple[str, Target], ...], Cause | None]:
    """Return the containers that an entry is bound to, and why it has to wait for one of them."""
    bound: list[tuple[str, Target]] = []
    waits: list[str] = []
    for name in spec.bound_to:
        decision, other = made.get(name), host.by_name.get(name)
        if decision is not None:
            if decision.held and decision.keeper is None:
                return tuple(bound), Cause(Why.HELD_BACK, f"waits for {name}: {decision.cause}")
            bound.append((name, decision.target))
            lives, why = decision.starts or _lives(decision.keeper), f": {decision.cause}"
        elif other is not None and stays(other, host) not in {"", DEPENDED_ON}:
            bound.append((name, Existing(other.container_id, name)))
            lives, why = _lives(other), ""
        else:
            return tuple(bound), Cause(Why.HELD_BACK, f"it depends on {name}, which is not listed")
        if _shares_life(spec, name) and not lives:
            waits.append(f"waits for {name}, which does not run{why}")
    return tuple(bound), Cause(Why.HELD_BACK, waits[0]) if waits else None


def _lives(one: Container | None) -> bool:
    """Tell whether the engine would start a container that holds on to this one."""
    return one is not None and one.state in {"running", "paused"}


def _shares_life(spec: ContainerSpec, name: str) -> bool:
    """Tell whether the engine starts an entry's container only while the other one runs."""
    return name in spec.links or name == spec.joins


def _keeper(
    spec: ContainerSpec,
    family: tuple[Container, ...],
    image: WantedImage,
    host: Host,
    made: Mapping[str, Decision],
    bound: tuple[tuple[str, Target], ...],
) -> Container | None:
    """Return the container of the family that is as listed, the newest of several; None when none is."""
    fit = [
        one
        for one in family
        if managed(one)
        and not protection(one, host)
        and one.state not in {"dead", "removing"}
        and _same_definition(one, spec)
        and _same_image(one, image)
        and _same_bonds(one, spec, made, bound)
    ]
    return max(fit, key=_newest, default=None)


def _newest(one: Container) -> tuple[int, bool, str]:
    return labels.generation(one.labels), one.running, one.container_id


def _same_definition(one: Container, spec: ContainerSpec) -> bool:
    hashes = {
        labels.HASH: definition_hash(spec.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(spec.definition, Change.IN_PLACE),
    }
    if all(one.labels.get(key, "").partition(":")[0] == str(SCHEME) for key in hashes):
        return all(one.labels[key] == value for key, value in hashes.items())
    # Another version of dockerup made it: its hashes say nothing here, its definition does. Where that cannot
    # be read, nothing is known to differ, and what runs is kept.
    return not differences(one.labels.get(labels.DEFINITION, ""), spec.definition)


def _same_image(one: Container, image: WantedImage) -> bool:
    if image.local is None:
        return not image.certain
    return one.image_id == image.local.image_id


def _same_bonds(
    one: Container,
    spec: ContainerSpec,
    made: Mapping[str, Decision],
    bound: tuple[tuple[str, Target], ...],
) -> bool:
    """Tell whether a container holds on to the containers it should, none of which is about to be started.

    One that was created after them and never started has lost nothing by their start.
    """
    ids = labels.read_map(one.labels, labels.BOUND)
    for name, target in bound:
        if not isinstance(target, Existing) or ids.get(name) != target.container_id:
            return False
        if _shares_life(spec, name) and one.state != "created" and _loses_its_network(made.get(name)):
            return False
    return True


def _has_lost_its_hold(one: Container, spec: ContainerSpec, host: Host) -> bool:
    """Tell whether a container that an entry's container holds on to is gone."""
    ids = labels.read_map(one.labels, labels.BOUND)
    there = {other.container_id for other in host.observed.containers}
    return any(ids.get(name) not in there for name in spec.bound_to)


def _loses_its_network(decision: Decision | None) -> bool:
    """Tell whether an entry's container gets a new life; one that goes on after a pause does not."""
    paused = decision is not None and decision.keeper is not None and decision.keeper.state == "paused"
    return decision is not None and decision.starts and not paused


def _replaced(keeper: Container, host: Host) -> Iterable[Container]:
    """Return the containers that a keeper's label says it takes the place of, if they may go."""
    ids = labels.read_list(keeper.labels, labels.REPLACES)
    return (one for one in host.observed.containers if one.container_id in ids and _may_go(one, host))


def _rivals(family: tuple[Container, ...], keeper: Container | None, host: Host) -> tuple[Container, ...]:
    """Return the containers of an entry, besides its keeper, that may go."""
    return tuple(
        one
        for one in family
        if one is not keeper
        and not protection(one, host)
        and (managed(one) or host.policy.unmanaged != "keep")
    )


def _in_the_way(spec: ContainerSpec, host: Host) -> tuple[Container, ...]:
    """Return the unlisted containers that hold a host port or a name of an entry and may go."""
    holders = _unique((*_port_holders(spec, host), *_name_holders(spec, None, host)))
    return tuple(one for one in holders if _may_go(one, host))


def _name_holders(spec: ContainerSpec, keeper: Container | None, host: Host) -> Iterable[Container]:
    """Return the unlisted containers that have a name which an entry is about to need, and may go."""
    if keeper is not None and keeper.name == spec.name:
        return ()
    names = (spec.name, *asides(spec.name))
    found = (host.by_name[name] for name in names if name in host.by_name)
    return tuple(one for one in found if one is not keeper and _may_go(one, host))


def _may_go(one: Container, host: Host) -> bool:
    return entry_of(one) not in host.listed and not stays(one, host)


def _port_holders(spec: ContainerSpec, host: Host) -> Iterable[Container]:
    wanted = [port for port in spec.ports if port.host_port]
    if not wanted:
        return ()
    return (
        one
        for one in host.observed.containers
        if entry_of(one) != spec.name and any(port.clashes(held) for port in wanted for held in one.ports)
    )


def port_givers(decision: Decision, owner: Mapping[str, str], host: Host) -> tuple[str, ...]:
    """Return the entries that have yet to make a host port free which this entry is about to need.

    `owner` tells which entry each old container is stopped for.
    """
    if not decision.starts:
        return ()
    ids = (one.container_id for one in _port_holders(decision.spec, host))
    return tuple(sorted({owner[container_id] for container_id in ids if container_id in owner}))


def owners(decisions: Mapping[str, Decision]) -> dict[str, str]:
    """Return the entry that each old container, by id, is replaced by."""
    return {one.container_id: name for name, decision in decisions.items() for one in decision.olds}


def _each_old_once(decisions: Mapping[str, Decision]) -> dict[str, Decision]:
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


def _blocked_by_others(decisions: Mapping[str, Decision], host: Host) -> dict[str, Cause]:
    """Return the entries whose host port or name stays with another container, with that as the cause."""
    going = owners(decisions)
    found: dict[str, Cause] = {}
    for name, decision in decisions.items():
        other = host.by_name.get(name)
        renames = not decision.held and (decision.keeper is None or decision.keeper.name != name)
        if renames and other is not None and other.container_id not in going:
            what = f"its name is that of a container which stays: {stays(other, host) or entry_of(other)}"
            found[name] = Cause(Why.HELD_BACK, what)
        for one in _port_holders(decision.spec, host) if decision.starts else ():
            if one.container_id not in going:
                found[name] = Cause(Why.HELD_BACK, f"its host port is held by the container {one.name}")
    return found


def _why_new(
    spec: ContainerSpec,
    family: tuple[Container, ...],
    image: WantedImage,
    host: Host,
    bound: tuple[tuple[str, Target], ...],
) -> Cause:
    """Return why an entry needs a new container."""
    old = max(family, key=lambda one: (one.running, _newest(one)), default=None)
    if old is None:
        return Cause(Why.NOT_THERE)
    if not managed(old):
        return Cause(Why.TAKEN_OVER, "a container that dockerup did not start")
    if not _same_definition(old, spec):
        found = differences(old.labels.get(labels.DEFINITION, ""), spec.definition) or ()
        return Cause(Why.DEFINITION, changes=found)
    if not _same_image(old, image):
        before = host.local.digest_of(old.image_id, spec.image) or old.image_id
        after = image.digest or (image.local.image_id if image.local else "")
        return Cause(Why.IMAGE, changes=(Difference("digest", _short(before), _short(after)),))
    if old.state in {"dead", "removing"}:
        return Cause(Why.STOPPED, f"the engine calls it {old.state}")
    return Cause(Why.BOUND, ", ".join(name for name, _ in bound))


def _short(digest: str) -> str:
    kind, colon, digits = digest.partition(":")
    return f"{kind}:{digits[:12]}" if colon else digest[:12]


def _why_start(keeper: Container, olds: tuple[Container, ...]) -> Cause:
    if olds or (keeper.state == "created" and labels.read_list(keeper.labels, labels.REPLACES)):
        return Cause(Why.INTERRUPTED)
    if keeper.state == "created":
        return Cause(Why.NEVER_STARTED)
    return Cause(Why.STOPPED, "paused" if keeper.state == "paused" else f"exit code {keeper.exit_code}")


def _unique(containers: Iterable[Container]) -> tuple[Container, ...]:
    return tuple({one.container_id: one for one in containers}.values())
