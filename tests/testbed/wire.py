"""A wire to the registry: it passes TCP on as bytes, and can be cut, stopped or slowed down in the middle."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

_PIECE = 16384


@dataclass(frozen=True)
class Fault:
    """What happens to a connection that has brought more than so many bytes from the registry.

    `cut`: it ends; else it stays open and brings nothing more. `times`: so many connections have it, and
    later ones are good; None: all.
    """

    after: int
    cut: bool
    times: int | None = None


class Wire:
    """A port on loopback, `host`, that leads to another. `fault` may be set at any time, None is a good wire.

    `speed` is in bytes a second for each connection, None: as fast as can be.
    """

    def __init__(self, target: str) -> None:
        self.fault: Fault | None = None
        self.speed: float | None = None
        self.faults = 0  # so many connections had one
        self._target = target
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Wire:
        self._in_thread(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        with self._lock:
            ends, threads = [self._listener, *self._open], list(self._threads)
        _hang_up(ends)
        self._listener.close()
        for thread in threads:
            thread.join()

    def _in_thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                self._in_thread(lambda near=near: self._serve(near))  # type: ignore[misc]

    def _serve(self, near: socket.socket) -> None:
        host, _colon, port = self._target.partition(":")
        with near, contextlib.suppress(OSError), socket.create_connection((host, int(port))) as far:
            with self._lock:
                self._open |= {near, far}
            upward = self._in_thread(lambda: _pass_up(near, far))
            with contextlib.suppress(OSError):
                self._pass_down(far, near)
            upward.join()
            with self._lock:
                self._open -= {near, far}

    def _pass_down(self, far: socket.socket, near: socket.socket) -> None:
        brought = 0
        while piece := far.recv(_PIECE):
            fault = self._due(brought + len(piece))
            if fault is not None:
                near.sendall(piece[: max(fault.after - brought, 0)])
                if fault.cut:
                    _hang_up([near])
                return
            near.sendall(piece)
            brought += len(piece)
            if self.speed:
                self._end.wait(len(piece) / self.speed)
        _hang_up([near])

    def _due(self, brought: int) -> Fault | None:
        with self._lock:
            fault = self.fault
            if fault is None or brought <= fault.after or self.faults == fault.times:
                return None
            self.faults += 1
            return fault


def _pass_up(near: socket.socket, far: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := near.recv(_PIECE):
            far.sendall(piece)
    _hang_up([near, far])  # whoever asked has gone: nobody reads the answer


def _hang_up(ends: Sequence[socket.socket]) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
