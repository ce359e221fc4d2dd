"""The keys of how much of the host a container gets."""

from __future__ import annotations

from collections.abc import Mapping

from dockerup import kinds
from dockerup.amounts import memory
from dockerup.keys.row import Change, ContainerKey, row, to

_SHARES = (
    r"[2-9]|[1-9][0-9]{1,4}|1[0-9]{5}|2[0-5][0-9]{4}|26[01][0-9]{3}|262(?:0[0-9][0-9]|1[0-3][0-9]|14[0-4])"
)

RESOURCES: Mapping[str, ContainerKey] = {
    "cpu": row(
        kinds.whole_number(2, 262144, _SHARES),
        "CPU shares, against 1024 of a container that says nothing",
        Change.IN_PLACE,
        tell=to("HostConfig.CpuShares"),
    ),
    "memory": row(
        memory(),
        "most memory: `512m`, `2g`; a bare number under 6 MiB is MiB",
        Change.IN_PLACE,
        tell=to("HostConfig.Memory"),
    ),
}
