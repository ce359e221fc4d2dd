"""Kinds of amounts: whole numbers of any size, sizes in bytes with Docker's suffixes, and shares."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Callable

from dockerup import kinds
from dockerup.kinds import Kind, refuse
from dockerup.problems import Origin

MIB = 1 << 20
LEAST_MEMORY = 6 * MIB  # the engine's own minimum
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30, "t": 1 << 40}
_MEMORY_NUMBER = {"type": "integer", "minimum": 1, "maximum": (1 << 63) - 1}


_SIZE = r"[0-9]{1,15}(?:\.[0-9]{1,3})?(?:[bB]|[kKmMgGtT](?:[iI]?[bB])?)|[1-9][0-9]{0,17}"
_WHOLE = r"-?(?:0|[1-9][0-9]{0,17})"
_DECIMAL = r"(?:0|[1-9][0-9]{0,3})(?:\.[0-9]{1,9})?"


def _in_bytes(text: str) -> tuple[int, str]:
    """Return the bytes of a size that `_SIZE` matches, and its unit, "" for a bare number."""
    found = re.fullmatch(r"([0-9]+)(\.[0-9]+)?([bkmgt]?)(?:i?b)?", text.lower())
    whole, fraction, unit = found.groups() if found else ("0", None, "")
    return int(whole) * _UNITS[unit] + int(float(fraction or 0) * _UNITS[unit]), unit


def _memory(value: Any, origin: Origin) -> int:
    amount, unit = _in_bytes(str(value))
    if not unit and amount < LEAST_MEMORY:
        amount *= MIB
    if not LEAST_MEMORY <= amount < 1 << 63:
        refuse(origin, f"{value} is not an amount of memory that a container can have", "Write 6m or more.")
    return amount


def _sized(says: str, of: Callable[[Any, Origin], int], *, unlimited: bool = False) -> Kind:
    suffixed = kinds.text(says, f"-1|{_SIZE}" if unlimited else _SIZE)

    def read(value: Any, origin: Origin) -> int:
        if unlimited and (value == "-1" or (value == -1 and not isinstance(value, bool))):
            return -1
        if isinstance(value, bool) or not isinstance(value, int):
            return of(suffixed.read(value, origin), origin)
        return of(value, origin) if 0 < value < 1 << 63 else suffixed.read(value, origin)

    forms = [_MEMORY_NUMBER, suffixed.schema, *([{"enum": [-1]}] if unlimited else [])]
    return Kind(says, read, {"title": says, "anyOf": forms})


def memory(*, unlimited: bool = False) -> Kind:
    """An amount of memory, read as bytes; a bare number under the engine's minimum is MiB, as ECS has it.

    `unlimited`: it may be -1 as well.
    """
    says = 'an amount of memory: "512m", "2g", or a number of bytes'
    return _sized(f"{says}; or -1" if unlimited else says, _memory, unlimited=unlimited)


def size(least: int, example: str) -> Kind:
    """A size of at least so many bytes, read as bytes; a bare number is bytes."""

    def of(value: Any, origin: Origin) -> int:
        amount, unit = _in_bytes(str(value))
        if not least <= amount < 1 << 63:
            fix = f'Write "{value}m" for MiB.' if not unit else f'Write a size such as "{example}".'
            refuse(origin, f"{amount} bytes are in no use for this", fix)
        return amount

    return _sized(f'a size: "{example}", or a number of bytes', of)


def whole(least: int, most: int) -> Kind:
    """A whole number, or a string of its digits."""
    says = f"a whole number from {least} to {most}"
    digits = kinds.text(says, _WHOLE)

    def read(value: Any, origin: Origin) -> int:
        number = int(digits.read(value, origin)) if isinstance(value, str) else value
        if isinstance(value, bool) or not isinstance(number, int):
            kinds.expected(value, origin, says)
        if not least <= number <= most:
            refuse(
                origin, f"{kinds.show(value)} is not in the range from {least} to {most}", f"Write {says}."
            )
        return number

    number = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(says, read, {"title": says, "anyOf": [number, digits.schema]})


def share(least: str, most: int) -> Kind:
    """A number with up to nine places after the point, read as the shortest text of it: "0.5"."""
    says = f"a number from {least} to {most}, such as 0.5"
    digits = kinds.text(says, _DECIMAL)

    def read(value: Any, origin: Origin) -> str:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            kinds.expected(value, origin, says)
        if isinstance(value, str):
            text = digits.read(value, origin)
        else:
            # An integer goes as it is: one of thousands of digits has no text.
            text = format(Decimal(value if isinstance(value, int) else str(value)), "f")
        number = Decimal(text) if re.fullmatch(_DECIMAL, text) else Decimal(-1)
        if not Decimal(least) <= number <= most:
            refuse(
                origin, f"{kinds.show(value)} is not in the range from {least} to {most}", f"Write {says}."
            )
        whole_part, _, places = format(number, "f").partition(".")
        return f"{whole_part}.{places.rstrip('0')}".rstrip(".")

    number = {"type": "number", "minimum": float(least), "maximum": most}
    return Kind(says, read, {"title": says, "anyOf": [number, digits.schema]})


def billionths(text: str) -> int:
    """Return a share in billionths."""
    return int(Decimal(text) * 10**9)
