"""When a newer image is due: inside of its windows, and once it is old enough. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from dockerup.spec import ContainerSpec
from dockerup.window import next_opening


def not_due(
    spec: ContainerSpec, digest: str, first_seen: Mapping[str, float], now: float
) -> tuple[str, bool]:
    """Return why a newer image has to wait, "" when it has not, and whether it may be fetched meanwhile.

    `first_seen` is as that of `host.Policy`, `now` in seconds since the epoch.
    """
    seen = first_seen.get(digest, now)
    if spec.update.min_age and now < seen + spec.update.min_age:
        return f"a newer image is too young: minAge is reached at {utc(seen + spec.update.min_age)}", False
    windows = spec.update.windows
    if windows and not any(window.holds(now) for window in windows):
        opens = next_opening(windows, now)
        return f"a newer image waits for its window, which opens at {utc(opens)}", True
    return "", False


def utc(seconds: float) -> str:
    """Return a moment, given in seconds since the epoch, as people write it."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
