"""Requests to a registry: each within its bounds, as the engine makes them, and every failure in words."""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from dockerup import __version__
from dockerup.image import DEFAULT_DOMAIN

if TYPE_CHECKING:
    import requests

HUB_HOST = "registry-1.docker.io"
MOST_REDIRECTS = 5

_REDIRECTS = {301, 302, 303, 307, 308}
# Where the engine finds the authorities that it trusts: Go's crypto/x509/root_linux.go.
_TRUSTED_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True)
class Timeouts:
    """How long a check may wait, in seconds: for a connection, for an answer, for all answers together."""

    connect: float = 3.0
    read: float = 10.0
    total: float = 30.0


class NoAnswerError(Exception):
    """A registry did not say a digest; the text is the reason.

    `for_all`: it holds for all images of the registry. `silent`: a request was taken and not answered.
    `unreached`: no HTTP was spoken at all.
    """

    def __init__(
        self, reason: str, *, for_all: bool = False, silent: bool = False, unreached: bool = False
    ) -> None:
        super().__init__(reason)
        self.for_all = for_all
        self.silent = silent
        self.unreached = unreached


class Transport:
    """Requests for one registry, each within its bounds; a credential stays with the origin it is for."""

    def __init__(
        self, domain: str, loopback: bool, timeouts: Timeouts, deadline: float, connections: int
    ) -> None:
        self._domain = domain
        self._loopback = loopback
        self._timeouts = timeouts
        self._deadline = deadline
        self._roots = _trusted_roots()
        self._session = _new_session(connections)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._session.close()

    def follow(self, method: str, url: str, authorization: str | None, **headers: str) -> requests.Response:
        """Return the answer after all redirects. `authorization` goes to the first URL's origin only."""
        for hop in range(MOST_REDIRECTS + 1):
            if authorization:
                headers["Authorization"] = authorization
            response = self._send(method, url, headers, first=hop == 0)
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            target = urljoin(url, response.headers["Location"])
            if not _may_redirect(url, target):
                raise NoAnswerError(f"{self._domain} redirects to what is no https address")
            if origin(target) != origin(url):
                authorization = None
                headers.pop("Authorization", None)
            url = target
        raise NoAnswerError(f"{self._domain} redirects more than {MOST_REDIRECTS} times")

    def post(self, url: str, form: Mapping[str, str]) -> requests.Response:
        """Return the answer to a form, which holds a secret and so follows no redirect."""
        return self._send("POST", url, {}, first=True, form=form)

    def read(self, response: requests.Response, most_bytes: int) -> bytes:
        """Return the body of an answer, which is refused when it is larger than `most_bytes`."""
        import requests

        body = b""
        try:
            for chunk in response.iter_content(1 << 16):
                body += chunk
                if len(body) > most_bytes:
                    raise NoAnswerError(f"{self._domain} answered with more than {most_bytes} bytes")
                self._seconds_left()
        except requests.RequestException as error:
            raise self._fault(error, response.url) from None
        return body

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        *,
        first: bool,
        form: Mapping[str, str] | None = None,
    ) -> requests.Response:
        import requests

        for final in (False, True):
            left = self._seconds_left()
            try:
                return self._session.request(
                    method,
                    url,
                    headers=headers,
                    data=form,
                    allow_redirects=False,
                    stream=method != "HEAD",
                    timeout=(min(self._timeouts.connect, left), min(self._timeouts.read, left)),
                    **self._ways(url),
                )
            except requests.RequestException as error:
                # A kept connection may be closed by the other side just as it is used again.
                if final or not _was_cut(error):
                    raise self._fault(error, url, first=first) from None
        raise AssertionError("the second attempt returns or raises")

    def _ways(self, url: str) -> dict[str, Any]:
        # Passed by hand, since a session that trusts the environment reads logins from ~/.netrc too.
        import requests.utils

        if is_loopback(urlsplit(url).netloc):
            return {"proxies": {}, "verify": self._roots if not self._loopback else False}
        found = requests.utils.get_environ_proxies(url)
        # The engine knows no ALL_PROXY.
        proxies = {scheme: found[scheme] for scheme in ("https", "http") if scheme in found}
        return {"proxies": proxies, "verify": self._roots}

    def _seconds_left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NoAnswerError(late(self._domain, self._timeouts))
        return left

    def _fault(self, error: Exception, url: str, *, first: bool = False) -> NoAnswerError:
        """Return what went wrong in our own words: the error's may hold a proxy's password."""
        import urllib3

        host = urlsplit(url).netloc.rpartition("@")[2]
        own = host == self._domain or (host == HUB_HOST and self._domain == DEFAULT_DOMAIN)
        where = self._domain if own else f"{host} (for {self._domain})"
        causes = list(_causes(error))
        if _has(causes, urllib3.exceptions.ReadTimeoutError):
            return NoAnswerError(f"{where} takes requests and gives no answer in time", silent=True)
        for_all = first and not _was_cut(error)
        return NoAnswerError(f"{where} {_what_failed(error, causes)}", for_all=for_all, unreached=first)


def is_loopback(host: str) -> bool:
    """Return whether a host, with a port or without, is this machine: the addresses 127.0.0.0/8 and ::1."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL: what a credential is for. Raises ValueError for no URL."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def _new_session(connections: int) -> requests.Session:
    # Imported here and in what is called after: a run that asks nothing of a registry does not pay for it.
    import requests
    import requests.adapters
    import urllib3

    # It would be said on each run of a registry on loopback, where the engine verifies nothing either.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Not compressed, since a digest is that of the very bytes.
    session.headers.update({"User-Agent": f"dockerup/{__version__}", "Accept-Encoding": "identity"})
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=connections))
    return session


def _trusted_roots() -> str | bool:
    files = [os.environ.get("SSL_CERT_FILE", ""), *_TRUSTED_ROOTS]
    return next((file for file in files if file and os.path.isfile(file)), True)


def _may_redirect(url: str, target: str) -> bool:
    scheme, host, _port = origin(target)
    return bool(host) and scheme in ({"https"} if origin(url)[0] == "https" else {"http", "https"})


def late(domain: str, timeouts: Timeouts) -> str:
    """Return the reason of a registry that had not answered when the time for all checks was over."""
    return f"{domain} gave no answer within the {timeouts.total:g} s that all checks together may take"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those under it, which urllib3 keeps as `reason`, as an argument or as cause."""
    seen: set[int] = set()
    rest = [error]
    while rest:
        one = rest.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            rest += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


def _has(causes: Iterable[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _was_cut(error: Exception) -> bool:
    return _has(_causes(error), http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


def _what_failed(error: Exception, causes: Sequence[BaseException]) -> str:
    import requests

    untrusted = [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]
    if untrusted:
        return f"has a certificate that is not trusted ({untrusted[0].verify_message})"
    said = [
        (isinstance(error, requests.exceptions.ProxyError), "cannot be reached through the proxy"),
        (isinstance(error, requests.exceptions.SSLError), "does not speak TLS (https) as it must"),
        (isinstance(error, requests.ConnectTimeout), "cannot be reached: no connection in time"),
        (_has(causes, ConnectionRefusedError), "refuses connections"),
        (_has(causes, socket.gaierror), "has a name for which no address is found"),
        (_was_cut(error), "closes connections without an answer"),
    ]
    return next((text for holds, text in said if holds), "cannot be reached")
