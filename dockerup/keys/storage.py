"""The keys of what a container stores, and where."""

from __future__ import annotations

from collections.abc import Mapping

from dockerup.keys import volumes
from dockerup.keys.row import ContainerKey, row

STORAGE: Mapping[str, ContainerKey] = {
    "volumes": row(
        volumes.volumes(),
        "volumes and host directories: objects, or `SOURCE:PATH:ro` as Compose has it",
        tell=volumes.tell_volumes,
        default=[],
        needs=volumes.needs_of_volumes,
    ),
    "mountPoints": row(volumes.mount_points(), "ECS's form of `volumes` by name", default=[]),
    "volumesFrom": row(volumes.volumes_from(), "ECS's form of `volumes[].from`", default=[]),
    "tmpfs": row(
        volumes.tmpfs(),
        "memory file systems: objects, or `PATH:size=64m,mode=1777`",
        tell=volumes.tell_tmpfs,
        default=[],
    ),
}
