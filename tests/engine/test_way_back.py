"""A newer image whose container cannot start: what ran runs again, and the tag means its image again."""

from __future__ import annotations

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture

CANNOT_START = ("/no/such/program",)


def test_image_that_cannot_start_leaves_the_old_container_and_the_local_tag(story: Story) -> None:
    good = story.push("web", "1")
    story.define("web", good.reference)
    story.run()
    before = story.ids()

    story.push("web", "2", command=CANNOT_START)
    ran = story.run(code=1)

    assert "what ran before runs again" in ran.stderr
    assert (story.ids(), story.states()) == (before, {"web": "running"})
    assert story.client.inspect_image(good.reference)["Id"] == good.id


def test_local_tag_stays_moved_when_another_container_of_the_image_was_replaced(story: Story) -> None:
    good = story.push("web", "1")
    story.define("one", good.reference)
    story.define("two", good.reference, entrypoint=["sh", "-c", "test $(cat /version) = 1 && sleep 1000000"])
    story.run()

    newer = story.push("web", "2")
    story.define("two", good.reference, entrypoint=list(CANNOT_START))
    ran = story.run(code=1)

    assert "one: replaced" in ran.stdout
    assert "two: not replaced" in ran.stderr
    assert story.inspect("one")["Image"] == newer.id
    assert story.inspect("two")["Image"] == good.id
    assert story.client.inspect_image(good.reference)["Id"] == newer.id
