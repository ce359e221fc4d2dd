"""The EC2 instance metadata service, as its manual and the AWS SDKs have it.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
Version 2: a PUT gives a token, which goes with each GET. Where tokens are not spoken (the PUT gives no 200,
or no answer at all), version 1: the GET alone; nearly so botocore's `IMDSFetcher` decides it.
Never through a proxy, redirects are not followed, each answer and each wait is bounded.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from dockerup.problems import DockerupError
from dockerup.records import dataclass
from dockerup.sources.variables import ENDPOINT_VARIABLE

MODE_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
IPV4 = "http://169.254.169.254"
IPV6 = "http://[fd00:ec2::254]"
LIMIT_BYTES = 1 << 16

_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_TOTAL_SECONDS = 8.0
_ROUNDS = 2
_TOKEN_SECONDS = "60"


class MetadataError(DockerupError):
    """The metadata service gave no usable answer; the text says which and why."""


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes


class MetadataService:
    """A session with the first endpoint that answers, of a few seconds at most.

    `reached` tells whether one has answered yet, be it with an error.
    """

    def __init__(self, endpoints: tuple[str, ...]) -> None:
        self.reached = False
        self._endpoints = endpoints
        self._token: str | None = None
        self._deadline = time.monotonic() + _TOTAL_SECONDS

    def get(self, path: str) -> bytes | None:
        """Return what is at `path`, None when there is nothing (404). Raises MetadataError.

        At most 64 KiB: EC2 allows 16 KiB of user-data.
        """
        fault = "it was not asked"
        for endpoint in self._endpoints * _ROUNDS:
            if endpoint not in self._endpoints or time.monotonic() >= self._deadline:
                continue
            try:
                answer = self._get_once(endpoint, path)
            except (OSError, http.client.HTTPException, ValueError) as error:
                fault = f"{endpoint}: {error or type(error).__name__}"
                continue
            self.reached, self._endpoints = True, (endpoint,)
            if answer.status == 404:
                return None
            if answer.status == 200:
                return answer.body
            fault = f"{endpoint}{path} answered {answer.status}{_meaning(answer.status)}"
            self._token = None
        raise MetadataError(f"the EC2 metadata service gave no answer ({fault})")

    def _get_once(self, endpoint: str, path: str) -> _Answer:
        if self._token is None:
            self._token = self._new_token(endpoint)
        headers = {"X-aws-ec2-metadata-token": self._token} if self._token else {}
        answer = self._ask(endpoint, "GET", path, headers)
        if len(answer.body) > LIMIT_BYTES:
            raise MetadataError(f"{endpoint}{path} is larger than {LIMIT_BYTES} bytes")
        return answer

    def _new_token(self, endpoint: str) -> str:
        """Return a token, "" where tokens are not spoken."""
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS}
        try:
            answer = self._ask(endpoint, "PUT", "/latest/api/token", headers)
        except (_NoAnswerError, http.client.HTTPException):
            # Version 2 drops its answer when it would need more hops than the instance allows.
            return ""
        return answer.body.decode("ascii").strip() if answer.status == 200 else ""

    def _ask(self, endpoint: str, method: str, path: str, headers: Mapping[str, str]) -> _Answer:
        parts = urlsplit(endpoint)
        left = max(0.05, self._deadline - time.monotonic())
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=min(_CONNECT_SECONDS, left)
        )
        try:
            connection.connect()
            limit = min(_ANSWER_SECONDS, left)
            with _Cut(connection.sock, limit) as cut:
                try:
                    connection.request(method, parts.path.rstrip("/") + path, headers=dict(headers))
                    answer = _whole_answer(connection.getresponse())
                except (OSError, http.client.HTTPException):
                    if not cut.done:
                        raise
                if cut.done:
                    raise _NoAnswerError(f"no whole answer within {limit:.1f} s")
                return answer
        finally:
            connection.close()


def _whole_answer(response: http.client.HTTPResponse) -> _Answer:
    body = response.read(LIMIT_BYTES + 1)
    # http.client gives a body that broke off as if it were whole when it is asked for so many bytes, and half
    # a list of containers would stop the other half.
    if len(body) <= LIMIT_BYTES and response.length:
        raise http.client.IncompleteRead(body)
    return _Answer(response.status, body)


class _NoAnswerError(OSError):
    """The service took the question, and its answer did not come in time."""


class _Cut:
    """Ends a connection after so many seconds, however slowly bytes come: a socket's timeout starts anew
    with each of them.
    """

    def __init__(self, connected: socket.socket, seconds: float) -> None:
        self.done = False
        self._socket = connected
        self._timer = threading.Timer(seconds, self._cut)
        connected.settimeout(seconds + 1)

    def _cut(self) -> None:
        self.done = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Cut:
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()


def _meaning(status: int) -> str:
    if status == 401:
        return " (a token is needed, and none was given: the instance's hop limit may be too low)"
    return " (metadata is turned off for this instance)" if status == 403 else ""


def endpoints(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses to ask, in order. Raises MetadataError for an address that cannot be one."""
    chosen = environ.get(ENDPOINT_VARIABLE, "")
    if chosen:
        _check(chosen)
        return (chosen.rstrip("/"),)
    mode = environ.get(MODE_VARIABLE, "").lower()
    return {"ipv4": (IPV4,), "ipv6": (IPV6,)}.get(mode, (IPV4, IPV6))


def _check(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        fits = parts.scheme == "http" and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:
        fits = False
    if not fits or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        raise MetadataError(f"{ENDPOINT_VARIABLE} is no http address: write http://HOST or http://HOST:PORT")
