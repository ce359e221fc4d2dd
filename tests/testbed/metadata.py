"""A stand-in for the EC2 instance metadata service on loopback, the one part that cannot be had for real.

It follows "Use the Instance Metadata Service" in the Amazon EC2 User Guide: a token by PUT, a GET with the
token (IMDSv2), or plain GETs where the service is old (IMDSv1).
"""

from __future__ import annotations

import secrets
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN_PATH = "/latest/api/token"
USER_DATA_PATH = "/latest/user-data"
INSTANCE_ID_PATH = "/latest/meta-data/instance-id"

_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"
_LONGEST_TTL = 21600


@dataclass
class Answers:
    """What the service says. Tests change it while the service runs.

    `speaks_tokens` is IMDSv2; without it a token PUT gets `token_refusal` (404 or 405, as old services give).
    `demands_tokens` refuses plain GETs with 401, as instances with `HttpTokens: required` do.
    `status` other than 200 is given to every GET, as in an outage.
    """

    user_data: bytes | None = None
    instance_id: str = "i-0123456789abcdef0"
    speaks_tokens: bool = True
    demands_tokens: bool = True
    token_refusal: int = 404
    status: int = 200
    tokens: set[str] = field(default_factory=set)


class Metadata:
    """The running service. `requests` are what it was asked, as `GET /latest/user-data`."""

    def __init__(self, user_data: bytes | str | None = None, *, ipv6: bool = False) -> None:
        self.answers = Answers(user_data.encode() if isinstance(user_data, str) else user_data)
        self.requests: list[str] = []
        kind = _ServerV6 if ipv6 else ThreadingHTTPServer
        self._server = kind(("::1" if ipv6 else "127.0.0.1", 0), _handler(self.answers, self.requests))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        host = "[::1]" if ipv6 else "127.0.0.1"
        self.url = f"http://{host}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer: from now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _ServerV6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def _handler(answers: Answers, requests: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            requests.append(f"PUT {self.path}")
            status, body = _put(answers, self.path, self.headers.get(_TTL))
            self._send(status, body)

        def do_GET(self) -> None:
            requests.append(f"GET {self.path}")
            status, body = _get(answers, self.path, self.headers.get(_TOKEN))
            self._send(status, body)

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing: `requests` is the record."""

    return Handler


def _put(answers: Answers, path: str, ttl: str | None) -> tuple[int, bytes]:
    if not answers.speaks_tokens:
        return answers.token_refusal, b""
    if path != TOKEN_PATH:
        return 404, b""
    if ttl is None or not ttl.isdigit() or not 1 <= int(ttl) <= _LONGEST_TTL:
        return 400, b"a token needs a TTL of 1 to 21600 seconds"
    token = secrets.token_urlsafe(24)
    answers.tokens.add(token)
    return 200, token.encode()


def _get(answers: Answers, path: str, token: str | None) -> tuple[int, bytes]:
    if answers.status != 200:
        return answers.status, b""
    if answers.speaks_tokens and token not in answers.tokens and (token or answers.demands_tokens):
        return 401, b""
    if path == USER_DATA_PATH and answers.user_data is not None:
        return 200, answers.user_data
    if path == INSTANCE_ID_PATH:
        return 200, answers.instance_id.encode()
    return 404, b""
