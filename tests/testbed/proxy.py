"""A proxy before the engine's socket that records each call, and lets a test act at call number k.

It passes HTTP/1.1 on as bytes (RFC 9112): requests and answers with a length or in chunks, answers that end
with the connection, and upgraded connections. An answer that streams, as a pull's, is passed on as it comes,
and so is a client's hanging up.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Callable

_PIECE = 65536
_VERSION = re.compile(r"^/v\d+\.\d+")


@dataclass(frozen=True)
class Call:
    """One request to the engine. `number` counts from 1 over all clients; `path` has no API version."""

    number: int
    method: str
    path: str
    query: str
    client_pid: int
    status: int = 0  # 0: the engine has not answered yet

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class CutError(Exception):
    """Raised by a hook: drop the connection. Before the call the engine never sees it."""


class RefusalError(Exception):
    """Raised by a `before` hook: answer with this error in the engine's place."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


Hook = Callable[[Call], None]


def _nothing(_call: Call) -> None:
    """The hook of a proxy that only records."""


def kill_client(call: Call) -> None:
    """Kill the process that made the call (SIGKILL), and drop its connection."""
    os.kill(call.client_pid, signal.SIGKILL)
    raise CutError


def at_call(number: int, act: Hook) -> Hook:
    """Return a hook that acts at the call with that number, and at no other."""

    def hook(call: Call) -> None:
        if call.number == number:
            act(call)

    return hook


