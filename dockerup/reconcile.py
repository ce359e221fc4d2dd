"""One run: read, observe, ask the registries, plan, apply, verify, clean up, report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerup.adoption import adopt
from dockerup.changes import changes_of, left_volumes
from dockerup.clean_up import is_full
from dockerup.configuration import Configuration
from dockerup.decide import decide_all, stands_still
from dockerup.decision import Decision
from dockerup.desired import Desired
from dockerup.former import former_specs, with_formers
from dockerup.history import append
from dockerup.history_entries import entries_of
from dockerup.host import Host, Policy
from dockerup.image import Answer, ImageRef, Known, Unknown
from dockerup.images import LocalImages, absent, doubtful, questions
from dockerup.report import Report
from dockerup.rounds import Rounds, Run
from dockerup.snapshot import Snapshot
from dockerup.spec import ContainerSpec
from dockerup.status import Row, rows_of, shown
from dockerup.steps import Plan
from dockerup.transition import Transition, transitions

if TYPE_CHECKING:
    from dockerup.connection import Connection
    from dockerup.registry import Checked
    from dockerup.settings import Settings


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

    with connect(settings, run.cache, run.environ) as host:
        notes = [*desired.notes, *(host.place_secrets(desired) if run.act else ())]
        rounds = Rounds(desired, host, run, settings.concurrency)
        local = LocalImages.of(rounds.before.images)
        specs = (*desired.specs, *former_specs(desired, rounds.before, time.time()))
        asked = questions(specs, local, pull=settings.pull) if run.look else frozenset()
        policy = _policy(settings, run, rounds.before, host.engine.api, host.cannot_run(desired))
        rows: tuple[Row, ...] = ()
        lost = ""
        try:
            if run.act and asked and stands_still(desired, rounds.observed):
                # What needs no registry does not wait for one.
                policy = rounds.go({}, replace(policy, unasked=asked))
            checked = _ask(asked, local, host, rounds, run)
            notes += [*checked.notes, *_unknown(checked.answers)]
            policy = _with_ages(replace(policy, unasked=frozenset()), specs, run, checked.answers)
            policy = replace(rounds.go(checked.answers, policy), tried=frozenset())
            if run.act and desired.complete:
                host.clear_secrets(desired, rounds.observed)
            rows = _rows(desired, rounds, checked.answers, policy, inspect=run.inspect)
        except EngineError as error:
            if not rounds.results:
                raise
            lost = str(error)  # what was done is told all the same; what came of it nobody has seen
    _write_history(rounds, run)
    return Report(
        plan=Plan() if lost else rounds.plan,
        rows=rows,
        changes=changes_of(rounds.results, left_volumes(rounds.seen.values(), rounds.observed)),
        problems=desired.problems,
        notes=tuple(dict.fromkeys([*notes, *rounds.notes, *host.logins.notes])),
        whole=desired.complete,
        lost=lost,
    )


def _ask(
    asked: frozenset[ImageRef], local: LocalImages, host: Connection, rounds: Rounds, run: Run
) -> Checked:
    """Ask the registries what is new, a little later for the sake of a fleet where that makes nobody wait."""
    missing = absent(asked, local)
    if run.spread and host.settings.splay and asked and not missing:
        run.stop.wait(host.splay())
        rounds.look()
    if run.stop.is_set():
        asked = frozenset()
    return host.ask(asked, missing, doubtful(asked, local), keep=run.act)


def _write_history(rounds: Rounds, run: Run) -> None:
    run_id, clock_zero = os.urandom(8).hex(), time.time() - time.monotonic()
    entries = entries_of(rounds.results, rounds.before, rounds.observed, run_id, clock_zero)
    append(run.cache.directory, entries)


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
    desired: Desired, rounds: Rounds, answers: Mapping[ImageRef, Answer], policy: Policy, *, inspect: bool
) -> tuple[Row, ...]:
    """Return what `status` shows; who wants to `inspect` knows more than the list of containers tells."""
    decisions, opened = _decided(desired, rounds.observed, answers, policy)
    if inspect:
        told_of = (shown(decision) for decision in decisions.values())
        rounds.inspect(frozenset(one.container_id for one in told_of if one is not None))
        decisions, opened = _decided(desired, rounds.observed, answers, policy)
    return rows_of(decisions, rounds.observed, opened)


def _decided(
    desired: Desired, observed: Snapshot, answers: Mapping[ImageRef, Answer], policy: Policy
) -> tuple[dict[str, Decision], dict[str, Transition]]:
    observed = adopt(desired, observed, policy).observed
    host = Host.of(desired, observed, answers, policy, time.time())
    found, _ = transitions(host)
    opened = {name: one for name, one in found.items() if name in host.listed}
    host, _ = with_formers(host, opened)
    return decide_all(host, opened), opened


def _unknown(answers: Mapping[ImageRef, Answer]) -> list[str]:
    """Return a warning for each image of which its registry did not tell what is new, but is well."""
    return [
        f"{ref.familiar}: whether there is a newer image is unknown: {answer.reason}"
        for ref, answer in sorted(answers.items(), key=lambda pair: pair[0].familiar)
        if isinstance(answer, Unknown) and not answer.of_registry
    ]
