"""Which login is for a registry: of the settings first, then of docker's own file and credential helpers."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterable, Iterator, Mapping

from dockerup.document import decode, load
from dockerup.image import DEFAULT_DOMAIN
from dockerup.logins import (
    DockerConfig,
    Login,
    NoLoginError,
    RegistryLogin,
    first_by_registry,
    parse_docker_config,
    parse_registry_auth,
    registry_of,
)
from dockerup.problems import InvalidInputError, Origin, Problem
from dockerup.settings import Settings
from dockerup.sources.trust import read_trusted, shown_path

LIMIT_BYTES = 1 << 20
LIMIT_PASSWORD = 1 << 14  # bytes


class Logins:
    """The logins of one run. Each is looked up once, when it is wanted, from whatever thread."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._settled = first_by_registry(settings.registryAuth)
        if settings.username:
            # As version 1.0.44 has it, which knew of no registry but Docker Hub to log in to. For all that
            # ask for a login it would be a gift to whoever gets a name of theirs into a list.
            hub = RegistryLogin(DEFAULT_DOMAIN, settings.username, settings.password)
            self._settled.setdefault(DEFAULT_DOMAIN, hub)
        self._config: DockerConfig | None = None
        self._found: dict[str, Login | NoLoginError | None] = {}
        self._notes: list[str] = []
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person has to know of what was looked up so far."""
        return tuple(self._notes)

    def find(self, domain: str) -> Login | None:
        """Return the login for a registry, None where there is none.

        Raises NoLoginError, each time again, where there is one that cannot be had.
        """
        with self._locks.setdefault(domain, threading.Lock()):  # setdefault of a dict is atomic
            if domain not in self._found:
                try:
                    self._found[domain] = self._look_up(domain)
                except NoLoginError as error:
                    self._found[domain] = error
        found = self._found[domain]
        if isinstance(found, NoLoginError):
            raise NoLoginError(str(found))  # anew: each thread writes its traceback into what it raises
        return found

    def refuse(self, domain: str, reason: str) -> None:
        """Keep a login from being sent again in this run: a wrong one that is repeated locks its user out."""
        self._found[domain] = NoLoginError(reason)

    def _look_up(self, domain: str) -> Login | None:
        registry = registry_of(domain)
        settled = self._settled.get(registry)
        if settled is not None:
            return _login_of(settled)
        config = self._docker_config()
        helper = config.helper_for(registry)
        if helper:
            from dockerup.credential_helper import ask_helper  # starts programs: most hosts need none

            login = ask_helper(helper, domain, self._environ, self._home())
            if login is not None:
                return login
            if registry in config.helpers and registry not in config.logins:
                note = f"docker-credential-{helper} knows no login for {domain}, which is asked without one"
                self._notes.append(note)
        return config.logins.get(registry)

    def _home(self) -> str:
        return home_of(self._environ, os.geteuid())

    def _docker_config(self) -> DockerConfig:
        with self._lock:
            if self._config is None:
                self._config = self._read_docker_config()
            return self._config

    def _read_docker_config(self) -> DockerConfig:
        directory = self._environ.get("DOCKER_CONFIG") or os.path.join(self._home(), ".docker")
        path = os.path.join(directory, "config.json")
        try:
            config = parse_docker_config(read_trusted(path, LIMIT_BYTES))
        except FileNotFoundError:
            return DockerConfig()
        except InvalidInputError as error:
            self._notes.append(f"{error} Until then registries are asked without the logins in it")
            return DockerConfig()
        for fault in config.faults:
            self._notes.append(f"{shown_path(path)}: {fault}. Registries are asked without it")
        return config


def home_of(environ: Mapping[str, str], uid: int) -> str:
    """Return the home directory of a user; at boot HOME may not be set."""
    if environ.get("HOME"):
        return environ["HOME"]
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"


def read_registry_auth(path: str) -> tuple[tuple[RegistryLogin, ...], list[Problem]]:
    """Return the logins in the file that the setting `registry_auth` names, and all that is wrong with it."""
    source = shown_path(path)
    try:
        document = load(decode(read_trusted(path, LIMIT_BYTES, private=True), source), source)
    except FileNotFoundError:
        fix = "Make it, 0600, or take registry_auth out of the settings."
        return (), [Problem(Origin(source), "there is no such file", fix)]
    except InvalidInputError as error:
        return (), list(error.problems)
    return parse_registry_auth(document.value, document.origin)


def problems_of_passwords(logins: Iterable[RegistryLogin]) -> Iterator[Problem]:
    """Give what is wrong with the files that hold passwords."""
    for login in logins:
        if login.password_file:
            try:
                _password_in(login)
            except InvalidInputError as error:
                yield from error.problems


def _login_of(settled: RegistryLogin) -> Login:
    if not settled.password_file:
        return Login(settled.username, settled.password)
    try:
        return Login(settled.username, _password_in(settled))
    except InvalidInputError as error:
        raise NoLoginError(f"the password for {settled.registry} cannot be had: {error}") from None


def _password_in(login: RegistryLogin) -> str:
    """Return the password in a file, without the end of its line. Raises InvalidInputError."""
    path = login.password_file
    try:
        text = decode(read_trusted(path, LIMIT_PASSWORD, private=True), shown_path(path))
    except FileNotFoundError:
        what = f"there is no file {shown_path(path)}"
        raise InvalidInputError(Problem(login.origin, what, "Write the password into it, 0600.")) from None
    password = text[:-1] if text.endswith("\n") else text
    password = password[:-1] if password.endswith("\r") else password
    if not password or "\n" in password or "\0" in password:
        what = f"{shown_path(path)} holds not one line of text"
        raise InvalidInputError(Problem(login.origin, what, "Write the password, and nothing else, into it."))
    return password
