"""The `containers` list: what a source's document must hold for dockerup to find its containers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dockerup.problems import InvalidInputError, Origin, Problem
from dockerup.sources.result import Item

KEY = "containers"
BLOCK = "dockerup"  # the key of cloud-config that holds settings
_WRAP = 'Write {"containers": [...]}.'


def items_of_list(value: object, origin: Origin) -> tuple[Item, ...]:
    """Return the entries of a `containers` list at `origin`. Raises InvalidInputError for no list."""
    if not isinstance(value, list):
        what = f"containers is {_kind(value)}, where a list is expected"
        raise InvalidInputError(Problem(origin, what, "Write [...], one entry for each container."))
    return tuple(Item(entry, origin.at(index)) for index, entry in enumerate(value))


def misspelt_key(keys: Iterable[str]) -> str | None:
    """Return the key that was most likely meant to be `containers`."""
    found = (key for key in keys if difflib.SequenceMatcher(None, key.lower(), KEY).ratio() >= 0.85)
    return next(found, None)


def misspelling(key: str, origin: Origin) -> Problem:
    """Return the problem of a key that was most likely meant to be `containers`."""
    return Problem(origin.at(key), f'there is no key "{key}" here', f'Did you mean "{KEY}"?')


def not_wrapped(value: object, origin: Origin) -> Problem:
    """Return the problem of a document that holds containers but not under the key `containers`."""
    return Problem(origin, f"this is {_kind(value)} without the key {KEY}", _WRAP)


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else "a single value"
