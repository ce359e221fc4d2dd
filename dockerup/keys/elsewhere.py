"""Names that are no keys of their own: what ECS and Compose say in another shape, or means nothing here.

Sources: ContainerDefinition of the Amazon ECS API, and the Compose specification (compose-spec.json).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup import kinds
from dockerup.amounts import MIB, whole
from dockerup.keys import volumes, words
from dockerup.keys.devices import DEVICE_SPELLINGS, DEVICES
from dockerup.keys.resources import RESOURCES
from dockerup.keys.security import CAPABILITIES, SECURITY_SPELLINGS, both_capabilities
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, Spelling, object_of
from dockerup.problems import Origin

REFUSED = "refused: "  # how the description of a name that is known and refused begins
_MOST_MIB = 1 << 30
_TMPFS_KEYS = {
    "containerPath": Key(words.path, "path inside the container", required=True),
    "size": Key(whole(1, _MOST_MIB), "most that it holds, in MiB", required=True),
    "mountOptions": Key(words.mount_options, "further options, such as `noexec`"),
}
_LINUX_KEYS = {
    "capabilities": Key(CAPABILITIES, "as `capabilities`"),
    "devices": Key(DEVICES["devices"].key.kind, "as `devices`"),
    "initProcessEnabled": Key(kinds.truth(), "as `init`"),
    "sharedMemorySize": Key(whole(1, _MOST_MIB), "as `shmSize`, in MiB"),
    "maxSwap": Key(whole(0, _MOST_MIB), "swap in MiB: `memorySwap` less `memory`"),
    "swappiness": Key(whole(0, 100), "as `memorySwappiness`"),
    "tmpfs": Key(
        kinds.list_of(object_of(_TMPFS_KEYS, "a memory file system"), "a list of memory file systems"),
        "as `tmpfs`, its sizes in MiB",
    ),
}
_PLAIN = {"devices": "devices", "initProcessEnabled": "init", "swappiness": "memorySwappiness"}


def _linux(value: Mapping[str, Any], origin: Origin, own: Mapping[str, Any]) -> Mapping[str, Any]:
    meant = {_PLAIN[key]: part for key, part in value.items() if key in _PLAIN and part != []}
    meant.update(both_capabilities(value.get("capabilities", {}), origin, own))
    if "sharedMemorySize" in value:
        meant["shmSize"] = value["sharedMemorySize"] * MIB
    if value.get("tmpfs"):
        short = [f"{one['containerPath']}:{_tmpfs_options(one)}" for one in value["tmpfs"]]
        meant["tmpfs"] = volumes.tmpfs().read(short, origin.at("tmpfs"))
    if "maxSwap" in value:
        if "memory" not in own:
            refuse(origin.at("maxSwap"), "a limit to the swap needs one to the memory", "Write memory, too.")
        meant["memorySwap"] = own["memory"] + value["maxSwap"] * MIB
    return meant


def _tmpfs_options(one: Mapping[str, Any]) -> str:
    return ",".join([f"size={one['size']}m", *one.get("mountOptions", ())])


_BLKIO_KEYS = {
    "weight": "blkioWeight",
    "weight_device": "blkioWeightDevice",
    "device_read_bps": "blkioDeviceReadBps",
    "device_write_bps": "blkioDeviceWriteBps",
    "device_read_iops": "blkioDeviceReadIOps",
    "device_write_iops": "blkioDeviceWriteIOps",
}


def _blkio(value: Mapping[str, Any], _origin: Origin, _own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {_BLKIO_KEYS[key]: part for key, part in value.items()}


_RESTART_KEYS = {
    "enabled": Key(kinds.truth(), "restart it when it ends", required=True),
    "ignoredExitCodes": Key(kinds.list_of(whole(0, 255), "a list of exit codes"), "`[0]`: it has to fail"),
    "restartAttemptPeriod": Key(whole(60, 1800), "means nothing here: Docker waits longer each time"),
}


def _restart(value: Mapping[str, Any], origin: Origin, _own: Mapping[str, Any]) -> Mapping[str, Any]:
    ignored = value.get("ignoredExitCodes", [])
    if ignored not in ([], [0]):
        fix = "Write [] or [0], or restart: always or on-failure."
        refuse(origin.at("ignoredExitCodes"), "the engine cannot tell one failure from another", fix)
    if not value["enabled"]:
        return {}
    return {"restart": "on-failure" if ignored else "always"}


def _nothing(_value: Any, _origin: Origin, _own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def _refused(what: str, fix: str) -> Spelling:
    """Return a name that people know from elsewhere, and that is refused with a word on why."""

    def read(_value: Any, origin: Origin) -> Any:
        refuse(origin, what, fix)

    # What both a string and null would be is nothing: also in the older draft that cloud-init reads.
    nothing = {"allOf": [{"type": "string"}, {"type": "null"}]}
    return Spelling(Kind("nothing", read, nothing), f"{REFUSED}{what}", _nothing)


_ANYTHING = Kind("anything", lambda value, _origin: value, {})
# What may be written and means nothing on one host, each with the note that says so, "" where none is needed.
MEANINGLESS: Mapping[str, str] = {
    "essential": "",  # in each definition that ECS prints; here each container stands for itself anyway
    "versionConsistency": "",  # tags are resolved to digests anyway
    "repositoryCredentials": "the login for a registry is a setting: registryAuth in dockerup.conf",
    "attach": "",
}
_WINDOWS = ("only Windows has this", "Take it out.")
_REFUSED: Mapping[str, Spelling] = {
    "firelensConfiguration": _refused(
        "there is no log router to configure", "Send the logs with logConfiguration."
    ),
    "credentialSpecs": _refused(*_WINDOWS),
    "credential_spec": _refused(*_WINDOWS),
    **dict.fromkeys(
        ("isolation", "cpuCount", "cpuPercent", "ioMaximumIOps", "ioMaximumBandwidth"), _refused(*_WINDOWS)
    ),
    "cpu_count": _refused(*_WINDOWS),
    "cpu_percent": _refused(*_WINDOWS),
    **dict.fromkeys(
        ("cpu_rt_period", "cpu_rt_runtime", "cpuRtPeriod", "cpuRtRuntime"),
        _refused("Debian's kernels have no real-time groups", "Take it out."),
    ),
    "build": _refused("dockerup builds no images", "Build it elsewhere, push it, and write image: NAME."),
    "deploy": _refused(
        "this is about a cluster",
        "Write what it says here: cpus, memory, memoryReservation, pidsLimit, gpus, replicas.",
    ),
    **{
        name: _refused("nothing is run beside a container's own program", "Write it into entrypoint.")
        for name in ("hooks", "pre_start", "post_start", "pre_stop")
    },
    "configs": _refused("dockerup keeps no files", "Write volumes: [{containerPath: PATH, hostPath: PATH}]."),
    "external_links": _refused("all that is linked to is listed, or left alone", "Write links."),
    "registryAuth": _refused("a login is for a registry, not for a container", "Write it in dockerup.conf."),
    "pull_refresh_after": _refused(
        "what is newer is looked for in each run", "Write update: {minAge: TIME}."
    ),
    "runtimePlatform": _refused("this is for a whole task", "Write platform: linux/arm64 or linux/amd64."),
    "cpuReservation": _refused("Docker reserves no time", "Write cpu, which is the share of it."),
    "use_api_socket": _refused(
        "no socket is mounted unasked", "Write volumes: [/run/docker.sock:/run/docker.sock]."
    ),
    "extends": _refused("an entry cannot continue another", "Write out all of its keys."),
    "mac_address": _refused(
        "a MAC address is that on one network", "Write networks: {NAME: {macAddress: ADDRESS}}."
    ),
    "profiles": _refused("all that is listed runs", "Take the entry out where it must not run."),
}
SPELLINGS: Mapping[str, Spelling] = {
    "environmentFiles": words.empty_list(
        "ECS's files are in S3", "Put them on this host, and write envFiles: [PATH]."
    ),
    **SECURITY_SPELLINGS,
    **DEVICE_SPELLINGS,
    "linuxParameters": Spelling(
        object_of(_LINUX_KEYS, "an object"), "what ECS says of Linux, its sizes in MiB", _linux
    ),
    "restartPolicy": Spelling(
        object_of(_RESTART_KEYS, "an object with enabled"), "ECS's form of `restart`", _restart
    ),
    "blkio_config": Spelling(
        object_of(
            {name: RESOURCES[key].key for name, key in _BLKIO_KEYS.items()},
            "an object of limits",
        ),
        "Compose's form of `blkioWeight` and the other keys of block I/O",
        _blkio,
    ),
    **{
        name: Spelling(_ANYTHING, "accepted, and means nothing on one host", _nothing) for name in MEANINGLESS
    },
    **_REFUSED,
}
