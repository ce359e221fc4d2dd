"""What one look at a container proves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.proof import Verdict, judge, without
from dockerup.snapshot import Detail
from dockerup.steps import Goal

PROVEN, PENDING, FAILED = Verdict.PROVEN, Verdict.PENDING, Verdict.FAILED
NO_START = "the engine could not start it: no such file"

RUNS = Detail("always", "running")
CHECKED = replace(RUNS, health="starting", check_seconds=30)
JOB = Detail("no", "running")
STATES = ("created", "running", "paused", "restarting", "exited", "dead", "removing", "")

DETAILS = st.builds(
    Detail,
    restart=st.sampled_from(("no", "always", "unless-stopped", "on-failure")),
    state=st.sampled_from(STATES),
    exit_code=st.sampled_from((0, 1, 127, 137)),
    restarts=st.integers(0, 3),
    error=st.sampled_from(("", "no such file")),
    out_of_memory=st.booleans(),
    health=st.sampled_from(("", "starting", "healthy", "unhealthy")),
    health_output=st.text(),
)
GOALS = st.sampled_from(Goal)


@pytest.mark.parametrize(
    ("detail", "verdict", "why"),
    [
        (RUNS, PENDING, ""),
        (replace(RUNS, state="paused"), PENDING, ""),
        (replace(RUNS, restarts=1), FAILED, "it was restarted once"),
        (replace(RUNS, restarts=2), FAILED, "it was restarted 2 times"),
        (replace(RUNS, out_of_memory=True), FAILED, "it ran out of memory"),
        (replace(RUNS, restarts=2, out_of_memory=True), FAILED, "it ran out of memory"),
        (replace(RUNS, state="restarting", exit_code=3), FAILED, "exit code 3"),
        (
            replace(RUNS, state="restarting", exit_code=137, out_of_memory=True),
            FAILED,
            "it ran out of memory",
        ),
        (replace(RUNS, state="restarting", exit_code=1, error="no such file"), FAILED, "no such file"),
        (CHECKED, PENDING, ""),
        (replace(CHECKED, health="healthy"), PROVEN, ""),
        (replace(CHECKED, health="healthy", state="paused"), PROVEN, ""),
        (replace(CHECKED, health="healthy", restarts=1), FAILED, "it was restarted once"),
        (replace(CHECKED, health="healthy", out_of_memory=True), FAILED, "it ran out of memory"),
        (replace(CHECKED, health="unhealthy"), FAILED, "its health check fails"),
        (
            replace(CHECKED, health="unhealthy", health_output="no\n db"),
            FAILED,
            "its health check fails: no db",
        ),
        (replace(CHECKED, health="unhealthy", health_output=" \n"), FAILED, "its health check fails"),
        (Detail("always", "created"), PENDING, ""),
        (Detail("always", "created", 127, error="no such file"), FAILED, NO_START),
        (Detail("always", "exited", 137, error="no such file"), FAILED, NO_START),
        (Detail("always", "exited", 0), PENDING, ""),
        (Detail("unless-stopped", "exited", 137), PENDING, ""),
        (Detail("always", "exited", 3, restarts=1), FAILED, "it was restarted once"),
        (Detail("always", "exited", 137, out_of_memory=True), FAILED, "it ran out of memory"),
        (Detail("on-failure", "exited", 0), PROVEN, ""),
        (Detail("on-failure", "exited", 0, restarts=1), FAILED, "it was restarted once"),
        (Detail("on-failure", "exited", 3), PENDING, ""),
        (Detail("no", "exited", 0), FAILED, "exit code 0"),
        (Detail("no", "exited", 137, out_of_memory=True), FAILED, "it ran out of memory"),
        (Detail("always", "exited", 0, health="healthy"), PENDING, ""),
        (Detail("no", "dead"), FAILED, "its removal has begun"),
        (Detail("no", "removing"), FAILED, "its removal has begun"),
        (Detail("always"), PENDING, ""),
    ],
)
def test_container_that_goes_on(detail: Detail, verdict: Verdict, why: str) -> None:
    assert judge(detail, Goal.PROVEN, job=False) == (verdict, why)


@pytest.mark.parametrize(
    ("detail", "verdict", "why"),
    [
        (JOB, PENDING, ""),
        (replace(JOB, health="healthy"), PENDING, ""),
        (replace(JOB, health="unhealthy"), PENDING, ""),
        (Detail("no", "exited", 0), PROVEN, ""),
        (Detail("no", "exited", 0, health="unhealthy"), PROVEN, ""),
        (Detail("no", "exited", 3), FAILED, "exit code 3"),
        (Detail("no", "exited", 137, out_of_memory=True), FAILED, "it ran out of memory"),
        (Detail("no", "exited", 128, error="no such file"), FAILED, NO_START),
        (Detail("no", "created"), PENDING, ""),
        (Detail("no", "dead"), FAILED, "its removal has begun"),
    ],
)
def test_job(detail: Detail, verdict: Verdict, why: str) -> None:
    assert judge(detail, Goal.PROVEN, job=True) == (verdict, why)


@pytest.mark.parametrize("job", [False, True])
@pytest.mark.parametrize(
    ("detail", "verdict"),
    [
        (Detail("no", "exited", 0), PROVEN),
        (Detail("no", "exited", 3), PROVEN),
        (Detail("always", "exited", 137, restarts=2, out_of_memory=True), PROVEN),
        (Detail("on-failure", "restarting", 3, restarts=2), PENDING),
        (Detail("no", "running", health="healthy"), PENDING),
        (Detail("no", "created"), PENDING),
        (Detail("no", "exited", 127, error="no such file"), FAILED),
        (Detail("no", "removing"), FAILED),
    ],
)
def test_end_whatever_its_code(detail: Detail, verdict: Verdict, job: bool) -> None:
    assert judge(detail, Goal.ENDED, job=job)[0] is verdict


@given(DETAILS, GOALS, st.booleans())
def test_only_a_failure_has_a_reason_and_it_is_one_line(detail: Detail, goal: Goal, job: bool) -> None:
    verdict, why = judge(detail, goal, job=job)
    assert bool(why) is (verdict is FAILED)
    assert why.isprintable()


@given(DETAILS, GOALS, st.booleans())
def test_what_was_not_started_or_goes_away_is_never_proven(detail: Detail, goal: Goal, job: bool) -> None:
    gone = replace(detail, state="created")
    assert judge(gone, goal, job=job)[0] is not PROVEN
    for state in ("dead", "removing"):
        assert judge(replace(detail, state=state), goal, job=job)[0] is FAILED


@given(DETAILS)
def test_living_container_is_proven_by_its_health_and_undisturbed_running_alone(detail: Detail) -> None:
    living = replace(detail, state="running")
    proven = detail.health == "healthy" and not detail.restarts and not detail.out_of_memory
    assert (judge(living, Goal.PROVEN, job=False)[0] is PROVEN) is proven


@given(DETAILS, GOALS, st.sampled_from(("", "starting", "healthy", "unhealthy")))
def test_health_says_nothing_of_a_job_nor_of_an_end(detail: Detail, goal: Goal, health: str) -> None:
    other = replace(detail, health=health)
    assert judge(other, goal, job=True) == judge(detail, goal, job=True)
    assert judge(other, Goal.ENDED, job=False) == judge(detail, Goal.ENDED, job=False)


@given(DETAILS, st.booleans())
def test_exit_code_and_restarts_say_nothing_of_an_end(detail: Detail, job: bool) -> None:
    other = replace(detail, exit_code=0, restarts=0, out_of_memory=False)
    assert judge(other, Goal.ENDED, job=job) == judge(detail, Goal.ENDED, job=job)


def test_values_to_hide_show_in_no_reason() -> None:
    output = replace(CHECKED, health="unhealthy", health_output="wrong password hunter22")
    error = Detail("no", "created", error="bad argument hunter22")
    for detail in (output, error):
        why = judge(without(detail, ["hunter22"]), Goal.PROVEN, job=False)[1]
        assert why.endswith("(hidden)")
        assert "hunter" not in why
