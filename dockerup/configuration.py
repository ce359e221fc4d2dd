"""The configuration of a run: settings and sources, read together, since user-data may hold settings too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from dockerup import sources
from dockerup.credentials import read_registry_auth
from dockerup.desired import Desired, combine
from dockerup.document import decode
from dockerup.keys import files
from dockerup.problems import InvalidInputError, Origin, Problem
from dockerup.records import dataclass
from dockerup.settings import DEFAULT_CONFIG, Settings, read_settings
from dockerup.sources.confdir import read_confdir
from dockerup.sources.result import SourceResult
from dockerup.sources.trust import read_trusted

LIMIT_BYTES = 1 << 16


@dataclass(frozen=True)
class Configuration:
    """What a run is told: how to work, and what each source lists.

    `problems` are those that keep nothing but a login from being used.
    """

    settings: Settings
    results: tuple[SourceResult, ...]
    problems: tuple[Problem, ...] = ()

    def desired(self) -> Desired:
        """Return what all sources want together. Raises NoSourceError when there is no source at all."""
        desired = combine(self.results, self.settings.health_timeout, _read_entry_file, self.settings.confdir)
        return replace(desired, problems=(*desired.problems, *self.problems))


def _read_entry_file(path: str) -> bytes:
    return read_trusted(path, files.LIMIT_BYTES)


def load(
    config: str | None, flags: Mapping[str, str], cache: str, environ: Mapping[str, str]
) -> Configuration:
    """Return what the settings file (None: the default one, if it is there) and all sources say.

    Raises InvalidInputError for settings that cannot be used; what is wrong with a source is in its result.
    """
    path = config or DEFAULT_CONFIG
    text = _text(path, required=config is not None)
    first = read_settings(text, path, flags)
    user_data = sources.read_user_data(first.aws, cache, environ)
    settings = read_settings(text, path, flags, user_data.block)
    problems: list[Problem] = []
    if settings.registry_auth:
        logins, problems = read_registry_auth(settings.registry_auth)
        # Those of user-data come first: deploy time goes before image time.
        settings = replace(settings, registryAuth=(*settings.registryAuth, *logins))
    return Configuration(settings, (user_data, read_confdir(settings.confdir)), tuple(problems))


def read_file(config: str | None) -> Settings:
    """Return what the settings file alone says. Raises InvalidInputError for settings that cannot be used."""
    path = config or DEFAULT_CONFIG
    return read_settings(_text(path, required=config is not None), path, {})


def _text(path: str, *, required: bool) -> str:
    try:
        return decode(read_trusted(os.path.abspath(path), LIMIT_BYTES), path)
    except FileNotFoundError as error:
        if not required or path == DEFAULT_CONFIG:
            return ""
        problem = Problem(Origin(path), "there is no such file", "Make it, or leave --config out.")
        raise InvalidInputError(problem) from error
