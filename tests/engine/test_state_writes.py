"""A run that ends at any change of a file that it keeps leaves nothing that the next run cannot read.

Those files are the cache and the lock. Each is whole or absent for the next run, be it the old one or the
new one; the next run converges; and nothing of a text that was being written stays behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

from dockerup import history
from dockerup.history_lines import Entry
from dockerup.sources.cloudinit import keep_given
from dockerup.sources.kept import read_copy, write_copy
from dockerup.state import BusyError, Cache, locked
from tests.engine.interruptions import BOUND, INTERRUPTIONS, Interrupted, Interruption
from tests.engine.scenes import SCENES, Scene, assert_next_run_mends, begin_anew
from tests.engine.stories import Ran, Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.command import ROOT
from tests.testbed.metadata import Metadata
from tests.testbed.namespace import RUN
from tests.testbed.proxy import Call, CutError, EngineProxy
from tests.testbed.writes import Gate, Write

MOST_WRITES = 120  # a run that makes more is no longer the run that these tests think of
INSTANCE = "i-0123456789abcdef0"
OLD, NEW = "old", "new"


# Each writer alone, in a child of the tests.


def put_in_cache(directory: Path, text: str) -> None:
    Cache(str(directory)).write("said.json", {"said": [text] * 100})


def in_cache(directory: Path) -> str:
    found = Cache(str(directory)).read("said.json").get("said", [])
    return str(found[0]) if found == [found[0]] * 100 else f"a part of it: {found}"


def put_user_data(directory: Path, text: str) -> None:
    assert write_copy(str(directory), INSTANCE, f"#cloud-config\n# {text}\n".encode()) == ""


def user_data(directory: Path) -> str:
    found = read_copy(str(directory), INSTANCE)
    assert found is not None
    return found.decode().split()[2]


def put_given(directory: Path, text: str) -> None:
    block = [{"name": text, "image": "app:1"}]
    assert keep_given(str(directory), INSTANCE, block, None, str(directory)) == ""


def given(directory: Path) -> str:
    found = json.loads((directory / "user-data" / "given.json").read_text())
    return str(found["containers"][0]["name"])


def put_in_history(directory: Path, text: str) -> None:
    history.append(str(directory), [Entry(text, 1.0, "web", "created", "not there")])


def in_history(directory: Path) -> str:
    *before, last = [entry.run for entry in history.read(str(directory))]
    assert before in ([], [OLD])
    return last


@dataclass(frozen=True)
class Writer:
    """What writes a text, and what the next run reads of it."""

    put: Callable[[Path, str], object]
    read: Callable[[Path], str]


WRITERS = {
    "state": Writer(put_in_cache, in_cache),
    "user-data": Writer(put_user_data, user_data),
    "what cloud-init gave": Writer(put_given, given),
    "history": Writer(put_in_history, in_history),
}


def killed_at_each_change(directory: Path, work: Callable[[], object]) -> Iterator[Write]:
    """Do work in a child again and again, killed at its first change, at its second and so on."""
    for number in range(1, MOST_WRITES):
        gate, last = Gate(directory), None
        pid = gate.fork(work)
        for write in gate.writes():
            if write.number == number:
                last = write
                os.kill(pid, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if last is None:
            assert ended == 0
            assert number > 1
            return
        assert ended == -signal.SIGKILL
        yield last
    pytest.fail(f"there are more than {MOST_WRITES} changes")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_file_that_is_being_written_in_a_kill_is_the_old_one_or_the_new_one(
    tmp_path: Path, writer: Writer
) -> None:
    directory = tmp_path / "cache"
    writer.put(directory, OLD)
    found = []
    for write in killed_at_each_change(directory, lambda: writer.put(directory, NEW)):
        found.append(writer.read(directory))
        assert found[-1] in {OLD, NEW}, write
        shutil.rmtree(directory)
        writer.put(directory, OLD)
    assert OLD in found


def files(directory: Path) -> set[str]:
    """Return the names of the files below a directory."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_what_a_killed_writer_left_goes_with_the_next_change(tmp_path: Path, writer: Writer) -> None:
    directory = tmp_path / "cache"
    writer.put(directory, OLD)
    whole = files(directory)
    for write in killed_at_each_change(directory, lambda: writer.put(directory, NEW)):
        writer.put(directory, "newer")
        assert files(directory) == whole, write
        shutil.rmtree(directory)
        writer.put(directory, OLD)


