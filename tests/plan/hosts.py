"""Hosts to plan for: what is listed, the settings, and an engine with a past."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Callable

import pytest

from dockerup.clean_up import is_full
from dockerup.desired import Desired, combine
from dockerup.execute import execute
from dockerup.host import Host, Policy, entry_of, protection
from dockerup.image import Answer, ImageRef, Known, Unknown
from dockerup.images import LocalImages, questions
from dockerup.outcome import Result
from dockerup.plan import make_plan
from dockerup.problems import Origin
from dockerup.rounds import ROUNDS
from dockerup.snapshot import Container, Snapshot
from dockerup.sources.result import Item, SourceResult
from dockerup.spec import ContainerSpec
from dockerup.steps import Node, Plan, Tag
from dockerup.updated import refusals
from tests.model import Killed, Model

MOST_RUNS = 6
AWAY = Unknown("the registry does not answer")


@dataclass(frozen=True)
class Listing:
    """What is listed by each source, and which sources cannot be read whole."""

    confdir: tuple[Mapping[str, Any], ...] = ()
    userdata: tuple[Mapping[str, Any], ...] | None = None
    broken: frozenset[str] = frozenset()
    explicit: bool = True

    @functools.cached_property
    def desired(self) -> Desired:
        """The desired state that the sources say together, read once: a case asks for it at each turn."""
        results = [self._result("confdir", self.confdir)]
        if self.userdata is not None or "user-data" in self.broken:
            results.append(self._result("user-data", self.userdata or ()))
        return combine(results)

    def _result(self, name: str, documents: Iterable[Mapping[str, Any]]) -> SourceResult:
        return SourceResult(
            name,
            tuple(Item(one, Origin(name).at("containers", i)) for i, one in enumerate(documents)),
            declared=True,
            explicit=self.explicit,
            complete=name not in self.broken,
        )


@dataclass
class Case:
    """An engine, and all else that a plan is made from."""

    listing: Listing
    model: Model
    policy: Policy = field(default_factory=Policy)
    away: frozenset[str] = frozenset()

    def fresh(self) -> Case:
        """Return the same case with a copy of the engine, to be spoiled."""
        return replace(self, model=self.model.copy())

    @property
    def specs(self) -> tuple[ContainerSpec, ...]:
        """The containers that are listed."""
        return self.listing.desired.specs

    def answers(self, observed: Snapshot) -> dict[ImageRef, Answer]:
        """Return what the registries say now of what a run would ask."""
        asked = questions(self.specs, LocalImages.of(observed.images), pull=True)
        return {ref: self._answer(ref) for ref in asked}

    def _answer(self, ref: ImageRef) -> Answer:
        digest = self.model.registry.tags.get(ref.familiar)
        return AWAY if digest is None or ref.familiar in self.away else Known(digest)

    def plan(self) -> Plan:
        """Return the plan of a new run."""
        observed = self.model.snapshot()
        return plan_for(self, observed, self.answers(observed))

    def host(self) -> Host:
        """Return all that decisions are made from."""
        observed = self.model.snapshot()
        return Host.of(self.listing.desired, observed, self.answers(observed), self.policy, self.model.clock)

    def run(self, concurrency: int = 1) -> list[Result]:
        """Make one run, as dockerup.reconcile does, and return what became of each step of it."""
        before = self.model.snapshot()
        answers = self.answers(before)
        full = is_full(before.disk, self.policy.prune_when_full)
        begun = replace(self, policy=replace(self.policy, making_room=full))
        results: list[Result] = []
        stop = threading.Event()
        for _ in range(ROUNDS):
            begun = replace(begun, policy=replace(begun.policy, ending=stop.is_set()))
            plan = plan_for(begun, self.model.snapshot(), answers)
            if not plan.changes or (stop.is_set() and not plan.urgent):
                break
            latest = carry_out(plan, self.model, concurrency, stop)
            results += latest
            refused = {**begun.policy.refused, **refusals(latest)}
            begun = replace(begun, policy=replace(begun.policy, refused=refused))
            failed = {one.node.step.entry for one in latest if one.text and one.outcome.name != "REFUSED"}
            if failed:
                stop.set()
                tried = begun.policy.tried | failed
                begun = replace(begun, policy=replace(begun.policy, tried=tried))
        return results

    def settle(self, concurrency: int = 1) -> list[Result]:
        """Make runs, as cron does, until one has nothing to do; returns what became of each step."""
        results: list[Result] = []
        for _ in range(MOST_RUNS):
            latest = self.run(concurrency)
            results += latest
            if not latest:
                break
        return results

    def family(self, name: str) -> list[Container]:
        """Return the containers of an entry."""
        return [one for one in self.model.snapshot().containers if entry_of(one) == name]

    def protected(self) -> list[Container]:
        """Return the containers that are never touched."""
        host = self.host()
        return [one for one in host.observed.containers if protection(one, host)]


def plan_for(case: Case, observed: Snapshot, answers: Mapping[ImageRef, Answer]) -> Plan:
    """Return the plan for a snapshot, with those containers inspected that it has to know more of."""
    wanted: frozenset[Any] = frozenset()
    while True:
        seen = case.model.with_details(observed, wanted)
        plan = make_plan(case.listing.desired, seen, answers, case.policy, case.model.clock)
        if plan.wanted <= wanted:
            return plan
        wanted |= plan.wanted


def carry_out(
    plan: Plan, model: Model, concurrency: int = 1, stop: threading.Event | None = None
) -> tuple[Result, ...]:
    """Carry a plan out on the model."""

    def fetch(image: ImageRef, _stop: threading.Event) -> bool:
        model.pull(image)
        return True

    pool = ThreadPoolExecutor if concurrency > 1 else OneByOne
    return execute(plan, model, fetch, model.prove, concurrency, stop or threading.Event(), pool=pool)


class OneByOne(Executor):
    """What does each thing at once, in the thread that asks for it: a run that always goes the same way."""

    def __init__(self, _workers: int) -> None:
        """Take the place of a pool of threads."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it, and return what holds its result or its error, like that of the model's end."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # Killed is one, and a thread would pass it on too
            future.set_exception(error)
        return future


def prefix(plan: Plan, length: int) -> Plan:
    """Return the first steps of a plan, of which nothing is taken back: the run is killed after them."""
    return replace(plan, nodes=tuple(_without_way_back(node) for node in plan.nodes[:length]))


def _without_way_back(node: Node) -> Node:
    return replace(node, step=replace(node.step, previous=None)) if isinstance(node.step, Tag) else node


def interrupted(case: Case) -> Iterator[Case]:
    """Give the host as a run leaves it that is killed at each of its calls."""
    whole = case.fresh()
    whole.run()
    for call in range(1, len(whole.model.calls) + 1):
        killed = case.fresh()
        killed.model.kill_at = call
        with pytest.raises(Killed):
            killed.run()
        killed.model.revive()
        yield killed
