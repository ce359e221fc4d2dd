"""An engine, a machine or a run that ends, while a service runs that has to be replaced."""

from __future__ import annotations

import re
import signal
from typing import Callable

import pytest

from tests.engine.interruptions import ask_to_end, end_machine
from tests.engine.stories import Story, answer, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.survival import (
    assert_is_two,
    assert_two_serves,
    define_web,
    pushed_one_serves,
)
from tests.testbed.images import make_web_image
from tests.testbed.proxy import Call, EngineProxy, Hook
from tests.testbed.waiting import wait_until

SIGTERMED = 143
SOON = 20.0  # seconds; the wait notices within a quarter of one, the rest is for a busy machine


# The engine, and the machine.

MOMENTS = {
    "created": r"POST /containers/create",
    "stopped": r"POST /containers/[0-9a-f]+/stop",
    "renamed": r"POST /containers/[0-9a-f]+/rename",
    "started": r"POST /containers/[0-9a-f]+/start",
}


def once(pattern: str, act: Callable[[Call], object]) -> Hook:
    """Return a hook that acts at the first call of a kind."""
    done: list[Call] = []

    def hook(call: Call) -> None:
        if not done and re.fullmatch(pattern, str(call)):
            done.append(call)
            act(call)

    return hook


def restart_engine(story: Story, _call: Call) -> None:
    """Kill the engine, and start it again before dockerup goes on."""
    story.engine.kill()
    story.engine.start()


@pytest.mark.parametrize("moment", ["stopped", "started"])
def test_engine_killed_in_a_replacement_and_started_again_serves_by_the_end_of_the_run(
    story: Story, proxy: EngineProxy, moment: str
) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.after = once(MOMENTS[moment], lambda call: restart_engine(story, call))

    ran = story.run(env={"DOCKER_HOST": proxy.url})

    # Each call came over a connection of its own or a new one: all was done, and the last look has seen it.
    assert (ran.stdout.count("\n"), ran.stdout.split(" (")[0], ran.stderr) == (1, "web: replaced", "")
    assert_is_two(story)


@pytest.mark.parametrize("moment", ["stopped", "started"])
def test_replacement_in_which_the_machine_ends_is_finished_by_the_next_run(
    story: Story, proxy: EngineProxy, moment: str
) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.after = once(MOMENTS[moment], lambda call: end_machine(story, call))

    story.run(code=-signal.SIGKILL, env={"DOCKER_HOST": proxy.url})
    story.engine.start()

    assert_two_serves(story)


# A run that is asked to end.


@pytest.mark.parametrize("moment", MOMENTS)
def test_run_that_is_asked_to_end_costs_no_service_and_the_next_finishes(
    story: Story, proxy: EngineProxy, moment: str
) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.after = once(MOMENTS[moment], lambda call: ask_to_end(story, call))

    story.run(code=SIGTERMED, env={"DOCKER_HOST": proxy.url})

    assert story.states()["web"] == "running"
    wait_until(answer, "one or the other serves")
    assert_two_serves(story)


def test_run_that_is_asked_to_end_while_it_waits_for_proof_ends_soon_and_the_next_proves(
    story: Story, proxy: EngineProxy
) -> None:
    _, one = pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    define_web(story, one.reference, update={"proveSeconds": 600})
    run = story.dockerup.start(env={"DOCKER_HOST": proxy.url})
    wait_until(lambda: "GET /events" in map(str, proxy.calls), "the proof has begun")
    wait_for_answer("two")

    run.send_signal(signal.SIGTERM)
    output, errors = run.communicate(timeout=SOON)

    assert run.returncode == SIGTERMED, (output, errors)
    assert story.states() == {"web": "running", "web.dockerup-old": "exited"}
    two = story.ids()["web"]
    define_web(story, one.reference)
    assert_two_serves(story)
    assert story.ids() == {"web": two}
