"""The keys of how much of the host a container gets, but for its devices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dockerup import kinds
from dockerup.amounts import billionths, memory, share, size, whole
from dockerup.keys import words
from dockerup.keys.row import Change, ContainerKey, as_sorted, row, to
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

_SHARES = (
    r"[2-9]|[1-9][0-9]{1,4}|1[0-9]{5}|2[0-5][0-9]{4}|26[01][0-9]{3}|262(?:0[0-9][0-9]|1[0-3][0-9]|14[0-4])"
)
_DAY = 86_400_000_000  # microseconds; no quota is longer
_V1 = "; where the host has cgroup v2, the engine leaves it out and says so"
# github.com/docker/go-units, ulimit.go
_LIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
    *("rtprio", "rttime", "sigpending", "stack"),
)
_limit = whole(-1, (1 << 60) - 1)
_LIMIT_KEYS = {
    "soft": Key(_limit, "the limit that holds; -1 is none", required=True, aliases=("softLimit",)),
    "hard": Key(
        _limit, "how far a process may raise it; -1 is no end", required=True, aliases=("hardLimit",)
    ),
}
_ulimit_name = kinds.choice({name: name for name in _LIMITS})


def _or_zero(kind: Kind) -> Kind:
    """Return a kind to which 0 is added, by which ECS says that nothing is set."""

    def read(value: Any, origin: Origin) -> Any:
        none = (value == 0 and not isinstance(value, bool)) or value == "0"
        return 0 if none else kind.read(value, origin)

    return Kind(kind.says, read, {"title": kind.says, "anyOf": [kind.schema, {"enum": [0, "0"]}]})


def _no_limit(kind: Kind) -> Kind:
    return kinds.checked(kind, lambda value, _origin: value or -1)


def _cpus(text: str, origin: Origin) -> str:
    """Return a set of numbers in its shortest form: 0,1,2 and 0-2 are the same."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first):
            refuse(origin, f'"{part}" ends before it begins', "Write the lower number first: 0-3.")
        found |= set(range(int(first), int(last or first) + 1))
    runs: list[list[int]] = []
    for number in sorted(found):
        if runs and runs[-1][-1] == number - 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def _cpu_set() -> Kind:
    one = r"(?:0|[1-9][0-9]{0,3})(?:-(?:0|[1-9][0-9]{0,3}))?"
    return words.line('numbers such as "0-2,4"', rf"{one}(?:,{one}){{0,63}}", _cpus, most=8191)


def _ulimits() -> Kind:
    says = "a list of limits"
    pair = object_of(_LIMIT_KEYS, "a number, or an object of soft and hard")
    entry = object_of(
        {"name": Key(_ulimit_name, "name of the limit: `nofile`", required=True), **_LIMIT_KEYS}, "a limit"
    )
    listed = kinds.list_of(entry, says)

    def read_pair(value: Any, origin: Origin) -> dict[str, Any]:
        if isinstance(value, Mapping):
            return dict(pair.read(value, origin))
        number = _limit.read(value, origin)
        return {"hard": number, "soft": number}

    either = Kind(pair.says, read_pair, {"anyOf": [pair.schema, _limit.schema]})
    by_name = kinds.map_of(either, says, "the name of a limit", "|".join(_LIMITS))

    def read(value: Any, origin: Origin) -> list[dict[str, Any]]:
        if isinstance(value, Mapping):
            found = [{**both, "name": name} for name, both in by_name.read(value, origin).items()]
        else:
            found = listed.read(value, origin)
        if len({one["name"] for one in found}) < len(found):
            refuse(origin, "a limit is listed twice", "Keep one of them.")
        for one in found:
            if one["hard"] != -1 and not -1 < one["soft"] <= one["hard"]:
                what = f"the soft limit of {one['name']} is above the hard one"
                refuse(origin, what, "Write a hard limit that is as high, or higher.")
        return sorted((dict(sorted(one.items())) for one in found), key=lambda one: str(one["name"]))

    return Kind(says, read, {"title": says, "anyOf": [listed.schema, by_name.schema]})


def _engine_limits(value: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"Name": one["name"], "Soft": one["soft"], "Hard": one["hard"]} for one in value]


def per_device(key: str, kind: Kind, text: str) -> Kind:
    """Return the kind of a list of devices with a value for each."""
    keys = {
        "path": Key(words.path, "path of the device on the host", required=True),
        key: Key(kind, text, required=True),
    }
    listed = kinds.checked(
        kinds.list_of(object_of(keys, "a device with its value"), "a list of devices"), as_sorted
    )
    return kinds.checked(listed, _each_once)


def _each_once(value: list[Mapping[str, Any]], origin: Origin) -> list[Mapping[str, Any]]:
    if len({one["path"] for one in value}) < len(value):
        refuse(origin, "a device is listed twice", "Keep one of them.")
    return value


def _engine_devices(value: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key.capitalize(): part for key, part in one.items()} for one in value]


weight = whole(10, 1000)
weights = per_device("weight", weight, "its weight, from 10 to 1000")
bytes_rates = per_device("rate", size(1, "10m"), "bytes a second: `10m`")
operation_rates = per_device("rate", whole(1, (1 << 53) - 1), "operations a second")
_rate_row = partial(row, default=[])

