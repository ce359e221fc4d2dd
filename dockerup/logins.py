"""Logins for registries: what one is, and how the settings and docker's own file say them. Asks nothing.

Docker's file is that of docker/cli, cli/config: configfile/file.go, credentials/file_store.go.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Callable, Optional

from dockerup.image import DEFAULT_DOMAIN, InvalidReferenceError, parse_reference
from dockerup.problems import Origin, Problem, instead
from dockerup.records import dataclass

# What Docker Hub has been called since its first version, and what helpers still know it by.
HUB_ADDRESS = "https://index.docker.io/v1/"

_HUB_HOSTS = {DEFAULT_DOMAIN, "index.docker.io", "registry-1.docker.io"}
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PASSWORD_IN_URL = re.compile(r":[^/@]*(?=@)")
_KEYS = ("username", "password", "passwordFile")


@dataclass(frozen=True)
class Login:
    """A user of a registry: a name and a password, or a token that stands for both and takes their place."""

    username: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def whose(self) -> str:
        """The words for it in a message."""
        return "the stored identity token" if self.identity_token else f'user "{self.username}"'

    def for_engine(self) -> dict[str, str]:
        """Return what the engine's API calls an AuthConfig, which goes into the header X-Registry-Auth."""
        if self.identity_token:
            return {"identitytoken": self.identity_token}
        return {"username": self.username, "password": self.password}


class NoLoginError(Exception):
    """There should be a login for a registry, and it cannot be had; the text is the reason."""


# Gives the login for a domain ("docker.io", "127.0.0.1:5000"), None where there is none. Raises NoLoginError.
LoginFor = Callable[[str], Optional[Login]]


def registry_of(address: str) -> str:
    """Return the domain, as images have it, that an address in docker's file is for; "" for none.

    Such an address may have a scheme and a path, and each of the hosts of Docker Hub stands for it.
    """
    host, _, path = re.sub(r"\Ahttps?://", "", address.lower()).partition("/")
    if host not in _HUB_HOSTS:
        return host
    # What `docker login` needs for other services of Docker's has a longer path: .../v1/access-token
    return DEFAULT_DOMAIN if path.strip("/") in {"", "v1", "v2"} else ""


# Docker's own file


class _NoLoginInItError(Exception):
    """An entry of docker's file cannot be used; the text says why, and shows nothing of it."""


@dataclass(frozen=True)
class DockerConfig:
    """What docker's file says of logins, by the domain of the registry.

    `helpers` are the names of credential helpers for one registry, "" for none; `store` is the one for all
    others. `faults` are sentences without a full stop.
    """

    logins: Mapping[str, Login] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str = ""
    faults: tuple[str, ...] = ()

    def helper_for(self, domain: str) -> str:
        """Return the name of the credential helper to be asked for a registry, "" for none."""
        return self.helpers.get(domain, self.store)


def parse_docker_config(raw: bytes) -> DockerConfig:
    """Return what a config.json says. Never raises: what cannot be used is left out, and is in `faults`."""
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return DockerConfig(faults=(f"line {error.lineno}, column {error.colno}: this is no JSON",))
    except (ValueError, RecursionError):
        return DockerConfig(faults=("this is no JSON",))
    if not isinstance(document, dict):
        return DockerConfig(faults=("this is no object",))
    faults: list[str] = []
    logins = dict(_stored_logins(_mapping(document, "auths", faults), faults))
    helpers = {
        domain: _helper(name, f"credHelpers: {_shown(address)}", faults)
        for domain, address, name in _by_registry(_mapping(document, "credHelpers", faults))
    }
    store = _helper(document.get("credsStore") or "", "credsStore", faults)
    return DockerConfig(logins, helpers, store, tuple(faults))


def _mapping(document: Mapping[str, Any], key: str, faults: list[str]) -> Mapping[str, Any]:
    value = document.get(key) or {}
    if isinstance(value, dict):
        return value
    faults.append(f"{key} is no object")
    return {}


