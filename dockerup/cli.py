"""The command line: arguments in, text and an exit code out."""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockerup.arguments import parsed
from dockerup.outlets import let_go, prepare, show, tell
from dockerup.problems import DockerupError, InvalidInputError, NoPackageError, Origin, Problem, instead
from dockerup.settings import SETTINGS
from dockerup.stopper import Stopper

if TYPE_CHECKING:
    from dockerup.configuration import Configuration
    from dockerup.importers.draft import Imported
    from dockerup.listener import Listener
    from dockerup.report import Report
    from dockerup.rounds import Run
    from dockerup.state import Cache

LOG = logging.getLogger(__name__)

USAGE, BUSY, INTERRUPTED = 2, 75, 130
STUCK_AFTER = 900  # seconds after which the holder of the lock is worth a word, and a run begins nothing new


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    prepare()
    os.umask(0o022 | os.umask(0o022))  # what others could write to would not be read again
    try:
        return _code_of(parsed(sys.argv[1:] if arguments is None else arguments))
    finally:
        let_go()


def _code_of(options: argparse.Namespace) -> int:
    _log_to_stderr(options.verbose)
    try:
        return _COMMANDS[options.command](options)
    except DockerupError as error:
        return _fail(error, options)
    except ImportError as error:
        return _fail(NoPackageError(error), options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader, `head` say, has what it wanted
    except OSError as error:
        return _fail(DockerupError(str(error)), options)


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING, force=True)
    logging.getLogger("dockerup").setLevel(logging.INFO if verbose else logging.WARNING)


def _load(options: argparse.Namespace) -> Configuration:
    from dockerup.configuration import load

    given = vars(options)
    flags = {key: given[f"setting_{key}"] for key in SETTINGS if f"setting_{key}" in given}
    return load(options.config, flags, options.cache, os.environ)


def _schema(_options: argparse.Namespace) -> int:
    from dockerup.keys import json_schema

    show(json.dumps(json_schema(), indent=2))
    return 0


def _validate(options: argparse.Namespace) -> int:
    from dockerup.validate import problems_of_files, problems_of_host

    files = options.files
    problems = problems_of_files(files) if files else problems_of_host(_load(options))
    tell(problems, sys.stderr)
    if not problems and not options.quiet:
        tell(["No faults found."], sys.stdout)
    return USAGE if problems else 0


def _apply(options: argparse.Namespace) -> int:
    stop = Stopper()
    configuration, code = _load(options), 0
    with _going_on(options):
        code = _one_run(configuration, options, stop)
    while options.server and not stop.signal:
        stop.asked.wait(configuration.settings.interval)
        options.retry = []  # the first run alone tries again
        if not stop.signal:
            with _going_on(options):
                configuration = _load(options)
                _one_run(configuration, options, stop)
    return stop.exit_code or code


@contextmanager
def _going_on(options: argparse.Namespace) -> Iterator[None]:
    """Say what broke a run of a server off, whatever it is, and let the next one begin."""
    try:
        yield
    except Exception as error:
        if not options.server:
            raise
        if not isinstance(error, DockerupError):
            LOG.info("dockerup: this run broke off", exc_info=True)
            error = DockerupError(f"this run broke off: {error!r}")
        _fail(error, options)


def _run_of(options: argparse.Namespace, configuration: Configuration, cache: Cache, stop: Stopper) -> Run:
    """Return the run that was asked for. Raises InvalidInputError for a name to retry that nobody lists."""
    from dockerup.rounds import Run

    asked = frozenset(options.retry)
    specs = configuration.desired().specs if asked else ()
    retry = frozenset(spec.name for spec in specs if asked & {spec.name, spec.replica_of})
    names = {name for spec in specs for name in (spec.name, spec.replica_of) if name}
    for name in sorted(asked - names):
        what = f'no container of the name "{name}" is listed'
        remedy = instead(name, names) if names else "Nothing is listed."
        raise InvalidInputError(Problem(Origin("--retry"), what, remedy))
    listener = _listener(options)
    # A person who waits for the end wants to know now.
    spread = not _a_person_asks(options)
    return Run(cache, os.environ, stop=stop.asked, listener=listener, retry=retry, spread=spread)


def _listener(options: argparse.Namespace) -> Listener:
    """Return who is told while the run goes on: a person at a terminal, nobody else."""
    from dockerup.listener import Listener

    if options.quiet or options.json or not sys.stderr.isatty():
        return Listener()
    from dockerup.pull_display import on_terminal

    say = functools.partial(print, file=sys.stderr, flush=True)
    return Listener(pulling=on_terminal(say, bars=not options.verbose))


def _one_run(configuration: Configuration, options: argparse.Namespace, stop: Stopper) -> int:
    from dockerup.connection import engine_url
    from dockerup.reconcile import reconcile
    from dockerup.state import BusyError, Cache, lock_path, locked

    cache = Cache(options.cache)
    path = lock_path(engine_url(configuration.settings, os.environ), os.environ, os.getuid())
    try:
        with locked(path), stop.deadline(_longest(configuration)):
            report = reconcile(configuration, _run_of(options, configuration, cache, stop))
            return _say(report, options, cache)
    except BusyError as busy:
        stuck = [f"dockerup: process {busy.pid} has held the lock for more than {STUCK_AFTER // 60} minutes"]
        tell(cache.news(stuck) if busy.seconds > STUCK_AFTER else [], sys.stderr)
        return BUSY


