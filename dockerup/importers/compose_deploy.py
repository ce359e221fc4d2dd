"""What a Compose service says of its resources, in `deploy` and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup.importers.draft import Draft, Table, fill, not_here, plain
from dockerup.importers.reading import (
    OddError,
    decimal,
    filled,
    filled_pairs,
    listed,
    mapped,
    sized,
    text,
    texts,
    whole,
)

_OF_SWARM = "it is of Swarm"


def bring_deploy(draft: Draft, value: Any) -> None:
    """Bring `deploy` over: limits and reservations, the restart policy, the order of updates."""
    _fill_inside(draft, "deploy", mapped(value), _DEPLOY)


def _fill_inside(draft: Draft, where: str, written: Mapping[str, Any], table: Table) -> None:
    own = {key: part for key, part in written.items() if not key.startswith("x-")}
    fill(draft, own, table, where)


def _resources(draft: Draft, value: Any) -> None:
    tables = {"limits": _LIMITS, "reservations": _RESERVATIONS}
    for kind, written in mapped(value).items():
        if kind in tables and written is not None:
            _fill_inside(draft, f"deploy.resources.{kind}", mapped(written), tables[kind])
        elif kind not in tables:
            draft.left(f"deploy.resources.{kind}", "this key is not known")


_LIMITS: Table = {
    "cpus": plain("cpus", decimal),
    "memory": plain("memory", sized),
    "pids": plain("pidsLimit", whole),
    "devices": not_here("deploy.resources.limits.devices", "devices are reserved, not limited"),
    "generic_resources": not_here("deploy.resources.limits.generic_resources", _OF_SWARM),
}


def _devices(draft: Draft, value: Any) -> None:
    bring_requests(draft, listed(value))


def bring_requests(draft: Draft, wanted: list[Any]) -> None:
    """Bring over requests for devices, GPUs mostly."""
    draft.add("deviceRequests", [_request(draft, mapped(one)) for one in wanted])


def _request(draft: Draft, one: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"capabilities": texts(one.get("capabilities") or ["gpu"])}
    if one.get("driver"):
        found["driver"] = text(one["driver"])
    if one.get("device_ids") is not None:
        found["deviceIds"] = texts(one["device_ids"])
    else:
        found["count"] = device_count(one.get("count", "all"))
    if one.get("options"):
        found["options"] = filled_pairs(one["options"])
    for key in sorted(one.keys() - {"capabilities", "driver", "count", "device_ids", "options"}):
        draft.left(f"devices.{key}", "this key is not known")
    return found


def device_count(value: Any) -> Any:
    """Return a number of devices as an entry has it."""
    return "all" if value in ("all", -1, "-1") else whole(value)


_RESERVATIONS: Table = {
    "cpus": not_here("deploy.resources.reservations.cpus", "an engine alone reserves no CPUs; see cpu"),
    "memory": plain("memoryReservation", sized),
    "devices": _devices,
    "generic_resources": not_here("deploy.resources.reservations.generic_resources", _OF_SWARM),
}


def _restart_policy(draft: Draft, value: Any) -> None:
    written = mapped(value)
    condition = text(written.get("condition") or "any")
    policies = {"any": "always", "on-failure": "on-failure", "none": "no"}
    if condition not in policies:
        raise OddError("this condition is not known")
    draft.value.setdefault("restart", policies[condition])
    for key in sorted(written.keys() - {"condition"}):
        draft.left(f"deploy.restart_policy.{key}", "the engine has its own delays, and no end")


def _update_config(draft: Draft, value: Any) -> None:
    written = mapped(value)
    if written.get("order") == "start-first":
        draft.merge("update", {"order": "start-first"})
    if written.get("failure_action") in ("continue", "pause"):
        draft.merge("update", {"rollback": False})
    for key in sorted(written.keys() - {"order", "failure_action"}):
        draft.left(f"deploy.update_config.{key}", "containers are replaced one after the other")


_DEPLOY: Table = {
    "replicas": None,
    "resources": _resources,
    "restart_policy": _restart_policy,
    "update_config": _update_config,
    "mode": not_here("deploy.mode", _OF_SWARM),
    "placement": not_here("deploy.placement", _OF_SWARM),
    "endpoint_mode": not_here("deploy.endpoint_mode", _OF_SWARM),
    "labels": not_here("deploy.labels", "they are of the service in Swarm, not of its containers"),
    "rollback_config": not_here("deploy.rollback_config", "a failed update goes back at once"),
}

_RATES = {
    "device_read_bps": "blkioDeviceReadBps",
    "device_write_bps": "blkioDeviceWriteBps",
    "device_read_iops": "blkioDeviceReadIOps",
    "device_write_iops": "blkioDeviceWriteIOps",
}


def bring_blkio(draft: Draft, written: Mapping[str, Any]) -> None:
    """Bring `blkio_config` over."""
    for key, value in written.items():
        if value is None:
            continue
        if key == "weight":
            draft.put("blkioWeight", whole(value))
        elif key == "weight_device":
            draft.add("blkioWeightDevice", [_weight(one) for one in listed(value)])
        elif key in _RATES:
            draft.add(_RATES[key], [_rate(one, bytewise=key.endswith("bps")) for one in listed(value)])
        else:
            draft.left(f"blkio_config.{key}", "this key is not known")


def _weight(value: Any) -> dict[str, Any]:
    one = mapped(value)
    return {"path": filled(one.get("path", "")), "weight": whole(one.get("weight"))}


def _rate(value: Any, *, bytewise: bool) -> dict[str, Any]:
    one = mapped(value)
    rate = one.get("rate")
    return {"path": filled(one.get("path", "")), "rate": sized(rate) if bytewise else whole(rate)}
