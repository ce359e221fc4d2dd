"""Carry a plan out. Nothing is decided here: steps are done in their order, side by side where the plan
lets them, and undone when their group fails.

A step whose own precondition no longer holds is refused: the host has moved on, and the next plan knows.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from threading import Event
from typing import Any, Callable, Protocol

from dockerup import labels
from dockerup.image import ImageRef
from dockerup.listener import Stage, no_stage
from dockerup.problems import DockerupError
from dockerup.records import dataclass
from dockerup.snapshot import ContainerId, ImageId
from dockerup.spec import ContainerSpec
from dockerup.steps import (
    ConnectNetwork,
    Create,
    CreateNetwork,
    Existing,
    Node,
    Phase,
    Plan,
    Prove,
    Pull,
    Remove,
    RemoveImage,
    RemoveNetwork,
    Rename,
    SetRestart,
    Signal,
    Start,
    Step,
    Stop,
    Tag,
    Target,
    Update,
)

LOG = logging.getLogger(__name__)

STOP_NOTICED = 0.25  # seconds

Prover = Callable[[ContainerId, Prove, Event], bool]
Fetcher = Callable[[ImageRef, Event], bool]
Pool = Callable[[int], Executor]


class Verbs(Protocol):
    """What an engine can be asked to do; see `dockerup.engine.Engine`."""

    def means(self, name: str, image_id: ImageId) -> bool: ...
    def tag(self, source: str, tag: str) -> None: ...
    def create(self, step: Create, ids: Mapping[str, str], labels: Mapping[str, str]) -> ContainerId: ...
    def set_restart(self, container_id: ContainerId, restart: str) -> None: ...
    def memory_used(self, container_id: ContainerId) -> int: ...
    def update(self, container_id: ContainerId, limits: Mapping[str, object], restart: str) -> None: ...
    def stop(self, container_id: ContainerId, timeout: int | None = None) -> None: ...
    def start(self, container_id: ContainerId) -> None: ...
    def unpause(self, container_id: ContainerId) -> None: ...
    def rename(self, container_id: ContainerId, name: str) -> None: ...
    def signal(self, name: str, signal: str) -> None: ...
    def remove(self, container_id: ContainerId) -> None: ...
    def remove_image(self, name: str) -> int | None: ...
    def create_network(self, name: str, options: Mapping[str, Any]) -> None: ...
    def connect(self, network: str, container_id: ContainerId, spec: ContainerSpec) -> None: ...
    def remove_network(self, network_id: str) -> None: ...


class Outcome(enum.Enum):
    """What became of a step."""

    NOT_RUN = "not run"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused: the host has moved on"
    UNDONE = "undone"
    UNDO_FAILED = "could not be undone"


@dataclass(frozen=True)
class Result:
    """What became of one node of the plan; `text` is the error.

    `began` is in seconds of the monotonic clock, `seconds` how long it took, `undone` when it was taken back.
    `freed` are the bytes that came back with an image, None where the engine does not tell.
    """

    node: Node
    outcome: Outcome = Outcome.NOT_RUN
    text: str = ""
    began: float = 0.0
    seconds: float = 0.0
    undone: float = 0.0
    freed: int | None = 0

    @property
    def asks_for_a_way_back(self) -> bool:
        """Whether what took another's place failed: the next plan has the way back."""
        named = isinstance(self.node.step, (Start, Prove)) and self.node.step.failed_name
        return self.outcome is Outcome.FAILED and bool(named)


def is_cut_short(results: Collection[Result]) -> bool:
    """Tell whether anything was not begun, or was given up, though all that it waits for was done."""
    done = {one.node.number for one in results if one.outcome is Outcome.DONE}
    return any(one.outcome is Outcome.NOT_RUN and done.issuperset(one.node.after) for one in results)


class _RefusedError(Exception):
    """A step was planned for another state of the host."""


def execute(
    plan: Plan,
    engine: Verbs,
    pull: Fetcher,
    prove: Prover,
    concurrency: int,
    stop: Event,
    stage: Stage = no_stage,
    pool: Pool = ThreadPoolExecutor,
) -> tuple[Result, ...]:
    """Carry a plan out on an engine, and return what became of each node, in the plan's order.

    Up to `concurrency` pulls and as many other steps are done at once, and any number of waits. `pull`
    fetches an image, and returns False when it was stopped. `prove` waits for a container, as `Watch.prove`
    does. `stop` set means: begin nothing new, and give pulls up (a signal, or a run that took too long).
    The same is done as soon as what took a running container's place has failed: the way back is the next
    plan's, and waits for nothing that can wait itself.
    `stage` is entered for as long as something is pulled, and for the whole as "start". `pool` makes what
    does so many things at once.
    """
    with stage("start"), ExitStack() as pulling:
        if any(isinstance(node.step, Pull) for node in plan.nodes):
            pulling.enter_context(stage("pull"))
        return _Execution(plan, engine, pull, prove, concurrency, stop, pulling).run(pool)


