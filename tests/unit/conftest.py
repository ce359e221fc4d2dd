"""Unit tests touch nothing outside of their own process.

The clock is refused to the product's own modules by name, since pytest, hypothesis and logging need it
themselves. `datetime.now` is written in C and cannot be refused this way: the import tests do that.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

_PRODUCT = ("dockerup", "cc_dockerup")
_CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")
_PROGRAMS = ("system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "execv", "execve")


class ForbiddenInUnitTestError(AssertionError):
    """A unit test reached out of its process."""


# Once for all of them: sixteen replacements for each of some thousand tests take longer than the tests.
@pytest.fixture(scope="package", autouse=True)
def _unit_tests_stay_inside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as replace:
        for name in ("connect", "connect_ex", "bind", "sendto"):
            replace.setattr(socket.socket, name, _refuse(f"socket.{name}"))
        replace.setattr(socket, "getaddrinfo", _refuse("getaddrinfo"))
        replace.setattr(subprocess.Popen, "__init__", _refuse("starting a program"))
        for name in _PROGRAMS:
            replace.setattr(os, name, _refuse(f"os.{name}"))
        _take_away_home(replace)
        for name in _CLOCKS:
            replace.setattr(time, name, _refuse_to_product(f"time.{name}", getattr(time, name)))
        yield


def _take_away_home(replace: pytest.MonkeyPatch) -> None:
    expanduser = os.path.expanduser

    def refuse_home(path: Any) -> Any:
        if os.fspath(path)[:1] in {"~", b"~"}:
            raise ForbiddenInUnitTestError(f"a unit test looked into a home directory: {path}")
        return expanduser(path)

    replace.delenv("HOME", raising=False)
    replace.setattr(os.path, "expanduser", refuse_home)
    replace.setattr(Path, "home", _refuse("Path.home"))


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*_arguments: object, **_more: object) -> Any:
        raise ForbiddenInUnitTestError(f"{what} in a unit test: such a test belongs in tests/engine")

    return refuse


def _refuse_to_product(what: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*arguments: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__", ""))
        if caller.partition(".")[0] in _PRODUCT:
            raise ForbiddenInUnitTestError(f"{what} by {caller} in a unit test: pass the time as an argument")
        return real(*arguments)

    return refuse
