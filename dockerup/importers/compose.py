"""Compose files: each service as an entry.

Source: the Compose specification (compose-spec, 05-services.md and the pages beside it).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dockerup.importers.compose_files import Files, Read
from dockerup.importers.compose_project import Known, Project, resources
from dockerup.importers.compose_service import draft_of
from dockerup.importers.draft import Draft, Entry, Imported
from dockerup.importers.reading import OddError, listed, text, whole
from dockerup.keys.words import NAME
from dockerup.problems import DockerupError
from dockerup.records import dataclass

DEFAULT_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


@dataclass(frozen=True)
class Asked:
    """What a person asks of an import: the files (absolute paths), and what Compose's own flags say."""

    paths: Sequence[str]
    project: str = ""
    profiles: Collection[str] = ()
    env_files: Sequence[str] = ()


def imported(asked: Asked, environ: Mapping[str, str], read: Read) -> Imported:
    """Return what Compose files mean here. `read` returns the text of a file, or raises DockerupError.

    Raises InvalidInputError and DockerupError where Compose itself would not go on.
    """
    said = Draft()
    directory = os.path.dirname(asked.paths[0])
    dotenv = list(asked.env_files) or [os.path.join(directory, ".env")]
    files = Files(read, environ, said)
    model = files.project(list(asked.paths), directory, dotenv)
    variables = files.variables(dotenv)
    for name in sorted(files.unset):
        said.decide("", f"the variable {name} has no value: it is empty in what follows, as with Compose")
    project = _project(asked, model, variables, directory, said)
    chosen = _chosen(model, {*asked.profiles, *_words(variables.get("COMPOSE_PROFILES", ""))}, said)
    project = _with_names(project, chosen)
    known = Known(project, variables, read)
    entries = [entry for name, one in chosen.items() for entry in _entries(name, one, known)]
    for key in model:
        if key not in ("services", "networks", "volumes", "secrets", "configs", "version", "name"):
            _say_of_top_level(key, said)
    return Imported(f"Compose: {', '.join(asked.paths)}", tuple(entries), tuple(said.notes))


def _words(value: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", value) if word]


def _say_of_top_level(key: str, said: Draft) -> None:
    if key.startswith("x-"):
        return  # an extension: it is there for anchors, and means nothing by itself
    if key == "models":
        said.left(key, "AI models are run by Docker Desktop, not by an engine alone")
    else:
        said.left(key, "this key is not known")


def _project(
    asked: Asked, model: Mapping[str, Any], variables: Mapping[str, str], directory: str, said: Draft
) -> Project:
    written = model.get("name")
    name = (
        asked.project
        or variables.get("COMPOSE_PROJECT_NAME", "")
        or (written if isinstance(written, str) else "")
    )
    if not name:
        name = re.sub(r"[^a-z0-9_-]", "", os.path.basename(directory).lower()).lstrip("_-") or "default"
        what = (
            f'the project is called "{name}", after the directory, as with Compose; its networks and volumes '
            "are named after that. Was it another one (-p)? Import again with --project NAME"
        )
        said.said("", what)
    return resources(name, model, said)


def _chosen(model: Mapping[str, Any], profiles: Collection[str], said: Draft) -> dict[str, dict[str, Any]]:
    """Return the services without a profile, and those of the chosen ones."""
    found: dict[str, dict[str, Any]] = {}
    services = model.get("services") or {}
    for name, service in services.items():
        if not isinstance(service, dict):
            said.left(f"services.{name}", "this is not an object")
            continue
        try:
            own = [text(one) for one in listed(service.get("profiles") or [])]
        except OddError:
            said.left(f"services.{name}.profiles", "this is not a list")
            own = []
        if own and not set(own) & set(profiles) and "*" not in profiles:
            what = f"the service is of the profile {', '.join(own)}; to have it, add --profile {own[0]}"
            said.left(f"services.{name}", what)
        else:
            found[name] = service
    if not found:
        raise DockerupError("there is no service to import" if not services else _none_chosen(said))
    return found


def _none_chosen(said: Draft) -> str:
    return "\n".join(["no service is left to import:", *map(str, said.notes)])


def _with_names(project: Project, chosen: Mapping[str, Mapping[str, Any]]) -> Project:
    """Return the project that knows each service's container."""
    names = {name: str(one.get("container_name") or "") for name, one in chosen.items()}
    # A name of one letter, or of signs that a container's name has not, needs the project's before it.
    fit = {name: name if re.fullmatch(NAME, name) else f"{project.name}-{name}" for name in names}
    return project.with_containers({name: own or fit[name] for name, own in names.items()})


def _entries(name: str, service: Mapping[str, Any], known: Known) -> list[Entry]:
    draft = draft_of(name, service, known)
    count = _replicas(service)
    if count == 0:
        draft.left("scale", "the service has no container at all (scale: 0)")
        return [Entry(draft.value, tuple(draft.notes), refused=True)]
    if count > 1:
        draft.put("replicas", count)
    return [draft.entry]


def _replicas(service: Mapping[str, Any]) -> int:
    deploy = service.get("deploy")
    written = service.get("scale") or (deploy.get("replicas") if isinstance(deploy, dict) else None)
    if "scale" in service and service["scale"] == 0:
        return 0
    try:
        return 1 if written is None else whole(written)
    except OddError:
        return 1
