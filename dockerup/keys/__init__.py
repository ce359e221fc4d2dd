"""The keys of a container: one table, from which all else comes that knows of a key.

Parser, messages, JSON Schema, reference, hash and what the engine is told. Each group of rows has a room.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup.keys.devices import DEVICES
from dockerup.keys.elsewhere import SPELLINGS
from dockerup.keys.identity import IDENTITY
from dockerup.keys.life import LIFE
from dockerup.keys.network import NETWORK
from dockerup.keys.resources import RESOURCES
from dockerup.keys.row import EACH, Change, ContainerKey, Field
from dockerup.keys.security import SECURITY
from dockerup.keys.storage import STORAGE
from dockerup.objects import object_of

CONTAINER_KEYS: Mapping[str, ContainerKey] = {
    **IDENTITY,
    **NETWORK,
    **STORAGE,
    **RESOURCES,
    **DEVICES,
    **SECURITY,
    **LIFE,
}
# The paths inside of a definition to the objects whose values are secrets.
SECRETS: frozenset[tuple[str, ...]] = frozenset(
    (name, *row.secrets) for name, row in CONTAINER_KEYS.items() if row.secrets is not None
)
# The same paths by every name that a person may write, but for those inside of lists.
WRITTEN_SECRETS: frozenset[tuple[str, ...]] = frozenset(
    (written, *row.secrets)
    for name, row in CONTAINER_KEYS.items()
    if row.secrets is not None and EACH not in row.secrets
    for written in (name, *row.key.aliases)
)
# The fields of HostConfig that the engine can change in a living container, each with its key. The restart
# policy, which it can change as well, is no limit.
LIMITS: Mapping[str, str] = {
    row.tell.path.rpartition(".")[2]: name
    for name, row in CONTAINER_KEYS.items()
    if row.change is Change.IN_PLACE and name != "restart" and isinstance(row.tell, Field)
}
# The release of Docker that a version of the engine's API came with.
RELEASES = {"1.42": "23.0", "1.43": "24.0", "1.44": "25.0", "1.45": "26.0", "1.46": "27.0", "1.48": "28.0"}
CONTAINER = object_of(
    {name: row.key for name, row in CONTAINER_KEYS.items()}, "a container: an object", SPELLINGS
)


def needed_versions(definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the keys that not every engine knows, each with the least version of the API that does."""
    needs = ((name, CONTAINER_KEYS[name].needs, value) for name, value in definition.items())
    return [
        (f"{name}{inner}", version)
        for name, of, value in needs
        if of is not None
        for inner, version in of(value, definition)
    ]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a containers document: one container, a list, or a block."""
    container = {"$ref": "#/$defs/container"}
    containers = {"type": "array", "items": container, "description": "the containers that have to run"}
    block = {
        "type": "object",
        "properties": {"containers": containers},
        "required": ["containers"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dockerup: the containers that a host has to run",
        "$defs": {"container": dict(CONTAINER.schema)},
        "anyOf": [block, containers, container],
    }
