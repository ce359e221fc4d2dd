"""What one run tells the next of registries: how long one is left in peace, and what is kept as JSON."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockerup.registry_memory import (
    FIRST_DELAY,
    LONGEST_DELAY,
    LONGEST_TOKEN,
    MOST_ASKED_FOR,
    Away,
    Challenge,
    Met,
    RegistryMemory,
    Token,
    went_away,
)

NOW = 1_900_000_000.0
CHANCES = st.floats(0, 1)


def times(count: int, chance: float = 0.5) -> list[Away]:
    """Return what comes of so many failures, each when the wait of the one before is over."""
    found: list[Away] = []
    for _ in range(count):
        before = found[-1] if found else None
        found.append(went_away(before, "down", before.until if before else NOW, chance))
    return found


def test_waits_double_from_a_minute_to_an_hour() -> None:
    waits = [
        one.until - (NOW if number == 0 else times(9)[number - 1].until)
        for number, one in enumerate(times(9))
    ]
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@given(st.integers(1, 20), CHANCES)
def test_a_wait_is_near_its_delay_and_an_hour_at_most(count: int, chance: float) -> None:
    last = times(count, chance)[-1]
    began = times(count - 1, chance)[-1].until if count > 1 else NOW
    wait = last.until - began
    assert 0.75 * FIRST_DELAY <= wait <= LONGEST_DELAY
    assert 0.75 * min(last.delay, LONGEST_DELAY) - 1 <= wait <= 1.25 * last.delay + 1


def test_two_hosts_that_saw_it_go_together_do_not_come_back_together() -> None:
    assert went_away(None, "down", NOW, 0.1).until != went_away(None, "down", NOW, 0.9).until


@pytest.mark.parametrize(("wanted", "wait"), [(5, 5), (7200, 7200), (1_000_000, MOST_ASKED_FOR)])
def test_what_a_registry_asks_for_is_given_and_a_day_at_most(wanted: float, wait: float) -> None:
    away = went_away(None, "busy", NOW, 0.5, asked_for=wanted)
    assert (away.until - NOW, away.asked) == (wait, True)
    assert away.holds(NOW + wait - 1)
    assert not away.holds(NOW + wait)


def test_the_first_reason_stays_and_the_latest_is_known() -> None:
    again = went_away(went_away(None, "refuses", NOW, 0.5), "hangs", NOW + 60, 0.5)
    assert (again.reason, again.latest, again.since) == ("refuses", "hangs", NOW)


@given(st.integers(1, 12), CHANCES, st.integers(-30 * 86400, 30 * 86400))
def test_a_clock_that_jumps_silences_no_registry_for_longer_than_two_hours(
    count: int, chance: float, jump: int
) -> None:
    last = times(count, chance)[-1]
    now = last.until - LONGEST_DELAY + jump
    assert not last.holds(now) or last.until - now <= 2 * LONGEST_DELAY


MEMORY = RegistryMemory(
    {"docker.io": went_away(None, "down", NOW, 0.5, login="aa.bb")},
    {
        "ghcr.io": Met(
            "https://ghcr.io",
            Challenge("bearer", "https://ghcr.io/token", "ghcr.io"),
            {"s": Token("t", NOW + 9)},
        )
    },
)


def test_what_is_kept_is_read_again() -> None:
    assert RegistryMemory.of(json.loads(json.dumps(MEMORY.as_json())), NOW) == MEMORY


def test_what_was_not_asked_stays_as_it_was_known() -> None:
    hub = Met("https://registry-1.docker.io")
    later = RegistryMemory(
        {"quay.io": went_away(None, "down", NOW, 0.5)}, {"docker.io": hub, "quay.io": Met()}
    )
    after = MEMORY.after(later)
    assert after.met == {"ghcr.io": MEMORY.met["ghcr.io"], "docker.io": hub, "quay.io": Met()}
    assert after.away == later.away  # docker.io was asked, and is not away any more


@pytest.mark.parametrize("later", [9, -LONGEST_TOKEN])
def test_a_token_that_is_over_or_from_a_time_to_come_is_not_kept(later: float) -> None:
    assert RegistryMemory.of(MEMORY.as_json(), NOW + later).met["ghcr.io"].tokens == {}


def test_a_token_does_not_show() -> None:
    assert "hunter2" not in repr(RegistryMemory({}, {"a": Met(tokens={"s": Token("hunter2", NOW)})}))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
AWAY = {"reason": "down", "until": NOW, "since": 9e11}
KEYS = ["url", "challenge", "tokens", "reason", "until", "since", "delay", "scheme", "text"]
NAMED = st.dictionaries(st.text(max_size=5), st.dictionaries(st.sampled_from(KEYS), JSON), max_size=4)


@given(st.fixed_dictionaries({}, optional={"away": JSON | NAMED, "met": NAMED}))
@example({"away": {"docker.io": AWAY}, "met": {}})
@example({"away": {"docker.io": {**AWAY, "since": -9e11}}, "met": {}})
def test_whatever_is_found_in_its_place_is_read_without_a_fault(kept: dict[str, Any]) -> None:
    found = RegistryMemory.of(kept, NOW)
    assert all(FIRST_DELAY <= one.delay <= LONGEST_DELAY for one in found.away.values())
    assert all(datetime.fromtimestamp(one.since, timezone.utc) for one in found.away.values())
    assert RegistryMemory.of(found.as_json(), NOW) == found
