"""Carry a plan out. Nothing is decided here: steps are done in their order, side by side where the plan
lets them, and undone when their group fails.

A step whose own precondition no longer holds is refused: the host has moved on, and the next plan knows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from threading import Event
from typing import Callable

from dockerup.calls import Calls, Verbs
from dockerup.image import ImageRef
from dockerup.listener import Stage, no_stage
from dockerup.outcome import Outcome, RefusedError, Result
from dockerup.problems import DockerupError
from dockerup.snapshot import ContainerId
from dockerup.steps import Node, Phase, Plan, Prove, Pull, Remove, RemoveImage, Signal, Start, Step, Stop, Tag

LOG = logging.getLogger(__name__)

STOP_NOTICED = 0.25  # seconds

Prover = Callable[[ContainerId, Prove, Event], bool]
Fetcher = Callable[[ImageRef, Event], bool]
Pool = Callable[[int], Executor]


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
        self._calls = Calls(engine)
        self._pull = pull
        self._prove = prove
        self._concurrency = concurrency
        self._stop = stop
        self._cut = Event()  # once this plan is to begin nothing new, be it for `stop` or for a way back
        self._pulling = pulling
        self._to_pull = {node.number for node in plan.nodes if isinstance(node.step, Pull)}
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
        freed = self._calls.freed_by(node.step)
        return Result(node, outcome, text, began, time.monotonic() - began, freed=freed)

    def _tried(self, step: Step) -> tuple[Outcome, str]:
        try:
            return (Outcome.DONE if self._do(step) else Outcome.NOT_RUN), ""
        except RefusedError as refused:
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
        """Give what failed its name where that can be; where not, the next plan sees that it failed."""
        if isinstance(step, (Start, Prove)):
            try:
                self._calls.set_aside(step)
            except DockerupError as error:
                LOG.info("%s: not set aside: %s", step.entry, error)

    def _undo(self, group: str) -> None:
        """Take back what a group did, last step first; go on where one cannot be: most is then as before."""
        for result in reversed(self._done_in(group)):
            self._results[result.node.number] = self._undone(result)

    def _undone(self, result: Result) -> Result:
        step = result.node.step
        try:
            self._calls.take_back(step)
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
            return self._prove(self._calls.id_of(step.target), step, self._cut)
        if isinstance(step, Pull):
            return self._pull(step.image, self._cut)
        self._calls.make(step)
        return True
