"""Pull an image: bounded in time, tried again where a connection was cut, ended at once when asked to.

The engine resumes downloads itself, `max-download-attempts` (5) times, 5 seconds later each time. An error
that it tells came after that, or is one that it does not try again, as all that come before the first layer.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Callable, Protocol

from dockerup.engine_error import EngineError
from dockerup.listener import Told
from dockerup.pull_errors import passes
from dockerup.pull_progress import Progress, advance

# Seconds, all of them.
PAUSES = (1.0, 4.0)  # before the second try and before the third
STOP_NOTICED = 0.25
_SLACK = 5.0  # a read ends by itself so long after the pull that it was for

JITTER = 0.25  # of a pause, more or less: a fleet whose registry stumbled comes back little by little
_END = object()


class Stream(Protocol):
    """What an engine tells of a pull; see `dockerup.streams.Stream`."""

    def __iter__(self) -> Iterator[Any]: ...
    def close(self) -> None: ...


Begin = Callable[[float], Stream]


def pull(name: str, begin: Begin, timeout: float, stop: threading.Event, told: Told) -> bool:
    """Return True once an image is here, False when `stop` was set before.

    `begin` asks the engine for it, and fails after so many seconds without a word. `timeout` is in seconds
    for all tries together. `told` is told the progress four times a second at least. Raises EngineError when
    the image cannot be had, or not in time.
    """
    return _Pull(name, begin, timeout, stop, told).run()


class _Pull:
    """The pull of one image, with all of its tries."""

    def __init__(self, name: str, begin: Begin, timeout: float, stop: threading.Event, told: Told) -> None:
        self._name = name
        self._begin = begin
        self._timeout = timeout
        self._stop = stop
        self._told = told
        self._deadline = time.monotonic() + timeout
        self._before = ""

    def run(self) -> bool:
        attempt = 1
        while True:
            try:
                return self._try(Progress(attempt=attempt))
            except EngineError as error:
                if attempt > len(PAUSES) or self._left() <= 0 or not passes(error.text):
                    raise self._failed(error, attempt) from error
                self._before = f"; before that: {error.text}"
            pause = PAUSES[attempt - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
            if self._stop.wait(min(pause, self._left())):
                return False
            attempt += 1

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def _try(self, progress: Progress) -> bool:
        with closing(_Reader(self._begin, self._left() + _SLACK)) as reader:
            while not self._stop.is_set():
                self._told(progress)
                if not self._left():
                    raise self._late(progress)
                try:
                    event = reader.news.get(timeout=min(self._left(), STOP_NOTICED))
                except queue.Empty:
                    continue
                if event is _END:
                    return True
                self._raise_for(event)
                progress = advance(progress, event)
        return False

    def _raise_for(self, event: object) -> None:
        if isinstance(event, Exception):
            raise event
        if isinstance(event, Mapping) and "error" in event:
            raise EngineError(f"pull {self._name}", None, str(event["error"]))

    def _late(self, progress: Progress) -> EngineError:
        said = f"it took longer than pull_timeout allows ({self._timeout:g} s): {progress.says()}"
        return EngineError(f"pull {self._name}", None, said + self._before)

    def _failed(self, error: EngineError, attempt: int) -> EngineError:
        tries = f" (tried {attempt} times)" if attempt > 1 else ""
        return EngineError(f"pull {self._name}", error.status, f"{error.text}{tries}")


class _Reader:
    """One try: what the engine tells is read by a thread of its own, since nobody can wait for it and a stop.

    `news` holds the events as they come, in the end `_END` or the exception.
    """

    def __init__(self, begin: Begin, seconds: float) -> None:
        self.news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._closed = False
        # A daemon: an engine that has not answered yet cannot be hung up on. The end of the process does
        # that, and else the end of `seconds`.
        threading.Thread(target=self._read, args=(begin, seconds), name="pull", daemon=True).start()

    def _read(self, begin: Begin, seconds: float) -> None:
        try:
            stream = begin(seconds)
            with self._lock:
                self._stream, closed = stream, self._closed
            if closed:
                stream.close()
            for event in stream:
                self.news.put(event)
            self.news.put(_END)
        except Exception as fault:  # told to whoever waits, if anybody still does
            self.news.put(fault)

    def close(self) -> None:
        """Hang up: the engine gives the pull up, unless it is through."""
        with self._lock:
            self._closed, stream = True, self._stream
        if stream is not None:
            stream.close()
