"""Logins, from where a person wrote them to a real registry and a real engine's pull."""

from __future__ import annotations

import contextlib
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dockerup.image import parse_reference
from dockerup.logins import Login
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.test_registry_check import HTPASSWD, running
from tests.testbed.images import make_image
from tests.testbed.registry import Registry
from tests.testbed.site import LOGIN, Reply, Site, ask, reason
from tests.testbed.tokens import TokenService

PASSWORD = LOGIN.password
WRONG = "wrong-secret"
TOKEN = "refresh-me"


@dataclass(frozen=True)
class Guarded:
    """A registry that wants LOGIN, the same without for pushing, and a person's directory."""

    story: Story
    registry: Registry
    open_registry: Registry
    directory: Path

    @property
    def host(self) -> str:
        return self.registry.host

    def push(self, version: str = "1") -> str:
        """Push a version of an image; returns its reference in the registry that wants a login."""
        self.open_registry.push(make_image(version), "team/app")
        return self.registry.reference("team/app")

    def docker_config(self, text: str = "", **document: Any) -> None:
        """Write the config.json that DOCKER_CONFIG of `env` leads to."""
        self.private("config.json", text or json.dumps(document))

    def private(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def helper(self, name: str, body: str) -> None:
        """Put a credential helper into a directory that PATH of `env` has."""
        path = self.directory / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        path = f"{self.directory}:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"DOCKER_CONFIG": str(self.directory), "PATH": path}

    def refused(self) -> int:
        """Return how often the registry was sent a wrong password."""
        return self.registry.log().count('error authenticating user \\"ada\\"')


@pytest.fixture
def guarded(story: Story, tmp_path: Path) -> Iterator[Guarded]:
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(running(Registry(tmp_path / "plain")))
        htpasswd = tmp_path / "htpasswd"
        htpasswd.write_text(f"{HTPASSWD}\n")
        config = {
            "auth": {"htpasswd": {"realm": "ours", "path": str(htpasswd)}},
            "storage": {"filesystem": {"rootdirectory": str(tmp_path / "plain" / "data")}},
        }
        registry = stack.enter_context(running(Registry(tmp_path / "guarded", config)))
        directory = tmp_path / "docker"
        directory.mkdir(mode=0o755)
        yield Guarded(story, registry, plain, directory)


def auth(password: str = PASSWORD) -> dict[str, str]:
    return {"auth": b64encode(f"ada:{password}".encode()).decode()}


def saying(username: str, secret: str) -> str:
    said = json.dumps({"ServerURL": "", "Username": username, "Secret": secret}, ensure_ascii=False)
    return f"echo $1 $(cat) >> $DOCKER_CONFIG/asked\ncat <<'END'\n{said}\nEND"


# Each place where a login may be written.


def in_the_file_of_the_settings(guarded: Guarded) -> None:
    entry = {guarded.host: {"username": "ada", "password": PASSWORD}}
    path = guarded.private("registry-auth.json", json.dumps(entry))
    guarded.story.dockerup.configure(registry_auth=path)


def in_a_file_of_its_own(guarded: Guarded) -> None:
    secret = guarded.private("password", f"{PASSWORD}\n")
    entry = {guarded.host: {"username": "ada", "passwordFile": str(secret)}}
    path = guarded.private("registry-auth.json", json.dumps(entry))
    guarded.story.dockerup.configure(registry_auth=path)


def in_auths(guarded: Guarded) -> None:
    guarded.docker_config(auths={f"http://{guarded.host}/v2/": auth()})


def with_a_helper(guarded: Guarded) -> None:
    guarded.docker_config(credHelpers={guarded.host: "ours"})
    guarded.helper("ours", saying("ada", PASSWORD))


def with_the_helper_for_all(guarded: Guarded) -> None:
    guarded.docker_config(credsStore="ours", auths={guarded.host: {}})
    guarded.helper("ours", saying("ada", PASSWORD))


@pytest.mark.parametrize(
    "written",
    [in_the_file_of_the_settings, in_a_file_of_its_own, in_auths, with_a_helper, with_the_helper_for_all],
)
def test_a_login_serves_the_check_and_the_pull_alike(guarded: Guarded, written: Any) -> None:
    written(guarded)
    story = guarded.story
    story.define("app", guarded.push("1"))
    first = story.run(env=guarded.env)
    assert (first.stdout, first.stderr) == ("app: created (not there)\n", "")
    guarded.push("2")
    second = story.run(env=guarded.env)
    assert second.stdout.startswith("app: replaced (newer image: ")
    assert second.stderr == ""
    assert guarded.refused() == 0
    asked = guarded.directory / "asked"
    if asked.exists():  # check and pull share what the helper said: once a run
        assert asked.read_text() == f"get {guarded.host}\n" * 2


def test_a_login_of_the_settings_goes_before_dockers_own(guarded: Guarded) -> None:
    guarded.docker_config(auths={guarded.host: auth(WRONG)})
    in_the_file_of_the_settings(guarded)
    guarded.story.define("app", guarded.push())
    assert guarded.story.run(env=guarded.env).stderr == ""
    assert guarded.refused() == 0


def test_username_and_password_go_to_no_registry_but_docker_hub(guarded: Guarded) -> None:
    guarded.story.dockerup.configure(username="ada", password=WRONG)
    guarded.story.define("app", guarded.push())
    failed = guarded.story.run(code=1, env=guarded.env)
    assert f"{guarded.host} wants a login for team/app, or has no such image" in failed.stderr
    assert guarded.refused() == 0


# What can be wrong.


def test_a_wrong_password_is_one_line_and_one_request_and_stops_nothing(guarded: Guarded) -> None:
    guarded.docker_config(auths={guarded.host: auth()})
    story = guarded.story
    reference = guarded.push()
    for name in ("app", "two", "three"):
        story.define(name, reference)
    story.define("other", guarded.registry.reference("team/other"))
    guarded.open_registry.push(make_image("1"), "team/other")
    story.run(env=guarded.env)
    before = story.ids()
    guarded.docker_config(auths={guarded.host: auth(WRONG)})
    asked = len(guarded.registry.requests())

    told = story.run(env=guarded.env)

    assert told.stdout == ""
    refused = f'{guarded.host} refuses the login of user "ada"'
    assert told.stderr == f"{guarded.host} does not say whether there are newer images: {refused}\n"
    assert WRONG not in told.stderr
    assert len(guarded.registry.requests()) == asked + 1  # how to log in is known from the run before
    assert guarded.refused() == 1
    assert story.run(env=guarded.env).stderr == ""  # said once
    assert guarded.refused() == 1
    assert story.ids() == before


def test_a_wrong_password_for_an_image_that_is_not_here_is_sent_once(guarded: Guarded) -> None:
    guarded.docker_config(auths={guarded.host: auth(WRONG)})
    story = guarded.story
    for name in ("app", "two"):
        story.define(name, guarded.push())
    failed = story.run(code=1, env=guarded.env)
    assert f'{guarded.host} refuses the login of user "ada"' in failed.stderr
    assert "Traceback" not in failed.stderr
    story.run(code=1, env=guarded.env)
    assert guarded.refused() == 1


@pytest.mark.parametrize("pinned", [True, False])
def test_a_wrong_password_goes_to_no_pull_that_follows_no_check(guarded: Guarded, pinned: bool) -> None:
    guarded.docker_config(auths={guarded.host: auth(WRONG)})
    story = guarded.story
    guarded.push()
    digest = guarded.open_registry.push(make_image("1"), "team/app").digest
    for name in ("app", "two", "three"):
        guarded.open_registry.push(make_image("1"), f"team/{name}")
        reference = guarded.registry.reference(f"team/{name}")
        if pinned:
            story.define(name, f"{reference.rpartition(':')[0]}@{digest}")
        else:
            story.define(name, reference, update={"pull": False})
    failed = story.run(code=1, env=guarded.env)
    refusal = f'{guarded.host} refuses the login of user "ada"'
    assert [refusal in line for line in failed.stderr.splitlines()] == [True] * 3
    story.define("else", story.push("else").reference)
    assert refusal not in story.run(code=1, env=guarded.env).stderr  # said once
    story.run(code=1, env=guarded.env)
    assert guarded.refused() == 1
    guarded.docker_config(auths={guarded.host: auth()})
    story.run(env=guarded.env)
    assert set(story.states().values()) == {"running"}


def test_a_broken_config_json_is_told_once_and_costs_no_other_registry(guarded: Guarded) -> None:
    guarded.docker_config(text='{"auths": {\n"hunter2')
    story = guarded.story
    story.define("app", story.push("app").reference)
    story.define("closed", guarded.push())
    failed = story.run(code=1, env=guarded.env)
    path = f"{guarded.directory}/config.json"
    assert failed.stdout == "app: created (not there)\n"
    assert failed.stderr.count(f"{path}: line 2, column 1: this is no JSON.") == 1
    assert "hunter2" not in failed.stderr
    assert path not in story.run(code=1, env=guarded.env).stderr


@pytest.mark.parametrize(
    "text", ['{"auths": {"registry.example": {"auth": "YQ=="}}}', '{"proxies": 1}'], ids=["auth", "proxies"]
)
def test_an_odd_config_json_keeps_nothing_from_being_done(guarded: Guarded, text: str) -> None:
    guarded.docker_config(text)
    story = guarded.story
    story.define("app", story.push("app").reference)

    story.run(env=guarded.env)

    assert story.states() == {"app": "running"}


def test_a_helper_that_is_missing_is_a_clear_sentence_and_stops_nothing(guarded: Guarded) -> None:
    guarded.docker_config(auths={guarded.host: auth()})
    story = guarded.story
    reference = guarded.push()
    story.define("app", reference)
    story.run(env=guarded.env)
    before = story.ids()
    guarded.docker_config(credHelpers={guarded.host: "ecr-login"})
    told = story.run(env=guarded.env)
    assert told.stderr == (
        f"{guarded.host} does not say whether there are newer images: {guarded.host} wants the credential "
        "helper docker-credential-ecr-login, which is not installed: "
        "apt-get install amazon-ecr-credential-helper\n"
    )
    assert story.ids() == before


def test_a_helper_that_fails_keeps_no_image_from_being_pulled_without_a_login(guarded: Guarded) -> None:
    story = guarded.story
    open_host = story.registry.host
    guarded.docker_config(credHelpers={guarded.host: "bad", open_host: "bad"})
    guarded.helper("bad", "echo $(cat) >> $DOCKER_CONFIG/asked; echo hunter2 >&2; exit 1")
    story.define("app", story.push("app").reference)
    story.define("closed", guarded.push())
    failed = story.run(code=1, env=guarded.env)
    assert failed.stdout == "app: created (not there)\n"
    assert f"docker-credential-bad gave no login for {guarded.host} (exit code 1)" in failed.stderr
    assert "hunter2" not in failed.stderr
    asked = (guarded.directory / "asked").read_text().split()
    assert sorted(asked) == sorted([guarded.host, open_host])


def test_a_secret_that_others_may_read_is_a_fault_and_all_else_goes_on(guarded: Guarded) -> None:
    in_the_file_of_the_settings(guarded)
    path = guarded.directory / "registry-auth.json"
    path.chmod(0o644)
    story = guarded.story
    story.define("app", story.push("app").reference)
    ran = story.run(code=2, env=guarded.env)
    fault = f"{path}: others may read this secret (mode 0644). Run: chmod 0600 {path}"
    assert ran.stdout == "app: created (not there)\n"
    assert ran.stderr == f"{fault}\n"
    assert story.run("validate", code=2, env=guarded.env).stderr == f"{fault}\n"
    path.chmod(0o600)
    assert story.run("validate", env=guarded.env).stdout == "No faults found.\n"


def test_validate_reads_the_files_of_passwords(guarded: Guarded) -> None:
    in_a_file_of_its_own(guarded)
    secret = guarded.directory / "password"
    secret.write_text("two\nlines\n")
    told = guarded.story.run("validate", code=2, env=guarded.env)
    place = f"{guarded.directory}/registry-auth.json:1: {guarded.host}"
    assert told.stderr.startswith(f"{place}: {secret} holds not one line of text.")
    assert "lines" not in told.stderr


# Identity tokens: distribution's docs/spec/auth/oauth.md.


@contextlib.contextmanager
def token_registry(tmp_path: Path, guarded: Guarded, login: Login) -> Iterator[tuple[Registry, TokenService]]:
    service = TokenService(tmp_path / "tokens", login)
    config = {
        **service.registry_config,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "plain" / "data")}},
    }
    with service.site, running(Registry(tmp_path / "with-tokens", config)) as registry:
        yield registry, service


