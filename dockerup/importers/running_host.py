"""The HostConfig of a container that runs: what differs from what the engine takes for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from dockerup.importers import forms
from dockerup.importers.draft import NO_REAL_TIME, Draft
from dockerup.importers.reading import OddError, decimal, size_text
from dockerup.records import dataclass

_DEFAULT_SHM = 64 << 20
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Defaults:
    """What this engine takes where nothing is said."""

    log_driver: str = "json-file"
    runtime: str = "runc"
    cgroup_namespace: str = ""  # "": not known
    swappiness: int | None = None


def part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object inside of another one, {} where there is none."""
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def several(value: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list inside of an object, [] where there is none."""
    found = value.get(key)
    return list(found) if isinstance(found, list) else []


def bring_host_config(
    draft: Draft,
    container: Mapping[str, Any],
    given: Mapping[str, Any],
    names: Mapping[str, str],
    defaults: Defaults,
) -> None:
    """Bring over the HostConfig of a container; `given` is the configuration of its image."""
    host = part(container, "HostConfig")
    for key, (ours, read) in _PLAIN.items():
        _bring(draft, ours, read, host.get(key))
    if host.get("CpuRealtimePeriod") or host.get("CpuRealtimeRuntime"):
        draft.left("CpuRealtimeRuntime", NO_REAL_TIME)
    _bring_memory(draft, host, defaults)
    _bring_modes(draft, host, names, defaults)
    _bring_restart(draft, host)
    _bring_logs(draft, host, defaults)
    _bring_ports(draft, host)
    _bring_lists(draft, host)
    _bring_binds(draft, container, host, given)
    for one in several(host, "VolumesFrom"):
        name, _, mode = str(one).partition(":")
        draft.add("volumes", [{"from": names.get(name, name), **({"mode": "ro"} if mode == "ro" else {})}])


def _bring(draft: Draft, ours: str, read: Callable[[Any], Any], value: Any) -> None:
    if not value:
        return
    try:
        draft.put(ours, read(value))
    except (OddError, TypeError, ValueError, AttributeError, OverflowError):
        draft.left(ours, "the engine tells what is not known here")


def _bytes(value: Any) -> str:
    if int(value) < 0:
        raise OddError("this is not an amount of bytes")
    return size_text(int(value))


def _cpus(value: Any) -> str:
    return decimal(f"{int(value) / 10**9:.9f}".rstrip("0").rstrip("."))


def _above_zero(value: Any) -> int | None:
    return int(value) if int(value) > 0 else None


def _strings(value: Any) -> list[str]:
    return [str(one) for one in value]


def _text_map(value: Any) -> dict[str, str]:
    return {str(key): str(one) for key, one in value.items()}


# The engine's key, ours, and what reads it. What the engine takes for nothing (0, "", [], null) is left out.
_PLAIN: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "Privileged": ("privileged", bool),
    "ReadonlyRootfs": ("readonlyRootFilesystem", bool),
    "PublishAllPorts": ("publishAllPorts", bool),
    "OomKillDisable": ("oomKillDisable", bool),
    "OomScoreAdj": ("oomScoreAdj", int),
    "Memory": ("memory", _bytes),
    "MemoryReservation": ("memoryReservation", _bytes),
    "PidsLimit": ("pidsLimit", _above_zero),
    "CpuShares": ("cpu", int),
    "NanoCpus": ("cpus", _cpus),
    "CpuPeriod": ("cpuPeriod", int),
    "CpuQuota": ("cpuQuota", int),
    "CpusetCpus": ("cpusetCpus", str),
    "CpusetMems": ("cpusetMems", str),
    "BlkioWeight": ("blkioWeight", int),
    "CgroupParent": ("cgroupParent", str),
    "VolumeDriver": ("volumeDriver", str),
    "UTSMode": ("uts", str),
    "UsernsMode": ("userns", str),
    "CapAdd": ("capAdd", _strings),
    "CapDrop": ("capDrop", _strings),
    "SecurityOpt": ("securityOptions", _strings),
    "GroupAdd": ("groupAdd", _strings),
    "Dns": ("dnsServers", _strings),
    "DnsSearch": ("dnsSearchDomains", _strings),
    "DnsOptions": ("dnsOptions", _strings),
    "DeviceCgroupRules": ("deviceCgroupRules", _strings),
    "Sysctls": ("sysctls", _text_map),
    "StorageOpt": ("storageOpt", _text_map),
    "Annotations": ("annotations", _text_map),
}


def _bring_memory(draft: Draft, host: Mapping[str, Any], defaults: Defaults) -> None:
    memory, swap, shm = (host.get(key) for key in ("Memory", "MemorySwap", "ShmSize"))
    swappiness = host.get("MemorySwappiness")
    # 0 has a meaning: none of it is swapped out.
    if isinstance(swappiness, int) and swappiness >= 0 and swappiness != defaults.swappiness:
        draft.put("memorySwappiness", swappiness)
    # The engine makes twice the memory of what is left out.
    if isinstance(swap, int) and swap and swap != 2 * (memory if isinstance(memory, int) else 0):
        draft.put("memorySwap", swap if swap == -1 else size_text(abs(swap)))
    if isinstance(shm, int) and shm > 0 and shm != _DEFAULT_SHM:
        draft.put("shmSize", size_text(shm))


def _bring_modes(draft: Draft, host: Mapping[str, Any], names: Mapping[str, str], defaults: Defaults) -> None:
    for key, ours, usual in (("IpcMode", "ipc", "private"), ("PidMode", "pid", "")):
        mode = str(host.get(key) or usual)
        if mode != usual:
            kind, _, target = mode.partition(":")
            draft.put(ours, f"container:{names.get(target, target)}" if kind == "container" else mode)
    runtime, cgroup = str(host.get("Runtime") or ""), str(host.get("CgroupnsMode") or "")
    if runtime and runtime != defaults.runtime:
        draft.put("runtime", runtime)
    if cgroup and defaults.cgroup_namespace and cgroup != defaults.cgroup_namespace:
        draft.put("cgroupns", cgroup)
    if isinstance(host.get("Init"), bool):
        draft.put("init", host["Init"])


def _bring_restart(draft: Draft, host: Mapping[str, Any]) -> None:
    policy = part(host, "RestartPolicy")
    name = str(policy.get("Name") or "no")
    most = policy.get("MaximumRetryCount") if name == "on-failure" else 0
    draft.put("restart", None if name == "always" else f"{name}:{most}" if most else name)
    if name == "no":
        what = "nobody starts it again, not after a reboot either. Without it, it is always restarted"
        draft.decide("restart", what)
    if host.get("AutoRemove"):
        draft.left("AutoRemove", "the engine removed it when it ended (--rm); dockerup keeps it running")


def _bring_logs(draft: Draft, host: Mapping[str, Any], defaults: Defaults) -> None:
    log = part(host, "LogConfig")
    driver, options = str(log.get("Type") or ""), part(log, "Config")
    if driver and (options or driver != defaults.log_driver):
        draft.put("logConfiguration", {"logDriver": driver, "options": _text_map(options)})


def _bring_ports(draft: Draft, host: Mapping[str, Any]) -> None:
    for inside, bindings in sorted(part(host, "PortBindings").items()):
        for one in bindings if isinstance(bindings, list) else []:
            try:
                draft.add("portMappings", _mapping(str(inside), one if isinstance(one, Mapping) else {}))
            except OddError as odd:
                draft.left(f"PortBindings.{inside}", str(odd))


def _mapping(inside: str, binding: Mapping[str, Any]) -> list[dict[str, Any]]:
    ip, port = str(binding.get("HostIp") or ""), str(binding.get("HostPort") or "")
    port = "" if port == "0" else port
    place = f"[{ip}]:{port}:" if ":" in ip else f"{ip}:{port}:" if ip else f"{port}:" if port else ""
    return forms.ports(f"{place}{inside}")


def _bring_lists(draft: Draft, host: Mapping[str, Any]) -> None:
    for key, (ours, read) in _OBJECTS.items():
        draft.add(ours, [read(one) for one in several(host, key) if isinstance(one, Mapping)])
    for one in several(host, "ExtraHosts"):
        name, _, address = str(one).partition(":")
        draft.add("extraHosts", [{"hostname": name, "ipAddress": address}])
    for path, options in sorted(part(host, "Tmpfs").items()):
        _bring_tmpfs(draft, f"{path}:{options}")
    # The docker command has it as an option, the engine as no paths at all.
    if host.get("MaskedPaths") == [] and not host.get("Privileged"):
        draft.add("securityOptions", ["systempaths=unconfined"])


def _ulimit(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one.get(key.capitalize()) for key in ("name", "soft", "hard")}


def _rate(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": one.get("Path"), "rate": one.get("Rate")}


def _weight(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": one.get("Path"), "weight": one.get("Weight")}


def _bring_tmpfs(draft: Draft, form: str) -> None:
    try:
        draft.add("tmpfs", [forms.tmpfs(form)])
    except OddError as odd:
        draft.left("Tmpfs", str(odd))


def _device(one: Mapping[str, Any]) -> dict[str, Any]:
    found = {"hostPath": str(one.get("PathOnHost") or "")}
    if one.get("PathInContainer") not in (None, "", one.get("PathOnHost")):
        found["containerPath"] = str(one["PathInContainer"])
    if one.get("CgroupPermissions") not in (None, "", "rwm"):
        found["permissions"] = str(one["CgroupPermissions"])
    return found


def _request(one: Mapping[str, Any]) -> dict[str, Any]:
    kinds = several(one, "Capabilities")
    words = _strings(kinds[0]) if kinds and isinstance(kinds[0], list) else []
    found: dict[str, Any] = {"capabilities": words} if words else {}
    if one.get("Driver"):
        found["driver"] = str(one["Driver"])
    if several(one, "DeviceIDs"):
        found["deviceIds"] = _strings(one["DeviceIDs"])
    else:
        found["count"] = "all" if one.get("Count") == -1 else one.get("Count")
    if part(one, "Options"):
        found["options"] = _text_map(one["Options"])
    return found


_OBJECTS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "Ulimits": ("ulimits", _ulimit),
    "Devices": ("devices", _device),
    "DeviceRequests": ("deviceRequests", _request),
    "BlkioWeightDevice": ("blkioWeightDevice", _weight),
    "BlkioDeviceReadBps": ("blkioDeviceReadBps", _rate),
    "BlkioDeviceWriteBps": ("blkioDeviceWriteBps", _rate),
    "BlkioDeviceReadIOps": ("blkioDeviceReadIOps", _rate),
    "BlkioDeviceWriteIOps": ("blkioDeviceWriteIOps", _rate),
}


def _bring_binds(
    draft: Draft, container: Mapping[str, Any], host: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    for form in several(host, "Binds"):
        try:
            _add_volume(draft, forms.volume(str(form)))
        except OddError as odd:
            draft.left("Binds", str(odd))
    for one in several(host, "Mounts"):
        if isinstance(one, Mapping):
            _bring_mount(draft, one)
    known = {one.get("containerPath") for one in draft.value.get("volumes", ())}
    own = part(part(container, "Config"), "Volumes")
    for path in sorted(own):
        if path not in part(given, "Volumes") and path not in known:
            draft.add("volumes", [{"containerPath": path}])


def _add_volume(draft: Draft, mount: dict[str, Any]) -> None:
    if _ANONYMOUS.fullmatch(str(mount.get("volume", ""))):
        del mount["volume"]  # the replacement of a container takes its anonymous volumes over
    draft.add("volumes", [mount])


def _bring_mount(draft: Draft, one: Mapping[str, Any]) -> None:
    kind, source, target = (
        str(one.get("Type") or ""),
        str(one.get("Source") or ""),
        str(one.get("Target") or ""),
    )
    mount: dict[str, Any] = {"containerPath": target, **({"mode": "ro"} if one.get("ReadOnly") else {})}
    if kind == "tmpfs":
        options = part(one, "TmpfsOptions")
        size, mode = options.get("SizeBytes"), options.get("Mode")
        sized = {"size": size_text(size)} if isinstance(size, int) and size > 0 else {}
        mode_of = {"mode": f"{mode:o}"} if isinstance(mode, int) and mode > 0 else {}
        draft.add("tmpfs", [{"containerPath": target, **sized, **mode_of}])
    elif kind == "bind":
        propagation = str(part(one, "BindOptions").get("Propagation") or "")
        bind = {"bind": {"propagation": propagation}} if propagation else {}
        draft.add("volumes", [{"hostPath": source, **mount, **bind}])
    elif kind == "volume":
        options = part(one, "VolumeOptions")
        own: dict[str, Any] = {"noCopy": True} if options.get("NoCopy") else {}
        own.update({"subpath": str(options["Subpath"])} if options.get("Subpath") else {})
        named = {"volume": source} if source else {}
        _add_volume(draft, {**named, **mount, **({"volumeOptions": own} if own else {})})
    else:
        draft.left(f"Mounts.{target}", "this type of mount has no form here")