RESOURCES: Mapping[str, ContainerKey] = {
    "cpu": row(
        _or_zero(kinds.whole_number(2, 262144, _SHARES)),
        "CPU shares, against 1024 of a container that says nothing",
        Change.IN_PLACE,
        tell=to("HostConfig.CpuShares"),
        aliases=("cpu_shares",),
        default=0,
    ),
    "cpus": row(
        share("0.01", 8192),
        "most CPUs that it may use at once: `0.5`",
        Change.IN_PLACE,
        tell=to("HostConfig.NanoCpus", billionths),
    ),
    "cpuPeriod": row(
        whole(1000, 1_000_000),
        "period of `cpuQuota` in microseconds (default 100000)",
        Change.IN_PLACE,
        tell=to("HostConfig.CpuPeriod"),
        aliases=("cpu_period",),
    ),
    "cpuQuota": row(
        whole(1000, _DAY),
        "microseconds of CPU time that it gets in each period",
        Change.IN_PLACE,
        tell=to("HostConfig.CpuQuota"),
        aliases=("cpu_quota",),
    ),
    "cpusetCpus": row(
        _cpu_set(),
        "CPUs that it may run on: `0-2,4`",
        Change.IN_PLACE,
        tell=to("HostConfig.CpusetCpus"),
        aliases=("cpuset",),
    ),
    "cpusetMems": row(
        _cpu_set(),
        "memory nodes that it may use, where there is more than one",
        Change.IN_PLACE,
        tell=to("HostConfig.CpusetMems"),
    ),
    "memory": row(
        memory(),
        "most memory: `512m`, `2g`; a bare number under 6 MiB is MiB",
        Change.IN_PLACE,
        tell=to("HostConfig.Memory"),
        aliases=("mem_limit",),
    ),
    "memoryReservation": row(
        memory(),
        "memory that it is pushed back to when the host runs short; written as `memory` is",
        Change.IN_PLACE,
        tell=to("HostConfig.MemoryReservation"),
        aliases=("mem_reservation",),
    ),
    "memorySwap": row(
        memory(unlimited=True),
        "most memory and swap together (default: twice `memory`, which it needs); -1: no limit to the swap",
        Change.IN_PLACE,
        tell=to("HostConfig.MemorySwap"),
        aliases=("memswap_limit",),
    ),
    "memorySwappiness": row(
        whole(0, 100),
        f"how readily its memory is swapped out{_V1}",
        tell=to("HostConfig.MemorySwappiness"),
        aliases=("mem_swappiness",),
    ),
    "oomKillDisable": row(
        kinds.truth(),
        f"let its processes wait for memory instead of killing one; it needs `memory`{_V1}",
        tell=to("HostConfig.OomKillDisable"),
        aliases=("oom_kill_disable",),
        default=False,
    ),
    "oomScoreAdj": row(
        whole(-1000, 1000),
        "when the host is out of memory: from -1000 (killed last) to 1000 (killed first)",
        tell=to("HostConfig.OomScoreAdj"),
        aliases=("oom_score_adj",),
        default=0,
    ),
    "pidsLimit": row(
        _no_limit(whole(-1, 4_194_304)),
        "most processes and threads; 0 and -1: no limit",
        Change.IN_PLACE,
        tell=to("HostConfig.PidsLimit"),
        aliases=("pids_limit",),
    ),
    "ulimits": row(
        _ulimits(),
        "limits of each of its processes: `[{name: nofile, soft: 1024, hard: 4096}]`, or `{nofile: 1024}`",
        tell=to("HostConfig.Ulimits", _engine_limits),
        default=[],
    ),
    "blkioWeight": row(
        weight,
        "share of block I/O, against 500 of a container that says nothing",
        Change.IN_PLACE,
        tell=to("HostConfig.BlkioWeight"),
    ),
    "blkioWeightDevice": _rate_row(
        weights,
        "the same for single devices: `[{path: /dev/sda, weight: 300}]`",
        tell=to("HostConfig.BlkioWeightDevice", _engine_devices),
    ),
    **{
        f"blkioDevice{way}Bps": _rate_row(
            bytes_rates,
            f"most bytes a second that it {does} a device: `[{{path: /dev/sda, rate: 10m}}]`",
            tell=to(f"HostConfig.BlkioDevice{way}Bps", _engine_devices),
        )
        for way, does in (("Read", "reads from"), ("Write", "writes to"))
    },
    **{
        f"blkioDevice{way}IOps": _rate_row(
            operation_rates,
            f"most operations a second by which it {does} a device: `[{{path: /dev/sda, rate: 100}}]`",
            tell=to(f"HostConfig.BlkioDevice{way}IOps", _engine_devices),
        )
        for way, does in (("Read", "reads from"), ("Write", "writes to"))
    },
    "cgroupParent": row(
        kinds.text("a cgroup", r"[a-zA-Z0-9/_.:@-]{1,255}"),
        "cgroup under which its own is made",
        tell=to("HostConfig.CgroupParent"),
        aliases=("cgroup_parent",),
    ),
}
