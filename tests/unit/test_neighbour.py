"""Which entries a started container gets in the kernel's table of neighbours, and how the kernel is told."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.neighbour import (
    Neighbour,
    neighbour_entry,
    neighbours,
    route_in,
    route_question,
    settle,
)

MAC = "02:42:ac:11:00:02"
HARDWARE = bytes((2, 0x42, 0xAC, 0x11, 0, 2))
BRIDGE = {"IPAddress": "172.17.0.2", "Gateway": "172.17.0.1", "MacAddress": MAC}
V6 = {"GlobalIPv6Address": "fd00::2", "IPv6Gateway": "fd00::1"}
NOWHERE = {"IPAddress": "", "Gateway": "", "MacAddress": "", "GlobalIPv6Address": "", "IPv6Gateway": ""}


def inspected(**networks: Any) -> dict[str, Any]:
    """Return what of an inspection counts here."""
    return {"NetworkSettings": {"Networks": networks}}


def pairs(*texts: str) -> tuple[tuple[Any, Any], ...]:
    """Return ends of a neighbour: each address with its gateway."""
    return tuple(zip(map(ip_address, texts[::2]), map(ip_address, texts[1::2])))


def test_container_has_one_hardware_address_on_each_network_for_all_its_addresses_there() -> None:
    other = {"IPAddress": "10.9.0.7", "Gateway": "10.9.0.1", "MacAddress": "AA:bb:00:00:00:01"}
    assert neighbours(inspected(bridge={**BRIDGE, **V6}, own=other)) == (
        Neighbour(HARDWARE, pairs("172.17.0.2", "172.17.0.1", "fd00::2", "fd00::1")),
        Neighbour(b"\xaa\xbb\0\0\0\1", pairs("10.9.0.7", "10.9.0.1")),
    )


@pytest.mark.parametrize(
    "networks",
    [
        {},
        {"host": NOWHERE},
        {"none": NOWHERE},
        {"ipvlan": {**BRIDGE, "MacAddress": ""}},
        {"odd": {**BRIDGE, "MacAddress": "02:42"}},
        {"odd": {**BRIDGE, "IPAddress": "172.17.0"}},
        {"no-gateway": {**BRIDGE, "Gateway": ""}},
    ],
)
def test_container_without_an_address_of_its_own_has_no_entry(networks: dict[str, Any]) -> None:
    assert neighbours(inspected(**networks)) == ()


@pytest.mark.parametrize("answer", [{}, {"NetworkSettings": None}, {"NetworkSettings": {"Networks": None}}])
def test_answer_that_tells_no_networks_gives_no_entry(answer: dict[str, Any]) -> None:
    assert neighbours(answer) == ()


@pytest.mark.parametrize("answer", [None, [], "text", 7, {"a": 1}, {"bridge": "text"}, {"bridge": [1]}])
def test_answer_of_any_form_raises_nothing(answer: Any) -> None:
    settle(answer)
    settle({"NetworkSettings": answer})
    settle({"NetworkSettings": {"Networks": answer}})


def attributes(data: bytes) -> dict[int, bytes]:
    """Read netlink attributes: length and kind, two bytes each, the value, filled up to four bytes."""
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:length]
        data = data[(length + 3) // 4 * 4 :]
    return found


@given(st.ip_addresses(), st.binary(min_size=6, max_size=6), st.integers(1, 2**31 - 1))
def test_entry_says_address_hardware_address_and_interface_and_leaves_the_check_to_the_kernel(
    address: Any, hardware: bytes, interface: int
) -> None:
    message = neighbour_entry(address, hardware, interface)
    length, kind, flags = struct.unpack_from("=IHH", message)
    family, index, state = struct.unpack_from("=B3xiH", message, 16)
    assert (length, kind, flags) == (len(message), 28, 0x505)
    assert (family, index, state) == (2 if address.version == 4 else 10, interface, 0x04)
    assert attributes(message[28:]) == {1: address.packed, 2: hardware}


@given(st.ip_addresses())
def test_question_for_a_route_names_the_whole_address(address: Any) -> None:
    message = route_question(address)
    assert struct.unpack_from("=IHH", message) == (len(message), 26, 1)
    assert message[17] == address.max_prefixlen
    assert attributes(message[28:]) == {1: address.packed}


def answer_with(kind: int, **values: bytes) -> bytes:
    """Return an answer to that question with a route's attributes, numbers as `_4`."""
    body = bytes(12)
    for key, value in values.items():
        body += struct.pack("=HH", 4 + len(value), int(key[1:])) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_answer_tells_interface_and_own_address() -> None:
    answer = answer_with(24, _1=b"\xac\x11\0\2", _4=struct.pack("=I", 7), _7=b"\xac\x11\0\1", _12=b"odd")
    assert route_in(answer) == (7, b"\xac\x11\0\1")
    assert route_in(answer_with(24)) == (0, b"")
    assert route_in(answer_with(2)) == (0, b"")


@given(st.binary(min_size=12, max_size=200))
def test_answer_with_any_attributes_is_read_to_its_end(data: bytes) -> None:
    try:
        interface, source = route_in(struct.pack("=IHHII", 16 + len(data), 24, 0, 1, 0) + data)
    except struct.error:
        return
    assert interface >= 0
    assert isinstance(source, bytes)