def _by_registry(entries: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Give domain, address and value of each entry; of two for one registry, docker's own form comes last."""
    found = [(registry_of(address), address) for address in entries]
    for domain, address in sorted(found, key=lambda pair: pair[1] == _docker_form(pair[0])):
        if domain:
            yield domain, address, entries[address]


def _docker_form(domain: str) -> str:
    return HUB_ADDRESS if domain == DEFAULT_DOMAIN else domain


def _helper(name: object, where: str, faults: list[str]) -> str:
    if name == "" or (isinstance(name, str) and _HELPER.fullmatch(name)):
        return str(name)
    faults.append(f"{where}: this is not the name of a credential helper")
    return ""


def _stored_logins(entries: Mapping[str, Any], faults: list[str]) -> Iterator[tuple[str, Login]]:
    for domain, address, entry in _by_registry(entries):
        try:
            login = _stored_login(entry)
        except _NoLoginInItError as error:
            faults.append(f"auths: {_shown(address)}: {error}")
            continue
        if login is not None:
            yield domain, login


def _stored_login(entry: object) -> Login | None:
    """Return the login of an entry of `auths`, None for an empty one: a helper has it."""
    if not isinstance(entry, dict):
        raise _NoLoginInItError("this is no object")
    texts = {key: entry.get(key) or "" for key in ("auth", "username", "password", "identitytoken")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise _NoLoginInItError("a value is no text")
    username, password = texts["username"], texts["password"]
    if texts["auth"]:
        username, password = _decoded(texts["auth"])
    if not username and not texts["identitytoken"]:
        return None
    return Login(username, password, texts["identitytoken"])


def _decoded(auth: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except ValueError:
        colon = username = ""
    if not colon or not username:
        raise _NoLoginInItError('"auth" is not the base64 of USER:PASSWORD')
    return username, password.strip("\0")


def _shown(address: str) -> str:
    """Return an address if it is one: what else stands there may be a secret."""
    return f'"{address}"' if _is_domain(registry_of(address)) else "an entry"


def _is_domain(text: str) -> bool:
    try:
        return parse_reference(f"{text}/x").domain == text
    except InvalidReferenceError:
        return False


# registryAuth, of the settings


@dataclass(frozen=True)
class RegistryLogin:
    """One entry of `registryAuth`: the login for one registry. The password may be in a file of its own."""

    registry: str
    username: str
    password: str = field(default="", repr=False)
    password_file: str = ""
    origin: Origin = field(default=Origin(""), compare=False, repr=False)


def parse_registry_auth(value: object, origin: Origin) -> tuple[tuple[RegistryLogin, ...], list[Problem]]:
    """Return the logins of a `registryAuth` object, and all that is wrong in it. No problem shows a value."""
    if not isinstance(value, Mapping):
        fix = "Write {HOST: {username: USER, password: PASSWORD}}."
        return (), [Problem(origin, "this is no object of registries", fix)]
    problems: list[Problem] = []
    logins: dict[str, RegistryLogin] = {}
    for key, entry in value.items():
        place = origin.at(_PASSWORD_IN_URL.sub("", str(key)))
        registry = registry_of(str(key))
        found = [*_faults_of_key(str(key), registry, logins, place), *_faults_of_entry(entry, place)]
        problems += found
        if not found:
            password, path = entry.get("password", ""), entry.get("passwordFile", "")
            logins[registry] = RegistryLogin(registry, entry["username"], password, path, place)
    return tuple(logins.values()), problems


def _faults_of_key(
    key: str, registry: str, before: Mapping[str, RegistryLogin], place: Origin
) -> Iterator[Problem]:
    host, _, path = re.sub(r"\Ahttps?://", "", key.lower()).partition("/")
    if not _is_domain(registry):
        fix = "Write its host, with its port if it has one: registry.example.com:5000."
        yield Problem(place, "this is not the host of a registry", fix)
    elif registry != DEFAULT_DOMAIN and path.strip("/") not in {"", "v1", "v2"}:
        # Docker would leave the path out, and send a login that is meant for a part to the whole registry.
        yield Problem(place, "a login is for a whole registry, and this has a path", f'Write "{host}".')
    elif registry in before:
        yield Problem(place, f"{registry} stands here twice", "Keep one of them.")


def _faults_of_entry(entry: object, place: Origin) -> Iterator[Problem]:
    if not isinstance(entry, Mapping):
        yield Problem(place, "this is no login", "Write {username: USER, password: PASSWORD}.")
        return
    for key in entry:
        if key not in _KEYS:
            yield Problem(place.at(str(key)), f'there is no key "{key}" here', instead(str(key), _KEYS))
    yield from _faults_of_texts(entry, place)
    if "username" not in entry:
        yield Problem(place, "it has no username", "Write username: USER.")
    if ("password" in entry) == ("passwordFile" in entry):
        what = "it has both password and passwordFile" if "password" in entry else "it has no password"
        yield Problem(place, what, "Write password: PASSWORD, or passwordFile: /PATH, and not both.")


def _faults_of_texts(entry: Mapping[str, object], place: Origin) -> Iterator[Problem]:
    for key in (key for key in _KEYS if key in entry):
        value, at = entry[key], place.at(key)
        if not isinstance(value, str):
            yield Problem(at, "the value is no text", "Put it in quotes.")
        elif not value or re.search(r"[\0\r\n]", value):
            yield Problem(at, "the value is not one line of text", "Write one line.")
        elif key == "username" and ":" in value:
            yield Problem(at, "no user has a colon in the name", "Write what stands before the colon.")
        elif key == "passwordFile" and not value.startswith("/"):
            yield Problem(at, "this is no absolute path", "Write one, such as /etc/dockerup/password.")


def first_by_registry(logins: Iterable[RegistryLogin]) -> dict[str, RegistryLogin]:
    """Return the logins by registry; where one has several, the first."""
    found: dict[str, RegistryLogin] = {}
    for login in logins:
        found.setdefault(login.registry, login)
    return found
