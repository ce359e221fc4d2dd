"""The flags of `docker run`, and what each is called here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable

from dockerup.importers import forms
from dockerup.importers.draft import NO_REAL_TIME, Draft
from dockerup.importers.reading import (
    OddError,
    decimal,
    filled,
    seconds,
    sized,
    swap,
    time_text,
    timed,
    truth,
    whole,
)

Flag = Callable[[Draft, str], None]


def _set(key: str, read: Callable[[Any], Any] = filled) -> Flag:
    return lambda draft, value: draft.put(key, read(value))


def _true(key: str) -> Flag:
    return lambda draft, value: draft.put(key, truth(value) or None)


def _more(key: str, read: Callable[[str], Any] = filled) -> Flag:
    return lambda draft, value: draft.add(key, [read(value)])


def _pair(key: str) -> Flag:
    def handle(draft: Draft, value: str) -> None:
        name, _, rest = value.partition("=")
        if not name:
            raise OddError("it has no name")
        draft.merge(key, {name: rest})

    return handle


def _env(draft: Draft, value: str) -> None:
    name, equals, rest = value.partition("=")
    if not name:
        raise OddError("it has no name")
    if equals:
        draft.merge("env", {name: rest})
    else:
        draft.decide(f"--env {name}", "its value came from the environment of the line: write it under env")


def _file(flag: str, key: str, draft: Draft, value: str) -> None:
    draft.add(key, [filled(value)])
    if not value.startswith("/"):
        draft.decide(f"--{flag}", "the path is relative to where the line ran: write it from / on")


def _ports(draft: Draft, value: str) -> None:
    draft.add("portMappings", forms.ports(value))


def _volume(draft: Draft, value: str) -> None:
    mount = forms.volume(value)
    if not mount.get("hostPath", "/").startswith("/"):
        draft.decide("--volume", f"{mount['hostPath']} is relative to where the line ran: write it from / on")
    draft.add("volumes", [mount])


def _volumes_from(draft: Draft, value: str) -> None:
    name, _, mode = value.partition(":")
    draft.add("volumes", [{"from": name, **({"mode": "ro"} if mode == "ro" else {})}])


def _mount(draft: Draft, value: str) -> None:
    """`--mount type=bind,source=/a,target=/b,readonly`: opts/mount.go."""
    parts = dict(part.partition("=")[::2] for part in value.split(",") if part)
    kind = parts.pop("type", "volume")
    source = parts.pop("source", "") or parts.pop("src", "")
    target = parts.pop("target", "") or parts.pop("dst", "") or parts.pop("destination", "")
    mount: dict[str, Any] = {"containerPath": filled(target)}
    for key in ("readonly", "ro"):
        if key in parts and truth(parts.pop(key) or True):
            mount["mode"] = "ro"
    if kind == "tmpfs":
        _tmpfs_mount(draft, filled(target), parts)
    elif kind == "bind":
        bind = {"propagation": parts.pop("bind-propagation")} if "bind-propagation" in parts else {}
        draft.add("volumes", [{"hostPath": filled(source), **mount, **({"bind": bind} if bind else {})}])
    elif kind == "volume":
        options: dict[str, Any] = {"noCopy": True} if "volume-nocopy" in parts else {}
        parts.pop("volume-nocopy", None)
        for name, key in (("volume-driver", "driver"), ("volume-subpath", "subpath")):
            options.update({key: parts.pop(name)} if name in parts else {})
        named = {"volume": source} if source else {}
        draft.add("volumes", [{**named, **mount, **({"volumeOptions": options} if options else {})}])
    elif kind == "image":
        draft.add("volumes", [{"image": filled(source), **mount}])
    else:
        raise OddError("this type of mount is not of Linux")
    for name in sorted(parts):
        draft.left(f"--mount {name}", "this option is not known")


def _tmpfs_mount(draft: Draft, target: str, parts: dict[str, str]) -> None:
    found: dict[str, Any] = {"containerPath": target}
    if "tmpfs-size" in parts:
        found["size"] = sized(parts.pop("tmpfs-size"))
    if "tmpfs-mode" in parts:
        found["mode"] = forms.mode(parts.pop("tmpfs-mode"))
    draft.add("tmpfs", [found])


def _restart(draft: Draft, value: str) -> None:
    draft.put("restart", forms.restart(value))


def _ulimit(draft: Draft, value: str) -> None:
    name, _, limit = value.partition("=")
    draft.add("ulimits", [forms.ulimit(name, limit)])


def _link(draft: Draft, value: str) -> None:
    name, _, alias = value.partition(":")
    draft.merge("links", {filled(name): alias or name})


def _network(draft: Draft, value: str) -> None:
    """`--network NAME`, or `name=NAME,alias=A,ip=...`; several make it join several."""
    parts = [part.partition("=")[::2] for part in value.split(",")] if "=" in value else [("name", value)]
    named = [rest for key, rest in parts if key == "name"]
    name = filled(named[0] if named else "")
    if name in ("bridge", "host", "none", "default") or name.startswith("container:"):
        draft.put("network", name)
        return
    keys = {"ip": "ipv4Address", "ip6": "ipv6Address", "mac-address": "macAddress"}
    keys["gw-priority"] = "gwPriority"
    endpoint: dict[str, Any] = {}
    for key, rest in parts:
        if key == "alias":
            endpoint.setdefault("aliases", []).append(rest)
        elif key in keys:
            endpoint[keys[key]] = whole(rest) if key == "gw-priority" else rest
        elif key != "name":
            draft.left(f"--network {key}", "this option is not known")
    draft.merge("networks", {name: endpoint})
    first = next(iter(draft.value["networks"]))
    if first != min(draft.value["networks"]):
        draft.put("network", first)  # of several, the first by its name is the first that is joined


def _endpoint(key: str, *, several: bool = False) -> Flag:
    """Return the flag that says something of the first network: `--ip`, `--network-alias`."""

    def handle(draft: Draft, value: str) -> None:
        draft.value.setdefault("_endpoint", {})
        own = draft.value["_endpoint"]
        own.update({key: [*own.get(key, []), filled(value)] if several else filled(value)})

    return handle


def _logs(draft: Draft, value: str) -> None:
    draft.merge("logConfiguration", {"logDriver": filled(value)})


def _log_option(draft: Draft, value: str) -> None:
    name, _, rest = value.partition("=")
    options = draft.value.get("logConfiguration", {}).get("options", {})
    draft.merge("logConfiguration", {"options": {**options, name: rest}})


def _gpus(draft: Draft, value: str) -> None:
    ids = re.fullmatch(r'"?device=([^"]+)"?', value)
    if ids:
        which: dict[str, Any] = {"deviceIds": ids[1].split(",")}
    elif value == "all" or re.fullmatch(r"[0-9]{1,4}", value):
        which = {"count": value if value == "all" else int(value)}
    else:
        raise OddError("this form of --gpus is not known")
    draft.add("deviceRequests", [{"capabilities": ["gpu"], **which}])


def _weight(draft: Draft, value: str) -> None:
    path, _, weight = value.rpartition(":")
    draft.add("blkioWeightDevice", [{"path": filled(path), "weight": whole(weight)}])


def _rate(key: str, read: Callable[[Any], Any]) -> Flag:
    def handle(draft: Draft, value: str) -> None:
        path, _, rate = value.rpartition(":")
        draft.add(key, [{"path": filled(path), "rate": read(rate)}])

    return handle


def _pull(draft: Draft, value: str) -> None:
    if value == "never":
        draft.merge("update", {"pull": False})
    elif value not in ("always", "missing"):
        raise OddError("this is not known")


def _entrypoint(draft: Draft, value: str) -> None:
    if value:
        draft.put("entrypoint", [value])
    else:
        draft.decide("--entrypoint", "an empty one takes the image's away: write entrypoint with the program")


def _pids(draft: Draft, value: str) -> None:
    draft.put("pidsLimit", whole(value) or None)


def bring_health(draft: Draft, given: Mapping[str, str]) -> None:
    """Bring over the flags of the health check together: times alone would change the image's."""
    if given.get("no-healthcheck", "false") not in ("false", "0"):
        draft.put("healthCheck", {"command": ["NONE"]})
        return
    names = {"interval": "interval", "timeout": "timeout", "start-period": "startPeriod"}
    names["start-interval"] = "startInterval"
    found: dict[str, Any] = {}
    for flag, key in names.items():
        try:
            if f"health-{flag}" in given:
                found[key] = time_text(seconds(given[f"health-{flag}"]))
        except OddError as odd:
            draft.left(f"--health-{flag}", str(odd))
    retries = given.get("health-retries", "")
    if retries.isdecimal() and len(retries) < 5:
        found["retries"] = int(retries)
    if given.get("health-cmd", "").strip():
        draft.put("healthCheck", {"command": ["CMD-SHELL", given["health-cmd"]], **found})
    elif found:
        draft.left("--health-*", "times alone change the image's own check: write its command as well")


