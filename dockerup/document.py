"""JSON and YAML texts that people write: their plain value, and the line on which each part of it stands.

A document holds only dicts with string keys, lists, strings, whole numbers, true, false and null.
Whatever else looks like a number (`1.10`, `1e3`, more than 18 digits) stays the text that was typed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Callable

from dockerup.bounds import LIMIT_DEPTH, LIMIT_NODES
from dockerup.problems import InvalidInputError, Origin, Path, Problem, duplicate_key

LIMIT_BYTES = 1 << 20

# Comments may stand before the first bracket: "#cloud-config" above a pasted JSON text.
_LOOKS_LIKE_JSON = re.compile(r"(?:\s|#[^\n]*\n)*[{\[]")
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{},:]|[^][{},:"\s]+', re.DOTALL)
# A string that is never closed runs to the end of the text, which keeps this linear.
_STRING_OR_TAB = re.compile(r""""[^"\\]*(?:\\.[^"\\]*)*"?|'[^']*'?|\t""", re.DOTALL)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_MAX_DIGITS = 18


@dataclass(frozen=True)
class Document:
    """What a text says, and where it says it: `origin.at(...)` knows the line of each part."""

    value: object
    origin: Origin


class _DuplicateKeyError(Exception):
    """A JSON object has one key twice."""


def decode(raw: bytes, source: str) -> str:
    """Return the text that UTF-8 bytes hold, without a byte order mark. Raises InvalidInputError."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"byte {error.start + 1} is not UTF-8 text"
        raise InvalidInputError(Problem(_line_of(source, line), what, "Save the file as UTF-8.")) from None


def load(text: str, source: str, only: str | None = None, marks: dict[Path, str] | None = None) -> Document:
    """Return the document that a JSON or YAML text holds; an empty text holds null.

    A text that looks like JSON but is none (single quotes, a comma too many, tabs in it) is read as YAML's
    flow style, which takes these. With `only`, keys that stand twice and unknown tags are passed over
    outside that key of the top level, since they are the affair of another reader of the same text. `marks`
    takes unknown tags: see `dockerup.yaml_document.compose`.
    Raises InvalidInputError, with the line and column, on everything that cannot be read or is too large.
    """
    text = text[1:] if text.startswith("\ufeff") else text
    _refuse_unfit_text(text, source)
    if not _LOOKS_LIKE_JSON.match(text):
        return _load_yaml(text, source, only, marks=marks)
    try:
        return _load_json(text, source)
    except json.JSONDecodeError as error:
        return _load_json_like(text, source, only, error)


def _refuse_unfit_text(text: str, source: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        what = "a character in this line is half of a surrogate pair"
        raise InvalidInputError(Problem(_line_of(source, line), what, "Save the file as UTF-8.")) from None
    if size > LIMIT_BYTES:
        what = f"the text has {size} bytes, more than {LIMIT_BYTES}"
        raise InvalidInputError(Problem(Origin(source), what, "Write a smaller document."))


def _line_of(source: str, line: int) -> Origin:
    return Origin(source, lines=lambda _path: line)


# JSON


def _load_json(text: str, source: str) -> Document:
    origin = Origin(source, lines=_json_line_finder(text, source))
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_int=_whole_number,
            parse_float=str,
            parse_constant=_no_constant,
        )
    except _DuplicateKeyError:
        raise InvalidInputError(*_JsonPlaces(text, source).duplicates) from None
    except RecursionError:
        raise _too_deep(Origin(source)) from None
    _refuse_unfit_value(text, value, origin)
    return Document(value, origin)


def _object_without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _DuplicateKeyError
    return value


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits.lstrip("-")) <= _MAX_DIGITS else digits


def _no_constant(word: str) -> object:
    raise json.JSONDecodeError(f"{word} is no JSON", "N", 0)


def _refuse_unfit_value(text: str, value: object, origin: Origin) -> None:
    if text.count("{") + text.count("[") > LIMIT_DEPTH or text.count(",") >= LIMIT_NODES // 2:
        _refuse_large_value(value, origin)
    if _SURROGATE_ESCAPE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            what = "a string holds half of a surrogate pair (\\ud800 to \\udfff)"
            raise InvalidInputError(Problem(origin, what, "Write the character itself.")) from None


def _refuse_large_value(value: object, origin: Origin) -> None:
    nodes, depth, level = 0, 0, [value]
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if depth > LIMIT_DEPTH and any(isinstance(child, (dict, list)) for child in level):
            raise _too_deep(Origin(origin.source))
        if nodes > LIMIT_NODES:
            raise _too_many(Origin(origin.source))
        level = [child for parent in level for child in _children(parent)]


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep(origin: Origin) -> InvalidInputError:
    what = f"values are nested more than {LIMIT_DEPTH} deep"
    return InvalidInputError(Problem(origin, what, "Write a flatter document."))


def _too_many(origin: Origin) -> InvalidInputError:
    what = f"the document has more than {LIMIT_NODES} values"
    return InvalidInputError(Problem(origin, what, "Write a smaller document."))


@dataclass
class _Place:
    """The line of a value of a JSON text (of its key, where it has one), and the places inside it."""

    line: int
    is_object: bool = False
    step: str | int = 0
    inside: dict[str | int, _Place] = field(default_factory=dict)


class _JsonPlaces:
    """Where everything stands in a text that is JSON. `duplicates` are keys that stand twice."""

    def __init__(self, text: str, source: str) -> None:
        self.root = _Place(1)
        self.duplicates: list[Problem] = []
        self._source = source
        self._open: list[_Place] = []
        self._awaits_key = False
        line, end = 1, 0
        for match in _JSON_TOKEN.finditer(text):
            line, end = line + text.count("\n", end, match.start()), match.start()
            if len(self._open) > LIMIT_DEPTH:
                return
            self._take(match.group(), line)

    def _take(self, token: str, line: int) -> None:
        parent = self._open[-1] if self._open else None
        if token in "]}":
            self._open.pop()
        elif token == ",":
            assert parent
            self._awaits_key = parent.is_object
            parent.step = parent.step if isinstance(parent.step, str) else parent.step + 1
        elif parent and self._awaits_key:
            self._take_key(parent, json.loads(token), line)
        elif token != ":":
            self._take_value(parent, token, line)

    def _take_key(self, parent: _Place, key: str, line: int) -> None:
        parent.step, self._awaits_key = key, False
        if key in parent.inside:
            path = tuple(place.step for place in self._open)
            self.duplicates.append(duplicate_key(self._source, path, parent.inside[key].line, line))
        parent.inside[key] = _Place(line)

    def _take_value(self, parent: _Place | None, token: str, line: int) -> None:
        if parent is None:
            place = self.root = _Place(line)
        elif parent.is_object:
            place = parent.inside[parent.step]
        else:
            place = parent.inside[parent.step] = _Place(line)
        if token in "[{":
            place.is_object = self._awaits_key = token == "{"
            self._open.append(place)

    def line_of(self, path: Path) -> int:
        """Return the line of the value at `path`, or of the innermost value around it that is there."""
        place = self.root
        for step in path:
            if step not in place.inside:
                break
            place = place.inside[step]
        return place.line


def _json_line_finder(text: str, source: str) -> Callable[[Path], int]:
    @cache
    def places() -> _JsonPlaces:
        return _JsonPlaces(text, source)

    return lambda path: places().line_of(path)


# Texts that look like JSON, and YAML


def _load_yaml(
    text: str,
    source: str,
    only: str | None,
    *,
    like_json: bool = False,
    marks: dict[Path, str] | None = None,
) -> Document:
    # PyYAML is slow to import, and a host with JSON files alone never needs it.
    from dockerup import yaml_document

    value, lines = yaml_document.compose(text, source, only, like_json=like_json, marks=marks)
    return Document(value, Origin(source, lines=lines))


def _load_json_like(text: str, source: str, only: str | None, error: json.JSONDecodeError) -> Document:
    from dockerup import yaml_document

    blanks = _STRING_OR_TAB.sub(lambda found: " " if found.group() == "\t" else found.group(), text)
    try:
        return _load_yaml(blanks, source, only, like_json=True)
    except yaml_document.NotYamlError:
        if _json_knows_better(error):
            raise InvalidInputError(_json_problem(error, source)) from None
        raise


def _json_knows_better(error: json.JSONDecodeError) -> bool:
    """Return whether JSON's complaint is about the true fault, not about what YAML would have taken."""
    found = error.doc[error.pos : error.pos + 1]
    if error.msg.endswith("delimiter"):
        return found not in {"#", "\t"}
    return not (found.isalnum() or found in {"'", "#", "_", "}", "]", "\t", ","})


_EXPECTED = (
    ("Expecting property name", 'a key in double quotes or "}"'),
    ("Expecting ',' delimiter", '"," or the closing bracket'),
    ("Expecting ':' delimiter", '":" after the key'),
    ("Expecting value", "a value"),
    ("Unterminated string", "the closing quote of this string"),
    ("Invalid control character", "the closing quote of the string before the end of the line"),
    ("Invalid \\", 'an escape that JSON knows (\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)'),
    ("Extra data", "the end of the document"),
)


def _json_problem(error: json.JSONDecodeError, source: str) -> Problem:
    expected = next((words for start, words in _EXPECTED if error.msg.startswith(start)), error.msg)
    found = error.doc[error.pos : error.pos + 1]
    # One character only: what follows may be a secret.
    seen = "the end of the text" if not found else "the end of the line" if found == "\n" else repr(found)
    what = f"column {error.colno}: expected {expected}, found {seen}"
    if error.msg.startswith("Extra data"):
        return Problem(
            _line_of(source, error.lineno), what, "Write several containers as a list: [{...}, {...}]."
        )
    return Problem(_line_of(source, error.lineno), what, "Correct the text there.")