def test_history_that_is_moved_aside_in_a_kill_loses_no_line(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    full = Entry(OLD, 1.0, "web", "created", "x" * 300)
    history.append(str(directory), [full] * (history.LIMIT_BYTES // 500))
    line = len((directory / history.NAME).read_bytes()) * 500 // history.LIMIT_BYTES
    before = [*history.read(str(directory))]
    more = [full] * (history.LIMIT_BYTES // line - len(before) + 1)

    for write in killed_at_each_change(directory, lambda: history.append(str(directory), more[:3])):
        assert [*history.read(str(directory))][: len(before)] == before, write


def take_lock(path: Path) -> None:
    with locked(str(path)):
        pass


def test_lock_whose_holder_is_killed_as_it_takes_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "run" / "engine.lock"
    for write in killed_at_each_change(path.parent, lambda: take_lock(path)):
        with locked(str(path)), pytest.raises(BusyError) as busy, locked(str(path)):
            pytest.fail(f"two hold it after a kill at {write}")
        assert busy.value.pid == os.getpid()
        shutil.rmtree(path.parent)


# All of a run.


def interrupt_at(
    story: Story, proxy: EngineProxy, at: Callable[[Write], object], interruption: Interruption
) -> tuple[Write, Interrupted] | None:
    """Run `dockerup`, and interrupt it at the first change that is `at`; None when there is none."""
    gate = Gate(story.dockerup.cache, RUN / "dockerup")
    proxy.forget()
    env = story.dockerup.environment({"DOCKER_HOST": proxy.url})
    struck: list[tuple[Write, Call]] = []
    with gate.start(story.dockerup.command(), env, ROOT) as process:
        for write in gate.writes():
            if not struck and at(write):
                call = Call(len(proxy.calls), write.verb, str(write.path), "", write.pid)
                struck.append((write, call))
                with contextlib.suppress(CutError):
                    interruption.strike(story, call)
        stdout, stderr = process.communicate(timeout=BOUND)
    if not struck:
        return None
    assert process.returncode == interruption.code, f"exit code {process.returncode}\n{stdout}\n{stderr}"
    ran = Ran(process.args, process.returncode, stdout, stderr)
    return struck[0][0], Interrupted(ran, struck[0][1], tuple(proxy.calls))


def is_interrupted(
    story: Story, proxy: EngineProxy, scene: Scene, at: Callable[[Write], object], interruption: Interruption
) -> bool:
    """Interrupt a scene's change at a write, and look at what it leaves and that the next run mends it.

    Returns False when there is no such write.
    """
    story.dockerup.configure(keep_images=0, **interruption.settings)
    scene.before(story)
    volumes = story.volumes()
    scene.change(story)
    if not volumes:
        shutil.rmtree(RUN / "dockerup", ignore_errors=True)
    found = interrupt_at(story, proxy, at, interruption)
    if found is None:
        return False
    write, run = found
    try:
        interruption.holds(story, scene, run)
        assert_whole(story.dockerup.cache)
        assert_next_run_mends(story, scene, volumes)
        assert_whole(story.dockerup.cache)
        assert files(story.dockerup.cache) <= KEPT
        for line in story.run("history", "--json").stdout.splitlines():
            assert isinstance(json.loads(line), dict)
    except AssertionError as error:
        error.args = (f"change {write.number}, {write}: {error}\n{run.ran.stdout}{run.ran.stderr}",)
        raise
    return True


KEPT = {
    "history.jsonl",
    "state/engine.json",
    "state/in-place.json",
    "state/registries.json",
    "state/said.json",
    "state/unneeded.json",
    "user-data/last-good",
}


def assert_whole(cache: Path) -> None:
    """Look that each file that a run reads is whole."""
    for path in cache.glob("state/*.json"):
        assert isinstance(json.loads(path.read_bytes()), dict)
    copy = cache / "user-data" / "last-good"
    assert not copy.exists() or copy.read_bytes().endswith(USER_DATA)


USER_DATA = b"#cloud-config\ncontainers: []\n"


@pytest.fixture(name="story")
def story_with_user_data(story: Story, metadata: Metadata) -> Story:
    """A host whose user-data is kept as well; it lists nothing, so that what is listed is in `confdir`."""
    metadata.answers.user_data = USER_DATA
    story.dockerup.metadata_url = metadata.url
    return story


# One of each kind; `make test-crash` has all of them.
@pytest.mark.parametrize(
    ("name", "scene", "verb", "file"),
    [
        ("SIGKILL", "replacement", "write the rest of", "history.jsonl"),
        ("SIGTERM", "first start", "rename", "registries.json"),
    ],
)
def test_run_that_is_interrupted_as_it_writes_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, name: str, scene: str, verb: str, file: str
) -> None:
    def is_that(write: Write) -> bool:
        return write.verb == verb and write.path.name.startswith(file)

    assert is_interrupted(story, proxy, SCENES[scene], is_that, INTERRUPTIONS[name])


@pytest.mark.crash_all
@pytest.mark.parametrize("scene", ["first start", "replacement", "way back", "prune"])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_run_that_is_interrupted_at_any_write_is_finished_by_the_next(
    story: Story, proxy: EngineProxy, scene: str, name: str
) -> None:
    for number in range(1, MOST_WRITES):
        begin_anew(story)
        at = number_is(number)
        if not is_interrupted(story, proxy, SCENES[scene], at, INTERRUPTIONS[name]):
            assert number > 1
            print(f"{number - 1} changes of files")
            return
    pytest.fail(f"a run makes more than {MOST_WRITES} changes of files")


def number_is(number: int) -> Callable[[Write], bool]:
    """Return what is true for the change with that number."""
    return lambda write: write.number == number
