"""Kinds of values: each says once what a document may hold, as a reader and as JSON Schema.

A reader takes what was written and gives the canonical form: plain JSON values with one spelling for each
meaning, so that equal meanings have equal hashes. It raises Refused with every fault that it found.
Schema: JSON Schema 2020-12 (https://json-schema.org/draft/2020-12).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Callable, NoReturn

from dockerup.problems import Origin, Problem, instead
from dockerup.records import dataclass

Reader = Callable[[Any, Origin], Any]

# Past 64 bits no number means anything here, and past 4300 digits Python refuses to write one out.
_LEAST_INTEGER, _MOST_INTEGER = -(1 << 63), (1 << 64) - 1


class Refused(Exception):  # noqa: N818  # control flow inside the parser, never seen by a caller of it
    """A value cannot be used; `problems` says all that is wrong with it."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*map(str, problems))
        self.problems = problems


@dataclass(frozen=True)
class Kind:
    """What a value may be. `says` is its kind in words, for messages and the reference."""

    says: str
    read: Reader
    schema: Mapping[str, Any]


def refuse(origin: Origin, what: str, fix: str) -> NoReturn:
    """Raise Refused with one problem."""
    raise Refused(Problem(origin, what, fix))


def gather(readings: Iterable[Callable[[], Any]]) -> list[Any]:
    """Return what each reading gives; raise Refused with the problems of all of them together."""
    values: list[Any] = []
    problems: list[Problem] = []
    for reading in readings:
        try:
            values.append(reading())
        except Refused as refused:
            problems += refused.problems
    if problems:
        raise Refused(*problems)
    return values


def show(value: object) -> str:
    """Return a short form of a value for a message."""
    text = f'"{value}"' if isinstance(value, str) else _type_words(value)
    return text if len(text) <= 60 else text[:57] + '..."'


def _type_words(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and not _LEAST_INTEGER <= value <= _MOST_INTEGER:
        return "a number past all bounds"
    return str(value)


def step_of(key: object) -> str:
    """Return a key as a step of a path."""
    return key if isinstance(key, str) else show(key)


def expected(value: object, origin: Origin, says: str) -> NoReturn:
    """Raise Refused for a value that is not of the kind that `says` names."""
    kind = re.split(r': "| such as ', says)[0]  # the examples stand in what to write instead
    refuse(origin, f"{show(value)} is not {kind}", f"Write {says}.")


def _whole(pattern: str) -> str:
    """Return the pattern held to the whole string; Python's `$` alone lets a final newline through."""
    return rf"^(?:{pattern})$(?!\n)"


_NO_NUL = _whole(r"[^\0]*")


def text(says: str, pattern: str, *, also: Callable[[str, Origin], str] | None = None) -> Kind:
    """A string that matches `pattern` as a whole; `also` checks or rewrites what a pattern cannot say."""
    pattern = _whole(pattern)

    def read(value: Any, origin: Origin) -> str:
        # It is compiled when it is first asked: no run needs them all.
        if not isinstance(value, str) or not re.search(pattern, value):
            expected(value, origin, says)
        return also(value, origin) if also else value

    return Kind(says, read, {"type": "string", "pattern": pattern})


def secret(says: str) -> Kind:
    """A string, whole number or truth value, kept as the text that was typed; never shown in a message."""

    def read(value: Any, origin: Origin) -> str:
        if origin.lossy and not isinstance(value, str):
            refuse(origin, "cloud-init may not have read this as it was typed", "Put the value in quotes.")
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str) and "\0" not in value:
            return value
        if isinstance(value, int) and _LEAST_INTEGER <= value <= _MOST_INTEGER:
            return str(value)
        refuse(origin, f"the value is not {says}", "Put it in quotes, so that it stays what you typed.")

    number = {"type": "integer", "minimum": _LEAST_INTEGER, "maximum": _MOST_INTEGER}
    return Kind(says, read, {"anyOf": [number, {"type": "boolean"}, {"type": "string", "pattern": _NO_NUL}]})


def whole_number(least: int, most: int, pattern: str) -> Kind:
    """A whole number, or a string of its digits, which is what `pattern` has to say of the same range."""
    says = f"a whole number from {least} to {most}"
    pattern = _whole(pattern)

    def read(value: Any, origin: Origin) -> int:
        if isinstance(value, str) and re.search(pattern, value):
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            expected(value, origin, says)
        return value

    number = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(says, read, {"anyOf": [number, {"type": "string", "pattern": pattern}]})


_UNIT_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_AMOUNT = "(?:0|[1-9][0-9]{0,8})"
_TIME = _whole(f"{_AMOUNT}|(?=[0-9])" + "".join(f"(?:{_AMOUNT}{unit})?" for unit in _UNIT_SECONDS))
_FRACTION = re.compile(r"[0-9]\.[0-9]|[0-9](?:m|u|\u00b5|\u03bc|n)s")


