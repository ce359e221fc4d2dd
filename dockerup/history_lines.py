"""One change of the history: as a line of JSON, as a row of a table. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

from dockerup.problems import InvalidInputError, Origin, Problem
from dockerup.records import dataclass

_TEXT, _WORD = 400, 255  # characters; together they keep a line far below the 16 KiB that tests ask for
_YEAR_10000 = 253402300800.0  # seconds since the epoch; `datetime` knows no later time
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SINCE = "Write how long ago, such as 90m, 12h, 7d or 2w, or a date (UTC), such as 2026-05-31."


@dataclass(frozen=True)
class Entry:
    """What one run changed about one container.

    `run` is the id of the run. `time` is the end of the change, in seconds since the epoch. `action` and
    `reason` are the words of the report. `before` and `after` are the digests of the images (or their ids)
    that the old container had and the new one has, or was to have; "" where there was none. `down` are the
    seconds from the old one's stop to the moment when one served again, None where nothing was stopped for
    another. `proof` are the seconds from the start to the proof, None without one. `outcome` is "done",
    "failed" or "rolled back". `error` is the first line of the error.
    """

    run: str
    time: float
    container: str
    action: str
    reason: str
    before: str = ""
    after: str = ""
    down: float | None = None
    proof: float | None = None
    outcome: str = "done"
    error: str = ""


_WORDS = tuple(key for key, value in asdict(Entry("", 0.0, "", "", "")).items() if isinstance(value, str))


def news(entries: Iterable[Entry], known: Iterable[Entry]) -> list[Entry]:
    """Return the entries to write down, where `known` are the last ones of the history.

    Not a failure once more that stopped nothing: an image that cannot be pulled is tried each minute.
    """
    last = {entry.container: _timeless(entry) for entry in known}
    return [one for one in entries if not told_once(one) or last.get(_cut(one).container) != _timeless(one)]


def told_once(entry: Entry) -> bool:
    """Tell whether an entry is of a failure that stopped nothing."""
    return entry.outcome != "done" and entry.down is None


def _timeless(entry: Entry) -> Entry:
    """Return what two entries of one failure have in common, as it is read again: not the ids in messages."""
    cut = _cut(entry)
    return replace(cut, run="", time=0.0, proof=None, error=re.sub(r"\b[0-9a-f]{12,64}\b", "#", cut.error))


def from_line(line: bytes) -> Entry | None:
    """Return the entry that a line holds, None for a line of another form."""
    try:
        value = json.loads(line)
        return _entry(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError, OverflowError):
        return None


def _entry(value: Mapping[str, Any]) -> Entry | None:
    words = {key: value.get(key) or "" for key in _WORDS}
    time = _seconds(value.get("time"))
    if time is None or not all(isinstance(word, str) for word in words.values()):
        return None
    if not words["container"] or not words["action"]:
        return None
    down, proof = _seconds(value.get("down")), _seconds(value.get("proof"))
    return _cut(Entry(time=time, down=down, proof=proof, **words))


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = float(value)
    return number if math.isfinite(number) and 0 <= number < _YEAR_10000 else None


def _cut(entry: Entry) -> Entry:
    """Return an entry whose texts have one line each, of bounded length, fit for a terminal."""
    most = {**dict.fromkeys(_WORDS, _WORD), "reason": _TEXT, "error": _TEXT}
    texts: dict[str, Any] = {key: _plain(getattr(entry, key), most[key]) for key in _WORDS}
    return replace(entry, **texts)


def _plain(text: str, most: int) -> str:
    line = (text.splitlines() or [""])[0]
    plain = "".join(character if character.isprintable() else "?" for character in line[: most + 1])
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def as_line(entry: Entry) -> bytes:
    """Return an entry as a line of the history."""
    return f"{as_json(entry)}\n".encode()


def as_json(entry: Entry) -> str:
    """Return an entry as a JSON object in one line."""
    return json.dumps(as_object(entry), ensure_ascii=False, allow_nan=False)


def as_object(entry: Entry) -> dict[str, Any]:
    """Return what JSON is made of an entry: None for what there was not, times in seconds."""
    found: dict[str, Any] = asdict(_cut(entry))
    for key, value in found.items():
        found[key] = round(value, 3) if isinstance(value, float) else value if value != "" else None
    return found


def table(entries: Sequence[Entry]) -> str:
    """Return entries as a table with a heading, in their order; times are UTC, the same on all hosts."""
    heading = ("TIME (UTC)", "CONTAINER", "ACTION", "OUTCOME", "BEFORE", "AFTER", "DOWN", "PROOF", "WHY")
    cells = [heading, *map(_cells, entries)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells
    )


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        utc(entry.time, "%Y-%m-%d %H:%M:%S"),
        entry.container,
        entry.action,
        entry.outcome,
        _short_digest(entry.before),
        _short_digest(entry.after),
        "-" if entry.down is None else f"{entry.down:.1f} s",
        "-" if entry.proof is None else f"{entry.proof:.1f} s",
        "; ".join(filter(None, (entry.reason, entry.error))),
    )


def utc(seconds: float, form: str) -> str:
    """Return a moment, in seconds since the epoch, in a form of `strftime`, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(form)


def _short_digest(digest: str) -> str:
    return (digest.rpartition(":")[2] or "-")[:12]


def since(text: str, now: float) -> float:
    """Return what `--since` means, in seconds since the epoch: so long before `now`, or a date in UTC.

    Raises InvalidInputError for what is neither.
    """
    ago = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        date = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        what = f'"{text}" is neither a span of time nor a date'
        raise InvalidInputError(Problem(Origin("--since"), what, _SINCE)) from None
