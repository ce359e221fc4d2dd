"""What a run found and did, for people, for cron and for machines. Pure: results in, text out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dockerup.decide import Decision, complete, failed
from dockerup.execute import Outcome, Result
from dockerup.images import LocalImages
from dockerup.problems import Problem
from dockerup.snapshot import Container, ContainerId, Snapshot
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
    RemoveImage,
    Rename,
    SetRestart,
    Start,
    Step,
    Tag,
    Why,
    short_image,
)

CONVERGED, NOT_AS_LISTED, BAD_INPUT = 0, 1, 2


@dataclass(frozen=True)
class Change:
    """What happened to one container or image; `error` is "" when it went well.

    `volumes` are the anonymous volumes that went out of use with it: they stay, and nobody else names them.
    """

    subject: str
    action: str
    cause: str
    error: str = ""
    volumes: tuple[str, ...] = ()

    def __str__(self) -> str:
        stay = f"; volumes that stay: {', '.join(self.volumes)}" if self.volumes else ""
        said = f"{self.subject}: {self.action} ({self.cause}{stay})"
        return f"{said}: {self.error}" if self.error else said


@dataclass(frozen=True)
class Row:
    """One listed container as it is: `state` in a word, `says` in a sentence.

    `waits`: why a change of it has to wait, "" when none does.
    """

    name: str
    state: str
    well: bool
    says: str
    health: str = ""
    image: str = ""
    digest: str = ""
    since: str = ""
    ports: str = ""
    source: str = ""
    waits: str = ""


@dataclass(frozen=True)
class Report:
    """A whole run. `plan` is what was left to do at its end, or with a dry run all there is to do."""

    plan: Plan
    rows: tuple[Row, ...]
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    whole: bool = True

    @property
    def exit_code(self) -> int:
        """0 converged, 1 something listed does not run as listed, 2 the list has faults or is not whole."""
        if self.problems or not self.whole:
            return BAD_INPUT
        wrong = any(change.error for change in self.changes) or not all(row.well for row in self.rows)
        return NOT_AS_LISTED if wrong else CONVERGED

    @property
    def faults(self) -> list[str]:
        """The lines that say what is wrong with what was written."""
        kept = [] if self.whole else ["the list is not whole, so nothing is removed for not being listed"]
        return [*map(str, self.problems), *kept]

    @property
    def complaints(self) -> list[str]:
        """The lines that say what is not as it should be."""
        lines = self.faults + [str(change) for change in self.changes if change.error]
        told = {change.subject for change in self.changes if change.error}
        lines += [f"{row.name}: {row.says}" for row in self.rows if not row.well and row.name not in told]
        return lines


def changes_of(
    results: Sequence[Result], left_volumes: Mapping[ContainerId, tuple[str, ...]]
) -> tuple[Change, ...]:
    """Return one change for each container and image that something was done to, or that failed.

    `left_volumes` are the anonymous volumes that no container uses any more, by the one that did.
    """
    found: list[Change] = []
    by_subject: dict[tuple[str, Phase, str], list[Result]] = {}
    for result in results:
        step = result.node.step
        if isinstance(step, Keep):
            continue
        subject = result.node.group if isinstance(step, RemoveImage) else step.entry
        by_subject.setdefault((subject, result.node.phase, _kind(result.node)), []).append(result)
    for parts in by_subject.values():
        change = _change(parts, left_volumes)
        if change is not None:
            found.append(change)
    told = {change.subject for change in found if change.error}
    return tuple(found) + tuple(one for one in _held_up(results) if one.subject not in told)


def _held_up(results: Sequence[Result]) -> Iterable[Change]:
    """Give a change for each entry that was not started, since another that it waits for failed."""
    rounds: list[dict[int, Result]] = []
    for result in results:
        if not rounds or result.node.number in rounds[-1]:  # each round counts its steps from 1
            rounds.append({})
        rounds[-1][result.node.number] = result
    for one in rounds:
        for result in one.values():
            step = result.node.step
            awaited = _awaited(result, one) if isinstance(step, Start) else ""
            if awaited and result.outcome is Outcome.NOT_RUN:
                yield Change(step.entry, "not started", str(step.cause), f"waits for {awaited}")


def _awaited(result: Result, others: Mapping[int, Result]) -> str:
    """Return the nearest entry of which a step waits for a step that failed or was not done, "" for none."""
    rest, seen, entry = list(result.node.after), set[int](), result.node.step.entry
    while rest:
        number = rest.pop()
        other = others.get(number)
        if number in seen or other is None or other.outcome is Outcome.DONE:
            continue
        seen.add(number)
        if other.node.step.entry != entry:
            return other.node.step.entry
        rest += other.node.after
    return ""


def _kind(node: Node) -> str:
    """Tell the removal of what nobody lists apart from the changes of an entry."""
    return node.group if node.phase is Phase.REMOVE else ""


def left_volumes(before: Iterable[Container], after: Snapshot) -> dict[ContainerId, tuple[str, ...]]:
    """Return the anonymous volumes of containers that are gone and that no container has taken over."""
    there = {one.container_id for one in after.containers}
    used = {mount.volume for one in after.containers for mount in one.mounts}
    return {
        one.container_id: tuple(
            sorted(mount.volume for mount in one.mounts if mount.anonymous and mount.volume not in used)
        )
        for one in before
        if one.container_id not in there
    }


def _volumes_of(parts: Sequence[Result], left: Mapping[ContainerId, tuple[str, ...]]) -> tuple[str, ...]:
    removed = [part.node.step for part in parts if part.outcome is Outcome.DONE]
    targets = [step.target for step in removed if isinstance(step, Remove)]
    return tuple(
        volume
        for target in targets
        if isinstance(target, Existing)
        for volume in left.get(target.container_id, ())
    )


def _change(parts: Sequence[Result], left: Mapping[ContainerId, tuple[str, ...]]) -> Change | None:
    outcomes = {part.outcome for part in parts}
    wrong = [part for part in parts if part.outcome in {Outcome.FAILED, Outcome.UNDO_FAILED}]
    main = _main_step([part.node.step for part in parts])
    action, subject = _action([part.node for part in parts]), main.entry
    if isinstance(main, RemoveImage):
        subject = f"image {short_image(main.image)}"
    went_back = [part for part in parts if part.node.step.cause.why is Why.WAY_BACK]
    if wrong or went_back:
        back = Outcome.UNDONE in outcomes or any(part.outcome is Outcome.DONE for part in went_back)
        way_back = "; what ran before runs again" if back else ""
        stuck = [part for part in wrong if part.outcome is Outcome.UNDO_FAILED]
        if stuck:
            way_back = f"; not everything could be undone: {stuck[0].node.step}: {stuck[0].text}"
        if not wrong:
            return Change(subject, "rolled back", str(main.cause), way_back.lstrip("; "))
        said, newline, log = wrong[0].text.partition("\n")
        log = f"\n  the end of its log:\n{log}" if newline else ""
        if _only_made(parts):
            return Change(subject, "not started", str(Cause(Why.NEVER_STARTED)), f"{said}{way_back}{log}")
        return Change(subject, f"not {action}", str(main.cause), f"{said}{way_back}{log}")
    if outcomes <= {Outcome.NOT_RUN, Outcome.REFUSED, Outcome.UNDONE} or action == "fetched":
        return None
    return Change(subject, action, str(main.cause), volumes=_volumes_of(parts, left))


def _only_made(parts: Sequence[Result]) -> bool:
    """Tell whether all that was done was to make a container for the first time: it is never started yet."""
    made = any(isinstance(part.node.step, Create) and part.outcome is Outcome.DONE for part in parts)
    starts = [part.node.step for part in parts if part.outcome is Outcome.FAILED]
    return made and any(isinstance(step, Start) and not step.failed_name for step in starts)


def _main_step(steps: Sequence[Step]) -> Step:
    """Return the step that tells best why anything was done: not the clearing up, nor the fetching."""
    telling = [step for step in steps if step.cause.why is not Why.LEFT_OVER]
    acting = [step for step in telling if not isinstance(step, (Pull, Tag))]
    images = [step for step in steps if isinstance(step, RemoveImage)]
    return [*images[-1:], *acting, *telling, *steps][0]


def _action(nodes: Iterable[Node]) -> str:
    """Return what the steps on one container come to, in a word."""
    steps = [node.step for node in nodes]
    created = [step for step in steps if isinstance(step, Create)]
    if created:
        return "replaced" if created[0].name != created[0].entry else "created"
    if any(step.cause.why is Why.INTERRUPTED for step in steps):
        return "replaced"
    for kind, word in (
        (Start, "started"),
        (Remove, "removed"),
        (Rename, "renamed"),
        (SetRestart, "changed"),
        (RemoveImage, "removed"),
    ):
        if any(isinstance(step, kind) for step in steps):
            return word
    return "fetched"


def rows_of(decisions: Mapping[str, Decision], observed: Snapshot) -> tuple[Row, ...]:
    """Return a row for each listed container, by name."""
    local = LocalImages.of(observed.images)
    return tuple(_row(decisions[name], local) for name in sorted(decisions))


def _row(decision: Decision, local: LocalImages) -> Row:
    spec, one = decision.spec, decision.keeper or _best(decision.olds)
    state, well = _state(decision, one)
    says = str(decision.cause)
    if one is None:
        return Row(spec.name, state, well, says, image=spec.image.familiar, source=spec.source)
    digest = local.digest_of(one.image_id, spec.image) or one.image_id
    return Row(
        spec.name,
        state,
        well,
        says,
        health=one.health,
        image=spec.image.familiar if one.image.startswith("sha256:") else one.image,
        digest=digest.partition(":")[2][:12],
        since=one.status,
        ports=_ports(one),
        source=spec.source,
        waits=says if decision.cause.why is Why.FAILED_BEFORE else decision.image.held,
    )


def _best(olds: Sequence[Container]) -> Container | None:
    return max(olds, key=lambda one: (one.running, one.created), default=None)


def _state(decision: Decision, one: Container | None) -> tuple[str, bool]:
    """Return the state of an entry in a word, and whether it is how it should be."""
    if decision.back is not None:
        return "rollingBack", False
    if decision.cause.why is Why.FAILED_BEFORE or (decision.image.held and decision.image.rolled_back):
        return "rolledBack", decision.well and one is not None
    if decision.held:
        return ("running" if one is not None and one.running else "waiting"), decision.well
    if decision.keeper is None or one is None:
        return ("running" if one is not None and one.running else "pending"), False
    if complete(one, decision.spec):
        return "complete", True
    if failed(one, decision.spec):
        return "failed", False
    if decision.starts:
        return "pending", False
    if one.state == "restarting":
        return one.state, False
    return ("starting" if one.health == "starting" else "running"), decision.well


def _ports(one: Container) -> str:
    shown = {f"{port.host_port}->{port.container_port}/{port.protocol}" for port in one.ports}
    return ", ".join(sorted(shown))


def plan_text(report: Report) -> str:
    """Return a plan as a person reads it: for each group what happens and why, then the steps in order."""
    home = {
        node.step.entry: node.group.partition(",")[0]
        for node in report.plan.nodes
        if not isinstance(node.step, (Pull, Tag))
    }
    blocks: dict[tuple[Phase, str], list[Step]] = {}
    for node in report.plan.nodes:
        group = home.get(node.step.entry, node.group) if node.phase is Phase.CONVERGE else node.step.entry
        blocks.setdefault((node.phase, group), []).append(node.step)
    lines = [line for (phase, _), steps in blocks.items() for line in _block_lines(phase, steps)]
    count = len({node.step.entry for node in report.plan.changes})
    lines.append(f"{count} to change." if count else "Nothing to do.")
    return "\n".join(lines)


def _block_lines(phase: Phase, steps: Sequence[Step]) -> Iterable[str]:
    by_entry: dict[str, list[Step]] = {}
    for step in steps:
        by_entry.setdefault(step.entry, []).append(step)
    for entry, own in by_entry.items():
        sign = " " if isinstance(own[0], Keep) else "-" if phase is not Phase.CONVERGE else "~"
        yield f"{sign} {entry}: {_main_step(own).cause}"
    yield from (f"      {step}" for step in steps if not isinstance(step, Keep))


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table with a heading, and below it a sentence for each that is not well."""
    if not rows:
        return "No containers are listed."
    heading = ("NAME", "STATE", "HEALTH", "IMAGE", "DIGEST", "SINCE", "PORTS", "SOURCE")
    cells = [
        tuple(
            cell or "-"
            for cell in (
                row.name,
                row.state,
                row.health,
                row.image,
                row.digest,
                row.since,
                row.ports,
                row.source,
            )
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(heading, *cells)]
    lines = [_padded(line, widths) for line in (heading, *cells)]
    told = {row.name: row.waits if row.well else row.says for row in rows}
    lines += [f"{name}: {text}" for name, text in told.items() if text]
    return "\n".join(lines)


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()


def as_json(report: Report, exit_code: int) -> str:
    """Return the whole report as one JSON document, with the exit code of the command that gives it."""
    document: dict[str, Any] = {
        "exitCode": exit_code,
        "whole": report.whole,
        "containers": [_row_json(row) for row in report.rows],
        "changes": [
            {
                "subject": one.subject,
                "action": one.action,
                "cause": one.cause,
                "error": one.error or None,
                "volumes": list(one.volumes),
            }
            for one in report.changes
        ],
        "plan": [
            {
                "number": node.number,
                "after": list(node.after),
                "entry": node.step.entry,
                "step": str(node.step),
                "cause": str(node.step.cause),
            }
            for node in report.plan.nodes
        ],
        "problems": [_problem_json(problem) for problem in report.problems],
        "notes": list(report.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "state": row.state,
        "well": row.well,
        "says": row.says,
        "health": row.health or None,
        "image": row.image,
        "digest": row.digest or None,
        "since": row.since or None,
        "ports": row.ports or None,
        "source": row.source,
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    where = problem.where
    return {
        "source": where.source,
        "line": where.line or None,
        "path": list(where.path),
        "what": problem.what,
        "fix": problem.fix,
    }
