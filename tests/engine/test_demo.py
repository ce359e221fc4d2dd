"""`make demo` stays true: it checks itself, so its exit code is the test."""

from __future__ import annotations

import subprocess
import sys

from tests.testbed.command import ROOT


def test_demo_plays_to_its_end_within_a_minute() -> None:
    # In a namespace of its own: the engine of this test run has the one that we are in.
    command = [sys.executable, "-m", "tests.testbed.namespace", sys.executable, "-m", "tests.demo"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode == 0, ended.stdout + ended.stderr
