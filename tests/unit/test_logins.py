"""Logins as people and programs write them: docker's config.json, and registryAuth of the settings."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.logins import (
    DockerConfig,
    Login,
    RegistryLogin,
    first_by_registry,
    parse_docker_config,
    parse_registry_auth,
    registry_of,
)
from dockerup.problems import Origin

SECRET = "hunter2"
TOKEN = "eyJhbGciOi.refresh.token"
WHERE = Origin("user-data").at("dockerup", "registryAuth")


def auth(user: str, password: str = SECRET) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def docker_config(**document: Any) -> DockerConfig:
    return parse_docker_config(json.dumps(document).encode())


# One login.


@pytest.mark.parametrize("login", [Login("ada", SECRET), Login("", identity_token=SECRET)])
def test_a_login_shows_no_secret(login: Login) -> None:
    assert SECRET not in repr(login) + str(login) + login.whose


def test_the_engine_is_given_a_password_or_the_token_alone() -> None:
    assert Login("ada", "pw").for_engine() == {"username": "ada", "password": "pw"}
    assert Login("00000000", "", TOKEN).for_engine() == {"identitytoken": TOKEN}


# Which registry an address is for.


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("registry.example.com", "registry.example.com"),
        ("https://registry.example.com", "registry.example.com"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ("https://registry.example.com:5000/v1/", "registry.example.com:5000"),
        ("registry.example.com/v2/", "registry.example.com"),
        ("Registry.Example.com", "registry.example.com"),
        ("[::1]:5000", "[::1]:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("https://index.docker.io/v1", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://registry-1.docker.io/v2/", "docker.io"),
        ("https://index.docker.io/v1/access-token", ""),
        ("https://index.docker.io/v1/refresh-token", ""),
        ("ftp://registry.example.com", "ftp:"),
        ("", ""),
    ],
)
def test_an_address_of_dockers_file_is_for_one_registry(address: str, domain: str) -> None:
    assert registry_of(address) == domain


# docker's config.json.


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        ({"auth": auth("ada")}, Login("ada", SECRET)),
        ({"auth": auth("ada", "pa:ss w\u00f6rd")}, Login("ada", "pa:ss w\u00f6rd")),
        ({"auth": auth("ada", f"{SECRET}\0\0")}, Login("ada", SECRET)),
        ({"auth": auth("ada"), "email": "ada@example.com"}, Login("ada", SECRET)),
        ({"username": "ada", "password": SECRET}, Login("ada", SECRET)),
        ({"auth": auth("bob"), "username": "ada", "password": "old"}, Login("bob", SECRET)),
        ({"auth": auth("0000-0000", ""), "identitytoken": TOKEN}, Login("0000-0000", "", TOKEN)),
        ({"identitytoken": TOKEN}, Login("", "", TOKEN)),
        ({"auth": auth("_json_key", '{"type": "x"}')}, Login("_json_key", '{"type": "x"}')),
    ],
)
def test_a_stored_login_is_read_as_docker_reads_it(entry: dict[str, str], login: Login) -> None:
    assert docker_config(auths={"registry.example.com": entry}).logins == {"registry.example.com": login}


@pytest.mark.parametrize("entry", [{}, {"auth": ""}, {"auth": None, "username": None}, {"email": "a@b.c"}])
def test_an_empty_entry_is_no_login_and_no_fault(entry: dict[str, str]) -> None:
    assert docker_config(auths={"registry.example.com": entry}) == DockerConfig()


def test_docker_hub_is_found_by_all_that_it_is_called() -> None:
    for address in ("https://index.docker.io/v1/", "index.docker.io", "docker.io"):
        found = docker_config(auths={address: {"auth": auth("ada")}}).logins
        assert found == {"docker.io": Login("ada", SECRET)}


@pytest.mark.parametrize("order", [1, -1])
def test_what_docker_itself_looks_for_first_counts_where_there_are_several(order: int) -> None:
    written = {
        "https://index.docker.io/v1/": {"auth": auth("ada")},
        "docker.io": {"auth": auth("eve")},
        "https://index.docker.io/v1/access-token": {"auth": auth("eve")},
        "r.example.com": {"auth": auth("ada")},
        "https://r.example.com/v1/": {"auth": auth("eve")},
    }
    found = docker_config(auths=dict([*written.items()][::order])).logins
    assert found["r.example.com"] == Login("ada", SECRET)
    assert found["docker.io"] == Login("ada", SECRET)


def test_helpers_are_for_one_registry_or_for_all_others() -> None:
    config = docker_config(
        credsStore="pass",
        credHelpers={
            "1.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login",
            "https://index.docker.io/v1/": "hub",
            "plain.example.com": "",
        },
    )
    assert config.helper_for("1.dkr.ecr.eu-west-1.amazonaws.com") == "ecr-login"
    assert config.helper_for("docker.io") == "hub"
    assert config.helper_for("plain.example.com") == ""
    assert config.helper_for("r.example.com") == "pass"
    assert docker_config().helper_for("r.example.com") == ""


def test_all_else_that_docker_keeps_in_the_file_means_nothing() -> None:
    assert docker_config(HttpHeaders={"a": "b"}, psFormat="x", proxies={}, auths=None) == DockerConfig()


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "line 1, column 1: this is no JSON"),
        (b'{\n  "auths": {hunter2}\n}', "line 2, column 13: this is no JSON"),
        (b"\xff\xfe{}", "this is no JSON"),
        (b"[" * 100_000, "this is no JSON"),
        (b'["hunter2"]', "this is no object"),
        (b'{"auths": "hunter2"}', "auths is no object"),
        (b'{"credHelpers": ["hunter2"]}', "credHelpers is no object"),
        (b'{"auths": {"r.example.com": "hunter2"}}', 'auths: "r.example.com": this is no object'),
        (b'{"auths": {"r.example.com": {"auth": 1}}}', 'auths: "r.example.com": a value is no text'),
        (
            b'{"auths": {"r.example.com": {"auth": "hunter2"}}}',
            'auths: "r.example.com": "auth" is not the base64 of USER:PASSWORD',
        ),
        (
            b'{"auths": {"r.example.com": {"auth": "aHVudGVyMg=="}}}',
            'auths: "r.example.com": "auth" is not the base64 of USER:PASSWORD',
        ),
        (b'{"auths": {"hunter 2": {"auth": 1}}}', "auths: an entry: a value is no text"),
        (b'{"credsStore": "../hunter2"}', "credsStore: this is not the name of a credential helper"),
        (b'{"credsStore": ["hunter2"]}', "credsStore: this is not the name of a credential helper"),
        (
            b'{"credHelpers": {"r.example.com": "-rf /"}}',
            'credHelpers: "r.example.com": this is not the name of a credential helper',
        ),
    ],
)
def test_what_cannot_be_used_is_told_by_its_place_and_shows_nothing(raw: bytes, fault: str) -> None:
    config = parse_docker_config(raw)
    assert config.faults == (fault,)
    assert "hunter" not in fault
    assert (dict(config.logins), config.store) == ({}, "")


def test_one_entry_at_fault_takes_no_other_with_it() -> None:
    config = docker_config(auths={"a.example.com": 1, "b.example.com": {"auth": auth("ada")}})
    assert config.logins == {"b.example.com": Login("ada", SECRET)}
    assert len(config.faults) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([auth("ada"), "pass"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auth", "username", "password", "identitytoken", "docker.io", "r.example.com"])
            | st.text(max_size=8),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["auths", "credHelpers", "credsStore", "x"]), JSON))
def test_no_document_breaks_the_reading(document: dict[str, object]) -> None:
    config = parse_docker_config(json.dumps(document).encode())
    assert all("/" not in config.helper_for(domain) for domain in [*config.helpers, "r.example.com"])
    assert all(login.username or login.identity_token for login in config.logins.values())


@given(st.binary())
def test_no_bytes_break_the_reading(raw: bytes) -> None:
    assert isinstance(parse_docker_config(raw), DockerConfig)


TEXT = st.characters(codec="utf-8", exclude_characters="\0")


@given(st.text(TEXT.filter(lambda one: one != ":"), min_size=1), st.text(TEXT))
def test_any_login_comes_back_from_its_base64(username: str, password: str) -> None:
    config = docker_config(auths={"r.example.com": {"auth": auth(username, password)}})
    assert config.logins == {"r.example.com": Login(username, password)}


# registryAuth.


def logins_of(value: object) -> tuple[RegistryLogin, ...]:
    logins, problems = parse_registry_auth(value, WHERE)
    assert problems == []
    return logins


def told(value: object) -> list[str]:
    _logins, problems = parse_registry_auth(value, WHERE)
    return [str(problem).replace("user-data: dockerup.registryAuth", "") for problem in problems]


def test_each_registry_has_a_login_with_a_password_or_a_file_of_it() -> None:
    value = {
        "registry.example.com:5000": {"username": "ada", "password": SECRET},
        "https://index.docker.io/v1/": {"username": "bob", "passwordFile": "/etc/dockerup/hub"},
    }
    assert logins_of(value) == (
        RegistryLogin("registry.example.com:5000", "ada", SECRET),
        RegistryLogin("docker.io", "bob", password_file="/etc/dockerup/hub"),
    )
    assert logins_of({}) == ()


def test_a_login_of_the_settings_shows_no_password() -> None:
    assert SECRET not in repr(logins_of({"r.example.com": {"username": "ada", "password": SECRET}}))


GOOD = {"username": "ada", "password": SECRET}
FORM = "Write {username: USER, password: PASSWORD}."


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([SECRET], ": this is no object of registries. Write {HOST: {username: USER, password: PASSWORD}}."),
        ({"a.b": SECRET}, f".a.b: this is no login. {FORM}"),
        ({"registry": GOOD}, ".registry: this is not the host of a registry. Write its host, with its port"),
        ({"me@a.b": GOOD}, ".me@a.b: this is not the host of a registry."),
        ({f"me:{SECRET}@a.b": GOOD}, ".me@a.b: this is not the host of a registry."),
        ({f"https://me:{SECRET}@a.b/": GOOD}, ".https://me@a.b/: this is not the host of a registry."),
        ({5000: GOOD}, ".5000: this is not the host of a registry."),
        ({"A.b/team": GOOD}, '.A.b/team: a login is for a whole registry, and this has a path. Write "a.b".'),
        ({"a.b": GOOD, "https://a.b": GOOD}, ".https://a.b: a.b stands here twice. Keep one of them."),
        ({"a.b": {**GOOD, "passwd": "x"}}, '.a.b.passwd: there is no key "passwd" here. Did you mean "pass'),
        ({"a.b": {"password": SECRET}}, ".a.b: it has no username. Write username: USER."),
        ({"a.b": {"username": "ada"}}, ".a.b: it has no password. Write password: PASSWORD, or passwordFile"),
        ({"a.b": {**GOOD, "passwordFile": "/a"}}, ".a.b: it has both password and passwordFile. Write"),
        ({"a.b": {**GOOD, "password": 12}}, ".a.b.password: the value is no text. Put it in quotes."),
        ({"a.b": {**GOOD, "password": None}}, ".a.b.password: the value is no text. Put it in quotes."),
        ({"a.b": {**GOOD, "password": ""}}, ".a.b.password: the value is not one line of text. Write one"),
        ({"a.b": {**GOOD, "password": f"{SECRET}\n"}}, ".a.b.password: the value is not one line of text."),
        ({"a.b": {**GOOD, "username": f"ada:{SECRET}"}}, ".a.b.username: no user has a colon in the name."),
        ({"a.b": {"username": "ada", "passwordFile": "p"}}, ".a.b.passwordFile: this is no absolute path."),
    ],
    ids=repr,
)
def test_a_mistake_is_told_with_its_place_and_no_value(value: object, message: str) -> None:
    (problem,) = told(value)
    assert problem.startswith(message)
    assert SECRET not in problem


def test_all_mistakes_are_told_and_what_is_right_is_used() -> None:
    value = {"a": 1, "b.example.com": {"username": 1, "passwd": "x"}, "r.example.com": GOOD}
    logins, problems = parse_registry_auth(value, WHERE)
    assert [login.registry for login in logins] == ["r.example.com"]
    assert len(problems) == 5


def test_the_first_of_two_logins_for_a_registry_counts() -> None:
    block, file = RegistryLogin("r.example.com", "block"), RegistryLogin("r.example.com", "file")
    other = RegistryLogin("docker.io", "file")
    assert first_by_registry([block, file, other]) == {"r.example.com": block, "docker.io": other}


@given(JSON)
def test_no_registry_auth_breaks_the_reading(value: object) -> None:
    logins, problems = parse_registry_auth(value, WHERE)
    assert problems or len(logins) == len(value if isinstance(value, dict) else ())
    assert all(login.username and bool(login.password) != bool(login.password_file) for login in logins)
