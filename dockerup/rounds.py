"""What a run does on the host: plan, carry out, look, until nothing is left or enough was tried."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from threading import Event
from typing import TYPE_CHECKING

from dockerup.adoption import still_true
from dockerup.culprits import blamed, suspects
from dockerup.definition import secret_options
from dockerup.desired import Desired
from dockerup.execute import execute
from dockerup.host import Policy
from dockerup.image import Answer, ImageRef
from dockerup.listener import Listener
from dockerup.outcome import WRONG, Result, is_cut_short
from dockerup.output import hidden
from dockerup.plan import make_plan
from dockerup.records import dataclass
from dockerup.snapshot import ContainerId, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.state import Cache
from dockerup.steps import Plan
from dockerup.updated import begun, made, refusals

if TYPE_CHECKING:
    from dockerup.connection import Connection

# A plan can learn from a fetched image, a lost race or a failure; more is another run's work. Those that end
# early for a way back do not count: in each of them something fails that is not tried again.
ROUNDS = 4


@dataclass(frozen=True)
class Run:
    """What one run is given besides the settings.

    `act`: False plans only. `look`: False asks no registry. `inspect`: the engine is asked of each listed
    container at the end, for a person who wants to know more than the list of containers tells. `stop` set
    begins nothing new. `listener` is told what goes on. `retry`: the entries to try again now, though they
    failed or ended. `spread`: the registries may be asked a little later, for the sake of a fleet.
    """

    cache: Cache
    environ: Mapping[str, str]
    act: bool = True
    look: bool = True
    inspect: bool = False
    stop: Event = field(default_factory=Event)
    listener: Listener = field(default_factory=Listener)
    retry: frozenset[str] = frozenset()
    spread: bool = False


class Rounds:
    """What one run does on the host: plans carried out until nothing is left, or enough was tried."""

    def __init__(self, desired: Desired, host: Connection, run: Run, concurrency: int) -> None:
        self._desired, self._host, self._run, self._concurrency = desired, host, run, concurrency
        self.plan = Plan()
        self.results: list[Result] = []
        self.notes: list[str] = []
        self._in_place: Mapping[ContainerId, str] | None = host.in_place()
        self.before = self.observed = self._observe()
        self.seen = {one.container_id: one for one in self.observed.containers}

    def look(self) -> None:
        """Observe the host anew."""
        self.observed = self._observe()
        self.seen.update((one.container_id, one) for one in self.observed.containers)

    def _observe(self) -> Snapshot:
        return replace(self._host.observe(self._desired), in_place=self._in_place)

    def _remember(self, in_place: Mapping[ContainerId, str]) -> None:
        """Remember what containers were changed to, or are about to be: a run may end at any moment."""
        if in_place != self._in_place and self._run.act:
            self._host.keep_in_place(in_place)
        self._in_place = in_place
        self.observed = replace(self.observed, in_place=in_place)

    def inspect(self, container_ids: frozenset[ContainerId]) -> None:
        """Ask the engine for all that it knows of some containers."""
        self.observed = self._host.detailed(self.observed, container_ids)

    def go(self, answers: Mapping[ImageRef, Answer], policy: Policy) -> Policy:
        """Plan and carry out, for up to ROUNDS; returns the policy for what comes after in the run.

        While registries are unasked, nothing goes for being absent.
        """
        whole = self._desired.complete and not policy.unasked
        desired, stop = replace(self._desired, complete=whole), self._run.stop
        rounds = ROUNDS
        while rounds:
            policy = replace(policy, ending=stop.is_set())
            self._make_plan(desired, answers, policy)
            if not self._run.act or not self.plan.changes or (stop.is_set() and not self.plan.urgent):
                break
            latest = self._carry_out(desired, stop)
            policy = replace(policy, retry=frozenset(), refused={**policy.refused, **refusals(latest)})
            failed = {one.node.step.entry for one in latest if one.outcome in WRONG}
            early = bool(failed - policy.tried) and is_cut_short(latest)
            rounds -= not early
            if failed:
                policy = replace(policy, tried=policy.tried | failed)
                # What was only given up for a way back is gone on with beside it.
                stop = stop if early else _only_ways_back()
        return replace(policy, ending=False)

    def _carry_out(self, desired: Desired, stop: Event) -> tuple[Result, ...]:
        """Carry the plan out and observe what came of it; returns what became of its steps."""
        self._host.engine.ready()
        self._remember(begun(self.plan))
        specs = (*desired.specs, *self.plan.formers)
        latest = execute(
            self.plan,
            self._host.engine,
            self._host.puller(self._run.listener.pulling),
            self._host.prover(specs),
            self._concurrency,
            stop,
            self._run.listener.stage,
        )
        latest = tuple(_without_options(one, specs) for one in latest)
        self.results += latest  # before the next call to the engine, which may be gone by now
        self._remember({**begun(self.plan), **made(latest)})
        self.look()
        names = suspects(latest, desired.specs)
        if names:
            latest = blamed(latest, self._host.ends_of(names, self.observed, specs))
            self.results[-len(latest) :] = latest
        return latest

    def _make_plan(self, desired: Desired, answers: Mapping[ImageRef, Answer], policy: Policy) -> None:
        """Make the plan; those containers and images are asked about that it has to know more of."""
        while True:
            self.plan = make_plan(desired, self.observed, answers, policy, time.time())
            if self.plan.wanted:
                self.observed = self._host.compared(self.observed, self.plan.wanted)
            elif self.plan.unneeded and self.observed.lately is None:
                self.observed = self._host.lately(self.observed, self.plan.unneeded)
            else:
                break
        if self._run.act:
            self._host.remember_adopted(self.plan.adopted)
        self._remember(self.plan.in_place)
        if desired.complete and policy.prune != "none" and not self.plan.unneeded:
            self._host.forget_unneeded()
        self.notes = [*still_true(self.notes, self.plan), *self.plan.notes]


def _without_options(result: Result, specs: Collection[ContainerSpec]) -> Result:
    """Return a result whose text shows no option of its entry's log and volumes: the engine repeats them."""
    if not result.text:
        return result
    own = (spec for spec in specs if spec.name == result.node.step.entry)
    values = [value for spec in own for value in secret_options(spec.definition)]
    return replace(result, text=hidden(result.text, values))


def _only_ways_back() -> Event:
    """Return what lets the rest of a run begin nothing but ways back; the next run tries the rest."""
    stop = Event()
    stop.set()
    return stop
