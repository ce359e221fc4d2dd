"""The history: what runs changed on this host, one JSON object a line, in `history.jsonl` of the cache.

A convenience like all of the cache: what cannot be written is lost, and nothing else is. Lines are only ever
added at the end. A line that a power cut tore is passed over by readers, and taken away before the next one
is written; one that a full disk tore is taken away at once. A full file becomes `history.jsonl.1`, in place
of the one before it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from dockerup.files import open_own
from dockerup.history_lines import Entry, as_line, from_line, news, told_once
from dockerup.problems import DockerupError

NAME, OLD_NAME = "history.jsonl", "history.jsonl.1"
LIMIT_BYTES = 1 << 20  # a file that would grow beyond is moved aside
_READ_BYTES = 2 * LIMIT_BYTES  # what is larger is none of ours; its end is read
_TRIES, _PAUSE = 100, 0.01  # seconds between the tries to be the only one who writes
_TAIL_BYTES = 1 << 16  # where a failure is looked for that was written down already


# Writing.


def append(directory: str, entries: Iterable[Entry]) -> None:
    """Add entries to the history in a cache directory; one that cannot be written is left as it is.

    A failure that is the last known of its container already, and stopped nothing, is not written again.
    """
    entries = tuple(entries)
    with suppress(OSError):
        lines = [as_line(entry) for entry in news(entries, _known(directory, entries))]
        if lines:
            _append(directory, lines)


def _known(directory: str, entries: Iterable[Entry]) -> list[Entry]:
    """Return the last entries of the history, where that matters for new ones."""
    if any(map(told_once, entries)):
        with suppress(PermissionError):
            return list(_entries(_tail(os.path.join(directory, NAME), _TAIL_BYTES)[1]))
    return []


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
        entry = from_line(line)
        if entry is not None:
            yield entry
