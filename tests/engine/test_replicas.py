"""Replicas on the real engine: one after another, and none after one that fails."""

from __future__ import annotations

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_job_image, make_web_image


def test_replicas_are_replaced_in_turn_and_stay_when_the_first_one_fails(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    story.define("web", web.reference, replicas=3, networks=["own"], portMappings=[{"containerPort": 8080}])
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

    newer = story.push("web", "two", make_web_image)
    story.define("web", web.reference, replicas=2, networks=["own"], portMappings=[{"containerPort": 8080}])
    ran = story.run()

    replaced = [line.partition(":")[0] for line in ran.stdout.splitlines() if ": replaced (" in line]
    assert replaced == ["web-1", "web-2"]
    assert "web-3: removed (no longer listed" in ran.stdout
    assert story.states() == {"web-1": "running", "web-2": "running", "client": "running"}
    assert story.inspect("web-2")["Image"] == newer.id
    started = [story.inspect(name)["State"]["StartedAt"] for name in ("web-1", "web-2")]
    assert started == sorted(started)
    story.wait_for_page("client", "http://web:8080/", "two")
    story.nothing_to_do()
