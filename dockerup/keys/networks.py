"""The networks of a container as a person lists them, and the one form that all spellings come to. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from dockerup import kinds
from dockerup.keys.network_options import network_options
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

NETWORK_NAME = r"(?!(?:bridge|host|none|default)$)[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_MODES = ("bridge", "none", "host")
_SEVERAL_AT_CREATE = (1, 44)  # the API from which a container can be created on more than one network
_MAC_OF_ENDPOINT = (1, 44)  # before, it was the container's, for the network that it is created on
_ADDRESSES = {"ipv4Address": "IPv4Address", "ipv6Address": "IPv6Address", "linkLocalIps": "LinkLocalIPs"}
_name = kinds.text("the name of a network of your own", NETWORK_NAME)


def _address(version: int) -> Kind:
    says, pattern = (
        ("an IPv4 address", r"[0-9.]{7,15}") if version == 4 else ("an IPv6 address", r"[0-9a-fA-F:.]{2,45}")
    )

    def check(text: str, origin: Origin) -> str:
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            found = None
        if found is None or found.version != version:
            refuse(origin, f'"{text}" is not {says}', f"Write {says}.")
        return str(found)

    return kinds.text(says, pattern, also=check)


def _unordered(value: list[str], _origin: Origin) -> list[str]:
    return sorted({*value})


def _mac(text: str, _origin: Origin) -> str:
    return text.lower().replace("-", ":")


_OPTIONS = {
    "aliases": Key(
        kinds.checked(
            kinds.list_of(kinds.text("a host name", r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"), "a list of host names"),
            _unordered,
        ),
        "names besides its own by which others on this network reach it",
    ),
    "ipv4Address": Key(
        _address(4),
        "its address; the network has to have a subnet that was configured: see `networkOptions`",
        aliases=("ipv4_address",),
    ),
    "ipv6Address": Key(_address(6), "its IPv6 address", aliases=("ipv6_address",)),
    "linkLocalIps": Key(
        kinds.checked(kinds.list_of(_address(4), "a list of IPv4 addresses"), _unordered),
        "link-local addresses besides",
        aliases=("link_local_ips",),
    ),
    "macAddress": Key(
        kinds.text(
            "a MAC address", r"[0-9a-fA-F]{2}(?:(?::[0-9a-fA-F]{2}){5}|(?:-[0-9a-fA-F]{2}){5})", also=_mac
        ),
        "its MAC address (on the first network; on others API 1.44)",
        aliases=("mac_address",),
    ),
    "driverOpts": Key(
        kinds.map_of(
            kinds.text("a string", r"[^\0]*"),
            "an object of options and values",
            "the name of an option",
            r"[^\0]+",
        ),
        "options for the network's driver",
        aliases=("driver_opts",),
    ),
    "gwPriority": Key(
        kinds.whole_number(-(1 << 31), (1 << 31) - 1, r"-?(?:0|[1-9][0-9]{0,8})"),
        "the network with the highest one gives the default route (API 1.48)",
        aliases=("gw_priority",),
    ),
    "interfaceName": Key(
        kinds.text("the name of an interface", r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,14}"),
        "what the interface is called in the container (API 1.49)",
        aliases=("interface_name",),
    ),
    "networkOptions": Key(network_options(), "how the network is made, where it is not there"),
}
_SINCE = {"macAddress": "1.44", "gwPriority": "1.48", "interfaceName": "1.49"}
_EMPTY: tuple[object, ...] = ([], {}, 0)


def _with_meaning(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return {key: part for key, part in value.items() if part not in _EMPTY}


def networks() -> Kind:
    """The networks of a container: a list of names, or an object of names and how it is on each."""
    says = "a list of networks, or an object of networks and keys"
    names = kinds.list_of(_name, says)
    one = kinds.checked(object_of(_OPTIONS, "an object, or nothing"), _with_meaning)

    def read_options(value: Any, origin: Origin) -> dict[str, Any]:
        found: dict[str, Any] = {} if value is None else one.read(value, origin)
        return found

    options = Kind(one.says, read_options, {"anyOf": [{"type": "null"}, one.schema]})
    objects = kinds.map_of(options, says, _name.says, NETWORK_NAME)

    def read(value: Any, origin: Origin) -> dict[str, Any]:
        if isinstance(value, list):
            return {name: {} for name in sorted(names.read(value, origin))}
        found: dict[str, Any] = objects.read(value, origin)
        return found

    return Kind(says, read, {"title": says, "anyOf": [names.schema, objects.schema]})


def joined_networks(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the user-defined networks that a container joins, the first one first, with the keys of each."""
    first = str(definition.get("network", "bridge"))
    if first in _MODES or ":" in first:
        return {}
    return {first: {}, **definition.get("networks", {})}


