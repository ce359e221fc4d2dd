"""Make what was imported a list that this version of dockerup takes: what it does not is set aside, and said.

The parser itself decides, so that no imported file is ever refused, and a key that a version lacks is told
with its value, ready for a version that has it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dockerup.desired import combine
from dockerup.importers.draft import Entry, Imported, Note, Weight
from dockerup.problems import Origin, Path, Problem, render_path
from dockerup.sources.result import Item, SourceResult

_SOURCE = "import"
_ROUNDS = 50
# What makes a volume this one and no other: without it the rest would mean something else.
_ESSENTIAL = frozenset({"volume", "hostPath", "containerPath", "from", "image", "hostPort", "containerPort"})


def fitted(imported: Imported) -> Imported:
    """Return the same with only what the parser takes; what it does not is in `aside` of its entry."""
    entries = [replace(entry, value=_copied(entry.value)) for entry in imported.entries]
    for _ in range(_ROUNDS):
        problems = _problems(entries)
        if not problems:
            break
        entries = _without(entries, problems)
    bad = {problem.where.path[0] for problem in _problems(entries)}
    kept = [_refused(entry, ()) if i in bad else entry for i, entry in enumerate(entries)]
    return replace(imported, entries=tuple(kept))


def _copied(value: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(value))
    return found


def _problems(entries: Iterable[Entry]) -> tuple[Problem, ...]:
    items = tuple(
        Item(entry.value, Origin(_SOURCE, (i,))) for i, entry in enumerate(entries) if not entry.refused
    )
    return combine([SourceResult("confdir", items, declared=True, explicit=True)]).problems


def _without(entries: list[Entry], problems: Iterable[Problem]) -> list[Entry]:
    by_entry: dict[int, list[Problem]] = {}
    for problem in problems:
        by_entry.setdefault(int(problem.where.path[0]), []).append(problem)
    return [_mended(entry, by_entry[i]) if i in by_entry else entry for i, entry in enumerate(entries)]


def _mended(entry: Entry, problems: list[Problem]) -> Entry:
    value, aside = _copied(entry.value), _copied(entry.aside)
    targets: dict[Path, Problem] = {}
    for problem in problems:
        path = problem.where.path[1:] or (("dependsOn",) if "dependsOn" in value else ())
        if not path or path[0] in ("image", "name") or path[0] not in value:
            return _refused(entry, problems)
        targets.setdefault(_target(path, value), problem)
    outer = {path: one for path, one in targets.items() if not _is_inside(path, targets)}
    # From the end on, so that what is taken out of a list moves nothing that is still spoken of.
    for path in sorted(outer, key=lambda one: tuple(map(_rank, one)), reverse=True):
        _take_out(value, aside, path)
    notes = map(_note, outer.values())
    return replace(entry, value=value, aside=aside, notes=(*entry.notes, *notes))


def _is_inside(path: Path, others: Collection[Path]) -> bool:
    return any(path[:length] in others for length in range(1, len(path)))


def _rank(step: str | int) -> tuple[int, str]:
    return (step, "") if isinstance(step, int) else (0, step)


def _target(path: Path, value: Mapping[str, Any]) -> Path:
    """Return the path of the smallest part that can go without the rest meaning something else."""
    inside = value[str(path[0])]
    if len(path) > 1 and isinstance(inside, list) and isinstance(path[1], int) and path[1] < len(inside):
        part = inside[path[1]]
        in_part = len(path) > 2 and isinstance(part, dict) and path[2] in part
        return path[:3] if in_part and path[2] not in _ESSENTIAL else path[:2]
    if len(path) > 1 and isinstance(inside, dict) and path[1] in inside and len(inside) > 1:
        return path[:2]
    return path[:1]


def _take_out(value: dict[str, Any], aside: dict[str, Any], path: Path) -> None:
    key = str(path[0])
    if len(path) == 1:
        aside[key] = value.pop(key)
        return
    if len(path) == 3:
        part = value[key][path[1]]
        aside.setdefault(key, []).append({**part})
        del part[path[2]]
    elif isinstance(value[key], list):
        aside.setdefault(key, []).append(value[key].pop(path[1]))
    else:
        aside.setdefault(key, {})[path[1]] = value[key].pop(path[1])
    if not value[key]:
        del value[key]


def _refused(entry: Entry, problems: Iterable[Problem]) -> Entry:
    return replace(entry, refused=True, notes=(*entry.notes, *map(_note, problems)))


def _note(problem: Problem) -> Note:
    path = problem.where.path[1:]
    if problem.what.startswith("there is no key"):
        return Note(Weight.LEFT, render_path(path), "this version of dockerup has no such key")
    return Note(Weight.LEFT, render_path(path), f"{problem.what}. {problem.fix}")
