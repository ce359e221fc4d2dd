"""Reading files that root acts on: only where nobody else could have written, or can exchange, what is read.

Each step of the way is looked at as sudo and sshd do it: owned by root or the running user, and not writable
to group or others, but for directories with the sticky bit (/tmp), where only owners may exchange entries.
What is looked at is what is opened: the way is walked by file descriptors, never by name a second time.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from dockerup.problems import InvalidInputError, Origin, Problem

_MAX_LINKS = 40  # as many as Linux follows (path_resolution(7))
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_TO_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe that nobody writes to would hang without O_NONBLOCK.
_TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def read_trusted(path: str, limit_bytes: int, *, private: bool = False) -> bytes:
    """Return the bytes of a regular file that nobody but root and the running user can have written.

    Raises FileNotFoundError when there is no such file, and InvalidInputError, saying what to run, when
    someone else can write to it or to a directory on its way, or it is no file or above `limit_bytes`.
    With `private` also when someone else can read it.
    """
    with _opened(path, _TO_READ) as (descriptor, real_path):
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(real_path, "this is no regular file", "Put a plain file in its place.")
        if private and status.st_mode & _OTHERS_READ:
            what = f"others may read this secret (mode {stat.S_IMODE(status.st_mode):04o})"
            raise _refusal(real_path, what, f"Run: chmod 0600 {shlex.quote(real_path)}")
        raw = _read_up_to(descriptor, limit_bytes + 1)
    if len(raw) > limit_bytes:
        raise _refusal(real_path, f"the file has more than {limit_bytes} bytes", "Write a smaller file.")
    return raw


def list_trusted(path: str) -> list[str]:
    """Return the sorted names in a directory that nobody but root and the running user can write to.

    Raises as `read_trusted` does.
    """
    with _opened(path, _TO_LIST) as (descriptor, real_path):
        # In a directory like /tmp others may not exchange entries, but they may add some.
        _refuse_others(os.fstat(descriptor), real_path, sticky_helps=False)
        return sorted(os.listdir(descriptor))


def _read_up_to(descriptor: int, most: int) -> bytes:
    chunks, left = [], most
    while left:
        chunk = os.read(descriptor, min(left, 1 << 16))
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


@contextmanager
def _opened(path: str, flags: int) -> Iterator[tuple[int, str]]:
    """Give the descriptor of what `path` leads to, and the path without links, after a trusted way there."""
    try:
        descriptor, real_path = _walk(os.path.abspath(path), flags)
        try:
            yield descriptor, real_path
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is not a directory" if isinstance(error, NotADirectoryError) else error.strerror
        raise _refusal(path, f"it cannot be read: {reason}", "Correct the path or its permissions.") from None


def _walk(path: str, flags: int) -> tuple[int, str]:
    ahead = [part for part in reversed(path.split("/")) if part]
    behind: list[tuple[int, str]] = [_enter(None, "", "/", _TO_WALK if ahead else flags)]
    links = 0
    try:
        while ahead:
            name = ahead.pop()
            parent, parent_path = behind[-1]
            if name == "..":
                os.close(behind.pop()[0]) if len(behind) > 1 else None
                continue
            here = os.path.join(parent_path, name)
            target = _link_target(parent, name, here)
            if target is None:
                behind.append(_enter(parent, name, here, _TO_WALK if ahead else flags))
                continue
            links += 1
            if links > _MAX_LINKS:
                raise _refusal(here, "the links on the way lead round in a circle", "Correct the link.")
            _follow(target, ahead, behind)
        descriptor, real_path = _reopened(behind, flags)
        return descriptor, real_path
    finally:
        for descriptor, _path in behind:
            os.close(descriptor)


def _follow(target: str, ahead: list[str], behind: list[tuple[int, str]]) -> None:
    ahead.extend(part for part in reversed(target.split("/")) if part not in {"", "."})
    while target.startswith("/") and len(behind) > 1:
        os.close(behind.pop()[0])


def _reopened(behind: list[tuple[int, str]], flags: int) -> tuple[int, str]:
    """Take the last descriptor out of the way; one that a link's `..` led to was opened for walking only."""
    descriptor, path = behind[-1]
    if len(behind) == 1 or flags == _TO_LIST:
        return os.open(".", _TO_LIST & ~os.O_NOFOLLOW, dir_fd=descriptor), path
    behind.pop()
    return descriptor, path


def _enter(parent: int | None, name: str, path: str, flags: int) -> tuple[int, str]:
    descriptor = os.open(name or "/", flags, dir_fd=parent)
    try:
        _refuse_others(os.fstat(descriptor), path)
    except BaseException:  # whatever it was, the descriptor is nobody's then
        os.close(descriptor)
        raise
    return descriptor, path


def _link_target(parent: int, name: str, path: str) -> str | None:
    """Return where a symbolic link leads, None for anything else. A link's own mode means nothing."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        return None
    _refuse_owner(status, path, "chown -h")
    return os.readlink(name, dir_fd=parent)


def _refuse_others(status: os.stat_result, path: str, *, sticky_helps: bool = True) -> None:
    _refuse_owner(status, path, "chown")
    sticky_directory = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & _OTHERS_WRITE and not (sticky_helps and sticky_directory):
        what = f"others may write to {path} (mode {stat.S_IMODE(status.st_mode):04o})"
        raise _refusal(path, what, f"Run: chmod go-w {shlex.quote(path)}")


def _refuse_owner(status: os.stat_result, path: str, command: str) -> None:
    if status.st_uid not in {0, os.geteuid()}:
        what = f"{path} belongs to another user (uid {status.st_uid})"
        raise _refusal(path, what, f"Run: {command} root: {shlex.quote(path)}")


def _refusal(path: str, what: str, fix: str) -> InvalidInputError:
    return InvalidInputError(Problem(Origin(shown_path(path)), what, fix))


def shown_path(path: str) -> str:
    """Return a path as it can be printed, be its name text or not."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
