"""Small files: written so that a reader finds the old one or the new one, also after a power loss."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from contextlib import suppress

# Programs that read whole directories, such as cron and cloud-init, pass over names that end like this.
_TEMPORARY = ".dockerup-{}-{}"  # of a process and its thread: several may write at once
_LEFT = re.compile(r".+\.dockerup-([0-9]+)-[0-9]+")


def write_whole(path: str, raw: bytes) -> None:
    """Put a file in place at once, 0600 in a directory that is 0700. Raises OSError."""
    make_private(os.path.dirname(path))
    replace_file(path, raw, 0o600)
    _clear_up(os.path.dirname(path))


def replace_file(path: str, raw: bytes, mode: int) -> None:
    """Put a file in place at once, in a directory that is there. Raises OSError."""
    temporary = path + _TEMPORARY.format(os.getpid(), threading.get_ident())
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:  # whatever it was, no half of a file stays
        os.unlink(temporary)
        raise
    _sync_directory(os.path.dirname(path))


def make_private(directory: str) -> None:
    """Make a directory, and its parents, that only its owner can enter. Raises OSError, also for a link."""
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    mode = os.lstat(directory).st_mode
    if stat.S_ISLNK(mode):
        # What it leads to belongs to somebody else, who may need it open.
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory)
    if stat.S_IMODE(mode) != 0o700:
        os.chmod(directory, 0o700)


def open_own(path: str, flags: int) -> int:
    """Be an `opener` of `open` for what was written here: no link, no pipe that waits, nobody else's file.

    Others' would say where logins go, and which registry needs no certificate.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if status.st_uid in {0, os.geteuid()} and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return descriptor
    os.close(descriptor)
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)


def _clear_up(directory: str) -> None:
    """Take away what processes were writing here when they were killed, as far as it can be."""
    for name in os.listdir(directory):
        left = _LEFT.fullmatch(name)
        if left and not os.path.exists(f"/proc/{left[1]}"):
            with suppress(OSError):
                os.unlink(os.path.join(directory, name))


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
