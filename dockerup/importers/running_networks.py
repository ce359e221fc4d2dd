"""The networks of a container that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup.importers.draft import Draft
from dockerup.importers.running_host import part, several

_BUILT_IN = frozenset({"bridge", "host", "none"})


def bring_networks(draft: Draft, container: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Bring over which networks a container is on, and what it is called there."""
    host = part(container, "HostConfig")
    mode = str(host.get("NetworkMode") or "default")
    kind, _, target = mode.partition(":")
    _bring_links(draft, several(host, "Links"))
    if kind == "container":
        draft.put("network", f"container:{names.get(target, target)}")
        return
    if mode in ("host", "none"):
        draft.put("network", mode)
        return
    networks = part(part(container, "NetworkSettings"), "Networks")
    own = {name: one for name, one in networks.items() if name not in _BUILT_IN}
    if mode in ("default", "bridge"):
        for name in own:
            what = "it was connected to this network besides the default one: write networks to have it so"
            draft.decide(f"networks.{name}", what)
        return
    ordered = sorted(own, key=lambda name: (name != mode, name))
    if ordered and ordered[0] == mode != min(own):
        draft.put("network", mode)  # of several, the first by its name is the first that is joined
    draft.put(
        "networks", {name: _endpoint(draft, container, part(own, name)) for name in ordered} or {mode: {}}
    )


def _endpoint(draft: Draft, container: Mapping[str, Any], endpoint: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    short = str(container.get("Id") or "")[:12]
    name = str(container.get("Name") or "").lstrip("/")
    aliases = [str(one) for one in several(endpoint, "Aliases") if str(one) not in {short, name}]
    if aliases:
        found["aliases"] = list(dict.fromkeys(aliases))
    given = part(endpoint, "IPAMConfig")
    for key, ours in (("IPv4Address", "ipv4Address"), ("IPv6Address", "ipv6Address")):
        if given.get(key):
            found[ours] = str(given[key])
    if several(given, "LinkLocalIPs"):
        found["linkLocalIps"] = [str(one) for one in given["LinkLocalIPs"]]
    options = part(endpoint, "DriverOpts")
    if options:
        found["driverOpts"] = {str(key): str(one) for key, one in options.items()}
    _bring_endpoint_links(draft, several(endpoint, "Links"))
    return found


def _bring_endpoint_links(draft: Draft, links: list[Any]) -> None:
    """Bring over links of a network, "other:alias". Compose has several of one container, its name too."""
    aliases: dict[str, list[str]] = {}
    for one in links:
        other, _, alias = str(one).lstrip("/").partition(":")
        aliases.setdefault(other, []).append(alias or other)
    for other, names in aliases.items():
        first, *rest = [name for name in names if name != other] or [other]
        draft.merge("links", {other: first})
        if rest:
            draft.left(f"links.{other}", f"its further names {', '.join(rest)}: write them as its aliases")


def _bring_links(draft: Draft, links: list[Any]) -> None:
    """Bring over links as the engine tells them: "/other:/name/alias"."""
    for one in links:
        other, _, place = str(one).partition(":")
        draft.merge("links", {other.lstrip("/"): place.rpartition("/")[2]})
