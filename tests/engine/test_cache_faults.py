"""A cache that is gone, full, read-only or full of foreign things costs conveniences and nothing else.

Root ignores modes, so that what cannot be written here is a mount that is read-only or has no room.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from tests.engine.stories import Ran, Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.command import ROOT
from tests.testbed.namespace import unmount
from tests.testbed.proxy import Call, EngineProxy

STATE = tuple(f"state/{name}.json" for name in ("engine", "in-place", "registries", "said", "seen"))
FILES = (*STATE, "history.jsonl", "history.jsonl.1", "user-data/last-good")
HUGE = 1 << 33  # bytes; sparse, so that only who reads it all notices
INSIDE = b"a person's own\n"


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Let nothing be written below a directory."""
    directory.mkdir(exist_ok=True)
    mount("--bind", str(directory), str(directory))
    try:
        mount("-o", "remount,bind,ro", str(directory))
        yield
    finally:
        unmount(str(directory))


@contextlib.contextmanager
def no_room(directory: Path, free: int = 0) -> Iterator[None]:
    """Give a directory a file system with this many free bytes, a multiple of 4096, and what was in it."""
    before = directory.with_name("before")
    shutil.copytree(directory, before) if directory.exists() else before.mkdir()
    directory.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", "size=256k", "none", str(directory))
    try:
        shutil.copytree(before, directory, dirs_exist_ok=True)
        with contextlib.suppress(OSError), (directory / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        with (directory / "filler").open("rb+") as filler:
            filler.truncate((directory / "filler").stat().st_size - free)
        yield
    finally:
        unmount(str(directory))


def converges(story: Story, name: str, code: int = 0) -> Ran:
    """List one container more and run: it has to start, what runs stays, and nothing odd is said."""
    before = story.ids()
    story.define(name, story.load("app:1"))
    ran = story.run(code=code)
    assert story.ids() == {**before, name: story.ids()[name]}
    assert story.states() == dict.fromkeys(story.ids(), "running")
    assert f"{name}: created (not there)" in ran.stdout
    quiet_about_itself(ran)
    return ran


def quiet_about_itself(ran: Ran) -> None:
    said = ran.stdout + ran.stderr
    assert not [word for word in ("Traceback", "Error", "Errno", "fault in dockerup") if word in said]


def recovers(story: Story) -> None:
    """The fault is over: the next clean run is quiet, and what is worth it is kept again."""
    story.nothing_to_do()
    assert str(story.client.api_version) in (story.dockerup.cache / "state" / "engine.json").read_text()


def a_past(story: Story) -> Path:
    """Give the cache something to lose; returns it."""
    converges(story, "before")
    return story.dockerup.cache


# The whole directory.


def test_cache_that_is_deleted_between_runs_is_made_again(story: Story) -> None:
    cache = a_past(story)
    shutil.rmtree(cache)

    converges(story, "app")

    lines = story.run("history").stdout.splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["app"]
    recovers(story)


@pytest.mark.parametrize("kind", ["POST /containers/create", "GET /containers/json", "GET /images/json"])
def test_cache_that_is_deleted_during_a_run_changes_nothing(
    story: Story, proxy: EngineProxy, kind: str
) -> None:
    cache = a_past(story)
    deleted: list[Call] = []

    def delete(call: Call) -> None:
        if str(call) == kind:
            deleted.append(call)
            shutil.rmtree(cache, ignore_errors=True)

    proxy.before = delete
    story.define("app", story.load("app:1"))
    ran = story.run(env={"DOCKER_HOST": proxy.url})

    assert deleted
    assert story.states() == {"app": "running", "before": "running"}
    quiet_about_itself(ran)
    recovers(story)


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "with a past"])
def test_cache_that_is_read_only_stays_as_it_is(story: Story, empty: bool) -> None:
    cache = story.dockerup.cache if empty else a_past(story)
    with read_only(cache):
        before = contents(cache)
        converges(story, "app")
        story.nothing_to_do()
        assert contents(cache) == before
    recovers(story)


@pytest.mark.parametrize("free", [0, 4096, 8192])
def test_cache_without_room_is_no_hindrance(story: Story, free: int) -> None:
    cache = a_past(story)
    with no_room(cache, free):
        converges(story, "app")
        (cache / "filler").unlink()
        converges(story, "later")
        assert "later" in story.run("history").stdout
        recovers(story)


def test_cache_that_cannot_be_a_directory_is_done_without(story: Story) -> None:
    story.dockerup.cache.write_bytes(INSIDE)

    converges(story, "app")

    assert story.dockerup.cache.read_bytes() == INSIDE
    story.dockerup.cache.unlink()
    recovers(story)


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files below a directory, each with what is in it."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# Single files.


def put_directory(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(INSIDE)


def put_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)