class _Execution:
    """One plan being carried out."""

    def __init__(
        self,
        plan: Plan,
        engine: Verbs,
        pull: Fetcher,
        prove: Prover,
        concurrency: int,
        stop: Event,
        pulling: ExitStack,
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._pull = pull
        self._prove = prove
        self._concurrency = concurrency
        self._stop = stop
        self._cut = Event()  # once this plan is to begin nothing new, be it for `stop` or for a way back
        self._pulling = pulling
        self._to_pull = {node.number for node in plan.nodes if isinstance(node.step, Pull)}
        self._created: dict[str, ContainerId] = {}
        self._freed: dict[str, int | None] = {}
        self._results = {node.number: Result(node) for node in plan.nodes}

    def run(self, pool: Pool) -> tuple[Result, ...]:
        waits = sum(isinstance(node.step, Prove) for node in self._plan.nodes)
        # What takes long has threads of its own: no start waits for a registry that hangs.
        with (
            pool(self._concurrency) as acting,
            pool(self._concurrency) as pulling,
            pool(max(1, waits)) as waiting,
        ):
            pools = {Pull: pulling, Prove: waiting}
            for phase in Phase:
                self._run_phase(phase, lambda step: pools.get(type(step), acting))
                self._take_back_tags()
        return tuple(self._results.values())

    def _run_phase(self, phase: Phase, pool_for: Callable[[Step], Executor]) -> None:
        pending = {node.number: node for node in self._plan.changes if node.phase is phase}
        running: dict[Future[Result], Node] = {}
        while True:
            for node in self._ready(pending.values()):
                del pending[node.number]
                running[pool_for(node.step).submit(self._attempt, node)] = node
            if not running:
                return
            done = wait(running, STOP_NOTICED, FIRST_COMPLETED).done
            self._pass_on_stop()
            for future in sorted(done, key=lambda one: running[one].number):
                self._settle(running.pop(future), future.result())

    def _ready(self, pending: Iterable[Node]) -> list[Node]:
        return [
            node
            for node in pending
            if all(self._results[number].outcome is Outcome.DONE for number in node.after)
            and not (self._is_cut() and self._may_wait(node))
        ]

    def _is_cut(self) -> bool:
        self._pass_on_stop()
        return self._cut.is_set()

    def _pass_on_stop(self) -> None:
        """Let the pulls and waits that are under way, which look at one event, see the caller's as well."""
        if self._stop.is_set():
            self._cut.set()

    def _may_wait(self, node: Node) -> bool:
        """Tell whether a step can be left to the next run: none of a group that is half way through can.

        Nor can what follows its end: a signal that is not sent now is never sent. What concerns images only
        can, at any moment.
        """
        if node.phase is Phase.CONVERGE and isinstance(node.step, (Signal, Remove)):
            return False
        if node.group in self._plan.urgent:
            return False
        return isinstance(node.step, (Pull, Tag, RemoveImage)) or not self._done_in(node.group)

    def _done_in(self, group: str) -> list[Result]:
        return self._which(Outcome.DONE, group)

    def _is_to_stop_one(self, group: str) -> bool:
        """Tell whether the old one serves until the new one is proven, as in an update that is eager."""
        return any(isinstance(one.node.step, Stop) for one in self._which(Outcome.NOT_RUN, group))

    def _which(self, outcome: Outcome, group: str) -> list[Result]:
        return [one for one in self._results.values() if one.node.group == group and one.outcome is outcome]

    def _attempt(self, node: Node) -> Result:
        if self._is_cut() and self._may_wait(node):
            return Result(node)  # it stood in the queue
        began = time.monotonic()
        outcome, text = self._tried(node.step)
        if outcome is Outcome.DONE:
            LOG.info("%s: %s (%s)", node.step.entry, node.step, node.step.cause)
        freed = self._freed.get(node.step.image, 0) if isinstance(node.step, RemoveImage) else 0
        return Result(node, outcome, text, began, time.monotonic() - began, freed=freed)

    def _tried(self, step: Step) -> tuple[Outcome, str]:
        try:
            return (Outcome.DONE if self._do(step) else Outcome.NOT_RUN), ""
        except _RefusedError as refused:
            return Outcome.REFUSED, str(refused)
        except DockerupError as error:
            return Outcome.FAILED, str(error)
        except Exception as fault:
            # A fault of dockerup's own in one step must not leave the others' replacements half done.
            LOG.exception("%s: %s", step.entry, step)
            return Outcome.FAILED, f"a fault in dockerup: {fault!r}"

    def _settle(self, node: Node, result: Result) -> None:
        self._results[node.number] = result
        self._to_pull.discard(node.number)
        if not self._to_pull:
            self._pulling.close()
        if result.asks_for_a_way_back:
            self._set_aside(node.step)
            if not self._is_to_stop_one(node.group):
                self._cut.set()  # nobody serves until the next plan
        elif result.outcome in {Outcome.FAILED, Outcome.REFUSED} and node.group in self._plan.undoable:
            self._undo(node.group)

    def _set_aside(self, step: Step) -> None:
        """Give what failed its name, which tells so to every later plan; those lead back."""
        if isinstance(step, (Start, Prove)):
            try:
                self._engine.rename(self._id(step.target), step.failed_name)
            except DockerupError as error:
                LOG.info("%s: not set aside: %s", step.entry, error)

    def _undo(self, group: str) -> None:
        """Take back what a group did, last step first; go on where one cannot be: most is then as before."""
        for result in reversed(self._done_in(group)):
            self._results[result.node.number] = self._undone(result)

    def _undone(self, result: Result) -> Result:
        step = result.node.step
        try:
            self._take_back(step)
        except DockerupError as error:
            LOG.info("%s: %s could not be undone: %s", step.entry, step, error)
            return replace(result, outcome=Outcome.UNDO_FAILED, text=str(error))
        return replace(result, outcome=Outcome.UNDONE, undone=time.monotonic())

    def _take_back_tags(self) -> None:
        """Let a tag mean again what it did, when no container was made from what it means now.

        Several groups may wait for one tag, so that it can go back only when all of them are through.
        """
        for number, result in self._results.items():
            step = result.node.step
            if not isinstance(step, Tag) or step.previous is None or result.outcome is not Outcome.DONE:
                continue
            if result.node.group in self._plan.urgent:
                continue  # a way back is final: it let the tag mean again what it did
            waiting = (one for one in self._results.values() if number in one.node.after)
            if all(one.outcome is not Outcome.DONE for one in waiting):
                self._results[number] = self._undone(result)

    def _do(self, step: Step) -> bool:
        """Make the one engine call of a step. Returns False for a wait or a pull that has no end yet."""
        if isinstance(step, Prove):
            return self._prove(self._id(step.target), step, self._cut)
        if isinstance(step, Pull):
            return self._pull(step.image, self._cut)
        self._call(step)
        return True

    def _call(self, step: Step) -> None:
        engine = self._engine
        if isinstance(step, Tag):
            engine.tag(step.source, step.tag)
        elif isinstance(step, Create):
            self._create(step)
        elif isinstance(step, SetRestart):
            engine.set_restart(self._id(step.target), step.restart)
        elif isinstance(step, Update):
            self._update(step)
        elif isinstance(step, Stop):
            _unless_gone(lambda: engine.stop(self._id(step.target), step.timeout))
        elif isinstance(step, Rename):
            engine.rename(self._id(step.target), step.name)
        elif isinstance(step, Start):
            (engine.unpause if step.paused else engine.start)(self._id(step.target))
        elif isinstance(step, Signal):
            engine.signal(step.name, step.signal)
        elif isinstance(step, Remove):
            _unless_gone(lambda: engine.remove(self._id(step.target)))
        elif isinstance(step, RemoveImage):
            _unless_gone(lambda: self._remove_image(step))
        else:
            self._call_for_network(step)

    def _call_for_network(self, step: Step) -> None:
        engine = self._engine
        if isinstance(step, CreateNetwork):
            engine.create_network(step.name, step.options)
        elif isinstance(step, ConnectNetwork):
            engine.connect(step.network, self._id(step.target), step.spec)
        elif isinstance(step, RemoveNetwork):
            _unless_gone(lambda: engine.remove_network(step.network_id))

    def _take_back(self, step: Step) -> None:
        """Make the call that is the inverse of a step. What was removed stays so: it was left over."""
        engine = self._engine
        if isinstance(step, Create):
            engine.remove(self._created.pop(step.entry))
        elif isinstance(step, SetRestart):
            engine.set_restart(self._id(step.target), step.previous)
        elif isinstance(step, Stop):
            engine.start(self._id(step.target))
        elif isinstance(step, Rename):
            engine.rename(self._id(step.target), step.was)
        elif isinstance(step, Start):
            engine.stop(self._id(step.target))
        elif isinstance(step, Tag) and step.previous is not None:
            engine.tag(step.previous, step.tag)

    def _create(self, step: Create) -> None:
        same = step.unless_image is not None and self._engine.means(
            step.spec.image.familiar, step.unless_image
        )
        if same:
            raise _RefusedError("the newer image is the same for this platform")
        ids = {name: self._id(target) for name, target in step.bound}
        bound = {labels.BOUND: labels.write_map(ids)} if ids else {}
        self._created[step.entry] = self._engine.create(step, ids, {**dict(step.labels), **bound})

    def _update(self, step: Update) -> None:
        """Change a container in place; what the engine says no to is for the next plan to replace."""
        container_id = step.target.container_id
        try:
            used = self._engine.memory_used(container_id) if step.room else 0
            if step.room and used >= step.room:
                raise _RefusedError(f"it uses {used} bytes of memory")
            self._engine.update(container_id, dict(step.limits), step.restart)
        except DockerupError as error:
            if getattr(error, "status", None) is None:
                raise
            raise _RefusedError(getattr(error, "text", str(error))) from error

    def _remove_image(self, step: RemoveImage) -> None:
        self._freed[step.image] = self._engine.remove_image(step.image)

    def _id(self, target: Target) -> ContainerId:
        return target.container_id if isinstance(target, Existing) else self._created[target.entry]


def _unless_gone(call: Callable[[], None]) -> None:
    """Make a call whose aim is that something be gone; that it is gone already is no failure."""
    try:
        call()
    except DockerupError as error:
        if getattr(error, "status", None) != 404:
            raise
