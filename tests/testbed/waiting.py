"""Waiting for a condition with a deadline, and the programs of the private host."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable

POLL_SECONDS = 0.02
SELDOM_SECONDS = 0.1
PATIENCE = 60.0  # seconds, for what takes one or two on a machine that is not busy
# The engine starts several programs in Go for each container and layer; those look for garbage in a tenth of
# the moment that they live.
THRIFTY = {"GOGC": "400"}


class TestbedError(Exception):
    """A part of the private host did not do what it must; the text holds the end of its log."""

    __test__ = False  # its name begins as pytest's test classes do


def wait_until(
    condition: Callable[[], object], what: str, *, seconds: float = PATIENCE, every: float = POLL_SECONDS
) -> None:
    """Return once `condition()` is true, asked `every` so many seconds at first.

    What takes longer is asked for less often, down to each `SELDOM_SECONDS`: a question costs two processes a
    millisecond. Raises TestbedError naming `what` after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TestbedError(f"{what}: not within {seconds:g} seconds")
        time.sleep(every)
        every = max(every, min(every * 1.1, SELDOM_SECONDS))


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, and return once it was taken and all threads of the process rest again.

    Python's handlers run in the first of them, and tell others: those may go on for a while before they have
    their turn on a busy machine. Each has to wait for something from outside. The fields are in proc(5).
    """
    os.kill(pid, number)
    wait_until(lambda: _rests_without(pid, number), f"{number.name} is heard by {pid}")


def _rests_without(pid: int, number: signal.Signals) -> bool:
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    threads = [dict(line.split(":", 1) for line in text.splitlines()) for text in texts]
    pending = [int(one[key], 16) for one in threads for key in ("SigPnd", "ShdPnd")]
    rest = all(one["State"].split()[0] == "S" for one in threads)
    return rest and not any(one & 1 << number - 1 for one in pending)


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Program:
    """One long-running program: started with its output in a file, ended by its process id."""

    def __init__(self, command: Sequence[str], log: Path, more: Mapping[str, str] | None = None) -> None:
        """`more` is what it finds in its environment besides our own."""
        self.name = Path(command[0]).name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(
        self, ready: Callable[[], object], *, seconds: float = PATIENCE, every: float = POLL_SECONDS
    ) -> None:
        """Return once `ready()` is true. Raises TestbedError when the program ends or is late."""

        def ready_or_ended() -> bool:
            return self._process.poll() is not None or bool(ready())

        try:
            wait_until(ready_or_ended, f"{self.name} is ready", seconds=seconds, every=every)
        except TestbedError as late:
            raise TestbedError(f"{late}\n{self.log_end()}") from None
        if self._process.returncode is not None:
            raise TestbedError(f"{self.name} ended with {self._process.returncode}\n{self.log_end()}")

    def wait_until_ended(self, *, seconds: float) -> None:
        """Return once the program has ended by itself. Raises TestbedError when it is late."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TestbedError(f"{self.name} runs on after {seconds:g} seconds\n{self.log_end()}") from None

    def terminate(self, *, seconds: float = PATIENCE) -> None:
        """Ask the program to end and wait for it; kill it when it does not within `seconds`."""
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the program and wait for it."""
        self._process.kill()
        self._process.wait()

    def log_end(self, *, characters: int = 4000) -> str:
        """Return the end of what the program wrote."""
        with self.log.open("rb") as output:
            output.seek(0, os.SEEK_END)
            output.seek(max(0, output.tell() - characters))
            return output.read().decode(errors="replace")
