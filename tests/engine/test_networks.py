"""Networks of one's own on the real engine: made, joined, kept, mended and taken away."""

from __future__ import annotations

from typing import Any

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_web_image
from tests.testbed.proxy import EngineProxy

BUILT_IN = {"bridge", "host", "none"}


def networks(story: Story) -> set[str]:
    return {one["Name"] for one in story.client.networks()} - BUILT_IN


def joined(story: Story, name: str) -> dict[str, Any]:
    found: dict[str, Any] = story.inspect(name)["NetworkSettings"]["Networks"]
    return found


def test_networks_are_made_joined_and_mended_and_go_when_nobody_uses_them(
    story: Story, proxy: EngineProxy
) -> None:
    image = story.load("web:1", make_web_image("hello"))
    story.client.create_network("theirs", labels={"mine": "1"})
    on_both = {"front": {"aliases": ["shop"]}, "back": None}
    story.define("api", image, networks=on_both, stopTimeout=0)
    story.define("web", image, networks=["front"], stopTimeout=0)
    story.define("old", image, network="theirs", stopTimeout=0)

    said = story.run().stdout

    assert "network front: created (not there)\n" in said
    assert networks(story) == {"front", "back", "theirs"}
    assert (*joined(story, "api"), *joined(story, "old")) == ("back", "front", "theirs")
    assert "shop" in joined(story, "api")["front"]["Aliases"]
    story.wait_for_page("web", "http://shop:8080/", "hello")
    assert story.calls_once_steady(proxy) <= 4

    before = story.ids()
    story.client.disconnect_container_from_network("api", "front")
    said = story.run().stdout
    assert "api: replaced (not on a network that it is listed on: front)" in said
    assert {name for name, one in story.ids().items() if before[name] != one} == {"api"}
    story.wait_for_page("web", "http://shop:8080/", "hello")
    story.nothing_to_do()

    story.client.stop("web", timeout=0)
    story.client.stop("api", timeout=0)
    story.client.remove_network("front")
    story.run()
    story.wait_for_page("web", "http://shop:8080/", "hello")
    story.nothing_to_do()

    story.define("api", image, network="front", stopTimeout=0)
    story.undefine("old")
    assert "network back: removed (no longer used)\n" in story.run().stdout
    assert networks(story) == {"front", "theirs"}

    story.undefine("web")
    story.undefine("api")
    story.client.remove_container("api", force=True)  # no container tells of its network then
    story.client.remove_container("web", force=True)
    story.define("plain", image, stopTimeout=0)
    assert "network front: removed" in story.run().stdout
    assert networks(story) == {"theirs"}
    proxy.forget()
    story.run(env={"DOCKER_HOST": proxy.url})
    assert "GET /networks" not in map(str, proxy.calls)
    assert "network front" in story.run("history").stdout


def test_an_address_that_a_network_cannot_give_is_the_entrys_own_fault(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image, networks={"plain": {"ipv4Address": "10.99.0.5"}})
    story.define("other", image, network="plain")

    ran = story.run(code=1)

    assert "user configured subnets" in ran.stderr
    assert story.states()["other"] == "running"

    subnet = {"ipam": {"config": [{"subnet": "10.99.0.0/24"}]}}
    story.define("app", image, networks={"plain": {"ipv4Address": "10.99.0.5", "networkOptions": subnet}})
    assert "network plain is there, and not as listed: ipam.config" in story.run(code=1).stderr
    story.client.stop("other", timeout=0)
    story.client.remove_network("plain")
    story.run()
    assert joined(story, "app")["plain"]["IPAddress"] == "10.99.0.5"
    assert set(story.states().values()) == {"running"}
    story.nothing_to_do()
