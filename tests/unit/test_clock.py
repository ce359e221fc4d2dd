"""A clock that jumps: no wait has no end, none is lost, and nothing is tried in a storm.

What a run keeps of the time, or finds on the engine, may be of a clock that was set back since (a time that
is still to come) or forward, or of one that was not set at all.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup import labels
from dockerup.definition import definition_hash
from dockerup.desired import Desired
from dockerup.host import BUILD_TIME, Host, Policy, stays
from dockerup.keys.row import Change
from dockerup.memory import LONGEST_DELAY
from dockerup.snapshot import Container, ContainerId, ImageId, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.state import Cache
from dockerup.steady import doubtful
from tests.plan.hosts import Listing

HOUR, DAY, MINUTE = 3600, 86400, 60
NOW = 1_900_000_000.0
UNSET = 1000.0  # what a clock shows that nobody set
Marks = Callable[[Cache, float], float]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "cache"))


def seen(cache: Cache, now: float) -> float:
    return cache.first_seen(["a"], now)["a"]


def unneeded(cache: Cache, now: float) -> float:
    return cache.unneeded_since(["a"], now)["a"]


# What is kept: since when a digest is known (`minAge`), and since when an image is without a use.


@pytest.mark.parametrize("mark", [seen, unneeded])
@pytest.mark.parametrize("back", [HOUR, DAY, 10 * 365 * DAY / 2])
def test_wait_begins_anew_when_the_clock_was_set_back_and_then_goes_on(
    cache: Cache, mark: Marks, back: float
) -> None:
    mark(cache, NOW + back)
    assert mark(cache, NOW) == NOW
    assert mark(cache, NOW + MINUTE) == NOW


@pytest.mark.parametrize("mark", [seen, unneeded])
def test_wait_goes_on_when_the_clock_was_set_forward(cache: Cache, mark: Marks) -> None:
    mark(cache, NOW)
    assert mark(cache, NOW + DAY) == NOW


@given(st.lists(st.integers(-30 * DAY, 30 * DAY), max_size=8), st.sampled_from([seen, unneeded]))
def test_no_jumps_make_a_wait_longer_than_it_is_from_the_last_of_them(
    tmp_path_factory: pytest.TempPathFactory, jumps: list[int], mark: Marks
) -> None:
    cache, now = Cache(str(tmp_path_factory.mktemp("cache"))), NOW
    for jump in jumps:
        now += jump
        assert mark(cache, now) <= now
    mark(cache, now)
    assert mark(cache, now + 2 * DAY) <= now


def test_clock_that_is_not_set_yet_makes_no_image_old(cache: Cache) -> None:
    assert seen(cache, UNSET) == UNSET
    assert seen(cache, NOW) == NOW
    assert seen(cache, UNSET) == UNSET
    assert seen(cache, NOW + HOUR) == NOW


def test_time_that_an_unset_clock_told_before_counts_as_none(cache: Cache) -> None:
    path = Path(cache.directory) / "state" / "seen.json"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(json.dumps({"a": UNSET}))
    path.chmod(0o600)
    assert seen(cache, NOW) == NOW


# What the engine tells: when a container was created.


def spec() -> ContainerSpec:
    return Listing(({"name": "web", "image": "nginx:1.27"},)).desired.specs[0]


FAILED = Container(ContainerId("f1"), "web.dockerup-failed", ImageId("i1"), "nginx:1.27", "exited", 0)


def waits(created: float, now: float, attempt: int, health_timeout: int = 0) -> bool:
    """Tell whether what failed at a time waits now."""
    one = spec()
    found = {labels.NAME: "web", labels.ATTEMPT: str(attempt)}
    made = {**found, **dict(_hashes(one))}
    failed = replace(FAILED, created=int(created), labels=made)
    desired = Desired((one,), explicit=True, complete=True)
    policy = Policy(health_timeout=health_timeout)
    host = Host.of(desired, Snapshot((failed,), ()), {}, policy, now)
    return host.memory("web") is not None


def _hashes(one: ContainerSpec) -> dict[str, str]:
    return {
        labels.HASH: definition_hash(one.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(one.definition, Change.IN_PLACE),
    }


@given(st.integers(1, 30), st.integers(-400 * DAY, 400 * DAY), st.sampled_from([0, 30, 20 * DAY]))
def test_what_failed_waits_no_longer_than_two_days_for_a_clock(
    attempt: int, jump: int, health_timeout: int
) -> None:
    longest = LONGEST_DELAY + 60 + max(60, health_timeout)
    assert not waits(NOW, NOW - jump, attempt, health_timeout) or jump <= LONGEST_DELAY
    assert not waits(NOW, NOW + longest, attempt, health_timeout)


@pytest.mark.parametrize("back", [0, 2, HOUR, DAY])
def test_what_failed_is_not_tried_at_once_because_a_clock_is_behind(back: int) -> None:
    """The clock of a distant engine may be ahead for good: each run would try again."""
    assert waits(NOW, NOW - back, 1)


@pytest.mark.parametrize(("ahead", "left_alone"), [(0, True), (60, True), (DAY, False)])
def test_what_may_be_an_image_build_is_left_alone_for_an_hour_whatever_the_clock(
    ahead: int, left_alone: bool
) -> None:
    build = Container(ContainerId("b1"), "odd", ImageId("i1"), "sha256:i1", "running", int(NOW) + ahead)
    desired = Desired((), explicit=True, complete=True)
    host = Host.of(desired, Snapshot((build,), ()), {}, Policy(unmanaged="remove"), NOW)
    assert bool(stays(build, host)) is left_alone
    assert BUILD_TIME < DAY


def test_container_that_fell_is_asked_about_though_the_clock_was_set_back() -> None:
    one = replace(FAILED, name="web", state="running", created=int(NOW) + HOUR, up_seconds=3)
    assert doubtful([one], NOW) == {one.container_id}