def seconds(least: int, most: int, example: str) -> Kind:
    """A time in whole seconds: a number of them, or a text such as "1m30s", as Go and so Docker write it."""
    says = f'seconds from {least} to {most}, or a time such as "{example}"'
    matches = re.compile(_TIME).search

    def read(value: Any, origin: Origin) -> int:
        if isinstance(value, float) or (isinstance(value, str) and _FRACTION.search(value)):
            refuse(origin, f"{show(value)} is no whole number of seconds", f"Write {says}.")
        if isinstance(value, str) and matches(value):
            amount = _seconds_of(value)
        elif isinstance(value, bool) or not isinstance(value, int):
            expected(value, origin, says)
        else:
            amount = value
        if not least <= amount <= most:
            refuse(origin, f"{show(value)} is not in the range of this time", f"Write {says}.")
        return amount

    number = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(says, read, {"title": says, "anyOf": [number, {"type": "string", "pattern": _TIME}]})


def _seconds_of(text: str) -> int:
    parts = re.findall(r"([0-9]+)([dhms]?)", text)
    return sum(int(amount) * _UNIT_SECONDS[unit or "s"] for amount, unit in parts)


_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")


def _spellings(words: Iterable[str]) -> list[str]:
    return [form for word in words for form in (word, word.capitalize(), word.upper())]


def truth() -> Kind:
    """true or false, and the words that YAML 1.1 reads as such."""
    meaning: dict[object, bool] = dict.fromkeys(_spellings(_TRUE), True)
    meaning.update(dict.fromkeys(_spellings(_FALSE), False))
    says = "true or false"

    def read(value: Any, origin: Origin) -> bool:
        if isinstance(value, bool):
            return value
        if not isinstance(value, str) or value not in meaning:
            expected(value, origin, says)
        return meaning[value]

    return Kind(says, read, {"enum": [True, False, *meaning]})


def choice(words: Mapping[Any, str]) -> Kind:
    """One of some words; the mapping gives each spelling's canonical one."""
    canonical = list(dict.fromkeys(words.values()))
    says = "one of: " + ", ".join(canonical)

    def read(value: Any, origin: Origin) -> str:
        for word, meant in words.items():
            if value == word and isinstance(value, bool) == isinstance(word, bool):
                return meant
        refuse(origin, f"{show(value)} is not {says}", instead(step_of(value), canonical))

    return Kind(says, read, {"enum": list(words)})


def words(says: str) -> Kind:
    """A command: a list of strings, or one string, split as a shell splits words but never run by one."""

    def read(value: Any, origin: Origin) -> list[str]:
        if isinstance(value, str) and value.strip() and "\0" not in value:
            try:
                return shlex.split(value)
            except ValueError as error:
                refuse(origin, f"the quotes do not match ({error})", "Close each quote, or write a list.")
        if not isinstance(value, list) or not value:
            expected(value, origin, says)
        one = text("a string", r"[^\0]*").read
        return gather(partial(one, word, origin.at(i)) for i, word in enumerate(value))

    strings = {"type": "array", "items": {"type": "string", "pattern": _NO_NUL}, "minItems": 1}
    return Kind(
        says, read, {"anyOf": [{"type": "string", "pattern": _whole(r"[^\0]*[^\0\s][^\0]*")}, strings]}
    )


def list_of(kind: Kind, says: str) -> Kind:
    """A list of values of one kind."""

    def read(value: Any, origin: Origin) -> list[Any]:
        if not isinstance(value, list):
            expected(value, origin, says)
        return gather(partial(kind.read, one, origin.at(i)) for i, one in enumerate(value))

    return Kind(says, read, {"type": "array", "items": kind.schema})


def one_or_list(kind: Kind, says: str) -> Kind:
    """A value of a kind, or a list of them; read as a list."""
    several = list_of(kind, says)

    def read(value: Any, origin: Origin) -> list[Any]:
        return several.read(value, origin) if isinstance(value, list) else [kind.read(value, origin)]

    return Kind(says, read, {"title": says, "anyOf": [kind.schema, several.schema]})


def map_of(kind: Kind, says: str, key_says: str, key_pattern: str, *, hidden: bool = False) -> Kind:
    """An object with free keys and values of one kind, sorted by key; `hidden`: no message shows a value."""
    key_pattern = _whole(key_pattern)

    def name_of(key: object) -> str:
        # Who writes NAME=VALUE where a name belongs has put the secret into the key.
        return step_of(key).partition("=")[0] if hidden else step_of(key)

    def read_one(key: Any, value: Any, origin: Origin) -> tuple[str, Any]:
        if not isinstance(key, str) or not re.search(key_pattern, key):
            wrong = "the key" if hidden else show(key)
            refuse(origin, f"{wrong} is not {key_says}", f"Write {key_says}.")
        return key, kind.read(value, origin)

    def read(value: Any, origin: Origin) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            wrong = "the value" if hidden else show(value)
            refuse(origin, f"{wrong} is not {says}", f"Write {says}.")
        pairs = gather(partial(read_one, k, v, origin.at(name_of(k))) for k, v in value.items())
        return dict(sorted(pairs))

    schema = {
        "type": "object",
        "propertyNames": {"pattern": key_pattern},
        "additionalProperties": kind.schema,
    }
    return Kind(says, read, schema)


def checked(kind: Kind, check: Callable[[Any, Origin], Any], schema: Mapping[str, Any] | None = None) -> Kind:
    """A kind with a further check or rewriting of what was read, which `schema`, when given, says too."""

    def read(value: Any, origin: Origin) -> Any:
        return check(kind.read(value, origin), origin)

    return Kind(kind.says, read, {**kind.schema, **(schema or {})})
