"""The labels that dockerup puts on its containers. They, on the engine alone, are its memory."""

from __future__ import annotations

import json
from collections.abc import Mapping

NAME = "dockerup.name"  # the entry's name, whatever the container is called at the moment
SOURCE = "dockerup.source"  # which source listed it
HASH = "dockerup.hash"  # definition hash: what needs a new container
IN_PLACE_HASH = "dockerup.hash-in-place"  # what the engine can change in a living one
DEFINITION = "dockerup.definition"  # the definition, described: see definition.describe
DIGEST = "dockerup.digest"  # the registry's digest of the image, where it was known
BOUND = "dockerup.bound"  # JSON: id of each container it holds on to, by name
GENERATION = "dockerup.generation"  # counts the containers that an entry has had
REPLACES = "dockerup.replaces"  # JSON: ids of the containers whose successor it is
IGNORE = "dockerup.ignore"  # a person's: never touch this container


def read_map(labels: Mapping[str, str], key: str) -> dict[str, str]:
    """Return the JSON object of strings that a label holds; {} when it holds none."""
    try:
        value = json.loads(labels.get(key, "{}"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def read_list(labels: Mapping[str, str], key: str) -> tuple[str, ...]:
    """Return the JSON list of strings that a label holds; () when it holds none."""
    try:
        value = json.loads(labels.get(key, "[]"))
    except ValueError:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else ()


def generation(labels: Mapping[str, str]) -> int:
    """Return the generation that a container's labels tell, 0 when they tell none."""
    text = labels.get(GENERATION, "")
    return int(text) if text.isdigit() and len(text) < 10 else 0
