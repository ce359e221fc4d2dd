"""Random schedules of edits, pushes, faults and kills: after each stretch of them a clean run makes all well.

Each comes of a seed, which is in the name of the test. `make schedules SEEDS=17,18` plays those again, with
SHRINK=1 it also looks for a smaller one that fails, which takes its time.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import time

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.engine.schedule_check import look
from tests.engine.schedule_host import ScheduledHost
from tests.engine.schedules import Look, Schedule, schedules
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.proxy import EngineProxy

FEW = range(1, 8)
MANY = int(os.environ.get("SCHEDULES") or 200)
SOAK = float(os.environ.get("SOAK") or 600)  # seconds

# The first example of hypothesis is the smallest, which is empty; the second is of the seed.
ONE = settings(
    max_examples=2,
    database=None,
    deadline=None,
    phases=[Phase.generate, *([Phase.shrink] if os.environ.get("SHRINK") else [])],
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,  # the schedule is told below, as it went
)


def seeds() -> list[int]:
    """Return the seeds that SEEDS names, else others each time."""
    named = [int(one) for one in os.environ.get("SEEDS", "").split(",") if one]
    first = random.SystemRandom().randrange(1_000_000)
    return named or [*range(first, first + MANY)]


def play(number: int, story: Story, proxy: EngineProxy) -> None:
    """Play the schedule of a seed."""
    played: list[Schedule] = []

    @seed(number)
    @ONE
    @given(schedules())
    def one(schedule: Schedule) -> None:
        played.append(schedule)
        begin_anew(story)
        host = ScheduledHost(story, proxy)
        try:
            for operation in schedule:
                look(host) if isinstance(operation, Look) else host.do(operation)
        except Exception as wrong:
            told = "\n".join(host.log)
            raise AssertionError(f"schedule of seed {number}:\n{told}\nthen: {wrong}") from wrong

    one()
    assert any(played)


def begin_anew(story: Story) -> None:
    """Empty the host, the list and the cache."""
    if not story.registry.runs:
        story.registry.start()
    story.engine.clean()
    for path in story.dockerup.confdir.iterdir():
        path.unlink()
    shutil.rmtree(story.dockerup.cache, ignore_errors=True)


@pytest.mark.parametrize("number", FEW)
def test_host_is_well_after_a_schedule(story: Story, proxy: EngineProxy, number: int) -> None:
    play(number, story, proxy)


@pytest.mark.schedules_all
@pytest.mark.parametrize("number", seeds())
def test_host_is_well_after_any_schedule(story: Story, proxy: EngineProxy, number: int) -> None:
    play(number, story, proxy)


@pytest.mark.soak
def test_host_is_well_after_schedules_for_as_long_as_one_has_time(story: Story, proxy: EngineProxy) -> None:
    deadline = time.monotonic() + SOAK
    for played, number in enumerate(itertools.count(seeds()[0]), start=1):
        print(f"schedule {played}: seed {number}", flush=True)
        play(number, story, proxy)
        if time.monotonic() > deadline:
            return
