"""What the engine is told when a container is created (POST /containers/create of the Engine API 1.41).

The table of keys says what each key adds to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dockerup.keys import CONTAINER_KEYS
from dockerup.keys.row import NO_DEFAULT, Bonds
from dockerup.spec import ContainerSpec


def create_body(
    spec: ContainerSpec,
    labels: Mapping[str, str],
    volumes: Sequence[tuple[str, str]],
    ids: Mapping[str, str],
    api: tuple[int, int] = (1, 41),
    secrets: str = "",
) -> dict[str, Any]:
    """Return the body of the create call. What is left out of it is the image's, or else the engine's.

    `volumes` are existing volumes to mount: pairs of path and volume name. `ids` are the ids of the
    containers that the entry is bound to, by name. `api` is the version of the API that is spoken,
    `secrets` the directory with those that are files.
    """
    parts = _parts(Bonds(spec.definition, ids, volumes, api, secrets))
    return _together([*parts, {"Labels": dict(labels)}])


def _parts(bonds: Bonds) -> Iterator[Mapping[str, Any]]:
    for name, row in CONTAINER_KEYS.items():
        value = bonds.definition.get(name, row.default)
        if row.tell is not None and value is not NO_DEFAULT:
            yield row.tell(value, bonds)


def _together(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what several parts of a body say together: objects and lists of theirs are joined."""
    whole: dict[str, Any] = {}
    for part in parts:
        _add(part, whole)
    return whole


def _add(part: Mapping[str, Any], whole: dict[str, Any]) -> None:
    for key, value in part.items():
        if isinstance(value, Mapping):
            _add(value, whole.setdefault(key, {}))
        else:
            before = whole.get(key)
            whole[key] = [*before, *value] if isinstance(before, list) else value
