"""Requests to a registry by the standard library alone: HTTP and TLS, over connections that are kept.

`requests` takes longer to load than a run with nothing to do takes for everything else. It is used where more
is wanted than this: see `dockerup.http_session`.
"""

from __future__ import annotations

import functools
import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Callable, Union
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from dockerup import __version__

_HEADERS = {"User-Agent": f"dockerup/{__version__}"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_IN_URLS = "!#$%&'()*+,/:;=?@[]~"  # as `requests` leaves them
# What may go wrong with a request, here and with `requests`, whose errors are OSErrors.
FAULTS = (OSError, http.client.HTTPException, ValueError)

# The file with the authorities that are trusted; True: those of Python; False: nothing is verified.
Roots = Union[str, bool]


class ConnectTimeoutError(OSError):
    """There was no connection in time."""


class ReadTimeoutError(OSError):
    """There was no answer in time, or not the whole of it."""


class PlainResponse:
    """An answer, as `requests` would give it: its body is read once, and then it is closed."""

    def __init__(self, url: str, response: http.client.HTTPResponse, done: Callable[[bool], None]) -> None:
        """`done` is told when nobody reads any more, and whether all was read."""
        self.url = url
        self.status_code = response.status
        self.headers = _Headers(response)
        self._response = response
        self._done = done

    def iter_content(self, size: int) -> Iterator[bytes]:
        """Yield the body in pieces. Raises OSError and HTTPException for one that breaks off."""
        with _in_time():
            yield from iter(lambda: self._response.read(size), b"")
        # To http.client, a body that broke off is whole when it is asked for by pieces.
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)

    def close(self) -> None:
        """Let the connection be used again where the body was read to its end, close it otherwise."""
        done, self._done = self._done, _nothing
        done(self._response.isclosed())


class PlainSession:
    """Kept connections to the servers that one registry leads to. Threads may ask side by side."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._closed = False
        self._idle: dict[object, list[_Connection]] = {}
        self._contexts: dict[Roots, ssl.SSLContext] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Mapping[str, str] | None,
        timeout: tuple[float, float],
        verify: Roots,
        **_more: Any,
    ) -> PlainResponse:
        """Return the answer to one request. `timeout`: for the connection and for each part of an answer.

        Raises OSError, HTTPException and ValueError.
        """
        parts = urlsplit(url)
        body = None if data is None else urlencode(data)
        sent = {**_HEADERS, **headers, **(_FORM if body is not None else {})}
        connection = self._connection(parts, verify)
        try:
            with _in_time():
                connection.set_timeouts(*timeout)
                connection.request(method, _target(parts), body, sent)
                response = connection.getresponse()
            if method == "HEAD":
                response.read()
        except FAULTS:
            connection.close()
            self._close_idle(connection.key)  # which are likely to be gone as well
            raise
        answer = PlainResponse(url, response, functools.partial(self._give_back, connection))
        if method == "HEAD":
            answer.close()
        return answer

    def close(self) -> None:
        """Close the connections that are idle, and each of the others when its answer was read."""
        self._closed = True
        for key in list(self._idle):
            self._close_idle(key)

    def _connection(self, parts: SplitResult, verify: Roots) -> _Connection:
        if parts.scheme not in ("https", "http"):
            raise ValueError("neither https nor http")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        key = (parts.scheme, parts.hostname, port, verify)
        with self._lock:
            if self._idle.get(key):
                return self._idle[key].pop()
            context = self._context(verify) if parts.scheme == "https" else None
        return _Connection(parts.hostname or "", port, context, key)

    def _give_back(self, connection: _Connection, whole: bool) -> None:
        with self._lock:
            if whole and connection.sock is not None and not self._closed:
                self._idle.setdefault(connection.key, []).append(connection)
                return
        connection.close()

    def _context(self, verify: Roots) -> ssl.SSLContext:
        if verify not in self._contexts:
            self._contexts[verify] = _new_context(verify)
        return self._contexts[verify]

    def _close_idle(self, key: object) -> None:
        with self._lock:
            kept = self._idle.pop(key, [])
        for one in kept:
            one.close()


class _Connection(http.client.HTTPConnection):
    """One connection to a server, with TLS or without. `key` is what it may be used for again."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, key: object) -> None:
        super().__init__(host, port)
        self.key = key
        self.default_port = 443 if context else 80
        self._context = context
        self._read_timeout = 0.0

    def set_timeouts(self, connect: float, read: float) -> None:
        """Set how long to wait for the connection, and then each time for the other side, in seconds."""
        self.timeout, self._read_timeout = connect, read
        if self.sock is not None:
            self.sock.settimeout(read)

    def connect(self) -> None:
        """Connect, with a handshake where it is to be TLS."""
        try:
            sock = socket.create_connection((self.host, self.port), self.timeout)
        except (socket.timeout, TimeoutError) as error:  # two, before Python 3.10
            raise ConnectTimeoutError(str(error)) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(sock, server_hostname=self.host) if self._context else sock
        self.sock.settimeout(self._read_timeout)


class _Headers(Mapping[str, str]):
    """The headers of an answer; those that came twice as one, as HTTP has it (RFC 9110, 5.3)."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._message = response.headers

    def __getitem__(self, name: str) -> str:
        found = self._message.get_all(name)
        if found is None:
            raise KeyError(name)
        return ", ".join(found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._message)

    def __len__(self) -> int:
        return len(self._message)


def _nothing(_whole: bool) -> None:
    """Do nothing: it was closed before."""


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except (socket.timeout, TimeoutError) as error:
        raise ReadTimeoutError(str(error)) from error


def _target(parts: SplitResult) -> str:
    path = f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"
    return quote(path, safe=_IN_URLS)


def _new_context(verify: Roots) -> ssl.SSLContext:
    """Return what a handshake is held to: what Python asks for, and never less than `requests` does."""
    if verify is False:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        # The flags that Python asks for differ from version to version, as they do in `requests`.
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    return context
