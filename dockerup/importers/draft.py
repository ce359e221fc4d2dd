"""What an importer makes: entries, and a note for what was not carried over or needs a decision."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from dockerup.importers.reading import OddError

_MOST_NOTES = 200  # of one entry; nobody reads more
NO_REAL_TIME = "the kernels of Debian and Ubuntu have no real-time groups"
_MOST_VALUES = 1000  # in one list of an entry, such as its ports


class Weight(enum.Enum):
    """What a note asks of whoever reads it."""

    DECIDE = "Decide"
    LEFT = "Not carried over"
    SAID = "Note"


@dataclass(frozen=True)
class Note:
    """A sentence about a place of the document that was read; `where` is "" for all of it."""

    weight: Weight
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.weight.value}: {place}{self.what}"


@dataclass(frozen=True)
class Entry:
    """One container in dockerup's own keys, with the notes that stand above it.

    `aside`: keys that are not taken by this version; `refused`: nor is the entry as a whole. Both are written
    as comments.
    """

    value: Mapping[str, Any]
    notes: tuple[Note, ...] = ()
    aside: Mapping[str, Any] = field(default_factory=dict)
    refused: bool = False

    @property
    def name(self) -> str:
        """Its name, as far as it has one."""
        return str(self.value.get("name", ""))


@dataclass(frozen=True)
class Imported:
    """What a document means here. `origin` says in words what was read."""

    origin: str
    entries: tuple[Entry, ...]
    notes: tuple[Note, ...] = ()


@dataclass
class Draft:
    """An entry, or what is said of a whole document, while it is put together."""

    where: str = ""
    value: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def put(self, key: str, value: Any) -> None:
        """Set a key; None, and what is empty, says nothing."""
        if value is not None and value not in ([], {}, ""):
            self.value[key] = value

    def add(self, key: str, values: Iterable[Any]) -> None:
        """Add to a key that holds a list. Raises OddError when that becomes longer than anybody means."""
        for value in values:
            found = self.value.setdefault(key, [])
            if len(found) >= _MOST_VALUES:
                raise OddError(f"these are more than {_MOST_VALUES}: the rest is left out")
            found.append(value)

    def merge(self, key: str, values: Mapping[str, Any]) -> None:
        """Add to a key that holds an object."""
        if values:
            self.value[key] = {**self.value.get(key, {}), **values}

    def left(self, where: str, what: str) -> None:
        """Say what was not carried over, and why."""
        self._note(Weight.LEFT, where, what)

    def decide(self, where: str, what: str) -> None:
        """Say what a person has to decide."""
        self._note(Weight.DECIDE, where, what)

    def said(self, where: str, what: str) -> None:
        """Say what came over in another form."""
        self._note(Weight.SAID, where, what)

    def _note(self, weight: Weight, where: str, what: str) -> None:
        place = f"{self.where}.{where}" if self.where and where else self.where or where
        note = Note(weight, place, what)
        if note not in self.notes[-20:] and len(self.notes) < _MOST_NOTES:
            self.notes.append(note)

    @property
    def entry(self) -> Entry:
        """The entry as it is now."""
        return Entry(dict(self.value), tuple(self.notes))


# Takes the value of a key; raises OddError when that is not what the key may hold.
Handler = Callable[[Draft, Any], None]
Table = Mapping[str, Optional[Handler]]


def fill(draft: Draft, written: Mapping[str, Any], table: Table, where: str = "") -> None:
    """Carry over what a mapping of a document says, key by key; what cannot be is noted.

    A key with None in the table says nothing to anybody; one that is not there is unknown. null says nothing.
    """
    for key, value in written.items():
        place = f"{where}.{key}" if where else str(key)
        if value is None or (key in table and table[key] is None):
            continue
        handler = table.get(key)
        if handler is None:
            draft.left(place, "this key is not known")
            continue
        try:
            handler(draft, value)
        except OddError as odd:
            draft.left(place, str(odd))


def plain(key: str, read: Callable[[Any], Any]) -> Handler:
    """Return the handler of what has the same meaning under a key of dockerup's."""
    return lambda draft, value: draft.put(key, read(value))


def not_here(where: str, why: str) -> Handler:
    """Return the handler of what has no meaning on a host without that tool."""
    return lambda draft, value: draft.left(where, why) if value not in ([], {}, False, "") else None
