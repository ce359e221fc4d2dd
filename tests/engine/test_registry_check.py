"""The registry check against a real registry, and against servers that do what one does on bad days."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from dockerup.image import Answer, ImageRef, Known, Unknown, parse_reference
from dockerup.registry import Login, Timeouts, check
from tests.testbed.images import Image, make_image
from tests.testbed.registry import Registry
from tests.testbed.waiting import free_port

LOGIN = Login("ada", "pa:ss wörd")
# LOGIN as "htpasswd -nbB -C 4" writes it.
HTPASSWD = "ada:$2b$04$yk6DBhiVYSNSm5CTpOykT.BdjkLYVp3eQie.rwGUTzO.vnMS9c9G2"
SHA = "sha256:" + "ab" * 32
QUICK = Timeouts(connect=1.0, read=0.3, total=20.0)


def reason(ref: ImageRef, **more: Any) -> str:
    answer = check([ref], **more)[ref]
    assert isinstance(answer, Unknown), answer
    assert LOGIN.password not in answer.reason
    return answer.reason


# A real registry.


@pytest.fixture(scope="module")
def image() -> Image:
    return make_image()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Registry]:
    with running(Registry(tmp_path / "plain")) as registry:
        yield registry


@contextlib.contextmanager
def running(registry: Registry) -> Iterator[Registry]:
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def test_the_digest_is_that_of_what_was_pushed_last(plain: Registry, image: Image) -> None:
    first = plain.push(image, "team/web", "1")
    ref = parse_reference(first.reference)
    assert check([ref]) == {ref: Known(first.digest)}
    second = plain.push(make_image("2"), "team/web", "1")
    assert second.digest != first.digest
    assert check([ref]) == {ref: Known(second.digest)}


def test_fifty_images_of_one_registry_are_fifty_requests(plain: Registry, image: Image) -> None:
    refs = [parse_reference(plain.push(image, "app", f"v{number}").reference) for number in range(50)]
    before = len(plain.requests())
    answers = check([*refs, *refs])
    assert answers == dict.fromkeys(refs, Known(image.digest))
    asked = plain.requests()[before:]
    assert sorted(asked) == sorted(f"HEAD /v2/app/manifests/v{number}" for number in range(50))


def test_the_digest_is_the_one_that_the_engine_lists_after_a_pull(
    registry: Registry, client: Any, image: Image
) -> None:
    ref = parse_reference(registry.push(image, "team/listed", "1").reference)
    client.pull(ref.familiar_name, ref.tag)
    answer = check([ref])[ref]
    assert isinstance(answer, Known)
    assert client.inspect_image(ref.familiar)["RepoDigests"] == [ref.with_digest(answer.digest).familiar]
    assert client.inspect_image(ref.familiar)["RepoTags"] == [ref.familiar]


def test_a_tag_that_is_not_there_is_unknown(plain: Registry) -> None:
    before = len(plain.requests())
    assert reason(parse_reference(f"{plain.host}/none:1")) == f"{plain.host} has no such tag: none:1"
    assert len(plain.requests()) == before + 1


def test_a_registry_that_is_down_is_unknown_for_all_of_its_images() -> None:
    host = f"127.0.0.1:{free_port()}"
    refs = [parse_reference(f"{host}/app{number}") for number in range(50)]
    assert check(refs) == dict.fromkeys(refs, Unknown(f"{host} refuses connections"))


@pytest.fixture
def guarded(plain: Registry, tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants LOGIN, over what was pushed to the plain one."""
    (tmp_path / "htpasswd").write_text(f"{HTPASSWD}\n")
    config = {
        "auth": {"htpasswd": {"realm": "ours", "path": str(tmp_path / "htpasswd")}},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "plain" / "data")}},
    }
    with running(Registry(tmp_path / "guarded", config)) as registry:
        yield registry


def test_a_registry_with_passwords_answers_to_the_right_one(
    plain: Registry, guarded: Registry, image: Image
) -> None:
    plain.push(image, "app", "1")
    refs = [parse_reference(f"{guarded.host}/app:{tag}") for tag in ("1", "gone")]
    before = len(guarded.requests())
    answers = check(refs, login_for={guarded.host: LOGIN}.get)
    assert answers == {
        refs[0]: Known(image.digest),
        refs[1]: Unknown(f"{guarded.host} has no such tag: app:gone"),
    }
    assert len(guarded.requests()) == before + 3  # the first one only is told that a login is wanted


