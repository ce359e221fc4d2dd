"""The environment of a Compose service: `environment` and `env_file`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup.importers.compose_project import Known
from dockerup.importers.draft import Draft
from dockerup.importers.interpolation import env_file
from dockerup.importers.reading import OddError, pairs
from dockerup.problems import DockerupError


def bring_env(draft: Draft, service: Mapping[str, Any], known: Known) -> None:
    """Bring over its variables; those of the import's own environment have their values from there."""
    for one in _several(service.get("env_file")):
        _bring_env_file(draft, one, known)
    try:
        written = pairs(service.get("environment") or {})
    except OddError as odd:
        draft.left("environment", str(odd))
        return
    for name, value in written.items():
        if value is not None:
            draft.merge("env", {name: value})
        elif name in known.variables:
            draft.merge("env", {name: known.variables[name]})
            draft.said(f"environment.{name}", "its value is that of the environment of this import")
        else:
            draft.decide(f"environment.{name}", "it has no value in the environment of this import: left out")


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _bring_env_file(draft: Draft, one: Any, known: Known) -> None:
    path = one.get("path") if isinstance(one, dict) else one
    if not isinstance(path, str):
        draft.left("env_file", "an entry names no file")
        return
    try:
        content = known.read(path)
    except DockerupError as error:
        draft.decide("env_file", str(error))
        return
    # What is in env goes over all files: after one that had to be put there, the later ones have to follow.
    if "env" not in draft.value and _is_plain(content):
        draft.add("envFiles", [path])
        return
    draft.merge("env", env_file(content, known.variables))
    draft.said("env_file", f"what {path} says now stands in env: a later change of that file changes nothing")


def _is_plain(content: str) -> bool:
    """Tell whether each reader of such files takes the same of it: no quotes, variables, comments behind."""
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith("#")]
    return all("=" in line and not set(line) & set("\"'$#\\") and line == line.strip() for line in lines)
