"""The history: what runs changed on this host, one JSON object a line, in `history.jsonl` of the cache.

A convenience like all of the cache: what cannot be written is lost, and nothing else is. Lines are only ever
added at the end. A line that a power cut tore is passed over by readers, and taken away before the next one
is written; one that a full disk tore is taken away at once. A full file becomes `history.jsonl.1`, in place
of the one before it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

from dockerup.files import open_own
from dockerup.problems import DockerupError, InvalidInputError, Origin, Problem
from dockerup.records import dataclass

NAME, OLD_NAME = "history.jsonl", "history.jsonl.1"
LIMIT_BYTES = 1 << 20  # a file that would grow beyond is moved aside
_READ_BYTES = 2 * LIMIT_BYTES  # what is larger is none of ours; its end is read
_TRIES, _PAUSE = 100, 0.01  # seconds between the tries to be the only one who writes
_TAIL_BYTES = 1 << 16  # where a failure is looked for that was written down already
_TEXT, _WORD = 400, 255  # characters; together they keep a line far below the 16 KiB that tests ask for
_YEAR_10000 = 253402300800.0  # seconds since the epoch; `datetime` knows no later time
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SINCE = "Write how long ago, such as 90m, 12h, 7d or 2w, or a date (UTC), such as 2026-05-31."


@dataclass(frozen=True)
class Entry:
    """What one run changed about one container.

    `run` is the id of the run. `time` is the end of the change, in seconds since the epoch. `action` and
    `reason` are the words of the report. `before` and `after` are the digests of the images (or their ids)
    that the old container had and the new one has, or was to have; "" where there was none. `down` are the
    seconds from the old one's stop to the moment when one served again, None where nothing was stopped for
    another. `proof` are the seconds from the start to the proof, None without one. `outcome` is "done",
    "failed" or "rolled back". `error` is the first line of the error.
    """

    run: str
    time: float
    container: str
    action: str
    reason: str
    before: str = ""
    after: str = ""
    down: float | None = None
    proof: float | None = None
    outcome: str = "done"
    error: str = ""


_WORDS = tuple(key for key, value in asdict(Entry("", 0.0, "", "", "")).items() if isinstance(value, str))


# Writing.


def append(directory: str, entries: Iterable[Entry]) -> None:
    """Add entries to the history in a cache directory; one that cannot be written is left as it is.

    A failure that is the last known of its container already, and stopped nothing, is not written again:
    an image that cannot be pulled is tried each minute.
    """
    with suppress(OSError):
        lines = [_line(entry) for entry in _new(tuple(entries), directory)]
        if lines:
            _append(directory, lines)


def _new(entries: Sequence[Entry], directory: str) -> Iterator[Entry]:
    last: dict[str, Entry] = {}
    if any(entry.outcome != "done" and entry.down is None for entry in entries):
        with suppress(PermissionError):
            raw = _tail(os.path.join(directory, NAME), _TAIL_BYTES)[1]
            last = {entry.container: _timeless(entry) for entry in _entries(raw)}
    for entry in entries:
        known = last.get(_plain(entry.container, _WORD))
        if entry.outcome == "done" or entry.down is not None or known != _timeless(entry):
            yield entry


def _timeless(entry: Entry) -> Entry:
    """Return what two entries of one failure have in common, as it is read again: not the ids in messages."""
    cut = _cut(entry)
    return replace(cut, run="", time=0.0, proof=None, error=re.sub(r"\b[0-9a-f]{12,64}\b", "#", cut.error))


def _append(directory: str, lines: list[bytes]) -> None:
    # A directory that is there keeps its mode: `--cache` may name one that others have to enter.
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, NAME)
    with _alone(path) as descriptor:
        if os.fstat(descriptor).st_size + sum(map(len, lines)) > LIMIT_BYTES:
            _move_aside(descriptor, path)
    with _alone(path) as descriptor:
        end = _cut_torn(descriptor)
        for line in lines:
            if os.write(descriptor, line) != len(line):
                os.ftruncate(descriptor, end)  # the disk is full: the line is absent
                break
            end += len(line)
        os.fsync(descriptor)


@contextmanager
def _alone(path: str) -> Iterator[int]:
    """Open a file to add to it while nobody else does. Raises OSError, also when another does for long."""
    for _ in range(_TRIES):
        with _opened(path) as descriptor:
            if _is_taken(descriptor) and os.lstat(path).st_ino == os.fstat(descriptor).st_ino:
                yield descriptor
                return
        time.sleep(_PAUSE)
    raise BlockingIOError(f"{path} is in use")


def _is_taken(descriptor: int) -> bool:
    """Take the lock of an open file if nobody has it: a run for another engine may have the same cache."""
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open a file to add to it; raises OSError for a link, a pipe, and a file of another user."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise OSError(f"{path} is no file of ours")
        if stat.S_IMODE(status.st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
        yield descriptor
    finally:
        os.close(descriptor)


def _cut_torn(descriptor: int) -> int:
    """Take a line away that a crash tore, so that all lines are whole; returns where the next one begins."""
    size = os.fstat(descriptor).st_size
    begin = max(0, size - _TAIL_BYTES)
    end = begin + os.pread(descriptor, size - begin, begin).rfind(b"\n") + 1
    if end != size:
        os.ftruncate(descriptor, end)
    return end


def _move_aside(descriptor: int, path: str) -> None:
    try:
        os.rename(path, os.path.join(os.path.dirname(path), OLD_NAME))
    except OSError:
        # Something foreign is in the way of the old lines: rather lose them than all that come.
        os.ftruncate(descriptor, 0)


# Reading.


def read(directory: str) -> Iterator[Entry]:
    """Yield the history in a cache directory, oldest first, without what is none of its lines.

    Raises DockerupError when there is one that this user may not read, or that others can write.
    """
    try:
        # The newer file first: should it be moved aside in between, it is met again, by its number.
        number, newer = _tail(os.path.join(directory, NAME), _READ_BYTES)
        old_number, older = _tail(os.path.join(directory, OLD_NAME), _READ_BYTES)
    except PermissionError as error:
        others = "it is another user's, or others can write it. Look at it, and remove it"
        why = others if error.errno == errno.EPERM else f"{error.strerror}. Run dockerup as root"
        raise DockerupError(f"{error.filename} is not read: {why}") from error
    if number != old_number:
        yield from _entries(older)
    yield from _entries(newer)


def last_changes(directory: str) -> dict[str, Entry]:
    """Return the last entry of each container; none where this user may not read the history."""
    with suppress(DockerupError):
        return {entry.container: entry for entry in read(directory)}
    return {}


def _tail(path: str, most: int) -> tuple[int, bytes]:
    """Return the inode number of a file and its last bytes, `most` of them; (0, b"") without one.

    Raises PermissionError for one that this user may not read (EACCES), or that others can write (EPERM).
    """
    try:
        with open(path, "rb", opener=open_own) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return 0, b""
            file.seek(max(0, status.st_size - most))
            raw = file.read(most)
    except PermissionError:
        raise
    except OSError:
        return 0, b""
    return status.st_ino, raw


def _entries(raw: bytes) -> Iterator[Entry]:
    for line in raw.split(b"\n"):
        entry = _parsed(line)
        if entry is not None:
            yield entry


def _parsed(line: bytes) -> Entry | None:
    """Return the entry that a line holds, None for a line of another form."""
    try:
        value = json.loads(line)
        return _entry(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError, OverflowError):
        return None


def _entry(value: Mapping[str, Any]) -> Entry | None:
    words = {key: value.get(key) or "" for key in _WORDS}
    time = _seconds(value.get("time"))
    if time is None or not all(isinstance(word, str) for word in words.values()):
        return None
    if not words["container"] or not words["action"]:
        return None
    down, proof = _seconds(value.get("down")), _seconds(value.get("proof"))
    return _cut(Entry(time=time, down=down, proof=proof, **words))


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = float(value)
    return number if math.isfinite(number) and 0 <= number < _YEAR_10000 else None


# Form.


def _cut(entry: Entry) -> Entry:
    """Return an entry whose texts have one line each, of bounded length, fit for a terminal."""
    most = {**dict.fromkeys(_WORDS, _WORD), "reason": _TEXT, "error": _TEXT}
    texts: dict[str, Any] = {key: _plain(getattr(entry, key), most[key]) for key in _WORDS}
    return replace(entry, **texts)


def _plain(text: str, most: int) -> str:
    line = (text.splitlines() or [""])[0]
    plain = "".join(character if character.isprintable() else "?" for character in line[: most + 1])
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _line(entry: Entry) -> bytes:
    return f"{as_json(entry)}\n".encode()


def as_json(entry: Entry) -> str:
    """Return an entry as a JSON object in one line."""
    return json.dumps(as_object(entry), ensure_ascii=False, allow_nan=False)


def as_object(entry: Entry) -> dict[str, Any]:
    """Return what JSON is made of an entry: None for what there was not, times in seconds."""
    found: dict[str, Any] = asdict(_cut(entry))
    for key, value in found.items():
        found[key] = round(value, 3) if isinstance(value, float) else value if value != "" else None
    return found


def table(entries: Sequence[Entry]) -> str:
    """Return entries as a table with a heading, in their order; times are UTC, the same on all hosts."""
    heading = ("TIME (UTC)", "CONTAINER", "ACTION", "OUTCOME", "BEFORE", "AFTER", "DOWN", "PROOF", "WHY")
    cells = [heading, *map(_cells, entries)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells
    )


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        utc(entry.time, "%Y-%m-%d %H:%M:%S"),
        entry.container,
        entry.action,
        entry.outcome,
        _short_digest(entry.before),
        _short_digest(entry.after),
        "-" if entry.down is None else f"{entry.down:.1f} s",
        "-" if entry.proof is None else f"{entry.proof:.1f} s",
        "; ".join(filter(None, (entry.reason, entry.error))),
    )


def utc(seconds: float, form: str) -> str:
    """Return a moment, in seconds since the epoch, in a form of `strftime`, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(form)


def _short_digest(digest: str) -> str:
    return (digest.rpartition(":")[2] or "-")[:12]


def since(text: str, now: float) -> float:
    """Return what `--since` means, in seconds since the epoch: so long before `now`, or a date in UTC.

    Raises InvalidInputError for what is neither.
    """
    ago = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        date = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        what = f'"{text}" is neither a span of time nor a date'
        raise InvalidInputError(Problem(Origin("--since"), what, _SINCE)) from None
