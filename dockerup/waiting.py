"""Waiting until all that is listed is well, for `status --wait` and the end of a boot."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from dockerup.configuration import Configuration
from dockerup.reconcile import reconcile
from dockerup.report import Report
from dockerup.rounds import Run
from dockerup.status import Row

LOOK_AGAIN = 1.0  # seconds
_NOT_YET = {
    "starting": "its health check has not succeeded in time",
    "proving": "it has not proven itself in time",
}


def wait_until_well(
    configuration: Configuration, run: Run, seconds: float, given_up: Collection[str] = ()
) -> Report:
    """Return a report once all that is listed runs, and is healthy where checked, or when time is up.

    With 0 seconds it is a report of now. Those that are `given_up` are not waited for.
    """
    look = replace(run, act=False, look=False)
    deadline = time.monotonic() + seconds
    while True:
        late = seconds > 0 and not _all_settle(
            configuration, replace(look, inspect=False), deadline, given_up
        )
        report = reconcile(configuration, look)
        # Who looks more closely may see that one of them fell a moment ago.
        if late or seconds <= 0 or _no_more_to_come(report, given_up):
            return replace(report, rows=tuple(map(_not_in_time, report.rows))) if late else report
        look.stop.wait(LOOK_AGAIN)


def _all_settle(configuration: Configuration, look: Run, deadline: float, given_up: Collection[str]) -> bool:
    while not _no_more_to_come(reconcile(configuration, look), given_up):
        if time.monotonic() >= deadline or look.stop.wait(LOOK_AGAIN):
            return False
    return True


def _no_more_to_come(report: Report, given_up: Collection[str]) -> bool:
    return all(_settled(row) or row.name in given_up for row in report.rows)


def _settled(row: Row) -> bool:
    """Tell whether waiting changes nothing: a job that failed is never run again."""
    return row.over or (row.well and row.state not in _NOT_YET)


def _not_in_time(row: Row) -> Row:
    """Return a row that says so when what it is waited for has not come by the end of a wait."""
    return replace(row, well=False, says=_NOT_YET[row.state]) if row.state in _NOT_YET else row
