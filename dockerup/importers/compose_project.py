"""What the services of a Compose project share: its networks, volumes, secrets and configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from dockerup.importers.compose_files import Read
from dockerup.importers.draft import Draft, Table, fill, plain
from dockerup.importers.reading import OddError, filled_pairs, listed, mapped, text, truth
from dockerup.records import dataclass

DEFAULT = "default"


@dataclass(frozen=True)
class Project:
    """A project. Names in it are those of the file, and give those that the engine has.

    `networks`, `volumes`: the engine's name and the options of each. `files`: the path of each secret and
    config that is a file. `containers`: the name of each service's container.
    """

    name: str
    networks: Mapping[str, tuple[str, Mapping[str, Any]]]
    volumes: Mapping[str, tuple[str, Mapping[str, Any]]]
    secrets: Mapping[str, str]
    configs: Mapping[str, str]
    containers: Mapping[str, str] = field(default_factory=dict)

    def with_containers(self, names: Mapping[str, str]) -> Project:
        """Return the project with the names of its services' containers."""
        return replace(self, containers=names)


@dataclass(frozen=True)
class Known:
    """What a service may refer to: the project, the variables of its files, and files of the host."""

    project: Project
    variables: Mapping[str, str]
    read: Read


def resources(name: str, model: Mapping[str, Any], said: Draft) -> Project:
    """Return the project of a document; what of its resources dockerup cannot make is noted."""
    networks: dict[str, tuple[str, Mapping[str, Any]]] = {DEFAULT: (f"{name}_default", {})}
    for key, one in _parts(model, "networks", said).items():
        networks[key] = (_engine_name(name, key, one), _network_options(key, one, said))
    volumes = {}
    for key, one in _parts(model, "volumes", said).items():
        volumes[key] = (_engine_name(name, key, one), _volume_options(key, one, said))
    if volumes:
        what = "volumes keep their names, so that what is in them is kept: "
        said.said("volumes", what + ", ".join(sorted(volume for volume, _ in volumes.values())))
    return Project(name, networks, volumes, _files(model, "secrets", said), _files(model, "configs", said))


def _parts(model: Mapping[str, Any], key: str, said: Draft) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, one in (model.get(key) or {}).items():
        if one is None or isinstance(one, dict):
            found[name] = one or {}
        else:
            said.left(f"{key}.{name}", "this is not an object")
    return found


def _engine_name(project: str, key: str, one: Mapping[str, Any]) -> str:
    """Return the name that the engine has for a network or volume."""
    written, external = one.get("name"), one.get("external")
    if isinstance(written, (str, int)) and written != "":
        return str(written)
    if isinstance(external, dict):  # the form of version 2: external: {name: NAME}
        return str(external.get("name") or key)
    return key if _is_external(one) else f"{project}_{key}"


def _is_external(one: Mapping[str, Any]) -> bool:
    external = one.get("external", False)
    try:
        return isinstance(external, dict) or truth(external)
    except OddError:
        return False


def _network_options(key: str, one: Mapping[str, Any], said: Draft) -> dict[str, Any]:
    """Return how dockerup makes a network; what it cannot make is noted."""
    draft = Draft(f"networks.{key}")
    fill(draft, {name: part for name, part in one.items() if not name.startswith("x-")}, _NETWORK)
    if _is_external(one):
        return {}
    said.notes += draft.notes
    return draft.value


def _ipam(draft: Draft, value: Any) -> None:
    inner = Draft(f"{draft.where}.ipam")
    fill(inner, mapped(value), _IPAM)
    draft.notes += inner.notes
    draft.put("ipam", inner.value)


def _subnets(draft: Draft, value: Any) -> None:
    for one in listed(value):
        pool = Draft(f"{draft.where}.config")
        fill(pool, mapped(one), _POOL)
        draft.notes += pool.notes
        draft.add("config", [pool.value] if pool.value else [])


_POOL: Table = {
    "subnet": plain("subnet", text),
    "gateway": plain("gateway", text),
    "ip_range": plain("ipRange", text),
    "aux_addresses": plain("auxAddresses", filled_pairs),
}
_IPAM: Table = {
    "driver": lambda draft, value: draft.put("driver", None if value == DEFAULT else text(value)),
    "config": _subnets,
    "options": plain("options", filled_pairs),
}
_NETWORK: Table = {
    "name": None,
    "external": None,
    "driver": lambda draft, value: draft.put("driver", None if value in ("bridge", DEFAULT) else text(value)),
    "driver_opts": plain("driverOpts", filled_pairs),
    "internal": plain("internal", lambda value: truth(value) or None),
    "attachable": plain("attachable", lambda value: truth(value) or None),
    "enable_ipv6": plain("enableIpv6", lambda value: truth(value) or None),
    "labels": plain("labels", filled_pairs),
    "ipam": _ipam,
}


def _volume_options(key: str, one: Mapping[str, Any], said: Draft) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in one.items():
        try:
            if value is None or name in ("name", "external") or name.startswith("x-"):
                continue
            if name == "driver":
                options.update({} if value == "local" else {"driver": text(value)})
            elif name in ("driver_opts", "labels"):
                options[{"driver_opts": "driverOpts"}.get(name, name)] = filled_pairs(value)
            else:
                said.left(f"volumes.{key}.{name}", "this key is not known")
        except OddError as odd:
            said.left(f"volumes.{key}.{name}", str(odd))
    return {} if _is_external(one) else options


def _files(model: Mapping[str, Any], kind: str, said: Draft) -> dict[str, str]:
    """Return the files that secrets or configs are; what is none is noted."""
    found: dict[str, str] = {}
    for key, one in _parts(model, kind, said).items():
        if isinstance(one.get("file"), str):
            found[key] = one["file"]
            continue
        source = next((name for name in ("environment", "content", "external") if name in one), "")
        why = {
            "environment": "its value comes from the environment that Compose runs in",
            "content": "its content stands in the Compose file",
            "external": "it is kept by Swarm or a platform",
        }.get(source, "it names no file")
        said.decide(f"{kind}.{key}", f"{why}. Put it into a file, and name that in the entries that use it")
    return found
