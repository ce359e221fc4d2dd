"""A wall clock that a test sets for a process, while it runs and between its runs.

libfaketime stands between the process and the kernel (https://github.com/wolfcw/libfaketime). The monotonic
clock goes on, as it does when a real machine's clock is set.
"""

from __future__ import annotations

from pathlib import Path

LIBRARY = "faketime/libfaketimeMT.so.1"


class Clock:
    """The clock of those processes that get its `environment`."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self.set_to(0)
        self.environment = {
            "LD_PRELOAD": str(next(Path("/usr/lib").glob(f"*/{LIBRARY}"))),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set_to(self, seconds: int) -> None:
        """Set it so many seconds ahead of the real time, or behind, from now on."""
        self._file.write_text(f"{seconds:+d}\n")
