"""The keys `containers` and `dockerup` in cloud-init's own schema, which else warns of them at boot. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dockerup.keys import CONTAINER, WRITTEN_SECRETS
from dockerup.settings import SETTINGS, Setting

_LINE = '  "patternProperties": {"^containers$": '  # how the one line begins that we add


def with_our_keys(schema: str) -> str | None:
    """Return the text of cloud-init's schema with the keys `containers` and `dockerup` in it.

    One line is added after the first bracket, and every other byte stays as it is. None for a schema of a
    form that is not known, which is then better left alone.
    """
    plain = without_our_keys(schema)
    try:
        document = json.loads(plain)
    except ValueError:
        return None
    known = isinstance(document, dict) and "allOf" in document and "patternProperties" not in document
    if not known or not plain.startswith("{\n"):
        return None
    return f'{{\n  "patternProperties": {json.dumps(_our_schema())},\n{plain[2:]}'


def without_our_keys(schema: str) -> str:
    """Return the text of cloud-init's schema as it was before."""
    lines = schema.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_LINE))


def _our_schema() -> dict[str, Any]:
    container = _as_draft_04(CONTAINER.schema)
    for path in WRITTEN_SECRETS:
        _unchecked(container, path)
    settings = {key: _setting_schema(setting) for key, setting in SETTINGS.items()}
    return {
        "^containers$": {
            "type": ["array", "null"],
            "description": "the containers that have to run",
            "items": container,
        },
        "^dockerup$": {
            "type": ["object", "null"],
            "description": "settings of dockerup, as in dockerup.conf",
            "properties": settings,
            "additionalProperties": False,
        },
    }


def _unchecked(schema: dict[str, Any], path: Sequence[str]) -> None:
    """Take the check of a secret out: cloud-init's messages show what they refuse; our parser checks it."""
    *outer, last = path
    for key in outer:
        schema = schema["properties"][key]
    schema["properties"][last] = {"description": schema["properties"][last]["description"]}


# `not` is known, but cloud-init 25.1 looks for deprecations in what it finds there and fails.
_UNKNOWN_THERE = ("propertyNames", "not", "prefixItems")


def _as_draft_04(schema: Any) -> Any:
    """Return a schema without what the draft that cloud-init uses does not know, or forbids."""
    if isinstance(schema, (list, tuple)):
        return [_as_draft_04(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _as_draft_04(value)
        for key, value in schema.items()
        if key not in _UNKNOWN_THERE and not (key == "required" and value == [])
    }


def _setting_schema(setting: Setting) -> dict[str, Any]:
    shape: dict[str, Any] = {"description": setting.help}
    if setting.secret:
        return shape
    if isinstance(setting.default, bool):
        return {**shape, "type": ["boolean", "string"]}
    if isinstance(setting.default, tuple):
        return {**shape, "type": ["array", "string"]}
    return {**shape, "type": ["integer", "string"]}
