"""Compose files as one document: variables filled in, `include` and `extends` resolved, paths absolute."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from dockerup import document
from dockerup.importers.compose_merge import merged_models, merged_services, without_reset
from dockerup.importers.draft import Draft
from dockerup.importers.interpolation import Variables, env_file, interpolated
from dockerup.problems import DockerupError, InvalidInputError, Path, Problem

_MOST_FILES = 100
_MOST_EXTENDS = 50  # one after the other
Read = Callable[[str], str]


@dataclass
class Files:
    """The files of one import, as they are read. `read` returns a path's text, or raises DockerupError."""

    read: Read
    environ: Mapping[str, str]
    said: Draft
    unset: set[str] = field(default_factory=set)
    count: int = 0
    kept: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def project(
        self, paths: Sequence[str], directory: str, dotenv: Sequence[str], chain: Path = ()
    ) -> dict[str, Any]:
        """Return the document of some files, a later one over an earlier one; paths in it are absolute.

        `dotenv` are the files with variables; of one that is not there nothing is said. `directory` is what
        relative paths begin at. Raises InvalidInputError, and DockerupError for what cannot be read.
        """
        values = self._values(dotenv)
        model: dict[str, Any] = {}
        for path in paths:
            marks: dict[Path, str] = {}
            written = self._document(path, directory, values, marks)
            written = self._with_extends(written, path, directory, values)
            included = self._included(written.pop("include", None), directory, (*chain, path))
            model = merged_models(merged_models(model, included, {}), written, marks)
        return model

    def variables(self, dotenv: Sequence[str]) -> Mapping[str, str]:
        """Return the variables of `.env` files, with the environment over them."""
        return self._values(dotenv)

    def _values(self, dotenv: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for path in dotenv:
            try:
                text = self.read(path)
            except DockerupError:
                continue
            found.update(env_file(text, {**found, **self.environ}))
        return {**found, **self.environ}

    def _document(
        self, path: str, directory: str, values: Mapping[str, str], marks: dict[Path, str]
    ) -> dict[str, Any]:
        self.count += 1
        if self.count > _MOST_FILES:
            raise DockerupError(f"{path}: these are more than {_MOST_FILES} files")
        read = document.load(self.read(path), path, marks=marks)
        if read.value is not None and not isinstance(read.value, dict):
            what = "this is no Compose file: it is not an object"
            raise InvalidInputError(Problem(read.origin, what, "Write services: and what they are."))
        variables = Variables(values)
        filled: dict[str, Any] = interpolated(read.value or {}, variables, read.origin)
        self.unset |= variables.unset
        filled = without_reset(filled, marks)
        for key in ("services", "networks", "volumes", "secrets", "configs"):
            if not isinstance(filled.get(key, {}), (dict, type(None))):
                what = f"{key} is not an object"
                raise InvalidInputError(Problem(read.origin.at(key), what, "Write each by its name."))
            if isinstance(filled.get(key), dict):
                filled[key] = {str(name): part for name, part in filled[key].items()}
        _make_absolute(filled, directory, self.environ)
        return filled

    def _included(self, include: Any, directory: str, chain: Path) -> dict[str, Any]:
        model: dict[str, Any] = {}
        for one in include if isinstance(include, list) else []:
            parts = one if isinstance(one, dict) else {"path": one}
            paths = [_joined(directory, path) for path in _strings(parts.get("path"))]
            if not paths:
                self.said.left("include", "an entry names no path")
                continue
            if set(paths) & set(chain):
                raise DockerupError(f"{paths[0]}: the file includes itself")
            own = os.path.dirname(paths[0])
            place = _joined(directory, parts["project_directory"]) if "project_directory" in parts else own
            dotenv = [_joined(directory, path) for path in _strings(parts.get("env_file"))]
            found = self.project(paths, str(place), dotenv or [os.path.join(str(place), ".env")], chain)
            model = merged_models(model, found, {})
        return model

    def _with_extends(
        self, written: dict[str, Any], path: str, directory: str, values: Mapping[str, str]
    ) -> dict[str, Any]:
        services = written.get("services")
        if not isinstance(services, dict):
            return written
        done = {
            name: self._extended(name, services, (path, directory), values, ()) for name in list(services)
        }
        return {**written, "services": done}

    def _extended(
        self,
        name: str,
        services: Mapping[str, Any],
        place: tuple[str, str],
        values: Mapping[str, str],
        chain: Path,
    ) -> Any:
        service = services[name]
        if not isinstance(service, dict) or "extends" not in service:
            return service
        path, directory = place
        rest = {key: value for key, value in service.items() if key != "extends"}
        asked = service["extends"]
        asked = asked if isinstance(asked, dict) else {"service": asked}
        base_name, file = str(asked.get("service", name)), asked.get("file")
        here = f"{path}: services.{name}.extends"
        if f"{path} {name}" in chain or len(chain) > _MOST_EXTENDS:
            raise DockerupError(f"{here}: the service extends itself")
        if file:
            path = _joined(directory, str(file))
            directory = os.path.dirname(path)
            services = self._services_of(path, directory, values)
        if base_name not in services:
            raise DockerupError(f'{here}: there is no service "{base_name}" in {path}')
        chain = (*chain, f"{place[0]} {name}")
        base = self._extended(base_name, services, (path, directory), values, chain)
        return merged_services(base if isinstance(base, dict) else {}, rest)

    def _services_of(self, path: str, directory: str, values: Mapping[str, str]) -> dict[str, Any]:
        if (path, directory) not in self.kept:
            found = self._document(path, directory, values, {}).get("services")
            self.kept[path, directory] = found if isinstance(found, dict) else {}
        return self.kept[path, directory]


def _strings(value: Any) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [str(one) for one in several if isinstance(one, (str, int))]


def _joined(directory: str, path: Any) -> str:
    return os.path.normpath(os.path.join(directory, str(path)))


def absolute(path: str, directory: str, environ: Mapping[str, str]) -> str:
    """Return a path of the host as Compose means it: from the project's directory, or the home's."""
    if path == "~" or path.startswith("~/"):
        path = environ.get("HOME", "/root") + path[1:]
    return os.path.normpath(os.path.join(directory, path))


def _make_absolute(model: dict[str, Any], directory: str, environ: Mapping[str, str]) -> None:
    services = model.get("services") or {}
    for name, service in services.items():
        if isinstance(service, dict):
            services[name] = _absolute_service(service, directory, environ)
    for key in ("secrets", "configs"):
        for one in (model.get(key) or {}).values():
            if isinstance(one, dict) and isinstance(one.get("file"), str):
                one["file"] = absolute(one["file"], directory, environ)


def _absolute_service(
    service: Mapping[str, Any], directory: str, environ: Mapping[str, str]
) -> dict[str, Any]:
    found = dict(service)
    if isinstance(found.get("volumes"), list):
        found["volumes"] = [_absolute_volume(one, directory, environ) for one in found["volumes"]]
    for key in ("env_file", "label_file"):
        if key in found:
            several = found[key] if isinstance(found[key], list) else [found[key]]
            found[key] = [_absolute_file(one, directory, environ) for one in several]
    return found


def _absolute_file(one: Any, directory: str, environ: Mapping[str, str]) -> Any:
    if isinstance(one, dict) and isinstance(one.get("path"), str):
        return {**one, "path": absolute(one["path"], directory, environ)}
    return absolute(one, directory, environ) if isinstance(one, str) else one


def _absolute_volume(one: Any, directory: str, environ: Mapping[str, str]) -> Any:
    if isinstance(one, dict):
        source = one.get("source")
        if one.get("type") == "bind" and isinstance(source, str):
            return {**one, "source": absolute(source, directory, environ)}
        return one
    if isinstance(one, str) and one.startswith((".", "~")) and ":" in one:
        source, _, rest = one.partition(":")
        return f"{absolute(source, directory, environ)}:{rest}"
    return one
