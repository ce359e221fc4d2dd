"""What a container of an ECS task mounts: `mountPoints`, `volumesFrom`, and the task's `volumes`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dockerup.importers.draft import Draft
from dockerup.importers.reading import OddError, filled, filled_pairs, mapped, text, truth

_SHARED = {
    "efsVolumeConfiguration": "Amazon EFS",
    "fsxWindowsFileServerVolumeConfiguration": "Amazon FSx",
}


def bring_mounts(draft: Draft, container: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    """Bring over what a container mounts. What is not what it should be is noted."""
    for key, bring in (("mountPoints", _mount), ("volumesFrom", _from)):
        several = container.get(key)
        for one in several if isinstance(several, list) else []:
            try:
                bring(draft, mapped(one), task)
            except OddError as odd:
                draft.left(key, str(odd))


def _mode(one: Mapping[str, Any]) -> dict[str, str]:
    return {"mode": "ro"} if truth(one.get("readOnly") or False) else {}


def _from(draft: Draft, one: Mapping[str, Any], _task: Mapping[str, Any]) -> None:
    draft.add("volumes", [{"from": filled(one.get("sourceContainer") or ""), **_mode(one)}])


def _mount(draft: Draft, one: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    name, path = filled(one.get("sourceVolume") or ""), filled(one.get("containerPath") or "")
    volume = _volume(name, task)
    mount = {**_source(draft, name, volume, task), "containerPath": path, **_mode(one)}
    draft.add("volumes", [mount])


def _volume(name: str, task: Mapping[str, Any]) -> dict[str, Any]:
    volumes = task.get("volumes")
    for one in volumes if isinstance(volumes, list) else []:
        if isinstance(one, dict) and one.get("name") == name:
            return one
    raise OddError(f'there is no volume "{name}"')


def _source(draft: Draft, name: str, volume: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands behind a volume of a task: a path of the host, or a volume of the engine's."""
    host = volume.get("host")
    if isinstance(host, dict) and host.get("sourcePath"):
        return {"hostPath": filled(host["sourcePath"])}
    docker = volume.get("dockerVolumeConfiguration")
    if isinstance(docker, dict):
        return _docker_volume(name, docker, task)
    for key, service in _SHARED.items():
        if isinstance(volume.get(key), dict):
            return _mounted(draft, name, key, service, volume[key])
    if volume.get("configuredAtLaunch"):
        draft.decide(f"volumes.{name}", "it was chosen at launch: an engine's volume is written")
    else:
        draft.said(f"volumes.{name}", "it lived as long as the task; here it is a volume, and is kept")
    return {"volume": _of_task(name, task)}


def _of_task(name: str, task: Mapping[str, Any]) -> str:
    family = re.sub(r"[^a-zA-Z0-9_.-]", "-", str(task.get("family") or "task"))
    return f"{family}_{name}"


def _docker_volume(name: str, docker: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    shared = docker.get("scope") == "shared"
    options: dict[str, Any] = {}
    if docker.get("driver") not in (None, "local"):
        options["driver"] = text(docker["driver"])
    for key in ("driverOpts", "labels"):
        if docker.get(key):
            options[key] = filled_pairs(docker[key])
    found = {"volume": name if shared else _of_task(name, task)}
    return {**found, **({"volumeOptions": options} if options else {})}


def _mounted(
    draft: Draft, name: str, key: str, service: str, configuration: Mapping[str, Any]
) -> dict[str, Any]:
    place = f"/mnt/{re.sub(r'[^a-zA-Z0-9_.-]', '-', name)}"
    what = f"{service} is mounted by the host: mount it at {place} first"
    system = configuration.get("fileSystemId")
    if key.startswith("efs") and isinstance(system, str):
        directory = str(configuration.get("rootDirectory") or "/")
        access = configuration.get("authorizationConfig")
        point = access.get("accessPointId") if isinstance(access, dict) else None
        options = "_netdev,tls" + (f",accesspoint={point}" if point else "")
        what += f", in /etc/fstab: {system}:{directory} {place} efs {options} 0 0"
    draft.decide(f"volumes.{name}", what)
    return {"hostPath": place}
