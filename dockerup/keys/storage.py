"""The keys of what a container stores, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dockerup import kinds
from dockerup.keys import words
from dockerup.keys.row import Bonds, ContainerKey, as_sorted, row, without_defaults
from dockerup.kinds import refuse
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

_VOLUME_SHAPES = {
    "anyOf": [{"required": ["containerPath"], "not": {"required": ["from"]}}, {"required": ["from"]}],
    "not": {"anyOf": [{"required": ["from", "containerPath"]}, {"required": ["from", "hostPath"]}]},
}
_VOLUME_KEYS = {
    "containerPath": Key(words.path, "path inside the container"),
    "hostPath": Key(words.path, "path on the host; without it an anonymous volume"),
    "mode": Key(kinds.choice({"rw": "rw", "ro": "ro"}), "`rw` or `ro`"),
    "from": Key(words.name, "take all volumes of this container"),
}


def _volume(value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "from" in value and ("containerPath" in value or "hostPath" in value):
        refuse(
            origin, '"from" takes all volumes of a container, paths do not go with it', "Write two volumes."
        )
    if "from" not in value and "containerPath" not in value:
        refuse(origin, 'the key "containerPath" is missing', "Write containerPath: /path/in/the/container.")
    return without_defaults({"mode": "rw"}, value)


def _tell_volumes(value: Sequence[Mapping[str, Any]], bonds: Bonds) -> Mapping[str, Any]:
    inherited = {path for path, _ in bonds.volumes}
    anonymous = [
        one["containerPath"]
        for one in value
        if "from" not in one and "hostPath" not in one and one["containerPath"] not in inherited
    ]
    host_config = {
        "Binds": [
            f"{one['hostPath']}:{one['containerPath']}:{one.get('mode', 'rw')}"
            for one in value
            if "hostPath" in one
        ],
        "Mounts": [{"Type": "volume", "Source": volume, "Target": path} for path, volume in bonds.volumes],
        "VolumesFrom": [
            f"{bonds.ids[one['from']]}:{one.get('mode', 'rw')}" for one in value if "from" in one
        ],
    }
    return {"Volumes": {path: {} for path in anonymous}, "HostConfig": host_config}


STORAGE: Mapping[str, ContainerKey] = {
    "volumes": row(
        kinds.checked(
            kinds.list_of(
                kinds.checked(object_of(_VOLUME_KEYS, "a volume"), _volume, _VOLUME_SHAPES),
                "a list of volumes",
            ),
            as_sorted,
        ),
        "volumes and host directories",
        tell=_tell_volumes,
        default=[],
    ),
}
