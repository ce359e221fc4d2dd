"""Secrets that containers get as files: kept in memory, in a directory that only root enters.

They are mounts of files below /run, which a reboot empties. With copies in the cache the engine could start
such a container by itself after a reboot; but then each secret lies on the disk a second time, in every
snapshot and image that is made of it. So after a reboot the engine's own start fails (the source of the
mount is gone, and it does not try again), and the first run of dockerup, at boot or within a minute by
cron, puts the files back and starts it: a container with such a secret starts that much later, and never
without it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from dockerup.files import make_private, replace_file
from dockerup.keys.files import SecretFile
from dockerup.state import lock_path


def secrets_directory(url: str, environ: Mapping[str, str]) -> str:
    """Return where the secrets for the containers of an engine are."""
    return lock_path(url, environ, os.geteuid()).rpartition(".")[0] + ".secrets"


def place(directory: str, wanted: Iterable[SecretFile]) -> list[str]:
    """Put the files in place that are not there as they should be; returns notes on what went wrong.

    A file that is right is left as it is: containers hold on to that very file.
    """
    files = list(wanted)
    try:
        if files:
            make_private(directory)
        for one in files:
            path = os.path.join(directory, one.file_name)
            if not _is_there(path, one):
                replace_file(path, one.content, one.mode)
    except OSError as error:
        return [f"secrets cannot be put into {directory}: {error.strerror}"]
    return []


def clear(directory: str, needed: Collection[str]) -> None:
    """Take away the files of which neither an entry nor a container has need; `needed` are their paths."""
    with suppress(OSError):
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if path not in needed:
                os.unlink(path)


def _is_there(path: str, one: SecretFile) -> bool:
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != one.mode:
            return False
        with open(path, "rb") as file:
            return file.read(len(one.content) + 1) == one.content
    except OSError:
        return False
