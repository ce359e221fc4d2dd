"""The one form in which two ways of asking the engine for the same thing are the same. Pure.

What the engine takes for nothing (null, 0, "", [], {} and false) is None here, but where it has a meaning.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from dockerup.lifecycle import canonical_signal

# Labels by which other tools know their containers; as dockerup's own, they would say what is not true.
TOOL_LABELS = (
    "com.docker.compose.",
    "com.docker.swarm.",
    "com.docker.stack.",
    "dockerup.",
    "desktop.docker.",
)
_SECOND = 10**9
# Source: moby/daemon/health.go.
_CHECK_DEFAULTS = {
    "Interval": 30 * _SECOND,
    "Timeout": 30 * _SECOND,
    "Retries": 3,
    "StartPeriod": 0,
    "StartInterval": 5 * _SECOND,
}
_SHM = 64 << 20
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
# What every engine from 20.10 on masks by itself, and what newer ones do besides (moby/oci/defaults.go).
_MASKED = frozenset(
    {
        *("/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
        *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
    }
)
_MASKED_LATER = re.compile(
    r"/sys/devices/virtual/powercap|/proc/interrupts|/sys/devices/system/cpu/cpu[0-9]+/thermal_throttle"
)
_READ_ONLY = frozenset({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
_SHIFTS = {"": 0, "k": 10, "m": 20, "g": 30}
_BY_ITSELF = "as the engine has it"


def merged(body: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Config that the engine makes of a create call's and an image's."""
    whole = dict(body)
    if not words(body.get("Entrypoint")):
        if not words(body.get("Cmd")):
            whole["Cmd"] = image.get("Cmd")
        if body.get("Entrypoint") is None:
            whole["Entrypoint"] = image.get("Entrypoint")
    for key in ("User", "WorkingDir", "StopSignal", "Shell"):
        whole[key] = body.get(key) or image.get(key)
    for key in ("ExposedPorts", "Volumes", "Labels"):
        whole[key] = {**(image.get(key) or {}), **(body.get(key) or {})}
    own = {one.partition("=")[0] for one in body.get("Env") or ()}
    inherited = [one for one in image.get("Env") or () if one.partition("=")[0] not in own]
    whole["Env"] = [*(body.get("Env") or ()), *inherited]
    whole["Healthcheck"] = _merged_check(body.get("Healthcheck"), image.get("Healthcheck"))
    return whole


def _merged_check(own: Mapping[str, Any] | None, images: Mapping[str, Any] | None) -> Any:
    if not own or not images:
        return own or images
    return {key: own.get(key) or images.get(key) for key in {*own, *images}}