@pytest.mark.parametrize("with_helper", [True, False])
def test_an_identity_token_serves_the_check_and_the_pull_alike(
    guarded: Guarded, tmp_path: Path, with_helper: bool
) -> None:
    story = guarded.story
    with token_registry(tmp_path, guarded, Login("", identity_token=TOKEN)) as (registry, service):
        if with_helper:
            guarded.docker_config(credHelpers={registry.host: "ours"})
            guarded.helper("ours", saying("<token>", TOKEN))
        else:
            entry = {"auth": b64encode(b"0:").decode(), "identitytoken": TOKEN}
            guarded.docker_config(auths={registry.host: entry})
        guarded.push()
        story.define("app", registry.reference("team/app"))
        ran = story.run(env=guarded.env)
        assert (ran.stdout, ran.stderr) == ("app: created (not there)\n", "")
        ours, engines = service.site.requests
        assert ours.form == {
            "grant_type": "refresh_token",
            "refresh_token": TOKEN,
            "service": "registry",
            "client_id": "dockerup",
            "scope": "repository:team/app:pull",
        }
        assert (engines.method, engines.form["refresh_token"]) == ("POST", TOKEN)


def test_a_password_serves_with_a_token_service_too(guarded: Guarded, tmp_path: Path) -> None:
    story = guarded.story
    with token_registry(tmp_path, guarded, LOGIN) as (registry, service):
        guarded.docker_config(auths={registry.host: auth()})
        guarded.push()
        story.define("app", registry.reference("team/app"))
        assert story.run(env=guarded.env).stdout == "app: created (not there)\n"
        assert {request.method for request in service.site.requests} == {"GET"}


