"""Where the registry check sends a login and where it never does: redirects, tokens, TLS, the environment."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dockerup.image import Known, Unknown, parse_reference
from dockerup.logins import Login
from tests.testbed.site import (
    DIGEST,
    LOGIN,
    SHA,
    Answering,
    Reply,
    Request,
    Site,
    ask,
    basic,
    reason,
    wants_basic,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate, with its key, for 127.0.0.1 and 0.0.0.0."""
    pem = tmp_path_factory.mktemp("tls") / "both.pem"
    return self_signed(pem, "subjectAltName=IP:127.0.0.1,IP:0.0.0.0")


def self_signed(pem: Path, names: str, *key: str) -> Path:
    """Write a certificate and its key, which is locked where `key` says how."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-subj", "/CN=site", "-addext", names, "-days", "2", *(key or ("-nodes",))]
    made = subprocess.run([*command, "-keyout", "-", "-out", "-"], capture_output=True, check=True)
    pem.write_bytes(made.stdout)
    return pem


def held(tmp_path: Path, host: str, files: Mapping[str, str]) -> None:
    """Put files into the directory that a certs.d has for a host."""
    directory = tmp_path / "certs.d" / host
    directory.mkdir(parents=True, mode=0o755)
    for name, text in files.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)


# Redirects.


def test_no_credential_follows_a_redirect_to_another_host() -> None:
    with Site(DIGEST) as other, Site(wants_basic(Reply(307, {"Location": f"{other.url}/blob"}))) as site:
        assert ask([site.ref()], login_for=lambda _domain: LOGIN) == {site.ref(): Known(SHA)}
    assert site.authorizations == [None, basic(LOGIN)]
    assert other.authorizations == [None]


# urllib.parse takes what stands behind the "@" for the host, and urllib3 what stands before the backslash.
TWO_HOSTS = "http://{other}\\@{own}/x"


def test_no_credential_follows_a_redirect_to_a_host_that_looks_like_the_registry() -> None:
    def answer(request: Request) -> Reply:
        target = TWO_HOSTS.format(other=other.host, own=site.host)
        return wants_basic(Reply(307, {"Location": target}))(request)

    with Site(DIGEST) as other, Site(answer) as site:
        told = reason(site.ref(), login_for=lambda _domain: LOGIN)
    assert told == f"{site.host} redirects to what is no https address"
    assert other.requests == []


def test_a_redirect_within_the_registry_keeps_the_credential() -> None:
    def answer(request: Request) -> Reply:
        return (
            DIGEST if request.path == "/moved" else wants_basic(Reply(307, {"Location": "/moved"}))(request)
        )

    with Site(answer) as site:
        assert ask([site.ref()], login_for=lambda _domain: LOGIN) == {site.ref(): Known(SHA)}
    assert site.authorizations == [None, basic(LOGIN), basic(LOGIN)]


def test_a_host_redirected_to_cannot_ask_for_the_registrys_login() -> None:
    with Site(wants_basic(DIGEST)) as other, Site(Reply(307, {"Location": f"{other.url}/x"})) as site:
        told = reason(site.ref(), login_for=lambda _domain: LOGIN)
    assert told == f"{site.host} redirects to {other.host}, which refuses"
    assert site.authorizations + other.authorizations == [None, None]


def test_no_redirect_leads_from_tls_to_clear_text(certificate: Path) -> None:
    with Site(DIGEST) as other, Site(Reply(302, {"Location": f"{other.url}/x"}), certificate) as site:
        assert "no https address" in reason(site.ref())
    assert other.requests == []


def test_redirects_end() -> None:
    with Site(Reply(302, {"Location": "/again"})) as site:
        assert "more than 5 times" in reason(site.ref())
    assert len(site.requests) == 6


# Tokens, as in distribution's docs/spec/auth/token.md.


def token_service(login: Login | None = None) -> Answering:
    def answer(request: Request) -> Reply:
        if request.headers.get("authorization") != (basic(login) if login else None):
            return Reply(401)
        return Reply(body=json.dumps({"token": f"for {request.query['scope'][0]}"}).encode())

    return answer


def wants_token(realm: str, then: Reply = DIGEST) -> Answering:
    def answer(request: Request) -> Reply:
        scope = f"repository:{request.path.split('/')[2]}:pull"
        if request.headers.get("authorization") == f"Bearer for {scope}":
            return then
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="ours",scope="{scope}"'})

    return answer


def test_a_token_is_fetched_for_each_repository_and_the_challenge_met_once() -> None:
    with Site(token_service()) as tokens, Site(wants_token(f"{tokens.url}/token?x=1")) as site:
        refs = [site.ref(f"app{number}") for number in range(10)] + [parse_reference(f"{site.host}/app0:2")]
        assert ask(refs) == dict.fromkeys(refs, Known(SHA))
    assert sorted(request.query["scope"][0] for request in tokens.requests) == sorted(
        f"repository:app{number}:pull" for number in range(10)
    )
    assert tokens.requests[0].query == {"x": ["1"], "service": ["ours"], "scope": ["repository:app0:pull"]}
    assert len(site.requests) == len(refs) + 1


def test_the_login_goes_to_the_realm_and_the_registry_gets_the_token_only() -> None:
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token")) as site:
        assert ask([site.ref()], login_for=lambda _domain: LOGIN) == {site.ref(): Known(SHA)}
    assert tokens.authorizations == [basic(LOGIN)]
    assert tokens.requests[0].query["account"] == [LOGIN.username]
    assert site.authorizations == [None, "Bearer for repository:app:pull"]


def test_a_login_that_the_realm_refuses_is_sent_once_however_many_images() -> None:
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token")) as site:
        refs = [site.ref(f"app{number}") for number in range(10)]
        answers = ask(refs, login_for=lambda _domain: Login("eve", "wrong-secret"))
    assert answers == dict.fromkeys(refs, Unknown(f'{site.host} refuses the login of user "eve"'))
    assert len(tokens.requests) == 1


def test_without_a_login_a_realm_that_wants_one_is_unknown() -> None:
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token")) as site:
        assert reason(site.ref()) == f"{site.host} wants a login for app, or has no such image"


def test_a_token_that_opens_nothing_is_not_tried_twice() -> None:
    refusing = Reply(401, {"WWW-Authenticate": 'Bearer realm="x"'})
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token", refusing)) as site:
        assert 'does not let user "ada" pull app' in reason(site.ref(), login_for=lambda _domain: LOGIN)
    assert (len(site.requests), len(tokens.requests)) == (2, 1)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b'{"token": 1}', b"<html>", b'{"access_token": ""}', b'{"token": "a\\nb"}'),
        '{"token": "\u4f60"}'.encode(),
    ],
)
def test_a_realm_that_gives_no_token_is_unknown(body: bytes) -> None:
    with Site(Reply(body=body)) as tokens, Site(wants_token(f"{tokens.url}/token")) as site:
        assert reason(site.ref()) == f"{tokens.host} gave no token for {site.host}"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (403, '{site} does not let user "ada" pull app, or has none'),
        (404, "{tokens} gave no token for {site} (404)"),
        (429, "{site} limits how often it is asked (429)"),
    ],
)
def test_a_realm_that_refuses_says_why(status: int, told: str) -> None:
    with Site(Reply(status)) as tokens, Site(wants_token(f"{tokens.url}/token")) as site:
        expected = told.format(site=site.host, tokens=tokens.host)
        assert reason(site.ref(), login_for=lambda _domain: LOGIN) == expected


def test_a_user_who_may_not_pull_one_image_may_pull_the_others() -> None:
    def answer(request: Request) -> Reply:
        return wants_basic(Reply(403) if "/closed/" in request.path else DIGEST)(request)

    with Site(answer) as site:
        closed, others = site.ref("closed"), [site.ref(f"app{number}") for number in range(5)]
        answers = ask([closed, *others], login_for=lambda _domain: LOGIN)
    assert answers.pop(closed) == Unknown(f'{site.host} does not let user "ada" pull closed, or has none')
    assert answers == dict.fromkeys(others, Known(SHA))


def test_a_registry_with_tls_cannot_have_logins_sent_in_clear(certificate: Path) -> None:
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token"), certificate) as site:
        assert "no https address" in reason(site.ref(), login_for=lambda _domain: LOGIN)
    assert tokens.requests == []


def test_no_login_goes_to_a_realm_that_looks_like_the_registry() -> None:
    def answer(_request: Request) -> Reply:
        realm = TWO_HOSTS.format(other=tokens.host, own=site.host).replace("\\", "\\\\")
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}"'})

    with Site(token_service(LOGIN)) as tokens, Site(answer) as site:
        assert "no https address" in reason(site.ref(), login_for=lambda _domain: LOGIN)
    assert tokens.requests == []


# TLS. 0.0.0.0 reaches this machine and is not loopback.


def test_on_loopback_any_certificate_will_do(certificate: Path) -> None:
    with Site(DIGEST, certificate) as site:
        assert ask([site.ref()]) == {site.ref(): Known(SHA)}


def test_beyond_loopback_a_certificate_must_be_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site(wants_basic(DIGEST), certificate) as site:
        ref = parse_reference(f"0.0.0.0:{site.port}/app")
        assert "certificate that is not trusted (self-signed certificate)" in reason(ref)
        assert site.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert ask([ref], login_for=lambda _domain: LOGIN) == {ref: Known(SHA)}


def test_beyond_loopback_there_is_no_way_without_tls() -> None:
    with Site(DIGEST) as site:
        assert "does not speak TLS" in reason(parse_reference(f"0.0.0.0:{site.port}/app"))
    assert site.requests == []


def test_a_certificate_must_be_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = self_signed(tmp_path / "other.pem", "subjectAltName=IP:192.0.2.1,DNS:other.example.com")
    with Site(wants_basic(DIGEST), other) as site:
        ref = parse_reference(f"0.0.0.0:{site.port}/app")
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
        assert "certificate that is not trusted" in reason(ref, login_for=lambda _domain: LOGIN)
        monkeypatch.delenv("SSL_CERT_FILE")
        held(tmp_path, ref.domain, {"ca.crt": other.read_text()})
        told = reason(ref, login_for=lambda _domain: LOGIN, certificates=str(tmp_path / "certs.d"))
        assert "certificate that is not trusted" in told
    assert site.requests == []


def test_an_insecure_registry_makes_no_other_host_insecure(certificate: Path) -> None:
    with Site(DIGEST, certificate) as other:
        beyond = f"https://0.0.0.0:{other.port}"
        with Site(Reply(307, {"Location": f"{beyond}/x"})) as site:
            assert "certificate that is not trusted" in reason(site.ref())
        with Site(Reply(401, {"WWW-Authenticate": f'Bearer realm="{beyond}/token"'})) as site:
            told = reason(site.ref(), login_for=lambda _domain: LOGIN)
            assert "certificate that is not trusted" in told
    assert other.requests == []


def test_a_client_certificate_is_shown_to_its_own_registry_only(certificate: Path, tmp_path: Path) -> None:
    client = self_signed(tmp_path / "client.pem", "subjectAltName=DNS:client")
    with Site(DIGEST, certificate, client) as other:
        answer = Reply(307, {"Location": f"https://{other.host}/x"})
        with Site(answer, certificate, client) as site:
            pem = client.read_text()
            held(tmp_path, site.host, {"us.cert": pem, "us.key": pem})
            manner = {"certificates": str(tmp_path / "certs.d")}
            assert ask([site.ref()], **manner) == {site.ref(): Known(SHA)}
    assert [request.peer for request in site.requests] == ["site"]
    assert [request.peer for request in other.requests] == [""]


@pytest.mark.parametrize(
    "files",
    [
        {"ca.crt": "no certificate"},
        {"ca.crt": "kein schönes"},
        {"ca.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {"us.cert": "no certificate", "us.key": "no key"},
    ],
    ids=["text", "odd text", "no DER", "pair"],
)
def test_a_file_in_certs_d_that_is_none_is_said(tmp_path: Path, files: dict[str, str]) -> None:
    with Site(DIGEST) as site:
        held(tmp_path, site.host, files)
        told = reason(site.ref(), certificates=str(tmp_path / "certs.d"))
    assert told == (
        f"what the engine's certs.d has for {site.host} cannot be used: "
        "a file is no PEM, or a key wants a password"
    )
    assert site.requests == []


def test_nobody_is_asked_for_the_password_of_a_key(tmp_path: Path) -> None:
    host = "127.0.0.1:1"
    pem = self_signed(tmp_path / "locked.pem", "subjectAltName=DNS:x", "-passout", "pass:hunter2").read_text()
    held(tmp_path, host, {"us.cert": pem, "us.key": pem})
    program = (
        "from tests.testbed.site import *\n"
        f"print(reason(parse_reference('{host}/app'), certificates='{tmp_path / 'certs.d'}'))\n"
    )
    command = [sys.executable, "-c", program]
    # Without a terminal OpenSSL asks on stderr, and reads the answer from stdin.
    asked = subprocess.run(
        command, input="hunter2\n", capture_output=True, text=True, check=True, start_new_session=True
    )
    assert asked.stdout.endswith("or a key wants a password\n")
    assert asked.stderr == ""


# The environment.


def test_a_netrc_file_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Site(wants_basic(DIGEST)) as site:
        assert "wants a login" in reason(site.ref())
    assert site.authorizations == [None]


def test_a_proxy_is_used_beyond_loopback_and_its_password_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Site(Reply(403)) as proxy, Site(DIGEST) as site:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://me:hunter2@{proxy.host}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "spared.invalid")
        answers = ask([site.ref(), parse_reference("nginx")])
    assert answers[site.ref()] == Known(SHA)
    assert answers[parse_reference("nginx")] == Unknown("docker.io cannot be reached through the proxy")
    assert [(request.method, request.path) for request in proxy.requests] == [
        ("CONNECT", "registry-1.docker.io:443")
    ]


def test_a_name_that_nobody_knows_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_arguments: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    told = reason(parse_reference("registry.invalid/app"))
    assert told == "registry.invalid cannot be found: no address is known of that name"
