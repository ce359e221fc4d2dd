"""What the command line may say: options, commands and their help."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Sequence
from typing import Callable, NoReturn

from dockerup import __version__
from dockerup.problems import instead, nearest
from dockerup.settings import DEFAULT_CACHE, DEFAULT_CONFIG, SETTINGS, Setting

_DESCRIPTION = "Make this host run exactly the Docker containers that its configuration lists."
_EPILOG = """\
exit codes of apply:
  0    the host is as listed (an update may be waiting for a registry that is away)
  1    something listed does not run as listed; each is named on stderr
  2    the usage or the configuration is wrong, or the list is not whole
  75   another run is at work
  129, 130, 143  ended by SIGHUP, SIGINT, SIGTERM

files:
  /etc/dockerup/dockerup.conf     settings, one key=value a line, such as unmanaged=keep
  /etc/dockerup/containers.d/     *.json, *.yaml, *.yml: the containers
  /var/cache/dockerup/            conveniences; may be deleted at any time

what cron runs each minute:
  dockerup --config /etc/dockerup/dockerup.conf --cache /var/cache/dockerup
"""


class _Parser(argparse.ArgumentParser):
    """A parser that tells of a word that it does not know which one is near."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with 2."""
        choice = re.match(r"argument (COMMAND|FROM): invalid choice: '([^']*)'", message)
        if choice:
            known = [name for name, *_ in (_COMMANDS if choice[1] == "COMMAND" else _ORIGINS)]
            what = f'command "{choice[2]}"' if choice[1] == "COMMAND" else f'"{choice[2]}" to import from'
            message = f"there is no {what}. {instead(choice[2], known)}"
        super().error(message)


def parsed(given: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says; one that is wrong is told of, and ends the process with 2."""
    whole = parser()
    known = {option[2:] for option in _options_of(whole) if option.startswith("--")}
    for word in itertools.takewhile(lambda one: one != "--", given):
        option = re.fullmatch(r"--([\w-]+)(?:=.*)?", word, re.DOTALL)
        if option and option[1] not in known:  # what follows it would be taken for a command
            guess = nearest(option[1], known)
            fix = f'Did you mean "--{guess}"?' if guess else "dockerup --help names all."
            whole.error(f'there is no option "--{option[1]}". {fix}')
    return whole.parse_args(given)


def _options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a parser and of those below it."""
    below = (one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return {*parser._option_string_actions}.union(*(_options_of(one) for of in below for one in of.values()))


def parser() -> _Parser:
    """Return the parser of the command line: what each command may be given, and what that means."""
    whole = _Parser(
        "dockerup",
        usage="dockerup [OPTIONS] [COMMAND] ...",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_shared()],
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"dockerup {__version__}")
    whole.set_defaults(
        command="apply",
        config=None,
        cache=DEFAULT_CACHE,
        files=[],
        retry=[],
        name=None,
        since=None,
        **dict.fromkeys(("server", "verbose", "quiet", "json", "detailed_exitcode", "wait"), False),
    )
    commands = whole.add_subparsers(prog="dockerup", metavar="COMMAND", dest="command_given")
    shared = _shared()  # not that of the whole, whose defaults are set in it
    for name, operands, text, add in _COMMANDS:
        command = commands.add_parser(
            name,
            usage=" ".join(filter(None, ("dockerup", name, "[OPTIONS]", operands))),
            help=text,
            description=text,
            parents=[shared],
            allow_abbrev=False,
        )
        command.set_defaults(command=name)
        add(command)
    return whole


def _add_nothing(_parser: argparse.ArgumentParser) -> None:
    pass


def _add_apply(parser: argparse.ArgumentParser) -> None:
    again = "try NAME again now, though it failed or ended"
    parser.add_argument("--retry", action="append", metavar="NAME", default=argparse.SUPPRESS, help=again)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    codes = "exit 0: nothing to do, 2: changes, 1: error"
    parser.add_argument("--detailed-exitcode", action="store_true", help=codes)


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="wait until all are up and healthy")
    parser.add_argument(
        "--timeout", type=int, default=600, metavar="SECONDS", help="how long --wait waits (600)"
    )


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="of this container only")
    when = "so long ago (90m, 12h, 7d, 2w) or a date in UTC (2026-05-31)"
    parser.add_argument("--since", metavar="WHEN", help=when)


def _add_validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="default: what apply would read")


