"""Containers that hold on to others: their order, and that they change as one group."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.engine.stories import Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image, make_web_image
from tests.testbed.proxy import Call, EngineProxy
from tests.testbed.registry import Pushed
from tests.testbed.waiting import wait_until

DIES = ["sh", "-c", "echo fatal: no database for $TOKEN; exit 3"]
EVERYTHING = ("base", "a-link", "a-volume", "a-net")


def define_family(story: Story, base: Pushed) -> None:
    """List a container, and three that hold on to it, each in its own way; their names come before its."""
    image = story.load("app:1", make_image("dependent"))
    story.define("base", base.reference, volumes=[{"containerPath": "/shared"}], portMappings=published())
    story.define("a-link", image, links={"base": "server"})
    story.define("a-volume", image, volumes=[{"from": "base"}])
    story.define("a-net", image, network="container:base")


def assert_whole(story: Story, version: str) -> None:
    """Look that the family runs, bound to the container that is there, and that nothing else is."""
    assert story.states() == dict.fromkeys(EVERYTHING, "running")
    base_id = story.ids()["base"]
    assert story.inspect("a-net")["HostConfig"]["NetworkMode"] == f"container:{base_id}"
    assert story.inspect("a-volume")["HostConfig"]["VolumesFrom"] == [f"{base_id}:rw"]
    wait_for_answer(version)
    story.wait_for_page("a-link", "http://server:8080/", version)
    story.wait_for_page("a-net", "http://127.0.0.1:8080/", version)
    story.do("base", "touch", f"/shared/from-{version}")
    assert f"from-{version}" in story.do("a-volume", "ls", "/shared")
    assert {story.policy(name) for name in EVERYTHING} == {"always"}
    story.nothing_to_do()


def test_containers_start_after_those_they_hold_on_to(story: Story) -> None:
    define_family(story, story.push("web", "one", make_web_image))

    story.run()

    assert_whole(story, "one")


def test_containers_are_made_anew_with_the_one_they_hold_on_to(story: Story) -> None:
    define_family(story, story.push("web", "one", make_web_image))
    story.run()
    assert_whole(story, "one")
    before = set(story.ids().values())
    story.push("web", "two", make_web_image)

    story.run()

    assert not before & set(story.ids().values())
    assert_whole(story, "two")
    assert story.do("base", "ls", "/shared") == "from-one\nfrom-two\n"


def test_container_alone_is_made_anew_when_nothing_holds_on_to_it(story: Story) -> None:
    define_family(story, story.push("web", "one", make_web_image))
    story.run()
    before = story.ids()
    story.define("a-link", "app:1", links={"base": "server"}, env={"NEW": "1"})

    story.run()

    changed = {name for name, container_id in story.ids().items() if before[name] != container_id}
    assert changed == {"a-link"}
    assert_whole(story, "one")


def test_container_goes_with_the_one_it_holds_on_to_though_a_newer_image_of_its_own_failed(
    story: Story,
) -> None:
    web, side = story.push("web", "one", make_web_image), story.push("side", "one", make_image)
    story.define("web", web.reference, portMappings=published())
    story.define("side", side.reference, network="container:web")
    story.run()
    story.push("side", "two", lambda version: make_image(version, command=DIES))
    story.run(code=1)
    story.push("web", "two", make_web_image)

    story.run()

    story.wait_for_page("side", "http://127.0.0.1:8080/", "two")
    assert story.states() == {"web": "running", "side": "running", "side.dockerup-failed": "exited"}
    assert story.inspect("side")["Image"] == side.id
    story.nothing_to_do()


@pytest.mark.parametrize("how", ["removed", "stopped"])
def test_containers_follow_when_the_one_they_hold_on_to_was_taken_away(story: Story, how: str) -> None:
    define_family(story, story.push("web", "one", make_web_image))
    story.run()
    if how == "removed":
        story.client.remove_container("base", force=True)
    else:
        story.client.stop("base")

    story.run()

    assert_whole(story, "one")


def test_group_of_which_one_cannot_start_is_all_as_it_was(story: Story) -> None:
    define_family(story, story.push("web", "one", make_web_image))
    story.run()
    before = story.ids()
    story.push("web", "two", make_web_image)
    story.define("a-net", "app:1", network="container:base", entrypoint="/no/such/program")

    ran = story.run(code=1)

    assert "/no/such/program" in ran.stderr
    assert story.serving() == before
    assert {story.states()[name] for name in EVERYTHING} == {"running"}
    assert {story.policy(name) for name in EVERYTHING} == {"always"}
    wait_for_answer("one")
    story.wait_for_page("a-net", "http://127.0.0.1:8080/", "one")
    story.wait_for_page("a-link", "http://server:8080/", "one")
    story.define("a-net", "app:1", network="container:base")
    story.run("apply", "--retry", "base")
    assert_whole(story, "two")


def late_members(story: Story, proxy: EngineProxy) -> dict[str, str]:
    """Let the engine get a member's start only once the base has ended; returns the environment for that."""

    ended: list[str] = []

    def has_ended() -> bool:
        ended.extend({story.states().get("base", "")} & {"exited", "restarting"})
        return bool(ended)

    def hold(call: Call) -> None:
        earlier = [one for one in proxy.calls[: call.number - 1] if one.path.endswith("/start")]
        if call.path.endswith("/start") and earlier and not ended:
            wait_until(has_ended, "the base has ended")

    proxy.before = hold
    return {"DOCKER_HOST": proxy.url}


