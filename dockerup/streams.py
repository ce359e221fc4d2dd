"""What the engine goes on telling: the end of a pull, and what happens to containers.

With the Docker SDK, and so imported late.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import requests
from docker import errors as docker_errors
from docker.types import CancellableStream

from dockerup.engine_error import ODD, EngineError, no_json, raise_for
from dockerup.records import dataclass
from dockerup.sdk import told
from dockerup.snapshot import ContainerId


@dataclass(frozen=True)
class Event:
    """Something that happened to a container; `kind` is the engine's: "die", "health_status: healthy"."""

    container_id: ContainerId
    kind: str


class Stream:
    """What the engine tells, an object of JSON a line: read by one thread, once; any other may close it."""

    def __init__(self, response: requests.Response, verb: str, subject: str) -> None:
        self._response = response
        self._verb, self._subject = verb, subject
        self._closing = CancellableStream((), response)

    def __iter__(self) -> Iterator[Any]:
        """Yield what comes until the engine ends it. Raises EngineError when it is cut off."""
        try:
            with told(self._verb, self._subject):
                for line in filter(bytes.strip, self._response.iter_lines()):
                    yield self._object(line)
        finally:
            self._response.close()

    def _object(self, line: bytes) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise no_json(f"{self._verb} {self._subject}") from None

    def close(self) -> None:
        """End the reading, soon; more than once is no harm. The reader then gets any error at all."""
        with suppress(OSError, AttributeError, docker_errors.DockerException):
            self._closing.close()


class Events:
    """What happens to containers from now on, to be read by one thread, once; any other may close it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Event]:
        """Yield the events as they come, until the engine goes or the stream is closed."""
        # A stream that another thread closes in the middle of a read ends with any of these,
        # and what is no event ends it too: whoever waits looks by himself then, until there is a new one.
        with suppress(EngineError, OSError, *ODD):
            for raw in self._stream:
                yield Event(ContainerId(raw["Actor"]["ID"]), str(raw["Action"]))

    def close(self) -> None:
        """End the reading, soon; more than once is no harm."""
        self._stream.close()


def stream_of(response: requests.Response, verb: str, subject: str) -> Stream:
    """Return what an answer of the engine goes on to tell. Raises EngineError for a refusal."""
    try:
        raise_for(response, f"{verb} {subject}")
    except EngineError:
        response.close()
        raise
    return Stream(response, verb, subject)
