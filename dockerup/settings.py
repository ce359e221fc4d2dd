"""The settings of a run: one table that gives the file's keys, the flags, the checks and the reference."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Callable

from dockerup.logins import RegistryLogin, parse_registry_auth
from dockerup.problems import InvalidInputError, Origin, Problem, instead
from dockerup.records import dataclass
from dockerup.sources.result import Item

DEFAULT_CONFIG = "/etc/dockerup/dockerup.conf"
DEFAULT_CACHE = "/var/cache/dockerup"
_SEVERAL = 3  # lines; fewer may be mistakes that are better told one by one

Reader = Callable[[str], Any]
ObjectReader = Callable[[object, Origin], tuple[Any, list[Problem]]]


class _NotValidError(Exception):
    """A setting's text is not a value of its kind; the text says what is expected."""


def _text(text: str) -> str:
    return text


def _truth(text: str) -> bool:
    word = text.lower()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0"}:
        return False
    raise _NotValidError("true or false")


def _names(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _absolute_path(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise _NotValidError("an absolute path")
    return text


def _path_or_none(text: str) -> str:
    return _absolute_path(text) if text else ""


def _whole(least: int, most: int) -> Reader:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise _NotValidError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def _percent(least: int, most: int) -> Reader:
    def read(text: str) -> int:
        found = re.fullmatch(r"([0-9]{1,2})%?", text)
        if not found or not (int(found[1]) == 0 or least <= int(found[1]) <= most):
            raise _NotValidError(f"a percentage from {least}% to {most}%, or 0")
        return int(found[1])

    return read


def _one_of(*words: str) -> Reader:
    def read(text: str) -> str:
        if text not in words:
            raise _NotValidError(f"one of: {', '.join(words)}")
        return text

    return read


def _no_text(_text: str) -> str:
    raise _NotValidError("registry_auth=FILE, and what this should hold into that file")


def _row(
    default: object,
    read: Reader,
    help_text: str,
    *,
    flag: bool = True,
    secret: bool = False,
    of_object: ObjectReader | None = None,
) -> Any:
    metadata = {"read": read, "help": help_text, "flag": flag, "secret": secret, "of_object": of_object}
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """The settings of a run. Each line is the whole truth about one: key and flag, default, kind, meaning."""

    confdir: str = _row(
        "/etc/dockerup/containers.d", _absolute_path, "directory of files that define containers"
    )
    aws: bool = _row(True, _truth, "also read EC2 user-data, on a machine that is an EC2 instance")
    remote: str = _row("", _text, "URL of the engine; default: DOCKER_HOST, else /var/run/docker.sock")
    pull: bool = _row(True, _truth, "look for newer images in the registries")
    interval: int = _row(60, _whole(1, 86400), "seconds from one run to the next with --server")
    username: str = _row("", _text, "user of Docker Hub", flag=False)
    password: str = _row("", _text, "password of that user", flag=False, secret=True)
    registry_auth: str = _row(
        "", _path_or_none, "file of logins for registries, with what registryAuth holds; 0600", flag=False
    )
    registryAuth: tuple[RegistryLogin, ...] = _row(  # noqa: N815  # as users write it
        (),
        _no_text,
        "logins for registries, in user-data only: {HOST: {username: U, password: P}}, or passwordFile: F",
        flag=False,
        secret=True,
        of_object=parse_registry_auth,
    )
    unmanaged: str = _row(
        "remove", _one_of("remove", "keep"), "containers that dockerup did not start: remove or keep"
    )
    ignore: tuple[str, ...] = _row((), _names, "names or globs of containers that are never touched")
    prune: str = _row(
        "managed",
        _one_of("none", "managed", "all"),
        "unused images to remove: none, managed (fetched by dockerup) or all",
    )
    keep_images: int = _row(1, _whole(0, 100), "superseded images kept for each container")
    prune_when_full: int = _row(
        0,
        _percent(10, 99),
        "how full the engine's disk may get, such as 85%, before images go that `keep_images` keeps; "
        "0: never",
    )
    concurrency: int = _row(8, _whole(1, 64), "pulls at once, registry checks at once, starts at once")
    wait: int = _row(
        300, _whole(0, 86400), "seconds that a boot waits until all run and are healthy", flag=False
    )
    health_timeout: int = _row(
        0,
        _whole(0, 86400),
        "seconds in which a new container has to prove itself; "
        "0: what its own health check needs, 60 at least",
    )
    pull_timeout: int = _row(600, _whole(1, 86400), "seconds that one pull may take, all tries together")
    splay: int = _row(
        0,
        _whole(0, 50),
        "up to this many seconds before registries are asked, the same each time on one host",
    )


@dataclass(frozen=True)
class Setting:
    """One row of the table, as other modules see it. With `of_object` it stands in user-data's block only."""

    key: str
    default: object
    read: Reader
    help: str
    flag: bool
    secret: bool
    of_object: ObjectReader | None


SETTINGS: Mapping[str, Setting] = {
    field.name: Setting(field.name, field.default, **field.metadata) for field in dataclasses.fields(Settings)
}


def read_settings(
    text: str,
    source: str,
    flags: Mapping[str, str],
    block: Item | None = None,
) -> Settings:
    """Return the settings that a `dockerup.conf`, user-data's block and flags (by key) give together.

    The file is the image's, the block is the deployment's and overrides it, flags override both. Raises
    InvalidInputError with all that is wrong, not the first only.
    """
    problems: list[Problem] = []
    values: dict[str, object] = {}
    lines = _lines_of(text)
    if _is_of_another_kind(lines.values()):
        problems.append(_no_settings_file(source, len(lines)))
        lines = {}
    for origin, key, value in _settings_in(lines, source, problems):
        _read_one(origin, key, value, values, problems)
    for origin, key, value in _block_lines(block, problems) if block else ():
        _read_one(origin, key, value, values, problems)
    if block:
        _read_objects(block, values, problems)
    for key, value in flags.items():
        _read_one(Origin(f"--{key.replace('_', '-')}"), key, value, values, problems)
    if problems:
        raise InvalidInputError(*problems)
    return Settings(**values)  # type: ignore[arg-type]  # each reader gives its own field's type


def _lines_of(text: str) -> dict[int, str]:
    """Return the lines of a file that should each be a setting, by their number."""
    numbered = enumerate(map(str.strip, text.splitlines()), 1)
    return {number: line for number, line in numbered if line and line[0] not in "#;"}


def _is_of_another_kind(lines: Collection[str]) -> bool:
    """Tell whether of several lines none begins with a key: a program, JSON, a page of HTML."""
    return len(lines) >= _SEVERAL and not any(_first_word(line) in SETTINGS for line in lines)


def _no_settings_file(source: str, count: int) -> Problem:
    return Problem(
        Origin(source),
        f"this is no settings file: none of its {count} lines is a setting",
        f"Write lines such as confdir={Settings.confdir}, or name another file with --config.",
    )


def _first_word(line: str) -> str:
    return re.split(r"[=:\s]", line)[0]


def _settings_in(
    lines: Mapping[int, str], source: str, problems: list[Problem]
) -> Iterator[tuple[Origin, str, str]]:
    seen: dict[str, int] = {}
    for number, line in lines.items():
        origin = _line_origin(source, number)
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            problems.append(_no_setting(origin, line))
        elif key in seen:
            problems.append(Problem(origin, f'"{key}" stands in line {seen[key]} too', "Keep one of them."))
        else:
            seen[key] = number
            yield origin, key, value


def _no_setting(origin: Origin, line: str) -> Problem:
    # The line may be a password, or end in one: only a word that is a key of ours is shown.
    word = _first_word(line)
    shown = f'"{word}" without a "=" after it' if word in SETTINGS else "this line"
    return Problem(origin, f"{shown} is not a setting", "Write key=value.")


def _block_lines(block: Item, problems: list[Problem]) -> Iterator[tuple[Origin, str, str]]:
    """Give the settings of a block as the lines of a file would have them."""
    if not isinstance(block.value, Mapping):
        problems.append(Problem(block.origin, "this is no object of settings", "Write key: value below it."))
        return
    for key, value in block.value.items():
        if key in SETTINGS and SETTINGS[key].of_object:
            continue
        origin, text = block.origin.at(str(key)), _as_typed(key, value)
        if text is None and key in SETTINGS:
            what = "the value is not one line of text, a number or true/false"
            problems.append(Problem(origin, what, "Write it as it would stand in dockerup.conf."))
        else:
            yield origin, str(key), text or ""


def _read_objects(block: Item, values: dict[str, object], problems: list[Problem]) -> None:
    """Read the settings of a block that no line of a file can hold."""
    given = block.value if isinstance(block.value, Mapping) else {}
    for key, setting in SETTINGS.items():
        if setting.of_object and key in given:
            values[key], found = setting.of_object(given[key], block.origin.at(key))
            problems += found


def _as_typed(key: object, value: object) -> str | None:
    """Return a value of a block as a line of a file would have it, None for what no line can hold."""
    row = SETTINGS.get(str(key))
    if isinstance(value, list) and row is not None and isinstance(row.default, tuple):
        parts = [_as_typed("", one) for one in value]
        return None if None in parts else ",".join(part for part in parts if part)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 63 else None
    return value if isinstance(value, str) and not re.search(r"[\0\r\n]", value) else None


def _line_origin(source: str, number: int) -> Origin:
    return Origin(source, lines=lambda _path: number)


def _read_one(
    origin: Origin, key: str, text: str, values: dict[str, object], problems: list[Problem]
) -> None:
    setting = SETTINGS.get(key)
    if setting is None:
        problems.append(Problem(origin, f'there is no setting "{key}"', instead(key, SETTINGS)))
        return
    try:
        values[key] = setting.read(text)
    except _NotValidError as expected:
        shown = "the value" if setting.secret else f'"{text}"'
        problems.append(Problem(origin, f"{shown} is no value for {key}", f"Write {expected}."))
