"""The keys of the devices that a container gets, and of the runtime that runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dockerup import kinds
from dockerup.amounts import whole
from dockerup.keys import words
from dockerup.keys.row import ContainerKey, as_sorted, row, to, without_defaults
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, Spelling, object_of
from dockerup.problems import Origin

_PATH = r"/[^\0:]*"
_LETTERS = {"read": "r", "write": "w", "mknod": "m"}
_ANY = "rwm"


def _permissions() -> Kind:
    says = 'some of "rwm", or a list of read, write and mknod'
    letters = kinds.text(says, r"r?w?m?|r?m?w?|w?r?m?|w?m?r?|m?r?w?|m?w?r?")
    listed = kinds.list_of(kinds.choice({word: word for word in _LETTERS}), says)

    def read(value: Any, origin: Origin) -> str:
        said = listed.read(value, origin) if isinstance(value, list) else letters.read(value, origin)
        found = {_LETTERS.get(word, word) for word in said}
        # Without any, ECS gives all.
        return "".join(letter for letter in _ANY if letter in found) or _ANY

    return Kind(says, read, {"title": says, "anyOf": [letters.schema, listed.schema]})


_DEVICE_KEYS = {
    "hostPath": Key(words.path, "path of the device on the host", required=True, aliases=("source",)),
    "containerPath": Key(
        words.path, "its path inside of the container (default: the same)", aliases=("target",)
    ),
    "permissions": Key(_permissions(), "what may be done with it (default `rwm`)"),
}


def _devices() -> Kind:
    entry = object_of(_DEVICE_KEYS, "a device")
    pattern = rf"({_PATH})(?::({_PATH}))?(?::([rwm]{{1,3}}))?"
    line = kinds.text('a device such as "/dev/fuse" or "/dev/a:/dev/b:rw"', pattern)
    permissions = _permissions()

    def read(value: Any, origin: Origin) -> dict[str, Any]:
        if isinstance(value, Mapping):
            found = dict(entry.read(value, origin))
        else:
            parts = re.fullmatch(pattern, line.read(value, origin))
            path, inside, may = parts.groups() if parts else ("", None, None)
            found = {"hostPath": path, "containerPath": inside or path}
            found["permissions"] = permissions.read(may or _ANY, origin)
        defaults = {"containerPath": found["hostPath"], "permissions": _ANY}
        return dict(sorted(without_defaults(defaults, found).items()))

    one = Kind(line.says, read, {"title": line.says, "anyOf": [entry.schema, line.schema]})
    return kinds.checked(kinds.list_of(one, "a list of devices"), as_sorted)


def _engine_devices(value: list[Mapping[str, str]]) -> list[dict[str, str]]:
    return [
        {
            "PathOnHost": one["hostPath"],
            "PathInContainer": one.get("containerPath", one["hostPath"]),
            "CgroupPermissions": one.get("permissions", _ANY),
        }
        for one in value
    ]


def _count() -> Kind:
    says = "a number of devices, or all"
    number = whole(-1, 1024)

    def read(value: Any, origin: Origin) -> int:
        return -1 if value == "all" else number.read(value, origin)

    return Kind(says, read, {"title": says, "anyOf": [{"enum": ["all"]}, number.schema]})


_word = kinds.text("a word", r"[^\0\s]{1,255}")
_REQUEST_KEYS = {
    "driver": Key(_word, "driver of the devices, such as `nvidia` or `cdi`"),
    "count": Key(_count(), "how many of them, or `all`"),
    "deviceIds": Key(
        words.several(_word, "a list of ids", ordered=True), "which of them", aliases=("device_ids",)
    ),
    "capabilities": Key(
        words.several(_word, "a list of words"), "what they have to be able to do (default `gpu`)"
    ),
    "options": Key(
        words.pairs("an object of names and values", "the name of an option", r"[^=\0]+"),
        "options of the driver",
    ),
}


def _request(value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "count" in value and "deviceIds" in value:
        refuse(origin, "count and deviceIds do not go together", "Leave one of them out.")
    found = {"capabilities": ["gpu"], **value} if value.get("driver") != "cdi" else value
    return dict(sorted(without_defaults({"options": {}}, found).items()))


_request_kind = kinds.checked(object_of(_REQUEST_KEYS, "a request for devices"), _request)
_requests = kinds.checked(kinds.list_of(_request_kind, "a list of requests for devices"), as_sorted)


def _engine_requests(value: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "Driver": one.get("driver", ""),
            "Count": one.get("count", 0 if "deviceIds" in one else -1),
            "DeviceIDs": one.get("deviceIds", []),
            "Capabilities": [one["capabilities"]] if one.get("capabilities") else [],
            "Options": one.get("options", {}),
        }
        for one in value
    ]


DEVICES: Mapping[str, ContainerKey] = {
    "devices": row(
        _devices(),
        "devices of the host: `/dev/fuse`, `/dev/a:/dev/b:rw` or `{hostPath, containerPath, permissions}`",
        tell=to("HostConfig.Devices", _engine_devices),
        default=[],
    ),
    "deviceCgroupRules": row(
        words.several(
            kinds.text(
                'a rule such as "c 13:* rmw"', r"[acb] (?:[0-9]{1,5}|\*):(?:[0-9]{1,5}|\*) [rwm]{1,3}"
            ),
            "a list of rules",
        ),
        "rules for devices that may come later: `c 13:* rmw`",
        tell=to("HostConfig.DeviceCgroupRules"),
        aliases=("device_cgroup_rules",),
        default=[],
    ),
    "deviceRequests": row(
        _requests,
        "devices that a driver of the engine gives, such as GPUs",
        tell=to("HostConfig.DeviceRequests", _engine_requests),
        default=[],
    ),
    "runtime": row(
        kinds.text("the name of a runtime", r"[a-zA-Z0-9][a-zA-Z0-9_./-]*"),
        "runtime of the engine that runs it, such as `nvidia` or `runsc`",
        tell=to("HostConfig.Runtime"),
    ),
}


def _gpus() -> Kind:
    number = _count()

    def read(value: Any, origin: Origin) -> list[dict[str, Any]]:
        if isinstance(value, list):
            return list(_requests.read(value, origin))
        return [{"capabilities": ["gpu"], "count": number.read(value, origin)}]

    return Kind(number.says, read, {"title": number.says, "anyOf": [number.schema, _requests.schema]})


_RESOURCE_KEYS = {
    "type": Key(kinds.choice({"GPU": "GPU"}), "`GPU`", required=True),
    "value": Key(whole(1, 64), "how many", required=True),
}


def _only_requests(value: Any, _origin: Origin, _own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"deviceRequests": value} if value else {}


def _from_resources(value: Any, origin: Origin, _own: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(value) > 1:
        refuse(origin, "GPUs are listed twice", "Keep one of them.")
    return (
        {"deviceRequests": [{"capabilities": ["gpu"], "count": one["value"]} for one in value]}
        if value
        else {}
    )


DEVICE_SPELLINGS: Mapping[str, Spelling] = {
    "gpus": Spelling(
        _gpus(), "GPUs that it gets: a number or `all`, or a list as `deviceRequests` has it", _only_requests
    ),
    "resourceRequirements": Spelling(
        kinds.list_of(object_of(_RESOURCE_KEYS, "a requirement"), "a list of requirements"),
        "GPUs that it gets, as ECS has it: `[{type: GPU, value: 1}]`",
        _from_resources,
    ),
}
