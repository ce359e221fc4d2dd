"""How several Compose files become one, and a service what it extends.

Source: the Compose specification, 13-merge.md: mappings are merged, lists appended, commands replaced, what
has a key of its own (ports, volumes, secrets, configs) replaced by that key; !reset and !override undo it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from dockerup.importers import forms
from dockerup.importers.reading import OddError, pairs, text
from dockerup.problems import Path

_MAPS = ("environment", "labels", "annotations", "sysctls", "storage_opt")
_LISTS = ("dns", "dns_search", "dns_opt", "env_file", "label_file", "tmpfs")
_REPLACED = (("command",), ("entrypoint",), ("healthcheck", "test"))
RESET, OVERRIDE = "!reset", "!override"
Marks = Mapping[Path, str]


def without_reset(value: Any, marks: Marks, path: Path = ()) -> Any:
    """Return a document without what is marked !reset."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if marks.get((*path, k)) != RESET}
        return {k: without_reset(v, marks, (*path, k)) for k, v in kept.items()}
    return value


def merged_models(base: Mapping[str, Any], over: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    """Return a whole document with another one over it; `marks` are those of the second."""
    base = _with_resets(base, marks)
    found = {**base}
    for key, value in over.items():
        below = found.get(key)
        if not isinstance(value, dict) or not isinstance(below, dict) or marks.get((key,)) == OVERRIDE:
            found[key] = value
            continue
        found[key] = {**below}
        for name, one in value.items():
            found[key][name] = _merged_part(key, below.get(name), one, marks, (key, name))
    return found


def _with_resets(base: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    """Return the first document without what the second resets or overrides."""
    gone = dict.fromkeys(marks, RESET)
    found: dict[str, Any] = without_reset(dict(base), gone)
    return found


def _merged_part(key: str, below: Any, above: Any, marks: Marks, path: Path) -> Any:
    if key == "services" and isinstance(below, dict) and isinstance(above, dict):
        return merged_services(below, above) if marks.get(path) != OVERRIDE else above
    if isinstance(below, dict) and isinstance(above, dict):
        return _merged(below, above, path)
    return below if above is None else above


def merged_services(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service with another one over it."""
    first, second = _canonical(below), _canonical(above)
    found = _merged(first, second, ())
    if _driver(first) != _driver(second) and isinstance(second.get("logging"), dict):
        found["logging"] = second["logging"]  # options of one driver say nothing to another
    return found


def _driver(service: Mapping[str, Any]) -> object:
    logging = service.get("logging")
    return logging.get("driver") if isinstance(logging, dict) else None


def _canonical(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service with one form for what may be a list or a mapping; what is neither stays."""
    found = dict(service)
    for key in _MAPS:
        if isinstance(found.get(key), list):
            found[key] = _or_as_it_is(pairs, found[key])
    for key in _LISTS:
        if key in found and isinstance(found[key], (str, int, dict)):
            found[key] = [found[key]]
    if isinstance(found.get("depends_on"), list):
        found["depends_on"] = {str(one): {"condition": "service_started"} for one in found["depends_on"]}
    if isinstance(found.get("networks"), list):
        found["networks"] = {str(one): None for one in found["networks"]}
    return found


def _or_as_it_is(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except OddError:
        return value


def _merged(below: Mapping[str, Any], above: Mapping[str, Any], path: Path) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        here, old = (*path, key), below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            found[key] = _merged(old, value, here)
        elif isinstance(old, list) and isinstance(value, list) and here not in _REPLACED:
            found[key] = _appended(old, value, _UNIQUE.get(here, _itself))
        elif value is not None or key not in below or path == ("environment",):
            found[key] = value
    return found


def _appended(below: list[Any], above: list[Any], key_of: Callable[[Any], object]) -> list[Any]:
    """Return both lists; what has the same key as a later one gives way to it, where it stood."""
    found: dict[str, Any] = {}
    for one in [*below, *above]:
        found[json.dumps(_or_as_it_is(key_of, one), sort_keys=True)] = one
    return list(found.values())


def _itself(value: Any) -> object:
    return value


def _target_of_volume(value: Any) -> object:
    return value.get("target") if isinstance(value, dict) else forms.volume(text(value))["containerPath"]


def _port(value: Any) -> object:
    if isinstance(value, dict):
        return [str(value.get(key, "")) for key in ("host_ip", "target", "published", "protocol")]
    return forms.ports(text(value))


def _target_of_file(value: Any) -> object:
    return value.get("target") or value.get("source") if isinstance(value, dict) else value


_UNIQUE: Mapping[Path, Callable[[Any], object]] = {
    ("volumes",): _target_of_volume,
    ("ports",): _port,
    ("secrets",): _target_of_file,
    ("configs",): _target_of_file,
}
