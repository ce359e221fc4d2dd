"""The labels that dockerup puts on its containers. They, on the engine alone, are its memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from dockerup.records import dataclass

NAME = "dockerup.name"  # the entry's name, whatever the container is called at the moment
SOURCE = "dockerup.source"  # which source listed it
HASH = "dockerup.hash"  # definition hash: what needs a new container
IN_PLACE_HASH = "dockerup.hash-in-place"  # what the engine can change in a living one
DEFINITION = "dockerup.definition"  # the definition, described: see definition.describe
DIGEST = "dockerup.digest"  # the registry's digest of the image, where it was known
BOUND = "dockerup.bound"  # JSON: id of each container it holds on to, by name
GENERATION = "dockerup.generation"  # counts the containers that an entry has had
REPLACES = "dockerup.replaces"  # JSON: what the containers whose successor it is were before: see Before
CAUSE = "dockerup.cause"  # the kind of cause that it was created for, a name of `steps.Why`
GROUP = "dockerup.group"  # JSON: the entries that were replaced together with it
AFTER = "dockerup.after"  # JSON: the entries that it was started after, and is stopped before
ATTEMPT = "dockerup.attempt"  # counts the tries of one definition with one image
FAILED_WITH = "dockerup.failed-with"  # JSON: ids of other images with which its definition failed before
FORMER = "dockerup.former"  # "true": made from what served, while the listed definition was held back
ADOPTED = "dockerup.adopted"  # on no container: on those only that are seen as if they had labels
NETWORK = "dockerup.network"  # on a network: dockerup made it
IGNORE = "dockerup.ignore"  # a person's: never touch this container


def read_map(labels: Mapping[str, str], key: str) -> dict[str, str]:
    """Return the JSON object of strings that a label holds; {} when it holds none."""
    try:
        value = json.loads(labels.get(key, "{}"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def write_map(values: Mapping[str, str]) -> str:
    """Return a label that holds an object of strings."""
    return json.dumps(values, sort_keys=True)


def read_list(labels: Mapping[str, str], key: str) -> tuple[str, ...]:
    """Return the JSON list of strings that a label holds; () when it holds none."""
    try:
        value = json.loads(labels.get(key, "[]"))
    except ValueError:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else ()


@dataclass(frozen=True)
class Before:
    """What a container was before it was replaced: its restart policy, and whether it ran well."""

    restart: str
    ran: bool


def write_replaced(replaced: Mapping[str, Before]) -> str:
    """Return the label that says whose successor a container is."""
    return json.dumps({key: {"restart": one.restart, "ran": one.ran} for key, one in replaced.items()})


def read_replaced(labels: Mapping[str, str]) -> dict[str, Before]:
    """Return what the predecessors of a container were, by id; {} when it has none."""
    if REPLACES not in labels:
        return {}
    try:
        value = json.loads(labels[REPLACES])
        return {str(key): Before(str(one["restart"]), bool(one["ran"])) for key, one in value.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_list(names: Iterable[str]) -> str:
    """Return a label that holds names."""
    return json.dumps(sorted(names))


def number(labels: Mapping[str, str], key: str) -> int:
    """Return the number that a label holds, 0 when it holds none."""
    text = labels.get(key, "")
    return int(text) if text.isdigit() and len(text) < 10 else 0


def generation(labels: Mapping[str, str]) -> int:
    """Return the generation that a container's labels tell, 0 when they tell none."""
    return number(labels, GENERATION)
