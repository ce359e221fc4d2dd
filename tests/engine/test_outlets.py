"""Runs of which nobody hears: stdout and stderr are closed, on a full disk, or a pipe without a reader."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.command import INTERPRETED, ROOT

NOBODY = ["closed", "full", "unread"]


def start(story: Story, nobody: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `dockerup` so that it can say nothing to anybody."""
    command = story.dockerup.command(*arguments)
    if nobody == "closed":
        command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]
    outlet = nobodys(nobody)
    try:
        return subprocess.Popen(
            command, cwd=ROOT, env=story.dockerup.environment(), stdout=outlet, stderr=outlet
        )
    finally:
        os.close(outlet)


def nobodys(nobody: str) -> int:
    """Return a descriptor that leads to nobody."""
    if nobody != "unread":
        return os.open("/dev/full", os.O_WRONLY)
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("nobody", NOBODY)
def test_run_of_which_nobody_hears_does_its_work_and_ends_with_its_own_code(
    story: Story, nobody: str
) -> None:
    image = story.load("app:1")
    story.define("app", image)

    assert start(story, nobody).wait(60) == 0
    assert story.states() == {"app": "running"}
    assert start(story, nobody).wait(60) == 0, "nothing to do"
    story.define("bad", image, command=["/not/there"])
    assert start(story, nobody).wait(60) == 1
    assert start(story, nobody, "apply", "--retry", "bad").wait(60) == 1
    assert start(story, nobody, "validate", "not-there").wait(60) == 2
    assert start(story, nobody, "no such command").wait(60) == 2


def test_server_of_which_nobody_hears_goes_on(story: Story) -> None:
    story.dockerup.configure(interval=1)
    story.define("app", story.load("app:1"))
    server = start(story, "full", "--server")
    try:
        for _ in range(2):
            story.wait_for_state("app", "running")
            story.client.remove_container("app", force=True)
        story.wait_for_state("app", "running")
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 143
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(("nobody", "code", "said"), [("full", 1, "No space left"), ("unread", 0, "")])
def test_what_was_asked_for_and_cannot_be_written_is_a_fault_but_where_nobody_reads_on(
    nobody: str, code: int, said: str
) -> None:
    outlet = nobodys(nobody)
    try:
        ran = subprocess.run(
            [*INTERPRETED, "schema"], cwd=ROOT, stdout=outlet, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(outlet)

    assert (ran.returncode, bool(ran.stderr)) == (code, bool(said))
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
