"""Whether the engine starts a container again and again, or gave it up: by its restarts. Pure.

The engine starts what exits again after 100 ms, the next time after twice that, up to a minute, until it has
run for 10 seconds (moby's restartmanager/restartmanager.go). The list of containers shows such a one as
restarting or as up for some seconds, as it happens: only its count of restarts tells that both are the same.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

from dockerup.snapshot import Container, ContainerId

STEADY_AFTER = 10  # seconds
# Seconds from the creation of a container to its start: one, and one for each of two times that the engine
# tells in whole seconds.
_FIRST_START = 3
_STOPPED = frozenset({128 + signal.SIGTERM, 128 + signal.SIGKILL})


def keeps_exiting(one: Container) -> bool:
    """Tell whether a container exited, and has not run for long enough since to be taken for well."""
    if one.state == "restarting":
        return True
    return _began_just_now(one) and one.detail is not None and one.detail.restarts > 0


def gave_up(one: Container, restart: str) -> bool:
    """Tell whether the last start that the engine makes by a policy (`on-failure:5`) was in vain, too.

    Who stops it by hand ends it by a signal; it does not by itself.
    """
    most, detail = restart.partition(":")[2], one.detail
    if not most or detail is None or detail.restart != restart or detail.restarts < int(most):
        return False
    by_hand = one.exit_code in _STOPPED and not detail.out_of_memory
    return one.state == "exited" and bool(one.exit_code) and not by_hand


def may_have_given_up(one: Container, restart: str) -> bool:
    """Tell whether a container has to be inspected to know that."""
    return one.detail is None and one.state == "exited" and bool(one.exit_code) and ":" in restart


def unwell(one: Container) -> str:
    """Return what is wrong with a container that runs, "" when nothing is.

    The words are the same each time, whatever the engine is about to do with it, so that they are told once.
    """
    if one.health == "unhealthy":
        return "its health check fails"
    return f"it keeps exiting, and is started again: docker logs {one.name}" if keeps_exiting(one) else ""


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
