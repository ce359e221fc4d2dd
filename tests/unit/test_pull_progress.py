"""How far a pull is, by what real engines told of real pulls, and by what none would."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.pull_progress import Pace, Progress, advance, seconds_left, size_text, time_text

KB = 1000
MB = 1000 * KB


def event(layer: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    """Return an event as an engine writes it: it leaves zeros out."""
    detail = {key: value for key, value in (("current", current), ("total", total)) if value}
    return {"status": status, "progressDetail": detail, "id": layer}


def after(*events: object) -> Progress:
    progress = Progress()
    for one in events:
        progress = advance(progress, one)
    return progress


def test_nothing_is_known_at_first() -> None:
    first = after({"status": "Pulling from library/web", "id": "latest"})
    assert (first.done, first.total, first.whole, first.fetched) == (0, 0, False, False)
    assert first.says() == "nothing has come yet"


def test_bytes_of_all_layers_count() -> None:
    progress = after(event("a", "Downloading", 2 * MB, 8 * MB), event("b", "Downloading", 1 * MB, 4 * MB))
    assert (progress.done, progress.total, progress.whole) == (3 * MB, 12 * MB, True)
    assert progress.says(1 * MB) == "3.0 MB of 12.0 MB, 1.0 MB/s, 9 s left"


def test_total_grows_as_layers_become_known_and_no_time_is_told_until_then() -> None:
    """The engine fetches three layers at once; of the others nobody knows the size yet."""
    progress = after(
        event("a", "Pulling fs layer"), event("b", "Waiting"), event("a", "Downloading", 1, 2 * MB)
    )
    assert (progress.total, progress.whole) == (2 * MB, False)
    assert progress.says(1 * MB) == "1 B of at least 2.0 MB, 1.0 MB/s"
    progress = advance(progress, event("b", "Downloading", 1, 3 * MB))
    assert (progress.total, progress.whole) == (5 * MB, True)


def test_layer_that_is_here_already_counts_as_nothing() -> None:
    progress = after(event("a", "Already exists"), event("b", "Downloading", 5, 10))
    assert (progress.done, progress.total, progress.whole) == (5, 10, True)


def test_cut_download_that_the_engine_resumes_counts_on_from_where_it_was() -> None:
    """As 20.10 tells it: a full bar when the connection is cut, then what is left as the total."""
    begun = after(event("a", "Downloading", 600, 1000), event("a", "Downloading", 1000, 1000))
    assert begun.done == 600
    waits = advance(begun, event("a", "Retrying in 5 seconds"))
    assert waits.says(7) == "600 B of 1.0 kB, cut off, the engine tries again"
    resumed = advance(waits, event("a", "Downloading", 100, 400))
    assert (resumed.done, resumed.total) == (700, 1000)
    whole = advance(resumed, event("a", "Verifying Checksum"))
    assert (whole.done, whole.total, whole.fetched) == (1000, 1000, True)


def test_unpacking_is_no_downloading() -> None:
    """The classic store tells it in bytes of the packed layer, containerd's in seconds."""
    classic = after(event("a", "Downloading", 9, 10), event("a", "Extracting", 4, 10))
    seconds = {"status": "Extracting", "progressDetail": {"current": 3, "units": "s"}, "id": "a"}
    for progress in (classic, after(event("a", "Downloading", 9, 10), seconds)):
        assert (progress.done, progress.total) == (10, 10)
        assert progress.says(5) == "10 B are here, unpacking"


def test_layer_too_small_to_be_told_of_ends_all_the_same() -> None:
    progress = after(
        event("a", "Pulling fs layer"), event("a", "Download complete"), event("a", "Pull complete")
    )
    assert (progress.fetched, progress.whole, progress.total) == (True, True, 0)


def test_later_try_says_so() -> None:
    assert Progress(attempt=2).says() == "nothing has come yet, try 2"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
STATUSES = (
    *("Pulling fs layer", "Waiting", "Downloading", "Retrying in 5 seconds", "Verifying Checksum"),
    *("Download complete", "Extracting", "Pull complete", "Already exists", "Status: Downloaded"),
)
NUMBERS = st.integers(-5, 20) | st.integers() | st.booleans() | st.floats() | st.none()
NEARLY = st.fixed_dictionaries(
    {"status": st.sampled_from(STATUSES) | JSON, "id": st.sampled_from(["a", "b", "c"]) | JSON},
    optional={
        "progressDetail": JSON
        | st.dictionaries(st.sampled_from(["current", "total", "units"]), NUMBERS, max_size=3)
    },
)


@given(st.lists(NEARLY | JSON, max_size=30))
def test_whatever_an_engine_tells_bytes_never_fall_and_never_pass_the_total(events: Sequence[object]) -> None:
    progress = Progress()
    for one in events:
        later = advance(progress, one)
        assert progress.done <= later.done <= later.total
        progress = later
        assert progress.says(1.0)
        assert progress.says(None)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**12)), max_size=50))
def test_rate_is_a_number_or_unknown(samples: Sequence[tuple[float, int]]) -> None:
    pace, now = Pace(), 0.0
    for seconds, done in samples:
        now += seconds
        pace = pace.at(now, done)
        assert pace.rate is None or (math.isfinite(pace.rate) and pace.rate >= 0)
    assert len(pace.samples) <= 22


def test_rate_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    for second in range(20):
        pace = pace.at(second, min(second, 10) * MB)
    assert pace.rate == pytest.approx(0, abs=1)
    for second in range(20, 40):
        pace = pace.at(second, (10 + 2 * (second - 19)) * MB)
    assert pace.rate == pytest.approx(2 * MB)


def test_time_left_needs_a_rate_and_all_sizes() -> None:
    known: Mapping[str, Any] = event("a", "Downloading", 4, 10)
    assert seconds_left(after(known), 3.0) == 2.0
    assert seconds_left(after(known), None) is None
    assert seconds_left(after(known), 0.0) is None
    assert seconds_left(after(known, event("b", "Waiting")), 3.0) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1.0 kB"), (12_345_678, "12.3 MB"), (5e12, "5000.0 GB")],
)
def test_sizes_are_written_as_docker_does(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (59.4, "59 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert time_text(seconds) == text
