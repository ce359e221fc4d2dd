"""Wait until containers are proven: by the engine's events, one stream of them for all waits at once.

An event says that it is time to look; what is true is what an inspection tells (`dockerup.proof.judge`). One
stands for itself: "oom", since an engine kills a child process for memory and shows it in no inspection
while the container goes on (seen on 20.10). Time is the monotonic clock's: the wall clock may jump.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dockerup.engine import Engine
from dockerup.engine_error import EngineError
from dockerup.outcome import RefusedError
from dockerup.output import harmless
from dockerup.problems import DockerupError
from dockerup.proof import GOING, Verdict, judge, without
from dockerup.snapshot import ContainerId, Detail
from dockerup.steps import Goal, Prove

if TYPE_CHECKING:
    from dockerup.streams import Events

# Seconds, all of them.
CHECK_SLACK = 5.0  # beyond the time in which a health check has to come to its end
STRETCH_SLACK = 5.0  # beyond a stretch that is longer than the deadline
FIRST_TRY = 5.0  # for the events stream to be opened, before the first look
LOOK_AGAIN = 1.0  # after news, and from look to look without a stream
RECONNECT = 1.0  # from one try to open the stream to the next
STOP_NOTICED = 0.25
LOOK_TIMEOUT = 10.0
OOM_AFTER = 0.5
CLOSE_TIMEOUT = 2.0

LOG_LINES = 20
INDENT = "    "
KILLED = 137  # the exit code of a process that a SIGKILL ended, the kernel's for memory as well

# What ends a stretch of undisturbed running. A broken stream does: the engine was started again.
BROKEN, BACK, OOM = "stream broken", "stream back", "oom"
_DISTURBING = frozenset({"start", "die", OOM, "pause", "unpause", BROKEN})
_KINDS = frozenset({"start", "die", OOM, "pause", "unpause", "destroy", "health_status"})

Mailbox = queue.SimpleQueue[str]


class NotProvenError(DockerupError):
    """A container did not reach its goal: `why`, in words that follow its name, then the end of its log."""

    def __init__(self, why: str, lines: Collection[str] = ()) -> None:
        said = [f"{INDENT}{line}" for line in lines]
        super().__init__("\n".join([why, *said]))
        self.why = why
        self.lines = tuple(lines)


class Watch:
    """All waits on the containers of one engine. Threads may wait side by side."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._feed = _Feed(engine)

    def close(self) -> None:
        """End the events stream, which the first wait opened."""
        self._feed.close()

    def prove(
        self, container_id: ContainerId, step: Prove, stop: threading.Event, hide: Collection[str] = ()
    ) -> bool:
        """Return True once a container is proven, False when that is not known yet.

        It is not when `stop` was set, and when a job still runs at its deadline: it goes on, and the next
        run looks again; one that took another's place is proven by then. Raises NotProvenError when it
        failed or was not in time, with no value of `hide` in it, and RefusedError when somebody removed it.
        """
        if stop.is_set():
            return False
        began = time.monotonic()
        with self._feed.news_of(container_id) as mailbox:
            return _Wait(self._engine, container_id, step, hide, mailbox, self._feed, began).run(stop)

    def why_not_well(self, container_id: ContainerId, hide: Collection[str] = ()) -> str:
        """Return why one that was started lately did not last, then the end of its log; "" where it did.

        No value of `hide` is in it. "" as well where the engine cannot tell.
        """
        with suppress(EngineError):
            detail = self._engine.detail(container_id, LOOK_TIMEOUT)
            if detail is None:
                return ""
            verdict, why = judge(without(detail, hide), Goal.PROVEN, job=detail.restart == "no")
            if verdict is Verdict.FAILED:
                return str(NotProvenError(why, self._engine.last_lines(container_id, LOG_LINES, hide)))
        return ""


