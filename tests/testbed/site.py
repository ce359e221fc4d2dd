"""Servers on loopback that do what a registry may do, and keep what they were asked."""

from __future__ import annotations

import functools
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qs, parse_qsl, urlsplit

from dockerup.image import Answer, ImageRef, Unknown, parse_reference
from dockerup.logins import Login
from dockerup.registry import Manner, check
from dockerup.registry_memory import RegistryMemory

LOGIN = Login("ada", "pa:ss wörd")
SHA = "sha256:" + "ab" * 32


NOW = 1_900_000_000.0


def ask(refs: Iterable[ImageRef], **manner: Any) -> dict[ImageRef, Answer]:
    """Return what registries say that nothing is remembered of, asked as `manner` says."""
    return dict(check(refs, Manner(**manner), RegistryMemory(), NOW).answers)


def reason(ref: ImageRef, **more: Any) -> str:
    answer = ask([ref], **more)[ref]
    assert isinstance(answer, Unknown), answer
    assert LOGIN.password not in answer.reason
    return answer.reason


@dataclass
class Request:
    """What came; `peer` is the name in the certificate of who asks, "" where none was shown."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    peer: str = ""

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass
class Reply:
    """A status, headers and a body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


DIGEST = Reply(headers={"Docker-Content-Digest": SHA})
Answering = Callable[[Request], Reply]


class Site:
    """A server on 127.0.0.1 that answers by a function, and keeps what it was asked.

    With a `certificate` it speaks TLS. With `clients`, an authority, it wants to know who asks, but need not.
    """

    def __init__(
        self, answer: Answering | Reply, certificate: Path | None = None, clients: Path | None = None
    ) -> None:
        self.answer: Answering = (lambda _request: answer) if isinstance(answer, Reply) else answer
        self.requests: list[Request] = []
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # TLS tried on plain HTTP
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            if clients:
                context.load_verify_locations(clients)
                context.verify_mode = ssl.CERT_OPTIONAL
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
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(self.command, self.path, headers, body, _shown_by(self.connection))
        self.site.requests.append(request)
        reply = self.site.answer(request)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_POST = do_CONNECT = do_HEAD  # noqa: N815  # http.server's names

    def log_message(self, *_arguments: object) -> None:
        pass


def _shown_by(connection: object) -> str:
    shown: Any = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    return dict(part[0] for part in shown["subject"])["commonName"] if shown else ""


def basic(login: Login) -> str:
    return f"Basic {b64encode(f'{login.username}:{login.password}'.encode()).decode()}"


def wants_basic(then: Reply) -> Answering:
    refusal = Reply(401, {"WWW-Authenticate": 'Basic realm="x"'})
    return lambda request: then if "authorization" in request.headers else refusal
