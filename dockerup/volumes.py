"""Which anonymous volumes a new container takes over from the one that it replaces. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dockerup import labels
from dockerup.host import Host, entry_of
from dockerup.keys.volumes import anonymous
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec


def inherited(spec: ContainerSpec, standing: Iterable[Container], host: Host) -> tuple[tuple[str, str], ...]:
    """Return the predecessor's anonymous volumes, by path: without them an update would empty a database.

    Not those that it shares with a container it takes volumes from, or did, nor those at paths that the entry
    has something else for now, nor those that the old definition asked for and the new one does not.
    """
    family = [one for one in standing if entry_of(one) == spec.name]
    if not family:
        return ()
    old = max(family, key=lambda one: (one.running, labels.generation(one.labels)))
    shared = {
        mount.volume
        for name in {*spec.volumes_from, *sharers(old)}
        for one in host.families.get(name, ())
        for mount in one.mounts
    }
    definition = spec.definition
    listed = [one for one in definition.get("volumes", ()) if "from" not in one]
    now = {one["containerPath"] for one in listed if anonymous(one)}
    other = {one["containerPath"] for one in listed if not anonymous(one)}
    other |= {one["containerPath"] for one in definition.get("tmpfs", ())}
    dropped = (_anonymous_paths(old) - now) | other
    own = _own_paths(old, spec.volumes_from, host)
    return tuple(
        (mount.path, mount.volume)
        for mount in sorted(old.mounts, key=lambda mount: mount.path)
        if mount.anonymous and mount.volume not in shared and (own is None or mount.path in own)
        if mount.path not in dropped
    )


def _own_paths(old: Container, sharers: Iterable[str], host: Host) -> set[str] | None:
    """Return the paths of the volumes that are surely a container's own, None when all may be.

    Where a container that it had volumes from is gone, the list cannot tell whose the others were.
    """
    ids = labels.read_map(old.labels, labels.BOUND)
    there = {one.container_id for one in host.observed.containers}
    gone = any(name in ids and ids[name] not in there for name in sharers)
    return _anonymous_paths(old) if gone else None


def sharers(old: Container) -> set[str]:
    """Return the entries from which a container's own definition took volumes."""
    return {str(one["from"]) for one in _defined_volumes(old) if "from" in one}


def _anonymous_paths(old: Container) -> set[str]:
    """Return the paths at which a container's own definition asked for anonymous volumes."""
    asked = (one for one in _defined_volumes(old) if anonymous(one))
    return {one["containerPath"] for one in asked if "containerPath" in one}


def _defined_volumes(old: Container) -> list[dict[str, Any]]:
    try:
        volumes = json.loads(old.labels.get(labels.DEFINITION, "{}"))["definition"].get("volumes", [])
        return [one for one in volumes if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
