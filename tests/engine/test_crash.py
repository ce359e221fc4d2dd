"""Interrupted at any engine call, a run leaves nothing that the next run cannot finish.

It is killed, or asked to end; the engine is killed, or the whole machine. What follows is one clean run,
which has to leave the host as listed, and another, which has nothing to do.
"""

from __future__ import annotations

import re
from typing import Callable

import pytest

from tests.engine.interruptions import INTERRUPTIONS, LOST_ENGINE, Interruption, interrupt
from tests.engine.scenes import EVERYTHING, NETWORKS, SCENES, Scene, assert_next_run_mends, begin_anew
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.test_history import history
from tests.testbed.proxy import Call, EngineProxy

MOST_CALLS = 80  # a run that makes more is no longer the run that these tests think of

# One of each kind of call that a run makes, as "METHOD path".
KINDS = {
    "list containers": r"GET /containers/json",
    "list images": r"GET /images/json",
    "inspect a container": r"GET /containers/[0-9a-f]+/json",
    "pull": r"POST /images/create",
    "tag": r"POST /images/.+/tag",
    "create": r"POST /containers/create",
    "set the restart policy": r"POST /containers/[0-9a-f]+/update",
    "stop": r"POST /containers/[0-9a-f]+/stop",
    "rename": r"POST /containers/[0-9a-f]+/rename",
    "start": r"POST /containers/[0-9a-f]+/start",
    "remove a container": r"DELETE /containers/.+",
    "remove an image": r"DELETE /images/.+",
}
NETWORK_KINDS = {
    "create a network": r"POST /networks/create",
    "connect": r"POST /networks/front/connect",
    "remove a network": r"DELETE /networks/.+",
}


At = Callable[[Call], object]


def of_kind(kind: str) -> At:
    """Return what is true for the calls of a kind."""
    return lambda call: re.fullmatch({**KINDS, **NETWORK_KINDS}[kind], str(call))


def number_is(number: int) -> At:
    """Return what is true for the call with that number."""
    return lambda call: call.number == number


def begin(story: Story, scene: Scene, interruption: Interruption) -> set[str]:
    """Bring the host to where a scene's change begins; returns the names of the volumes that it has."""
    story.dockerup.configure(keep_images=0, **interruption.settings)
    scene.before(story)
    volumes = story.volumes()
    scene.change(story)
    return volumes


def is_interrupted(
    story: Story, proxy: EngineProxy, scene: Scene, moment: str, at: At, interruption: Interruption
) -> bool:
    """Interrupt a scene's change, and look at what it leaves and that the next run mends it.

    Returns False when there is no such call.
    """
    volumes = begin(story, scene, interruption)
    run = interrupt(story, proxy, moment, at, interruption)
    if run is None:
        return False
    try:
        interruption.holds(story, scene, run)
        interruption.afterwards(story)
        assert_next_run_mends(story, scene, volumes)
    except AssertionError as error:
        error.args = (f"{moment} call {run.at.number}, {run.at}: {error}\n{run.ran.stdout}{run.ran.stderr}",)
        raise
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_run_that_is_killed_at_a_kind_of_call_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, kind: str
) -> None:
    assert is_interrupted(story, proxy, EVERYTHING, "after", of_kind(kind), INTERRUPTIONS["SIGKILL"])


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_run_that_is_killed_at_a_network_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, kind: str
) -> None:
    assert is_interrupted(story, proxy, NETWORKS, "after", of_kind(kind), INTERRUPTIONS["SIGKILL"])


# The rest of what can happen, once each, where it hurts most; `make test-crash` has all of it.
@pytest.mark.parametrize(
    ("name", "scene", "moment", "kind"),
    [
        ("SIGTERM", "replacement", "after", "create"),
        ("SIGTERM", "prune", "before", "stop"),
        ("engine", "replacement", "before", "start"),
        ("engine", "way back", "after", "start"),
        ("machine", "replacement", "after", "stop"),
    ],
)
def test_run_that_is_interrupted_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, name: str, scene: str, moment: str, kind: str
) -> None:
    assert is_interrupted(story, proxy, SCENES[scene], moment, of_kind(kind), INTERRUPTIONS[name])


@pytest.mark.crash_all
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("interruption", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_run_that_is_interrupted_at_any_call_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, scene: Scene, moment: str, interruption: Interruption
) -> None:
    for number in range(1, MOST_CALLS):
        begin_anew(story)
        if not is_interrupted(story, proxy, scene, moment, number_is(number), interruption):
            assert number > 1
            print(f"{number - 1} calls")
            return
    pytest.fail(f"a run makes more than {MOST_CALLS} calls")


def test_what_was_done_before_the_engine_died_is_told(story: Story, proxy: EngineProxy) -> None:
    story.define("first", story.load("app:1"))
    story.define("second", "app:1", dependsOn=["first"])
    engine = INTERRUPTIONS["engine"]

    run = interrupt(story, proxy, "before", lambda call: "name=second" in call.query, engine)

    assert run is not None
    assert run.ran.stdout == "first: created (not there)\n"
    told = run.ran.stderr.splitlines()
    assert told[0].startswith("second: not created (not there): create second: ")
    assert told[1:] == [f"dockerup: list containers: {LOST_ENGINE}"]
    outcomes = {entry["container"]: entry["outcome"] for entry in history(story)}
    assert outcomes == {"first": "done", "second": "failed"}
    story.engine.start()
    story.run()
    assert story.states() == {"first": "running", "second": "running"}
    story.nothing_to_do()
