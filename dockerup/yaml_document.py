"""YAML texts: their plain value, without the surprises of YAML 1.1 and without what makes YAML dangerous.

The value is put together from the parser's events, by no recursion and by no constructor of PyYAML's:
limits hold while the text is read, aliases count as what they stand for, and each value has its line.
The format: https://yaml.org/spec/1.1/ (PyYAML's), with the scalars of JSON only.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any, Callable

import yaml

from dockerup.bounds import LIMIT_DEPTH, LIMIT_NODES
from dockerup.problems import InvalidInputError, Origin, Path, Problem, duplicate_key

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_PRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_STANDARD_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({"str", "timestamp", "float", "value", "merge"})
_COLLECTION_TAGS = frozenset({"map", "seq", "omap", "pairs", "set"})
_WORDS: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}


class NotYamlError(InvalidInputError):
    """The text does not follow YAML's grammar, as against one that says what cannot be used."""


@dataclass
class _Node:
    """A value and where it stands. `size` and `height` count aliases as what they stand for."""

    line: int
    value: object
    text: str | None = None
    plain: bool = False
    size: int = 1
    height: int = 0
    entries: dict[str | int, _Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    line: int
    node: _Node


@dataclass
class _Frame:
    """A mapping or sequence that is still being read."""

    node: _Node
    anchor: str | None
    key: _Node | None = None
    merges: list[_Node] = field(default_factory=list)

    @property
    def step(self) -> str | int:
        if isinstance(self.node.value, dict):
            return (self.key.text or "") if self.key else ""
        return len(self.node.entries)


def compose(
    text: str,
    source: str,
    only: str | None = None,
    *,
    like_json: bool = False,
    marks: dict[Path, str] | None = None,
) -> tuple[object, Callable[[Path], int]]:
    """Return the value of a YAML text, and the function that finds the line of a path in it.

    `only`: see `dockerup.document.load`. `like_json`: the text was meant as JSON, where a word with quotes or
    line ends in it is a comma forgotten. `marks`, when given, takes the tags that are not YAML's own, by the
    path of what they stand at; otherwise they are faults. Raises NotYamlError and InvalidInputError.
    """
    _refuse_unprintable(text, source)
    composer = _Composer(source, like_json=like_json, marks=marks)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.take(event)
    except yaml.YAMLError as error:
        raise NotYamlError(_syntax_problem(error, source)) from None
    except (ValueError, OverflowError):  # the parser in Python, on "\UFFFFFFFF" and the like
        what = "an escape stands for no character"
        raise NotYamlError(Problem(Origin(source), what, "Write the character itself.")) from None
    faults = [fault for fault in composer.faults if only is None or fault.where.path[:1] == (only,)]
    if faults:
        raise InvalidInputError(*faults)
    return composer.root.value, lambda path: _line_of(composer.root, path)


def _refuse_unprintable(text: str, source: str) -> None:
    found = _NOT_PRINTABLE.search(text)
    if found:
        before = text[: found.start()]
        column = found.start() - before.rfind("\n")
        what = f"column {column}: the character U+{ord(found.group()):04X} cannot stand in a text"
        origin = _at_line(source, before.count("\n") + 1)
        raise NotYamlError(Problem(origin, what, "Take it out."))


def _at_line(source: str, line: int, path: Path = ()) -> Origin:
    return Origin(source, path, lambda _path: line)


def _line_of(node: _Node, path: Path) -> int:
    """Return the line of the value at `path`, or of the innermost value around it that is there."""
    line = node.line
    for step in path:
        entry = node.entries.get(step)
        if entry is None:
            break
        line, node = entry.line, entry.node
    return line


class _Composer:
    """Puts the events of one text together. `faults` are those after which reading can go on."""

    def __init__(self, source: str, *, like_json: bool = False, marks: dict[Path, str] | None = None) -> None:
        self.source = source
        self._marks = marks
        self._like_json = like_json
        self.root = _Node(0, None)
        self.faults: list[Problem] = []
        self._documents = 0
        self._nodes = 0
        self._open: list[_Frame] = []
        self._anchors: dict[str, _Node | None] = {}

    def take(self, event: yaml.Event) -> None:
        """Take the next event of the parser. Raises InvalidInputError when reading cannot go on."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event, line), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._aliased(event, line), None, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._enter(event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._leave()
        elif isinstance(event, yaml.DocumentStartEvent):
            self._start_document(line)

    def _start_document(self, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            what, fix = (
                "a second document begins here",
                "Write one document, with several containers as a list.",
            )
            raise self._stop(line, what, fix)

    def _enter(self, event: Any, line: int) -> None:
        self._check_collection_tag(event.tag, line)
        if len(self._open) >= LIMIT_DEPTH:
            self._refuse_depth(line)
        if event.anchor:
            self._anchors[event.anchor] = None
        empty: object = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Frame(_Node(line, empty, height=1), event.anchor))

    def _leave(self) -> None:
        frame = self._open.pop()
        for merged in frame.merges:
            self._merge(frame, merged)
        self._add(frame.node, frame.anchor)

    def _aliased(self, event: Any, line: int) -> _Node:
        if event.anchor not in self._anchors:
            raise self._stop(line, f"nothing is named &{event.anchor} above", f"Write &{event.anchor} first.")
        node = self._anchors[event.anchor]
        if node is None:
            raise self._stop(line, f"*{event.anchor} stands inside what it names", "Write the value itself.")
        return node

    def _add(self, node: _Node, anchor: str | None, line: int = 0) -> None:
        """Give a complete node to what it stands in."""
        if anchor:
            self._anchors[anchor] = node
        # A node's children were counted when they came; an alias brings all of them once more.
        self._nodes += node.size if line else 1
        self._check_limits(node, line or node.line)
        if not self._open:
            self.root = node
            return
        frame = self._open[-1]
        frame.node.size += node.size
        frame.node.height = max(frame.node.height, node.height + 1)
        if isinstance(frame.node.value, list):
            frame.node.entries[frame.step] = _Entry(line or node.line, node)
            frame.node.value.append(node.value)
        elif frame.key is None:
            frame.key = self._key(node, line or node.line)
        else:
            self._add_pair(frame, frame.key, node)
            frame.key = None

    def _check_limits(self, node: _Node, line: int) -> None:
        if self._nodes > LIMIT_NODES:
            what = f"the document has more than {LIMIT_NODES} values (aliases count as what they stand for)"
            raise self._stop(line, what, "Write a smaller document.")
        if len(self._open) + node.height > LIMIT_DEPTH:
            self._refuse_depth(line)

    def _refuse_depth(self, line: int) -> None:
        what = f"values are nested more than {LIMIT_DEPTH} deep"
        raise InvalidInputError(Problem(_at_line(self.source, line), what, "Write a flatter document."))

    def _key(self, node: _Node, line: int) -> _Node:
        if node.text is None:
            what = "a key is a list or a mapping"
            fix = 'Write a plain key; put a value that begins with "{{" or "[" into quotes.'
            path = self._path()[:-1]  # the last step is the key that is none
            raise NotYamlError(Problem(_at_line(self.source, line, path), what, fix))
        return _Node(line, node.value, node.text, node.plain)

    def _add_pair(self, frame: _Frame, key: _Node, node: _Node) -> None:
        name, known = key.text or "", frame.node.entries
        if key.plain and name == "<<":
            frame.merges.append(node)
            return
        if name in known:
            path = self._path()
            self.faults.append(duplicate_key(self.source, path, known[name].line, key.line))
        known[name] = _Entry(key.line, node)
        assert isinstance(frame.node.value, dict)
        frame.node.value[name] = node.value

    def _merge(self, frame: _Frame, merged: _Node) -> None:
        """Take over what the mapping lacks, from a mapping or from a list of them, the first one first."""
        sequence = isinstance(merged.value, list)
        for node in [entry.node for entry in merged.entries.values()] if sequence else [merged]:
            if not isinstance(node.value, dict):
                self._fault(
                    node.line, '"<<" takes in what is no mapping', "Write <<: *NAME of a mapping.", "<<"
                )
                continue
            assert isinstance(frame.node.value, dict)
            for step, entry in node.entries.items():
                if step not in frame.node.entries:
                    frame.node.entries[step] = entry
                    frame.node.value[step] = entry.node.value

    def _scalar(self, event: Any, line: int) -> _Node:
        text = event.value
        if event.implicit[0]:
            if self._like_json and (event.end_mark.line + 1 > line or '"' in text or "'" in text):
                self._refuse_run_on(event)
            return _Node(line, _plain_value(text), text, plain=True)
        if event.tag in (None, "!") or event.implicit[1]:
            return _Node(line, text, text)
        return _Node(line, self._tagged_value(event.tag, text, line), text)

    def _refuse_run_on(self, event: Any) -> None:
        column = event.start_mark.column + 1
        what = f"column {column}: the value that begins here runs on into what looks like another"
        origin = _at_line(self.source, event.start_mark.line + 1, self._path())
        raise NotYamlError(Problem(origin, what, 'Put a "," after it, or put it into quotes.'))

    def _tagged_value(self, tag: str, text: str, line: int) -> object:
        kind = tag[len(_STANDARD_TAG) :] if tag.startswith(_STANDARD_TAG) else ""
        if kind in _TEXT_TAGS:
            return text
        if kind == "binary":
            return _binary_text(text)
        value = _plain_value(text)
        if kind in {"int", "bool", "null"}:
            if type(value).__name__ != {"null": "NoneType"}.get(kind, kind):
                self._fault(line, f"the value is no {kind}, as its tag !!{kind} says", "Leave out the tag.")
            return value
        self._unknown_tag(tag, line)
        return text

    def _check_collection_tag(self, tag: str | None, line: int) -> None:
        if tag in (None, "!"):
            return
        if not (tag.startswith(_STANDARD_TAG) and tag[len(_STANDARD_TAG) :] in _COLLECTION_TAGS):
            self._unknown_tag(tag, line)

    def _unknown_tag(self, tag: str, line: int) -> None:
        if self._marks is not None:
            self._marks[self._path()] = tag
            return
        shown = tag.replace(_STANDARD_TAG, "!!")
        self._fault(line, f'the tag "{shown[:60]}" means nothing here', "Write the value itself.")

    def _path(self) -> Path:
        return tuple(frame.step for frame in self._open)

    def _fault(self, line: int, what: str, fix: str, *steps: str) -> None:
        self.faults.append(Problem(_at_line(self.source, line, self._path() + steps), what, fix))

    def _stop(self, line: int, what: str, fix: str) -> InvalidInputError:
        return InvalidInputError(Problem(_at_line(self.source, line, self._path()), what, fix))


def _plain_value(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def _binary_text(text: str) -> str:
    """Return the text that base64 holds; that of other bytes stays as it is, since only files hold such."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        return text


_FIXES = (
    ("\\t", "Indent with blanks: YAML takes no tabs."),
    ("cannot start any token", "Put the value into quotes, and indent with blanks, not tabs."),
    ("mapping values are not allowed", 'Check the indentation, and put a value that holds ": " into quotes.'),
    ("expected ',' or", 'Put a "," between the values, and close each bracket.'),
    ("expected <block end>", "Indent the entries of one mapping or list alike."),
    ("block end", "Indent the entries of one mapping or list alike."),
    ("expected key", "Indent the entries of one mapping or list alike."),
    ("end of stream", "Close the quotes and brackets that were opened."),
)


def _syntax_problem(error: yaml.YAMLError, source: str) -> Problem:
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "this is not YAML")
    context = getattr(error, "context", None)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = f"{problem} {context}" if context else problem
    fix = next((fix for part, fix in _FIXES if part in problem), "Correct the text there.")
    if mark is None:
        return Problem(Origin(source), what, fix)
    return Problem(_at_line(source, mark.line + 1), f"column {mark.column + 1}: {what}", fix)
