"""The file of the history: lines that are whole or absent, bounded, and a table that a person can read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup import cli
from dockerup.history import LIMIT_BYTES, NAME, OLD_NAME, append, last_changes, read
from dockerup.history_lines import Entry, as_json, as_line, since, table
from dockerup.problems import DockerupError, InvalidInputError

NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
AT = ("2027-01-15 08:00:00",)
OLD, NEW = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
WEB = Entry("run-1", NOW, "web", "replaced", "newer image", OLD, NEW, 0.412, 10.25)
FAILED = replace(WEB, outcome="failed", down=None, proof=None, error="pull: no such image")

texts = st.text(max_size=600)
seconds = st.none() | st.floats(0, 1e9, allow_nan=False)
entries = st.builds(
    Entry,
    run=texts,
    time=st.floats(0, 4e9),
    container=texts,
    action=texts,
    reason=texts,
    before=texts,
    after=texts,
    down=seconds,
    proof=seconds,
    outcome=texts,
    error=texts,
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def put(cache: Path, raw: bytes, name: str = NAME) -> Path:
    cache.mkdir(exist_ok=True)
    (cache / name).write_bytes(raw)
    return cache / name


def names(cache: Path) -> list[str]:
    return [entry.container for entry in read(str(cache))]


def named(name: str) -> Entry:
    return replace(WEB, container=name)


def assert_whole_lines(cache: Path) -> None:
    """Look with another program's eyes: each line is JSON."""
    raw = (cache / NAME).read_bytes()
    assert raw.endswith(b"\n")
    assert all(json.loads(line)["container"] for line in raw.splitlines())


# Lines.


def test_what_is_appended_is_read_oldest_first(cache: Path) -> None:
    assert list(read(str(cache))) == []
    append(str(cache), [WEB, FAILED])
    append(str(cache), [named("last")])
    assert list(read(str(cache))) == [WEB, FAILED, named("last")]


def test_nothing_is_written_when_nothing_changed(cache: Path) -> None:
    append(str(cache), [])
    assert not cache.exists()


def test_file_and_new_directory_are_their_owners_alone(cache: Path) -> None:
    append(str(cache), [WEB])
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE((cache / NAME).stat().st_mode) == 0o600


def test_file_that_others_could_read_is_closed_to_them(cache: Path) -> None:
    put(cache, b"").chmod(0o644)
    append(str(cache), [WEB])
    assert stat.S_IMODE((cache / NAME).stat().st_mode) == 0o600


def test_directory_that_was_there_keeps_its_mode(cache: Path) -> None:
    """`--cache /tmp` must not lock everybody else out of it."""
    cache.mkdir()
    cache.chmod(0o755)
    append(str(cache), [WEB])
    assert stat.S_IMODE(cache.stat().st_mode) == 0o755


@given(entries)
def test_every_entry_is_one_bounded_line_that_a_terminal_can_show(entry: Entry) -> None:
    line = as_json(entry)
    assert "\n" not in line
    assert line.isprintable()
    assert len(line.encode()) < 1 << 14


@given(st.lists(entries.filter(lambda entry: bool(entry.container and entry.action)), max_size=5))
def test_lines_say_what_the_entries_said_once_these_are_cut(
    tmp_path_factory: pytest.TempPathFactory, written: list[Entry]
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    append(str(cache), [replace(entry, outcome="done") for entry in written])
    found = list(read(str(cache)))
    append(str(cache / "again"), found)
    kept = [entry for entry in found if entry.container and entry.action]
    assert list(read(str(cache / "again"))) == kept
    assert [round(entry.time, 3) for entry in found] == [entry.time for entry in found]


def test_only_the_first_line_of_an_error_is_kept(cache: Path) -> None:
    append(str(cache), [replace(FAILED, error="it died\npassword=hunter2\n")])
    assert [entry.error for entry in read(str(cache))] == ["it died"]
    assert b"hunter2" not in (cache / NAME).read_bytes()


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b"\n", b"{", b"}", b'"time":1'])).map(b"".join))
def test_foreign_bytes_are_passed_over_and_the_next_line_is_whole(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    put(cache, raw)
    append(str(cache), [WEB])
    assert list(read(str(cache)))[-1:] == [WEB]
    assert (cache / NAME).read_bytes().startswith(raw[: raw.rfind(b"\n") + 1])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
odd_objects = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("run", "time", "container", "action", "down", "before", "error"), json_values)
)


