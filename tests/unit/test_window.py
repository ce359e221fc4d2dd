"""Windows: what a person may write, which moments lie inside, and when the next one opens."""

from __future__ import annotations

import math
import sys
import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.window import DAYS, InvalidWindowError, Window, next_opening, parse_window

MINUTE, DAY, WEEK = 60, 86400, 7 * 86400

# Changes of the clock: by an hour, at midnight, by half an hour, the leap of a whole day, and none at all.
CHANGES = {
    "Europe/Berlin": (datetime(2024, 3, 31, 1), datetime(2024, 10, 27, 1)),
    "America/New_York": (datetime(2024, 3, 10, 7), datetime(2024, 11, 3, 6)),
    "America/Asuncion": (datetime(2023, 10, 1, 4), datetime(2024, 3, 24, 3)),
    "Australia/Lord_Howe": (datetime(2024, 4, 6, 15), datetime(2024, 10, 5, 15, 30)),
    "Pacific/Apia": (datetime(2011, 12, 30, 10),),
    "Asia/Kolkata": (datetime(2024, 1, 1),),
    "UTC": (datetime(2024, 2, 29),),
}


def utc(*parts: int) -> float:
    """Return a moment of UTC in seconds since the epoch."""
    return datetime(*parts, tzinfo=timezone.utc).timestamp()  # type: ignore[arg-type,misc]


def clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"


@st.composite
def windows(draw: st.DrawFn, zone: str) -> Window:
    """A window of a zone, as often as not near the hours at which clocks are changed."""
    at = st.tuples(st.sampled_from([0, 1, 2, 3, 23]) | st.integers(0, 23), st.sampled_from([0, 30, 59]))
    begin = clock(*draw(at))
    end = draw(st.just("24:00") | at.map(lambda one: clock(*one)).filter(lambda one: one != begin))
    days = draw(st.lists(st.sampled_from(DAYS), unique=True, max_size=2))
    return parse_window(f"{','.join(days)} {begin}-{end} {zone}".strip())


@st.composite
def moments_and_windows(draw: st.DrawFn) -> tuple[float, list[Window]]:
    """A moment within some days of a change of the clock, and windows of the zone that has it."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[zone])).replace(tzinfo=timezone.utc).timestamp()
    now = (
        change
        + draw(st.integers(-4 * DAY, 2 * DAY) | st.integers(-7200, 7200))
        + draw(st.just(0.5) | st.just(0))
    )
    return now, draw(st.lists(windows(zone), min_size=1, max_size=2))


def stretches(window: Window, shown: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the stretches of the wall clock that a window takes on this day and the one before."""
    length = timedelta(minutes=(window.end - window.begin) % 1440 or 1440)
    for back in (0, 1):
        day = datetime(shown.year, shown.month, shown.day) - timedelta(days=back)
        if day.weekday() in window.days:
            begin = day + timedelta(minutes=window.begin)
            yield begin, begin + length


# What a person writes.