def joined_at_create(definition: Mapping[str, Any], api: tuple[int, int]) -> tuple[str, ...]:
    """Return the networks that a container is created on; it is connected to the others after that."""
    return tuple(joined_networks(definition))[: None if api >= _SEVERAL_AT_CREATE else 1]


def endpoint(definition: Mapping[str, Any], network: str) -> dict[str, Any]:
    """Return how a container is on one of its networks (EndpointSettings of the Engine API)."""
    options = joined_networks(definition)[network]
    found: dict[str, Any] = {}
    if "links" in definition:
        # On a network of its own the engine resolves links by name, as it does other containers' names.
        found["Links"] = [f"{name}:{alias}" for name, alias in definition["links"].items()]
    addresses = {theirs: options[ours] for ours, theirs in _ADDRESSES.items() if ours in options}
    driver_options = dict(options.get("driverOpts", {}))
    if "interfaceName" in options:
        driver_options["com.docker.network.endpoint.ifname"] = options["interfaceName"]
    given = {
        "Aliases": options.get("aliases"),
        "IPAMConfig": addresses,
        "DriverOpts": driver_options,
        "GwPriority": options.get("gwPriority"),
        "MacAddress": options.get("macAddress"),
    }
    return {**found, **{key: value for key, value in given.items() if value}}


def tell_networks(definition: Mapping[str, Any], api: tuple[int, int]) -> dict[str, Any]:
    """Return what the create call has of the networks that a container joins."""
    if not joined_networks(definition):
        return {}
    endpoints = {name: endpoint(definition, name) for name in joined_at_create(definition, api)}
    body: dict[str, Any] = {"NetworkingConfig": {"EndpointsConfig": endpoints}}
    own = next(iter(endpoints.values())).pop("MacAddress", None) if api < _MAC_OF_ENDPOINT else None
    return {**body, **({"MacAddress": own} if own else {})}


def needs_of_networks(
    value: Mapping[str, Mapping[str, Any]], definition: Mapping[str, Any]
) -> Iterable[tuple[str, str]]:
    """Give the keys of networks that an old engine does not know, each with the version that does."""
    for name, options in value.items():
        for key, version in _SINCE.items():
            on_first = key == "macAddress" and name == definition.get("network")  # as the container's own
            if key in options and not on_first:
                yield f".{name}.{key}", version


def check_networks(written: Mapping[str, Any], origin: Origin) -> None:
    """Raise Refused where `network` and `networks` contradict each other."""
    network, listed = written.get("network"), written.get("networks")
    if not listed or network is None or network in listed:
        return
    if network in _MODES or network.startswith("container:"):
        what, fix = f"network: {network} does not go with networks", "Leave one of them out."
    else:
        what, fix = f"network: {network} is not among networks", "Add it there, or leave network out."
    refuse(origin.at("networks"), what, fix)


def one_spelling_of_networks(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was read with `network` as the first network and `networks` as all else there is to say.

    So one network means the same however it is listed; the first of several is `network`, else the first in
    the order of the alphabet.
    """
    found = dict(written)
    listed = found.pop("networks", {})
    if listed:
        found["network"] = first = found.get("network") or min(listed)
        said = {name: options for name, options in listed.items() if options or name != first}
        if said:
            found["networks"] = said
    return found
