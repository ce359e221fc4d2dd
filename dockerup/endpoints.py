"""Where a registry is reached, and what is trusted there: as the engine sees it, so that both get one answer.

The rules are moby's: registry/service_v2.go (mirrors first, and for Docker Hub alone), registry/config.go
(which registries are insecure), registry/registry.go (what the directories of /etc/docker/certs.d hold).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Callable, Union
from urllib.parse import urlsplit

from dockerup.image import DEFAULT_DOMAIN
from dockerup.records import dataclass
from dockerup.sources.trust import list_trusted, read_trusted

HUB_HOST = "registry-1.docker.io"
CERTIFICATES = "/etc/docker/certs.d"
MOST_PEM_BYTES = 1 << 20

Resolve = Callable[[str], Iterable[str]]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class EngineRegistries:
    """What an engine was told of registries.

    `insecure` are hosts, with their ports, and `networks` blocks of addresses (CIDR) of which certificates
    are not verified and which may speak plain HTTP; `mirrors` are URLs that stand in for Docker Hub.
    `proxies` are those of the engine, by "http", "https" and "no".
    """

    insecure: frozenset[str] = frozenset()
    networks: tuple[str, ...] = ("127.0.0.0/8",)
    mirrors: tuple[str, ...] = ()
    proxies: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> EngineRegistries:
        """Return what the answer of GET /info says; what is not as it should be there says nothing."""
        config = info.get("RegistryConfig")
        if not isinstance(config, Mapping):
            return cls()
        hosts = config.get("IndexConfigs")
        hosts = hosts if isinstance(hosts, Mapping) else {}
        proxies = {kind: info.get(key) for kind, key in _PROXIES.items()}
        return cls(
            frozenset(
                str(host)
                for host, told in hosts.items()
                if isinstance(told, Mapping) and told.get("Secure") is False
            ),
            _texts(config.get("InsecureRegistryCIDRs")),
            _texts(config.get("Mirrors")),
            {kind: text for kind, text in proxies.items() if isinstance(text, str) and _usable(text)},
        )


_PROXIES = {"http": "HttpProxy", "https": "HttpsProxy", "no": "NoProxy"}


def _texts(found: object) -> tuple[str, ...]:
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def _usable(proxy: str) -> bool:
    # The engine tells the address of a proxy that wants a login with "xxxxx:xxxxx" in the login's place.
    return bool(proxy) and "xxxxx:xxxxx@" not in proxy


@dataclass(frozen=True)
class Certificates:
    """What a directory below /etc/docker/certs.d holds: more authorities (PEM), and pairs of files that say
    who this host is: certificate and key."""

    authorities: tuple[str, ...] = ()
    clients: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """One address of a registry, no slash at its end. `verified`: its certificate has to be trusted."""

    url: str
    verified: bool = True

    @property
    def host(self) -> str:
        """The host, with a port if it has one."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class Place:
    """One server that has a registry's images: `endpoints` in the order to try them, the first that speaks
    HTTP at all being the one. `name` is what people call it, and what its login is looked up by."""

    name: str
    endpoints: tuple[Endpoint, ...]
    certificates: Certificates = Certificates()


def places(domain: str, engine: EngineRegistries, certificates: str, resolve: Resolve) -> list[Place]:
    """Return the servers to ask for the images of a registry, in their order; the last is the registry.

    `certificates` is the directory of certs.d, "" for none. `resolve` gives the addresses of a host, and is
    asked only where the engine names networks. Raises InvalidInputError for a file that others may write to.
    """
    if domain != DEFAULT_DOMAIN:
        return [_place(domain, domain, ("https", "http"), engine, certificates, resolve)]
    found = []
    for mirror in engine.mirrors:
        scheme, colon, rest = mirror.partition("://")
        host = (rest if colon else mirror).rstrip("/")
        found.append(_place(host, host, (scheme if colon else "https",), engine, certificates, resolve))
    return [*found, _place(domain, HUB_HOST, ("https",), engine, certificates, resolve)]


def _place(
    name: str,
    host: str,
    schemes: Sequence[str],
    engine: EngineRegistries,
    certificates: str,
    resolve: Resolve,
) -> Place:
    insecure = is_insecure(host, engine, resolve)
    # What is secure is never asked in clear, but for a mirror whose URL says so.
    schemes = schemes if insecure or len(schemes) == 1 else schemes[:1]
    ends = tuple(Endpoint(f"{scheme}://{host}", verified=not insecure) for scheme in schemes)
    directory = os.path.join(certificates, host) if certificates else ""
    return Place(name, ends, read_certificates(directory) if directory else Certificates())


def is_insecure(host: str, engine: EngineRegistries, resolve: Resolve) -> bool:
    """Tell whether the engine takes any certificate of a host, and plain HTTP as well."""
    if host in engine.insecure:
        return True
    networks = [network for network in map(_network, engine.networks) if network is not None]
    name = _hostname(host)
    address = _address(name)
    if address is None and name != "localhost" and all(network.is_loopback for network in networks):
        return False  # no resolver needs to be asked: it is not this machine
    addresses = [address] if address is not None else map(_address, resolve(name))
    return any(one in network for one in addresses if one is not None for network in networks)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def read_certificates(directory: str) -> Certificates:
    """Return what a directory of certs.d holds; one that is not there holds nothing.

    Raises InvalidInputError for what others may write to: the login of a registry is sent by it.
    """
    try:
        names = list_trusted(directory)
    except FileNotFoundError:
        return Certificates()
    paths = {name: os.path.join(directory, name) for name in names}
    authorities = tuple(
        read_trusted(path, MOST_PEM_BYTES).decode("ascii", "replace")
        for name, path in paths.items()
        if name.endswith(".crt")
    )
    clients = []
    for name, path in paths.items():
        key = f"{name[: -len('.cert')]}.key"
        if name.endswith(".cert") and key in paths:
            for one in (path, paths[key]):
                read_trusted(one, MOST_PEM_BYTES)
            clients.append((path, paths[key]))
    return Certificates(authorities, tuple(clients))
