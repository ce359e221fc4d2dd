"""The keys of how a container is reached, and what it reaches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dockerup import kinds
from dockerup.keys import networks, ports, words
from dockerup.keys.ports import PORT, host_ip
from dockerup.keys.row import Bonds, ContainerKey, row, to
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

_NETWORK = rf"container:{words.NAME}|[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_DOMAIN = r"[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]{0,254})"


def _network(text: str, origin: Origin) -> str:
    if text == "awsvpc":
        what = "no container gets a network interface of its own from AWS here"
        refuse(origin, what, "Write bridge, with portMappings, or host.")
    return "bridge" if text == "default" else text


def _exposed(text: str, _origin: Origin) -> str:
    port, _, protocol = text.partition("/")
    return f"{port}/{protocol or 'tcp'}"


def _address_of(text: str, origin: Origin) -> str:
    return text if text == "host-gateway" else host_ip(text.strip("[]"), origin)


def _extra_hosts() -> Kind:
    """Return the kind of names for /etc/hosts: "name:address", ECS's objects, or an object of both."""
    says = "a list of names and addresses"
    address = kinds.text("an IP address or host-gateway", _ADDRESS, also=_address_of)
    keys = {
        "hostname": Key(kinds.text("a host name", _DOMAIN), "name", required=True),
        "ipAddress": Key(address, "its address, or `host-gateway` for the host's", required=True),
    }
    entry, line = object_of(keys, "a host"), rf"({_DOMAIN})[:=]({_ADDRESS})"
    by_name = kinds.map_of(kinds.one_or_list(address, address.says), says, "a host name", _DOMAIN)

    def read_one(value: Any, origin: Origin) -> str:
        found = re.fullmatch(line, value) if isinstance(value, str) else None
        if found:
            return f"{found.group(1)}:{_address_of(found.group(2), origin)}"
        if not isinstance(value, Mapping):
            kinds.expected(value, origin, 'a host such as "name:10.0.0.1"')
        one = entry.read(value, origin)
        return f"{one['hostname']}:{one['ipAddress']}"

    one = Kind(
        'a host such as "name:10.0.0.1"',
        read_one,
        {"anyOf": [{"type": "string", "pattern": rf"^{_DOMAIN}[:=]{_ADDRESS}$(?!\n)"}, entry.schema]},
    )
    listed = kinds.list_of(one, says)

    def read(value: Any, origin: Origin) -> list[str]:
        if isinstance(value, Mapping):
            found = by_name.read(value, origin)
            return sorted({f"{name}:{address}" for name, several in found.items() for address in several})
        return sorted(set(listed.read(value, origin)))

    return Kind(says, read, {"title": says, "anyOf": [listed.schema, by_name.schema]})


_ADDRESS = r"(?:\[?[0-9a-fA-F.:]{2,45}\]?|host-gateway)"
_alias = kinds.text("a host name", r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


def _links() -> Kind:
    whole = kinds.map_of(_alias, "an object of container and alias", "a container's name", words.NAME)
    one = rf"({words.NAME})(?::([a-zA-Z0-9][a-zA-Z0-9_.-]*))?"
    says = 'a link such as "name:alias"'

    def read_one(value: Any, origin: Origin) -> tuple[str, str]:
        found = re.fullmatch(one, value) if isinstance(value, str) else None
        if not found:
            kinds.expected(value, origin, says)
        return found.group(1), found.group(2) or found.group(1)

    def read(value: Any, origin: Origin) -> dict[str, str]:
        if not isinstance(value, list):
            found: dict[str, str] = whole.read(value, origin)
            return found
        listed = kinds.gather(partial(read_one, each, origin.at(i)) for i, each in enumerate(value))
        if len(dict(listed)) < len(set(listed)):
            refuse(origin, "a container is linked under two names", "Keep one of them.")
        return dict(sorted(listed))

    line = {"type": "string", "pattern": rf"^{words.NAME}(?::[a-zA-Z0-9][a-zA-Z0-9_.-]*)?$(?!\n)"}
    listed_schema = {"type": "array", "items": line}
    return Kind(whole.says, read, {"title": whole.says, "anyOf": [whole.schema, listed_schema]})


def _tell_exposed(value: Sequence[str], _bonds: Bonds) -> Mapping[str, Any]:
    return {"ExposedPorts": {port: {} for port in value}}


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
        ports.port_mappings(),
        "ports to publish on the host: objects, or `8080:80/udp` and `127.0.0.1:8080:80` as Compose has them",
        tell=ports.tell_ports,
        aliases=("ports",),
        default=[],
    ),
    "network": row(
        kinds.text("bridge, none, host, container:NAME or a network's name", _NETWORK, also=_network),
        "`bridge`, `none`, `host`, `container:NAME` or the name of a network",
        tell=_tell_network,
        aliases=("networkMode", "network_mode"),
        default="bridge",
    ),
    "networks": row(
        networks.networks(),
        "networks to join, made where they are not there: a list of names, or `{name: {aliases: [...]}}`",
        needs=networks.needs_of_networks,
    ),
    "links": row(
        _links(),
        "containers to reach by another name: `{container: alias}`",
        tell=_tell_links,
        default={},
    ),
    "expose": row(
        words.several(
            words.line(
                "a port, with or without a protocol: 80/udp",
                rf"{PORT}(?:/(?:tcp|udp|sctp))?",
                _exposed,
                least=1,
                most=65535,
            ),
            "a list of ports",
        ),
        "ports that it serves and does not publish",
        tell=_tell_exposed,
        default=[],
    ),
    "publishAllPorts": row(
        kinds.truth(),
        "publish each port that it or its image exposes at one that the engine picks",
        tell=to("HostConfig.PublishAllPorts"),
        default=False,
    ),
    "extraHosts": row(
        _extra_hosts(),
        "names for its /etc/hosts: `name:address`, where the address may be `host-gateway`",
        tell=to("HostConfig.ExtraHosts"),
        aliases=("extra_hosts",),
        default=[],
    ),
    "dnsServers": row(
        words.several(
            kinds.text("an IP address", r"[0-9a-fA-F.:]{2,45}", also=host_ip),
            "a list of addresses",
            ordered=True,
        ),
        "its name servers",
        tell=to("HostConfig.Dns"),
        aliases=("dns",),
        default=[],
    ),
    "dnsSearchDomains": row(
        words.several(kinds.text("a domain", rf"\.|{_DOMAIN}"), "a list of domains", ordered=True),
        "domains in which a short name is looked for",
        tell=to("HostConfig.DnsSearch"),
        aliases=("dns_search",),
        default=[],
    ),
    "dnsOptions": row(
        words.several(
            kinds.text('an option such as "ndots:2"', r"[a-z0-9-]+(?::[0-9]{1,3})?"),
            "a list of options",
            ordered=True,
        ),
        "options of its resolver, as in resolv.conf",
        tell=to("HostConfig.DnsOptions"),
        aliases=("dns_opt",),
        default=[],
    ),
    "disableNetworking": row(
        kinds.truth(), "give it no network at all", tell=to("NetworkDisabled"), default=False
    ),
}