@given(st.lists(json_values | odd_objects, max_size=5))
def test_lines_of_other_forms_never_stop_a_reader(
    tmp_path_factory: pytest.TempPathFactory, values: list[object]
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    put(cache, b"".join(json.dumps(value).encode() + b"\n" for value in values))
    found = list(read(str(cache)))
    table(found).encode()
    assert all(entry.container and entry.action for entry in found)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"time":1e999,"container":"a","action":"b"}',
        b'{"time":true,"container":"a","action":"b"}',
        b"\xff\n",
        b"9" * 9999,
    ],
)
def test_lines_that_a_parser_chokes_on_are_passed_over(cache: Path, raw: bytes) -> None:
    put(cache, raw)
    assert list(read(str(cache))) == []


@pytest.mark.parametrize("length", range(1, 60, 7))
def test_torn_line_is_absent_once_the_next_is_written(cache: Path, length: int) -> None:
    append(str(cache), [named("first"), named("second")])
    with (cache / NAME).open("rb+") as file:
        file.truncate(file.seek(0, os.SEEK_END) - length)
    append(str(cache), [named("third")])
    assert names(cache) == ["first", "third"]
    assert_whole_lines(cache)


def test_full_disk_leaves_whole_lines(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, raw: write(descriptor, raw[:20]))
        append(str(cache), [named("torn"), named("not begun")])
    assert (cache / NAME).read_bytes() == b""
    append(str(cache), [WEB])
    assert names(cache) == ["web"]
    assert_whole_lines(cache)


