"""What outlives a run: the lock, and conveniences in the cache directory.

Losing the cache loses nothing that matters: what cannot be read is as if it were not there, what cannot be
written is left. The truth is on the engine, in labels.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from dockerup.files import make_private, open_own, write_whole
from dockerup.problems import DockerupError
from dockerup.records import dataclass

_VERSION = re.compile(r"1\.(?:2[4-9]|[3-9][0-9]|[1-9][0-9]{2,3})")  # those that the SDK takes
ENGINE_FOR = 3600  # seconds that what the engine told of itself is taken as known

_ENGINE, _ADOPTED, _IN_PLACE = "engine.json", "adopted.json", "in-place.json"
_MADE_UP_ID = re.compile(r"(?<![\w:])[0-9a-f]{64}\b")  # no digest, which has its algorithm before a colon
_MOST_BYTES = 1 << 24  # of a file: some hundred tokens of registries, of 16 KiB each
_END = 1e11  # seconds since the epoch, which no clock shows, and of which a date can still be made
_BEGIN = 1767225600.0  # 2026: a clock that shows less is not set yet, as at the boot of some hosts


class BusyError(DockerupError):
    """Another run holds the lock. `pid` is its process (0: unknown), `seconds` how long it has had it."""

    def __init__(self, pid: int, seconds: float) -> None:
        super().__init__(f"another run (process {pid or 'unknown'}) has been at it for {seconds:.0f} seconds")
        self.pid = pid
        self.seconds = seconds


def lock_path(url: str, environ: Mapping[str, str], uid: int) -> str:
    """Return the path of the lock file of an engine: one for each, in a directory that a reboot empties."""
    if url.startswith("unix://"):
        url = "unix://" + os.path.realpath(url[len("unix://") :])
    if uid == 0:
        directory = "/run/dockerup"
    else:
        directory = os.path.join(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}", "dockerup")
    return os.path.join(directory, f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.lock")


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock that dies with the process. Raises BusyError at once when another process has it."""
    try:
        make_private(os.path.dirname(path))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DockerupError(
            f"the lock {path} cannot be made: {error.strerror}. Run dockerup as root, or set XDG_RUNTIME_DIR"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(descriptor) from None
        with suppress(OSError):  # without room it is held all the same, by somebody unknown
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": time.monotonic()}).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _busy(descriptor: int) -> BusyError:
    with suppress(ValueError, KeyError, TypeError, OSError):
        holder = json.loads(os.pread(descriptor, 1000, 0))
        return BusyError(int(holder["pid"]), max(0.0, time.monotonic() - float(holder["since"])))
    return BusyError(0, 0.0)


@dataclass(frozen=True)
class Cache:
    """The cache directory. Every value in it is a convenience."""

    directory: str

    def read(self, name: str) -> dict[str, Any]:
        """Return a stored object, {} when there is none that can be read."""
        try:
            with open(os.path.join(self.directory, "state", name), "rb", opener=open_own) as file:
                value = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Store an object if it differs from what is stored; a cache that cannot be written is left."""
        if self.read(name) != value:
            with suppress(OSError):
                raw = json.dumps(value, sort_keys=True).encode()
                write_whole(os.path.join(self.directory, "state", name), raw)

    def api_version(self, url: str, now: float) -> str | None:
        """Return the API version that an engine had lately, None when it has to be asked."""
        said = self._engine_said(url, "api", now)
        # The SDK takes any text for a version, and falls over it later.
        return said if isinstance(said, str) and _VERSION.fullmatch(said) else None

    def keep_api_version(self, url: str, version: str, now: float) -> None:
        """Remember the API version of an engine, and nothing of before: it may be another by now."""
        self.write(_ENGINE, {url: {"api": {"said": version, "at": now}}})

    def engine_info(self, url: str, now: float) -> dict[str, Any] | None:
        """Return what an engine told of itself lately, None when it has to be asked."""
        said = self._engine_said(url, "info", now)
        return said if isinstance(said, dict) else None

    def keep_engine_info(self, url: str, info: Mapping[str, Any], now: float) -> None:
        """Remember what an engine told of itself."""
        known = self.read(_ENGINE).get(url)
        before = known if isinstance(known, dict) else {}
        self.write(_ENGINE, {url: {**before, "info": {"said": dict(info), "at": now}}})

    def forget_engine(self) -> None:
        """Have the engine asked again: it may have been upgraded, or set up anew."""
        self.write(_ENGINE, {})

    def in_place(self) -> dict[str, str] | None:
        """Return what is remembered of containers that were changed in place, by id: see `Snapshot.in_place`.

        None when nothing is: then any container may have been. Ids are those of one engine, whatever the way
        to it is called.
        """
        known = self.read(_IN_PLACE).get("has")
        if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
            return None
        return known

    def keep_in_place(self, known: Mapping[str, str]) -> None:
        """Remember what is known of containers; what cannot be kept is better forgotten."""
        self.write(_IN_PLACE, {"has": dict(known)})
        if self.in_place() != known:
            with suppress(OSError):
                os.unlink(os.path.join(self.directory, "state", _IN_PLACE))

    def _engine_said(self, url: str, what: str, now: float) -> object:
        known = self.read(_ENGINE).get(url)
        found = known.get(what) if isinstance(known, dict) else None
        if not isinstance(found, dict):
            return None
        age = now - _moment(found.get("at"), _END)
        return found.get("said") if 0 <= age < ENGINE_FOR else None

    def first_seen(self, digests: Collection[str], now: float) -> dict[str, float]:
        """Return when each digest was first asked for, in seconds since the epoch; new ones: now.

        A time after now was told by a clock that was set back since, and is now from here on. What a clock
        tells that is not set yet is not kept: it would make each image old.
        """
        known = self.read("seen.json")
        if now < _BEGIN:
            return {one: min(_moment(known.get(one), now), now) for one in digests}
        seen = {one: _past(known.get(one), _BEGIN, now) for one in digests}
        if seen != known:
            self.write("seen.json", seen)
        return seen

    def unneeded_since(self, image_ids: Collection[str], now: float) -> dict[str, float]:
        """Return since when each image has been unneeded, in seconds since the epoch; new ones: now.

        Others are forgotten: they are needed again, or gone. A time after now is now from here on.
        """
        known = self.read("unneeded.json")
        since = {one: _past(known.get(one), 0, now) for one in image_ids}
        if since != known:
            self.write("unneeded.json", since)
        return since

    def adopted(self, url: str) -> dict[str, dict[str, str]]:
        """Return the labels under which the adopted containers of an engine are seen, by container."""
        known = self.read(_ADOPTED).get(url)
        return {
            container_id: {str(key): str(value) for key, value in labels.items()}
            for container_id, labels in (known.items() if isinstance(known, dict) else ())
            if isinstance(labels, dict)
        }

    def keep_adopted(self, url: str, records: Mapping[Any, Mapping[str, str]]) -> None:
        """Remember the labels of the adopted containers of an engine, and nothing of others of it."""
        rest = {other: known for other, known in self.read(_ADOPTED).items() if other != url}
        own = {url: {one: dict(labels) for one, labels in records.items()}} if records else {}
        self.write(_ADOPTED, {**rest, **own})

    def news(self, lines: list[str]) -> list[str]:
        """Return the lines that the last call did not have, and remember these: said once is known."""
        marks = {_mark(line): line for line in lines}
        known = self.read("said.json").get("said", [])
        self.write("said.json", {"said": sorted(marks)})
        return [line for mark, line in marks.items() if not isinstance(known, list) or mark not in known]


def _mark(line: str) -> str:
    """Return by what a line is known again: that an id in it is another one does not make it news."""
    return hashlib.sha256(_MADE_UP_ID.sub("#", line).encode(errors="replace")).hexdigest()[:16]


def _moment(kept: object, otherwise: float) -> float:
    """Return a time that was kept, in seconds since the epoch, `otherwise` for what is none."""
    return float(kept) if isinstance(kept, (int, float)) and 0 <= kept < _END else otherwise


def _past(kept: object, begin: float, now: float) -> float:
    """Return a time that was kept, in seconds since the epoch, `now` for what lies not between both."""
    when = _moment(kept, now)
    return when if begin <= when <= now else now
