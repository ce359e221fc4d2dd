"""No waste: what goes besides containers, what never does, and what is said of it."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image
from tests.testbed.namespace import RUN
from tests.testbed.proxy import Call, EngineProxy, RefusalError
from tests.testbed.registry import Pushed

MIB = 1 << 20
CANNOT_START = ("/no/such/program",)


# What somebody else is about to use.


def pull(story: Story) -> str:
    pushed = story.push("theirs", "pulled")
    story.client.pull(pushed.reference)
    return pushed.id


def pull_by_digest(story: Story) -> str:
    pushed = story.push("theirs", "pulled by digest")
    story.client.pull(pushed.by_digest)
    return pushed.id


def load(story: Story) -> str:
    image = make_image("loaded")
    story.load("theirs:loaded", image)
    return image.id


def build(story: Story) -> str:
    """Make an image without a name, as each step of a `docker build` does; its container is gone."""
    name = story.by_hand("step", story.load("theirs:base"), start=False)
    built: str = story.client.commit(name)["Id"]
    story.client.remove_container(name)
    return built


MADE = {"pulled": pull, "pulled by digest": pull_by_digest, "loaded": load, "built": build}


@pytest.mark.parametrize("how", MADE)
def test_image_that_somebody_fetched_or_built_just_now_stays(story: Story, how: str) -> None:
    story.dockerup.configure(prune="all")
    app = story.push("app")
    story.define("app", app.reference)
    story.run()
    theirs = MADE[how](story)

    story.nothing_to_do()

    assert theirs in story.images()
    story.ten_minutes_pass()
    if how != "built":  # the image says itself when it was made
        assert "removed" in story.run().stdout
        assert story.images() == {app.id}
        story.nothing_to_do()


def test_image_that_somebody_fetches_again_stays_though_it_has_been_here_for_long(story: Story) -> None:
    story.dockerup.configure(prune="all")
    story.define("app", story.push("app").reference)
    story.run()
    again, other = story.push("again"), story.load("other:1")
    story.client.pull(again.reference)
    story.ten_minutes_pass()
    story.client.pull(again.reference)

    ran = story.run()

    assert ran.stdout.startswith(f"image {other}: removed (")
    assert again.id in story.images()
    story.nothing_to_do()


def test_image_of_dockerups_that_somebody_fetches_again_stays(story: Story) -> None:
    story.dockerup.configure(keep_images=2)
    versions = updated(story, 3)
    story.dockerup.configure(keep_images=0)
    story.client.pull(versions[0].by_digest)

    story.run()

    assert story.images() == {versions[0].id, versions[2].id}
    story.nothing_to_do()
    story.ten_minutes_pass()
    story.run()
    assert story.images() == {versions[2].id}


def test_unneeded_image_goes_ten_minutes_after_it_was_first_seen_where_the_engine_forgot(
    story: Story,
) -> None:
    story.dockerup.configure(prune="all")
    story.define("app", story.push("app").reference)
    story.run()
    story.load("theirs:1")
    story.forget_events()
    story.nothing_to_do()
    known = story.dockerup.cache / "state" / "unneeded.json"
    (since,) = json.loads(known.read_text()).values()
    assert time.time() - 60 < since <= time.time()
    story.nothing_to_do()
    story.run("status")
    assert list(json.loads(known.read_text()).values()) == [since]

    story.ten_minutes_pass()

    assert story.run().stdout.startswith("image theirs:1: removed (no longer used; ")
    assert json.loads(known.read_text()) == {}


# What is needed.


def refuse_pulls(call: Call) -> None:
    if str(call) == "POST /images/create":
        raise RefusalError(500, "no space left on device")


def test_image_that_a_listed_name_means_stays_when_the_newer_one_cannot_be_fetched(
    story: Story, proxy: EngineProxy
) -> None:
    story.dockerup.configure(prune="all", keep_images=0)
    one = story.push("app", "1")
    story.define("app", one.reference)
    story.run()
    story.push("app", "2")
    story.client.remove_container("app", force=True)
    story.ten_minutes_pass()
    proxy.before = refuse_pulls

    story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert one.id in story.images()


def test_image_of_a_stopped_container_stays(story: Story) -> None:
    story.dockerup.configure(prune="all", unmanaged="keep")
    story.define("app", story.push("app").reference)
    story.run()
    theirs = story.load("theirs:1")
    story.by_hand("stopped", theirs, start=False)
    story.ten_minutes_pass()

    story.nothing_to_do()

    assert story.client.images(theirs)


# What goes with an entry.


def test_failed_container_goes_with_its_entry_and_its_images(story: Story) -> None:
    story.define("app", story.push("app").reference)
    story.run()
    story.push("app", "bad", command=CANNOT_START)
    story.run(code=1)
    assert story.states() == {"app": "running", "app.dockerup-failed": "created"}
    story.undefine("app")

    story.run()

    assert (story.states(), story.images()) == ({}, set())
    story.nothing_to_do()


def test_replacement_that_was_cut_off_goes_with_its_entry(story: Story) -> None:
    app = story.push("app")
    story.define("app", app.reference, update={"proveSeconds": 600})
    story.run()
    story.push("app", "2")
    run = story.dockerup.start()
    story.wait_for_state("app.dockerup-old", "exited")
    run.kill()
    run.communicate()
    assert story.ids().keys() >= {"app.dockerup-old"}
    story.undefine("app")

    story.run()

    assert (story.states(), story.images()) == ({}, set())
    story.nothing_to_do()


# What is asked and said.


CLOSER_LOOK = re.compile("GET /containers/[0-9a-f]+/json")


def calls(story: Story, proxy: EngineProxy) -> list[str]:
    """Return the calls to the engine that a run makes, but for the closer look at what started just now."""
    proxy.forget()
    story.run(env={"DOCKER_HOST": proxy.url})
    return [call for call in map(str, proxy.calls) if not CLOSER_LOOK.fullmatch(call)]


def test_events_are_asked_for_only_when_an_image_may_go_and_no_cache_or_volume_is_touched(
    story: Story, proxy: EngineProxy
) -> None:
    story.dockerup.configure(prune="all")
    story.define("app", story.push("app").reference)
    story.run()
    calls(story, proxy)  # learns the version of the API
    lists = ["GET /containers/json", "GET /images/json"]
    assert calls(story, proxy) == lists
    story.load("theirs:1")
    story.ten_minutes_pass()

    made = calls(story, proxy)

    removal = ["GET /images/theirs:1/history", "DELETE /images/theirs:1"]
    assert made == [*lists, "GET /events", *removal, *lists]


def test_event_that_holds_an_odd_sign_ends_no_run(story: Story) -> None:
    story.dockerup.configure(prune="all", unmanaged="keep")
    mine, theirs = story.load("mine:1"), story.load("theirs:1", make_image("theirs"))
    story.ten_minutes_pass()
    story.by_hand("mine", mine, labels={"note": "a next\x85line"})
    story.run()
    assert theirs not in {tag for image in story.client.images() for tag in image["RepoTags"] or ()}


@pytest.mark.parametrize("path", ["/events", "/history"])
def test_engine_that_does_not_tell_keeps_no_image(story: Story, proxy: EngineProxy, path: str) -> None:
    story.dockerup.configure(prune="all")
    story.define("app", story.push("app").reference)
    story.run()
    story.load("theirs:1")
    story.ten_minutes_pass()

    def refuse(call: Call) -> None:
        if call.path.endswith(path):
            raise RefusalError(404, "no such thing")

    proxy.before = refuse

    ran = story.run(env={"DOCKER_HOST": proxy.url})

    limit = "up to 2.0 MB" if path == "/history" else "9 B"
    assert ran.stdout == f"image theirs:1: removed (no longer used; {limit} free again)\n"


def test_removed_images_are_one_line_with_the_bytes_of_the_layers_that_went(story: Story) -> None:
    story.dockerup.configure(keep_images=9)
    versions = updated(story, 3, ballast=MIB)
    own = sum(story.client.history(one.by_digest)[0]["Size"] for one in versions[:2])
    story.dockerup.configure(keep_images=0)

    ran = story.run()

    assert ran.stdout == f"images: 2 removed (no longer used; {own / 1e6:.1f} MB free again)\n"
    assert own > 2 * MIB


def test_removed_image_is_in_the_history(story: Story) -> None:
    one, two = updated(story, 2)
    story.dockerup.configure(keep_images=0)
    story.run()

    entry = json.loads(story.run("history", "--json").stdout.splitlines()[-1])

    digits = one.digest.partition(":")[2][:12]
    assert entry["container"] == f"image dockerup.invalid/app:{digits}"
    assert (entry["action"], entry["before"], entry["after"]) == ("removed", one.digest, None)
    assert re.fullmatch(r"no longer used; [0-9.]+ k?B free again", entry["reason"])
    assert two.id in story.images()


# A full disk.


def updated(story: Story, count: int, ballast: int = 0) -> list[Pushed]:
    """Let an entry go through versions, each with so many bytes of its own that no packing makes fewer."""
    found = []
    for number in range(count):
        text = random.Random(number).randbytes(ballast // 2).hex()
        created = f"202{number}-01-01T00:00:00Z"
        pushed = story.push("app", str(number), files={"/ballast": text}, created=created)
        story.define("app", pushed.reference)
        story.run()
        found.append(pushed)
    return found


@contextmanager
def disk_of(size: float) -> Iterator[None]:
    """Let the file system that holds the engine's data have so many bytes."""
    whole = os.statvfs(RUN)
    resize(int(size))
    try:
        yield
    finally:
        resize(whole.f_blocks * whole.f_frsize)