def test_two_writers_wait_for_each_other(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(str(cache), [named("first")])
    other = os.open(cache / NAME, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            os.close(other)

    monkeypatch.setattr("dockerup.history.time.sleep", sleep)
    append(str(cache), [named("second")])
    assert (names(cache), len(slept)) == (["first", "second"], 3)


def test_writer_that_has_the_file_for_long_costs_lines_and_nothing_else(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(str(cache), [named("first")])
    monkeypatch.setattr("dockerup.history.time.sleep", lambda _seconds: None)
    with (cache / NAME).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        append(str(cache), [named("second")])
    append(str(cache), [named("third")])
    assert names(cache) == ["first", "third"]


# Failures that go on.


def test_failure_that_goes_on_is_written_once(cache: Path) -> None:
    for number in range(3):
        error = f"start {number:012x}: no such program"
        append(str(cache), [replace(FAILED, run=str(number), time=NOW + number, error=error)])
    assert [entry.run for entry in read(str(cache))] == ["0"]


@pytest.mark.parametrize(
    "change",
    [{"error": "another"}, {"down": 0.5}, {"after": OLD}, {"container": "other"}, {"outcome": "done"}],
)
def test_failure_that_is_another_one_or_took_something_down_is_written(
    cache: Path, change: dict[str, str]
) -> None:
    append(str(cache), [FAILED])
    append(str(cache), [replace(FAILED, **change)])  # type: ignore[arg-type]
    assert len(list(read(str(cache)))) == 2


def test_failure_is_written_again_once_something_else_was_in_between(cache: Path) -> None:
    for entry in (FAILED, WEB, FAILED):
        append(str(cache), [entry])
    assert list(read(str(cache))) == [FAILED, WEB, FAILED]


# Size.


def test_full_file_becomes_the_old_one_and_both_are_read_in_order(cache: Path) -> None:
    pad = "x" * 300
    for number in range(3 * LIMIT_BYTES // 60_000):
        append(str(cache), [replace(named(f"{number}-{at}"), reason=pad) for at in range(100)])
        assert all(path.stat().st_size <= LIMIT_BYTES for path in cache.iterdir())
    assert sorted(path.name for path in cache.iterdir()) == [NAME, OLD_NAME]
    found = [(int(run), int(at)) for run, _, at in (name.partition("-") for name in names(cache))]
    assert found == sorted(found)
    assert found[-1] == (number, 99)
    assert (cache / OLD_NAME).stat().st_size > 0.9 * LIMIT_BYTES


def test_only_the_end_of_a_huge_file_is_read_and_it_is_moved_aside(cache: Path) -> None:
    with put(cache, b"").open("rb+") as file:
        file.truncate(1 << 34)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + as_line(WEB))
    assert list(read(str(cache))) == [WEB]
    append(str(cache), [named("next")])
    assert (cache / NAME).stat().st_size < 1000
    assert names(cache) == ["web", "next"]


def test_something_foreign_in_the_old_ones_place_does_not_end_the_history(cache: Path) -> None:
    put(cache, b"x" * LIMIT_BYTES)
    (cache / OLD_NAME).mkdir()
    append(str(cache), [WEB])
    append(str(cache), [named("next")])
    assert names(cache) == ["web", "next"]
    assert (cache / NAME).stat().st_size < 2000


def test_file_that_is_moved_aside_while_it_is_read_is_read_once(cache: Path) -> None:
    append(str(cache), [WEB])
    os.link(cache / NAME, cache / OLD_NAME)  # what a reader sees that opens it before and after the rename
    assert list(read(str(cache))) == [WEB]


# What stands in the file's place.


def test_links_are_neither_written_nor_read_through(cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(as_line(WEB))
    cache.mkdir()
    (cache / NAME).symlink_to(elsewhere)
    append(str(cache), [named("next")])
    assert elsewhere.read_bytes() == as_line(WEB)
    assert list(read(str(cache))) == []


def test_directory_pipe_or_file_in_the_way_loses_the_history_alone(cache: Path, tmp_path: Path) -> None:
    (cache / NAME).mkdir(parents=True)
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / NAME)
    (tmp_path / "file").write_text("a file where the directory belongs")
    for directory in (cache, tmp_path / "pipe", tmp_path / "file"):
        append(str(directory), [WEB])
        assert list(read(str(directory))) == []
    assert (tmp_path / "file").read_text() == "a file where the directory belongs"


# People.


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("90m", NOW - 5400),
        ("12h", NOW - 43200),
        ("7d", NOW - 604800),
        ("2w", NOW - 1209600),
        ("2027-01-15", NOW - 8 * 3600),
        ("2027-01-15T08:00:00", NOW),
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T10:00:00+02:00", NOW),
    ],
)
def test_since_is_a_span_or_a_date_in_utc(text: str, begin: float) -> None:
    assert since(text, NOW) == begin


@pytest.mark.parametrize(
    "text", ["", "7", "7 d", "7days", "-7d", "1.5h", "yesterday", "2027-13-01", "d", "\u0667d"]
)
def test_since_that_is_neither_says_what_to_write(text: str) -> None:
    with pytest.raises(
        InvalidInputError, match="Write how long ago, such as 90m, 12h, 7d or 2w, or a date"
    ) as bad:
        since(text, NOW)
    assert bad.value.exit_code == 2
    assert f'--since: "{text}" is neither' in str(bad.value)


@given(st.text(max_size=12))
def test_since_never_raises_anything_else(text: str) -> None:
    with contextlib.suppress(InvalidInputError):
        assert isinstance(since(text, NOW), float)


def test_table_is_aligned_in_utc_with_short_digests_and_all_that_went_wrong() -> None:
    gone = Entry("run-2", NOW + 60, "a-longer-name", "removed", "no longer listed", OLD)
    lines = table([WEB, gone, replace(FAILED, after="")]).splitlines()
    assert [re.split("  +", line) for line in lines] == [
        ["TIME (UTC)", "CONTAINER", "ACTION", "OUTCOME", "BEFORE", "AFTER", "DOWN", "PROOF", "WHY"],
        [*AT, "web", "replaced", "done", "ab" * 6, "cd" * 6, "0.4 s", "10.2 s", "newer image"],
        ["2027-01-15 08:01:00", "a-longer-name", "removed", "done", "ab" * 6, *"---", "no longer listed"],
        [*AT, "web", "replaced", "failed", "ab" * 6, *"---", "newer image; pull: no such image"],
    ]
    assert len({line.index(why) for line, why in zip(lines, ("WHY", "newer", "no longer", "newer"))}) == 1


def test_command_shows_one_container_as_lines(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(str(cache), [WEB, named("other"), FAILED])
    assert cli.main(["--cache", str(cache), "history", "web", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["outcome"] for line in lines] == ["done", "failed"]
    assert (lines[0]["down"], lines[0]["error"], lines[1]["down"]) == (0.412, None, None)


def test_command_without_history_says_so(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--cache", str(cache), "history"]) == 0
    assert capsys.readouterr().out == f"No changes are in the history in {cache}.\n"
    assert cli.main(["--cache", str(cache), "history", "web"]) == 0
    assert capsys.readouterr().out == f"No changes of web are in the history in {cache}.\n"
    assert cli.main(["--cache", str(cache), "history", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_file_that_others_can_write_is_not_read_and_the_next_line_makes_it_ours_again(cache: Path) -> None:
    append(str(cache), [WEB])
    (cache / NAME).chmod(0o666)
    with pytest.raises(DockerupError, match=r"is not read: .*others can write it\."):
        list(read(str(cache)))
    assert last_changes(str(cache)) == {}

    append(str(cache), [FAILED])

    assert list(read(str(cache))) == [WEB, FAILED]
