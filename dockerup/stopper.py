"""How a run is asked to end: by a signal, and by its deadline."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread, Timer

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopper:
    """SIGTERM, SIGINT and SIGHUP ask a run to begin nothing new; what is half done is finished.

    A signal that whoever started the process has ignored, as nohup does, is ignored still.
    """

    def __init__(self) -> None:
        self.asked = Event()
        self.signal = 0
        # A handler runs in the middle of what the main thread does, be it in a wait for the event, whose lock
        # it then holds: to set that is another thread's. The queue can be put into at any moment.
        self._heard: SimpleQueue[int] = SimpleQueue()
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda number, _frame: self._heard.put(number))
        Thread(target=self._pass_on, name="signals", daemon=True).start()

    def _pass_on(self) -> None:
        self.signal = self._heard.get()
        self.asked.set()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Ask the run to begin nothing new once it has taken this long."""
        timer = Timer(seconds, self.asked.set)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            self.asked.clear()
            if self.signal:
                self.asked.set()

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, 0 when there was none."""
        return 128 + self.signal if self.signal else 0
