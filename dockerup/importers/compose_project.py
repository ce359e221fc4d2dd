"""What the services of a Compose project share: its networks, volumes, secrets and configs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from dockerup.importers.compose_files import Read
from dockerup.importers.draft import Draft
from dockerup.importers.reading import OddError, filled_pairs, mapped, text, truth
from dockerup.records import dataclass

DEFAULT = "default"


@dataclass(frozen=True)
class Project:
    """A project. Names in it are those of the file, and give those that the engine has.

    `volumes`: the engine's name and the options of each named volume. `files`: the path of each secret and
    config that is a file. `containers`: the name of each service's container.
    """

    name: str
    networks: Mapping[str, str]
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
    networks = {DEFAULT: f"{name}_default"}
    for key, one in _parts(model, "networks", said).items():
        networks[key] = _engine_name(name, key, one)
        _say_of_network(key, networks[key], one, said)
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


def _say_of_network(key: str, name: str, one: Mapping[str, Any], said: Draft) -> None:
    if _is_external(one):
        return
    options, unknown = _network_options(one)
    if options:
        command = shlex.join(["docker", "network", "create", *options, name])
        what = f"its options are not carried over. Where it is not there yet, make it first: {command}"
        said.decide(f"networks.{key}", what)
    for option in unknown:
        said.left(f"networks.{key}.{option}", "this key is not known, or not what it should be")


def _network_options(one: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the flags of `docker network create` that a network's options are, and what is none."""
    flags: list[str] = []
    unknown: list[str] = []
    for key, value in one.items():
        try:
            flags += _flags_of(key, value)
        except OddError:
            unknown.append(key)
    return flags, unknown


def _flags_of(key: str, value: Any) -> list[str]:
    if value is None or key in ("name", "external") or key.startswith("x-"):
        return []
    if key == "driver":
        return [] if value in ("bridge", DEFAULT) else ["--driver", text(value)]
    if key in ("internal", "attachable", "enable_ipv6"):
        return [{"enable_ipv6": "--ipv6"}.get(key, f"--{key}")] * truth(value)
    if key in ("driver_opts", "labels"):
        flag = {"driver_opts": "--opt", "labels": "--label"}[key]
        return [part for name, one in filled_pairs(value).items() for part in (flag, f"{name}={one}")]
    if key == "ipam":
        return _ipam_flags(mapped(value))
    raise OddError("this key is not known")


def _ipam_flags(ipam: Mapping[str, Any]) -> list[str]:
    flags = ["--ipam-driver", text(ipam["driver"])] if ipam.get("driver") not in (None, DEFAULT) else []
    config = ipam.get("config") or []
    if not isinstance(config, list):
        raise OddError("this is not a list")
    for one in config:
        parts = mapped(one)
        for key, flag in (("subnet", "--subnet"), ("gateway", "--gateway"), ("ip_range", "--ip-range")):
            if parts.get(key) is not None:
                flags += [flag, text(parts[key])]
    return flags


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
