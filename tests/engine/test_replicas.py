"""Replicas on the real engine: one after another, and none after one that fails."""

from __future__ import annotations

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_job_image, make_web_image
from tests.testbed.registry import Pushed

SECRET = "hunter2-correct-horse"
SERVES_UNLESS = ["sh", "-c", "test ! -e /data/spoilt && exec httpd -f -p 8080 -h /www"]


def define_web(story: Story, web: Pushed, replicas: int = 3, **keys: object) -> None:
    """List some replicas on a network of their own, each with a volume."""
    entry = {"networks": ["own"], "volumes": [{"containerPath": "/data"}], **keys}
    story.define("web", web.reference, replicas=replicas, portMappings=[{"containerPort": 8080}], **entry)


def test_definition_that_fails_in_the_second_replica_leaves_all_well(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    define_web(story, web)
    story.run()
    story.do("web-2", "touch", "/data/spoilt")
    before = story.ids()

    define_web(story, web, command=SERVES_UNLESS)
    ran = story.run(code=1)
    assert "web-1: replaced (definition changed" in ran.stdout
    assert "web-2: not replaced (definition changed" in ran.stderr
    assert "web-3: not replaced (definition changed" in ran.stderr
    after = story.serving()
    assert {name for name in before if after[name] == before[name]} == {"web-2", "web-3"}
    story.nothing_to_do()

    story.client.stop("web-3", timeout=0)
    story.run()
    assert story.serving() == after
    assert story.states()["web-3"] == "running"
    story.nothing_to_do()


def test_replicas_are_replaced_in_turn_and_stay_when_the_first_one_fails(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    define_web(story, web)
    story.define("client", story.load("client:1"), networks=["own"], dependsOn=["web"])
    story.run()
    story.wait_for_page("client", "http://web:8080/", "one")
    story.wait_for_page("client", "http://web-3:8080/", "one")
    before = story.ids()
    assert before.keys() == {"web-1", "web-2", "web-3", "client"}
    story.nothing_to_do()

    story.push("web", "bad", make_job_image, exit_code=3)
    ran = story.run(code=1)

    assert story.serving() == before
    assert "web-1: not replaced (newer image" in ran.stdout + ran.stderr
    assert "web-2: not replaced (newer image" in ran.stdout + ran.stderr
    assert story.run().stderr == ""  # it waits; nothing is tried in the others
    assert story.serving() == before

    web = story.push("web", "two", make_web_image)
    define_web(story, web, replicas=2)
    ran = story.run()

    replaced = [line.partition(":")[0] for line in ran.stdout.splitlines() if ": replaced (" in line]
    assert replaced == ["web-1", "web-2"]
    assert "web-3: removed (no longer listed" in ran.stdout
    assert story.states() == {"web-1": "running", "web-2": "running", "client": "running"}
    assert story.inspect("web-2")["Image"] == web.id
    started = [story.inspect(name)["State"]["StartedAt"] for name in ("web-1", "web-2")]
    assert started == sorted(started)
    story.wait_for_page("client", "http://web:8080/", "two")
    story.nothing_to_do()


def test_newer_image_comes_to_each_replica_while_the_listed_definition_fails(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    define_web(story, web, replicas=2, env={"TOKEN": SECRET})
    story.run()
    define_web(story, web, replicas=2, command=["false"])
    story.run(code=1)
    before = story.serving()
    story.nothing_to_do()

    web = story.push("web", "two", make_web_image)
    ran = story.run(code=1)
    assert "web-1: not replaced (definition changed" in ran.stderr
    assert story.serving() == before
    ran = story.run()
    assert [line.partition(" (")[0] for line in ran.stdout.splitlines()] == [
        "web-1: replaced",
        "web-2: replaced",
    ]
    assert ran.stdout.count("newer image: with the definition that serves; digest ") == 2
    for name in ("web-1", "web-2"):
        assert story.inspect(name)["Image"] == web.id
        assert f"TOKEN={SECRET}" in story.inspect(name)["Config"]["Env"]
    assert story.states() == {"web-1": "running", "web-2": "running", "web-1.dockerup-failed": "exited"}
    story.nothing_to_do()
