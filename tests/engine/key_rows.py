"""The rows of keys.yaml: what is written for each key of a container, and what the engine says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("keys.yaml")


@dataclass(frozen=True)
class Row:
    """One key, as it is written for the container called `of`.

    `inspect` are fields of an inspection that equal a value, `has` those that hold at least one, by their
    path; "ID of NAME" in them is the id of another container. `warns` and `refuses` are what the engine says
    instead where the host has not got it, `since` is the version of its API that has it. `none` says why the
    engine is told nothing. Of what cannot run on every host (`idle`), the container is only created.
    """

    key: str
    says: Any
    of: str = "all"
    inspect: Mapping[str, Any] = field(default_factory=dict)
    has: Mapping[str, Any] = field(default_factory=dict)
    none: str = ""
    warns: str = ""
    refuses: str = ""
    since: str = ""

    @property
    def idle(self) -> bool:
        """Whether its container is only created."""
        return self.of.startswith("idle")

    def faults(self, inspected: Mapping[str, Any], ids: Mapping[str, str] | None = None) -> list[str]:
        """Return what the engine says otherwise, [] when all is as asked. `ids` are those of containers."""
        exact = [
            f"{self.key}: {path} is {_at(inspected, path)!r}, not {asked!r}"
            for path, asked in self.inspect.items()
            if _at(inspected, path) != _with_id(asked, ids or {})
        ]
        return exact + [
            f"{self.key}: {path} is {_at(inspected, path)!r}, without {asked!r}"
            for path, asked in self.has.items()
            if not _holds(_at(inspected, path), asked)
        ]


def rows() -> list[Row]:
    """Return all rows, in the order of the file."""
    return [Row(**one) for one in yaml.safe_load(FILE.read_text(encoding="utf-8"))]


def entries(of: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Return the containers that rows list, by name."""
    listed: dict[str, dict[str, Any]] = {}
    for one in of:
        entry = listed.setdefault(one.of, {"name": one.of})
        assert entry.get(one.key, one.says) == one.says, f"{one.of} has two values of {one.key}"
        entry[one.key] = one.says
    return listed


def _with_id(asked: Any, ids: Mapping[str, str]) -> Any:
    before, found, name = asked.partition("ID of ") if isinstance(asked, str) else ("", "", "")
    return before + ids[name] if found else asked


def _at(inspected: Mapping[str, Any], path: str) -> Any:
    value: Any = inspected
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _holds(value: Any, asked: Any) -> bool:
    if isinstance(asked, Mapping):
        return isinstance(value, Mapping) and all(_holds(value.get(k), v) for k, v in asked.items())
    if isinstance(asked, list):
        return isinstance(value, list) and all(one in value for one in asked)
    return bool(value == asked)
