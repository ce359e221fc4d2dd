"""The keys of how a container is reached, and what it reaches."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from dockerup import kinds
from dockerup.keys import networks, words
from dockerup.keys.row import Bonds, ContainerKey, as_sorted, row, without_defaults
from dockerup.kinds import refuse
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

_PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_NETWORK = rf"container:{words.NAME}|[a-zA-Z0-9][a-zA-Z0-9_.-]*"


def _network(text: str, _origin: Origin) -> str:
    return "bridge" if text == "default" else text


def _host_ip(text: str, origin: Origin) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        refuse(origin, f'"{text}" is no IP address', "Write one, such as 127.0.0.1 or ::1.")


def _port_mapping(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return without_defaults({"hostPort": 0, "protocol": "tcp"}, value)


_port = kinds.whole_number(1, 65535, _PORT)
_alias = kinds.text("a host name", r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PORT_KEYS = {
    "containerPort": Key(_port, "port inside the container", required=True),
    "hostPort": Key(
        kinds.whole_number(0, 65535, f"0|{_PORT}"), "port of the host; without it the engine picks one"
    ),
    "protocol": Key(kinds.choice({"tcp": "tcp", "udp": "udp", "sctp": "sctp"}), "`tcp`, `udp` or `sctp`"),
    "hostIp": Key(
        kinds.text("an IP address", r"[0-9a-fA-F.:]{2,45}", also=_host_ip),
        "address of the host; without it all",
    ),
}


def _tell_ports(value: Sequence[Mapping[str, Any]], _bonds: Bonds) -> Mapping[str, Any]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for one in value:
        binding = {"HostIp": one.get("hostIp", ""), "HostPort": str(one.get("hostPort") or "")}
        bindings.setdefault(f"{one['containerPort']}/{one.get('protocol', 'tcp')}", []).append(binding)
    return {"ExposedPorts": {port: {} for port in bindings}, "HostConfig": {"PortBindings": bindings}}


def _tell_network(value: str, bonds: Bonds) -> Mapping[str, Any]:
    kind, _, joined = value.partition(":")
    body: dict[str, Any] = {"HostConfig": {"NetworkMode": f"{kind}:{bonds.ids[joined]}" if joined else value}}
    return {**body, **networks.tell_networks(bonds.definition, bonds.api)}


def _tell_links(value: Mapping[str, str], bonds: Bonds) -> Mapping[str, Any]:
    if networks.joined_networks(bonds.definition):
        return {}
    return {"HostConfig": {"Links": [f"{bonds.ids[name]}:{alias}" for name, alias in value.items()]}}


NETWORK: Mapping[str, ContainerKey] = {
    "portMappings": row(
        kinds.checked(
            kinds.list_of(
                kinds.checked(object_of(_PORT_KEYS, "a port mapping"), _port_mapping),
                "a list of port mappings",
            ),
            as_sorted,
        ),
        "ports to publish on the host",
        tell=_tell_ports,
        default=[],
    ),
    "network": row(
        kinds.text("bridge, none, host, container:NAME or a network's name", _NETWORK, also=_network),
        "`bridge`, `none`, `host`, `container:NAME` or the name of a network",
        tell=_tell_network,
        default="bridge",
    ),
    "networks": row(
        networks.networks(),
        "networks to join, made where they are not there: a list of names, or `{name: {aliases: [...]}}`",
        needs=networks.needs_of_networks,
    ),
    "links": row(
        kinds.map_of(_alias, "an object of container and alias", "a container's name", words.NAME),
        "containers to reach by another name: `{container: alias}`",
        tell=_tell_links,
        default={},
    ),
}
