"""Check configuration without an engine: files by name, or all that a run on this host would read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from dockerup.configuration import Configuration
from dockerup.credentials import problems_of_passwords
from dockerup.desired import Desired, NoSourceError, combine
from dockerup.problems import InvalidInputError, Origin, Problem, nearest
from dockerup.settings import read_settings
from dockerup.sources.confdir import items_of_document
from dockerup.sources.result import SourceResult

LIMIT_BYTES = 1 << 20
# The formats of user-data begin like this. "# " begins a comment, with which containers.d's files may begin.
_USER_DATA = re.compile(rb"#[a-z!]|##\s*template:|Content-Type:|MIME-Version:|\x1f\x8b")


def problems_of_files(paths: Iterable[str]) -> list[Problem]:
    """Return all that is wrong with some files: settings (`*.conf`), containers, or user-data."""
    return [problem for path in paths for problem in _problems_of_file(path)]


def problems_of_host(configuration: Configuration) -> list[Problem]:
    """Return all that is wrong with what a run on this host would read."""
    try:
        desired = configuration.desired()
    except NoSourceError as error:
        return [
            Problem(
                Origin(configuration.settings.confdir),
                f"there is no such directory, and no user-data with a list{error.why}",
                error.fix,
            )
        ]
    passwords = problems_of_passwords(configuration.settings.registryAuth)
    return [*desired.problems, *_unlisted(desired), *passwords]


def _unlisted(desired: Desired) -> list[Problem]:
    """Return each dependency that nobody lists, where the list is whole: nothing that waits for it starts."""
    names = {spec.name for spec in desired.specs}
    found = []
    for spec in desired.specs if desired.complete else ():
        for name in spec.depends_on.keys() - names:
            guess = nearest(name, sorted(names - {spec.name}))
            fix = f'Did you mean "{guess}"?' if guess else "List it, or take it out."
            found.append(Problem(spec.origin.at("dependsOn"), f'"{name}" is not listed', fix))
    return found


def _problems_of_file(path: str) -> Sequence[Problem]:
    try:
        with open(path, "rb") as file:
            raw = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        return [Problem(Origin(path), f"it cannot be read: {error.strerror}", "Name a file that is there.")]
    try:
        result = _read(path, raw)
    except InvalidInputError as error:
        return error.problems
    return [*_problems_of_block(result), *_problems_of_list(path, result)]


def _problems_of_list(path: str, result: SourceResult) -> Sequence[Problem]:
    try:
        return combine([result]).problems
    except NoSourceError as error:
        what = f"it lists no containers{error.why}"
        return [Problem(Origin(path), what, "Write containers: and a list below it.")]


def _problems_of_block(result: SourceResult) -> Sequence[Problem]:
    try:
        read_settings("", result.name, {}, result.block)
    except InvalidInputError as error:
        return error.problems
    return ()


def _read(path: str, raw: bytes) -> SourceResult:
    from dockerup.document import decode, load
    from dockerup.sources.userdata import parse_userdata

    extension = os.path.splitext(path)[1]
    if extension == ".conf":
        read_settings(decode(raw, path), path, {})
        return SourceResult("confdir", declared=True)
    if extension in {".json", ".yaml", ".yml"} and not _USER_DATA.match(raw):
        return SourceResult("confdir", items_of_document(load(decode(raw, path), path)), declared=True)
    return parse_userdata(raw, path)
