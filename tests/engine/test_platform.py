"""A platform of its own: an entry gets that part of an index, and what the host cannot run is refused."""

from __future__ import annotations

import contextlib
import re

from dockerup.engine import Engine
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import parse
from dockerup.steps import Cause, Create, Why
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image, own_architecture

FOREIGN = "s390x"


def test_entry_with_a_platform_gets_and_follows_that_part_of_an_index(story: Story) -> None:
    ours, there = own_architecture(), make_image("1", files={"/other": "x"})
    first, second = make_image("1"), make_image("2")
    app = story.registry.push_index({ours: first, FOREIGN: there}, "app")
    story.define("app", app.reference, platform=ours)
    story.define("plain", app.reference)

    story.run()

    assert story.inspect("app")["Config"]["Image"] == f"{app.reference.rpartition(':')[0]}@{first.digest}"
    story.nothing_to_do()
    story.registry.push_index({ours: first, FOREIGN: make_image("3")}, "app")
    story.nothing_to_do()  # the index is another, and names the same for this platform
    asked = len(story.registry.requests())
    story.nothing_to_do()
    assert all(one.startswith("HEAD") for one in story.registry.requests()[asked:])
    asked = len(story.registry.requests())
    assert app.reference in story.run("status").stdout
    assert story.registry.requests()[asked:] == []

    story.registry.push_index({ours: second, FOREIGN: there}, "app")
    ran = story.run()

    assert re.search(rf"app: replaced \(newer image: digest \S+ -> {second.digest[:19]}\)", ran.stdout)
    assert story.states() == {"app": "running", "plain": "running"}
    story.nothing_to_do()


def test_platform_that_the_host_cannot_run_is_an_error_of_that_entry_alone(story: Story) -> None:
    foreign = make_image("2", architecture=FOREIGN)
    app = story.registry.push_index({own_architecture(): make_image("1"), FOREIGN: foreign}, "app")
    story.define("app", app.reference)
    story.define("foreign", app.reference, platform=f"linux/{FOREIGN}")
    story.define("nowhere", app.reference, platform="linux/mips64le")

    ran = story.run(code=1)

    assert f"foreign: held back: linux/{FOREIGN} cannot run here: this host is" in ran.stderr
    assert f"app for other platforms than linux/mips64le: linux/{own_architecture()}" in ran.stderr
    assert story.states() == {"app": "running"}
    assert len(story.images()) == 1

    # What a host runs by emulation is fetched and created like this.
    with contextlib.closing(Engine(story.engine.url, {})) as engine:
        spec = parse([Item({"image": app.reference, "platform": FOREIGN}, Origin(""))], "confdir").specs[0]
        exact = spec.image.with_digest(foreign.digest)
        assert not [one for one in engine.begin_pull(exact, None, 60) if "error" in one]
        step = Create("x", spec, exact.familiar, "other", (), (), (), None, Cause(Why.NOT_THERE))
        engine.create(step, {}, {})
    made = story.client.inspect_image(story.inspect("other")["Image"])
    assert made["Architecture"] == FOREIGN
