"""The keys of a container: one table, from which parser, JSON Schema, reference and hash all come."""

from __future__ import annotations

import enum
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dockerup import kinds, lifecycle
from dockerup.image import InvalidReferenceError, parse_reference
from dockerup.kinds import Key, Kind, refuse
from dockerup.problems import Origin

MIB = 1 << 20
LEAST_MEMORY = 6 * MIB  # the engine's own minimum
NAME = r"(?![\s\S]*\.dockerup-(?:new|old|failed)$)[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_PATH = r"/[^\0:]*"  # the engine's syntax of binds leaves no room for a colon
_SIGNAL = r"(?:SIG)?[A-Z][A-Z0-9+-]{1,9}|[1-9][0-9]?"
_NETWORK = rf"container:{NAME}|[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30, "t": 1 << 40}


class Change(enum.Enum):
    """What a new value of a key asks of a running container."""

    REPLACE = "a new container"
    IN_PLACE = "in place"
    NOTHING = "nothing"


def _image(text: str, origin: Origin) -> str:
    try:
        return parse_reference(text).familiar
    except InvalidReferenceError as error:
        refuse(origin, error.what, error.fix)


def _network(text: str, _origin: Origin) -> str:
    return "bridge" if text == "default" else text


def _bytes(value: Any, origin: Origin) -> int:
    found = re.fullmatch(r"([0-9]+)(\.[0-9]+)?([bkmgt]?)(?:i?b)?", str(value).lower())
    whole, fraction, unit = found.groups() if found else ("0", None, "")
    size = int(whole) * _UNITS[unit] + int(float(fraction or 0) * _UNITS[unit])
    if not unit and size < LEAST_MEMORY:
        size *= MIB
    if not LEAST_MEMORY <= size < 1 << 63:
        refuse(origin, f"{value} is not an amount of memory that a container can have", "Write 6m or more.")
    return size


_MEMORY_NUMBER = {"type": "integer", "minimum": 1, "maximum": (1 << 63) - 1}


def _memory() -> Kind:
    says = 'an amount of memory: "512m", "2g", or a number of bytes'
    suffixed = kinds.text(
        says, r"[0-9]{1,15}(?:\.[0-9]{1,3})?(?:[bB]|[kKmMgGtT](?:[iI]?[bB])?)|[1-9][0-9]{0,17}"
    )

    def read(value: Any, origin: Origin) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            return _bytes(suffixed.read(value, origin), origin)
        return _bytes(value, origin) if 0 < value < 1 << 63 else suffixed.read(value, origin)

    return Kind(says, read, {"anyOf": [_MEMORY_NUMBER, suffixed.schema]})


def _host_ip(text: str, origin: Origin) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        refuse(origin, f'"{text}" is no IP address', "Write one, such as 127.0.0.1 or ::1.")


