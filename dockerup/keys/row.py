"""A row of the table of keys: what a key may hold, what it means, and what the engine is told of it.

The engine's fields are those of POST /containers/create (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Callable

from dockerup.kinds import Kind
from dockerup.objects import Key
from dockerup.problems import Origin
from dockerup.records import dataclass

NO_DEFAULT = object()


class Change(enum.Enum):
    """What a new value of a key asks of a running container."""

    REPLACE = "a new container"
    IN_PLACE = "in place"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Bonds:
    """What the engine is told of a key may depend on, besides its value.

    `definition` is the whole entry's. `ids` are the ids of the containers that it is bound to, by name.
    `volumes` are existing volumes to mount: pairs of path and volume name. `api` is the version of the
    engine's API that is spoken. `secrets` is the directory of this host that holds those that are files.
    """

    definition: Mapping[str, Any]
    ids: Mapping[str, str] = field(default_factory=dict)
    volumes: Sequence[tuple[str, str]] = ()
    api: tuple[int, int] = (1, 41)
    secrets: str = ""


# What a value adds to the body of the create call.
Tell = Callable[[Any, Bonds], Mapping[str, Any]]
# The parts of a value that an old engine does not know, each with the least version of its API that does. The
# whole definition may have a part in that.
EACH = "*"
Needs = Callable[[Any, Mapping[str, Any]], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class ContainerKey:
    """A row of the table: a key of a container, and what a change of it asks for.

    `default` is what a key that is left out means, and is told the engine then. `secrets` is the path inside
    of it to the object whose values nobody may see, with EACH for an element of a list; None: there is none.
    `tell` is None for a key that means nothing to the engine.
    """

    key: Key
    change: Change = Change.REPLACE
    default: object = NO_DEFAULT
    secrets: tuple[str, ...] | None = None
    tell: Tell | None = None
    needs: Needs | None = None


def row(  # the columns of the table
    kind: Kind,
    text: str,
    change: Change = Change.REPLACE,
    *,
    tell: Tell | None = None,
    aliases: tuple[str, ...] = (),
    default: object = NO_DEFAULT,
    required: bool = False,
    secrets: tuple[str, ...] | None = None,
    needs: Needs | None = None,
) -> ContainerKey:
    """Return a row; `text` is its meaning, for the reference."""
    return ContainerKey(Key(kind, text, required, aliases), change, default, secrets, tell, needs)


@dataclass(frozen=True)
class Field:
    """Tells a value as a field of the engine's; `convert` gives its form."""

    path: str
    convert: Callable[[Any], Any] | None = None

    def __call__(self, value: Any, _bonds: Bonds) -> Mapping[str, Any]:
        """Return the body with that field."""
        *outer, last = self.path.split(".")
        body: dict[str, Any] = {last: self.convert(value) if self.convert else value}
        for name in reversed(outer):
            body = {name: body}
        return body


def to(path: str, convert: Callable[[Any], Any] | None = None) -> Tell:
    """Return what tells a value as a field, such as "HostConfig.NanoCpus"; `convert` gives its form."""
    return Field(path, convert)


def since(version: str) -> Needs:
    """Return what a key needs that came with a version of the engine's API."""
    return lambda _value, _definition: [("", version)]


def inner_since(versions: Mapping[str, str]) -> Needs:
    """Return what an object needs whose inner keys came later than itself, given the version of each."""
    return lambda value, _: [(f".{key}", version) for key, version in versions.items() if key in value]


def without_defaults(defaults: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object without what means the same when it is left out: one meaning, one hash."""
    return {key: part for key, part in value.items() if part != defaults.get(key, NO_DEFAULT)}


def as_sorted(value: list[Any], _origin: Origin) -> list[Any]:
    """Return a list whose order means nothing in its one canonical order."""
    return sorted(value, key=lambda part: json.dumps(part, sort_keys=True))
