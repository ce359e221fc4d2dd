"""Kinds of amounts: sizes in bytes, with Docker's suffixes."""

from __future__ import annotations

import re
from typing import Any

from dockerup import kinds
from dockerup.kinds import Kind, refuse
from dockerup.problems import Origin

MIB = 1 << 20
LEAST_MEMORY = 6 * MIB  # the engine's own minimum
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30, "t": 1 << 40}
_MEMORY_NUMBER = {"type": "integer", "minimum": 1, "maximum": (1 << 63) - 1}


def _bytes(value: Any, origin: Origin) -> int:
    found = re.fullmatch(r"([0-9]+)(\.[0-9]+)?([bkmgt]?)(?:i?b)?", str(value).lower())
    whole, fraction, unit = found.groups() if found else ("0", None, "")
    size = int(whole) * _UNITS[unit] + int(float(fraction or 0) * _UNITS[unit])
    if not unit and size < LEAST_MEMORY:
        size *= MIB
    if not LEAST_MEMORY <= size < 1 << 63:
        refuse(origin, f"{value} is not an amount of memory that a container can have", "Write 6m or more.")
    return size


def memory() -> Kind:
    """An amount of memory, read as bytes; a bare number under the engine's minimum is MiB, as ECS has it."""
    says = 'an amount of memory: "512m", "2g", or a number of bytes'
    suffixed = kinds.text(
        says, r"[0-9]{1,15}(?:\.[0-9]{1,3})?(?:[bB]|[kKmMgGtT](?:[iI]?[bB])?)|[1-9][0-9]{0,17}"
    )

    def read(value: Any, origin: Origin) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            return _bytes(suffixed.read(value, origin), origin)
        return _bytes(value, origin) if 0 < value < 1 << 63 else suffixed.read(value, origin)

    return Kind(says, read, {"anyOf": [_MEMORY_NUMBER, suffixed.schema]})
