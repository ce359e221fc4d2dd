"""Which containers keep exiting: the same answer however the engine's list happens to show them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dockerup.engine_json import container_from
from dockerup.snapshot import Container, ContainerId, Detail, ImageId
from dockerup.steady import STEADY_AFTER, doubtful, gave_up, keeps_exiting, may_have_given_up

NOW = 1_000_000.0
UP = Container(ContainerId("c1"), "app", ImageId("i1"), "app:1", "running", created=999_000, up_seconds=3)


def restarted(times: int, one: Container = UP) -> Container:
    return replace(one, detail=Detail("always", "running", restarts=times))


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ("Up Less than a second", 0),
        ("Up 1 second", 1),
        ("Up 59 seconds (health: starting)", 59),
        ("Up 12 seconds (Paused)", 12),
        ("Up About a minute", None),
        ("Up 5 minutes", None),
        ("Up 3 weeks (healthy)", None),
        ("Restarting (3) 2 seconds ago", None),
        ("Exited (0) 5 seconds ago", None),
        ("Created", None),
    ],
)
def test_list_tells_for_how_long_a_container_is_up(status: str, seconds: int | None) -> None:
    raw = {"Id": "c1", "Names": ["/app"], "State": "running", "Status": status}
    assert container_from(raw).up_seconds == seconds


def test_restarting_and_up_between_two_ends_are_the_same() -> None:
    assert keeps_exiting(replace(UP, state="restarting", up_seconds=None))
    assert keeps_exiting(restarted(4))


@pytest.mark.parametrize(
    "one",
    [
        UP,
        restarted(0),
        restarted(4, replace(UP, up_seconds=STEADY_AFTER)),
        restarted(4, replace(UP, up_seconds=None)),
        restarted(4, replace(UP, state="exited", up_seconds=None)),
        restarted(4, replace(UP, state="paused")),
    ],
)
def test_who_has_run_for_long_enough_or_never_fell_does_not(one: Container) -> None:
    assert not keeps_exiting(one)


def test_only_who_was_started_again_just_now_is_asked_about() -> None:
    assert doubtful([UP], NOW) == {"c1"}
    for one in (
        replace(UP, up_seconds=None),
        replace(UP, up_seconds=STEADY_AFTER),
        replace(UP, state="paused"),
        replace(UP, state="restarting", up_seconds=None),
        restarted(0),
    ):
        assert doubtful([one], NOW) == frozenset()


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_first_start_is_no_doubt(delay: int) -> None:
    assert doubtful([replace(UP, created=int(NOW) - 3 - delay)], NOW) == frozenset()


def test_first_start_is_no_doubt_though_the_engine_rounds_both_times_down() -> None:
    # Created at 387.99, started at 388.39, seen at 389.31, as the engine told it.
    assert doubtful([replace(UP, created=387, up_seconds=0)], 389.31) == frozenset()
    assert doubtful([replace(UP, created=387, up_seconds=0)], 390.01) == {"c1"}


GAVE_UP = Detail("on-failure:5", "exited", exit_code=3, restarts=5)
ENDED = replace(UP, state="exited", up_seconds=None, exit_code=3, detail=GAVE_UP)


def test_engine_gave_up_what_ended_badly_after_its_last_try() -> None:
    assert gave_up(ENDED, "on-failure:5")
    killed = replace(ENDED, exit_code=137)
    assert gave_up(replace(killed, detail=replace(GAVE_UP, out_of_memory=True)), "on-failure:5")
    assert may_have_given_up(replace(ENDED, detail=None), "on-failure:5")


@pytest.mark.parametrize(
    ("one", "restart"),
    [
        (replace(ENDED, detail=replace(GAVE_UP, restarts=4)), "on-failure:5"),
        (ENDED, "on-failure:6"),
        (ENDED, "on-failure"),
        (replace(ENDED, exit_code=0), "on-failure:5"),
        (replace(ENDED, exit_code=143), "on-failure:5"),
        (replace(ENDED, exit_code=137), "on-failure:5"),
        (replace(ENDED, state="running"), "on-failure:5"),
    ],
)
def test_what_has_tries_left_or_was_stopped_by_hand_is_not_given_up(one: Container, restart: str) -> None:
    assert not gave_up(one, restart)


def test_only_what_ended_badly_and_has_a_last_try_is_asked_about() -> None:
    unknown = replace(ENDED, detail=None)
    assert not may_have_given_up(unknown, "on-failure")
    assert not may_have_given_up(unknown, "always")
    assert not may_have_given_up(replace(unknown, exit_code=0), "on-failure:5")
    assert not may_have_given_up(replace(unknown, state="running"), "on-failure:5")
