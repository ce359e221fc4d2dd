"""How a group of entries changes: the steps, in the one order that can be interrupted anywhere.

Each step is written down only while what it brings about is not yet so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from dockerup import labels
from dockerup.decide import Decision
from dockerup.definition import definition_hash, describe
from dockerup.host import Host, asides, dependents_first, entry_of
from dockerup.images import needs_owner_tag, owner_tag
from dockerup.keys import Change
from dockerup.snapshot import Container, ContainerId
from dockerup.steps import (
    Cause,
    Create,
    Existing,
    Keep,
    Node,
    Phase,
    Plan,
    Pull,
    Remove,
    Rename,
    SetRestart,
    Signal,
    Start,
    Step,
    Stop,
    Tag,
    Why,
)


class Sheet:
    """Where steps are written down in order; it numbers them and knows which ones wait for which."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.created: dict[str, int] = {}
        self.started: dict[str, int] = {}
        self.named: dict[str, int] = {}
        self.wanted: set[ContainerId] = set()
        self.notes: list[str] = []
        self._fetched: dict[str, int] = {}
        self._undoable: set[str] = set()

    def add(self, group: str, step: Step, after: Iterable[int], phase: Phase = Phase.CONVERGE) -> int:
        """Write a step down and return its number."""
        number = len(self.nodes) + 1
        self.nodes.append(Node(number, tuple(sorted(set(after))), phase, group, step))
        return number

    def once(self, key: str, group: str, step: Step, after: Iterable[int]) -> int:
        """Write a step that several entries need down for the first of them, and return its number."""
        if key not in self._fetched:
            self._fetched[key] = self.add(group, step, after)
        return self._fetched[key]

    def mark_undoable(self, group: str) -> None:
        """Say that a group has a way back."""
        self._undoable.add(group)

    def plan(self, notes: tuple[str, ...]) -> Plan:
        """Return the plan."""
        return Plan(tuple(self.nodes), frozenset(self._undoable), frozenset(self.wanted), notes)


def write_group(group: list[Decision], host: Host, sheet: Sheet) -> None:
    """Write down what one group needs, in the order that closes ports only from stop to start."""
    named = (sheet.named.get(decision.spec.name) for decision in group)
    chain = _Chain(group[0].spec.name, host, sheet, tuple(number for number in named if number))
    acting = [decision for decision in group if not decision.held]
    if any(decision.olds for decision in acting):
        sheet.mark_undoable(chain.group)
    for decision in acting:
        _clear_stale(decision, chain)
    for decision in acting:
        _prepare(decision, chain)
    eager = [decision for decision in acting if len(acting) == 1 and _start_first(decision, chain)]
    for decision in eager:
        _start(decision, chain)
    _silence_olds(acting, chain)
    for decision in acting:
        _take_name(decision, chain)
    for decision in acting:
        if decision not in eager:
            _start(decision, chain)
    for decision in reversed(acting):
        _remove_olds(decision, chain)
    for decision in group:
        if not chain.touched(decision.spec.name):
            chain.keep(Keep(decision.spec.name, decision.cause, decision.well))


class _Chain:
    """The steps of one group, each after the one before."""

    def __init__(self, group: str, host: Host, sheet: Sheet, after: tuple[int, ...]) -> None:
        self.group = group
        self.host = host
        self.sheet = sheet
        self._last = after
        self._entries: set[str] = set()

    def add(self, step: Step, *also_after: int) -> int:
        """Write a step down, after the one before it and others."""
        number = self.sheet.add(self.group, step, (*self._last, *also_after))
        self._last = (number,)
        self._entries.add(step.entry)
        return number

    def beside(self, step: Step) -> None:
        """Write down a step after the last one, whose failure undoes nothing and holds nothing up."""
        self.sheet.add(f"{self.group}, beside", step, self._last)
        self._entries.add(step.entry)

    def last(self, step: Step) -> None:
        """Write down a removal that follows when all is well; from there no way leads back."""
        self._last = (self.sheet.add(f"{self.group}, olds", step, self._last),)
        self._entries.add(step.entry)

    def keep(self, step: Keep) -> None:
        """Write down that nothing is done for an entry."""
        self.sheet.add(self.group, step, ())

    def touched(self, entry: str) -> bool:
        """Tell whether a step for an entry has been written."""
        return entry in self._entries


def _existing(one: Container) -> Existing:
    return Existing(one.container_id, one.name)


def _stale(decision: Decision) -> list[Container]:
    """Return the olds that hold a name which is needed and are the way back to nothing.

    Where the container of the entry's own name is dead and one that stands aside lives, it is the former.
    """
    name = decision.spec.name
    named = [one for one in decision.olds if one.name == name]
    aside = [one for one in decision.olds if one.name in asides(name)]
    if not named or not aside:
        return []
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


