"""One containerDefinition of ECS: what each of its keys is called here.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup.importers import forms
from dockerup.importers.draft import Draft, Handler, Table, fill, not_here, plain
from dockerup.importers.reading import (
    OddError,
    filled,
    filled_pairs,
    listed,
    mapped,
    size,
    size_text,
    text,
    texts,
    time_text,
    truth,
    whole,
)

_MIB = 1 << 20
_LEAST_MEMORY = (
    6  # MiB, which engines ask for. ECS takes less, and its agent raises that (getDockerResources)
)
# Of a container, and of the kernel (agent/api/task/task_linux.go: dockerCPUShares).
LEAST_SHARES, _MOST_SHARES = 2, 262144
_ECS_TIMEOUT = "5s"  # of a health check; the engine's own is 30
_LOG_BUFFER = "10m"  # of what does not block (agent/engine/docker_task_engine.go: createContainer); else 1m
_CONDITIONS = frozenset({"START", "COMPLETE", "SUCCESS", "HEALTHY"})


def _mib(value: Any) -> str:
    amount = whole(value)
    if amount < 0:
        raise OddError("this is not an amount of memory")
    return size_text(amount * _MIB)


def _memory(value: Any) -> str:
    amount = whole(value)
    return _mib(max(amount, _LEAST_MEMORY) if amount > 0 else amount)


def _time(value: Any) -> str:
    amount = whole(value)
    if amount < 0:
        raise OddError("this is not a time")
    return time_text(amount)


def _flag(key: str) -> Handler:
    return plain(key, lambda value: truth(value) or None)


def _cpu(draft: Draft, value: Any) -> None:
    shares = whole(value)
    draft.put("cpu", min(shares, _MOST_SHARES) if shares >= LEAST_SHARES else None)


def _environment(draft: Draft, value: Any) -> None:
    for one in listed(value):
        variable = mapped(one)
        draft.merge("env", {filled(variable.get("name") or ""): text(variable.get("value") or "")})


def _secrets(draft: Draft, value: Any) -> None:
    for one in listed(value):
        secret = mapped(one)
        name, source = filled(secret.get("name") or ""), text(secret.get("valueFrom") or "")
        draft.decide(f"secrets.{name}", f"ECS took its value from {source}. Provide it: env {name}")


def _environment_files(draft: Draft, value: Any) -> None:
    for one in listed(value):
        source = text(mapped(one).get("value") or "")
        draft.decide("environmentFiles", f"ECS took env from {source}. Copy the file here, or write env")


def _ports(draft: Draft, value: Any) -> None:
    for one in listed(value):
        port = mapped(one)
        inside = port.get("containerPortRange") or port.get("containerPort")
        host = whole(port.get("hostPort") or 0)
        place = f"{host}:" if host else ""
        draft.add(
            "portMappings", forms.ports(f"{place}{text(inside or '')}/{text(port.get('protocol') or 'tcp')}")
        )
        for key in sorted(port.keys() & {"name", "appProtocol"}):
            draft.left(f"portMappings.{key}", "it is of Service Connect")
        for key in sorted(port.keys() - {"containerPort", "containerPortRange", "hostPort", "protocol"}):
            if key not in ("name", "appProtocol"):
                draft.left(f"portMappings.{key}", "this key is not known")


def _links(draft: Draft, value: Any) -> None:
    for one in texts(value):
        name, _, alias = one.partition(":")
        draft.merge("links", {name: alias or name})


def _depends_on(draft: Draft, value: Any) -> None:
    for one in listed(value):
        wanted = mapped(one)
        condition = text(wanted.get("condition") or "START")
        if condition not in _CONDITIONS:
            raise OddError("a condition is not known")
        name = filled(wanted.get("containerName") or "")
        draft.add("dependsOn", [{"containerName": name, "condition": condition}])


def _health_check(draft: Draft, value: Any) -> None:
    inner = Draft(f"{draft.where}.healthCheck")
    fill(inner, mapped(value), _HEALTH)
    draft.notes += inner.notes
    if "command" in inner.value:
        none = inner.value["command"] == ["NONE"]
        draft.put("healthCheck", inner.value if none else {"timeout": _ECS_TIMEOUT, **inner.value})
    elif inner.value:
        draft.left("healthCheck", "it has no command")


_HEALTH: Table = {
    "command": plain("command", texts),
    "interval": plain("interval", _time),
    "timeout": plain("timeout", _time),
    "retries": plain("retries", whole),
    "startPeriod": plain("startPeriod", _time),
}


def _ulimits(draft: Draft, value: Any) -> None:
    for one in listed(value):
        limit = mapped(one)
        form = f"{text(limit.get('softLimit', ''))}:{text(limit.get('hardLimit', ''))}"
        draft.add("ulimits", [forms.ulimit(filled(limit.get("name") or ""), form)])


def _extra_hosts(draft: Draft, value: Any) -> None:
    for one in listed(value):
        host = mapped(one)
        name, address = filled(host.get("hostname") or ""), filled(host.get("ipAddress") or "")
        draft.add("extraHosts", [{"hostname": name, "ipAddress": address}])


def _system_controls(draft: Draft, value: Any) -> None:
    for one in listed(value):
        control = mapped(one)
        draft.merge("sysctls", {filled(control.get("namespace") or ""): text(control.get("value") or "")})


def _log_configuration(draft: Draft, value: Any) -> None:
    written = mapped(value)
    driver = filled(written.get("logDriver") or "")
    for one in written.get("secretOptions") or []:
        option = mapped(one)
        name, source = text(option.get("name") or ""), text(option.get("valueFrom") or "")
        draft.decide("logConfiguration", f"ECS took the option {name} from {source}: provide its value")
    if driver == "awsfirelens":
        draft.left("logConfiguration", "FireLens is of the ECS agent: the engine's own log is written")
        return
    if driver == "awslogs":
        what = "the engine writes to CloudWatch with the instance's role, which needs logs:PutLogEvents"
        draft.said("logConfiguration", what)
    options = filled_pairs(written.get("options") or {})
    if options.get("mode") == "non-blocking":
        options.setdefault("max-buffer-size", _LOG_BUFFER)
    draft.put("logConfiguration", {"logDriver": driver, "options": options})


def _resources(draft: Draft, value: Any) -> None:
    for one in listed(value):
        wanted = mapped(one)
        if wanted.get("type") == "GPU":
            count = whole(wanted.get("value"))
            draft.add("deviceRequests", [{"capabilities": ["gpu"], "count": count}])
        else:
            draft.left("resourceRequirements", "only GPUs have a meaning here")


def _restart_policy(draft: Draft, value: Any) -> None:
    written = mapped(value)
    for key in sorted(written.keys() & {"ignoredExitCodes", "restartAttemptPeriod"}):
        draft.left(f"restartPolicy.{key}", "the engine restarts whatever ended, after its own delays")


def _linux(draft: Draft, value: Any) -> None:
    fill(draft, mapped(value), _LINUX, "linuxParameters")


def _capabilities(draft: Draft, value: Any) -> None:
    for key, part in mapped(value).items():
        if key in ("add", "drop") and part is not None:
            draft.put({"add": "capAdd", "drop": "capDrop"}[key], texts(part))


def _devices(draft: Draft, value: Any) -> None:
    words = {"read": "r", "write": "w", "mknod": "m"}
    for one in listed(value):
        device = mapped(one)
        permissions = "".join(words.get(word, "") for word in texts(device.get("permissions") or []))
        parts = [filled(device.get("hostPath") or ""), text(device.get("containerPath") or ""), permissions]
        draft.add("devices", [forms.device(":".join(parts).rstrip(":"))])


def _tmpfs(draft: Draft, value: Any) -> None:
    for one in listed(value):
        mount = mapped(one)
        found: dict[str, Any] = {"containerPath": filled(mount.get("containerPath") or "")}
        found["size"] = _mib(mount.get("size"))
        if mount.get("mountOptions"):
            found["mountOptions"] = texts(mount["mountOptions"])
        draft.add("tmpfs", [found])


_LINUX: Table = {
    "capabilities": _capabilities,
    "devices": _devices,
    "initProcessEnabled": _flag("init"),
    "maxSwap": None,
    "sharedMemorySize": plain("shmSize", _mib),
    "swappiness": plain("memorySwappiness", whole),
    "tmpfs": _tmpfs,
}


def bring_container(draft: Draft, written: Mapping[str, Any]) -> None:
    """Bring over a container definition, but for what it mounts."""
    fill(draft, written, _CONTAINER)
    linux = written.get("linuxParameters")
    swap = linux.get("maxSwap") if isinstance(linux, dict) else None
    if swap is None:
        return
    try:
        # ECS says how much swap there is beside the memory, the engine how much both are together.
        draft.put("memorySwap", size_text(size(draft.value.get("memory") or "") + whole(swap) * _MIB))
    except OddError:
        draft.left("linuxParameters.maxSwap", "it means nothing without a limit of memory")


_CONTAINER: Table = {
    "name": plain("name", filled),
    "image": plain("image", filled),
    "entryPoint": plain("entrypoint", texts),
    "command": plain("command", texts),
    "workingDirectory": plain("workingDirectory", text),
    "user": plain("user", text),
    "environment": _environment,
    "environmentFiles": _environment_files,
    "secrets": _secrets,
    "hostname": plain("hostname", text),
    "interactive": _flag("interactive"),
    "pseudoTerminal": _flag("pseudoTerminal"),
    "dockerLabels": plain("labels", filled_pairs),
    "stopTimeout": plain("stopTimeout", _time),
    "startTimeout": not_here("startTimeout", "see health_timeout, and healthCheck of what is waited for"),
    "essential": None,
    "dependsOn": _depends_on,
    "healthCheck": _health_check,
    "restartPolicy": _restart_policy,
    "portMappings": _ports,
    "links": _links,
    "extraHosts": _extra_hosts,
    "dnsServers": plain("dnsServers", texts),
    "dnsSearchDomains": plain("dnsSearchDomains", texts),
    "disableNetworking": lambda draft, value: draft.put("network", "none" if truth(value) else None),
    "mountPoints": None,
    "volumesFrom": None,
    "readonlyRootFilesystem": _flag("readonlyRootFilesystem"),
    "cpu": _cpu,
    "memory": plain("memory", _memory),
    "memoryReservation": plain("memoryReservation", _mib),
    "ulimits": _ulimits,
    "resourceRequirements": _resources,
    "privileged": _flag("privileged"),
    "dockerSecurityOptions": plain("securityOptions", texts),
    "systemControls": _system_controls,
    "logConfiguration": _log_configuration,
    "linuxParameters": _linux,
    "firelensConfiguration": not_here("firelensConfiguration", "FireLens is of the ECS agent"),
    "repositoryCredentials": not_here(
        "repositoryCredentials", "logins are the host's: registry_auth, or docker's config.json"
    ),
    "credentialSpecs": not_here("credentialSpecs", "they are of Windows, or of the ECS agent"),
    "versionConsistency": not_here("versionConsistency", "an image with a digest is always the same one"),
}