def _longest(configuration: Configuration) -> float:
    """Return the seconds after which a run begins nothing new, nor goes on fetching an image."""
    return max(STUCK_AFTER, configuration.settings.pull_timeout)  # whoever gives one pull longer means it


def _say(report: Report, options: argparse.Namespace, cache: Cache) -> int:
    from dockerup.show import as_json

    if options.json:
        tell([as_json(report, report.exit_code)], sys.stdout)
        return report.exit_code
    if not options.quiet:
        tell((change for change in report.changes if not change.error), sys.stdout)
    lines = report.complaints + ([] if options.quiet else list(report.notes))
    fresh = cache.news(lines)
    tell(lines if _a_person_asks(options) else fresh, sys.stderr)
    return report.exit_code


def _plan(options: argparse.Namespace) -> int:
    from dockerup.reconcile import reconcile
    from dockerup.rounds import Run
    from dockerup.show import as_json, plan_text
    from dockerup.state import Cache

    report = reconcile(_load(options), Run(Cache(options.cache), os.environ, act=False))
    code = _plan_code(report, detailed=options.detailed_exitcode)
    show(as_json(report, code) if options.json else plan_text(report))
    tell([*report.faults, *report.notes], sys.stderr)
    return code


def _plan_code(report: Report, *, detailed: bool) -> int:
    if report.problems or not report.whole:
        return 1 if detailed else USAGE
    return 2 if detailed and report.plan.changes else 0


def _status(options: argparse.Namespace) -> int:
    from dockerup.history import last_changes
    from dockerup.rounds import Run
    from dockerup.show import as_json, table
    from dockerup.state import Cache
    from dockerup.waiting import wait_until_well

    run = Run(Cache(options.cache), os.environ, inspect=True)
    report = wait_until_well(_load(options), run, options.timeout if options.wait else 0)
    last = last_changes(options.cache)
    show(as_json(report, report.exit_code, last) if options.json else table(report.rows, last))
    tell(report.faults, sys.stderr)
    return report.exit_code


def _history(options: argparse.Namespace) -> int:
    from dockerup.history import read
    from dockerup.history_lines import as_json, since, table

    begin = 0.0 if options.since is None else since(options.since, time.time())
    found = [
        entry
        for entry in read(options.cache)
        if entry.time >= begin and options.name in {None, entry.container}
    ]
    if options.json:
        for entry in found:
            show(as_json(entry))
    elif found:
        show(table(found))
    else:
        which = f" of {options.name}" * bool(options.name) + f" since {options.since}" * bool(options.since)
        show(f"No changes{which} are in the history in {options.cache}.")
    return 0


def _import(options: argparse.Namespace) -> int:
    from dockerup.importers import write

    imported = _imported(options)
    text = write.as_text(imported)
    if not options.output:
        show(text, end="")
        return 0
    write.put(options.output, text, overwrite=options.overwrite)
    if not options.quiet:
        tell([f"{options.output}: {write.summary(imported)}"], sys.stdout)
    return 0


def _imported(options: argparse.Namespace) -> Imported:
    from dockerup.importers import command

    given = options.given
    if options.origin == "compose":
        return command.from_compose(given, os.environ, options.project, options.profile, options.env_file)
    if options.origin == "running":
        from dockerup.configuration import read_file
        from dockerup.connection import engine_url
        from dockerup.state import Cache

        url = engine_url(read_file(options.config), os.environ)
        return command.from_running(given, url, os.environ, Cache(options.cache).adopted(url))
    read = {"ecs": command.from_ecs, "konlet": command.from_konlet, "run": command.from_run}
    return read[options.origin](given[0])


def _setup(options: argparse.Namespace) -> int:
    from dockerup import host_files, host_setup

    asks = os.path.realpath(options.root) == "/" and not options.remove
    facts = host_files.observe(options.root, _unmanaged(options) if asks else ())
    if options.remove:
        setup = host_setup.plan_removal(facts)
    else:
        setup = host_setup.plan_setup(facts, timer=options.timer, schema=not options.no_schema)
    tell(setup.preview() if options.dry_run else host_files.apply(setup.actions, options.root), sys.stdout)
    if not setup.actions:
        tell(["Nothing to do: all is in place." if not options.remove else "Nothing to undo."], sys.stdout)
    tell(setup.notes, sys.stdout)
    return 0


def _unmanaged(options: argparse.Namespace) -> list[str]:
    from dockerup.configuration import read_file
    from dockerup.host_files import unmanaged_now

    return unmanaged_now(read_file(options.config), os.environ)


def _fail(error: DockerupError, options: argparse.Namespace) -> int:
    text = str(error) if isinstance(error, InvalidInputError) else f"dockerup: {error}"
    code = 1 if options.detailed_exitcode else error.exit_code
    if options.json:
        tell([json.dumps({"exitCode": code, "error": text})], sys.stdout)
    old = options.command == "apply" and not _is_news(text, options)
    if not old or _a_person_asks(options):
        tell([text], sys.stderr)
    return code


def _a_person_asks(options: argparse.Namespace) -> bool:
    """Tell whether to say again what was said before. Cron, which mails what is printed, hears it once."""
    return bool(options.retry) or sys.stderr.isatty()


def _is_news(text: str, options: argparse.Namespace) -> bool:
    """Tell whether the last run said something else: what cron prints is mailed, each minute."""
    from dockerup.state import Cache

    return bool(Cache(options.cache).news([text]))


_COMMANDS = {
    "apply": _apply,
    "plan": _plan,
    "status": _status,
    "validate": _validate,
    "schema": _schema,
    "history": _history,
    "setup": _setup,
    "import": _import,
}
