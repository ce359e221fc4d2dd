"""`dockerup import`: read what a person names, and return what it means here."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence

from dockerup import document
from dockerup.importers.draft import Imported
from dockerup.importers.fit import fitted
from dockerup.problems import DockerupError

STANDARD_INPUT = "-"


def read(path: str) -> str:
    """Return the text of a file, or of the standard input. Raises DockerupError."""
    try:
        if path == STANDARD_INPUT:
            raw = sys.stdin.buffer.read(document.LIMIT_BYTES + 1)
        else:
            with open(path, "rb") as file:
                raw = file.read(document.LIMIT_BYTES + 1)
    except OSError as error:
        raise DockerupError(f"{path} cannot be read: {error.strerror}") from None
    return document.decode(raw, path)


def from_compose(
    paths: Sequence[str],
    environ: Mapping[str, str],
    project: str = "",
    profiles: Sequence[str] = (),
    env_files: Sequence[str] = (),
) -> Imported:
    """Return what Compose files mean; without any, those that Compose finds in the working directory."""
    from dockerup.importers import compose

    files = [os.path.abspath(path) for path in paths or _found_here(compose.DEFAULT_FILES, compose.OVERRIDES)]
    asked = compose.Asked(files, project, profiles, [os.path.abspath(path) for path in env_files])
    return fitted(compose.imported(asked, environ, read))


def _found_here(names: Sequence[str], overrides: Sequence[str]) -> list[str]:
    first = [name for name in names if os.path.exists(name)][:1]
    if not first:
        raise DockerupError(f"there is no {', '.join(names)} here. Name it: dockerup import compose FILE")
    return first + [name for name in overrides if os.path.exists(name)][:1]


def from_ecs(path: str) -> Imported:
    """Return what a task definition in a file means."""
    from dockerup.importers import ecs

    return fitted(ecs.imported(path, read(path)))


def from_konlet(path: str) -> Imported:
    """Return what a container declaration in a file means."""
    from dockerup.importers import konlet

    return fitted(konlet.imported(path, read(path)))


def from_run(line: str) -> Imported:
    """Return what a line of `docker run` means."""
    from dockerup.importers import docker_run

    return fitted(docker_run.imported(read(line) if line == STANDARD_INPUT else line))


def from_running(
    names: Sequence[str], url: str, environ: Mapping[str, str], adopted: Collection[str] = ()
) -> Imported:
    """Return what runs on an engine; without names all that no orchestrator keeps, nor dockerup.

    `adopted` are the ids of those that it keeps though it did not make them.
    """
    from dockerup.engine import Engine
    from dockerup.importers import running
    from dockerup.importers.look import defaults_of, found_on

    engine = Engine(url, environ)
    try:
        defaults = defaults_of(engine.get("/info"))
        return fitted(running.imported(found_on(engine, names, adopted), url, defaults))
    finally:
        engine.close()
