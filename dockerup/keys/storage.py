"""The keys of what a container stores, and where."""

from __future__ import annotations

from collections.abc import Mapping

from dockerup import kinds
from dockerup.amounts import size
from dockerup.keys import volumes, words
from dockerup.keys.row import EACH, ContainerKey, row, to

STORAGE: Mapping[str, ContainerKey] = {
    "volumes": row(
        volumes.volumes(),
        "volumes and host directories: objects, or `SOURCE:PATH:ro` as Compose has it",
        tell=volumes.tell_volumes,
        default=[],
        secrets=(EACH, "volumeOptions", "driverOpts"),  # such as the password of a share
        needs=volumes.needs_of_volumes,
    ),
    "mountPoints": row(volumes.mount_points(), "ECS's form of `volumes` by name", default=[]),
    "volumesFrom": row(
        volumes.volumes_from(),
        "ECS's form of `volumes[].from`, and Compose's",
        aliases=("volumes_from",),
        default=[],
    ),
    "tmpfs": row(
        volumes.tmpfs(),
        "memory file systems: objects, or `PATH:size=64m,mode=1777`",
        tell=volumes.tell_tmpfs,
        default=[],
    ),
    "volumeDriver": row(
        kinds.text("the name of a volume driver", r"[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*"),
        "the driver of its anonymous volumes (default `local`)",
        tell=to("HostConfig.VolumeDriver"),
        aliases=("volume_driver",),
    ),
    "readonlyRootFilesystem": row(
        kinds.truth(),
        "let it write to its volumes alone",
        tell=to("HostConfig.ReadonlyRootfs"),
        aliases=("read_only",),
        default=False,
    ),
    "shmSize": row(
        size(4096, "64m"),
        "size of /dev/shm (default 64m)",
        tell=to("HostConfig.ShmSize"),
        aliases=("shm_size",),
    ),
    "storageOpt": row(
        words.pairs("an object of names and values", "the name of an option", r"[^=\0]+"),
        "options of its storage, such as `{size: 10G}`, where the engine's driver has them",
        tell=to("HostConfig.StorageOpt"),
        aliases=("storage_opt",),
        default={},
    ),
}
