"""Volumes, host directories and memory file systems of a container, in all forms that people write. Pure.

Short strings are Compose's (`SOURCE:TARGET:OPTIONS`, compose-spec.json), `mountPoints` and `volumesFrom` are
those of ECS (ContainerDefinition of the Amazon ECS API). All come to `volumes` and `tmpfs`, in one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dockerup import kinds
from dockerup.keys import words
from dockerup.keys.row import Bonds, as_sorted, without_defaults
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

VOLUME_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_WORDS = ("rw", "ro", "z", "Z", "nocopy", "cached", "delegated", "consistent", *_PROPAGATIONS)
_OPTIONS = rf"(?:{'|'.join(_WORDS)})(?:,(?:{'|'.join(_WORDS)}))*"
_SHORT = rf"(?:/[^\0:\n]*|{VOLUME_NAME}):/[^\0:\n]*(?::{_OPTIONS})?|/[^\0:\n]*"
_MOUNT_ONLY = ("nonRecursive", "readOnlyNonRecursive", "readOnlyForceRecursive")
_CREATES_MOUNTPOINTS = (1, 42)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
MODE_PATTERN = r"[0-7]{3,4}"

_text = kinds.text("a string", r"[^\0]*")
_strings = kinds.map_of(_text, "an object of names and values", "a name", r"[^\0]+")
_volume_name = kinds.text("the name of a volume", VOLUME_NAME)


def file_mode() -> Kind:
    """The permissions of a file, in octal digits and quotes: YAML makes another number of 0644."""

    def four_digits(text: str, _origin: Origin) -> str:
        return text.zfill(4)

    return kinds.text('permissions in quotes, such as "0640"', MODE_PATTERN, also=four_digits)


def _size() -> Kind:
    says = 'a size: "64m", "1g", or a number of bytes'
    suffixed = kinds.text(says, r"[1-9][0-9]{0,11}[bkmgBKMG]?")

    def read(value: Any, origin: Origin) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53:
            return value
        text = suffixed.read(value, origin).lower()
        return int(text.rstrip("bkmg")) * _UNITS[text.lstrip("0123456789")]

    number = {"type": "integer", "minimum": 1, "maximum": (1 << 53) - 1}
    return Kind(says, read, {"title": says, "anyOf": [number, suffixed.schema]})


_BIND_KEYS = {
    "propagation": Key(
        kinds.choice(dict(zip(_PROPAGATIONS, _PROPAGATIONS))), "how mounts below it are shared with the host"
    ),
    "createHostPath": Key(
        kinds.truth(),
        "make the directory on the host where it is missing (default true)",
        aliases=("create_host_path",),
    ),
    "selinux": Key(
        kinds.choice({"z": "z", "Z": "Z"}), "SELinux mark: `z` for several containers, `Z` for one"
    ),
    "nonRecursive": Key(kinds.truth(), "leave out what is mounted below it"),
    "readOnlyNonRecursive": Key(kinds.truth(), "read-only, but not what is mounted below it (API 1.44)"),
    "readOnlyForceRecursive": Key(
        kinds.truth(), "fail where what is mounted below cannot be read-only (API 1.44)"
    ),
}
_BIND_DEFAULTS = {
    "propagation": "rprivate",
    "createHostPath": True,
    **dict.fromkeys(_MOUNT_ONLY, False),
}
_VOLUME_OPTIONS = {
    "noCopy": Key(kinds.truth(), "do not fill it from the image when it is new", aliases=("nocopy",)),
    "subpath": Key(kinds.text("a relative path", r"[^\0/][^\0]*"), "what of it is mounted (API 1.45)"),
    "driver": Key(
        kinds.text("the name of a volume driver", r"[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*"),
        "driver, if it has to be made",
    ),
    "driverOpts": Key(_strings, "the driver's options, if it has to be made", aliases=("driver_opts",)),
    "labels": Key(_strings, "its labels, if it has to be made"),
}


_TMPFS_OPTIONS = {
    "size": Key(_size(), "most that it holds: `64m`"),
    "mode": Key(file_mode(), 'permissions of its directory, such as `"1777"`'),
    "mountOptions": Key(words.mount_options, "further options, such as `noexec`", aliases=("mount_options",)),
}


def _with_meaning(defaults: Mapping[str, Any]) -> Any:
    def check(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
        return {k: v for k, v in without_defaults(defaults, value).items() if v not in ([], {})}

    return check


_VOLUME_KEYS = {
    "containerPath": Key(words.path, "path inside the container", aliases=("target",)),
    "hostPath": Key(words.path, "path on the host; with neither this nor `volume` an anonymous volume"),
    "volume": Key(
        _volume_name, "name of a volume, made where it is not there, never removed", aliases=("sourceVolume",)
    ),
    "type": Key(
        kinds.choice({one: one for one in ("bind", "volume", "tmpfs")}), "what it is, where that is not plain"
    ),
    "mode": Key(kinds.choice({"rw": "rw", "ro": "ro"}), "`rw` or `ro`"),
    "readOnly": Key(kinds.truth(), "`true` is `mode: ro`", aliases=("read_only",)),
    "from": Key(words.name, "take all volumes of this container", aliases=("sourceContainer",)),
    "consistency": Key(
        kinds.choice({one: one for one in ("default", "consistent", "cached", "delegated")}),
        "accepted, and means nothing on Linux",
    ),
    "bind": Key(
        kinds.checked(object_of(_BIND_KEYS, "an object"), _with_meaning(_BIND_DEFAULTS)),
        "how a host path is mounted",
    ),
    "volumeOptions": Key(
        kinds.checked(
            object_of(_VOLUME_OPTIONS, "an object"), _with_meaning({"noCopy": False, "driver": "local"})
        ),
        "how a named volume is made and mounted",
    ),
    "tmpfs": Key(object_of(_TMPFS_OPTIONS, "an object"), "with `type: tmpfs`: its size and the like"),
}
_PATH_THERE = {"anyOf": [{"required": ["containerPath"]}, {"required": ["target"]}]}
_FROM_THERE = {"anyOf": [{"required": ["from"]}, {"required": ["sourceContainer"]}]}
_WITH_FROM = {"enum": ["from", "sourceContainer", "mode", "readOnly", "read_only"]}
_SHAPES = {"anyOf": [{**_PATH_THERE, "not": _FROM_THERE}, {**_FROM_THERE, "propertyNames": _WITH_FROM}]}
_SOURCES = ("hostPath", "volume", "from")
_FORMS = {"bind": "hostPath", "volumeOptions": "volume"}


def _volume(value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "from" in value and value.keys() - {"from", "mode", "readOnly"}:
        refuse(
            origin, '"from" takes all volumes of a container, paths do not go with it', "Write two volumes."
        )
    if "from" not in value and "containerPath" not in value:
        refuse(origin, 'the key "containerPath" is missing', "Write containerPath: /path/in/the/container.")
    value.pop("consistency", None)
    found = {key: part for key, part in value.items() if key not in {"type", "readOnly", "mode", *_FORMS}}
    read_only = _read_only(value, origin)
    if value.get("type") == "tmpfs" or "tmpfs" in value:
        return _as_tmpfs(value, origin, read_only=read_only)
    sources = [key for key in _SOURCES if key in value]
    meant = {"bind": ["hostPath"], "volume": ["volume"], None: sources}[value.get("type")]
    if (
        len(sources) > 1
        or (value.get("type") == "bind" and sources != meant)
        or (sources and sources != meant)
    ):
        refuse(origin, "its type and what is mounted do not go together", "Keep one of hostPath and volume.")
    for key, needed in _FORMS.items():
        if value.get(key):
            if needed not in value:
                refuse(
                    origin.at(key), f"{key} does not go without {needed}", f"Write {needed}, or leave it out."
                )
            found[key] = value[key]
    _check_bind(found, origin)
    return {**found, **({"mode": "ro"} if read_only else {})}


def _read_only(value: Mapping[str, Any], origin: Origin) -> bool:
    modes = [value["mode"] == "ro"] if "mode" in value else []
    modes += [value["readOnly"]] if "readOnly" in value else []
    if len({*modes}) > 1:
        refuse(origin.at("readOnly"), "mode and readOnly contradict each other", "Keep one of them.")
    return any(modes)


def _check_bind(value: Mapping[str, Any], origin: Origin) -> None:
    bind = value.get("bind", {})
    if "selinux" in bind and _needs_a_mount(bind):
        what = "the engine takes no SELinux mark together with createHostPath or recursion"
        refuse(origin.at("bind"), what, "Leave selinux out, or the others.")


def _needs_a_mount(bind: Mapping[str, Any]) -> bool:
    return any(key in bind for key in (*_MOUNT_ONLY, "createHostPath"))


def _as_tmpfs(value: Mapping[str, Any], origin: Origin, *, read_only: bool) -> dict[str, Any]:
    if value.get("type", "tmpfs") != "tmpfs" or value.keys() & {
        "hostPath",
        "volume",
        "bind",
        "volumeOptions",
    }:
        refuse(origin, "a tmpfs is nothing else besides", "Write two volumes.")
    options = value.get("tmpfs", {})
    further = [*options.get("mountOptions", []), *(["ro"] if read_only else [])]
    told = _tmpfs({**options, "mountOptions": further}, origin)
    return {"containerPath": value["containerPath"], "type": "tmpfs", "tmpfs": told}


def _tmpfs(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    if "mountOptions" in value:
        value = {**value, "mountOptions": sorted({*value["mountOptions"]})}
    return {key: part for key, part in value.items() if part != []}


def _short_volume(text: str, origin: Origin) -> dict[str, Any]:
    """Return what a short string such as "/srv/data:/data:ro" means."""
    source, colon, rest = text.partition(":")
    if not colon:
        return {"containerPath": source}
    target, _, options = rest.partition(":")
    said = options.split(",") if options else []
    found: dict[str, Any] = {
        "containerPath": target,
        "hostPath" if source.startswith("/") else "volume": source,
    }
    kinds_of = {**dict.fromkeys("zZ", "selinux"), **dict.fromkeys(_PROPAGATIONS, "propagation")}
    bind = {kinds_of[one]: one for one in said if one in kinds_of}
    if {"ro", "rw"} <= {*said}:
        refuse(origin, f'"{text}" says both ro and rw', "Keep one of them.")
    if "ro" in said:
        found["readOnly"] = True
    if "nocopy" in said:
        found["volumeOptions"] = {"noCopy": True}
    return {**found, **({"bind": without_defaults(_BIND_DEFAULTS, bind)} if bind else {})}


def volumes() -> Kind:
    """A list of volumes, each an object or a short string; those that are tmpfs stay marked as such."""
    objects = kinds.checked(object_of(_VOLUME_KEYS, "a volume"), lambda value, _origin: value, _SHAPES)
    one = kinds.checked(words.either(objects, "a volume", _SHORT, _short_volume), _volume)
    return kinds.checked(kinds.list_of(one, "a list of volumes"), as_sorted)


def mount_points() -> Kind:
    """ECS's list of volumes by name."""
    keys = {
        "containerPath": Key(words.path, "path inside the container", required=True),
        "readOnly": _VOLUME_KEYS["readOnly"],
    }
    keys = {"sourceVolume": Key(_volume_name, "name of a volume"), **keys}
    one = kinds.checked(object_of(keys, "a mount point"), _mount_point)
    return kinds.checked(kinds.list_of(one, "a list of mount points"), as_sorted)


