"""What the engine reports of a container that another tool made, and of dockerup's, in one form to compare.

It is less what tools write for themselves: names, ids, labels of their own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from tests.engine.stories import Story
from tests.testbed.images import SECOND

# What the engine writes, and what says how a command was attached to the call that made the container.
# Volumes are what the mounts tell; Compose 1 adds its host paths there.
NOT_ASKED = ("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce", "Image", "Volumes")
DEFAULT_CHECK = {"Interval": 30 * SECOND, "Timeout": 30 * SECOND, "Retries": 3}
OWN_LABELS = ("dockerup.", "com.docker.compose.", "com.amazonaws.ecs.")
_SIZES = {"k": 10, "m": 20, "g": 30}


def reports(
    story: Story, named: Mapping[str, str], others: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return what the engine tells of containers, by entry; `named` has their names on the engine.

    `others` are names of volumes on the engine, with what they are called in the comparison.
    """
    found = {entry: story.inspect(name) for entry, name in named.items()}
    names = {key: entry for entry, one in found.items() for key in (one["Id"], named[entry])}
    return {entry: compared(one, {**names, **(others or {})}) for entry, one in found.items()}


def compared(inspected: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what was asked of a container, in one form; `names` gives the names of the others."""
    config = {key: one for key, one in inspected["Config"].items() if key not in NOT_ASKED}
    short = inspected["Id"][:12]
    by_itself = re.fullmatch("[0-9a-f]{12}", config["Hostname"]) or config["Hostname"] == os.uname().nodename
    config["Hostname"] = "" if by_itself else config["Hostname"]
    config["Env"] = {one.partition("=")[0]: f"={one.partition('=')[2]}" for one in config["Env"] or []}
    config["ExposedPorts"] = sorted(_port(one) for one in config.get("ExposedPorts") or ())
    labels = (config.get("Labels") or {}).items()
    config["Labels"] = {key: one for key, one in labels if not key.startswith(OWN_LABELS)}
    check = config.get("Healthcheck")
    if check:  # 0 is the engine's default, which dockerup spells out
        config["Healthcheck"] = {**DEFAULT_CHECK, **{key: one for key, one in check.items() if one}}
    networks = {
        name: {
            "joined": True,
            "aliases": sorted({names.get(alias, alias) for alias in one["Aliases"] or []} - {short}),
            "address": one["IPAMConfig"],
            "links": sorted({_named(link, names) for link in one["Links"] or []}),
        }
        for name, one in inspected["NetworkSettings"]["Networks"].items()
    }
    mounts = {one["Destination"]: _mount(one, names) for one in inspected["Mounts"]}
    host = _host(inspected["HostConfig"], names)
    found = {"config": config, "host": host, "networks": networks, "mounts": mounts}
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return {key: _said(part) for key, part in plain.items()}


def _host(written: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    host = dict(written)
    for key in ("Binds", "Mounts"):  # two ways to ask for one thing, which the mounts tell
        host.pop(key, None)
    host["Tmpfs"] = {path: _options(one) for path, one in (host.get("Tmpfs") or {}).items()}
    host["VolumesFrom"] = [re.sub(":rw$", "", _named(one, names)) for one in host["VolumesFrom"] or []]
    host["NetworkMode"] = ":".join(names.get(one, one) for one in host["NetworkMode"].split(":"))
    host["NetworkMode"] = "bridge" if host["NetworkMode"] == "default" else host["NetworkMode"]
    host["RestartPolicy"] = {} if host["RestartPolicy"]["Name"] == "no" else host["RestartPolicy"]
    for key in ("CapAdd", "CapDrop"):
        host[key] = sorted(f"CAP_{one.removeprefix('CAP_')}" for one in host.get(key) or [])
    host["ExtraHosts"] = sorted(host.get("ExtraHosts") or [])
    host["Ulimits"] = sorted(host.get("Ulimits") or [], key=lambda one: str(one["Name"]))
    host["SecurityOpt"] = [re.sub("[:=]true$", "", one) for one in host.get("SecurityOpt") or []]
    host["Links"] = sorted(_link(one, names) for one in host.get("Links") or [])
    return host


def _port(text: str) -> str:
    return text if "/" in text else f"{text}/tcp"  # as Compose 2 writes what is exposed


def _mount(one: Mapping[str, Any], names: Mapping[str, str]) -> list[Any]:
    volume = names.get(one.get("Name", ""), one.get("Name", ""))
    source = "" if re.fullmatch("[0-9a-f]{64}", volume) else volume or one["Source"]
    return [one["Type"], source, one["RW"], one["Propagation"]]


def _options(written: str) -> list[str]:
    """Return the options of a tmpfs, sizes in bytes."""

    def in_bytes(found: re.Match[str]) -> str:
        return f"size={int(found[1]) << _SIZES[found[2]]}"

    return sorted(re.sub("^size=([0-9]+)([kmg])$", in_bytes, one) for one in written.split(","))


def _link(text: str, names: Mapping[str, str]) -> str:
    """Return "/TARGET:/CONTAINER/ALIAS" as "TARGET:ALIAS"."""
    target, _, path = text.partition(":")
    return f"{names.get(target.lstrip('/'), target)}:{path.rpartition('/')[2]}"


def _named(text: str, names: Mapping[str, str]) -> str:
    first, colon, rest = text.partition(":")
    return f"{names.get(first, first)}{colon}{rest}"


def _said(value: Any) -> Any:
    """Return a value without what says nothing: null, [], {}, 0, "" and false mean that nothing was asked."""
    if isinstance(value, dict):
        said = {key: _said(one) for key, one in value.items()}
        return {key: one for key, one in said.items() if one}
    return value


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the places at which two reports differ, with both values."""
    lines = []
    for key in sorted(wanted.keys() | found.keys()):
        here, one, other = f"{path}.{key}", wanted.get(key), found.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            lines += differences(one, other, here)
        elif one != other:
            lines.append(f"{here}: {one} -> {other}")
    return lines