def put_torn(path: Path) -> None:
    path.write_bytes(b'{"said": ["0123456789abcdef"], "run": "x", "time": 1.5, "unix')


def put_other_json(path: Path) -> None:
    path.write_bytes(
        b'[1, "two", {"said": 3}]\n"text"\nnull\n17\n{"time": "now", "container": {}, "said": {}}\n'
    )


FOREIGN: dict[str, Callable[[Path], object]] = {
    "a directory": put_directory,
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "torn JSON": put_torn,
    "JSON of another type": put_other_json,
    "nothing": Path.touch,
    "a huge file": put_huge,
    "a pipe": os.mkfifo,
}

NO_FILES = {"a directory", "a pipe"}  # only a person can tell whether these may go


def replace_all(cache: Path, put: Callable[[Path], object]) -> None:
    """Put something foreign in the place of each file of the cache."""
    for name in FILES:
        path = cache / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        put(path)


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_things_in_place_of_files_are_as_if_absent(story: Story, kind: str) -> None:
    cache = a_past(story)
    replace_all(cache, FOREIGN[kind])

    converges(story, "app")

    quiet_about_itself(story.run("history"))
    if kind in NO_FILES:
        story.nothing_to_do()
        shutil.rmtree(cache)
    recovers(story)


def test_links_to_elsewhere_are_not_written_through(story: Story, tmp_path: Path) -> None:
    cache = a_past(story)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(INSIDE)
    elsewhere.chmod(0o644)
    replace_all(cache, lambda path: path.symlink_to(elsewhere))

    converges(story, "app")

    assert elsewhere.read_bytes() == INSIDE
    assert elsewhere.stat().st_mode & 0o777 == 0o644
    story.nothing_to_do()


def test_linked_directory_is_neither_closed_nor_written_to(story: Story, tmp_path: Path) -> None:
    cache = a_past(story)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    shutil.rmtree(cache / "state")
    (cache / "state").symlink_to(elsewhere)

    converges(story, "app")

    assert list(elsewhere.iterdir()) == []
    assert elsewhere.stat().st_mode & 0o777 == 0o755
    story.nothing_to_do()


def put_version(story: Story, version: str) -> None:
    """Let the cache say that the engine speaks a version: the one value that a run acts on unseen."""
    path = a_past(story) / "state" / "engine.json"
    known = f'"{story.client.api_version}"'
    assert known in path.read_text()
    path.write_text(path.read_text().replace(known, f'"{version}"'))


@pytest.mark.parametrize("version", ["banana", "1.41/../.."])
def test_version_of_the_engine_that_is_none_is_as_if_absent(story: Story, version: str) -> None:
    put_version(story, version)
    converges(story, "app")


@pytest.mark.parametrize("version", ["1.9999", "1.0", "1.40"])
def test_version_that_the_engine_has_no_more_is_learned_anew_in_the_same_run(
    story: Story, version: str
) -> None:
    put_version(story, version)
    converges(story, "app")
    recovers(story)


def test_history_of_another_user_is_not_written_to(story: Story) -> None:
    """Whoever owns it can read what is added, whatever its mode."""
    path = a_past(story) / "history.jsonl"
    os.chown(path, 65534, 65534)
    before = path.read_bytes()

    converges(story, "app")

    assert path.read_bytes() == before
    story.define("bad", story.load("app:1"), links={"absent": "alias"})
    failed = story.run(code=1)
    assert "absent" in failed.stderr
    quiet_about_itself(failed)
    assert path.read_bytes() == before
    story.undefine("bad")
    path.unlink()
    recovers(story)


# What the work says is what counts.


@pytest.mark.parametrize("fault", [read_only, no_room])
def test_exit_code_is_that_of_the_work_also_when_nothing_can_be_kept(
    story: Story, fault: Callable[[Path], contextlib.AbstractContextManager[None]]
) -> None:
    cache = a_past(story)
    story.define("bad", story.load("app:1"), links={"absent": "alias"})
    with fault(cache):
        for _ in range(2):  # what was said cannot be remembered, so that each run says it
            ran = story.run(code=1)
            assert "absent" in ran.stderr
            quiet_about_itself(ran)
    story.undefine("bad")
    recovers(story)


def test_cache_that_is_made_under_no_umask_is_nobody_else_s_to_write(story: Story) -> None:
    story.define("app", story.load("app:1"))
    command = ["sh", "-c", 'umask 0; exec "$@"', "sh", *story.dockerup.command()]

    subprocess.run(command, cwd=ROOT, env=story.dockerup.environment(), check=True, timeout=60)

    made = [story.dockerup.cache, *story.dockerup.cache.rglob("*")]
    assert [path for path in made if path.stat().st_mode & 0o022] == []
