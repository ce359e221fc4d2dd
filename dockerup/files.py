"""Writing small files so that a reader finds the old one or the new one, also after a power loss."""

from __future__ import annotations

import os
import stat


def write_whole(path: str, raw: bytes) -> None:
    """Put a file in place at once, 0600 in a directory that is 0700. Raises OSError."""
    directory = os.path.dirname(path)
    make_private(directory)
    temporary = os.path.join(directory, f".new-{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(directory)


def make_private(directory: str) -> None:
    """Make a directory, and its parents, that only its owner can enter."""
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    if stat.S_IMODE(os.stat(directory).st_mode) != 0o700:
        os.chmod(directory, 0o700)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
