"""`replicas`: one entry that stands for several containers of one definition. Pure.

With the key, containers are called `NAME-1`, `NAME-2` and so on, a single one too: so a change of the number
starts or removes the last, and leaves the others as they are. (Compose numbers even one container.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup import kinds
from dockerup.keys.networks import joined_networks
from dockerup.kinds import Kind, refuse
from dockerup.problems import Origin

MOST = 100
_ONE_ONLY = ("ipv4Address", "ipv6Address", "macAddress", "linkLocalIps")


def replicas() -> Kind:
    """The number of containers."""
    return kinds.whole_number(0, MOST, "0|[1-9][0-9]?|100")


def replica_names(entry: str, definition: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of an entry's containers, None where it is one that has the entry's own name."""
    count = definition.get("replicas")
    return None if count is None else tuple(f"{entry}-{number}" for number in range(1, count + 1))


def replica_definition(entry: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of each replica: on networks of its own all are reached by the entry's name."""
    found = dict(definition)
    joined = joined_networks(definition)
    if joined:
        found["networks"] = {
            name: {**options, "aliases": sorted({*options.get("aliases", ()), entry})}
            for name, options in joined.items()
        }
    return found


def check_replicas(written: Mapping[str, Any], origin: Origin) -> None:
    """Refuse what only one container on a host can have."""
    count = written.get("replicas", 1)
    if count < 2:
        return
    for one in written.get("portMappings", ()):
        if one.get("hostPort"):
            what = f"{count} replicas cannot all have the host port {one['hostPort']}"
            fix = "Leave hostPort out, and the engine picks one for each, or write replicas: 1."
            refuse(origin.at("replicas"), what, fix)
    for name, options in written.get("networks", {}).items():
        for key in _ONE_ONLY:
            if options.get(key):
                what = f"{count} replicas cannot all have the {key} of {name}"
                refuse(origin.at("replicas"), what, f"Leave {key} out, or write replicas: 1.")
