"""What an engine on a socket of this host says when it is asked, by the standard library alone.

Docker's SDK and `requests` take longer to load than a run with nothing to do takes for everything else. Such
a run only asks; what changes something, goes on for long or goes to another host is the SDK's.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Protocol
from urllib.parse import urlencode

from dockerup import __version__
from dockerup.engine_error import EngineError, message_in, why_unreached
from dockerup.records import dataclass

_SCHEME = "unix://"
_HEADERS = {"User-Agent": f"dockerup/{__version__}"}


class Headers(Protocol):
    """The headers of an answer, whichever library has read them."""

    def get(self, name: str, failobj: str, /) -> str: ...


@dataclass(frozen=True)
class Answer:
    """What an engine answered to `what`, a refusal too; `headers` are found in any case of theirs."""

    what: str
    status: int
    headers: Headers
    text: bytes

    @property
    def body(self) -> Any:
        """The answer, parsed. Raises EngineError for a refusal."""
        return self._parsed(self._taken())

    @property
    def body_if_there(self) -> Any:
        """The answer, parsed, None for what the engine has not. Raises EngineError as `body` does."""
        return None if self.status == 404 else self.body

    @property
    def lines(self) -> list[Any]:
        """The lines of the answer, each parsed. Raises EngineError for a refusal."""
        return [self._parsed(line) for line in self._taken().splitlines()]

    def _taken(self) -> bytes:
        if self.status >= 400:
            raise EngineError(self.what, self.status, message_in(self.text.decode("utf-8", "replace")))
        return self.text

    def _parsed(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise EngineError(self.what, None, "it told what is no JSON") from None

    @property
    def podman(self) -> bool:
        """Whether the engine is podman, which speaks the same API with some words of its own."""
        return self.headers.get("Server", "").startswith("Libpod")


class LocalEngine:
    """The engine behind one socket. Each question has a connection of its own: threads may ask at once."""

    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def at(cls, url: str) -> LocalEngine | None:
        """Return the engine at a URL, None where that is no plain path of a socket."""
        return cls(url[len(_SCHEME) :]) if url.startswith(f"{_SCHEME}/") else None

    def get(self, what: str, path: str, query: Mapping[str, object], seconds: float) -> Answer:
        """Return the answer to a GET; `seconds` may pass without a byte of it.

        Raises EngineError where there is none: `what` says what was tried.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            with closing(_Connection(self._path, seconds)) as connection:
                connection.request("GET", target, headers=_HEADERS)
                response = connection.getresponse()
                text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(what, None, why_unreached(error, seconds)) from error
        return Answer(what, response.status, response.headers, text)


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket of this host."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
