"""The lock between real processes."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockerup.problems import DockerupError
from dockerup.state import BusyError, locked
from tests.testbed.command import ROOT
from tests.testbed.namespace import unmount

HOLD = (
    "import sys\n"
    "from dockerup.state import locked\n"
    "with locked(sys.argv[1]):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "dockerup" / "engine.lock"


def test_the_second_holder_is_told_who_has_the_lock_and_for_how_long(path: Path) -> None:
    before = time.time()
    with holder(path) as process:
        with pytest.raises(BusyError) as busy, locked(str(path)):
            pytest.fail("two processes hold the lock")
        assert busy.value.pid == process.pid
        assert 0 <= busy.value.seconds <= time.time() - before
        told = rf"another run \(process {process.pid}\) has been at it for \d+ seconds"
        assert re.fullmatch(told, str(busy.value))


def test_the_lock_dies_with_its_process(path: Path) -> None:
    with holder(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        with locked(str(path)):
            assert f'"pid": {os.getpid()}' in path.read_text()


def test_the_lock_is_free_after_the_run_also_after_one_that_failed(path: Path) -> None:
    with pytest.raises(ValueError, match="the run failed"), locked(str(path)):
        raise ValueError("the run failed")
    with holder(path):
        assert path.exists()


def test_the_lock_is_not_left_to_programs_that_the_holder_starts(path: Path) -> None:
    with locked(str(path)):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        )
    try:
        with locked(str(path)):
            assert child.poll() is None
    finally:
        child.communicate()


def test_a_lock_file_of_unknown_content_is_held_by_somebody_unknown(path: Path) -> None:
    with holder(path):
        path.write_text("not ours")
        with pytest.raises(BusyError) as busy, locked(str(path)):
            pytest.fail("two processes hold the lock")
    assert (busy.value.pid, busy.value.seconds) == (0, 0.0)
    assert "process unknown" in str(busy.value)


def test_a_lock_is_held_where_there_is_no_room_to_tell_by_whom(path: Path) -> None:
    path.parent.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(path.parent)], check=True)
    try:
        (path.parent / "other").write_bytes(bytes(4096))
        with locked(str(path)), pytest.raises(BusyError), locked(str(path)):
            pytest.fail("the lock was taken twice")
    finally:
        unmount(str(path.parent))


def test_the_directory_of_the_lock_is_its_owners_alone(path: Path) -> None:
    with locked(str(path)):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lock_is_never_made_through_a_link(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DockerupError, match="cannot be made"), locked(str(path)):
        pytest.fail("the link was followed")
    assert not (tmp_path / "elsewhere").exists()
