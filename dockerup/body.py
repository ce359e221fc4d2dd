"""What the engine is told when a container is created (POST /containers/create of the Engine API 1.41)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dockerup.spec import ContainerSpec, HealthCheck

_NANOSECONDS = 10**9
# What is left out here is the image's, or else the engine's.
_AS_WRITTEN = {
    "entrypoint": "Entrypoint",
    "command": "Cmd",
    "stopTimeout": "StopTimeout",
    "stopSignal": "StopSignal",
}


def create_body(
    spec: ContainerSpec,
    labels: Mapping[str, str],
    volumes: Sequence[tuple[str, str]],
    ids: Mapping[str, str],
) -> dict[str, Any]:
    """Return the body of the create call.

    `volumes` are existing volumes to mount: pairs of path and volume name. `ids` are the ids of the
    containers that the entry is bound to, by name.
    """
    definition = spec.definition
    inherited = {path for path, _ in volumes}
    body: dict[str, Any] = {
        "Image": spec.image.familiar,
        "Labels": dict(labels),
        "Env": [f"{name}={value}" for name, value in definition.get("env", {}).items()],
        "ExposedPorts": {f"{port.container_port}/{port.protocol}": {} for port in spec.ports},
        "Volumes": {
            one["containerPath"]: {}
            for one in definition.get("volumes", ())
            if "from" not in one and "hostPath" not in one and one["containerPath"] not in inherited
        },
        "HostConfig": _host_config(spec, volumes, ids),
    }
    body.update({theirs: definition[ours] for ours, theirs in _AS_WRITTEN.items() if ours in definition})
    if spec.health_check:
        body["Healthcheck"] = _health_check(spec.health_check)
    if spec.own_network:
        # On a network of its own the engine resolves links by name, as it does other containers' names.
        links = [f"{name}:{alias}" for name, alias in spec.links.items()]
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.own_network: {"Links": links}}}
    return body


def _host_config(
    spec: ContainerSpec, volumes: Sequence[tuple[str, str]], ids: Mapping[str, str]
) -> dict[str, Any]:
    listed = spec.definition.get("volumes", ())
    config: dict[str, Any] = {
        "Binds": [
            f"{one['hostPath']}:{one['containerPath']}:{one.get('mode', 'rw')}"
            for one in listed
            if "hostPath" in one
        ],
        "Mounts": [{"Type": "volume", "Source": volume, "Target": path} for path, volume in volumes],
        "VolumesFrom": [f"{ids[one['from']]}:{one.get('mode', 'rw')}" for one in listed if "from" in one],
        "PortBindings": _port_bindings(spec),
        "NetworkMode": f"container:{ids[spec.joins]}" if spec.joins else spec.network,
        "RestartPolicy": {"Name": spec.restart, "MaximumRetryCount": 0},
        "Privileged": spec.definition.get("privileged", False),
        "Memory": spec.definition.get("memory", 0),
        "CpuShares": spec.definition.get("cpu", 0),
    }
    if "logConfiguration" in spec.definition:
        log = spec.definition["logConfiguration"]
        config["LogConfig"] = {"Type": log["logDriver"], "Config": log.get("options", {})}
    if not spec.own_network:
        config["Links"] = [f"{ids[name]}:{alias}" for name, alias in spec.links.items()]
    return config


def _health_check(check: HealthCheck) -> dict[str, Any]:
    """Return a health check with its defaults spelled out: for a 0 the engine takes the value of the image's.

    A start period of 0 cannot be spelled out: with it, the image's counts (merge in moby/daemon/commit.go).
    """
    return {
        "Test": list(check.test),
        "Interval": check.interval * _NANOSECONDS,
        "Timeout": check.timeout * _NANOSECONDS,
        "Retries": check.retries,
        "StartPeriod": check.start_period * _NANOSECONDS,
    }


def _port_bindings(spec: ContainerSpec) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        host_port = str(port.host_port or "")
        binding = {"HostIp": port.host_ip, "HostPort": host_port}
        bindings.setdefault(f"{port.container_port}/{port.protocol}", []).append(binding)
    return bindings
