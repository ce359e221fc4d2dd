"""A host whose engine gets containerd's image store, on the data of before: nothing of that is to be seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from tests.engine.stories import Story, published, wait_for_answer
from tests.matrix.cells import DOCKER_29
from tests.testbed.images import make_job_image, make_web_image
from tests.testbed.kinds import Kind
from tests.testbed.registry import Pushed

VOLUME = {"containerPath": "/data", "volume": "web-data"}
ALL_NEW = "bad: created (not there)\njob: created (not there)\nweb: created (not there)\n"


@contextlib.contextmanager
def after(story: Story, kind: Kind) -> Iterator[Story]:
    """Give the host with another engine on the same data, and a person who looks at it anew."""
    story.engine.become(kind)
    with contextlib.closing(story.engine.client()) as client:
        yield replace(story, client=client)


def push_web(story: Story, version: int) -> Pushed:
    return story.push("web", str(version), make_web_image, created=f"2020-01-0{version}T00:00:00Z")


def test_store_of_images_changes_there_and_back(story: Story) -> None:
    """The containers that cannot be seen any more are made again, once and without a word of error."""
    story.dockerup.configure(keep_images=1)
    for version in (1, 2):
        web = push_web(story, version)
        story.define("web", web.reference, portMappings=published(), volumes=[VOLUME])
        story.run()
    story.do("web", "touch", "/data/kept")
    story.define("job", story.push("job", "1", make_job_image).reference, restart="never")
    story.define("bad", story.push("bad", "1").reference)
    story.run()
    story.push("bad", "2", make_job_image, exit_code=3)
    story.run(code=1)
    assert story.states().keys() == {"web", "job", "bad", "bad.dockerup-failed"}
    story.push("bad", "3")  # what is better comes as the engine does

    with after(story, Kind.named(DOCKER_29)) as newer:
        assert newer.states() == {}

        ran = newer.run()

        assert (ran.stdout, ran.stderr) == (ALL_NEW, "")
        wait_for_answer("2")
        assert newer.do("web", "ls", "/data") == "kept\n"
        for _ in range(3):
            newer.nothing_to_do()
        third = push_web(newer, 3)
        assert "web: replaced (newer image" in newer.run().stdout
        assert {web.digest, third.digest} <= newer.images()  # which are their ids there
        newer.nothing_to_do()

    with after(story, Kind.named("forky")) as back:
        assert back.states().keys() == {"web", "job", "bad", "bad.dockerup-failed"}
        assert "web: replaced (newer image" in back.run().stdout
        assert back.states().keys() == {"web", "job", "bad"}
        wait_for_answer("3")
        back.nothing_to_do()