def test_a_registry_with_passwords_says_when_it_wants_one(guarded: Registry) -> None:
    told = reason(parse_reference(f"{guarded.host}/app"))
    assert told == f"{guarded.host} wants a login for app, or has no such image"


def test_a_wrong_password_is_sent_once_however_many_images(guarded: Registry) -> None:
    refs = [parse_reference(f"{guarded.host}/app{number}") for number in range(20)]
    before = len(guarded.requests())
    answers = check(refs, login_for=lambda _domain: Login("ada", "wrong-secret"))
    assert answers == dict.fromkeys(refs, Unknown(f'{guarded.host} refuses the login of user "ada"'))
    assert len(guarded.requests()) == before + 2


# Servers that do what a registry may do. A reply is a status, headers and a body.


@dataclass
class Request:
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)


@dataclass
class Reply:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


DIGEST = Reply(headers={"Docker-Content-Digest": SHA})
Answering = Callable[[Request], Reply]


class Site:
    """A server on 127.0.0.1 that answers by a function, and keeps what it was asked."""

    def __init__(self, answer: Answering | Reply, certificate: Path | None = None) -> None:
        self.answer: Answering = (lambda _request: answer) if isinstance(answer, Reply) else answer
        self.requests: list[Request] = []
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # TLS tried on plain HTTP
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{self.scheme}://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def ref(self, name: str = "app") -> ImageRef:
        return parse_reference(f"{self.host}/{name}:1")

    @property
    def authorizations(self) -> list[str | None]:
        return [request.headers.get("authorization") for request in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5

    def __init__(self, site: Site, *arguments: Any) -> None:
        self.site = site
        super().__init__(*arguments)

    def setup(self) -> None:
        super().setup()
        self.site.connections += 1

    def do_HEAD(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        self.site.requests.append(request)
        reply = self.site.answer(request)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_CONNECT = do_HEAD  # noqa: N815  # http.server's names

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate, with its key, for 127.0.0.1 and 0.0.0.0."""
    pem = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=site", "-addext", "subjectAltName=IP:127.0.0.1,IP:0.0.0.0", "-days", "2"]
    made = subprocess.run([*command, "-keyout", "-", "-out", "-"], capture_output=True, check=True)
    pem.write_bytes(made.stdout)
    return pem


def basic(login: Login) -> str:
    return f"Basic {b64encode(f'{login.username}:{login.password}'.encode()).decode()}"


def wants_basic(then: Reply) -> Answering:
    refusal = Reply(401, {"WWW-Authenticate": 'Basic realm="x"'})
    return lambda request: then if "authorization" in request.headers else refusal


# What a registry is asked, and how it may answer.


def test_a_request_accepts_single_and_multi_platform_manifests_of_both_families() -> None:
    with Site(DIGEST) as site:
        assert check([site.ref()]) == {site.ref(): Known(SHA)}
    accepted = site.requests[0].headers["accept"].split(", ")
    assert sorted(accepted) == [
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
    ]


def test_connections_are_kept_and_no_more_than_wanted_at_once() -> None:
    with Site(DIGEST) as site:
        refs = [site.ref(f"app{number}") for number in range(50)]
        assert check(refs, concurrency=4) == dict.fromkeys(refs, Known(SHA))
    assert len(site.requests) == 50
    assert site.connections <= 5  # one of them tried TLS


@pytest.mark.parametrize(
    "head", [Reply(405), Reply(501), Reply(404), Reply(200), Reply(200, {"Docker-Content-Digest": "x"})]
)
def test_where_head_tells_nothing_the_manifest_itself_is_digested(head: Reply) -> None:
    body = b'{"schemaVersion": 2}'
    with Site(lambda request: head if request.method == "HEAD" else Reply(body=body)) as site:
        assert check([site.ref()]) == {site.ref(): Known(f"sha256:{hashlib.sha256(body).hexdigest()}")}
    assert [request.method for request in site.requests] == ["HEAD", "GET"]


def test_a_manifest_past_all_bounds_is_not_read() -> None:
    with Site(
        lambda request: Reply(405 if request.method == "HEAD" else 200, body=b"x" * ((4 << 20) + 1))
    ) as site:
        assert "more than 4194304 bytes" in reason(site.ref())


def test_a_manifest_of_the_first_schema_has_no_digest_of_its_body() -> None:
    old = Reply(
        headers={"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}, body=b"{}"
    )
    with Site(old) as site:
        assert "before 2016" in reason(site.ref())


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(503), "has a fault of its own (503)"),
        (Reply(418), "gave an answer that is none (418)"),
        (Reply(403), "wants a login for app, or has no such image"),
        (Reply(429, {"Retry-After": "120"}), "limits how often it is asked, and wants a wait of 120 s (429)"),
        (Reply(429), "limits how often it is asked (429)"),
        (Reply(302, {"Location": "file:///etc/passwd"}), "redirects to what is no https address"),
    ],
)
def test_a_refusal_is_unknown_and_says_which_registry(reply: Reply, told: str) -> None:
    with Site(reply) as site:
        assert reason(site.ref()) == f"{site.host} {told}"


def test_a_registry_that_limits_requests_gets_no_more_of_them() -> None:
    with Site(Reply(429)) as site:
        refs = [site.ref(f"app{number}") for number in range(20)]
        assert all(isinstance(answer, Unknown) for answer in check(refs).values())
    assert len(site.requests) == 1


@pytest.mark.parametrize(("cuts", "known"), [(1, True), (9, False)])
def test_an_answer_cut_off_is_asked_for_once_more(cuts: int, known: bool) -> None:
    def answer(_request: Request) -> Reply:
        if len(site.requests) <= cuts:
            raise ConnectionAbortedError
        return DIGEST

    with Site(answer) as site:
        expected = Known(SHA) if known else Unknown(f"{site.host} closes connections without an answer")
        assert check([site.ref()]) == {site.ref(): expected}
    assert len(site.requests) == 2


def test_a_login_that_cannot_be_looked_up_is_unknown_without_its_text() -> None:
    def login_for(_domain: str) -> Login:
        raise OSError("hunter2")

    with Site(wants_basic(DIGEST)) as site:
        assert reason(site.ref(), login_for=login_for) == f"{site.host} could not be asked (OSError)"


# Redirects.


def test_no_credential_follows_a_redirect_to_another_host() -> None:
    with Site(DIGEST) as other, Site(wants_basic(Reply(307, {"Location": f"{other.url}/blob"}))) as site:
        assert check([site.ref()], login_for=lambda _domain: LOGIN) == {site.ref(): Known(SHA)}
    assert site.authorizations == [None, basic(LOGIN)]
    assert other.authorizations == [None]


def test_a_redirect_within_the_registry_keeps_the_credential() -> None:
    def answer(request: Request) -> Reply:
        return (
            DIGEST if request.path == "/moved" else wants_basic(Reply(307, {"Location": "/moved"}))(request)
        )

    with Site(answer) as site:
        assert check([site.ref()], login_for=lambda _domain: LOGIN) == {site.ref(): Known(SHA)}
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
        assert check(refs) == dict.fromkeys(refs, Known(SHA))
    assert sorted(request.query["scope"][0] for request in tokens.requests) == sorted(
        f"repository:app{number}:pull" for number in range(10)
    )
    assert tokens.requests[0].query == {"x": ["1"], "service": ["ours"], "scope": ["repository:app0:pull"]}
    assert len(site.requests) == len(refs) + 1


def test_the_login_goes_to_the_realm_and_the_registry_gets_the_token_only() -> None:
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token")) as site:
        assert check([site.ref()], login_for=lambda _domain: LOGIN) == {site.ref(): Known(SHA)}
    assert tokens.authorizations == [basic(LOGIN)]
    assert tokens.requests[0].query["account"] == [LOGIN.username]
    assert site.authorizations == [None, "Bearer for repository:app:pull"]


def test_a_login_that_the_realm_refuses_is_sent_once_however_many_images() -> None:
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token")) as site:
        refs = [site.ref(f"app{number}") for number in range(10)]
        answers = check(refs, login_for=lambda _domain: Login("eve", "wrong-secret"))
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


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b"<html>"])
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
        answers = check([closed, *others], login_for=lambda _domain: LOGIN)
    assert answers.pop(closed) == Unknown(f'{site.host} does not let user "ada" pull closed, or has none')
    assert answers == dict.fromkeys(others, Known(SHA))


def test_a_registry_with_tls_cannot_have_logins_sent_in_clear(certificate: Path) -> None:
    with Site(token_service(LOGIN)) as tokens, Site(wants_token(f"{tokens.url}/token"), certificate) as site:
        assert "without TLS" in reason(site.ref(), login_for=lambda _domain: LOGIN)
    assert tokens.requests == []


# TLS. 0.0.0.0 reaches this machine and is not loopback.


def test_on_loopback_any_certificate_will_do(certificate: Path) -> None:
    with Site(DIGEST, certificate) as site:
        assert check([site.ref()]) == {site.ref(): Known(SHA)}


def test_beyond_loopback_a_certificate_must_be_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site(wants_basic(DIGEST), certificate) as site:
        ref = parse_reference(f"0.0.0.0:{site.port}/app")
        assert "certificate that is not trusted (self-signed certificate)" in reason(ref)
        assert site.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert check([ref], login_for=lambda _domain: LOGIN) == {ref: Known(SHA)}


def test_beyond_loopback_there_is_no_way_without_tls() -> None:
    with Site(DIGEST) as site:
        assert "does not speak TLS" in reason(parse_reference(f"0.0.0.0:{site.port}/app"))
    assert site.requests == []


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
        answers = check([site.ref(), parse_reference("nginx")])
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
    assert told == "registry.invalid has a name for which no address is found"


# Time.


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes connections and never says anything."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=200)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_registry_that_hangs_holds_up_no_other(hanging: str) -> None:
    hung = [parse_reference(f"{hanging}/app{number}") for number in range(30)]
    with Site(DIGEST) as site:
        refs = [site.ref(f"app{number}") for number in range(30)]
        began = time.monotonic()
        answers = check([*hung, *refs], concurrency=4, timeouts=QUICK)
        took = time.monotonic() - began
    assert [answers[ref] for ref in refs] == [Known(SHA)] * 30
    assert {answers[ref] for ref in hung} == {
        Unknown(f"{hanging} takes requests and gives no answer in time")
    }
    assert took < 8  # two waits of a second for a handshake, not thirty


def test_one_image_that_hangs_leaves_the_others_of_its_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()

    def answer(request: Request) -> Reply:
        if "/slow/" in request.path:
            ends.wait(10)
        return DIGEST

    with Site(answer) as site:
        slow, others = site.ref("slow"), [site.ref(f"app{number}") for number in range(10)]
        answers = check([slow, *others], timeouts=QUICK)
        ends.set()
    assert [answers[ref] for ref in others] == [Known(SHA)] * 10
    assert isinstance(answers[slow], Unknown)


def test_the_deadline_of_all_checks_holds_and_no_thread_keeps_the_process(hanging: str) -> None:
    program = (
        "import sys\n"
        "from dockerup.image import parse_reference\n"
        "from dockerup.registry import Timeouts, check\n"
        f"refs = [parse_reference('{hanging}/app%d' % number) for number in range(20)]\n"
        "assert 'requests' not in sys.modules  # a run that asks nothing does not pay for it\n"
        "import socket, threading\n"
        "socket.getaddrinfo = lambda *_: threading.Event().wait()  # no resolver has a time limit\n"
        "answers = check(refs, timeouts=Timeouts(connect=60, read=60, total=0.5))\n"
        "print(len(answers), {answer.reason for answer in answers.values()})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    )
    told = f"{hanging} gave no answer within the 0.5 s that all checks together may take"
    assert done.stdout == f"20 {{'{told}'}}\n"


def test_an_answer_that_comes_in_drops_ends_at_the_deadline() -> None:
    def answers(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = server.accept()
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX: ")
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while not over.wait(0.05):
                connection.sendall(b"x")

    over = threading.Event()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=answers, args=(server,), daemon=True).start()
        ref = parse_reference(f"127.0.0.1:{server.getsockname()[1]}/app")
        answer: Answer = check([ref], timeouts=Timeouts(connect=1, read=1, total=0.8))[ref]
        over.set()
        server.shutdown(socket.SHUT_RDWR)
    assert isinstance(answer, Unknown)