class _Wait:
    """One wait for one container."""

    def __init__(
        self,
        engine: Engine,
        container_id: ContainerId,
        step: Prove,
        hide: Collection[str],
        mailbox: Mailbox,
        feed: _Feed,
        began: float,
    ) -> None:
        self._engine = engine
        self._container_id = container_id
        self._step = step
        self._hide = hide
        self._mailbox = mailbox
        self._feed = feed
        self._began = began
        self._seconds = float(step.within)
        self._ends = step.job or step.goal is Goal.ENDED
        # The engine may tell of an event a moment before an inspection shows it, and a look may come between
        # the answer to a subscription and the subscription itself: after news it is looked once more.
        self._again: float | None = began + LOOK_AGAIN
        self._due = began
        self._quiet_since: float | None = None
        self._old_oom: bool | None = None
        self._new_oom = False
        self._away = ""

    def run(self, stop: threading.Event) -> bool:
        while not stop.is_set():
            self._hear()
            if time.monotonic() >= self._due:
                known = self._look()
                if known is not None:
                    return known
        return False

    def _hear(self) -> None:
        """Take what news there is; wait for some, until it is time to look or to see whether to stop."""
        wait = min(max(self._due - time.monotonic(), 0.0), STOP_NOTICED)
        try:
            self._take(self._mailbox.get(timeout=wait))
            while True:
                self._take(self._mailbox.get_nowait())
        except queue.Empty:
            return

    def _take(self, kind: str) -> None:
        now = time.monotonic()
        self._due, self._again = now, now + LOOK_AGAIN
        if kind in _DISTURBING:
            self._quiet_since = None
        if kind == OOM:
            self._new_oom = True

    def _look(self) -> bool | None:
        """Return what is known after a look: proven, not known yet for good, or None: go on waiting."""
        now = time.monotonic()
        if self._again is not None and now >= self._again:
            self._again = None
        detail = self._seen()
        if detail is not None and self._proven(detail, now):
            return True
        if now >= self._began + self._seconds:
            return self._late(detail)
        self._due = self._next_look(detail)
        return None

    def _seen(self) -> Detail | None:
        """Return what an inspection tells, None when the engine is away."""
        try:
            detail = self._engine.detail(self._container_id, LOOK_TIMEOUT)
        except EngineError as error:
            self._away = str(error)
            self._quiet_since = None  # nobody knows what happens to it meanwhile
            return None
        if detail is None:
            raise RefusedError("it was removed")
        self._lengthen(detail)
        return without(detail, self._hide)

    def _lengthen(self, detail: Detail) -> None:
        """Give it the time that its image's health check, or a long stretch, takes at least."""
        if self._ends:
            return
        least = 0.0
        if detail.check_seconds:
            least = detail.check_seconds + CHECK_SLACK
        elif self._step.stretch >= self._step.within:
            least = self._step.stretch + STRETCH_SLACK
        self._seconds = max(float(self._step.within), least)

    def _proven(self, detail: Detail, now: float) -> bool:
        if detail.state in GOING:
            return False  # its name is free, for whoever served before, once it is gone
        verdict, why = self._judged(detail)
        if verdict is Verdict.FAILED:
            raise self._failed(self._memory(detail) or why)
        return verdict is Verdict.PROVEN or self._stretched(detail, now)

    def _judged(self, detail: Detail) -> tuple[Verdict, str]:
        """Judge by what happened since the start: 20.10 keeps an older kill for memory over a new start."""
        if self._old_oom is None:
            self._old_oom = detail.out_of_memory
        ended = detail.restarts > 0 or detail.exit_code == KILLED
        oom = self._new_oom or (detail.out_of_memory and (ended or not self._old_oom))
        return judge(replace(detail, out_of_memory=oom), self._step.goal, job=self._step.job)

    def _memory(self, detail: Detail) -> str:
        """Return what to say of a kill for memory, which the engine may tell of after the end it caused."""
        until = time.monotonic() + OOM_AFTER
        with suppress(queue.Empty):
            while detail.exit_code == KILLED and not detail.out_of_memory:
                if self._mailbox.get(timeout=max(until - time.monotonic(), 0.0)) == OOM:
                    killed = replace(detail, out_of_memory=True)
                    return judge(killed, self._step.goal, job=self._step.job)[1]
        return ""

    def _stretched(self, detail: Detail, now: float) -> bool:
        """Tell whether it has run undisturbed for long enough; what nobody checks is proven by that."""
        if self._ends or detail.health or detail.state != "running":
            self._quiet_since = None
            return False
        if self._quiet_since is None:
            self._quiet_since = time.monotonic()
        return now >= self._quiet_since + self._step.stretch and self._mailbox.empty()

    def _next_look(self, detail: Detail | None) -> float:
        now = time.monotonic()
        times = [self._began + self._seconds]
        if self._again is not None:
            times.append(self._again)
        if self._quiet_since is not None:
            times.append(max(self._quiet_since + self._step.stretch, now))
        if detail is None or not self._feed.live:
            times.append(now + LOOK_AGAIN)
        return min(times)

    def _late(self, detail: Detail | None) -> bool:
        if self._ends and detail is not None and detail.state in {"running", "paused", "restarting"}:
            # What replaced another and runs for so long has taken its place; whether it ends well is not
            # what keeps the old one.
            return bool(self._step.failed_name)
        raise self._failed(self._why_late(detail))

    def _why_late(self, detail: Detail | None) -> str:
        within = f"within {_told(self._seconds)}"
        if detail is None:
            return f"the engine could not tell {within} how it is: {self._away}"
        if detail.state == "running" and detail.health:
            output = harmless(detail.health_output)
            return f"it was not healthy {within}: {output}" if output else f"it was not healthy {within}"
        if detail.state == "running":
            return f"it did not run undisturbed for {_told(self._step.stretch)} {within}"
        return f"it did not run {within}: it is {detail.state}"

    def _failed(self, why: str) -> NotProvenError:
        return NotProvenError(why, self._engine.last_lines(self._container_id, LOG_LINES, self._hide))


