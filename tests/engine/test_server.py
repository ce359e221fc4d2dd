"""Runs beside runs, runs after runs, and runs that are ended."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.command import ROOT
from tests.testbed.proxy import Call, EngineProxy, kill_client
from tests.testbed.waiting import send_signal, wait_until

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A signal that comes as the main thread holds the lock of the event, as in the middle of a wait for it.
SIGNALLED_IN_A_WAIT = """
import os, signal, sys, time
from dockerup.stopper import Stopper
signal.signal(signal.SIGHUP, signal.SIG_IGN)
stop = Stopper()
for number in map(int, sys.argv[1:]):
    with stop.asked._cond:
        os.kill(os.getpid(), number)
        time.sleep(0.1)
stop.asked.wait()
print(stop.exit_code)
"""


@contextmanager
def started(story: Story, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Any]:
    """Give a running `dockerup`, which is gone afterwards."""
    process = story.dockerup.start(*arguments, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def serving(story: Story) -> Iterator[Any]:
    """Give a server that looks each second, once the one container runs that is listed: `app`, of `app:1`."""
    story.dockerup.configure(interval=1)
    story.define("app", story.load("app:1"))
    with started(story, "--server") as server:
        story.wait_for_state("app", "running")
        yield server


class Gate:
    """Holds the first engine call of a kind up until it is opened."""

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._open = threading.Event()
        self.reached = threading.Event()

    def __call__(self, call: Call) -> None:
        if call.path.endswith(self._ending):
            self.reached.set()
            assert self._open.wait(60)

    def wait(self) -> None:
        assert self.reached.wait(30)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(proxy: EngineProxy) -> Iterator[Gate]:
    gate = Gate("/containers/create")
    proxy.before = gate
    yield gate
    gate.open()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


def test_second_run_at_once_leaves_without_a_word(story: Story, proxy: EngineProxy, gate: Gate) -> None:
    story.define("app", story.load("app:1"))
    through = {"DOCKER_HOST": proxy.url}
    with started(story, env=through) as first:
        gate.wait()

        second = story.run(code=75, env=through)

        assert (second.stdout, second.stderr) == ("", "")
        assert story.states() == {}
        gate.open()
        assert ended(first) == (0, "app: created (not there)\n", "")
    assert story.states() == {"app": "running"}


def test_lock_ends_with_its_process_however_that_ends(story: Story, proxy: EngineProxy) -> None:
    story.define("app", story.load("app:1"))
    through = {"DOCKER_HOST": proxy.url}
    proxy.before = lambda call: kill_client(call) if call.path.endswith("/containers/create") else None
    story.run(code=-signal.SIGKILL, env=through)
    assert story.states() == {}
    proxy.before = lambda _call: None

    story.run(env=through)

    assert story.states() == {"app": "running"}


def test_runs_for_two_engines_do_not_wait_for_each_other(
    story: Story, proxy: EngineProxy, gate: Gate
) -> None:
    story.define("app", story.load("app:1"))
    with started(story, env={"DOCKER_HOST": proxy.url}):
        gate.wait()

        story.run()

        assert story.states() == {"app": "running"}


@pytest.mark.parametrize("number", ENDING, ids=str)
def test_ended_run_finishes_the_replacement_that_it_is_in_and_begins_no_other(
    story: Story, proxy: EngineProxy, gate: Gate, number: signal.Signals
) -> None:
    image = story.load("app:1")
    story.dockerup.configure(concurrency=1)
    for name in ("one", "two"):
        story.define(name, image)
    story.run()
    before = story.ids()
    for name in ("one", "two"):
        story.define(name, image, env={"NEW": "1"})
    with started(story, env={"DOCKER_HOST": proxy.url}) as process:
        gate.wait()
        send_signal(process.pid, number)
        gate.open()

        code, stdout, _stderr = ended(process)

    assert code == 128 + number
    assert stdout.count("replaced") == 1
    states = story.states()
    # The proof is the next run's: until then the old one stands by.
    assert [name for name in states if states[name] != "running"] == ["one.dockerup-old"]
    assert len({story.ids()[name] for name in ("one", "two")} & {*before.values()}) == 1
    story.run()
    assert story.states() == {"one": "running", "two": "running"}
    assert not set(before.values()) & set(story.ids().values())
    story.nothing_to_do()


def test_signal_in_the_middle_of_a_wait_is_heard_and_one_that_is_ignored_is_not() -> None:
    command = [sys.executable, "-c", SIGNALLED_IN_A_WAIT, *(f"{int(one)}" for one in reversed(ENDING))]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)

    assert ran.stdout == f"{128 + signal.SIGINT}\n", "the first that was not ignored"


def test_server_runs_each_interval_until_it_is_ended(story: Story) -> None:
    with serving(story) as server:
        story.client.remove_container("app", force=True)
        story.wait_for_state("app", "running")
        story.define("more", "app:1")
        story.wait_for_state("more", "running")
        assert select.select([server.stdout], [], [], 30)[0], "what was done is said at once"
        server.send_signal(signal.SIGTERM)

        code, stdout, stderr = ended(server)

    assert code == 143
    assert stdout == "app: created (not there)\n" * 2 + "more: created (not there)\n"
    assert stderr == ""


def test_server_outlives_an_engine_and_a_configuration_that_are_away(story: Story) -> None:
    with serving(story) as server:
        story.engine.stop()
        path = story.dockerup.define("broken.yaml", "name: [")
        story.engine.start()
        story.define("more", "app:1")
        story.wait_for_state("more", "running")
        path.unlink()
        story.undefine("more")
        wait_until(lambda: "more" not in story.states(), "what is no longer listed goes")
        server.send_signal(signal.SIGTERM)

        assert ended(server)[0] == 143


def test_server_leaves_all_as_it_is_while_its_settings_cannot_be_used(story: Story) -> None:
    with serving(story) as server:
        story.define("more", "app:1")  # not in what the server began with
        story.wait_for_state("more", "running")
        before = story.ids()
        story.dockerup.configure(interval=1, bogus=1)
        assert select.select([server.stderr], [], [], 30)[0], "the server says what is wrong"
        story.dockerup.configure(interval=1)
        story.define("last", "app:1")
        story.wait_for_state("last", "running")
        server.send_signal(signal.SIGTERM)

        code, stdout, stderr = ended(server)

    assert code == 143
    assert {name: story.ids()[name] for name in before} == before
    assert stdout == "".join(f"{name}: created (not there)\n" for name in ("app", "more", "last"))
    assert stderr.count("bogus") == 1


def test_losing_the_cache_loses_nothing(story: Story) -> None:
    app = story.push("app", "1")
    story.define("app", app.reference)
    story.run()
    for path in sorted(story.dockerup.cache.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    story.dockerup.cache.rmdir()

    story.nothing_to_do()


@pytest.fixture
def _cache_is_read_only(story: Story) -> Iterator[None]:
    place = story.dockerup.cache
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(place)], check=True)
    yield
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.usefixtures("_cache_is_read_only")
def test_cache_that_cannot_be_written_changes_nothing(story: Story) -> None:
    app = story.push("app", "1")
    story.define("app", app.reference)

    story.run()

    assert story.states() == {"app": "running"}
    story.nothing_to_do()
    assert list(Path(story.dockerup.cache).iterdir()) == []
