"""Tell the kernel which address a started container has, so that its ports answer at once.

The engine forwards a published port before the container's interface is up. Whoever calls in between makes
the kernel ask for the hardware address while nobody can answer, and it asks again only after a second
(net.ipv4.neigh.*.retrans_time_ms). The engine knows that address: one netlink message settles the entry.
Formats: rtnetlink(7), netlink(7), linux/neighbour.h.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Union

from dockerup.records import dataclass

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

TIMEOUT = 2.0  # seconds; later it helps nobody
_ANSWER_BYTES = 65536

_NEW_ROUTE, _GET_ROUTE, _NEW_NEIGHBOUR = 24, 26, 28
_REQUEST, _ACKNOWLEDGE, _REPLACE, _CREATE = 0x1, 0x4, 0x100, 0x400
_DESTINATION, _OUT_INTERFACE, _SOURCE = 1, 4, 7  # attributes of a route
_NEIGHBOUR_ADDRESS, _HARDWARE_ADDRESS = 1, 2
_STALE = 0x4  # used at once, and checked by the kernel itself once it is used
_HEADER, _ROUTE, _NEIGHBOUR, _ATTRIBUTE = "=IHHII", "=8BI", "=BxxxiHBB", "=HH"


@dataclass(frozen=True)
class Neighbour:
    """A container on one network: its hardware address there, and each address with its gateway."""

    hardware: bytes
    ends: tuple[tuple[Address, Address], ...]


def neighbours(inspected: Mapping[str, Any]) -> tuple[Neighbour, ...]:
    """Return the addresses of a container, from the answer of GET /containers/{id}/json.

    One that shares a network with the host or with another container, or has none, has no address of its own.
    """
    networks = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    found = [Neighbour(_hardware(one), tuple(_ends(one))) for one in networks.values()]
    return tuple(one for one in found if one.hardware and one.ends)


def _hardware(network: Mapping[str, Any]) -> bytes:
    text = str(network.get("MacAddress") or "")
    is_one = re.fullmatch(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}", text)
    return bytes.fromhex(text.replace(":", "")) if is_one else b""


def _ends(network: Mapping[str, Any]) -> Iterator[tuple[Address, Address]]:
    for keys in (("IPAddress", "Gateway"), ("GlobalIPv6Address", "IPv6Gateway")):
        with suppress(ValueError):
            own, gateway = (ipaddress.ip_address(str(network.get(key) or "")) for key in keys)
            yield own, gateway


def settle(inspected: Mapping[str, Any]) -> None:
    """Make the entries of a started container, from the answer of GET /containers/{id}/json.

    Only where this host itself is its gateway, on a bridge of the engine's that is here. Nothing is done
    without the right to (CAP_NET_ADMIN) or without /proc/sys/net. Raises nothing: without an entry a port
    may open a second later, which is no fault of a run.
    """
    if not os.path.exists("/proc/sys/net"):
        return
    with suppress(OSError, struct.error, AttributeError):  # an answer may have any form
        found = neighbours(inspected)
        if found:
            _tell(found)


def _tell(found: Iterable[Neighbour]) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(TIMEOUT)

        def told(message: bytes) -> bytes:
            kernel.send(message)
            return kernel.recv(_ANSWER_BYTES)

        for one in found:
            # One end is enough: an IPv6 address of a bridge that came up just now is no source yet.
            routes = ((route_in(told(route_question(address))), gateway) for address, gateway in one.ends)
            bridges = (interface for (interface, source), gateway in routes if source == gateway.packed)
            bridge = next(bridges, 0)
            for address, _ in one.ends if bridge else ():
                told(neighbour_entry(address, one.hardware, bridge))


def route_question(address: Address) -> bytes:
    """Return the message that asks by which interface, and as whom, this host reaches an address."""
    route = struct.pack(_ROUTE, _family(address), address.max_prefixlen, *[0] * 7)
    return _message(_GET_ROUTE, _REQUEST, route, {_DESTINATION: address.packed})


def route_in(answer: bytes) -> tuple[int, bytes]:
    """Return the number of the interface and the own address in the answer to that; (0, b"") without a route.

    Raises struct.error for what is no such answer.
    """
    kind = struct.unpack_from(_HEADER, answer)[1]
    if kind != _NEW_ROUTE:
        return 0, b""
    found = {}
    begin = struct.calcsize(_HEADER) + struct.calcsize(_ROUTE)
    while begin < len(answer):
        length, key = struct.unpack_from(_ATTRIBUTE, answer, begin)
        found[key] = answer[begin + struct.calcsize(_ATTRIBUTE) : begin + length]
        begin += max(_aligned(length), struct.calcsize(_ATTRIBUTE))
    (interface,) = struct.unpack("=I", found.get(_OUT_INTERFACE, bytes(4)))
    return interface, found.get(_SOURCE, b"")


def neighbour_entry(address: Address, hardware: bytes, interface: int) -> bytes:
    """Return the message that makes an entry of the kernel's table of neighbours, or replaces it."""
    entry = struct.pack(_NEIGHBOUR, _family(address), interface, _STALE, 0, 0)
    flags = _REQUEST | _ACKNOWLEDGE | _CREATE | _REPLACE
    values = {_NEIGHBOUR_ADDRESS: address.packed, _HARDWARE_ADDRESS: hardware}
    return _message(_NEW_NEIGHBOUR, flags, entry, values)


def _message(kind: int, flags: int, body: bytes, values: Mapping[int, bytes]) -> bytes:
    for key, value in values.items():
        length = struct.calcsize(_ATTRIBUTE) + len(value)
        body += struct.pack(_ATTRIBUTE, length, key) + value + bytes(_aligned(length) - length)
    return struct.pack(_HEADER, struct.calcsize(_HEADER) + len(body), kind, flags, 1, 0) + body


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _family(address: Address) -> int:
    return int(socket.AF_INET if address.version == 4 else socket.AF_INET6)
