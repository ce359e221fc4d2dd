"""What the tests of faults share: a service that runs before, and what it has to look like after.

After a fault the service still runs, or does so again within the run; nothing is left over; and the first run
without the fault brings the host to what is listed, and the next has nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.engine.stories import PORT, Story, published, wait_for_answer
from tests.testbed.images import make_web_image
from tests.testbed.registry import Pushed


@dataclass(frozen=True)
class Before:
    """What was there before a fault: the containers and the images by id, the volumes by name."""

    ids: dict[str, str]
    images: set[str]
    volumes: set[str]


def what_is_there(story: Story) -> Before:
    """Return what there is on the host."""
    return Before(story.ids(), story.images(), story.volumes())


def define_web(story: Story, image: str, **keys: object) -> None:
    """List a web server."""
    story.define("web", image, **{"portMappings": published(), **keys})


def one_serves(story: Story, image: str, **keys: object) -> Before:
    """Let the first version of a service run; return what is there then."""
    define_web(story, image, **keys)
    story.run()
    wait_for_answer("one")
    return what_is_there(story)


def pushed_one_serves(story: Story, **keys: object) -> tuple[Before, Pushed]:
    """Let the first version of a service run from the registry; return what is there then, and the image."""
    pushed = story.push("web", "one", make_web_image)
    return one_serves(story, pushed.reference, **keys), pushed


def assert_untouched(story: Story, before: Before) -> None:
    """Look that the same container serves, that it will after a reboot, and that nothing was added."""
    assert story.states() == dict.fromkeys(before.ids, "running")
    assert what_is_there(story) == before
    assert_one_serves(story, before)


def assert_one_serves(story: Story, before: Before) -> None:
    """Look that the same container serves, and that it will after a reboot."""
    assert story.ids()["web"] == before.ids["web"]
    assert story.policy("web") == "always"
    wait_for_answer("one")


def assert_two_serves(story: Story, *arguments: str, port: int = PORT) -> None:
    """Look that a run without the fault replaces the container, and the next has nothing to do."""
    story.run(*arguments)
    assert_is_two(story, port)


def assert_is_two(story: Story, port: int = PORT) -> None:
    """Look that the second version runs and nothing beside it, and that all is well."""
    assert story.states() == {"web": "running"}
    assert story.policy("web") == "always"
    wait_for_answer("two", port)
    story.nothing_to_do()
