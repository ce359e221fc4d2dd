"""Show pulls while they last: bars where somebody looks and `rich` is installed, else a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Callable

from dockerup.image import ImageRef
from dockerup.listener import Pulling, Told
from dockerup.pull_progress import Pace, Progress
from dockerup.steps import short_image

if TYPE_CHECKING:
    from rich.progress import Progress as Display

EVERY = 3.0  # seconds from line to line, for somebody who looks
_BAR = 24  # columns


def lines(say: Callable[[str], None], every: float) -> Pulling:
    """Return what says a line on each pull that lasts, every so many seconds."""

    @contextmanager
    def pulling(image: ImageRef) -> Iterator[Told]:
        pace, due = Pace(), time.monotonic() + every

        def told(progress: Progress) -> None:
            nonlocal pace, due
            now = time.monotonic()
            pace = pace.at(now, progress.done)
            if now >= due:
                due = now + every
                with suppress(OSError):  # a terminal that went away ends no pull
                    say(f"pull {short_image(image.familiar)}: {progress.says(pace.rate)}")

        yield told

    return pulling


def on_terminal(say: Callable[[str], None], *, bars: bool) -> Pulling:
    """Return what shows pulls on the terminal that stderr is and `say` writes to.

    `bars`: whether there may be any, which need that nothing else is written there meanwhile.
    """
    chosen: list[Pulling] = []
    choosing = threading.Lock()

    def pulling(image: ImageRef) -> AbstractContextManager[Told]:
        with choosing:  # not before there is a pull: most runs need no `rich`
            if not chosen:
                chosen.append((_bars() if bars else None) or lines(say, EVERY))
        return chosen[0](image)

    return pulling


def _bars() -> Pulling | None:
    """Return what draws bars, None where they cannot be."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Display
        from rich.table import Column
    except ImportError:
        return None
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        return None

    def new_display() -> Display:
        return Display(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(_BAR),
            TextColumn("{task.fields[says]}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
        )

    return _Bars(new_display).pulling


class _Bars:
    """A bar for each pull, of several threads, on a display that is there while there is any."""

    def __init__(self, new_display: Callable[[], Display]) -> None:
        self._new_display = new_display
        self._lock = threading.Lock()
        self._display: Display | None = None
        self._shown = 0

    @contextmanager
    def pulling(self, image: ImageRef) -> Iterator[Told]:
        pace = Pace()

        def told(progress: Progress) -> None:
            nonlocal pace
            pace = pace.at(time.monotonic(), progress.done)
            total, says = progress.total or None, progress.says(pace.rate)
            display.update(bar, completed=progress.done, total=total, says=says)

        with self._shown_display() as display:
            bar = display.add_task(short_image(image.familiar), total=None, says="")
            try:
                yield told
            finally:
                display.remove_task(bar)

    @contextmanager
    def _shown_display(self) -> Iterator[Display]:
        with self._lock:
            if self._display is None:
                self._display = self._new_display()
                with suppress(OSError):
                    self._display.start()
            self._shown += 1
            display = self._display
        try:
            yield display
        finally:
            with self._lock:
                self._shown -= 1
                if not self._shown:
                    self._display = None
                    with suppress(OSError):
                        display.stop()
