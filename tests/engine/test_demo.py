"""`make demo` stays true, and is alone in its room: it checks itself, so its exit code is the test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.stories import Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.command import ROOT
from tests.testbed.images import make_web_image

NAMESPACE = (sys.executable, "-m", "tests.testbed.namespace")


def told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def the_room() -> dict[str, object]:
    """What two engines in one network namespace take from each other, and what is mounted."""
    rules = re.sub(r"^#.*$|\[\d+:\d+\]", "", told("iptables-save"), flags=re.MULTILINE)
    bridges = [line.split()[1] for line in told("ip", "-o", "link", "show", "type", "bridge").splitlines()]
    return {"rules": rules, "bridges": bridges, "mounts": Path("/proc/self/mounts").read_text()}


def test_demo_plays_to_its_end_beside_a_person_s_engine_and_takes_nothing(story: Story) -> None:
    # This test's own engine is the person's, with the very port published that the demo publishes.
    mine = story.push("mine", "a person's", make_web_image)
    story.define("mine", mine.reference, portMappings=published())
    story.run()
    wait_for_answer("a person's")
    before, ids = the_room(), story.ids()
    assert "DOCKER" in str(before["rules"])
    assert before["bridges"] == ["docker0:"]
    command = [*NAMESPACE, sys.executable, "-m", "tests.demo"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert the_room() == before
    assert story.ids() == ids
    wait_for_answer("a person's")


@pytest.mark.parametrize(
    ("taken", "missing"),
    [
        (("--reuid=65534", "--clear-groups"), "a private network namespace and engine need root"),
        (
            ("--bounding-set=-sys_admin",),
            "this machine gives no private namespaces",
        ),
    ],
    ids=["without root", "where namespaces cannot be made"],
)
def test_private_host_that_cannot_be_had_is_told_at_once(taken: tuple[str, ...], missing: str) -> None:
    # The interpreter may lie in a home that nobody else may enter: it takes the rights from itself.
    command = ["setpriv", *taken, sys.executable, "-m", "tests.testbed.namespace", "--possible"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"testbed: {missing}")
    assert (
        "What needs neither: make lint, and .venv/bin/python -m pytest tests/unit tests/plan" in ended.stderr
    )
