"""What a run sees besides the engine's lists: the disk of the engine, where that is on this host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockerup.connection import disk_of

SOCKET = "unix:///run/docker.sock"


def test_disk_is_that_of_the_engines_directory_as_df_counts(tmp_path: Path) -> None:
    disk, now = disk_of(SOCKET, str(tmp_path)), os.statvfs(tmp_path)
    assert disk is not None
    # Others write to this file system meanwhile.
    assert disk.total - disk.used == pytest.approx(now.f_bavail * now.f_frsize, abs=0.05 * disk.total)
    assert disk.used == pytest.approx((now.f_blocks - now.f_bfree) * now.f_frsize, abs=0.05 * disk.total)


@pytest.mark.parametrize("url", ["tcp://10.0.0.1:2376", "ssh://host", "http+unix://x"])
def test_disk_of_another_host_is_not_seen(url: str, tmp_path: Path) -> None:
    assert disk_of(url, str(tmp_path)) is None


@pytest.mark.parametrize("root", ["", "/no/such/directory", "a\0b"])
def test_disk_of_a_directory_that_is_not_here_is_not_seen(root: str) -> None:
    assert disk_of(SOCKET, root) is None