def test_a_token_that_is_refused_is_sent_once_however_many_images(guarded: Guarded, tmp_path: Path) -> None:
    with token_registry(tmp_path, guarded, Login("", identity_token=TOKEN)) as (registry, service):
        refs = [parse_reference(registry.reference(f"app{number}")) for number in range(10)]
        answers = ask(refs, login_for=lambda _domain: Login("", identity_token=WRONG))
        reasons = {getattr(answer, "reason", "") for answer in answers.values()}
        assert reasons == {f"{registry.host} refuses the login of the stored identity token"}
        assert len(service.site.requests) == 1


def test_a_token_is_posted_to_no_other_host_and_to_no_registry_that_wants_a_password(
    guarded: Guarded, tmp_path: Path
) -> None:
    login = Login("", identity_token=TOKEN)
    with Site(Reply()) as other, Site(Reply(307, {"Location": f"{other.url}/token"})) as tokens:
        refusal = Reply(401, {"WWW-Authenticate": f'Bearer realm="{tokens.url}/token",service="s"'})
        with Site(refusal) as site:
            assert reason(site.ref(), login_for=lambda _domain: login) == (
                f"{tokens.host} gave no token for {site.host} (307)"
            )
    assert other.requests == []
    told = reason(parse_reference(f"{guarded.host}/app"), login_for=lambda _domain: login)
    assert told == f"{guarded.host} wants a password, and what is stored for it is an identity token"
