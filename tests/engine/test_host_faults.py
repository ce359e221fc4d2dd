"""Faults of the disk and of the host, while a service runs that has to be replaced."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.stories import Story, published
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.survival import (
    assert_one_serves,
    assert_two_serves,
    assert_untouched,
    define_web,
    one_serves,
    pushed_one_serves,
    what_is_there,
)
from tests.testbed.engine import Engine
from tests.testbed.images import make_web_image
from tests.testbed.namespace import unmount
from tests.testbed.volume_plugin import VolumePlugin

MIB = 1 << 20


# The disk.


@contextlib.contextmanager
def small_disk(engine: Engine, file: Path) -> Iterator[Path]:
    """Give the engine a disk of its own for its data, a file that is loop-mounted; returns the place."""
    with file.open("wb") as disk:
        disk.truncate(48 * MIB)
    subprocess.run(["mke2fs", "-q", "-F", str(file)], check=True, stdin=subprocess.DEVNULL)
    engine.stop()
    try:
        subprocess.run(["mount", "-o", "loop", str(file), str(engine.data_root)], check=True)
        engine.start()
        yield engine.data_root
    finally:
        engine.stop()
        unmount(str(engine.data_root))
        engine.start()


@contextlib.contextmanager
def filled(place: Path, free: int) -> Iterator[None]:
    """Leave that many bytes free on a disk."""
    filler = place / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free_space(place) - free)
    try:
        yield
    finally:
        filler.unlink()


def free_space(place: Path) -> int:
    now = os.statvfs(place)
    return now.f_bavail * now.f_frsize


def test_image_larger_than_the_free_space_leaves_the_old_one_and_the_space(
    story: Story, tmp_path: Path
) -> None:
    with small_disk(story.engine, tmp_path / "disk") as place:
        before, _ = pushed_one_serves(story)
        ballast = random.Random(1).randbytes(4 * MIB).hex()  # half of its size when packed
        two = story.push("web", "two", make_web_image, files={"/ballast": ballast})
        with filled(place, 6 * MIB):
            free = free_space(place)

            ran = story.run(code=1)

            assert f"pull {two.reference.rpartition(':')[0]}" in ran.stderr
            assert "no space left on device" in ran.stderr
            assert_untouched(story, before)
            assert free_space(place) > free - MIB
        assert_two_serves(story)


# The host.


def test_port_that_another_process_holds_lets_the_old_one_serve_again(story: Story) -> None:
    before, _ = pushed_one_serves(story)
    story.load("two:1", make_web_image("two"))
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        define_web(story, "two:1", portMappings=published(port))

        ran = story.run(code=1)

        assert str(port) in ran.stderr
        assert "what ran before runs again" in ran.stderr
        assert_one_serves(story, before)
        assert story.states() == {"web": "running", "web.dockerup-failed": "created"}
    story.run()  # is not tried again yet, though the port is free by now
    assert_one_serves(story, before)
    assert_two_serves(story, "apply", "--retry", "web", port=port)


def test_host_path_that_is_missing_is_made_by_the_engine_also_for_reading_only(
    story: Story, tmp_path: Path
) -> None:
    pushed_one_serves(story)
    story.load("two:1", make_web_image("two"))
    missing = tmp_path / "missing"
    volume = {"containerPath": "/data", "hostPath": str(missing), "mode": "ro"}
    define_web(story, "two:1", volumes=[volume])

    assert_two_serves(story)

    assert missing.is_dir()
    assert [(one["Source"], one["RW"]) for one in story.inspect("web")["Mounts"]] == [(str(missing), False)]


def test_host_path_that_cannot_be_made_leaves_the_old_one(story: Story, tmp_path: Path) -> None:
    pushed_one_serves(story)
    story.load("two:1", make_web_image("two"))
    before = what_is_there(story)
    file = tmp_path / "file"
    file.write_text("")
    volume = {"containerPath": "/data", "hostPath": f"{file}/below", "mode": "ro"}
    define_web(story, "two:1", volumes=[volume])

    ran = story.run(code=1)

    assert "not a directory" in ran.stderr
    assert_one_serves(story, before)
    file.unlink()
    assert_two_serves(story, "apply", "--retry", "web")


def test_network_that_goes_before_a_replacement_is_made_anew(story: Story) -> None:
    network_id = story.client.create_network("backend")["Id"]
    pushed_one_serves(story, network="backend")
    story.push("web", "two", make_web_image)
    story.client.disconnect_container_from_network("web", network_id)
    story.client.remove_network(network_id)

    assert_two_serves(story)
    (network,) = story.client.networks(names=["backend"])
    assert network["Labels"] == {"dockerup.network": "true"}


@pytest.fixture
def plugin(engine: Engine, tmp_path: Path) -> Iterator[VolumePlugin]:
    """A volume plugin that the engine knows."""
    volumes = tmp_path / "volumes"
    volumes.mkdir()
    ready = VolumePlugin("made-here", volumes)
    ready.start()
    yield ready
    if not ready.runs:
        ready.start()
    engine.clean()
    ready.stop()
    engine.restart()  # it would look for the plugin for 15 seconds whenever it looks at its volumes


def test_volume_whose_plugin_is_missing_leaves_the_old_one(story: Story, plugin: VolumePlugin) -> None:
    pushed = story.push("web", "one", make_web_image)
    story.client.pull(pushed.reference)
    # An entry cannot name a plugin; a container that it takes over, volumes and all, can.
    story.by_hand("web", pushed.reference, volumes=["/data"], volume_driver=plugin.name)
    before = one_serves(story, pushed.reference)
    story.do("web", "sh", "-c", "echo precious > /data/row")
    story.push("web", "two", make_web_image)
    plugin.stop()

    ran = story.run(code=1)

    assert plugin.name in ran.stderr
    assert_one_serves(story, before)
    plugin.start()  # without it, the engine lists none of its volumes
    assert (story.ids(), story.volumes()) == (before.ids, before.volumes)
    assert_two_serves(story)
    assert story.do("web", "cat", "/data/row") == "precious\n"


def test_log_driver_whose_plugin_is_missing_leaves_the_old_one(story: Story) -> None:
    _, pushed = pushed_one_serves(story)
    before = what_is_there(story)
    story.push("web", "two", make_web_image)
    define_web(story, pushed.reference, logConfiguration={"logDriver": "none-such"})

    ran = story.run(code=1)

    assert "none-such" in ran.stderr
    assert_one_serves(story, before)
    define_web(story, pushed.reference)
    assert_two_serves(story)


NEEDED_NAMES = ["web.dockerup-new", "web.dockerup-old", "web.dockerup-failed"]


@pytest.mark.parametrize("name", NEEDED_NAMES)
def test_name_that_a_person_s_container_keeps_leaves_the_old_one(story: Story, name: str) -> None:
    story.dockerup.configure(unmanaged="keep")
    before, _ = pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    theirs = story.by_hand(name, story.load("theirs:1"))

    ran = story.run(code=1)

    assert f"docker rename {name}" in ran.stderr
    assert story.ids() == {**before.ids, name: theirs}
    assert_one_serves(story, before)
    story.client.remove_container(name, force=True)
    assert_two_serves(story)


@pytest.mark.parametrize("name", NEEDED_NAMES)
def test_name_that_a_person_s_container_has_is_taken_where_unmanaged_go(story: Story, name: str) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    story.by_hand(name, story.load("theirs:1"))

    assert_two_serves(story)
