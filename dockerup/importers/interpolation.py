"""Variables in Compose files: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?error}`,
`${NAME?error}`, `${NAME:+other}`, `${NAME+other}` and `$$`; defaults may hold variables themselves.

Source: the Compose specification, 12-interpolation.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dockerup.importers.reading import OddError
from dockerup.problems import InvalidInputError, Origin, Problem

_PLAIN = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{)")
_BRACES = re.compile(r"\$\$|\$\{|\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_MOST_DEPTH = 20
_MOST_CHARACTERS = 1 << 20


@dataclass
class Variables:
    """The variables that a document is read with. `unset`: those that it named and that have no value."""

    values: Mapping[str, str]
    unset: set[str] = field(default_factory=set)
    required: list[str] = field(default_factory=list)

    def filled(self, text: str) -> str:
        """Return a text with its variables filled in. Raises OddError where it is malformed."""
        return self._filled(text, 0) if "$" in text else text

    def _filled(self, text: str, depth: int) -> str:
        if depth > _MOST_DEPTH:
            raise OddError(f"variables are nested more than {_MOST_DEPTH} deep")
        pieces, at, length = [], 0, 0
        while (found := _PLAIN.search(text, at)) is not None:
            pieces.append(text[at : found.start()])
            at = found.end()
            if found[1]:
                pieces.append("$")
            elif found[2]:
                pieces.append(self._value(found[2]))
            else:
                end = _closing(text, at)
                pieces.append(self._braced(text[at:end], depth))
                at = end + 1
            length += len(pieces[-1])
            if length > _MOST_CHARACTERS:
                raise OddError("the text is too long with its variables filled in")
        return "".join([*pieces, text[at:]])

    def _braced(self, inside: str, depth: int) -> str:
        name = _NAME.match(inside)
        if not name:
            raise OddError("what stands between ${ and } does not begin with a name")
        rest = inside[name.end() :]
        if not rest:
            return self._value(name[0])
        operator = next((one for one in _OPERATORS if rest.startswith(one)), "")
        if not operator:
            raise OddError("what stands between ${ and } is no form of a variable")
        return self._chosen(name[0], operator, rest[len(operator) :], depth)

    def _chosen(self, name: str, operator: str, other: str, depth: int) -> str:
        value = self.values.get(name)
        given = bool(value) if operator.startswith(":") else value is not None
        kind = operator[-1]
        if kind == "+":
            return self._filled(other, depth + 1) if given else ""
        if given:
            return value or ""
        if kind == "-":
            return self._filled(other, depth + 1)
        said = self._filled(other, depth + 1)
        self.required.append(f"{name} has no value" + (f" ({said})" if said else ""))
        return ""

    def _value(self, name: str) -> str:
        if name not in self.values:
            self.unset.add(name)
        return self.values.get(name, "")


def _closing(text: str, at: int) -> int:
    """Return where the brace that was opened just before `at` is closed. Raises OddError."""
    depth = 1
    for found in _BRACES.finditer(text, at):
        depth += {"${": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    raise OddError("a ${ has no closing }")


def interpolated(value: Any, variables: Variables, origin: Origin) -> Any:
    """Return a document with the variables in its texts filled in; keys stay as they are.

    Raises InvalidInputError with each text that is malformed, and each variable that `${NAME:?}` requires.
    """
    problems: list[Problem] = []
    filled = _walk(value, variables, origin, problems)
    if problems:
        raise InvalidInputError(*problems)
    return filled


def _walk(value: Any, variables: Variables, origin: Origin, problems: list[Problem]) -> Any:
    if isinstance(value, dict):
        return {k: _walk(v, variables, origin.at(k), problems) for k, v in value.items()}
    if isinstance(value, list):
        return [_walk(v, variables, origin.at(i), problems) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        filled = variables.filled(value)
    except OddError as odd:
        problems.append(Problem(origin, str(odd), "Write $$ for a dollar sign that is none of a variable."))
        return value
    problems += [Problem(origin, one, "Set it in the environment or .env.") for one in variables.required]
    variables.required.clear()
    return filled


_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=\s*(.*))?$", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def env_file(text: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a `.env` file; a later line may use those of earlier ones, and `values`.

    Quotes are taken away, in single ones nothing is filled in, and ` #` begins a comment outside of them.
    A line that is none of a variable is passed over. NAME alone takes the value of `values`, if it has one.
    """
    found: dict[str, str] = {}
    for line in _logical_lines(text):
        match = _ENV_LINE.match(line)
        if not match:
            continue
        if match[2] is not None:
            found[match[1]] = _unquoted(match[2], {**found, **values})
        elif match[1] in values:
            found[match[1]] = values[match[1]]
    return found


def _logical_lines(text: str) -> list[str]:
    """Return the lines; one whose quote is closed in a later one goes on to there."""
    lines: list[str] = []
    open_quote = ""
    for line in text.splitlines():
        if open_quote:
            lines[-1] += "\n" + line
            open_quote = "" if _closes(line, open_quote) else open_quote
        elif line.strip() and not line.lstrip().startswith("#"):
            lines.append(line)
            begun = re.match(r"[^=]*=\s*(['\"])(.*)$", line, re.DOTALL)
            open_quote = begun[1] if begun and not _closes(begun[2], begun[1]) else ""
    return lines


def _closes(text: str, quote: str) -> bool:
    return re.search(r"(?<!\\)" + quote, text) is not None


def _unquoted(raw: str, values: Mapping[str, str]) -> str:
    if raw.startswith("'"):
        return re.match(r"'([^']*)'?", raw, re.DOTALL)[1]  # type: ignore[index]
    quoted = re.match(r'"((?:[^"\\]|\\.)*)"?', raw, re.DOTALL)
    if quoted:
        text = re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), quoted[1], flags=re.DOTALL)
    else:
        text = re.split(r"\s+#|^#", raw, maxsplit=1)[0].strip()
    try:
        return Variables(values).filled(text)
    except OddError:
        return text
