"""A stand-in for the EC2 instance metadata service, the one part that cannot be had for real.

It follows "Use the Instance Metadata Service" and "Instance metadata categories" in the Amazon EC2 User
Guide: a token by PUT, a GET with the token (IMDSv2), or plain GETs where the service is old (IMDSv1). Below
each version lies a tree; a GET of a branch gives the names in it.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Union

TOKEN_PATH = "/latest/api/token"
VERSIONS = ("2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest")

_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"
_LONGEST_TTL = 21600
_ZONE, _REGION = "eu-central-1a", "eu-central-1"
_HOST_NAME, _ADDRESS = "ip-10-0-0-7.eu-central-1.compute.internal", "10.0.0.7"
MAC = "06:00:00:00:00:07"

_Node = Union[str, bytes, Mapping[str, "_Node"]]


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
    """The running service. `requests` are what it was asked, as `GET /latest/user-data`.

    `refused` are those of them that came without a token where one was needed. `port` 0: one that is free.
    """

    def __init__(
        self,
        user_data: bytes | str | None = None,
        *,
        ipv6: bool = False,
        address: str = "",
        port: int = 0,
    ) -> None:
        self.answers = Answers(user_data.encode() if isinstance(user_data, str) else user_data)
        self.requests: list[str] = []
        self.refused: list[str] = []
        kind = _ServerV6 if ipv6 else ThreadingHTTPServer
        here = address or ("::1" if ipv6 else "127.0.0.1")
        self._server = kind((here, port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://{f'[{here}]' if ipv6 else here}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to answer: from now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def forget(self) -> None:
        """Forget what was asked so far."""
        self.requests.clear()
        self.refused.clear()


class _ServerV6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def _handler(service: Metadata) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            service.requests.append(f"PUT {self.path}")
            self._send(*_put(service.answers, self.path, self.headers.get(_TTL)))

        def do_GET(self) -> None:
            service.requests.append(f"GET {self.path}")
            status, body = _get(service.answers, self.path, self.headers.get(_TOKEN))
            if status == 401:
                service.refused.append(f"GET {self.path}")
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
    version, _, rest = path.lstrip("/").partition("/")
    found = _below(_tree(answers), rest) if version in VERSIONS else None
    return (404, b"") if found is None else (200, _body(found))


def _below(node: _Node, path: str) -> _Node | None:
    """Return what is at a path of the tree. `0=name` in a listing of keys is found at `0`."""
    for part in filter(None, path.split("/")):
        if isinstance(node, (str, bytes)):
            return None
        found = [child for name, child in node.items() if name.partition("=")[0] == part]
        if not found:
            return None
        node = found[0]
    return node


def _body(node: _Node) -> bytes:
    if isinstance(node, Mapping):
        return "\n".join(_listed(name, child) for name, child in node.items()).encode()
    return node.encode() if isinstance(node, str) else node


def _listed(name: str, child: _Node) -> str:
    return f"{name}/" if isinstance(child, Mapping) and "=" not in name else name


def _tree(answers: Answers) -> _Node:
    """Return what lies below each version: an instance with one interface and one key."""
    instance = {"instanceId": answers.instance_id, "availabilityZone": _ZONE, "region": _REGION}
    interface = {"device-number": "0", "local-ipv4s": _ADDRESS, "mac": MAC, "vpc-id": "vpc-0123456789abcdef0"}
    tree: dict[str, _Node] = {
        "dynamic": {"instance-identity": {"document": json.dumps(instance)}},
        "meta-data": {
            "ami-id": "ami-0123456789abcdef0",
            "ami-launch-index": "0",
            "hostname": _HOST_NAME,
            "instance-id": answers.instance_id,
            "instance-type": "t3.micro",
            "local-hostname": _HOST_NAME,
            "local-ipv4": _ADDRESS,
            "mac": MAC,
            "network": {"interfaces": {"macs": {MAC: interface}}},
            "placement": {"availability-zone": _ZONE, "region": _REGION},
            "public-keys": {"0=test": {"openssh-key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== test"}},
            "security-groups": "default",
        },
    }
    return tree if answers.user_data is None else {**tree, "user-data": answers.user_data}