def bring_once(draft: Draft, given: Mapping[str, str]) -> None:
    """Bring over what several flags say together: the first network's endpoint, the restart policy."""
    endpoint = draft.value.pop("_endpoint", None)
    networks = draft.value.get("networks")
    if endpoint and networks:
        name = next(iter(networks))
        networks[name] = {**networks[name], **endpoint}
    elif endpoint:
        draft.left("--network-alias, --ip", "they are of a network of one's own, and the line names none")
    log = draft.value.get("logConfiguration")
    if log and "logDriver" not in log:
        draft.merge("logConfiguration", {"logDriver": "json-file"})
        draft.said("--log-opt", "json-file, the engine's default, since the line names no driver")
    if "restart" in draft.value:
        return
    if "rm" in given or "detach" not in given:
        what = "without --restart: whoever ran the line did that. Here it is always restarted; write "
        draft.decide("--restart", what + "restart: never for a job that runs once")
    else:
        draft.put("restart", "no")
        what = "without --restart: docker never starts it again, not after a reboot either. Take restart out "
        draft.decide("--restart", what + "to have it always restarted, which is dockerup's default")


BOOLEANS: Mapping[str, Flag | None] = {
    "detach": None,
    "interactive": _true("interactive"),
    "tty": _true("pseudoTerminal"),
    "rm": lambda draft, _value: draft.said("--rm", "dockerup removes what it replaces"),
    "privileged": _true("privileged"),
    "init": _true("init"),
    "read-only": _true("readonlyRootFilesystem"),
    "publish-all": _true("publishAllPorts"),
    "oom-kill-disable": _true("oomKillDisable"),
    "no-healthcheck": None,
    "sig-proxy": None,
    "quiet": None,
    "disable-content-trust": None,
    "help": None,
    "use-api-socket": lambda draft, _value: draft.left("--use-api-socket", "mount the socket as a volume"),
}

