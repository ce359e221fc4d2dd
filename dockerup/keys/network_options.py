"""How a network is made, where it is not there: `networkOptions`, in Compose's words. Pure.

They are no part of a container's definition: neither it nor the network is made anew when they change.
The engine's side is POST /networks/create and GET /networks (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Union

from dockerup import kinds
from dockerup.keys.row import as_sorted
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

Options = Mapping[str, Any]
_Subnet = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_ADDRESS = r"[0-9a-fA-F:.]{2,45}"
_strings = kinds.map_of(
    kinds.text("a string", r"[^\0]*"), "an object of names and values", "a name", r"[^\0]+"
)


def _subnet(text: str) -> _Subnet | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _read_subnet(text: str, origin: Origin) -> str:
    found = _subnet(text)
    if found is None:
        refuse(origin, f'"{text}" is not a subnet', "Write one such as 10.5.0.0/24.")
    return str(found)


def _read_address(text: str, origin: Origin) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        refuse(origin, f'"{text}" is not an IP address', "Write one such as 10.5.0.1.")


def _inside(pool: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """Return a pool whose gateway, range and reserved addresses are of its subnet."""
    subnet = ipaddress.ip_network(pool["subnet"])
    reserved = pool.get("auxAddresses", {})
    for key, text in (("gateway", pool.get("gateway")), ("ipRange", pool.get("ipRange")), *reserved.items()):
        part = _subnet(text) if text else subnet
        if part is None or part.version != subnet.version or not _holds(subnet, part):
            where = origin.at("auxAddresses").at(key) if key in reserved else origin.at(key)
            refuse(where, f"{text} is not in the subnet {subnet}", "Write one that is.")
    return {key: part for key, part in pool.items() if part != {}}


def _holds(subnet: _Subnet, part: _Subnet) -> bool:
    return int(subnet[0]) <= int(part[0]) and int(part[-1]) <= int(subnet[-1])


_driver = kinds.text("the name of a driver", r"[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*")
_address = kinds.text("an IP address", _ADDRESS, also=_read_address)
_cidr = kinds.text(
    'a subnet such as "10.5.0.0/24"', rf"{_ADDRESS}/(?:0|[1-9][0-9]{{0,2}})", also=_read_subnet
)
_POOL = {
    "subnet": Key(_cidr, "the addresses of the network: `10.5.0.0/24`", required=True),
    "gateway": Key(_address, "the host's own address in it (default: the first)"),
    "ipRange": Key(_cidr, "the part of it that the engine gives addresses from", aliases=("ip_range",)),
    "auxAddresses": Key(
        kinds.map_of(_address, "an object of names and addresses", "a name", r"[^\0]+"),
        "addresses that the engine gives to nobody, by name",
        aliases=("aux_addresses",),
    ),
}
_IPAM = {
    "driver": Key(_driver, "who gives addresses"),
    "config": Key(
        kinds.checked(
            kinds.list_of(kinds.checked(object_of(_POOL, "a subnet"), _inside), "a list of subnets"),
            as_sorted,
        ),
        "its subnets",
    ),
    "options": Key(_strings, "the driver's options"),
}
# What the engine takes an option for that is left out.
_DEFAULTS = {"driver": "bridge", "internal": False, "attachable": False, "enableIpv6": False}


def _with_meaning(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    named = {"driver": "bridge"} if value.get("driver") == "default" else {}
    return {key: part for key, part in {**value, **named}.items() if part not in (_DEFAULTS.get(key), {})}


def _addressing(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return {key: part for key, part in value.items() if (key, part) != ("driver", "default") and part}


_KEYS = {
    "driver": Key(
        _driver,
        "its driver (default `bridge`)",
    ),
    "driverOpts": Key(_strings, "the driver's options", aliases=("driver_opts",)),
    "internal": Key(kinds.truth(), "nothing leads from it to other networks"),
    "attachable": Key(kinds.truth(), "for networks of Swarm: containers may join it"),
    "enableIpv6": Key(kinds.truth(), "it has IPv6 addresses as well", aliases=("enable_ipv6",)),
    "labels": Key(_strings, "its labels"),
    "ipam": Key(
        kinds.checked(object_of(_IPAM, "an object"), _addressing),
        "its addresses: `{config: [{subnet: 10.5.0.0/24, gateway: 10.5.0.1}]}`",
    ),
}


def network_options() -> Kind:
    """Return the kind of what is said of a network besides its name."""
    return kinds.checked(object_of(_KEYS, "an object"), _with_meaning)


def separated(listed: Mapping[str, Options]) -> tuple[dict[str, Options], dict[str, Options]]:
    """Return how a container is on its networks, and how these are made, both by network."""
    how: dict[str, Options] = {
        name: {key: part for key, part in said.items() if key != "networkOptions"}
        for name, said in listed.items()
    }
    made = {name: said["networkOptions"] for name, said in listed.items() if said.get("networkOptions")}
    return how, made


def network_body(name: str, options: Options, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what the engine is told of a network to make; `labels` are dockerup's own."""
    body: dict[str, Any] = {
        "Name": name,
        "CheckDuplicate": True,
        "Labels": {**options.get("labels", {}), **labels},
    }
    told = {
        "Driver": options.get("driver"),
        "Options": options.get("driverOpts"),
        "Internal": options.get("internal"),
        "Attachable": options.get("attachable"),
        "EnableIPv6": options.get("enableIpv6"),
        "IPAM": _ipam_body(options.get("ipam", {})),
    }
    return {**body, **{key: part for key, part in told.items() if part}}