def resize(size: int) -> None:
    subprocess.run(["mount", "-n", "-o", f"remount,size={size}", str(RUN)], check=True)


def used() -> int:
    now = os.statvfs(RUN)
    return (now.f_blocks - now.f_bfree) * now.f_frsize


def test_full_disk_gets_room_from_superseded_images_oldest_first_and_no_more_than_that(story: Story) -> None:
    story.dockerup.configure(keep_images=9, prune_when_full="85%")
    size = 2 * MIB
    versions = updated(story, 6, ballast=size)
    with disk_of(used() / 0.84):
        story.nothing_to_do()

    # One and a half of them have to go. By their sizes one would do: that counts the layer that all share.
    with disk_of((used() - 1.5 * size) / 0.80):
        ran = story.run()
        story.nothing_to_do()

    assert [one.id in story.images() for one in versions] == [False] * 2 + [True] * 4
    assert ran.stdout == "images: 2 removed (makes room on a full disk; 4.2 MB free again)\n"


def test_full_disk_costs_no_image_that_a_container_or_a_name_needs(story: Story) -> None:
    story.dockerup.configure(prune_when_full="85%")
    (only,) = updated(story, 1)
    with disk_of(used() / 0.95):
        ran = story.run()
        story.nothing_to_do()

    assert ran.stdout == ""
    assert "fuller than prune_when_full allows" in ran.stderr
    assert only.id in story.images()


def test_engine_is_asked_for_its_disk_only_with_the_setting_and_once_an_hour(
    story: Story, proxy: EngineProxy
) -> None:
    story.define("app", story.load("made-here:1"))  # of which no registry is asked, nor the way to one
    story.run()
    calls(story, proxy)  # learns the version of the API
    lists = ["GET /containers/json", "GET /images/json"]
    story.dockerup.configure(prune_when_full=99, prune="none")
    assert calls(story, proxy) == lists
    story.dockerup.configure(prune_when_full=99)
    assert calls(story, proxy) == [*lists, "GET /info"]
    assert calls(story, proxy) == lists
