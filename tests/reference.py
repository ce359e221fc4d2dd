"""The reference tables in the documents: `python -m tests.reference` writes them from the product's tables.

Each table stands between two comments, `<!-- NAME: ... -->` and `<!-- end of NAME -->`; all else is left.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dockerup.keys import CONTAINER_KEYS
from dockerup.keys.elsewhere import REFUSED, SPELLINGS
from dockerup.keys.row import Change, ContainerKey
from dockerup.objects import SAME_AS
from dockerup.problems import InvalidInputError
from dockerup.settings import SETTINGS, Setting, read_settings

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
CONTAINER = ROOT / "docs/container.md"
COMMAND = "python -m tests.reference"

_MAKES = {Change.REPLACE: "a new container", Change.IN_PLACE: "in place", Change.NOTHING: "nothing"}


class MarkerError(Exception):
    """The document has no place for a table; the text says which comments are missing."""


def settings_table() -> str:
    """Return the table of settings, one row a key, in Markdown."""
    rows = (
        (f"`{setting.key}`", _flags(setting), _value(setting.key), _default(setting.default), setting.help)
        for setting in SETTINGS.values()
    )
    return _table(("key", "flag", "value", "default", "meaning"), rows)


def container_table() -> str:
    """Return the table of a container's keys and those inside of them, in Markdown."""
    rows = [row for name, key in CONTAINER_KEYS.items() for row in _container_rows(name, key)]
    for name, spelling in SPELLINGS.items():
        if not spelling.help.startswith(REFUSED):
            rows.append((f"`{name}`", "", spelling.kind.says, spelling.help, "as those keys"))
    return _table(("key", "also called", "value", "meaning", "a change makes"), rows)


def tables() -> Mapping[Path, tuple[str, str]]:
    """Return for each document the name of its table, and the table, made anew."""
    return {README: ("settings", settings_table()), CONTAINER: ("container keys", container_table())}


def with_table(text: str, name: str, table: str) -> str:
    """Return a document with its table in place of the old one. Raises MarkerError when it has no place."""
    begin, end = f"<!-- {name}: written by `{COMMAND}` -->", f"<!-- end of {name} -->"
    before, found_begin, rest = text.partition(begin)
    _old, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise MarkerError(f"the document has not both lines: {begin} and, below it, {end}")
    return f"{before}{begin}\n\n{table}\n{end}{after}"


def _flags(setting: Setting) -> str:
    if not setting.flag:
        return ""
    name = setting.key.replace("_", "-")
    return f"`--{name}`, `--no-{name}`" if isinstance(setting.default, bool) else f"`--{name}`"


def _value(key: str) -> str:
    """Return what a setting's value may be, in the words of the message that refuses another one."""
    if SETTINGS[key].of_object:
        return "an object"
    if isinstance(SETTINGS[key].default, tuple):
        return "words, with commas or spaces between them"
    try:
        read_settings("", "", {key: "\0"})
    except InvalidInputError as error:
        return error.problems[0].fix[len("Write ") : -len(".")]
    return "text"


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in {"", ()} else ""


def _container_rows(name: str, key: ContainerKey) -> Iterator[Sequence[str]]:
    required = ", required" if key.key.required else ""
    value = f"{key.key.kind.says}{required}"
    makes = "another entry" if name == "name" else _MAKES[key.change]
    also = ", ".join(f"`{alias}`" for alias in key.key.aliases)
    yield f"`{name}`", also, value, key.key.help, makes
    yield from _inner_rows(name, key.key.kind.schema)


def _inner_rows(path: str, schema: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield a row for each key of the objects that a key holds, as its schema tells them."""
    for inside, objects in list(_objects(path, schema))[-1:]:  # a list goes before one that stands alone
        path, schema = inside, objects
    properties = schema.get("properties", {})
    also = _aliases(properties)
    # Of several names of one key, the first is its own.
    either = (one["anyOf"][0]["required"] for one in schema.get("allOf", ()))
    needed = {*schema.get("required", ()), *(name for names in either for name in names)}
    for name, inner in properties.items():
        if inner.get("description", SAME_AS).startswith(SAME_AS):
            continue
        called = ", ".join(f"`{alias}`" for alias in also.get(name, ()))
        required = ", required" if name in needed else ""
        yield f"`{path}.{name}`", called, f"{_words(inner)}{required}", inner["description"], ""
        yield from _inner_rows(f"{path}.{name}", inner)


def _objects(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the schemas of the objects that a value holds, each with the path to it."""
    if "properties" in schema:
        yield path, schema
    elif "items" in schema:
        yield from _objects(f"{path}[]", schema["items"])
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield from _objects(f"{path}.NAME", schema["additionalProperties"])
    for one in schema.get("anyOf", ()) if "properties" not in schema else ():
        yield from _objects(path, one)


def _aliases(properties: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the other names of each of an object's keys, as their descriptions tell."""
    also: dict[str, list[str]] = {}
    for alias, inner in properties.items():
        if inner.get("description", "").startswith(SAME_AS):
            also.setdefault(inner["description"][len(SAME_AS) :].strip("`"), []).append(alias)
    return also


def _words(schema: Mapping[str, Any]) -> str:
    """Return in words what a schema allows."""
    if "title" in schema:
        return str(schema["title"])
    if "anyOf" in schema:  # a number may also be written as a string of digits
        return _words(schema["anyOf"][0])
    if "enum" in schema:
        choices = schema["enum"]
        return "true or false" if True in choices else f"one of: {', '.join(map(str, choices))}"
    if "minimum" in schema and "maximum" in schema:
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    return {"object": "an object", "array": "a list", "string": "a string"}[schema["type"]]


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables into their documents; --check only says whether they are in step."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Write the reference tables into the documents."
    )
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 when it would")
    options = parser.parse_args(arguments)
    stale = 0
    for document, (name, table) in tables().items():
        text = document.read_text(encoding="utf-8")
        made = with_table(text, name, table)
        if made == text:
            continue
        if options.check:
            stale = 1
            print(
                f"{document.name} is not in step with the tables in dockerup/. Run: {COMMAND}",
                file=sys.stderr,
            )
        else:
            document.write_text(made, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