_POOL_FIELDS = {
    "subnet": "Subnet",
    "gateway": "Gateway",
    "ipRange": "IPRange",
    "auxAddresses": "AuxiliaryAddresses",
}


def _ipam_body(ipam: Options) -> dict[str, Any]:
    if not ipam:
        return {}
    pools = [{_POOL_FIELDS[key]: part for key, part in pool.items()} for pool in ipam.get("config", ())]
    return {"Driver": ipam.get("driver", "default"), "Config": pools, "Options": ipam.get("options", {})}


def options_from(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a network was made, from an element of GET /networks; nothing for what is not told."""
    ipam = raw.get("IPAM") or {}
    pools = [
        {ours: pool[theirs] for ours, theirs in _POOL_FIELDS.items() if pool.get(theirs)}
        for pool in ipam.get("Config") or ()
    ]
    told = {
        "driver": raw.get("Driver"),
        "driverOpts": raw.get("Options"),
        "internal": raw.get("Internal"),
        "attachable": raw.get("Attachable"),
        "enableIpv6": raw.get("EnableIPv6"),
        "labels": raw.get("Labels"),
        "ipam": {"driver": ipam.get("Driver"), "config": pools, "options": ipam.get("Options")},
    }
    return {key: part for key, part in told.items() if part is not None}


def made_otherwise(asked: Options, there: Options) -> list[str]:
    """Return what of a network that is there is not as asked: `internal`, `ipam.config`; [] when all is."""
    found: list[str] = []
    for key in asked if there else ():
        wanted, own = asked[key], there.get(key, {})
        if key == "ipam":
            found += [f"ipam.{part}" for part in wanted if not _is_part(wanted[part], own.get(part))]
        elif not _is_part(wanted, own):
            found.append(key)
    return sorted(found)


def _is_part(wanted: Any, own: Any) -> bool:
    """Tell whether what is there holds what is asked: the engine adds what was left to it."""
    if isinstance(wanted, dict):
        return isinstance(own, dict) and all(_is_part(part, own.get(key)) for key, part in wanted.items())
    if isinstance(wanted, list):
        return isinstance(own, list) and all(any(_is_part(one, each) for each in own) for one in wanted)
    return bool(wanted == own)