@pytest.mark.parametrize(
    ("text", "days", "begin", "end"),
    [
        ("Sat 02:00-04:00 UTC", {5}, 120, 240),
        ("Sat 02:00-04:00", {5}, 120, 240),
        ("02:00-04:00", {0, 1, 2, 3, 4, 5, 6}, 120, 240),
        ("Sat,Sun 2:00-4:30 Europe/Berlin", {5, 6}, 120, 270),
        ("Mon-Fri 22:00-06:00 Asia/Kolkata", {0, 1, 2, 3, 4}, 1320, 360),
        ("Sat-Mon,Wed 00:00-24:00", {5, 6, 0, 2}, 0, 1440),
        ("Sun-Sun  23:59-00:00   Etc/GMT+5", {6}, 1439, 0),
    ],
)
def test_days_and_hours_are_read(text: str, days: set[int], begin: int, end: int) -> None:
    window = parse_window(text)
    assert (set(window.days), window.begin, window.end) == (days, begin, end)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Sat 02:00-04:00", "Sat 02:00-04:00 UTC"),
        ("02:00-04:00", "02:00-04:00 UTC"),
        ("Sat  02:00-04:00   Europe/Berlin", "Sat 02:00-04:00 Europe/Berlin"),
    ],
)
def test_a_window_is_shown_as_text_that_means_the_same(text: str, meant: str) -> None:
    assert str(parse_window(text)) == meant
    assert parse_window(meant) == parse_window(text)


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("", '"" is no window', "Write days, hours and a zone"),
        ("Sat", '"Sat" is no window', 'as in "Sat 02:00-04:00 UTC".'),
        ("sat 02:00-04:00", "is no window", "Write days"),
        ("Sat 02:00 - 04:00", "is no window", "Write days"),
        ("Sat 24:00-04:00", "is no window", "Write days"),
        ("Sat 02:60-04:00", "is no window", "Write days"),
        ("Sat 02:00-04:00 UTC\n", "is no window", "Write days"),
        ("Sat 02:00-04:00 +02:00", "is no window", "Write days"),
        ("Sat 02:00-04:00 ../etc/passwd", "is no window", "Write days"),
        ("Sat 02:00-02:00", "ends when it begins", "Write 00:00-24:00 for a whole day."),
        ("Sat 02:00-2:00", "ends when it begins", "Write 00:00-24:00"),
        ("Sat 02:00-04:00 utc", 'there is no time zone "utc"', 'Did you mean "UTC"?'),
        ("Sat 02:00-04:00 Europe/Belin", "there is no time zone", 'Did you mean "Europe/Berlin"?'),
        ("Sat 02:00-04:00 Europe", 'there is no time zone "Europe"', 'Did you mean "Europe/'),
        ("Sat 02:00-04:00 Qqq", 'there is no time zone "Qqq"', "Write a name such as"),
    ],
)
def test_what_is_no_window_is_told_with_what_to_write(text: str, what: str, fix: str) -> None:
    with pytest.raises(InvalidWindowError) as raised:
        parse_window(text)
    assert what in raised.value.what
    assert fix in raised.value.fix
    assert isinstance(raised.value, ValueError)


