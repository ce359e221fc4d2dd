from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dockerup.problems import InvalidInputError
from dockerup.sources import trust
from dockerup.sources.trust import list_trusted, read_trusted

SOMEONE = 12345


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "conf" / "a file.json"
    path.parent.mkdir(mode=0o755)
    path.write_bytes(b"{}")
    path.chmod(0o644)
    return path


def refusal(path: Path, limit: int = 100) -> str:
    with pytest.raises(InvalidInputError) as raised:
        read_trusted(str(path), limit)
    return str(raised.value)


def pretend_owner(monkeypatch: pytest.MonkeyPatch, path: Path, uid: int) -> None:
    """Let one file seem to belong to another user, be the tests run by root or not."""
    number, real_stat, real_fstat = os.lstat(path).st_ino, os.stat, os.fstat

    def changed(status: os.stat_result) -> os.stat_result:
        if status.st_ino != number:
            return status
        return os.stat_result([*status[:4], uid, *status[5:10]])

    monkeypatch.setattr(os, "fstat", lambda descriptor: changed(real_fstat(descriptor)))
    monkeypatch.setattr(os, "stat", lambda *args, **more: changed(real_stat(*args, **more)))


def test_a_file_that_only_its_owner_may_write_is_read(file: Path) -> None:
    assert read_trusted(str(file), 2) == b"{}"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_command_to_run(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert f"Run: chmod go-w '{file}'" in refusal(file)


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_directory_on_the_way_that_others_may_write_is_refused(file: Path, mode: int) -> None:
    file.parent.chmod(mode)
    assert f"Run: chmod go-w {file.parent}" in refusal(file)
    with pytest.raises(InvalidInputError, match="chmod go-w"):
        list_trusted(str(file.parent))


def test_a_sticky_directory_may_be_on_the_way_but_may_not_be_listed(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert read_trusted(str(file), 100) == b"{}"
    with pytest.raises(InvalidInputError, match="chmod go-w"):
        list_trusted(str(file.parent))


def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_owner(monkeypatch, file, SOMEONE)
    assert f"Run: chown root: '{file}'" in refusal(file)


def test_a_directory_of_another_user_on_the_way_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_owner(monkeypatch, file.parent, SOMEONE)
    assert f"Run: chown root: {file.parent}" in refusal(file)


def test_a_link_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = file.parent / "link"
    link.symlink_to(file)
    pretend_owner(monkeypatch, link, SOMEONE)
    assert f"Run: chown -h root: {link}" in refusal(link)


@pytest.mark.parametrize(
    "target", ["a file.json", "../conf/a file.json", "..data/x/../../a file.json", "{file}"]
)
def test_links_are_followed_where_each_step_is_trusted(file: Path, target: str) -> None:
    (file.parent / "..data" / "x").mkdir(parents=True)
    link = file.parent / "link"
    link.symlink_to(target.format(file=file))
    assert read_trusted(str(link), 100) == b"{}"


def test_a_link_through_a_directory_that_others_may_write_is_refused(file: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "x.json").write_text("{}")
    (file.parent / "link").symlink_to("../shared/x.json")
    assert f"Run: chmod go-w {shared}" in refusal(file.parent / "link")


def test_a_link_to_a_directory_is_listed_as_that_directory(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("conf")
    (file.parent / "up").symlink_to("..")
    assert list_trusted(str(tmp_path / "link")) == ["a file.json", "up"]
    assert list_trusted(str(tmp_path / "link" / "up")) == ["conf", "link"]


def test_links_in_a_circle_end(file: Path) -> None:
    (file.parent / "a").symlink_to("b")
    (file.parent / "b").symlink_to("a")
    assert "circle" in refusal(file.parent / "a")


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "no regular file" in refusal(tmp_path / "pipe")


def test_a_directory_is_no_file_and_a_file_no_directory(file: Path) -> None:
    assert "no regular file" in refusal(file.parent)
    assert "not a directory" in refusal(file / "x")
    with pytest.raises(InvalidInputError, match="not a directory"):
        list_trusted(str(file))


def test_a_file_over_the_limit_is_refused(file: Path) -> None:
    assert "more than 1 bytes" in refusal(file, limit=1)


def test_what_is_not_there_is_not_found_rather_than_invalid(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_trusted(str(tmp_path / "x" / "y"), 1)
    with pytest.raises(FileNotFoundError):
        list_trusted(str(tmp_path / "x"))


def test_a_file_exchanged_after_the_look_is_judged_by_what_was_opened(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = file.parent / "other"
    other.write_text("evil")
    other.chmod(0o666)
    real_open = os.open

    def exchange_and_open(name: str, flags: int, *args: int, **more: int) -> int:
        if name == file.name:
            other.rename(file)
        return real_open(name, flags, *args, **more)

    monkeypatch.setattr(os, "open", exchange_and_open)
    assert "chmod go-w" in refusal(file)


def test_no_descriptor_is_left_open(file: Path) -> None:
    (file.parent / "up").symlink_to("../conf/../conf")
    file.chmod(0o666)
    before = os.listdir("/proc/self/fd")
    refusal(file.parent / "up" / file.name)
    list_trusted(str(file.parent / "up"))
    file.chmod(stat.S_IRUSR)
    read_trusted(str(file), 100)
    assert os.listdir("/proc/self/fd") == before


def test_a_name_that_is_no_text_can_be_printed() -> None:
    assert trust.shown_path("/a/\udcff") == "/a/\\xff"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_may_read_is_refused_with_the_command_to_run(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_trusted(str(file), 2) == b"{}"
    with pytest.raises(InvalidInputError, match="Run: chmod 0600"):
        read_trusted(str(file), 2, private=True)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_of_its_owner_alone_is_read(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_trusted(str(file), 2, private=True) == b"{}"