def _add_setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show what would be done; change nothing")
    parser.add_argument("--remove", action="store_true", help="undo it; containers go on running")
    parser.add_argument(
        "--root", metavar="DIR", default="/", help="an image's file system, which does not run"
    )
    parser.add_argument("--timer", action="store_true", help="a systemd timer in place of cron")
    parser.add_argument("--no-schema", action="store_true", help="leave cloud-init's schema as it is")


def _add_import(parser: argparse.ArgumentParser) -> None:
    shared = _shared()
    kinds = parser.add_subparsers(prog="dockerup import", metavar="FROM", dest="origin", required=True)
    for name, many, operand, text in _ORIGINS:
        several = f"[{operand} ...]" if many == "*" else operand
        kind = kinds.add_parser(
            name,
            usage=f"dockerup import {name} [OPTIONS] {several}",
            help=text,
            description=text,
            parents=[shared],
            allow_abbrev=False,
        )
        kind.add_argument("given", nargs=many, metavar=operand, help="- is standard input" * (many == 1))
        kind.add_argument("-o", "--output", metavar="FILE", help="write there (0600), not to standard output")
        kind.add_argument("--overwrite", action="store_true", help="write there also where a file is already")
        if name == "compose":
            kind.add_argument("--project", metavar="NAME", default="", help="its name (docker compose -p)")
            for flag, metavar, meaning in (
                ("--profile", "NAME", "take the services of this profile as well"),
                ("--env-file", "FILE", "variables, instead of .env"),
            ):
                kind.add_argument(flag, action="append", metavar=metavar, default=[], help=meaning)


def _shared() -> _Parser:
    """Return the options that may stand before or after a command; those after do not reset those before."""
    parser = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", metavar="FILE", help=f"settings file (default {DEFAULT_CONFIG})")
    parser.add_argument("--cache", metavar="DIR", help=f"directory of conveniences (default {DEFAULT_CACHE})")
    for setting in SETTINGS.values():
        if setting.flag:
            _add_setting(parser, setting)
    parser.add_argument("--server", action="store_true", help="stay, and run each interval seconds")
    parser.add_argument("-v", "--verbose", action="store_true", help="say each step on stderr")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def _add_setting(parser: argparse.ArgumentParser, setting: Setting) -> None:
    name, dest = setting.key.replace("_", "-"), f"setting_{setting.key}"
    if isinstance(setting.default, bool):
        parser.add_argument(f"--{name}", dest=dest, action="store_const", const="true", help=setting.help)
        parser.add_argument(
            f"--no-{name}", dest=dest, action="store_const", const="false", help=f"turn --{name} off"
        )
        return
    default = f" (default {setting.default})" if setting.default else ""
    kind = setting.key.rpartition("_")[2].upper()
    text = (setting.help + default).replace("%", "%%")
    parser.add_argument(f"--{name}", dest=dest, metavar=kind, help=text)


_ORIGINS: tuple[tuple[str, str | int, str, str], ...] = (
    ("compose", "*", "FILE", "Compose files; without any, those of the working directory"),
    ("ecs", 1, "FILE", "a task definition of Amazon ECS, as registered or as it is described"),
    ("konlet", 1, "FILE", "a container declaration of Google's: gce-container-declaration"),
    ("running", "*", "NAME", "what runs on this engine; without names all that dockerup does not keep"),
    ("run", 1, "LINE", "a line of docker run, in quotes"),
)
_COMMANDS: tuple[tuple[str, str, str, Callable[[argparse.ArgumentParser], None]], ...] = (
    ("apply", "", "converge this host (what no command means); silent when nothing changed", _add_apply),
    ("plan", "", "what apply would do and why, field by field; changes nothing", _add_plan),
    ("status", "", "a table: each listed container, how it is, and what is wrong with it", _add_status),
    (
        "history",
        "[NAME]",
        "what runs changed on this host, when and why, and how long it was down; newest last",
        _add_history,
    ),
    ("validate", "[FILE ...]", "check configuration and user-data files, without an engine", _add_validate),
    ("schema", "", "print the JSON Schema of the containers block", _add_nothing),
    (
        "import",
        "FROM ...",
        "turn what other tools have (Compose, ECS, konlet, docker run, an engine) into entries",
        _add_import,
    ),
    (
        "setup",
        "",
        "make this host ready: cloud-init, cron or a timer, directories; says each thing it does",
        _add_setup,
    ),
)
