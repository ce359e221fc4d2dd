"""What is held back, since it failed or has to wait, and what comes all the same."""

from __future__ import annotations

from tests.engine.stories import Story, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.test_way_back import EXITS, FAILED, assert_rests, define_web, good_web, push_better


def test_definition_that_failed_rests_while_a_newer_image_is_too_young(story: Story) -> None:
    good_web(story)
    push_better(story)
    define_web(story, command=list(EXITS), update={"minAge": "48h"})
    story.run(code=1)

    assert_rests(story, "web", FAILED)
    wait_for_answer("good")