@pytest.fixture
def _no_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host without the data base of time zones, neither the system's nor Python's package."""
    paths = zoneinfo.TZPATH
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.reset_tzpath(to=())
    ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=paths)
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("_no_zones")
def test_a_host_without_time_zones_is_told_so_and_knows_utc() -> None:
    assert parse_window("Sat 02:00-04:00 UTC").holds(utc(2024, 6, 1, 3))
    with pytest.raises(InvalidWindowError, match=r"no data base of time zones\. Install the package tzdata"):
        parse_window("Sat 02:00-04:00 Europe/Berlin")


# Which moments lie inside.


@pytest.mark.parametrize(
    ("text", "moment", "inside"),
    [
        ("Sat 02:00-04:00", (2024, 6, 1, 1, 59, 59), False),
        ("Sat 02:00-04:00", (2024, 6, 1, 2), True),
        ("Sat 02:00-04:00", (2024, 6, 1, 3, 59, 59), True),
        ("Sat 02:00-04:00", (2024, 6, 1, 4), False),
        ("Sat 02:00-04:00", (2024, 6, 2, 3), False),
        ("Sat 22:00-02:00", (2024, 6, 1, 23), True),
        ("Sat 22:00-02:00", (2024, 6, 2, 1, 59), True),  # opened on Saturday
        ("Sat 22:00-02:00", (2024, 6, 1, 1), False),  # would have opened on Friday
        ("Sun 22:00-02:00", (2024, 6, 3, 1), True),  # the week turns inside
        ("Sat 02:00-04:00 Europe/Berlin", (2024, 6, 1, 0), True),
        ("Sat 02:00-04:00 Europe/Berlin", (2024, 6, 1, 2), False),
        ("Sat 02:00-04:00 Europe/Berlin", (2024, 1, 6, 1), True),
        ("Sat 00:00-24:00 Pacific/Kiritimati", (2024, 5, 31, 10), True),  # 14 hours ahead
    ],
)
def test_a_moment_lies_inside_where_the_clock_of_the_zone_says_so(
    text: str, moment: tuple[int, ...], inside: bool
) -> None:
    assert parse_window(text).holds(utc(*moment)) is inside


def test_an_hour_that_summer_time_leaves_out_does_not_open() -> None:
    window = parse_window("Sun 02:00-03:00 Europe/Berlin")
    day = range(int(utc(2024, 3, 30, 23)), int(utc(2024, 3, 31, 22)), MINUTE)
    assert not any(window.holds(moment) for moment in day)
    assert next_opening([window], utc(2024, 3, 31)) == utc(2024, 4, 7, 0)

    assert next_opening([window], utc(2024, 3, 24, 2)) == utc(2024, 4, 7, 0)  # two weeks later


def test_a_window_that_is_left_out_in_part_is_shorter() -> None:
    window = parse_window("Sun 02:30-03:30 Europe/Berlin")
    assert next_opening([window], utc(2024, 3, 31)) == utc(
        2024, 3, 31, 1
    )  # the clock goes from 02:00 to 03:00
    assert not window.holds(utc(2024, 3, 31, 1, 30))


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    window = parse_window("Sun 02:00-03:00 Europe/Berlin")
    open_for = [
        at for at in range(int(utc(2024, 10, 27)), int(utc(2024, 10, 28)), MINUTE) if window.holds(at)
    ]
    assert (open_for[0], len(open_for)) == (utc(2024, 10, 27, 0), 120)


def test_a_window_inside_of_an_hour_that_comes_twice_opens_twice() -> None:
    window = parse_window("Sun 02:30-02:45 Europe/Berlin")
    assert next_opening([window], utc(2024, 10, 27)) == utc(2024, 10, 27, 0, 30)
    assert next_opening([window], utc(2024, 10, 27, 0, 45)) == utc(2024, 10, 27, 1, 30)


@given(moments_and_windows())
def test_it_holds_exactly_while_the_wall_clock_is_inside(case: tuple[float, list[Window]]) -> None:
    now, drawn = case
    for window in drawn:
        shown = datetime.fromtimestamp(math.floor(now), window.zone).replace(tzinfo=None)
        inside = any(begin <= shown < end for begin, end in stretches(window, shown))
        assert window.holds(now) is inside


@given(st.integers(0, 1 << 32), windows("UTC"))
def test_without_changes_of_the_clock_every_week_is_the_same(now: int, window: Window) -> None:
    assert window.holds(now) is window.holds(now + WEEK)
    assert next_opening([window], now) - now == next_opening([window], now + WEEK) - (now + WEEK)


# When the next one opens.


def test_the_next_opening_is_now_inside_of_a_window_and_without_any() -> None:
    window = parse_window("Sat 02:00-04:00")
    assert next_opening([window], utc(2024, 6, 1, 3) + 0.25) == utc(2024, 6, 1, 3) + 0.25
    assert next_opening([], 5.5) == 5.5


def test_the_next_opening_is_that_of_the_window_that_opens_first() -> None:
    drawn = [parse_window("Sun 02:00-04:00"), parse_window("Fri 22:00-23:00 America/New_York")]
    assert next_opening(drawn, utc(2024, 5, 30)) == utc(2024, 6, 1, 2)
    assert next_opening(drawn, utc(2024, 6, 1, 3)) == utc(2024, 6, 2, 2)
    assert next_opening(drawn, utc(2024, 6, 2, 4)) == utc(2024, 6, 8, 2)


@given(moments_and_windows())
def test_the_next_opening_is_the_first_minute_that_lies_inside(case: tuple[float, list[Window]]) -> None:
    now, drawn = case
    opening = next_opening(drawn, now)
    assert now <= opening <= now + 2 * WEEK
    assert any(window.holds(opening) for window in drawn)
    if opening > now:
        minutes = range(math.ceil(now / MINUTE) * MINUTE, int(opening), MINUTE)
        assert not any(window.holds(moment) for window in drawn for moment in (now, *minutes, opening - 1))
