"""Saying something on stdout and stderr, each of which may be closed, full, or a pipe that nobody reads."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO


def prepare() -> None:
    """Make stdout and stderr take any text: a closed one leads nowhere, what has no code is escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # for as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def tell(lines: Iterable[object], stream: TextIO) -> None:
    """Print lines at once, to whoever can be told: that nobody can changes nothing of what is done."""
    for line in lines:
        with suppress(OSError):
            print(line, file=stream, flush=True)


def show(text: str, end: str = "\n") -> None:
    """Print on stdout what somebody asked to see. Raises OSError where it cannot be written."""
    print(text, end=end, flush=True)


def let_go() -> None:
    """Give up what could not be written: Python would end with exit code 120 for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