def _mount_point(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return without_defaults({"readOnly": False}, value)


def volumes_from() -> Kind:
    """ECS's list of containers to take the volumes of."""
    keys = {
        "sourceContainer": Key(words.name, "a container", required=True),
        "readOnly": _VOLUME_KEYS["readOnly"],
    }

    says, short = "a container's volumes", rf"(?:container:)?{words.NAME}(?::(?:ro|rw))?"
    one = kinds.checked(words.either(object_of(keys, says), says, short, _short_from), _mount_point)
    return kinds.checked(kinds.list_of(one, "a list of containers"), as_sorted)


def _short_from(text: str, _origin: Origin) -> dict[str, Any]:
    """Return what Compose's form of it means: "db:ro", "container:db"."""
    name, _, mode = re.sub("^container:(?!r[ow]$)", "", text).partition(":")
    return {"sourceContainer": name, "readOnly": mode == "ro"}


def tmpfs() -> Kind:
    """A list of memory file systems, or one; each an object or a short string such as "/run:size=64m"."""
    keys = {"containerPath": Key(words.path, "path inside the container", required=True), **_TMPFS_OPTIONS}
    says = "a memory file system"
    short = r"/[^\0:\n]*(?::[a-z0-9][a-zA-Z0-9_.%=-]*(?:,[a-z0-9][a-zA-Z0-9_.%=-]*)*)?"
    one = kinds.checked(words.either(object_of(keys, says), says, short, _short_tmpfs), _tmpfs)
    return kinds.checked(kinds.one_or_list(one, "a list of memory file systems"), as_sorted)


def _short_tmpfs(text: str, _origin: Origin) -> dict[str, Any]:
    path, _, options = text.partition(":")
    found: dict[str, Any] = {"containerPath": path}
    further = []
    for option in filter(None, options.split(",")):
        size = re.fullmatch(r"size=([1-9][0-9]{0,11})([bkmgBKMG]?)", option)
        mode = re.fullmatch(rf"mode=({MODE_PATTERN})", option)
        if size:
            found["size"] = int(size[1]) * _UNITS[size[2].lower()]
        elif mode:
            found["mode"] = mode[1].zfill(4)
        else:
            further.append(option)
    return {**found, **({"mountOptions": further} if further else {})}


_OF_ECS = {"sourceVolume": "volume", "sourceContainer": "from", "containerPath": "containerPath"}


def one_spelling_of_volumes(written: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    """Return what was read with all in `volumes` and `tmpfs`. Raises Refused where two share a path."""
    found = dict(written)
    listed = found.pop("volumes", [])
    memory = [*found.pop("tmpfs", ())]
    memory += [{"containerPath": one["containerPath"], **one["tmpfs"]} for one in listed if "tmpfs" in one]
    own = [one for one in listed if "tmpfs" not in one]
    for one in (*found.pop("mountPoints", ()), *found.pop("volumesFrom", ())):
        named = {_OF_ECS[key]: part for key, part in one.items() if key in _OF_ECS}
        own.append({**named, **({"mode": "ro"} if one.get("readOnly") else {})})
    paths: set[str] = set()
    for one in (*own, *memory):
        path = one.get("containerPath", "")
        if path and path.rstrip("/") in paths:
            refuse(origin.at("volumes"), f"containerPath {path} is listed twice", "Keep one of them.")
        paths.add(path.rstrip("/"))
    if own:
        found["volumes"] = as_sorted(own, origin)
    if memory:
        found["tmpfs"] = as_sorted(memory, origin)
    return found


def anonymous(one: Mapping[str, Any]) -> bool:
    """Tell whether a volume of a definition is one that nobody named."""
    return not any(key in one for key in _SOURCES)


# What the engine is told.


def tell_volumes(value: Sequence[Mapping[str, Any]], bonds: Bonds) -> Mapping[str, Any]:
    """Return what the create call has of volumes and host paths."""
    inherited = {path for path, _ in bonds.volumes}
    unnamed = [one for one in value if anonymous(one)]
    mounts = [{"Type": "volume", "Source": volume, "Target": path} for path, volume in bonds.volumes]
    mounts += [_mount(one, bonds) for one in value if "volume" in one or _needs_a_mount(one.get("bind", {}))]
    host_config = {
        "Binds": [
            _bind(one) for one in value if "hostPath" in one and not _needs_a_mount(one.get("bind", {}))
        ],
        "Mounts": mounts,
        "VolumesFrom": [
            f"{bonds.ids[one['from']]}:{one.get('mode', 'rw')}" for one in value if "from" in one
        ],
    }
    new = (one["containerPath"] for one in unnamed if one["containerPath"] not in inherited)
    return {"Volumes": {path: {} for path in new}, "HostConfig": host_config}


def _bind(one: Mapping[str, Any]) -> str:
    bind = one.get("bind", {})
    options = [one.get("mode", "rw"), *(bind[key] for key in ("propagation", "selinux") if key in bind)]
    return f"{one['hostPath']}:{one['containerPath']}:{','.join(options)}"


def _mount(one: Mapping[str, Any], bonds: Bonds) -> dict[str, Any]:
    found: dict[str, Any] = {"Target": one["containerPath"], "ReadOnly": one.get("mode") == "ro"}
    if "volume" in one:
        said = one.get("volumeOptions", {})
        options = {"NoCopy": said.get("noCopy"), "Subpath": said.get("subpath"), "Labels": said.get("labels")}
        if said.keys() & {"driver", "driverOpts"}:
            driver = {"Name": said.get("driver", "local"), "Options": said.get("driverOpts", {})}
            options["DriverConfig"] = driver
        told = {key: part for key, part in options.items() if part}
        return {"Type": "volume", "Source": one["volume"], **found, "VolumeOptions": told}
    bind = one["bind"]
    keys = {"propagation": "Propagation", **{key: key[0].upper() + key[1:] for key in _MOUNT_ONLY}}
    told = {theirs: bind[ours] for ours, theirs in keys.items() if ours in bind}
    if "createHostPath" not in bind and bonds.api >= _CREATES_MOUNTPOINTS:
        told["CreateMountpoint"] = True
    return {"Type": "bind", "Source": one["hostPath"], **found, "BindOptions": told}


def tell_tmpfs(value: Sequence[Mapping[str, Any]], _bonds: Bonds) -> Mapping[str, Any]:
    """Return what the create call has of memory file systems."""
    return {"HostConfig": {"Tmpfs": {one["containerPath"]: ",".join(_mount_options(one)) for one in value}}}


def _mount_options(one: Mapping[str, Any]) -> Iterable[str]:
    yield from (f"{key}={one[key]}" for key in ("size", "mode") if key in one)
    yield from one.get("mountOptions", ())


def needs_of_volumes(
    value: Sequence[Mapping[str, Any]], _definition: Mapping[str, Any]
) -> Iterable[tuple[str, str]]:
    """Give what of volumes an old engine does not know, each with the version of the API that does."""
    for i, one in enumerate(value):
        if "subpath" in one.get("volumeOptions", {}):
            yield f"[{i}].volumeOptions.subpath", "1.45"
        for key in ("readOnlyNonRecursive", "readOnlyForceRecursive"):
            if key in one.get("bind", {}):
                yield f"[{i}].bind.{key}", "1.44"