def _told(seconds: float) -> str:
    return "1 second" if seconds == 1 else f"{seconds:g} seconds"


class _Feed:
    """The one events stream, read by a thread of its own, and the mailboxes of those who wait."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._mailboxes: dict[ContainerId, list[Mailbox]] = {}
        self._thread: threading.Thread | None = None
        self._events: Events | None = None
        self._tried = threading.Event()
        self._closed = threading.Event()

    @property
    def live(self) -> bool:
        """Whether events come."""
        return self._events is not None

    @contextmanager
    def news_of(self, container_id: ContainerId) -> Iterator[Mailbox]:
        """Give the mailbox for what happens to a container; the stream is open by then, if it can be."""
        mailbox: Mailbox = queue.SimpleQueue()
        with self._lock:
            self._mailboxes.setdefault(container_id, []).append(mailbox)
            if self._thread is None and not self._closed.is_set():
                # A daemon: an engine that takes a call and never answers must not keep the process.
                self._thread = threading.Thread(target=self._read, name="engine-events", daemon=True)
                self._thread.start()
        try:
            self._tried.wait(FIRST_TRY)
            yield mailbox
        finally:
            with self._lock:
                self._mailboxes[container_id].remove(mailbox)

    def close(self) -> None:
        """End the stream and its thread."""
        with self._lock:
            self._closed.set()
            self._tried.set()
            events, thread = self._events, self._thread
        if events is not None:
            events.close()
        if thread is not None:
            thread.join(CLOSE_TIMEOUT)

    def _read(self) -> None:
        while not self._closed.is_set():
            self._read_once()
            self._tried.set()
            self._closed.wait(RECONNECT)

    def _read_once(self) -> None:
        """Read one stream to its end. No engine, or one that refuses: those who wait look by themselves."""
        try:
            events = self._engine.events(_KINDS)
        except EngineError:
            return
        with self._lock:
            self._events = events
            if self._closed.is_set():
                events.close()
        self._tell_all(BACK)
        self._tried.set()
        try:
            for event in events:
                self._tell(event.container_id, event.kind)
        finally:
            with self._lock:
                self._events = None
            self._tell_all(BROKEN)

    def _tell(self, container_id: ContainerId, kind: str) -> None:
        with self._lock:
            for mailbox in self._mailboxes.get(container_id, ()):
                mailbox.put(kind)

    def _tell_all(self, kind: str) -> None:
        with self._lock:
            for mailboxes in self._mailboxes.values():
                for mailbox in mailboxes:
                    mailbox.put(kind)
