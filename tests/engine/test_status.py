"""What `status` tells of the containers of a real engine, also in the middle of a run."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

from tests.engine.stories import Story, inspections
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_web_image
from tests.testbed.proxy import Call, EngineProxy
from tests.testbed.waiting import wait_until

FALLS_ONCE = ["sh", "-c", "test -e /fell || { touch /fell; exit 3; }; exec sleep 1000000"]
SIGTERMED = 143


def rows(story: Story) -> dict[str, dict[str, Any]]:
    """Return what `status --json` tells of each container, by name."""
    document = json.loads(story.dockerup.run("status", "--json").stdout)
    return {row["name"]: row for row in document["containers"]}


def seen(story: Story, name: str, state: str) -> dict[str, Any]:
    """Return the row of a container once it is in a state."""
    wait_until(lambda: rows(story)[name]["state"] == state, f"{name} is {state}", seconds=60)
    row = rows(story)[name]
    assert row["state"] == state
    return row


def test_status_tells_restarts_and_the_last_change(story: Story) -> None:
    story.define("app", story.load("app:1"), command=FALLS_ONCE)
    story.define("gone", "app:1")
    story.dockerup.run()
    wait_until(lambda: story.inspect("app")["RestartCount"] == 1, "the engine starts it again")
    story.wait_for_state("app", "running")
    story.client.remove_container("gone", force=True)

    app, gone = rows(story)["app"], rows(story)["gone"]

    assert (app["restarts"], gone["restarts"]) == (1, None)
    last = json.loads(story.run("history", "app", "--json").stdout)
    assert app["lastChange"] == last
    assert (last["action"], last["outcome"]) == ("created", "done")
    heading, line, *_ = story.dockerup.run("status").stdout.splitlines()
    begin = heading.index("RESTARTS")
    assert line[begin:].split()[0] == "1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d created", line[heading.index("LAST CHANGE") :])


def test_status_does_without_a_history(story: Story) -> None:
    story.define("app", story.load("app:1"))
    story.run()
    (story.dockerup.cache / "history.jsonl").unlink()

    assert rows(story)["app"]["lastChange"] is None
    assert story.run("status").stdout.splitlines()[1].endswith(" -")


def test_each_container_is_asked_for_once_and_only_when_a_person_asks(
    story: Story, proxy: EngineProxy
) -> None:
    for name in ("app", "other"):
        story.define(name, story.load("app:1"))
    story.run()
    proxied = {"DOCKER_HOST": proxy.url}
    story.calls_once_steady(proxy)

    story.run("plan", env=proxied)
    assert inspections(proxy.calls) == []

    story.run("status", "--wait", env=proxied)
    assert sorted(inspections(proxy.calls)) == sorted(story.ids().values())


def test_status_in_the_middle_of_a_run_tells_how_far_each_has_come(story: Story) -> None:
    check = {"command": "test -e /ready", "interval": "1s", "retries": 100}
    # No registry is asked: what needs none, and what waits for that, would else come before the replacement.
    story.define("web", story.load("web-one:1", make_web_image("one")))
    story.run()
    second = story.load("web-two:1", make_web_image("two"))
    story.define("web", second, healthCheck=check)
    story.define("slow", second, healthCheck=check)
    after = [{"containerName": "slow", "condition": "HEALTHY"}]
    story.define("after", second, dependsOn=after)
    run = story.dockerup.start()

    assert seen(story, "web", "proving")["says"].startswith("it has to prove itself")
    assert seen(story, "slow", "starting")["says"] == "its health check has not succeeded yet"
    assert seen(story, "after", "waiting")["says"] == "waits for slow, which is not healthy yet"
    assert "web: it has to prove itself" in story.dockerup.run("status").stdout
    for name in ("web", "slow"):
        story.do(name, "touch", "/ready")
    output, errors = run.communicate(timeout=60)

    assert run.returncode == 0, (output, errors)
    assert {name: row["state"] for name, row in rows(story).items()} == dict.fromkeys(
        ("web", "slow", "after"), "running"
    )


def test_image_that_is_being_fetched_leaves_its_container_pending_to_others(
    story: Story, proxy: EngineProxy
) -> None:
    held: list[Call] = []

    def hold(call: Call) -> None:
        if call.path == "/images/create":
            held.append(call)
            wait_until(lambda: len(held) > 1, "the test goes on", seconds=60)

    story.define("web", story.push("web", "one").reference)
    proxy.before = hold
    run = story.dockerup.start(env={"DOCKER_HOST": proxy.url})
    wait_until(lambda: held, "the image is asked for")

    row = rows(story)["web"]
    held.append(held[0])
    run.communicate(timeout=60)

    assert (row["state"], row["says"]) == ("pending", "not there")
    assert rows(story)["web"]["state"] == "running"


def test_proof_that_was_left_to_the_next_run_is_seen_and_waited_for(story: Story) -> None:
    story.define("web", story.push("web", "one", make_web_image).reference)
    story.run()
    two = story.push("web", "two", make_web_image)
    story.define("web", two.reference, update={"proveSeconds": 600})
    run = story.dockerup.start()
    seen(story, "web", "proving")
    run.send_signal(signal.SIGTERM)
    output, errors = run.communicate(timeout=60)
    assert run.returncode == SIGTERMED, (output, errors)

    late = story.run("status", "--wait", "--timeout", "1", code=1)
    assert "web: it has not proven itself in time" in late.stdout
    story.define("web", two.reference)
    story.run()

    assert story.run("status", "--wait").stdout.splitlines()[1].split()[1] == "running"
