"""How an engine is spoken to: asked by the standard library where that can be, all else by the Docker SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Callable

from dockerup.engine_error import CALL_TIMEOUT, EngineError
from dockerup.local_engine import Answer, LocalEngine

_NOTHING: Mapping[str, object] = {}


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
        return self._sdk_for(self.api_version)

    def ready(self) -> None:
        """Make the SDK's client, before threads need it. Raises ImportError where it cannot be loaded."""
        self._sdk_for(self.api_version)

    def _sdk_for(self, api_version: str) -> Any:
        if self._made is None:
            from dockerup.sdk import client_of

            with told("connect to the engine", self._engine):
                self._made = client_of(self._engine, api_version, self._environ)
        return self._made

    def url(self, path: str) -> str:
        """Return the URL by which the SDK's client asks for `path`."""
        return f"{self.sdk.base_url}/v{self.api_version}{path}"

    def renew(self) -> None:
        """Learn the version of the API that the engine has now; the SDK's client is made anew for it."""
        self.close()
        if self._local is None:
            self.api_version = str(self._sdk_for("auto").api_version)
        else:
            self.api_version = _told_version(self._local, f"connect to the engine {self._engine}")
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
        query: Mapping[str, object] = _NOTHING,
        seconds: float = CALL_TIMEOUT,
    ) -> Answer:
        """Return the answer to GET `path`. Raises EngineError where there is none."""
        if self._local is not None:
            return self._local.get(f"{verb} {subject}", f"/v{self.api_version}{path}", query, seconds)
        with told(verb, subject, seconds):
            response = self.sdk.get(self.url(path), params=query, timeout=seconds)
        return Answer(f"{verb} {subject}", response.status_code, response.headers, response.content)


def _told_version(engine: LocalEngine, what: str) -> str:
    said = engine.get(what, "/version", _NOTHING, CALL_TIMEOUT).body
    try:
        return str(said["ApiVersion"])
    except (KeyError, TypeError):
        raise EngineError(what, None, "it does not tell the version of its API") from None