def _clear_stale(decision: Decision, chain: _Chain) -> None:
    """First of all give the survivor its own restart policy back, while what tells of it is still there."""
    if decision.keeper is not None and (decision.starts or decision.olds):
        _set_restart(decision, decision.keeper, decision.spec.restart, chain)
    for one in _stale(decision):
        if one.running:
            chain.add(Stop(decision.spec.name, _existing(one), Cause(Why.LEFT_OVER)))
        chain.add(Remove(decision.spec.name, _existing(one), Cause(Why.LEFT_OVER)))


def _set_restart(decision: Decision, one: Container, restart: str, chain: _Chain) -> None:
    """Write down what gives a container a restart policy; the list does not show which one it has."""
    if one.detail is None:
        chain.sheet.wanted.add(one.container_id)
    elif one.detail.restart != restart:
        cause = _why_goes(one, decision)
        chain.add(SetRestart(decision.spec.name, _existing(one), restart, one.detail.restart, cause))


def _prepare(decision: Decision, chain: _Chain) -> None:
    """Fetch the image and create the new container, while the old one still serves."""
    ready = _fetch(decision, chain)
    if decision.keeper is not None:
        return
    spec = decision.spec
    only_image = decision.cause.why is Why.IMAGE and decision.image.fetch is not None
    newest = max(decision.olds, key=lambda one: one.created, default=None)
    bound = [chain.sheet.created[other] for other in spec.bound_to if other in chain.sheet.created]
    chain.sheet.created[spec.name] = chain.add(
        Create(
            entry=spec.name,
            spec=spec,
            name=_new(spec.name) if _taken(decision) else spec.name,
            labels=_labels(decision, chain.host),
            volumes=_inherited(decision, chain.host),
            bound=decision.bound,
            unless_image=newest.image_id if only_image and newest else None,
            cause=decision.cause,
        ),
        *ready,
        *bound,
    )


def _fetch(decision: Decision, chain: _Chain) -> list[int]:
    """Write down what brings an entry's image here, and return the numbers to wait for."""
    spec, image = decision.spec, decision.image
    ready: list[int] = []
    if image.fetch is not None and decision.keeper is None:
        why = decision.cause if decision.olds else Cause(Why.IMAGE_MISSING, image.doubt)
        pull = Pull(spec.name, image.fetch, why)
        ready.append(chain.sheet.once(f"pull {image.fetch}", f"image {image.fetch}", pull, ()))
    if image.digest:
        ready += _own(decision, chain, ready)
    if decision.keeper is None and not spec.image.pinned and image.digest:
        ready += _move_tag(decision, chain, ready)
    return ready


def _own(decision: Decision, chain: _Chain, ready: list[int]) -> list[int]:
    spec, image = decision.spec, decision.image
    tag = owner_tag(spec.name, image.digest)
    if tag in chain.host.local.by_tag:
        return []
    if not ready and (image.local is None or not needs_owner_tag(image.local, tag)):
        return []
    exact = spec.image.with_digest(image.digest).familiar
    step = Tag(spec.name, exact, tag, None, Cause(Why.FETCHED))
    return [chain.sheet.once(f"tag {tag}", f"image {exact}", step, ready)]


def _move_tag(decision: Decision, chain: _Chain, ready: list[int]) -> list[int]:
    """Let the local tag mean the image that the change is made to."""
    spec, image = decision.spec, decision.image
    tagged = chain.host.local.by_tag.get(spec.image.familiar)
    if tagged is not None and tagged is image.local:
        return []
    exact = spec.image.with_digest(image.digest).familiar
    previous = tagged.image_id if tagged else None
    step = Tag(spec.name, exact, spec.image.familiar, previous, decision.cause)
    return [chain.sheet.once(f"tag {spec.image.familiar}", f"image {exact}", step, ready)]