class EngineProxy:
    """The running proxy; its `url` is what the client under test is given.

    `before` is called when a request has come and the engine has not seen it. `after` is called when the
    engine has begun to answer and the client has not seen it; its call has the answer's status.
    """

    def __init__(self, engine_socket: Path, directory: Path) -> None:
        self.url = f"unix://{directory / 'proxy.sock'}"
        self.before: Hook = _nothing
        self.after: Hook = _nothing
        self._engine_socket = engine_socket
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "proxy.sock"))
        self._listener.listen(64)

    @property
    def calls(self) -> list[Call]:
        """The calls so far, each with the status of its answer, in the order of their coming."""
        with self._lock:
            return list(self._calls)

    def forget(self) -> None:
        """Forget the calls so far: the next has number 1 again."""
        with self._lock:
            self._calls.clear()

    def start(self) -> None:
        """Start to pass calls on."""
        self._in_thread(self._accept)

    def stop(self) -> None:
        """Drop every connection and wait until nothing is passed on any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()

    def _in_thread(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self._in_thread(lambda client=client: self._serve(client))  # type: ignore[misc]

    def _serve(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._known(client))
            engine = stack.enter_context(self._known(socket.socket(socket.AF_UNIX)))
            # A connection that either side drops is the end of this thread's work, not a fault of the test.
            stack.enter_context(contextlib.suppress(OSError, EOFError, CutError))
            engine.connect(str(self._engine_socket))
            from_client = stack.enter_context(client.makefile("rb"))
            from_engine = stack.enter_context(engine.makefile("rb"))
            while self._pass_one_call(client, engine, from_client, from_engine):
                pass

    @contextlib.contextmanager
    def _known(self, connection: socket.socket) -> Iterator[socket.socket]:
        with self._lock:
            self._open.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            # A thread that still looks at it holds a closed connection open.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _pass_one_call(
        self, client: socket.socket, engine: socket.socket, from_client: IO[bytes], from_engine: IO[bytes]
    ) -> bool:
        request = _read_head(from_client)
        call = self._record(request, _peer_pid(client))
        try:
            self.before(call)
        except RefusalError as refusal:
            client.sendall(_refusal_bytes(refusal))
            return False
        engine.sendall(request.data)
        for piece in request.body(from_client):
            engine.sendall(piece)
        self._in_thread(lambda: _hang_up_too(client, engine))
        answer = _read_head(from_engine)
        self.after(self._answered(call, answer.status))
        client.sendall(answer.data)
        if answer.status == 101:
            _pass_both_ways(client, engine, from_client, from_engine)
            return False
        for piece in answer.body(from_engine, answers_head=call.method == "HEAD"):
            client.sendall(piece)
        return answer.keeps_open

    def _record(self, request: _Head, client_pid: int) -> Call:
        method, target, _version = request.first_line.split(" ", 2)
        path, _mark, query = target.partition("?")
        with self._lock:
            call = Call(len(self._calls) + 1, method, _VERSION.sub("", path), query, client_pid)
            self._calls.append(call)
        return call

    def _answered(self, call: Call, status: int) -> Call:
        answered = replace(call, status=status)
        with self._lock:
            if call in self._calls:
                self._calls[self._calls.index(call)] = answered
        return answered


@dataclass(frozen=True)
class _Head:
    """The head of a request or an answer: the bytes as they came, and what they say."""

    data: bytes
    first_line: str
    fields: dict[str, str]

    @property
    def status(self) -> int:
        return int(self.first_line.split(" ", 2)[1])

    @property
    def is_answer(self) -> bool:
        return self.first_line.startswith("HTTP/")

    @property
    def keeps_open(self) -> bool:
        return self.fields.get("connection", "").lower() != "close" and self._has_end

    @property
    def _has_end(self) -> bool:
        return "content-length" in self.fields or self._is_chunked or self._has_no_body

    @property
    def _is_chunked(self) -> bool:
        return "chunked" in self.fields.get("transfer-encoding", "").lower()

    @property
    def _has_no_body(self) -> bool:
        return not self.is_answer or self.status < 200 or self.status in {204, 304}

    def body(self, stream: IO[bytes], *, answers_head: bool = False) -> Iterator[bytes]:
        """Yield the body in pieces, as they come, framing and all."""
        if answers_head or (self.is_answer and self._has_no_body):
            return iter(())
        if self._is_chunked:
            return _chunks(stream)
        if "content-length" in self.fields:
            return _counted(stream, int(self.fields["content-length"]))
        return _rest(stream) if self.is_answer else iter(())


def _read_head(stream: IO[bytes]) -> _Head:
    lines = list(iter(lambda: _line(stream), b"\r\n"))
    pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
    fields = {name.strip().lower(): value.strip() for name, _colon, value in pairs}
    return _Head(b"".join(lines) + b"\r\n", lines[0].decode("latin-1").rstrip("\r\n"), fields)


def _line(stream: IO[bytes]) -> bytes:
    line = stream.readline(_PIECE)
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    size = -1
    while size != 0:
        line = _line(stream)
        yield line
        size = int(line.partition(b";")[0], 16)
        if size:
            yield from _counted(stream, size + len(b"\r\n"))
    trailer = b""
    while trailer != b"\r\n":
        trailer = _line(stream)
        yield trailer


def _counted(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        piece = stream.read1(min(size, _PIECE))  # type: ignore[attr-defined]  # a BufferedReader
        if not piece:
            raise EOFError
        size -= len(piece)
        yield piece


def _rest(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read1(_PIECE), b"")  # type: ignore[attr-defined]


def _pass_both_ways(
    client: socket.socket, engine: socket.socket, from_client: IO[bytes], from_engine: IO[bytes]
) -> None:
    def pass_on(stream: IO[bytes], sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for piece in _rest(stream):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    upward = threading.Thread(target=pass_on, args=(from_client, engine), daemon=True)
    upward.start()
    pass_on(from_engine, client)
    upward.join()


def _hang_up_too(client: socket.socket, engine: socket.socket) -> None:
    """Tell the engine when a client goes before its answer came: until then, or its next call, wait."""
    with contextlib.suppress(OSError):
        if not client.recv(1, socket.MSG_PEEK):
            engine.shutdown(socket.SHUT_RDWR)


def _refusal_bytes(refusal: RefusalError) -> bytes:
    body = json.dumps({"message": refusal.message}).encode()
    head = f"HTTP/1.1 {refusal.status} Refused\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _peer_pid(client: socket.socket) -> int:
    size = struct.calcsize("3i")  # struct ucred, see unix(7)
    pid, _uid, _gid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(pid)
