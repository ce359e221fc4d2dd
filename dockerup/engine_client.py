"""How an engine is spoken to: asked by the standard library where that can be, all else by the Docker SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

from dockerup.engine_error import CALL_TIMEOUT
from dockerup.engine_json import api_version_from
from dockerup.local_engine import Answer, LocalEngine

if TYPE_CHECKING:
    import requests

NOTHING: Mapping[str, object] = {}
_LEAST = "1.41"  # for the SDK, until the engine has told its own


def forget(_version: str) -> None:
    """Keep nothing of the version that an engine speaks."""


@contextmanager
def told(verb: str, subject: str, seconds: float = CALL_TIMEOUT) -> Iterator[None]:
    """Turn what the SDK raises into an EngineError: see `dockerup.sdk`, loaded once something is done."""
    from dockerup import sdk

    with sdk.told(verb, subject, seconds):
        yield


class EngineClient:
    """The calls to one engine, in one version of its API."""

    def __init__(
        self, url: str, environ: Mapping[str, str], api_version: str | None, learned: Callable[[str], None]
    ) -> None:
        self._engine = url
        self._environ = environ
        self._learned = learned
        self._local = LocalEngine.at(url)
        self._made: Any = None
        self.api_version = api_version or ""
        if api_version is None:
            self.renew()

    @property
    def sdk(self) -> Any:
        """The SDK's client, which is made for the first call that needs it."""
        if self._made is None:
            from dockerup.sdk import client_of

            with told("connect to the engine", self._engine):
                self._made = client_of(self._engine, self.api_version or _LEAST, self._environ)
        return self._made

    def ready(self) -> None:
        """Make the SDK's client, before threads need it. Raises ImportError where it cannot be loaded."""
        _ = self.sdk

    def url(self, path: str) -> str:
        """Return the URL by which the SDK's client asks for `path`."""
        return f"{self.sdk.base_url}/v{self.api_version}{path}"

    def renew(self) -> None:
        """Learn the version of the API that the engine has now; the SDK's client is made anew for it."""
        answer = self._get("connect to the engine", self._engine, "/version", NOTHING, CALL_TIMEOUT)
        self.api_version = answer.read(api_version_from)
        self.close()
        self._learned(self.api_version)

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            self._made.close()
            self._made = None

    def ask(
        self,
        verb: str,
        subject: str,
        path: str,
        query: Mapping[str, object] = NOTHING,
        seconds: float = CALL_TIMEOUT,
    ) -> Answer:
        """Return the answer to GET `path`. Raises EngineError where there is none."""
        return self._get(verb, subject, f"/v{self.api_version}{path}", query, seconds)

    def _get(self, verb: str, subject: str, path: str, query: Mapping[str, object], seconds: float) -> Answer:
        if self._local is not None:
            return self._local.get(f"{verb} {subject}", path, query, seconds)
        with told(verb, subject, seconds):
            response = self.sdk.get(f"{self.sdk.base_url}{path}", params=query, timeout=seconds)
        return answer_of(f"{verb} {subject}", response)


def answer_of(what: str, response: requests.Response) -> Answer:
    """Return what was answered to `what` by way of the SDK."""
    return Answer(what, response.status_code, response.headers, response.content)
