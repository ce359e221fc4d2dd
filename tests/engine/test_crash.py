"""Killed at any engine call, a run leaves nothing that the next run cannot finish.

The kill is SIGKILL, when the engine has not seen the call yet, or has done it and the answer is lost. What
follows is one clean run, which has to leave the host as listed, and another, which has nothing to do.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import Callable

import pytest

from tests.engine.stories import Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image, make_job_image, make_web_image
from tests.testbed.proxy import Call, EngineProxy, Hook, at_call, kill_client
from tests.testbed.registry import Pushed

KILLED = -9
MOST_CALLS = 80  # a run that makes more is no longer the run that these tests think of

# One of each kind of call that a run makes, as "METHOD path".
KINDS = {
    "list containers": r"GET /containers/json",
    "list images": r"GET /images/json",
    "inspect a container": r"GET /containers/[0-9a-f]+/json",
    "pull": r"POST /images/create",
    "tag": r"POST /images/.+/tag",
    "create": r"POST /containers/create",
    "set the restart policy": r"POST /containers/[0-9a-f]+/update",
    "stop": r"POST /containers/[0-9a-f]+/stop",
    "rename": r"POST /containers/[0-9a-f]+/rename",
    "start": r"POST /containers/[0-9a-f]+/start",
    "remove a container": r"DELETE /containers/.+",
    "remove an image": r"DELETE /images/.+",
}


@dataclass(frozen=True)
class Scene:
    """What is on the host, what is listed then, and what has to be there in the end.

    `before` puts the host into its state, `change` makes the work that is interrupted, `wanted` are the names
    of the containers that have to run; `looks_right` looks at more than all of them have in common. `failed`
    are the names of those that stay for what they tell.
    """

    before: Callable[[Story], object]
    change: Callable[[Story], object]
    wanted: frozenset[str]
    looks_right: Callable[[Story], object]
    failed: frozenset[str] = frozenset()

    @property
    def states(self) -> dict[str, str]:
        """What the engine has to list in the end: the state of every container, by name."""
        return {**dict.fromkeys(self.wanted, "running"), **dict.fromkeys(self.failed, "exited")}


def define_web(story: Story, web: Pushed) -> None:
    volumes = [{"containerPath": "/data"}]
    story.define("web", web.reference, portMappings=published(), volumes=volumes, restart="unless-stopped")


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
    """An empty host is what a first start begins with."""


def family_is_listed(story: Story) -> None:
    define_family(story)
    define_web(story, story.push("web", "one", make_web_image))


def newer_web(story: Story) -> None:
    story.push("web", "two", make_web_image)


def broken_web(story: Story) -> None:
    story.push("web", "broken", make_job_image, exit_code=3)


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


SCENES = {
    "first start": Scene(
        nothing,
        family_is_listed,
        frozenset({"web", "a-link", "a-net"}),
        lambda story: web_serves(story, "one"),
    ),
    "replacement": Scene(web_runs, newer_web, frozenset({"web"}), newer_web_serves_with_its_data),
    "way back": Scene(
        web_runs,
        broken_web,
        frozenset({"web"}),
        old_web_serves_with_its_data,
        failed=frozenset({"web.dockerup-failed"}),
    ),
    "group": Scene(family_runs, newer_web, frozenset({"web", "a-link", "a-net"}), family_is_whole),
    "orphans": Scene(orphans_run, orphans_leave, frozenset({"web"}), only_web_and_its_image_are_left),
}
EVERYTHING = Scene(joined_and_orphan_run, everything_changes, frozenset({"web", "a-net"}), joined_is_whole)


def run_and_kill(story: Story, proxy: EngineProxy, moment: str, hook: Hook) -> int:
    """Run `dockerup` with a hook `before` or `after` the engine has each call; returns its exit code."""
    proxy.forget()
    if moment == "before":
        proxy.before = hook
    else:
        proxy.after = hook
    code = story.dockerup.run(env={"DOCKER_HOST": proxy.url}).returncode
    proxy.before = proxy.after = lambda _call: None
    return code


def at_first(pattern: str) -> Hook:
    """Return a hook that kills the client at the first call of a kind."""
    done: list[Call] = []

    def hook(call: Call) -> None:
        if not done and re.fullmatch(pattern, str(call)):
            done.append(call)
            kill_client(call)

    return hook


def assert_next_run_mends(story: Story, scene: Scene, volumes: set[str]) -> None:
    """Look that one run brings the host to what is listed, with nothing left over and no volume lost.

    The run that finds out or ends a failure tells it; one that comes after the way back has no more to say.
    """
    has_to_go_back = bool(scene.failed) and story.states() != scene.states
    story.run(code=1 if has_to_go_back else 0)
    assert story.states() == scene.states
    assert volumes <= story.volumes()
    scene.looks_right(story)
    story.nothing_to_do()


@pytest.mark.parametrize("kind", KINDS)
def test_run_that_is_killed_at_a_kind_of_call_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, kind: str
) -> None:
    story.dockerup.configure(keep_images=0)
    EVERYTHING.before(story)
    volumes = story.volumes()
    EVERYTHING.change(story)

    assert run_and_kill(story, proxy, "after", at_first(KINDS[kind])) == KILLED

    assert_next_run_mends(story, EVERYTHING, volumes)


def begin_anew(story: Story) -> None:
    """Empty the host, the list and the cache."""
    story.engine.clean()
    for path in story.dockerup.confdir.iterdir():
        path.unlink()
    shutil.rmtree(story.dockerup.cache, ignore_errors=True)


@pytest.mark.crash_all
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_run_that_is_killed_at_any_call_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, scene: Scene, moment: str
) -> None:
    story.dockerup.configure(keep_images=0)
    for number in range(1, MOST_CALLS):
        begin_anew(story)
        scene.before(story)
        volumes = story.volumes()
        scene.change(story)
        code = run_and_kill(story, proxy, moment, at_call(number, kill_client))
        if code == 0:
            assert number > 1
            return
        assert code == KILLED
        assert_next_run_mends(story, scene, volumes)
    pytest.fail(f"a run makes more than {MOST_CALLS} calls")
