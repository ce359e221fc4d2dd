"""What a source says, and whether what it says is whole."""

from __future__ import annotations

from dockerup.problems import Origin, Problem
from dockerup.records import dataclass


@dataclass(frozen=True)
class Item:
    """One container as a source wrote it, not yet checked."""

    value: object
    origin: Origin


@dataclass(frozen=True)
class SourceResult:
    """What one source gave.

    `declared`: the source is there at all. A directory without files is declared; no user-data is not.
    `explicit`: a list was written out, be it the empty `containers: []`.
    `complete`: nothing of the source was unreadable, so that what is not in `items` was not asked for.
    `notes`: sentences for a person, no faults ("user-data is plainly a shell script").
    `block`: what the key `dockerup` holds, settings for this host.
    """

    name: str
    items: tuple[Item, ...] = ()
    declared: bool = False
    explicit: bool = False
    complete: bool = True
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    block: Item | None = None
