"""What is interrupted, as data: a first start, a replacement, its way back, and clearing up."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Callable

from tests.engine.stories import Story, published, wait_for_answer
from tests.testbed.images import make_image, make_job_image, make_web_image
from tests.testbed.registry import Pushed

EXITS = ["sh", "-c", "exit 4"]


@dataclass(frozen=True)
class Scene:
    """What is on the host, what is listed then, and what has to be there in the end.

    `before` puts the host into its state, `change` makes the work that is interrupted, `wanted` are the names
    of the containers that have to run; `looks_right` looks at more than all of them have in common. `failed`
    are the names of those that stay for what they tell, `served` of those that run before and have to after.
    `one_change`: whatever is done is a part of one change, which is made whole once it is begun.
    """

    before: Callable[[Story], object]
    change: Callable[[Story], object]
    wanted: frozenset[str]
    looks_right: Callable[[Story], object]
    failed: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset({"web"})
    one_change: bool = True

    @property
    def states(self) -> dict[str, str]:
        """What the engine has to list in the end: the state of every container, by name."""
        return {**dict.fromkeys(self.wanted, "running"), **dict.fromkeys(self.failed, "exited")}


def define_web(story: Story, web: Pushed, **keys: object) -> None:
    entry = {"portMappings": published(), "volumes": [{"containerPath": "/data"}], **keys}
    story.define("web", web.reference, restart="unless-stopped", **entry)


def define_joined(story: Story) -> None:
    story.define("a-net", story.load("app:1", make_image("dependent")), network="container:web")


def define_family(story: Story) -> None:
    define_joined(story)
    story.define("a-link", "app:1", links={"web": "server"}, restart="on-failure")


def web_runs(story: Story) -> None:
    define_web(story, story.push("web", "one", make_web_image))
    story.run()
    story.do("web", "sh", "-c", "echo precious > /data/row")


def family_runs(story: Story) -> None:
    define_family(story)
    web_runs(story)


def orphans_run(story: Story) -> None:
    for name in ("orphan", "other"):
        pushed = story.push(name, "1", volumes=("/data",))
        story.define(name, pushed.reference, portMappings=[{"containerPort": 80}])
    story.load("mine:1", make_image("a person's"))
    web_runs(story)


def nothing(_story: Story) -> None:
    """Where a first start begins; and for a change of which all is pushed and listed before."""


def family_is_listed(story: Story) -> None:
    define_family(story)
    define_web(story, story.push("web", "one", make_web_image))


def newer_web(story: Story) -> None:
    story.push("web", "two", make_web_image)


def broken_web(story: Story) -> Pushed:
    return story.push("web", "broken", make_job_image, exit_code=3)


def web_is_held_back(story: Story) -> None:
    """A definition fails with a newer image; that is still to be tried with the definition that serves."""
    web_runs(story)
    define_web(story, broken_web(story), command=EXITS)
    story.run(code=1)


def orphans_leave(story: Story) -> None:
    story.undefine("orphan")
    story.undefine("other")


def web_serves(story: Story, version: str) -> None:
    wait_for_answer(version)
    assert story.policy("web") == "unless-stopped"


def newer_web_serves_with_its_data(story: Story) -> None:
    web_serves(story, "two")
    assert story.do("web", "cat", "/data/row") == "precious\n"


def old_web_serves_with_its_data(story: Story) -> None:
    web_serves(story, "one")
    assert story.do("web", "cat", "/data/row") == "precious\n"
    assert story.policy("web.dockerup-failed") == "no"


def old_web_serves_beside_both_that_failed(story: Story) -> None:
    old_web_serves_with_its_data(story)
    assert story.policy("web.dockerup-failed-image") == "no"
    assert story.inspect("web.dockerup-failed")["Config"]["Cmd"] == EXITS
    assert story.inspect("web.dockerup-failed-image")["Config"]["Cmd"] != EXITS


def family_is_whole(story: Story) -> None:
    joined_is_whole(story)
    assert story.policy("a-link") == "on-failure"
    assert story.do("a-link", "wget", "-qO-", "http://server:8080/") == "two\n"


def joined_is_whole(story: Story) -> None:
    newer_web_serves_with_its_data(story)
    assert story.policy("a-net") == "always"
    assert story.inspect("a-net")["HostConfig"]["NetworkMode"] == f"container:{story.ids()['web']}"
    assert story.do("a-net", "wget", "-qO-", "http://127.0.0.1:8080/") == "two\n"


def only_web_and_its_image_are_left(story: Story) -> None:
    web_serves(story, "one")
    tags = {tag for image in story.client.images() for tag in image["RepoTags"]}
    assert {tag.partition(":")[0] for tag in tags if "/" not in tag} == {"mine"}
    assert not [tag for tag in tags if "orphan" in tag or "other" in tag]


def everything_changes(story: Story) -> None:
    """All kinds of calls in one run: a newer image, its group, an orphan, and images that nobody needs."""
    newer_web(story)
    story.undefine("orphan")


def joined_and_orphan_run(story: Story) -> None:
    orphan = story.push("orphan", "1", volumes=("/data",))
    story.define("orphan", orphan.reference)
    define_joined(story)
    web_runs(story)


def web_on_networks(story: Story, *networks: str) -> None:
    web = story.load("web:1", make_web_image("one"))
    story.define("web", web, networks=[*networks], portMappings=published(), stopTimeout=0)


def web_on_one_network(story: Story) -> None:
    web_on_networks(story, "left")
    story.run()


def web_moves_to_others(story: Story) -> None:
    web_on_networks(story, "back", "front")


def web_is_on_the_others_alone(story: Story) -> None:
    wait_for_answer("one")
    assert set(story.inspect("web")["NetworkSettings"]["Networks"]) == {"back", "front"}
    found = {network["Name"] for network in story.client.networks()}
    assert found == {"bridge", "host", "none", "back", "front"}


FAMILY = frozenset({"web", "a-link", "a-net"})
SCENES = {
    "first start": Scene(
        nothing,
        family_is_listed,
        FAMILY,
        lambda story: web_serves(story, "one"),
        served=frozenset(),
        one_change=False,
    ),
    "replacement": Scene(web_runs, newer_web, frozenset({"web"}), newer_web_serves_with_its_data),
    "way back": Scene(
        web_runs,
        broken_web,
        frozenset({"web"}),
        old_web_serves_with_its_data,
        failed=frozenset({"web.dockerup-failed"}),
    ),
    "former": Scene(
        web_is_held_back,
        nothing,
        frozenset({"web"}),
        old_web_serves_beside_both_that_failed,
        failed=frozenset({"web.dockerup-failed", "web.dockerup-failed-image"}),
    ),
    "group": Scene(family_runs, newer_web, FAMILY, family_is_whole, served=FAMILY),
    "prune": Scene(
        orphans_run, orphans_leave, frozenset({"web"}), only_web_and_its_image_are_left, one_change=False
    ),
}
NETWORKS = SCENES["networks"] = Scene(
    web_on_one_network, web_moves_to_others, frozenset({"web"}), web_is_on_the_others_alone
)
EVERYTHING = Scene(
    joined_and_orphan_run, everything_changes, frozenset({"web", "a-net"}), joined_is_whole, one_change=False
)


def begin_anew(story: Story) -> None:
    """Empty the host, the list and the cache."""
    story.engine.clean()
    for path in story.dockerup.confdir.iterdir():
        path.unlink()
    shutil.rmtree(story.dockerup.cache, ignore_errors=True)


def assert_next_run_mends(story: Story, scene: Scene, volumes: set[str]) -> None:
    """Look that one run brings the host to what is listed, with nothing left over and no volume lost.

    The run that finds out or ends a failure tells it; one that comes after the way back has no more to say.
    """
    has_to_go_back = bool(scene.failed) and story.states() != scene.states
    story.run(code=1 if has_to_go_back else 0)
    assert story.states() == scene.states, story.states()
    assert volumes <= story.volumes()
    scene.looks_right(story)
    story.nothing_to_do()
