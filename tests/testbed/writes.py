"""What a process changes in some directories, each change held up until a test has been asked.

The process is a child of the test's. In it the functions of `os` that change files ask first, through a
socket: before the change, and once more when half of a text is written. So a test can end the process at any
of these moments. An audit hook tells of changes that came another way, which no test would see otherwise.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# The events of https://docs.python.org/3/library/audit_events.html that change files, with the path's place.
_AUDITED = {
    "open": 0,
    "os.chmod": 0,
    "os.link": 1,
    "os.mkdir": 0,
    "os.remove": 0,
    "os.rename": 1,
    "os.rmdir": 0,
    "os.symlink": 1,
    "os.truncate": 0,
}
UNASKED = "unasked "


@dataclass(frozen=True)
class Write:
    """A change that waits: its number from 1, what is done, to which file, and by which process."""

    number: int
    verb: str
    path: Path
    pid: int

    def __str__(self) -> str:
        return f"{self.verb} {self.path.name}"


# The test's side.


class Gate:
    """The test's end of the socket, and how a command is started behind it."""

    def __init__(self, *directories: Path) -> None:
        self._ours, self._childs = socket.socketpair()
        self._directories = [str(one) for one in directories]

    def start(self, command: Sequence[str], env: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
        """Start `python -m MODULE ...` so that it asks here."""
        python, dash_m, *rest = command
        assert dash_m == "-m"
        settings = json.dumps([self._childs.fileno(), self._directories])
        with self._childs:
            return subprocess.Popen(
                [python, "-m", __name__, settings, *rest],
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[self._childs.fileno()],
            )

    def fork(self, work: Callable[[], object]) -> int:
        """Do work in a child that asks here; returns the child's id."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._ours.close()
                _ask_first(self._childs, self._directories)
                work()
                code = 0
            finally:
                os._exit(code)
        self._childs.close()
        return pid

    def writes(self) -> Iterator[Write]:
        """Yield each change that waits; it is made once the next is asked for."""
        with (
            self._ours,
            self._ours.makefile("rwb", buffering=0) as talk,
            contextlib.suppress(ConnectionResetError),  # it was killed before it read the answer
        ):
            for number, line in enumerate(talk, start=1):
                verb, path, pid = json.loads(line)
                assert not verb.startswith(UNASKED), f"{verb} {path}: a change that nobody can hold up"
                yield Write(number, verb, Path(path), pid)
                with contextlib.suppress(BrokenPipeError):
                    talk.write(b"\n")


# The child's side.

_asked = threading.local()


def _ask_first(connection: socket.socket, directories: Sequence[str]) -> None:
    """From now on, ask before each change of what is in the directories, or of themselves."""
    talk = connection.makefile("rwb", buffering=0)
    one_at_a_time = threading.Lock()

    def ask(verb: str, path: str) -> None:
        with one_at_a_time:
            talk.write(json.dumps([verb, path, os.getpid()]).encode() + b"\n")
            talk.readline()

    def watched(path: str) -> bool:
        return any(path == one or path.startswith(one + os.sep) for one in directories)

    _patch(ask, watched)
    sys.addaudithook(lambda event, arguments: _audit(event, arguments, ask, watched))


def _audit(
    event: str, arguments: tuple[Any, ...], ask: Callable[[str, str], None], watched: Callable[[str], bool]
) -> None:
    if event not in _AUDITED or getattr(_asked, "now", False):
        return
    if event == "open" and not arguments[2] & _CHANGING:
        return
    path = _path(arguments[_AUDITED[event]])
    if watched(path) and not (event == "os.mkdir" and os.path.isdir(path)):
        ask(UNASKED + event, path)


def _path(given: Any) -> str:
    if isinstance(given, int):
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/self/fd/{given}")
        return ""
    return os.path.abspath(os.fsdecode(given))


@contextlib.contextmanager
def _known() -> Iterator[None]:
    _asked.now = True
    try:
        yield
    finally:
        _asked.now = False


def _patch(ask: Callable[[str, str], None], watched: Callable[[str], bool]) -> None:
    def asking(name: str, place: int = 0) -> None:
        real = getattr(os, name)

        def first(*arguments: Any, **more: Any) -> Any:
            path = _path(arguments[place])
            nothing_new = (name == "open" and not arguments[1] & _CHANGING) or (
                name == "mkdir" and os.path.isdir(path)
            )
            if nothing_new or not watched(path):
                return real(*arguments, **more)
            ask(name, path)
            with _known():
                return real(*arguments, **more)

        setattr(os, name, first)

    for name in ("open", "mkdir", "chmod", "fchmod", "truncate", "ftruncate", "unlink", "remove", "rmdir"):
        asking(name)
    for name in ("rename", "replace", "link", "symlink"):
        asking(name, 1)
    _patch_texts(ask, watched)


def _patch_texts(ask: Callable[[str, str], None], watched: Callable[[str], bool]) -> None:
    """What writes a text writes it in two halves."""
    write, pwrite, fdopen = os.write, os.pwrite, os.fdopen

    def halves(descriptor: int, data: Any, put: Callable[[Any, int], int]) -> int:
        path = _path(descriptor)
        half = len(data) // 2
        ask("write", path)
        done = put(data[:half], 0)
        ask("write the rest of", path)
        return done + put(data[half:], half)

    def in_halves(descriptor: int, data: Any) -> int:
        if not watched(_path(descriptor)):
            return write(descriptor, data)
        return halves(descriptor, data, lambda part, _at: write(descriptor, part))

    def at_in_halves(descriptor: int, data: Any, offset: int) -> int:
        if not watched(_path(descriptor)):
            return pwrite(descriptor, data, offset)
        return halves(descriptor, data, lambda part, at: pwrite(descriptor, part, offset + at))

    class InHalves(io.FileIO):
        def write(self, data: Any) -> int:
            return halves(self.fileno(), bytes(data), lambda part, _at: io.FileIO.write(self, part))

    def buffered(descriptor: int, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        if mode != "wb" or not watched(_path(descriptor)):
            return fdopen(descriptor, mode, *arguments, **more)
        with _known():
            return io.BufferedWriter(InHalves(descriptor, "w"))

    changed: dict[str, Any] = {"write": in_halves, "pwrite": at_in_halves, "fdopen": buffered}
    for name, function in changed.items():
        setattr(os, name, function)


def main() -> None:
    """Run a module as a program, as `python -m` does, behind the gate of the process that started this."""
    descriptor, directories = json.loads(sys.argv[1])
    module = sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    _ask_first(socket.socket(fileno=descriptor), directories)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
