"""Ask an engine for its containers and their images, as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dockerup.engine import Engine
from dockerup.engine_error import EngineError
from dockerup.host import FOREIGN_LABELS
from dockerup.importers.running import Found
from dockerup.importers.running_host import Defaults
from dockerup.labels import NAME
from dockerup.likeness_forms import cgroup_namespace
from dockerup.problems import DockerupError
from dockerup.snapshot import Container


def found_on(engine: Engine, names: Sequence[str], adopted: Collection[str] = ()) -> list[Found]:
    """Return containers by name; without names those that run, are not dockerup's own, nor an orchestrator's.

    Those that are `adopted`, by id, are listed already.

    Raises EngineError, and DockerupError for a name that nothing has.
    """
    if names:
        wanted = [_container(engine, name) for name in names]
    else:
        others = (one for one in engine.running() if one.container_id not in adopted)
        wanted = [
            engine.get(f"/containers/{one.container_id}/json") for one in others if not _kept_by_another(one)
        ]
    if not wanted:
        raise DockerupError("no container runs here that dockerup, or another orchestrator, does not keep")
    return [Found(one, _image(engine, str(one.get("Image", "")))) for one in sorted(wanted, key=_name)]


def _name(container: Mapping[str, Any]) -> str:
    return str(container.get("Name", ""))


def _kept_by_another(one: Container) -> bool:
    return NAME in one.labels or any(label.startswith(FOREIGN_LABELS) for label in one.labels)


def _container(engine: Engine, name: str) -> Mapping[str, Any]:
    try:
        return engine.get(f"/containers/{quote(name, safe='')}/json")
    except EngineError as error:
        if error.status == 404:
            raise DockerupError(f"there is no container {name} on this engine") from None
        raise


def _image(engine: Engine, name: str) -> Mapping[str, Any]:
    try:
        return engine.get(f"/images/{quote(name, safe=':')}/json")
    except EngineError as error:
        if error.status == 404:
            return {}
        raise


def defaults_of(info: Mapping[str, Any]) -> Defaults:
    """Return what the engine takes where a container says nothing (GET /info)."""
    return Defaults(
        log_driver=str(info.get("LoggingDriver") or "json-file"),
        runtime=str(info.get("DefaultRuntime") or "runc"),
        cgroup_namespace=cgroup_namespace(info),
        # podman, which alone tells of Buildah, has 0 for what was given none.
        swappiness=0 if "BuildahVersion" in info else None,
    )
