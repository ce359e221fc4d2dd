"""Containers that somebody else made, as an engine inspects them, and an engine's model that has such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dockerup.snapshot import Asked, ContainerId, Detail, Snapshot
from tests.model import Model

SECRET = "hunter2"
ENTRY: Mapping[str, Any] = {
    "name": "web",
    "image": "shop/web:1",
    "command": ["serve", "--all"],
    "env": {"PASSWORD": SECRET},
    "portMappings": [{"containerPort": 80, "hostPort": 8080}],
    "volumes": [{"containerPath": "/data", "volume": "data"}, {"containerPath": "/conf", "hostPath": "/srv"}],
    "memory": "64m",
}
IMAGE: Mapping[str, Any] = {
    "Config": {
        "Env": ["PATH=/bin"],
        "Entrypoint": ["/entry"],
        "Cmd": ["serve"],
        "WorkingDir": "/srv",
        "Labels": {"of": "image"},
        "ExposedPorts": {"81/tcp": {}},
        "Volumes": {"/cache": {}},
    }
}
ENGINE: Mapping[str, Any] = {
    "Name": "box",
    "LoggingDriver": "json-file",
    "DefaultRuntime": "runc",
    "CgroupVersion": "2",
    "SecurityOptions": ["name=cgroupns"],
    "SwapLimit": True,
}
CONFIG: Mapping[str, Any] = {
    "Hostname": "0123456789ab",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": True,
    "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": ["PASSWORD=hunter2", "PATH=/bin"],
    "Cmd": ["serve", "--all"],
    "Image": "shop/web:1",
    "Volumes": {"/cache": {}},
    "WorkingDir": "/srv",
    "Entrypoint": ["/entry"],
    "OnBuild": None,
    "Labels": {"of": "image", "com.docker.compose.project": "shop"},
}
HOST: Mapping[str, Any] = {
    "Binds": ["data:/data:rw", "/srv:/conf"],
    "ContainerIDFile": "",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "default",
    "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
    "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "VolumeDriver": "",
    "VolumesFrom": None,
    "ConsoleSize": [24, 80],
    "CapAdd": None,
    "CapDrop": None,
    "CgroupnsMode": "private",
    "Dns": [],
    "ExtraHosts": None,
    "IpcMode": "private",
    "Links": None,
    "OomScoreAdj": 0,
    "Privileged": False,
    "SecurityOpt": None,
    "ShmSize": 67108864,
    "Runtime": "runc",
    "Isolation": "",
    "Memory": 67108864,
    "MemorySwap": 134217728,
    "MemorySwappiness": None,
    "PidsLimit": None,
    "Init": None,
    "MaskedPaths": [
        *("/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
        *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
        "/sys/devices/virtual/powercap",
    ],
    "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
}


def asked(
    config: Mapping[str, Any] | None = None,
    host: Mapping[str, Any] | None = None,
    networks: Mapping[str, Any] | None = None,
    **more: Any,
) -> Asked:
    """Return what an engine tells of a container that somebody made as ENTRY says, but for what is given."""
    container = {
        "Id": "0123456789ab" + "0" * 52,
        "Name": "/web",
        "Config": {**CONFIG, **(config or {})},
        "HostConfig": {**HOST, **(host or {})},
        "NetworkSettings": {"Networks": networks if networks is not None else {"bridge": {}}},
    }
    return Asked(container, more.get("image", IMAGE), {**ENGINE, **more.get("engine", {})})


class Host(Model):
    """A model with a container that dockerup did not make, and what a cache remembers of it."""

    def __init__(self) -> None:
        super().__init__()
        self.made_from: dict[ContainerId, Asked] = {}
        self.records: Mapping[ContainerId, Mapping[str, str]] = {}
        self.in_place: Mapping[ContainerId, str] = {}
        self.looked_at = 0

    def copy(self) -> Host:
        """Return a model of the same state."""
        other = super().copy()
        assert isinstance(other, Host)
        other.made_from, other.records, other.in_place = self.made_from, self.records, self.in_place
        return other

    def snapshot(self) -> Snapshot:
        """Return the host with what is remembered."""
        seen = super().snapshot()
        containers = (replace(one, record=self.records.get(one.container_id, {})) for one in seen.containers)
        return replace(seen, containers=tuple(containers), in_place=self.in_place)

    def detail(self, container_id: ContainerId) -> Detail | None:
        """Return what an inspection tells, with what a container was made from."""
        found = super().detail(container_id)
        self.looked_at += 1
        return replace(found, asked=self.made_from.get(container_id)) if found is not None else None
