"""The ports of a container: as ECS lists them, and as Compose does; both come to one form. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from dockerup import kinds
from dockerup.keys.row import Bonds, as_sorted, without_defaults
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, Spelling, object_of
from dockerup.problems import Origin

PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
MOST_PORTS = 1000  # of one range: each is a rule of the host's packet filter, and a part of a label
_RANGE = rf"{PORT}(?:-{PORT})?"
_IP = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\]"
_SHORT = rf"(?:({_IP}):({_RANGE})?:|({_RANGE}):)?({_RANGE})(?:/(tcp|udp|sctp))?"
_SAYS = "a port mapping: an object, or a text such as 8080:80/udp"
_DEFAULTS = {"hostPort": 0, "protocol": "tcp"}
_WAYS = ("containerPort", "target", "containerPortRange")
_port = kinds.whole_number(1, 65535, PORT)


def host_ip(text: str, origin: Origin) -> str:
    """Return an IP address in its one spelling."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        refuse(origin, f'"{text}" is no IP address', "Write one, such as 127.0.0.1 or ::1.")


_KEYS = {
    "containerPort": Key(
        _port, "port inside the container; it, or a range, has to be there", aliases=("target",)
    ),
    "containerPortRange": Key(
        kinds.text('a range such as "8000-8010"', _RANGE), "several, each at a port that the engine picks"
    ),
    "hostPort": Key(
        kinds.whole_number(0, 65535, f"0|{PORT}"),
        "port of the host; without it the engine picks one",
        aliases=("published",),
    ),
    "protocol": Key(kinds.choice({"tcp": "tcp", "udp": "udp", "sctp": "sctp"}), "`tcp`, `udp` or `sctp`"),
    "hostIp": Key(
        kinds.text("an IP address", r"[0-9a-fA-F.:]{2,45}", also=host_ip),
        "address of the host; without it all",
        aliases=("host_ip",),
    ),
}


def _nothing(_value: Any, _origin: Origin, _own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


# Names for other machines' sake: ECS's Service Connect, Swarm's routing.
_MEANINGLESS = {
    name: Spelling(kinds.text("a string", r"[^\0]*"), "accepted, and means nothing on one host", _nothing)
    for name in ("name", "appProtocol", "app_protocol", "mode")
}


def port_mappings() -> Kind:
    """A list of port mappings, sorted; each an object, a text as Compose has it, or the container's port."""
    one = kinds.checked(
        object_of(_KEYS, _SAYS, _MEANINGLESS), _of_object, {"anyOf": [{"required": [way]} for way in _WAYS]}
    )
    short = kinds.text(_SAYS, _SHORT)

    def read_one(value: Any, origin: Origin) -> list[dict[str, Any]]:
        if isinstance(value, str):
            return _of_text(short.read(value, origin), origin)
        if isinstance(value, int):
            if origin.lossy:  # 22:22 is a number to those who read it before
                refuse(origin, "cloud-init may not have read this as it was typed", "Put the port in quotes.")
            return [{"containerPort": _port.read(value, origin)}]
        found: list[dict[str, Any]] = one.read(value, origin)
        return found

    def read(value: Any, origin: Origin) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            kinds.expected(value, origin, says)
        found = kinds.gather(partial(read_one, part, origin.at(i)) for i, part in enumerate(value))
        return as_sorted([mapping for several in found for mapping in several], origin)

    says = "a list of port mappings"
    number = {"type": "integer", "minimum": 1, "maximum": 65535}
    return Kind(says, read, {"type": "array", "items": {"anyOf": [short.schema, number, one.schema]}})


def _of_object(value: dict[str, Any], origin: Origin) -> list[dict[str, Any]]:
    named = value.pop("containerPortRange", None)
    if named is None and "containerPort" not in value:
        refuse(origin, 'the key "containerPort" is missing', f"Write containerPort: {_port.says}.")
    if named is None:
        return [without_defaults(_DEFAULTS, value)]
    if value.keys() & {"containerPort", "hostPort"}:
        refuse(origin, "a range has no containerPort and no hostPort", "Leave one of them out.")
    plain = without_defaults(_DEFAULTS, value)
    return [{**plain, "containerPort": port} for port in _ports(named, origin.at("containerPortRange"))]


def _of_text(text: str, origin: Origin) -> list[dict[str, Any]]:
    found = re.fullmatch(_SHORT, text)
    assert found is not None
    address, *hosts, inside, protocol = found.groups()
    ports, outside = _ports(inside, origin), next(filter(None, hosts), "")
    published: Sequence[int] = _ports(outside, origin) if outside else [0] * len(ports)
    if len(published) != len(ports):
        refuse(origin, f"{outside} and {inside} are ranges of different lengths", "Write as many of each.")
    plain = {"protocol": protocol or "tcp"}
    if address:
        plain["hostIp"] = host_ip(address.strip("[]"), origin)
    return [
        without_defaults(_DEFAULTS, {**plain, "containerPort": port, "hostPort": host_port})
        for port, host_port in zip(ports, published)
    ]


def _ports(text: str, origin: Origin) -> range:
    begin, _, end = text.partition("-")
    found = range(int(begin), int(end or begin) + 1)
    if not 0 < len(found) <= MOST_PORTS:
        refuse(origin, f"{text} is no range of 1 to {MOST_PORTS} ports", "Write the lower port first.")
    return found


def tell_ports(value: Iterable[Mapping[str, Any]], _bonds: Bonds) -> Mapping[str, Any]:
    """Return what the create call has of the ports to publish."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for one in value:
        binding = {"HostIp": one.get("hostIp", ""), "HostPort": str(one.get("hostPort") or "")}
        bindings.setdefault(f"{one['containerPort']}/{one.get('protocol', 'tcp')}", []).append(binding)
    return {"ExposedPorts": {port: {} for port in bindings}, "HostConfig": {"PortBindings": bindings}}