def _without_defaults(defaults: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object without what means the same when it is left out: one meaning, one hash."""
    return {key: part for key, part in value.items() if part != defaults.get(key, _NO_DEFAULT)}


_NO_DEFAULT = object()


def _port_mapping(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return _without_defaults({"hostPort": 0, "protocol": "tcp"}, value)


def _log_configuration(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return _without_defaults({"options": {}}, value)


def _volume(value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "from" in value and ("containerPath" in value or "hostPath" in value):
        refuse(
            origin, '"from" takes all volumes of a container, paths do not go with it', "Write two volumes."
        )
    if "from" not in value and "containerPath" not in value:
        refuse(origin, 'the key "containerPath" is missing', "Write containerPath: /path/in/the/container.")
    return _without_defaults({"mode": "rw"}, value)


def _canonical_list(value: list[Any], _origin: Origin) -> list[Any]:
    return sorted(value, key=lambda part: json.dumps(part, sort_keys=True))


_VOLUME_SHAPES = {
    "anyOf": [{"required": ["containerPath"], "not": {"required": ["from"]}}, {"required": ["from"]}],
    "not": {"anyOf": [{"required": ["from", "containerPath"]}, {"required": ["from", "hostPath"]}]},
}
_name = kinds.text("a name of two or more letters, digits, _ . -", NAME)
_port = kinds.whole_number(1, 65535, _PORT)
_alias = kinds.text("a host name", r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_path = kinds.text("an absolute path", _PATH)
_PORT_KEYS = {
    "containerPort": Key(_port, "port inside the container", required=True),
    "hostPort": Key(
        kinds.whole_number(0, 65535, f"0|{_PORT}"), "port of the host; without it the engine picks one"
    ),
    "protocol": Key(kinds.choice({"tcp": "tcp", "udp": "udp", "sctp": "sctp"}), "`tcp`, `udp` or `sctp`"),
    "hostIp": Key(
        kinds.text("an IP address", r"[0-9a-fA-F.:]{2,45}", also=_host_ip),
        "address of the host; without it all",
    ),
}
_VOLUME_KEYS = {
    "containerPath": Key(_path, "path inside the container"),
    "hostPath": Key(_path, "path on the host; without it an anonymous volume"),
    "mode": Key(kinds.choice({"rw": "rw", "ro": "ro"}), "`rw` or `ro`"),
    "from": Key(_name, "take all volumes of this container"),
}
_SECRETS = kinds.map_of(
    kinds.secret("a string, a whole number or true/false"),
    "an object of names and values",
    "a name without = in it",
    r"[^=\0]+",
    hidden=True,
)
_LOG_KEYS = {
    "logDriver": Key(
        kinds.text("the name of a log driver", r"[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*"),
        "`json-file`, `local`, `journald`, `awslogs` or another that the engine has",
        required=True,
    ),
    "options": Key(_SECRETS, "the driver's options; their values are kept out of logs, labels and plans"),
}
_RESTART = {
    word: meant
    for meant, spellings in {
        "always": ("always",),
        "unless-stopped": ("unless-stopped",),
        "on-failure": ("on-failure",),
        "no": ("no", "never", False),
    }.items()
    for word in spellings
}


@dataclass(frozen=True)
class ContainerKey:
    """A row of the table: a key of a container, and what a change of it asks for.

    `secrets` is the path inside of it to the object whose values nobody may see; None: there is none.
    """

    key: Key
    change: Change = Change.REPLACE
    default: object = _NO_DEFAULT
    secrets: tuple[str, ...] | None = None


def _row(
    kind: Kind,
    text: str,
    change: Change = Change.REPLACE,
    *,
    default: object = _NO_DEFAULT,
    required: bool = False,
    secrets: tuple[str, ...] | None = None,
) -> ContainerKey:
    return ContainerKey(Key(kind, text, required), change, default, secrets)


CONTAINER_KEYS: Mapping[str, ContainerKey] = {
    "type": _row(kinds.choice({"docker": "docker"}), "always `docker`", Change.NOTHING),
    "name": _row(_name, "name of the container; by default the last path part of the image", Change.NOTHING),
    "image": _row(
        kinds.text("an image reference", r"\S{1,4096}", also=_image),
        "image to run: `name`, `name:tag`, `host:port/name:tag` or `name@sha256:…`",
        required=True,
    ),
    "portMappings": _row(
        kinds.checked(
            kinds.list_of(
                kinds.checked(kinds.object_of(_PORT_KEYS, "a port mapping"), _port_mapping),
                "a list of port mappings",
            ),
            _canonical_list,
        ),
        "ports to publish on the host",
        default=[],
    ),
    "env": _row(
        _SECRETS,
        "environment variables; their values are kept out of logs, labels and plans",
        default={},
        secrets=(),
    ),
    "volumes": _row(
        kinds.checked(
            kinds.list_of(
                kinds.checked(kinds.object_of(_VOLUME_KEYS, "a volume"), _volume, _VOLUME_SHAPES),
                "a list of volumes",
            ),
            _canonical_list,
        ),
        "volumes and host directories",
        default=[],
    ),
    "cpu": _row(
        kinds.whole_number(
            2,
            262144,
            r"[2-9]|[1-9][0-9]{1,4}|1[0-9]{5}|2[0-5][0-9]{4}|26[01][0-9]{3}|262(?:0[0-9][0-9]|1[0-3][0-9]|14[0-4])",
        ),
        "CPU shares, against 1024 of a container that says nothing",
        Change.IN_PLACE,
    ),
    "memory": _row(_memory(), "most memory: `512m`, `2g`; a bare number under 6 MiB is MiB", Change.IN_PLACE),
    "entrypoint": _row(
        kinds.words("a string or a list of strings"), "program to run, instead of the image's"
    ),
    "command": _row(kinds.words("a string or a list of strings"), "arguments, instead of the image's"),
    "privileged": _row(kinds.truth(), "give the container all rights over the host", default=False),
    "network": _row(
        kinds.text("bridge, none, host, container:NAME or a network's name", _NETWORK, also=_network),
        "`bridge`, `none`, `host`, `container:NAME` or the name of a network",
        default="bridge",
    ),
    "restart": _row(
        kinds.choice(_RESTART),
        "`always` (default), `unless-stopped`, `on-failure` or `never` (also `no`)",
        Change.IN_PLACE,
        default="always",
    ),
    "links": _row(
        kinds.map_of(_alias, "an object of container and alias", "a container's name", NAME),
        "containers to reach by another name: `{container: alias}`",
        default={},
    ),
    "signal": _row(
        kinds.map_of(
            kinds.text("a signal such as HUP", _SIGNAL),
            "an object of container and signal",
            "a container's name",
            NAME,
        ),
        "signals to send to other containers after this one starts: `{container: HUP}`",
        Change.NOTHING,
    ),
    "healthCheck": _row(
        lifecycle.health_check(), "how the engine checks that it is well, instead of the image's"
    ),
    "dependsOn": _row(
        lifecycle.depends_on(_name),
        "entries to wait for before this one starts: `[db]` or `[{containerName: db, condition: HEALTHY}]`",
        Change.NOTHING,
        default=[],
    ),
    "update": _row(lifecycle.update(), "how updates are made", Change.NOTHING),
    "stopTimeout": _row(
        kinds.seconds(0, lifecycle.DAY, "1m30s"),
        "time that it has to stop before it is killed (default 10s)",
    ),
    "stopSignal": _row(
        lifecycle.stop_signal(), "signal that asks it to stop (default: the image's, else `SIGTERM`)"
    ),
    "logConfiguration": _row(
        kinds.checked(kinds.object_of(_LOG_KEYS, "a log configuration: an object"), _log_configuration),
        "where its output goes, instead of the engine's default",
        secrets=("options",),
    ),
}
# The paths inside of a container to the objects whose values are secrets.
SECRETS: frozenset[tuple[str, ...]] = frozenset(
    (name, *row.secrets) for name, row in CONTAINER_KEYS.items() if row.secrets is not None
)
CONTAINER = kinds.object_of({name: row.key for name, row in CONTAINER_KEYS.items()}, "a container: an object")


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
