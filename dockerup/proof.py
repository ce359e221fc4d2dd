"""The proof: whether what an inspection tells of a container is what it has to reach. Pure: no time in it.

What only a stretch of time can prove is `PENDING` here; `dockerup.watch` waits.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import replace

from dockerup.output import harmless, hidden
from dockerup.snapshot import Detail
from dockerup.steps import Goal


class Verdict(enum.Enum):
    """What one look at a container tells."""

    PROVEN = "proven"
    PENDING = "pending"
    FAILED = "failed"


Judgement = tuple[Verdict, str]

_PROVEN: Judgement = (Verdict.PROVEN, "")
_PENDING: Judgement = (Verdict.PENDING, "")
GOING = frozenset({"dead", "removing"})


def judge(detail: Detail, goal: Goal, *, job: bool) -> Judgement:
    """Return the verdict on a container, and when it failed why, in words that follow its name.

    `job`: the engine does not start it again when it ends, and is not meant to.
    """
    unable = start_error(detail)
    if unable:
        return Verdict.FAILED, unable
    if detail.state in GOING:
        return Verdict.FAILED, "its removal has begun"
    if goal is Goal.ENDED:
        return _PROVEN if detail.state == "exited" else _PENDING
    if job:
        return _judge_job(detail)
    return _judge_stopped(detail) if detail.state == "exited" else _judge_living(detail)


def start_error(detail: Detail) -> str:
    """Return why the engine could not start a container when it was last told to, "" where it could."""
    # One that ran before keeps the exit code of that: only the error tells that it did not run now.
    unable = detail.error and detail.state in {"created", "exited"}
    return f"the engine could not start it: {harmless(detail.error)}" if unable else ""


def without(detail: Detail, hide: Collection[str]) -> Detail:
    """Return a detail in whose texts no value of `hide` shows."""
    error, output = hidden(detail.error, hide), hidden(detail.health_output, hide)
    return replace(detail, error=error, health_output=output)


def _judge_job(detail: Detail) -> Judgement:
    if detail.state != "exited":
        return _PENDING
    return _PROVEN if detail.exit_code == 0 else (Verdict.FAILED, _end(detail))


def _judge_stopped(detail: Detail) -> Judgement:
    # An engine that is killed before it starts one again calls that exit code 0 afterwards.
    if detail.restart.startswith("on-failure") and detail.exit_code == 0 and not detail.restarts:
        return _PROVEN  # complete
    # What the engine would have started again was stopped by hand, or by the engine's own end.
    if detail.restart == "no" or detail.out_of_memory:
        return Verdict.FAILED, _end(detail)
    return (Verdict.FAILED, _restarted(detail)) if detail.restarts else _PENDING


def _judge_living(detail: Detail) -> Judgement:
    if detail.state == "restarting":
        return Verdict.FAILED, harmless(detail.error) or _end(detail)
    if detail.out_of_memory:
        return Verdict.FAILED, _end(detail)
    if detail.restarts:
        return Verdict.FAILED, _restarted(detail)
    if detail.health == "unhealthy" and detail.state in {"running", "paused"}:
        output = harmless(detail.health_output)
        return Verdict.FAILED, f"its health check fails: {output}" if output else "its health check fails"
    return _PROVEN if detail.health == "healthy" and detail.state in {"running", "paused"} else _PENDING


def _end(detail: Detail) -> str:
    return "it ran out of memory" if detail.out_of_memory else f"exit code {detail.exit_code}"


def _restarted(detail: Detail) -> str:
    return "it was restarted once" if detail.restarts == 1 else f"it was restarted {detail.restarts} times"