def with_defaults(
    host: Mapping[str, Any], found: Mapping[str, Any], engine: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a HostConfig with what the engine makes of what is left out; `found` is what it told."""
    whole = dict(host)
    privileged = bool(host.get("Privileged"))
    log = host.get("LogConfig") or {}
    whole["LogConfig"] = log if log.get("Type") else {"Type": engine["LoggingDriver"]}
    whole["Runtime"] = host.get("Runtime") or engine["DefaultRuntime"]
    whole["IpcMode"] = host.get("IpcMode") or "private"
    whole["ShmSize"] = host.get("ShmSize") or _SHM
    whole["CgroupnsMode"] = host.get("CgroupnsMode") or cgroup_namespace(engine, privileged=privileged)
    memory = int(host.get("Memory") or 0)
    if memory and not host.get("MemorySwap"):
        whole["MemorySwap"] = 2 * memory if engine.get("SwapLimit", True) else -1
    for key, usual in (("MaskedPaths", _is_masked), ("ReadonlyPaths", _is_read_only)):
        if host.get(key) is None and usual(found.get(key), privileged=privileged):
            whole[key] = found.get(key)
        elif host.get(key) is None:
            whole[key] = [_BY_ITSELF]
    return whole


def cgroup_namespace(engine: Mapping[str, Any], *, privileged: bool = False) -> str:
    """Return whose cgroups a container of an engine sees that was told nothing of it ("": not known)."""
    version = str(engine.get("CgroupVersion") or "")
    if privileged and version == "1":
        return "host"
    security = engine.get("SecurityOptions")
    if isinstance(security, list) and security:
        return "private" if "name=cgroupns" in security else "host"
    return {"1": "host", "2": "private"}.get(version, "")


def _is_masked(paths: Any, *, privileged: bool) -> bool:
    if privileged:
        return not paths
    return {*(paths or ())} >= _MASKED and all(
        _MASKED_LATER.fullmatch(one) for one in {*(paths or ())} - _MASKED
    )


def _is_read_only(paths: Any, *, privileged: bool) -> bool:
    return not paths if privileged else {*(paths or ())} == _READ_ONLY


# The forms of single fields.


def plain(value: Any) -> Any:
    """Return a value, None for what says nothing."""
    return value or None


def words(value: Any) -> list[str]:
    """Return a command as a list."""
    return [value] if isinstance(value, str) else list(value or ())


def keys(value: Any) -> list[str]:
    """Return the names of an object whose values mean nothing."""
    return sorted(value or ())


def variables(value: Any) -> Any:
    """Return variables by name; those listed twice stay a list."""
    pairs = [one.partition("=") for one in value or ()]
    found = {name: (equals, text) for name, equals, text in pairs}
    return found if len(found) == len(pairs) else pairs


def own_labels(value: Any) -> dict[str, str]:
    """Return labels without those by which tools know their containers."""
    return {key: text for key, text in (value or {}).items() if not key.startswith(TOOL_LABELS)}


def health(value: Any) -> Any:
    """Return a health check with the engine's defaults spelled out; None where there is none."""
    test = words((value or {}).get("Test"))
    if not test or test == ["NONE"]:
        return test or None
    times = {key: value.get(key) or usual for key, usual in _CHECK_DEFAULTS.items()}
    rest = {key: one for key, one in value.items() if one and key not in {*times, "Test"}}
    return {"Test": test, **times, **rest}


def stop_signal(value: Any) -> str:
    """Return a signal by its one name."""
    return canonical_signal(str(value or "SIGTERM"))


def link(one: str, ids: Mapping[str, str]) -> tuple[str, str]:
    """Return a link, "other:alias" or as the engine tells it "/other:/own/alias", as id and alias."""
    other, _, alias = one.partition(":")
    return _id(other, ids), alias.rpartition("/")[2]


def volumes_from(one: str, ids: Mapping[str, str]) -> tuple[str, str]:
    """Return whose volumes are used, "other:ro", as id and mode."""
    other, _, mode = one.partition(":")
    return _id(other, ids), mode or "rw"


def joined(value: Any, ids: Mapping[str, str]) -> Any:
    """Return a mode that may be another container's, by its id."""
    kind, _, other = str(value or "").partition(":")
    if kind == "container":
        return f"container:{_id(other, ids)}"
    return {"default": "bridge", "": None}.get(str(value or ""), value)


def _id(other: str, ids: Mapping[str, str]) -> str:
    return ids.get(other.lstrip("/"), other)


def security(value: Any, host: Mapping[str, Any]) -> list[str]:
    """Return security options in one spelling, without what the engine adds by itself."""
    found = {re.sub(r"^([a-z-]+):", r"\1=", one) for one in value or ()}
    found = {re.sub(r"^no-new-privileges=true$", "no-new-privileges", one) for one in found}
    # It takes SELinux's label from those who share the host's processes (generateSecurityOpt).
    if host.get("Privileged") or "host" in (host.get("IpcMode"), host.get("PidMode")):
        found -= {"label=disable"}
    return sorted(found)


def _unordered(value: Any) -> list[str]:
    return sorted({*(value or ())})


def _capabilities(value: Any) -> list[str]:
    names = {re.sub("^CAP_", "", str(one).upper()) for one in value or ()}
    return sorted(names)


def _ports(value: Any) -> dict[str, Any]:
    return {
        port: sorted((one.get("HostIp") or "", one.get("HostPort") or "0") for one in bindings)
        for port, bindings in (value or {}).items()
        if bindings
    }


def _policy(value: Any) -> dict[str, Any]:
    return {"MaximumRetryCount": 0, **(value or {}), "Name": (value or {}).get("Name") or "no"}


def _objects(defaults: Mapping[str, Any] | None = None) -> Callable[[Any], Any]:
    """Return the form of a list of objects whose order means nothing, without what says nothing."""

    def form(value: Any) -> list[str]:
        said = ({**(defaults or {}), **{k: v for k, v in one.items() if v}} for one in value or ())
        return sorted(json.dumps(one, sort_keys=True) for one in said)

    return form


def _device(value: Any) -> list[tuple[str, str, str]]:
    return sorted(
        (
            one["PathOnHost"],
            one.get("PathInContainer") or one["PathOnHost"],
            "".join(sorted(one.get("CgroupPermissions") or "rwm")),
        )
        for one in value or ()
    )


def _log(value: Any) -> dict[str, Any]:
    return {**(value or {}), "Config": (value or {}).get("Config") or {}}


HOST: Mapping[str, Callable[[Any], Any]] = {
    "BlkioDeviceReadBps": _objects(),
    "BlkioDeviceReadIOps": _objects(),
    "BlkioDeviceWriteBps": _objects(),
    "BlkioDeviceWriteIOps": _objects(),
    "BlkioWeightDevice": _objects(),
    "CapAdd": _capabilities,
    "CapDrop": _capabilities,
    "DeviceCgroupRules": _unordered,
    "DeviceRequests": _objects(),
    "Devices": _device,
    "ExtraHosts": _unordered,
    "GroupAdd": _unordered,
    "Init": lambda value: value,
    "Isolation": lambda value: None if value in ("", "default") else value,
    "LogConfig": _log,
    "MaskedPaths": _unordered,
    "MemorySwappiness": lambda value: None if value == -1 else value,
    "PidsLimit": lambda value: value if value and value > 0 else None,
    "PortBindings": _ports,
    "ReadonlyPaths": _unordered,
    "RestartPolicy": _policy,
    "Ulimits": _objects(),
}


# Mounts, for which there are several ways to ask.


def mounts(config: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is mounted where, by path; volumes without a name are called "anonymous"."""
    found: dict[str, Any] = {}
    for text in host.get("Binds") or ():
        _put(found, *_bind(text))
    for one in host.get("Mounts") or ():
        _put(found, one["Target"], _mount(one))
    for path, options in (host.get("Tmpfs") or {}).items():
        _put(found, path, ("tmpfs", _tmpfs_options(options.split(","))))
    for path in config.get("Volumes") or ():
        found.setdefault(_clean(path), "anonymous")
    return found


def _put(found: dict[str, Any], path: str, mount: Any) -> None:
    clean = _clean(path)
    found[clean] = mount if clean not in found else ("twice", found[clean], mount)


def _clean(path: str) -> str:
    return posixpath.normpath(path)


def _bind(text: str) -> tuple[str, Any]:
    source, target, *rest = text.split(":")
    options = {one for word in rest for one in word.split(",")} - {"rw", "rprivate", "copy", ""}
    said = {"readOnly": True} if "ro" in options else {}
    further = sorted(options - {"ro", "nocopy"})
    if not source.startswith("/"):
        return target, _volume(source, said, {"NoCopy": True} if "nocopy" in options else {}, further)
    return target, ("bind", _clean(source), said, further + (["nocopy"] if "nocopy" in options else []))


def _volume(name: str, said: Mapping[str, Any], options: Mapping[str, Any], further: Any = ()) -> Any:
    if not name or (_ANONYMOUS.fullmatch(name) and not said and not options and not further):
        return "anonymous" if not said and not options else ("anonymous", said, dict(options))
    return "volume", name, dict(said), dict(options), list(further)


def _mount(one: Mapping[str, Any]) -> Any:
    said = {"readOnly": True} if one.get("ReadOnly") else {}
    kind = one["Type"]
    options = {key: part for key, part in (one.get(f"{kind.capitalize()}Options") or {}).items() if part}
    known = {"Type", "Source", "Target", "ReadOnly", "Consistency", f"{kind.capitalize()}Options"}
    if any(part for key, part in one.items() if key not in known):
        return dict(one)
    if kind == "volume":
        return _volume(str(one.get("Source") or ""), said, options)
    if kind == "bind":
        options.pop("CreateMountpoint", None)  # once it is there, nothing tells how it came
        propagation = options.pop("Propagation", "rprivate")
        further = [propagation] if propagation != "rprivate" else []
        return ("bind", _clean(one["Source"]), said, further, *([options] if options else []))
    if kind == "tmpfs":
        size_bytes, mode = options.pop("SizeBytes", 0), options.pop("Mode", 0)
        told = [f"size={size_bytes}"] * bool(size_bytes) + [f"mode={mode:o}"] * bool(mode)
        told += ["ro"] * bool(said)
        return ("tmpfs", _tmpfs_options(told), *([options] if options else []))
    return dict(one)


def _tmpfs_options(options: Any) -> list[str]:
    said = {_tmpfs_option(one) for one in options} - {""}
    # The engine's own, where nothing says the contrary.
    return sorted(
        said if said & {"ro", "exec", "suid", "dev"} else said - {"rw", "noexec", "nosuid", "nodev"}
    )


def _tmpfs_option(option: str) -> str:
    name, _, value = option.partition("=")
    if name == "mode":
        return f"mode={value.lstrip('0') or '0'}"
    found = re.fullmatch(r"([0-9]{1,18})([kmg]?)", value.lower()) if name == "size" else None
    return f"size={int(found[1]) << _SHIFTS[found[2]]}" if found else option


# Networks.


def endpoint(one: Mapping[str, Any], own: set[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a container is on a network; `own` are the names that the engine adds by itself.

    Its MAC address is compared only where the entry has one: the engine tells it, given or not.
    """
    addresses = {key: part for key, part in (one.get("IPAMConfig") or {}).items() if part}
    return {
        "aliases": sorted({*(one.get("Aliases") or ())} - own),
        "addresses": addresses,
        "links": sorted(one.get("Links") or ()),
        "options": one.get("DriverOpts") or {},
        "priority": one.get("GwPriority") or 0,
        "mac": str(one.get("MacAddress") or "").lower() if "macAddress" in wanted else "",
    }
