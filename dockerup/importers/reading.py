"""Values of strangers' documents, read into plain ones; what is not what it should be is an OddError."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_SIZE = re.compile(r"([0-9]{1,18})(\.[0-9]{1,9})? ?([bkmgtp]?)(?:i?b)?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(h|ms|us|\u00b5s|\u03bcs|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6}
_SECONDS["ns"] = 1e-9
_TRUE = frozenset({"true", "yes", "on", "1", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "n"})
_MOST = 1 << 63
_MOST_SECONDS = 10**9


class OddError(Exception):
    """A value cannot be used; the text says why, without showing it."""


def text(value: Any) -> str:
    """Return a text; numbers and truth values are as they were typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < 1 << 63):
        return str(value)
    raise OddError("this is not a text")


def filled(value: Any) -> str:
    """Return a text that is not empty."""
    found = text(value).strip()
    if not found:
        raise OddError("this is empty")
    return found


def truth(value: Any) -> bool:
    """Return true or false."""
    word = text(value).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise OddError("this is neither true nor false")


def whole(value: Any) -> int:
    """Return a whole number that the engine can hold."""
    found = text(value)
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]{1,19}(?:\.0+)?", found):
        raise OddError("this is not a whole number")
    number = int(float(found)) if "." in found else int(found)
    if not -_MOST < number < _MOST:
        raise OddError("this number is too large")
    return number


def listed(value: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list):
        raise OddError("this is not a list")
    return value


def mapped(value: Any) -> dict[str, Any]:
    """Return an object; keys are texts."""
    if not isinstance(value, Mapping):
        raise OddError("this is not an object")
    return {str(key): part for key, part in value.items()}


def texts(value: Any) -> list[str]:
    """Return a list of texts; one text is a list of it."""
    return [text(value)] if isinstance(value, (str, int)) else [text(one) for one in listed(value)]


def words(value: Any) -> list[str]:
    """Return a command as a list; a text is split as a shell splits words."""
    if not isinstance(value, str):
        return texts(value)
    try:
        return shlex.split(value)
    except ValueError:
        raise OddError("the quotes do not match") from None


def pairs(value: Any) -> dict[str, str | None]:
    """Return names and values, of an object or of a list of NAME=VALUE; None where there is no value."""
    if isinstance(value, list):
        found: dict[str, str | None] = {}
        for one in value:
            name, equals, rest = text(one).partition("=")
            found[name] = rest if equals else None
        return found
    return {key: None if part is None else text(part) for key, part in mapped(value).items()}


def filled_pairs(value: Any) -> dict[str, str]:
    """Return names and values; what has no value has an empty one."""
    return {name: part or "" for name, part in pairs(value).items()}


def each(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """Return the reader of a list of what `read` reads."""
    return lambda value: [read(one) for one in listed(value)]


def size(value: Any) -> int:
    """Return bytes: a number of them, or a text such as "512m" or "1.5GB" (units are of 1024)."""
    found = _SIZE.fullmatch(text(value).strip())
    if isinstance(value, bool) or not found:
        raise OddError("this is not an amount of bytes")
    digits, fraction, unit = found.groups()
    factor = _UNITS[unit.lower()]
    amount = int(digits) * factor + int(float(fraction or 0) * factor)
    if amount >= _MOST:
        raise OddError("this number is too large")
    return amount


def size_text(amount: int) -> str:
    """Return bytes as an entry has them, in the largest unit that loses nothing."""
    for unit in ("g", "m", "k"):
        if amount and amount % _UNITS[unit] == 0:
            return f"{amount // _UNITS[unit]}{unit}"
    return f"{amount}b"


def sized(value: Any) -> str:
    """Return an amount of bytes as an entry has it."""
    return size_text(size(value))


def seconds(value: Any) -> float:
    """Return seconds: a number of them, or a text as Docker has it ("1m30s", "500ms")."""
    found = text(value).strip()
    if re.fullmatch(r"[0-9]{1,10}(?:\.[0-9]{1,9})?", found):
        return _bounded(float(found))
    parts = _TIME.findall(found)
    if isinstance(value, bool) or not parts or "".join(map("".join, parts)) != found:
        raise OddError("this is not a time")
    return _bounded(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _bounded(number: float) -> float:
    if number > _MOST_SECONDS:
        raise OddError("this time is too long")
    return number


def time_text(amount: float) -> str:
    """Return seconds as an entry has them: whole ones, rounded up."""
    return f"{-int(-amount // 1)}s"


def timed(value: Any) -> str:
    """Return a time as an entry has it."""
    return time_text(seconds(value))


def decimal(value: Any) -> str:
    """Return a number that may have a fraction, as it was typed."""
    found = text(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}", found):
        raise OddError("this is not a number")
    return f"0{found}" if found.startswith(".") else found


def swap(value: Any) -> Any:
    """Return memory and swap together as an entry has it: -1 is without limit."""
    return -1 if value in (-1, "-1") else sized(value)
