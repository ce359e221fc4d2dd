"""The kinds of values that more than one key holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable

from dockerup import kinds
from dockerup.kinds import Kind, gather, refuse
from dockerup.objects import Spelling
from dockerup.problems import Origin

NAME = r"(?![\s\S]*\.dockerup-(?:new|old|failed)$)[a-zA-Z0-9][a-zA-Z0-9_.-]+"
name = kinds.text("a name of two or more letters, digits, _ . -", NAME)
# The engine's syntax of binds leaves no room for a colon.
path = kinds.text("an absolute path", r"/[^\0:]*")
_scalar = kinds.secret("a string, a whole number or true/false")


def line(
    says: str,
    pattern: str,
    also: Callable[[str, Origin], str] | None = None,
    *,
    least: int = 0,
    most: int = (1 << 32) - 1,
) -> Kind:
    """A string, or a whole number in a range, read as the text of it; `also` as for a text."""
    written = kinds.text(says, pattern, also=also)

    def read(value: Any, origin: Origin) -> str:
        number = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return str(written.read(str(value) if number else value, origin))

    number = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(says, read, {"title": says, "anyOf": [written.schema, number]})


def several(kind: Kind, says: str, *, ordered: bool = False) -> Kind:
    """A list of values of a kind, or one of them; each once, sorted where the order has no meaning."""
    listed = kinds.one_or_list(kind, says)

    def read(value: Any, origin: Origin) -> list[Any]:
        once = list(dict.fromkeys(listed.read(value, origin)))
        return once if ordered else sorted(once)

    return Kind(says, read, listed.schema)


def pairs(
    says: str,
    key_says: str,
    key_pattern: str,
    *,
    fields: tuple[str, str] = ("name", "value"),
    hidden: bool = False,
    refused: Callable[[str, Origin], None] = lambda _name, _origin: None,
) -> Kind:
    """Names and values: an object, or a list of "NAME=value" or of objects of two fields; read as an object.

    `hidden`: no message shows a value. `refused` refuses names that only code can tell.
    """
    whole = kinds.map_of(_scalar, says, key_says, key_pattern, hidden=hidden)
    text, alone = rf"^({key_pattern})=([^\0]*)$(?!\n)", rf"^(?:{key_pattern})$(?!\n)"
    name_key, value_key = fields

    def pair(one: Any, origin: Origin) -> tuple[str, Any]:
        found = re.search(text, one) if isinstance(one, str) else None
        both = isinstance(one, Mapping) and one.keys() == {name_key, value_key}
        named = one[name_key] if both else ""
        if both and isinstance(named, str) and re.search(alone, named):
            return named, _scalar.read(one[value_key], origin.at(value_key))
        if not found:
            fix = f'Write "NAME=value", or an object with {name_key} and {value_key}.'
            refuse(origin, f"this is not {key_says}, with its value", fix)
        return found.group(1), found.group(2)

    def read(value: Any, origin: Origin) -> dict[str, str]:
        if isinstance(value, list):
            listed = gather(partial(pair, one, origin.at(i)) for i, one in enumerate(value))
            found = dict(listed)
            if len(found) < len(listed):
                refuse(origin, "a name is listed twice", "Keep one of them.")
        else:
            found = whole.read(value, origin)
        for one in found:
            refused(one, origin)
        return dict(sorted(found.items()))

    named = {"type": "string", "pattern": rf"^(?:{key_pattern})$(?!\n)"}
    one = {
        "type": "object",
        "properties": {name_key: named, value_key: _scalar.schema},
        "required": [name_key, value_key],
        "additionalProperties": False,
    }
    line_schema = {"type": "string", "pattern": rf"^(?:{key_pattern})=[^\0]*$(?!\n)"}
    listed = {"type": "array", "items": {"anyOf": [line_schema, one]}}
    return Kind(says, read, {"title": says, "anyOf": [whole.schema, listed]})


def either(objects: Kind, says: str, pattern: str, meaning: Callable[[str, Origin], Any]) -> Kind:
    """An object, or a short string that is read as one."""
    short = kinds.text(says, pattern, also=meaning)

    def read(value: Any, origin: Origin) -> Any:
        return (short if isinstance(value, str) else objects).read(value, origin)

    return Kind(says, read, {"title": says, "anyOf": [short.schema, objects.schema]})


def empty_list(what: str, fix: str) -> Spelling:
    """A name that other tools print with an empty list in it, which means nothing; any other is refused."""

    def read(value: Any, origin: Origin) -> Any:
        return [] if value == [] else refuse(origin, what, fix)

    kind = Kind("an empty list", read, {"type": "array", "maxItems": 0})
    return Spelling(kind, f"an empty list, as ECS prints it; else {what}", lambda *_: {})


secrets = kinds.map_of(
    _scalar, "an object of names and values", "a name without = in it", r"[^=\0]+", hidden=True
)
mount_options = kinds.list_of(
    kinds.text("a mount option", r"[a-z0-9][a-zA-Z0-9_.%=-]*"), "a list of mount options"
)
