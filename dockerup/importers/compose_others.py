"""What a Compose service says of other services, and of the networks where they meet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dockerup.importers.compose_project import Known
from dockerup.importers.draft import Draft, Handler, Table, fill, not_here, plain
from dockerup.importers.reading import filled_pairs, listed, text, texts, whole

_CONDITIONS = {
    "service_started": "START",
    "service_healthy": "HEALTHY",
    "service_completed_successfully": "SUCCESS",
}
Names = Mapping[str, str]  # of each service's container


def handlers(names: Names) -> dict[str, Handler]:
    """Return the handlers of the keys that name other services, given the names of their containers."""
    return {
        "depends_on": partial(_depends_on, names),
        "links": partial(_links, names),
        "external_links": _external_links,
        "volumes_from": partial(_volumes_from, names),
        "ipc": partial(_namespace, names, "ipc"),
        "pid": partial(_namespace, names, "pid"),
    }


def _depends_on(names: Names, draft: Draft, value: Any) -> None:
    wanted = value if isinstance(value, dict) else dict.fromkeys(texts(value))
    for name, options in wanted.items():
        condition = options.get("condition") if isinstance(options, dict) else None
        if name not in names:
            draft.left(f"depends_on.{name}", "there is no such service among those that are imported")
        elif condition is not None and str(condition) not in _CONDITIONS:
            draft.left(f"depends_on.{name}", "this condition is not known")
        else:
            meant = _CONDITIONS.get(str(condition), "START")
            draft.add("dependsOn", [{"containerName": names[name], "condition": meant}])
            _say_of_dependency(draft, name, options)


def _links(names: Names, draft: Draft, value: Any) -> None:
    for one in listed(value):
        name, _, alias = text(one).partition(":")
        if name not in names:
            draft.left("links", f'there is no service "{name}" among those that are imported')
        elif not alias or alias == name:
            draft.said("links", f"{name} answers to its name on their network without a link")
        else:
            draft.merge("links", {names[name]: alias})


def _external_links(draft: Draft, value: Any) -> None:
    for one in listed(value):
        name, _, alias = text(one).partition(":")
        draft.merge("links", {name: alias or name})


def _volumes_from(names: Names, draft: Draft, value: Any) -> None:
    for one in listed(value):
        first, *rest = text(one).split(":")
        name, *options = rest if first == "container" and rest else [names.get(first, first), *rest]
        mode = {"mode": "ro"} if options == ["ro"] else {}
        draft.add("volumes", [{"from": name, **mode}])


def _namespace(names: Names, key: str, draft: Draft, value: Any) -> None:
    kind, _, name = text(value).partition(":")
    draft.put(key, f"container:{names.get(name, name)}" if kind == "service" else text(value))


def _say_of_dependency(draft: Draft, name: str, options: Any) -> None:
    for key in options if isinstance(options, dict) else {}:
        if key == "restart" and options[key] in (True, "true"):
            draft.left(f"depends_on.{name}.restart", "a restart of the other one does not restart this one")
        elif key not in ("condition", "restart", "required"):
            draft.left(f"depends_on.{name}.{key}", "this key is not known")


def bring_networks(draft: Draft, name: str, service: Mapping[str, Any], known: Known) -> None:
    """Bring over where it is reached: the project's networks, or the network of something else."""
    mode = service.get("network_mode")
    if mode is not None:
        _bring_mode(draft, str(mode), known)
        return
    written = service.get("networks")
    if isinstance(written, list):
        written = {str(one): None for one in written}
    if written is not None and not isinstance(written, dict):
        draft.left("networks", "this is neither a list nor an object")
        written = None
    joined: dict[str, Any] = {}
    for key, options in (written or {"default": None}).items():
        if key not in known.project.networks:
            draft.left(f"networks.{key}", "there is no such network at the top level")
            continue
        network, made = known.project.networks[key]
        joined[network] = _endpoint(draft, name, key, options)
        joined[network].update({"networkOptions": made} if made else {})
    if isinstance(service.get("mac_address"), str) and joined:
        next(iter(joined.values())).setdefault("macAddress", service["mac_address"])
    draft.put("networks", joined)


def _endpoint(draft: Draft, name: str, key: str, options: Any) -> dict[str, Any]:
    inner = Draft(f"{draft.where}.networks.{key}")
    inner.put("aliases", [name])
    if options is not None and not isinstance(options, dict):
        inner.left("", "this is not an object")
    fill(inner, options if isinstance(options, dict) else {}, _ENDPOINT)
    draft.notes += inner.notes
    return inner.value


_ENDPOINT: Table = {
    "aliases": lambda draft, value: draft.add("aliases", texts(value)),
    "ipv4_address": plain("ipv4Address", text),
    "ipv6_address": plain("ipv6Address", text),
    "link_local_ips": plain("linkLocalIps", texts),
    "mac_address": plain("macAddress", text),
    "driver_opts": plain("driverOpts", filled_pairs),
    "interface_name": plain("interfaceName", text),
    "gw_priority": plain("gwPriority", whole),
    "priority": not_here("priority", "the engine orders networks by gw_priority"),
}


def _bring_mode(draft: Draft, mode: str, known: Known) -> None:
    kind, _, target = mode.partition(":")
    if kind == "service":
        draft.put("network", f"container:{known.project.containers.get(target, target)}")
    else:
        draft.put("network", mode)
