"""The run at boot: cloud-init's module calls this. It waits where cron would come back a minute later."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from logging import Logger
from typing import Callable

from dockerup.configuration import Configuration, load
from dockerup.desired import NoSourceError
from dockerup.listener import Listener, Stage
from dockerup.outlets import tell
from dockerup.problems import DockerupError
from dockerup.pull_display import lines
from dockerup.reconcile import reconcile
from dockerup.report import Report
from dockerup.rounds import Run
from dockerup.settings import DEFAULT_CACHE, Settings
from dockerup.sources.cloudinit import keep_given
from dockerup.state import BusyError, Cache, lock_path, locked
from dockerup.waiting import wait_until_well

LOCK_WAIT = 900  # seconds; the longest that another run begins anything new
_LOOK_AGAIN = 0.5  # seconds
_PULL_SAID_EVERY = 10.0  # seconds


class BootError(DockerupError):
    """Containers that user-data lists did not come up; the text names each and says why."""


def converge(containers: object, block: object, instance_id: str, log: Logger, stage: Stage) -> None:
    """Make the host run what cloud-init's merged config and `confdir` list, and wait until it does.

    `containers` and `block` are the values of the keys `containers` and `dockerup`. Raises BootError, after
    everything else was tried, when something does not come up; DockerupError when nothing could be tried.
    """
    environ, cache = os.environ, Cache(DEFAULT_CACHE)
    with stage("config"):
        fault = keep_given(cache.directory, instance_id, containers, block)
        if fault:
            log.info("what this boot was given could not be kept: %s", fault)
        configuration = load(None, {}, cache.directory, environ)
        if not _anything_to_do(configuration):
            log.info("no containers are listed: nothing to do")
            return
    settings = configuration.settings
    _wait_for_engine(settings, cache, environ, log)
    with _lock(settings, environ, log):
        pulls = lines(lambda line: _say(log, line), _PULL_SAID_EVERY)
        run = Run(cache, environ, listener=Listener(stage, pulls))
        report = reconcile(configuration, run)
        for change in report.changes:
            _say(log, str(change))
        for note in report.notes:
            log.info("%s", note)
        if report.lost:
            _raise_for(report)  # the rest is another run's work: it would be waited for in vain
        failed = tuple(change for change in report.changes if change.error)
        with stage("verify"):
            seen = wait_until_well(
                configuration, run, settings.wait, given_up={change.subject for change in failed}
            )
    _raise_for(replace(seen, changes=failed))


def _anything_to_do(configuration: Configuration) -> bool:
    """Tell whether the engine is needed at all: a host may have the module and no use for it yet."""
    try:
        desired = configuration.desired()
    except NoSourceError:
        return False
    return bool(desired.specs or desired.explicit or desired.problems)


def _wait_for_engine(settings: Settings, cache: Cache, environ: Mapping[str, str], log: Logger) -> None:
    """Return when the engine answers: `packages:` of the same boot may just have installed it."""
    from dockerup.connection import connect
    from dockerup.engine_error import EngineError

    def ask() -> None:
        with connect(settings, cache, environ) as host:
            host.engine.ping()

    _try_for(settings.wait, ask, EngineError, log)


@contextmanager
def _lock(settings: Settings, environ: Mapping[str, str], log: Logger) -> Iterator[None]:
    """Hold the lock, waiting for cron's run if that was first. Raises BootError when that does not end."""
    from dockerup.connection import engine_url

    path = lock_path(engine_url(settings, environ), environ, os.getuid())
    with ExitStack() as held:
        try:
            _try_for(LOCK_WAIT, lambda: held.enter_context(locked(path)), BusyError, log)
        except BusyError as error:
            raise BootError(
                f"{error}, and nothing of this boot's list was begun within {LOCK_WAIT} seconds. When that "
                "process has ended, cron's next run begins it, as does: cloud-init single --name dockerup"
            ) from error
        yield


def _try_for(seconds: float, act: Callable[[], None], passing: type[DockerupError], log: Logger) -> None:
    """Do it, again and again while it fails in a way that passes. Raises that error when time is up."""
    deadline = time.monotonic() + seconds
    said = False
    while True:
        try:
            return act()
        except passing as error:
            if time.monotonic() >= deadline:
                raise
            if not said:
                log.info("waiting up to %d seconds: %s", seconds, error)
            said = True
            time.sleep(_LOOK_AGAIN)


def _say(log: Logger, line: str) -> None:
    """Say a line in cloud-init's log, and on the console that cloud-init-output.log is made of."""
    log.info("%s", line)
    tell([f"dockerup: {line}"], sys.stdout)


def _raise_for(report: Report) -> None:
    if report.exit_code:
        raise BootError("; ".join(report.complaints))
