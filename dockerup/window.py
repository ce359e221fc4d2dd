"""Windows: the hours of the week in which running containers may be replaced. Pure: the time is given.

A window is a stretch of the wall clock of its zone, and holds as long as that clock shows a time inside.
So it never holds outside of the hours that were asked for: where a change to summer time leaves a part of it
out, it is shorter that day or does not open, and where the clock is set back it is longer or opens twice.
Names of zones are those of the IANA time zone data base (https://www.iana.org/time-zones).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import NoReturn

from dockerup.problems import nearest
from dockerup.records import dataclass

EXAMPLE = "Sat 02:00-04:00 UTC"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = f"(?:{'|'.join(DAYS)})"
_DAY_SPAN = f"{_DAY}(?:-{_DAY})?"
_TIME = "(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
_ZONE = "[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*)*"
# The whole text: days, from, to, zone. In the dialect that Python and JSON Schema have in common.
PATTERN = f"(?:({_DAY_SPAN}(?:,{_DAY_SPAN})*) +)?({_TIME})-({_TIME}|24:00)(?: +({_ZONE}))?"
_DAY_MINUTES = 24 * 60
_DAY_SECONDS = 24 * 60 * 60
# A weekly window that a change of the clock leaves out altogether opens a week later.
_DAYS_AHEAD = 22


class InvalidWindowError(ValueError):
    """A text is no window: `what` says why, without a full stop; `fix` is a sentence, what to write."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}. {fix}")
        self.what = what
        self.fix = fix


@dataclass(frozen=True)
class Window:
    """A stretch of some days of the week, by the clock of a zone; `str()` is the text that means it.

    `days`: those on which it opens, 0 is Monday. `begin`, `end`: minutes after midnight; an `end` that is not
    after `begin` is on the next day.
    """

    text: str
    days: frozenset[int]
    begin: int
    end: int
    zone: tzinfo = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text

    def holds(self, now: float) -> bool:
        """Tell whether a moment, in seconds since the epoch, lies inside."""
        clock = datetime.fromtimestamp(math.floor(now), self.zone)
        minute, today = clock.hour * 60 + clock.minute, clock.weekday()
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        opened_today = today in self.days and minute >= self.begin
        return opened_today or ((today - 1) % 7 in self.days and minute < self.end)


def parse_window(text: str) -> Window:
    """Return the window that a text such as "Sat 02:00-04:00 UTC" means.

    Days (`Sat`, `Sat,Sun`, `Mon-Fri`) may be left out, which means each day, and so may the zone, which means
    UTC. Raises InvalidWindowError, a ValueError, that says what to write.
    """
    found = re.fullmatch(PATTERN, text)
    if not found:
        raise InvalidWindowError(
            f'"{text}" is no window', f'Write days, hours and a zone, as in "{EXAMPLE}".'
        )
    days, begin, end, zone = found.groups()
    if _minutes(begin) == _minutes(end):
        raise InvalidWindowError(f'"{text}" ends when it begins', "Write 00:00-24:00 for a whole day.")
    clock = _zone(zone or "UTC")
    words = [*([days] if days else []), f"{begin}-{end}", zone or "UTC"]
    return Window(" ".join(words), _days(days), _minutes(begin), _minutes(end), clock)


def next_opening(windows: Sequence[Window], now: float) -> float:
    """Return the first moment from `now` on that lies in one of the windows, in seconds since the epoch.

    It is `now` itself inside of a window, and where there are none.
    """
    if not windows or any(window.holds(now) for window in windows):
        return now
    return float(min(moment for window in windows for moment in _openings(window, now)))


def _openings(window: Window, now: float) -> Iterator[int]:
    """Yield the moments after `now` at which a window can begin to hold, and does."""
    today = datetime.fromtimestamp(math.floor(now), window.zone).date()
    for ahead in range(-1, _DAYS_AHEAD):
        for moment in _turns(window, today + timedelta(days=ahead)):
            if moment > now and window.holds(moment):
                yield moment


def _turns(window: Window, day: date) -> Iterator[int]:
    """Yield the moments of a day at which the clock comes to the window's begin, or is set anew."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=window.zone)
    begin = midnight + timedelta(minutes=window.begin)  # on the clock: arithmetic in one zone leaves it out
    yield from (math.floor(begin.replace(fold=fold).timestamp()) for fold in (0, 1))
    low = math.floor(midnight.timestamp())
    high = low + _DAY_SECONDS
    if _offset(window.zone, low) != _offset(window.zone, high):
        yield _change(window.zone, low, high)


def _change(zone: tzinfo, low: int, high: int) -> int:
    """Return the moment between two at which the clock of a zone is set forward or back."""
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: tzinfo, moment: int) -> timedelta | None:
    return datetime.fromtimestamp(moment, zone).utcoffset()


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    spans = [part.partition("-") for part in text.split(",")]
    return frozenset(day for first, _, last in spans for day in _span(first, last or first))


def _span(first: str, last: str) -> list[int]:
    """Return the days from one to another, over the end of a week where need be."""
    begin = DAYS.index(first)
    return [(begin + step) % 7 for step in range((DAYS.index(last) - begin) % 7 + 1)]


def _zone(name: str) -> tzinfo:
    if name == "UTC":  # known on every host, also where there is no data base
        return timezone.utc
    from zoneinfo import ZoneInfo  # late: most windows, and most runs, need none

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        _refuse_zone(name)


def _refuse_zone(name: str) -> NoReturn:
    from zoneinfo import available_timezones

    known = available_timezones()
    if not known:
        what = f'the time zone "{name}" cannot be looked up: this host has no data base of time zones'
        raise InvalidWindowError(what, "Install the package tzdata, or write the window in UTC.")
    guess = nearest(name, known)
    fix = f'Did you mean "{guess}"?' if guess else "Write a name such as Europe/Berlin, or UTC."
    raise InvalidWindowError(f'there is no time zone "{name}"', fix)
