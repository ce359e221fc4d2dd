"""One run: read, observe, ask the registries, plan, apply, verify, clean up, report."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from threading import Event
from typing import TYPE_CHECKING

from dockerup.adoption import adopt, still_true
from dockerup.changes import changes_of, left_volumes
from dockerup.clean_up import is_full
from dockerup.configuration import Configuration
from dockerup.culprits import blamed, suspects
from dockerup.decide import decide_all, stands_still
from dockerup.decision import Decision
from dockerup.definition import secret_options
from dockerup.desired import Desired
from dockerup.execute import execute
from dockerup.former import former_specs, with_formers
from dockerup.history import append
from dockerup.history_entries import entries_of
from dockerup.host import Host, Policy
from dockerup.image import Answer, ImageRef, Known, Unknown
from dockerup.images import LocalImages, absent, doubtful, questions
from dockerup.listener import Listener
from dockerup.outcome import WRONG, Result, is_cut_short
from dockerup.output import hidden
from dockerup.plan import make_plan
from dockerup.records import dataclass
from dockerup.report import Report
from dockerup.snapshot import ContainerId, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.state import Cache
from dockerup.status import Row, rows_of, shown
from dockerup.steps import Plan
from dockerup.transition import Transition, transitions
from dockerup.updated import begun, made, refusals

if TYPE_CHECKING:
    from dockerup.connection import Connection
    from dockerup.settings import Settings

LOOK_AGAIN = 1.0  # seconds
_NOT_YET = {
    "starting": "its health check has not succeeded in time",
    "proving": "it has not proven itself in time",
}
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


def reconcile(configuration: Configuration, run: Run) -> Report:
    """Make the host run what the configuration lists, and return what was found and done.

    Raises NoSourceError where nothing says what should run, EngineError where the engine cannot be used. Once
    something was done, an engine that goes is part of the report.
    """
    settings, desired = configuration.settings, configuration.desired()
    if not (run.act or run.look):
        settings = replace(settings, prune="none")  # who only looks at containers need not know of images
    from dockerup.connection import connect  # only once there is something to converge
    from dockerup.engine_error import EngineError

    notes, lost = [*desired.notes], ""
    work: _Work | None = None
    try:
        with connect(settings, run.cache, run.environ) as host:
            if run.act:
                notes += host.place_secrets(desired)
            work = _Work(desired, host, run, settings.concurrency)
            local = LocalImages.of(work.before.images)
            specs = (*desired.specs, *former_specs(desired, work.before, time.time()))
            asked = questions(specs, local, pull=settings.pull) if run.look else frozenset()
            policy = _policy(settings, run, work.before, host.engine.api, host.cannot_run(desired))
            if run.act and asked and stands_still(desired, work.observed):
                # What needs no registry does not wait for one.
                policy = work.go({}, replace(policy, unasked=asked))
            missing = absent(asked, local)
            if run.spread and settings.splay and asked and not missing:
                run.stop.wait(host.splay())
                work.look()
            asked = asked if not run.stop.is_set() else frozenset()
            checked = host.ask(asked, missing, doubtful(asked, local), keep=run.act)
            notes += [*checked.notes, *_unknown(checked.answers)]
            policy = _with_ages(replace(policy, unasked=frozenset()), specs, run, checked.answers)
            policy = replace(work.go(checked.answers, policy), tried=frozenset())
            if run.act and desired.complete:
                host.clear_secrets(desired, work.observed)
            if run.inspect:
                work.inspect(_shown(desired, work.observed, checked.answers, policy))
    except EngineError as error:
        if work is None or not work.results:
            raise
        lost = str(error)  # what was done is told all the same; what came of it nobody has seen
    clock_zero = time.time() - time.monotonic()
    entries = entries_of(work.results, work.before, work.observed, os.urandom(8).hex(), clock_zero)
    append(run.cache.directory, entries)
    return Report(
        plan=Plan() if lost else work.plan,
        rows=() if lost else _rows(desired, work.observed, checked.answers, policy),
        changes=changes_of(work.results, left_volumes(work.seen.values(), work.observed)),
        problems=desired.problems,
        notes=tuple(dict.fromkeys([*notes, *work.notes, *host.logins.notes])),
        whole=desired.complete,
        lost=lost,
    )


class _Work:
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
            policy = replace(policy, retry=frozenset(), refused={**policy.refused, **refusals(latest)})
            failed = {one.node.step.entry for one in latest if one.outcome in WRONG}
            early = bool(failed - policy.tried) and is_cut_short(latest)
            rounds -= not early
            if failed:
                policy = replace(policy, tried=policy.tried | failed)
                # What was only given up for a way back is gone on with beside it.
                stop = stop if early else _only_ways_back()
        return replace(policy, ending=False)

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


def _policy(
    settings: Settings, run: Run, before: Snapshot, api: tuple[int, int], cannot_run: Mapping[str, str]
) -> Policy:
    return Policy(
        unmanaged=settings.unmanaged,
        ignore=settings.ignore,
        prune=settings.prune,
        keep_images=settings.keep_images,
        prune_when_full=settings.prune_when_full,
        making_room=is_full(before.disk, settings.prune_when_full),
        salt=os.urandom(8).hex(),
        health_timeout=settings.health_timeout,
        api=api,
        cannot_run=cannot_run,
        retry=run.retry,
    )


def _with_ages(
    policy: Policy, specs: Iterable[ContainerSpec], run: Run, answers: Mapping[ImageRef, Answer]
) -> Policy:
    """Return the policy with what is known of how long images have been out, where an entry asks for that."""
    waiting = {spec.image for spec in specs if spec.update.min_age}
    found = {ref: answer.digest for ref, answer in answers.items() if isinstance(answer, Known)}
    digests = {digest for ref, digest in found.items() if ref in waiting}
    return replace(policy, first_seen=run.cache.first_seen(digests, time.time())) if digests else policy


def _rows(
    desired: Desired, observed: Snapshot, answers: Mapping[ImageRef, Answer], policy: Policy
) -> tuple[Row, ...]:
    decisions, opened = _decided(desired, observed, answers, policy)
    return rows_of(decisions, observed, opened)


def _shown(
    desired: Desired, observed: Snapshot, answers: Mapping[ImageRef, Answer], policy: Policy
) -> frozenset[ContainerId]:
    """Return the ids of the containers that the rows tell of."""
    decisions, _ = _decided(desired, observed, answers, policy)
    return frozenset(one.container_id for one in map(shown, decisions.values()) if one is not None)


def _decided(
    desired: Desired, observed: Snapshot, answers: Mapping[ImageRef, Answer], policy: Policy
) -> tuple[dict[str, Decision], dict[str, Transition]]:
    observed = adopt(desired, observed, policy).observed
    host = Host.of(desired, observed, answers, policy, time.time())
    found, _ = transitions(host)
    opened = {name: one for name, one in found.items() if name in host.listed}
    host, _ = with_formers(host, opened)
    return decide_all(host, opened), opened


def _only_ways_back() -> Event:
    """Return what lets the rest of a run begin nothing but ways back; the next run tries the rest."""
    stop = Event()
    stop.set()
    return stop


def _unknown(answers: Mapping[ImageRef, Answer]) -> list[str]:
    """Return a warning for each image of which its registry did not tell what is new, but is well."""
    return [
        f"{ref.familiar}: whether there is a newer image is unknown: {answer.reason}"
        for ref, answer in sorted(answers.items(), key=lambda pair: pair[0].familiar)
        if isinstance(answer, Unknown) and not answer.of_registry
    ]


def wait_until_well(
    configuration: Configuration, run: Run, seconds: float, given_up: Collection[str] = ()
) -> Report:
    """Return a report once all that is listed runs, and is healthy where checked, or when time is up.

    With 0 seconds it is a report of now. Those that are `given_up` are not waited for.
    """
    look = replace(run, act=False, look=False)
    deadline = time.monotonic() + seconds
    while True:
        late = seconds > 0 and not _all_settle(
            configuration, replace(look, inspect=False), deadline, given_up
        )
        report = reconcile(configuration, look)
        # Who looks more closely may see that one of them fell a moment ago.
        if late or seconds <= 0 or _no_more_to_come(report, given_up):
            return replace(report, rows=tuple(map(_not_in_time, report.rows))) if late else report
        look.stop.wait(LOOK_AGAIN)


def _all_settle(configuration: Configuration, look: Run, deadline: float, given_up: Collection[str]) -> bool:
    while not _no_more_to_come(reconcile(configuration, look), given_up):
        if time.monotonic() >= deadline or look.stop.wait(LOOK_AGAIN):
            return False
    return True


def _no_more_to_come(report: Report, given_up: Collection[str]) -> bool:
    return all(_settled(row) or row.name in given_up for row in report.rows)


def _settled(row: Row) -> bool:
    """Tell whether waiting changes nothing: a job that failed is never run again."""
    return row.over or (row.well and row.state not in _NOT_YET)


def _not_in_time(row: Row) -> Row:
    """Return a row that says so when what it is waited for has not come by the end of a wait."""
    return replace(row, well=False, says=_NOT_YET[row.state]) if row.state in _NOT_YET else row