def _labels(decision: Decision, host: Host) -> tuple[tuple[str, str], ...]:
    spec = decision.spec
    family = host.families.get(spec.name, ())
    generation = 1 + max((labels.generation(one.labels) for one in family), default=0)
    found = {
        labels.NAME: spec.name,
        labels.SOURCE: spec.source,
        labels.HASH: definition_hash(spec.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(spec.definition, Change.IN_PLACE),
        labels.DEFINITION: describe(spec.definition, host.policy.salt),
        labels.GENERATION: str(generation),
    }
    if decision.image.digest:
        found[labels.DIGEST] = decision.image.digest
    if decision.olds:
        found[labels.REPLACES] = json.dumps([one.container_id for one in _standing(decision)])
    return tuple(sorted(found.items()))


def _inherited(decision: Decision, host: Host) -> tuple[tuple[str, str], ...]:
    """Return the predecessor's anonymous volumes, by path: without them an update would empty a database.

    Not those that it shares with a container it takes volumes from, nor those at paths that the entry has
    something else for now, nor those that the old definition asked for and the new one does not.
    """
    family = [one for one in _standing(decision) if entry_of(one) == decision.spec.name]
    if not family:
        return ()
    old = max(family, key=lambda one: (one.running, labels.generation(one.labels)))
    shared = {
        mount.volume
        for name in decision.spec.volumes_from
        for one in host.families.get(name, ())
        for mount in one.mounts
    }
    now = {
        one["containerPath"]: one for one in decision.spec.definition.get("volumes", ()) if "from" not in one
    }
    dropped = _anonymous_paths(old) - now.keys()
    own = _own_paths(old, decision.spec.volumes_from, host)
    return tuple(
        (mount.path, mount.volume)
        for mount in sorted(old.mounts, key=lambda mount: mount.path)
        if mount.anonymous and mount.volume not in shared and (own is None or mount.path in own)
        if mount.path not in dropped and "hostPath" not in now.get(mount.path, {})
    )


def _own_paths(old: Container, sharers: Iterable[str], host: Host) -> set[str] | None:
    """Return the paths of the volumes that are surely a container's own, None when all may be.

    Where a container that it had volumes from is gone, the list cannot tell whose the others were.
    """
    ids = labels.read_map(old.labels, labels.BOUND)
    there = {one.container_id for one in host.observed.containers}
    gone = any(name in ids and ids[name] not in there for name in sharers)
    return _anonymous_paths(old) if gone else None


def _anonymous_paths(old: Container) -> set[str]:
    """Return the paths at which a container's own definition asked for anonymous volumes."""
    try:
        volumes = json.loads(old.labels.get(labels.DEFINITION, "{}"))["definition"].get("volumes", [])
        return {one["containerPath"] for one in volumes if "from" not in one and "hostPath" not in one}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()


def _start_first(decision: Decision, chain: _Chain) -> bool:
    """Tell whether the new container of an eager entry can run beside the old one."""
    if not (decision.spec.eager and decision.starts and any(one.running for one in _standing(decision))):
        return False
    ports = [port.host_port for port in decision.spec.ports if port.host_port]
    if ports:
        reason = f"host port {ports[0]} can be held once only"
    elif decision.spec.network == "host":
        reason = "both would use the host's network"
    elif _inherited(decision, chain.host):
        reason = "both would write to the same anonymous volume"
    else:
        return True
    chain.sheet.notes.append(f"{decision.spec.name}: update.eager has no effect: {reason}")
    return False


def _silence_olds(acting: list[Decision], chain: _Chain) -> None:
    """Stop what is replaced, so that the engine does not bring it back after a reboot.

    What holds on to another stops before it, so that the way back starts it after it.
    """
    owner = {one.container_id: decision for decision in acting for one in _standing(decision)}
    olds = [one for decision in acting for one in _standing(decision)]
    for old in dependents_first(olds):
        decision = owner[old.container_id]
        _set_restart(decision, old, "no", chain)
        if old.running:
            chain.add(Stop(decision.spec.name, _existing(old), _why_goes(old, decision)))


def _remove_olds(decision: Decision, chain: _Chain) -> None:
    name = decision.spec.name
    for old in _standing(decision):
        called = _moved(decision) if old.name == name else old.name
        chain.last(Remove(name, Existing(old.container_id, called), _why_goes(old, decision)))


def _why_goes(old: Container, decision: Decision) -> Cause:
    if entry_of(old) == decision.spec.name:
        return decision.cause
    return Cause(Why.IN_THE_WAY, f"nobody lists it, and {decision.spec.name} needs its name or host port")


def _take_name(decision: Decision, chain: _Chain) -> None:
    """Give the new container the entry's name."""
    name, keeper = decision.spec.name, decision.keeper
    if keeper is not None and keeper.name == name:
        return
    for old in _standing(decision):
        if old.name == name:
            cause = _why_goes(old, decision)
            chain.add(Rename(name, _existing(old), name, _moved(decision), cause))
    if keeper is not None or _taken(decision):
        was = keeper.name if keeper is not None else _new(name)
        chain.add(Rename(name, decision.target, was, name, decision.cause))


def _start(decision: Decision, chain: _Chain) -> None:
    if not decision.starts:
        return
    spec, keeper = decision.spec, decision.keeper
    before = [chain.sheet.started[name] for name in spec.bound_to if name in chain.sheet.started]
    paused = keeper is not None and keeper.state == "paused"
    number = chain.add(Start(spec.name, decision.target, paused, decision.cause), *before)
    chain.sheet.started[spec.name] = number
    for name, signal in spec.signals.items():
        chain.beside(Signal(spec.name, name, signal, Cause(Why.SIGNAL)))
