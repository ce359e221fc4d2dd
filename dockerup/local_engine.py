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
from typing import Any, Callable, Protocol
from urllib.parse import urlencode

from dockerup import __version__
from dockerup.engine_error import EngineError, T, meant, message_in, no_json, of_another_kind, why_unreached
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
    def found(self) -> bool:
        """Whether the engine has what was asked for."""
        return self.status != 404

    def read(self, meaning: Callable[[Any], T]) -> T:
        """Return what the answer means. Raises EngineError for a refusal, and for what the API has not."""
        return meant(meaning, self.body, self.what)

    def each(self, meaning: Callable[[Any], T]) -> tuple[T, ...]:
        """Return what each element of the answer, a list, means. Raises EngineError as `read` does."""
        found = self.body
        if not isinstance(found, list):
            raise of_another_kind(found, self.what, "the answer", "a list")
        return tuple(
            meant(meaning, one, self.what, f"element {number} of the answer")
            for number, one in enumerate(found, 1)
        )

    def each_line(self, meaning: Callable[[Any], T]) -> tuple[T, ...]:
        """Return what each line of the answer means. Raises EngineError as `read` does."""
        return tuple(
            meant(meaning, self._parsed(line), self.what, f"line {number} of the answer")
            for number, line in enumerate(self._taken().splitlines(), 1)
        )

    def _taken(self) -> bytes:
        if self.status >= 400:
            raise EngineError(self.what, self.status, message_in(self.text.decode("utf-8", "replace")))
        return self.text

    def _parsed(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise no_json(self.what) from None

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
