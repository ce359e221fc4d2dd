"""What is held back, since it failed or has to wait, and what comes all the same."""

from __future__ import annotations

import pytest

from tests.engine.stories import Story, inspections, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.test_way_back import (
    EXITS,
    FAILED,
    HEALTH_TIMEOUT,
    KILLED,
    assert_mended,
    assert_rests,
    assert_status_tells_the_next_try,
    define_web,
    good_web,
    killing_at,
    list_better,
    push_better,
)
from tests.testbed.images import make_image, make_web_image
from tests.testbed.proxy import EngineProxy

SECRET = "hunter2-correct-horse"
FAILED_IMAGE = "web.dockerup-failed-image"
# The calls at which only `make test-crash` kills a run.
SELDOM = [*((call, "before") for call in ("/create", "/stop", "/rename", "/start")), ("/rename", "after")]


def test_definition_that_failed_rests_while_a_newer_image_is_too_young(story: Story) -> None:
    good_web(story)
    push_better(story)
    define_web(story, command=list(EXITS), update={"minAge": "48h"})
    story.run(code=1)

    assert_rests(story, "web", FAILED)
    wait_for_answer("good")


def push_bad_one(story: Story, text: str) -> None:
    command = ("sh", "-c", f"echo {text} $TOKEN; exit 3")
    story.registry.push(make_image(text, command=command, ports=("8080/tcp",)), "web")


def assert_former_serves(story: Story, version: str) -> None:
    """Look that the former definition serves with a version of the image, all that it was."""
    wait_for_answer(version)
    config, host = story.inspect("web")["Config"], story.inspect("web")["HostConfig"]
    assert f"TOKEN={SECRET}" in config["Env"]
    assert (story.policy("web"), host["Memory"]) == ("unless-stopped", 64 << 20)
    assert config["Cmd"] != list(EXITS)
    assert story.do("web", "cat", "/data/row") == "precious\n"


def test_newer_image_comes_to_what_serves_while_the_listed_definition_fails(
    story: Story, proxy: EngineProxy
) -> None:
    good_web(story, env={"TOKEN": SECRET}, memory="64m")
    define_web(story, command=list(EXITS), memory="64m")
    story.run(code=1)
    story.nothing_to_do()

    push_better(story)
    ran = story.run(code=1)
    assert "web: not replaced" in ran.stderr
    wait_for_answer("good")
    ran = story.run()
    assert ran.stdout.startswith("web: replaced")
    assert "newer image: with the definition that serves; digest " in ran.stdout
    assert_former_serves(story, "better")
    assert story.states() == {"web": "running", FAILED: "exited"}
    assert_status_tells_the_next_try(story, FAILED, HEALTH_TIMEOUT)
    assert_rests(story, "web", FAILED)
    story.calls_once_steady(proxy)
    assert inspections(proxy.calls) == []

    push_bad_one(story, "worse")
    story.run(code=1)
    ran = story.run(code=1)
    assert "web: not replaced" in ran.stderr
    assert "worse" in ran.stderr
    assert SECRET not in ran.stdout + ran.stderr
    assert_former_serves(story, "better")
    assert story.states() == {"web": "running", FAILED: "exited", FAILED_IMAGE: "exited"}
    assert_status_tells_the_next_try(story, FAILED, HEALTH_TIMEOUT)
    told = story.run("status").stdout
    assert "what serves stays as it is: a newer image failed; it is tried again after " in told
    assert_rests(story, "web", FAILED, FAILED_IMAGE)
    story.calls_once_steady(proxy)
    assert inspections(proxy.calls) == []

    list_better(story)  # the image that failed waits, the mended definition does not
    ran = story.run()
    assert "web: replaced" in ran.stdout
    wait_for_answer("better")
    assert "BETTER=yes" in story.inspect("web")["Config"]["Env"]
    assert story.states() == {"web": "running", FAILED_IMAGE: "exited"}
    assert_rests(story, "web", FAILED_IMAGE)

    story.push("web", "best", make_web_image)
    assert_mended(story, "best")


def test_new_definition_that_came_with_a_bad_image_is_made_with_the_image_that_serves(story: Story) -> None:
    good_web(story)
    push_bad_one(story, "worse")
    list_better(story)
    for _ in range(2):  # with the definition that is listed, and with that which serves
        assert "web: not replaced" in story.run(code=1).stderr
        wait_for_answer("good")

    assert "web: replaced (definition changed: " in story.run().stdout
    wait_for_answer("good")
    assert "BETTER=yes" in story.inspect("web")["Config"]["Env"]
    assert story.states() == {"web": "running", FAILED_IMAGE: "exited"}
    assert_rests(story, "web", FAILED_IMAGE)


def test_newer_image_of_the_tag_that_serves_comes_while_another_tag_is_listed_and_fails(story: Story) -> None:
    good_web(story, env={"TOKEN": SECRET}, memory="64m")
    story.registry.push(make_image("next", command=EXITS), "web", tag="next")
    listed = story.registry.reference("web", tag="next")
    story.define("web", listed, portMappings=published(), restart="unless-stopped")
    story.run(code=1)
    story.nothing_to_do()

    push_better(story)
    ran = story.run()
    assert "with the definition that serves" in ran.stdout
    assert_former_serves(story, "better")
    assert story.states() == {"web": "running", FAILED: "exited"}
    assert_rests(story, "web", FAILED)


@pytest.mark.parametrize(
    ("call", "moment"),
    [
        ("/create", "after"),
        ("/stop", "after"),
        ("/start", "after"),
        *(pytest.param(*row, marks=pytest.mark.crash_all) for row in SELDOM),
    ],
)
def test_run_that_is_killed_as_it_renews_what_serves_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, moment: str, call: str
) -> None:
    good_web(story, env={"TOKEN": SECRET}, memory="64m")
    push_better(story)
    define_web(story, command=list(EXITS), memory="64m")
    story.run(code=1)
    setattr(proxy, moment, killing_at(call, ""))
    assert story.dockerup.run(env={"DOCKER_HOST": proxy.url}).returncode == KILLED

    story.run()
    assert_former_serves(story, "better")
    assert story.states() == {"web": "running", FAILED: "exited"}
    assert_rests(story, "web", FAILED)
