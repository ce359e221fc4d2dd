"""Whether the engine starts a container again and again: by its restarts, not by when it is looked at. Pure.

The engine starts what exits again after 100 ms, the next time after twice that, up to a minute, until it has
run for 10 seconds (moby's restartmanager/restartmanager.go). The list of containers shows such a one as
restarting or as up for some seconds, as it happens: only its count of restarts tells that both are the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from dockerup.snapshot import Container, ContainerId

STEADY_AFTER = 10  # seconds
# Seconds from the creation of a container to its start: one, and one for each of two times that the engine
# tells in whole seconds.
_FIRST_START = 3


def keeps_exiting(one: Container) -> bool:
    """Tell whether a container exited, and has not run for long enough since to be taken for well."""
    if one.state == "restarting":
        return True
    return _began_just_now(one) and one.detail is not None and one.detail.restarts > 0


def doubtful(containers: Iterable[Container], now: float) -> frozenset[ContainerId]:
    """Return the ids of those to inspect first: they started just now, and not for the first time."""
    return frozenset(
        one.container_id
        for one in containers
        if one.detail is None
        and _began_just_now(one)
        # Where the clock was set back, it was created after now.
        and abs(now - (one.up_seconds or 0) - one.created) > _FIRST_START
    )


def _began_just_now(one: Container) -> bool:
    return one.state == "running" and one.up_seconds is not None and one.up_seconds < STEADY_AFTER
