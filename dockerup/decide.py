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
from dockerup.images import WantedImage, wanted_image
from dockerup.keys import Change
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, Created, Existing, Target, Why


@dataclass(frozen=True)
class Decision:
    """What an entry needs.

    `keeper` is the container that stays or goes on, None when one has to be created. `olds` are those that
    it takes the place of. `held` says that nothing can be done now, `well` that this is how it should be.
    """

    spec: ContainerSpec
    cause: Cause
    image: WantedImage
    keeper: Container | None = None
    olds: tuple[Container, ...] = ()
    bound: tuple[tuple[str, Target], ...] = ()
    held: bool = False
    well: bool = True

    @property
    def target(self) -> Target:
        """The container that the entry will have."""
        if self.keeper is None:
            return Created(self.spec.name)
        return Existing(self.keeper.container_id, self.keeper.name)

    @property
    def starts(self) -> bool:
        """Whether the entry's container has yet to be started."""
        return not self.held and (self.keeper is None or not settled(self.keeper, self.spec))

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


def decide_all(host: Host) -> dict[str, Decision]:
    """Return the decision on each entry, in the order of their dependencies."""
    blocked: dict[str, Cause] = {}
    while True:
        decisions: dict[str, Decision] = {}
        for spec in host.desired.specs:
            decisions[spec.name] = _decide(spec, host, decisions, blocked)
        newly = _blocked_by_others(decisions, host)
        if newly.keys() <= blocked.keys():
            return _each_old_once(decisions)
        blocked.update(newly)


def _decide(
    spec: ContainerSpec, host: Host, made: Mapping[str, Decision], blocked: Mapping[str, Cause]
) -> Decision:
    image = wanted_image(spec, host.local, host.answers)
    family = host.families.get(spec.name, ())
    bound, missing = _bindings(spec, host, made)
    keeper = _keeper(spec, family, image, host, made, bound)
    if keeper is None:
        hold = _hold(spec, family, host) or missing or blocked.get(spec.name)
        if hold is not None:
            return _held(spec, family, image, hold)
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
    if settled(keeper, spec):
        why = Why.COMPLETE if complete(keeper, spec) else Why.FAILED
        cause = Cause(why, f"exit code {keeper.exit_code}" if why is Why.FAILED else "")
        return Decision(spec, cause, image, keeper, olds, bound, well=why is Why.COMPLETE)
    hold = missing or blocked.get(spec.name)
    if hold is not None:
        return _held(spec, (keeper,), image, hold)
    olds = _unique((*olds, *_in_the_way(spec, host)))
    return Decision(spec, _why_start(keeper, olds), image, keeper, olds, bound)


def _running(
    spec: ContainerSpec,
    image: WantedImage,
    keeper: Container,
    olds: tuple[Container, ...],
    bound: tuple[tuple[str, Target], ...],
) -> Decision:
    doubt = f"whether there is a newer image is unknown: {image.doubt}" if image.doubt else ""
    cause = Cause(Why.INTERRUPTED) if olds else Cause(Why.CURRENT, doubt)
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
