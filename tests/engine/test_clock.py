"""A clock that jumps back an hour, or forward a day, in a run and between runs: what runs goes on.

dockerup's clock is set; the engine's goes on, so that a container made before a jump back was made in a time
that is still to come, as on a host whose clock was set.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.engine.stories import Ran, Story, answer
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.survival import assert_is_two, define_web, pushed_one_serves
from tests.testbed.clock import Clock
from tests.testbed.images import make_job_image, make_web_image
from tests.testbed.proxy import Call, EngineProxy
from tests.testbed.waiting import wait_until

HOUR, DAY = 3600, 86400
SOON = 90  # seconds, on a slow machine; what is wrong takes a day
FAILED = "web.dockerup-failed"


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def run(story: Story, clock: Clock, code: int = 0) -> Ran:
    """Run `dockerup` by that clock; it has to end soon, with that code, and what serves goes on serving."""
    began = time.monotonic()
    ran = story.run(code=code, env=clock.environment)
    assert time.monotonic() - began < SOON
    assert story.states()["web"] == "running"
    wait_until(answer, "it serves, or does so again")
    return ran


def last_time(story: Story) -> float:
    """Return the time of the last change, as dockerup's clock showed it."""
    return float(json.loads(story.run("history", "--json").stdout.splitlines()[-1])["time"])


def test_clock_that_jumps_back_and_forward_in_a_replacement_changes_nothing(
    story: Story, clock: Clock, proxy: EngineProxy
) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    jumps = {"stop": -HOUR, "start": DAY}
    jumped: list[str] = []

    def jump(call: Call) -> None:
        found = re.fullmatch(r"POST /containers/[0-9a-f]+/(stop|start)", str(call))
        if found:
            jumped.append(found[1])
            clock.set_to(jumps[found[1]])

    proxy.after = jump
    began = time.monotonic()
    story.run(env={**clock.environment, "DOCKER_HOST": proxy.url})

    assert time.monotonic() - began < SOON
    assert jumped == ["stop", "start"]
    assert abs(last_time(story) - time.time() - DAY) < HOUR
    assert_is_two(story)


def test_clock_that_jumps_between_runs_costs_one_try_at_most(story: Story, clock: Clock) -> None:
    before, _ = pushed_one_serves(story)
    story.push("web", "broken", make_job_image, exit_code=3)
    run(story, clock, code=1)
    failed = story.ids()[FAILED]

    clock.set_to(-HOUR)  # it failed in an hour from now, and is not tried in a storm until then
    run(story, clock)
    assert story.ids() == {**before.ids, FAILED: failed}
    clock.set_to(DAY)  # what failed is due; when that has failed as well, it waits again
    run(story, clock, code=1)
    again = story.ids()[FAILED]
    assert again != failed
    assert abs(last_time(story) - time.time() - DAY) < HOUR
    clock.set_to(0)
    run(story, clock)
    assert story.ids() == {**before.ids, FAILED: again}

    clock.set_to(-HOUR)  # what is new comes at once, whatever was kept on a day that is still to come
    story.push("web", "two", make_web_image)
    run(story, clock)
    assert_is_two(story)


def test_wait_for_an_age_ends_though_it_began_on_a_day_to_come(story: Story, clock: Clock) -> None:
    _, one = pushed_one_serves(story)
    define_web(story, one.reference, update={"minAge": "1h"})
    story.push("web", "two", make_web_image)
    clock.set_to(DAY)
    run(story, clock)
    assert "minAge is reached" in story.run("plan", env=clock.environment).stdout

    clock.set_to(0)
    run(story, clock)
    assert answer() == "one"
    clock.set_to(HOUR + 1)
    run(story, clock)
    assert_is_two(story)
