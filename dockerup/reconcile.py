"""One run: read, observe, ask the registries, plan, apply, verify, clean up, report."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING

from dockerup.configuration import Configuration
from dockerup.decide import decide_all
from dockerup.desired import Desired, combine
from dockerup.execute import Outcome, Result, Stage, execute, no_stage
from dockerup.host import Host, Policy
from dockerup.image import Answer, ImageRef, Unknown
from dockerup.images import LocalImages, questions
from dockerup.plan import make_plan
from dockerup.report import Report, Row, changes_of, left_volumes, rows_of
from dockerup.snapshot import Snapshot
from dockerup.state import Cache
from dockerup.steps import Plan

if TYPE_CHECKING:
    from dockerup.connection import Connection

LOOK_AGAIN = 1.0  # seconds
ROUNDS = 3  # a plan can learn from a fetched image or a lost race; more than twice is another run's work


@dataclass(frozen=True)
class Run:
    """What one run is given besides the settings.

    `act`: False plans only. `look`: False asks no registry. `stop` set begins nothing new. `stage` is told
    the phases of the run.
    """

    cache: Cache
    environ: Mapping[str, str]
    act: bool = True
    look: bool = True
    stop: Event = field(default_factory=Event)
    stage: Stage = no_stage


def reconcile(configuration: Configuration, run: Run) -> Report:
    """Make the host run what the configuration lists, and return what was found and done.

    Raises NoSourceError where nothing says what should run, EngineError where the engine cannot be used.
    """
    settings, desired = configuration.settings, combine(configuration.results)
    from dockerup.connection import connect  # the SDK: only once there is something to converge

    policy = Policy(
        settings.unmanaged, settings.ignore, settings.prune, settings.keep_images, os.urandom(8).hex()
    )
    with connect(settings, run.cache, run.environ) as host:
        observed = host.observe(desired)
        asked = questions(desired.specs, LocalImages.of(observed.images), pull=settings.pull and run.look)
        answers = host.ask(asked)
        results: list[Result] = []
        notes = [*desired.notes, *_silent_registries(answers)]
        seen = {one.container_id: one for one in observed.containers}
        for _ in range(ROUNDS):
            plan, observed = _plan(desired, observed, answers, policy, host)
            notes += plan.notes
            if not run.act or not plan.changes or run.stop.is_set():
                break
            latest = execute(plan, host.engine, host.pull, settings.concurrency, run.stop, run.stage)
            results += latest
            observed = host.observe(desired)
            seen.update((one.container_id, one) for one in observed.containers)
            if any(one.outcome in {Outcome.FAILED, Outcome.UNDO_FAILED} for one in latest):
                break
    return Report(
        plan=plan,
        rows=rows_of(decide_all(Host.of(desired, observed, answers, policy, time.time())), observed),
        changes=changes_of(results, left_volumes(seen.values(), observed)),
        problems=desired.problems,
        notes=tuple(dict.fromkeys(notes)),
        whole=desired.complete,
    )


def _silent_registries(answers: Mapping[ImageRef, Answer]) -> list[str]:
    """Return a warning for each image whose registry did not tell what is new."""
    return [
        f"{ref.familiar}: whether there is a newer image is unknown: {answer.reason}"
        for ref, answer in sorted(answers.items(), key=lambda pair: pair[0].familiar)
        if isinstance(answer, Unknown)
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
