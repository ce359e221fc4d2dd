"""One run: read, observe, ask the registries, plan, apply, verify, clean up, report."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING

from dockerup.changes import changes_of, left_volumes
from dockerup.configuration import Configuration
from dockerup.decide import decide_all
from dockerup.desired import Desired
from dockerup.execute import Outcome, Result, Stage, execute, no_stage
from dockerup.history import append
from dockerup.history_entries import entries_of
from dockerup.host import Host, Policy
from dockerup.image import Answer, ImageRef, Known, Unknown
from dockerup.images import LocalImages, absent, questions
from dockerup.plan import make_plan
from dockerup.report import Report
from dockerup.snapshot import Snapshot
from dockerup.state import Cache
from dockerup.status import Row, rows_of
from dockerup.steps import Plan
from dockerup.transition import transitions

if TYPE_CHECKING:
    from dockerup.connection import Connection
    from dockerup.settings import Settings

LOOK_AGAIN = 1.0  # seconds
ROUNDS = 4  # a plan can learn from a fetched image, a lost race or a failure; more is another run's work


@dataclass(frozen=True)
class Run:
    """What one run is given besides the settings.

    `act`: False plans only. `look`: False asks no registry. `stop` set begins nothing new. `stage` is told
    the phases of the run. `retry`: the entries to try again now, though they failed or ended.
    """

    cache: Cache
    environ: Mapping[str, str]
    act: bool = True
    look: bool = True
    stop: Event = field(default_factory=Event)
    stage: Stage = no_stage
    retry: frozenset[str] = frozenset()


def reconcile(configuration: Configuration, run: Run) -> Report:
    """Make the host run what the configuration lists, and return what was found and done.

    Raises NoSourceError where nothing says what should run, EngineError where the engine cannot be used.
    """
    settings, desired = configuration.settings, configuration.desired()
    from dockerup.connection import connect  # the SDK: only once there is something to converge

    with connect(settings, run.cache, run.environ) as host:
        before = observed = host.observe(desired)
        local = LocalImages.of(observed.images)
        asked = questions(desired.specs, local, pull=settings.pull and run.look)
        checked = host.ask(asked, absent(asked, local), keep=run.act)
        answers = checked.answers
        policy = _policy(settings, desired, run, answers)
        results: list[Result] = []
        notes = [*desired.notes, *checked.notes, *_unknown(answers)]
        seen = {one.container_id: one for one in observed.containers}
        stop = run.stop
        for _ in range(ROUNDS):
            plan, observed = _plan(desired, observed, answers, policy, host)
            notes += plan.notes
            if not run.act or not plan.changes or (stop.is_set() and not plan.urgent):
                break
            prove = host.prover(desired)
            latest = execute(plan, host.engine, host.pull, prove, settings.concurrency, stop, run.stage)
            results += latest
            policy = replace(policy, retry=frozenset())
            observed = host.observe(desired)
            seen.update((one.container_id, one) for one in observed.containers)
            if any(one.outcome in {Outcome.FAILED, Outcome.UNDO_FAILED} for one in latest):
                stop = _only_ways_back()
        notes += host.logins.notes
    clock_zero = time.time() - time.monotonic()
    append(run.cache.directory, entries_of(results, before, observed, os.urandom(8).hex(), clock_zero))
    return Report(
        plan=plan,
        rows=_rows(desired, observed, answers, policy),
        changes=changes_of(results, left_volumes(seen.values(), observed)),
        problems=desired.problems,
        notes=tuple(dict.fromkeys(notes)),
        whole=desired.complete,
    )


def _policy(settings: Settings, desired: Desired, run: Run, answers: Mapping[ImageRef, Answer]) -> Policy:
    waiting = {spec.image for spec in desired.specs if spec.update.min_age}
    digests = {
        answer.digest for ref, answer in answers.items() if ref in waiting and isinstance(answer, Known)
    }
    return Policy(
        unmanaged=settings.unmanaged,
        ignore=settings.ignore,
        prune=settings.prune,
        keep_images=settings.keep_images,
        salt=os.urandom(8).hex(),
        health_timeout=settings.health_timeout,
        retry=run.retry,
        first_seen=run.cache.first_seen(digests, time.time()) if digests else {},
    )


def _rows(
    desired: Desired, observed: Snapshot, answers: Mapping[ImageRef, Answer], policy: Policy
) -> tuple[Row, ...]:
    host = Host.of(desired, observed, answers, policy, time.time())
    opened, _ = transitions(host)
    return rows_of(decide_all(host, opened), observed)


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


def _plan(
    desired: Desired,
    observed: Snapshot,
    answers: Mapping[ImageRef, Answer],
    policy: Policy,
    host: Connection,
) -> tuple[Plan, Snapshot]:
    """Return the plan, and the snapshot with those containers inspected that the plan had to know more of."""
    plan = make_plan(desired, observed, answers, policy, time.time())
    while plan.wanted:
        observed = host.detailed(observed, plan.wanted)
        plan = make_plan(desired, observed, answers, policy, time.time())
    return plan, observed


def wait_until_well(
    configuration: Configuration, run: Run, seconds: float, given_up: Collection[str] = ()
) -> Report:
    """Return a report once all that is listed runs, and is healthy where checked, or when time is up.

    Those that are `given_up` are not waited for.
    """
    look = replace(run, act=False, look=False)
    deadline = time.monotonic() + seconds
    while True:
        report = reconcile(configuration, look)
        if all(_settled(row) or row.name in given_up for row in report.rows) or not seconds:
            return report
        if time.monotonic() >= deadline or run.stop.wait(LOOK_AGAIN):
            return replace(report, rows=tuple(map(_not_in_time, report.rows)))


def _settled(row: Row) -> bool:
    """Tell whether waiting changes nothing: a job that failed is never run again."""
    return row.state == "failed" or (row.well and row.state != "starting")


def _not_in_time(row: Row) -> Row:
    """Return a row that says so when its health check has not answered by the end of a wait."""
    if row.state != "starting":
        return row
    return replace(row, well=False, says="its health check has not succeeded in time")
