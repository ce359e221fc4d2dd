"""How a report is shown: a table and a plan for people, JSON for machines. Pure: a report in, text out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dockerup.changes import main_step
from dockerup.history_lines import Entry, as_object, utc
from dockerup.problems import Problem
from dockerup.report import Report
from dockerup.status import Row
from dockerup.steps import Keep, Phase, Pull, Step, Tag

_HEADING = (
    *("NAME", "STATE", "HEALTH", "IMAGE", "DIGEST", "SINCE", "RESTARTS", "PORTS", "SOURCE"),
    "LAST CHANGE (UTC)",
)
_PLAIN = {"running", "complete"}  # the states that need no sentence


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
        yield f"{sign} {entry}: {main_step(own).cause}"
    yield from (f"      {step}" for step in steps if not isinstance(step, Keep))


def table(rows: Sequence[Row], last: Mapping[str, Entry]) -> str:
    """Return the rows as a table with a heading, and below it a sentence for each that needs one.

    `last` are the last changes by container.
    """
    if not rows:
        return "No containers are listed."
    cells = [tuple(cell or "-" for cell in _cells(row, last.get(row.name))) for row in rows]
    widths = [max(map(len, column)) for column in zip(_HEADING, *cells)]
    lines = [_padded(line, widths) for line in (_HEADING, *cells)]
    told = {row.name: _sentence(row, last.get(row.name)) for row in rows}
    lines += [f"{name}: {text}" for name, text in told.items() if text]
    return "\n".join(lines)


def _sentence(row: Row, last: Entry | None) -> str:
    if row.well and row.state in _PLAIN:
        return _quiet_words(row)
    if last is None or not last.error:
        return row.says
    tried = row.state == "rolledBack" or last.reason == row.says  # the very change that it waits for
    return f"{row.says}; the last try failed: {last.error}" if tried else row.says


def _quiet_words(row: Row) -> str:
    """Return what a person should know of a container that is well."""
    return "; ".join(filter(None, ("adopted: dockerup did not make it" if row.adopted else "", row.waits)))


def _cells(row: Row, last: Entry | None) -> tuple[str, ...]:
    return (
        row.name,
        row.state,
        row.health,
        row.image,
        row.digest,
        row.since,
        "" if row.restarts is None else str(row.restarts),
        row.ports,
        row.source,
        "" if last is None else _change(last),
    )


def _change(last: Entry) -> str:
    outcome = "" if last.outcome in {"done", last.action} else f", {last.outcome}"
    return f"{utc(last.time, '%Y-%m-%d %H:%M')} {last.action}{outcome}"


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()


def as_json(report: Report, exit_code: int, last: Mapping[str, Entry] | None = None) -> str:
    """Return the whole report as one JSON document, with the exit code of the command that gives it.

    `last` are the last changes by container, where somebody looked for them.
    """
    document: dict[str, Any] = {
        "exitCode": exit_code,
        "error": report.lost or None,
        "whole": report.whole,
        "containers": [_row_json(row, (last or {}).get(row.name)) for row in report.rows],
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


def _row_json(row: Row, last: Entry | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "state": row.state,
        "well": row.well,
        "says": row.says,
        "health": row.health or None,
        "image": row.image,
        "digest": row.digest or None,
        "since": row.since or None,
        "restarts": row.restarts,
        "ports": row.ports or None,
        "source": row.source,
        "lastChange": as_object(last) if last is not None else None,
        "waits": row.waits or None,
        "adopted": row.adopted,
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