@pytest.mark.parametrize(
    ("hold", "restart"),
    [
        ({"network": "container:base"}, "always"),
        ({"network": "container:base"}, "no"),
        ({"links": {"base": "b"}}, "no"),
    ],
    ids=["joined", "joined, once", "linked"],
)
def test_one_that_ends_at_once_is_told_with_its_log_where_others_hold_on_to_it(
    story: Story, proxy: EngineProxy, hold: dict[str, Any], restart: str
) -> None:
    image = story.load("app:1")
    story.define("base", image, command=DIES, env={"TOKEN": "hunter22"}, restart=restart)
    story.define("member", image, **hold)

    ran = story.run(code=1, env=late_members(story, proxy))

    base, member = ran.stderr.index("base: not started"), ran.stderr.index("member: not started")
    told = ran.stderr[base:] if base > member else ran.stderr[base:member]
    why = "exit code 3|it was restarted" if restart == "always" else "exit code 3"
    end = r"  the end of its log:\n    fatal: no database for \(hidden\)\n"
    assert re.match(rf"base: not started \(never started\): ({why}).*\n{end}", told), told
    assert "hunter22" not in ran.stdout + ran.stderr
    entries = [json.loads(line) for line in story.run("history", "--json").stdout.splitlines()]
    assert {entry["container"]: entry["outcome"] for entry in entries} == {
        "base": "failed",
        "member": "failed",
    }


def test_group_whose_base_ends_at_once_goes_back_and_tells_the_log_of_that(
    story: Story, proxy: EngineProxy
) -> None:
    define_family(story, story.push("web", "one", make_web_image))
    story.run()
    before = story.ids()
    story.push("web", "two", command=DIES)

    ran = story.run(code=1, env=late_members(story, proxy))

    assert re.search(
        r"^base: not replaced .*(exit code 3|it was restarted).*; what ran before runs again\n"
        r"  the end of its log:\n    fatal: no database",
        ran.stderr,
        re.MULTILINE,
    ), ran.stderr
    assert story.serving() == before
    wait_for_answer("one")


def test_container_that_has_run_for_long_is_not_blamed_for_one_that_cannot_start(story: Story) -> None:
    image = story.load("app:1")
    story.define("base", image)
    story.run()
    story.define("member", image, network="container:base", entrypoint="/no/such/program")

    ran = story.run(code=1)

    assert "member: not started" in ran.stderr
    assert "base:" not in ran.stderr


def test_circle_is_refused_with_its_path_and_nothing_is_lost(story: Story) -> None:
    image = story.load("app:1")
    for name in ("one", "two", "three", "apart"):
        story.define(name, image)
    story.run()
    before = story.ids()
    story.define("one", image, links={"two": "second"})
    story.define("two", image, volumes=[{"from": "three"}])
    story.define("three", image, network="container:one")
    story.undefine("apart")

    ran = story.run(code=2)

    assert "one -> two -> three -> one" in ran.stderr
    assert story.ids() == before
    assert set(story.states().values()) == {"running"}


@pytest.mark.parametrize(
    "keys",
    [{"links": {"absent": "alias"}}, {"volumes": [{"from": "absent"}]}, {"network": "container:absent"}],
    ids=lambda keys: str(*keys),
)
def test_container_that_holds_on_to_nothing_waits_and_says_for_what(
    story: Story, keys: dict[str, object]
) -> None:
    image = story.load("app:1")
    story.define("app", image, **keys)
    story.define("other", image)

    ran = story.run(code=1)

    assert "app: held back: it depends on absent, which is not listed\n" in ran.stderr
    assert story.states() == {"other": "running"}
    story.define("absent", image)
    story.run()
    assert story.states() == {"absent": "running", "app": "running", "other": "running"}
    story.nothing_to_do()


def test_container_goes_with_its_dependents_when_none_is_listed(story: Story) -> None:
    define_family(story, story.push("web", "one", make_web_image))
    story.run()
    story.dockerup.define("apart.yaml", {"name": "apart", "image": "app:1"})
    for name in EVERYTHING:
        story.undefine(name)

    story.run()

    assert story.states() == {"apart": "running"}
    story.nothing_to_do()
