"""Which of an engine's sentences on a failed pull ask for another try.

They are in the words of 20.10, 26 and 28, of both image stores.
"""

from __future__ import annotations

import pytest

from dockerup.pull_errors import passes

HUB = "https://registry-1.docker.io/v2/library/redis"
DIGEST = "sha256:" + "ab" * 32

PASSING = [
    "unexpected EOF",
    f'Get "{HUB}/manifests/latest": EOF',
    'Get "https://registry-1.docker.io/v2/": unexpected EOF',
    f'Head "{HUB}/manifests/7": read tcp 10.0.0.2:43210->34.226.69.105:443: read: connection reset by peer',
    'Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout',
    'Get "https://registry-1.docker.io/v2/": net/http: request canceled while waiting for connection '
    "(Client.Timeout exceeded while awaiting headers)",
    'Get "https://registry-1.docker.io/v2/": context deadline exceeded '
    "(Client.Timeout exceeded while awaiting headers)",
    "dial tcp 34.226.69.105:443: i/o timeout",
    'Get "https://ghcr.io/v2/": dial tcp: lookup ghcr.io: Temporary failure in name resolution',
    'Get "https://ghcr.io/v2/": dial tcp: lookup ghcr.io on 127.0.0.53:53: server misbehaving',
    "received unexpected HTTP status: 503 Service Unavailable",
    "received unexpected HTTP status: 500 Internal Server Error",
    "error pulling image configuration: received unexpected HTTP status: 502 Bad Gateway",
    f'failed to copy: httpReadSeeker: failed open: failed to do request: Get "{HUB}/blobs/{DIGEST}": EOF',
    "failed to copy: read tcp 10.0.0.2:43210->34.226.69.105:443: read: connection reset by peer",
    f"failed to copy: httpReadSeeker: failed open: unexpected status code {HUB}/blobs/{DIGEST}: "
    "503 Service Unavailable",
    f'failed to resolve reference "docker.io/library/redis:7": unexpected status from HEAD request to '
    f"{HUB}/manifests/7: 504 Gateway Timeout",
    f"unknown: failed to copy: httpReadSeeker: failed open: unexpected status from GET request to "
    f"{HUB}/blobs/{DIGEST}: 522 <none>",
    "short read: expected 1048576 bytes but got 524288: unexpected EOF",
    "error from registry: service unavailable",
    "stream error: stream ID 7; INTERNAL_ERROR; received from peer",
    "http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR",
    "write tcp 10.0.0.2:43210->34.226.69.105:443: write: broken pipe",
]

LASTING = [
    "manifest for redis:nope not found: manifest unknown: manifest unknown",
    "pull access denied for nobody, repository does not exist or may require 'docker login': denied: "
    "requested access to the resource is denied",
    'Head "https://ghcr.io/v2/x/y/manifests/1": unauthorized: authentication required',
    'Get "https://registry.example/v2/": no basic auth credentials',
    "toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
    'error parsing HTTP 429 response body: unexpected end of JSON input: ""',
    'error from registry: You have reached your pull rate limit as "ada"',
    f"failed to copy: httpReadSeeker: failed open: unexpected status code {HUB}/blobs/{DIGEST}: "
    "429 Too Many Requests - Server message: toomanyrequests: slow down",
    f"unexpected status from GET request to {HUB}/blobs/{DIGEST}: 403 Forbidden",
    f"unexpected status from HEAD request to {HUB}/manifests/7: 404 Not Found",
    "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value: \"<html>\"",
    "failed to register layer: Error processing tar file(exit status 1): unexpected EOF",
    "write /var/lib/docker/tmp/GetImageBlob123: no space left on device",
    "failed to extract layer sha256:abc: write /x: no space left on device: unexpected EOF",
    'Get "http://127.0.0.1:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused',
    'Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host',
    'Get "https://registry.example/v2/": x509: certificate signed by unknown authority',
    'Get "https://registry.example/v2/": http: server gave HTTP response to HTTPS client',
    "no matching manifest for linux/arm64/v8 in the manifest list entries",
    f"filesystem layer verification failed for digest {DIGEST}",
    "no answer within 2 seconds",
    "",
]


@pytest.mark.parametrize("text", PASSING)
def test_cut_connections_and_stumbling_registries_get_another_try(text: str) -> None:
    assert passes(text)


@pytest.mark.parametrize("text", LASTING)
def test_what_no_second_try_helps_gets_none(text: str) -> None:
    assert not passes(text)