FLAGS: Mapping[str, Flag | None] = {
    "name": _set("name"),
    "env": _env,
    "env-file": partial(_file, "env-file", "envFiles"),
    "label-file": partial(_file, "label-file", "labelFiles"),
    "publish": _ports,
    "expose": _more("expose"),
    "volume": _volume,
    "mount": _mount,
    "tmpfs": _more("tmpfs", forms.tmpfs),
    "volumes-from": _volumes_from,
    "volume-driver": _set("volumeDriver"),
    "restart": _restart,
    "network": _network,
    "net": _network,
    "network-alias": _endpoint("aliases", several=True),
    "net-alias": _endpoint("aliases", several=True),
    "ip": _endpoint("ipv4Address"),
    "ip6": _endpoint("ipv6Address"),
    "link-local-ip": _endpoint("linkLocalIps", several=True),
    "mac-address": _endpoint("macAddress"),
    "link": _link,
    "add-host": _more("extraHosts", forms.extra_host),
    "dns": _more("dnsServers"),
    "dns-search": _more("dnsSearchDomains"),
    "dns-option": _more("dnsOptions"),
    "dns-opt": _more("dnsOptions"),
    "hostname": _set("hostname"),
    "domainname": _set("domainname"),
    "entrypoint": _entrypoint,
    "workdir": _set("workingDirectory"),
    "user": _set("user"),
    "group-add": _more("groupAdd"),
    "label": _pair("labels"),
    "annotation": _pair("annotations"),
    "platform": _set("platform"),
    "pull": _pull,
    "stop-signal": _set("stopSignal"),
    "stop-timeout": _set("stopTimeout", timed),
    "memory": _set("memory", sized),
    "memory-reservation": _set("memoryReservation", sized),
    "memory-swap": _set("memorySwap", swap),
    "memory-swappiness": _set("memorySwappiness", whole),
    "oom-score-adj": _set("oomScoreAdj", whole),
    "cpus": _set("cpus", decimal),
    "cpu-shares": _set("cpu", whole),
    "cpu-period": _set("cpuPeriod", whole),
    "cpu-quota": _set("cpuQuota", whole),
    "cpuset-cpus": _set("cpusetCpus"),
    "cpuset-mems": _set("cpusetMems"),
    "pids-limit": _pids,
    "shm-size": _set("shmSize", sized),
    "ulimit": _ulimit,
    "sysctl": _pair("sysctls"),
    "storage-opt": _pair("storageOpt"),
    "blkio-weight": _set("blkioWeight", whole),
    "blkio-weight-device": _weight,
    "device-read-bps": _rate("blkioDeviceReadBps", sized),
    "device-write-bps": _rate("blkioDeviceWriteBps", sized),
    "device-read-iops": _rate("blkioDeviceReadIOps", whole),
    "device-write-iops": _rate("blkioDeviceWriteIOps", whole),
    "device": _more("devices", forms.device),
    "device-cgroup-rule": _more("deviceCgroupRules"),
    "gpus": _gpus,
    "runtime": _set("runtime"),
    "cap-add": _more("capAdd"),
    "cap-drop": _more("capDrop"),
    "security-opt": _more("securityOptions"),
    "userns": _set("userns"),
    "uts": _set("uts"),
    "ipc": _set("ipc"),
    "pid": _set("pid"),
    "cgroupns": _set("cgroupns"),
    "cgroup-parent": _set("cgroupParent"),
    "log-driver": _logs,
    "log-opt": _log_option,
    "health-cmd": None,
    "health-interval": None,
    "health-timeout": None,
    "health-retries": None,
    "health-start-period": None,
    "health-start-interval": None,
}

# Flags with a value that has no meaning here, each with the reason; "": it says nothing of the container.
IGNORED: Mapping[str, str] = {
    "attach": "",
    "cidfile": "use the container's name",
    "detach-keys": "",
    "kernel-memory": "engines no longer have it",
    "isolation": "it is of Windows",
    "cpu-rt-period": NO_REAL_TIME,
    "cpu-rt-runtime": NO_REAL_TIME,
    "cpu-count": "it is of Windows",
    "cpu-percent": "it is of Windows",
    "io-maxbandwidth": "it is of Windows",
    "io-maxiops": "it is of Windows",
}

SHORT: Mapping[str, str] = {
    "a": "attach",
    "c": "cpu-shares",
    "d": "detach",
    "e": "env",
    "h": "hostname",
    "i": "interactive",
    "l": "label",
    "m": "memory",
    "p": "publish",
    "P": "publish-all",
    "q": "quiet",
    "t": "tty",
    "u": "user",
    "v": "volume",
    "w": "workdir",
}
