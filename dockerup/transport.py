"""Requests to a registry: each within its bounds, as the engine makes them, and every failure in words."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import os
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from dockerup.http_session import new_session, proxies_for
from dockerup.plain_http import FAULTS
from dockerup.records import dataclass

if TYPE_CHECKING:
    from dockerup.endpoints import Place
    from dockerup.http_session import Response
    from dockerup.logins import Login

MOST_REDIRECTS = 5

# Of "https://a\\@b/" urllib.parse takes b for the host, as browsers do not, and urllib3 connects to a.
_AUTHORITY = re.compile(r"[A-Za-z0-9._:\[\]-]*")
_REDIRECTS = {301, 302, 303, 307, 308}
# Where the engine finds the authorities that it trusts: Go's crypto/x509/root_linux.go.
_TRUSTED_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_NO_PROXIES: Mapping[str, str] = {}


@dataclass(frozen=True)
class Timeouts:
    """How long a check may wait, in seconds: for a connection, for an answer, for all answers together."""

    connect: float = 3.0
    read: float = 10.0
    total: float = 30.0


class NoAnswerError(Exception):
    """A registry did not say a digest; the text is the reason.

    `for_all`: it holds for all images of the registry. `silent`: a request was taken and not answered.
    `unreached`: no HTTP was spoken at all. `trouble`: it is the registry that is not well, and not one image.
    `wait`: the seconds that the registry wants to be left in peace. `login`: the one that it refuses.
    """

    def __init__(
        self,
        reason: str,
        *,
        for_all: bool = False,
        silent: bool = False,
        unreached: bool = False,
        trouble: bool = False,
        wait: int = 0,
        login: Login | None = None,
    ) -> None:
        super().__init__(reason)
        self.for_all = for_all
        self.silent = silent
        self.unreached = unreached
        self.trouble = trouble or for_all or silent or unreached
        self.wait = wait
        self.login = login


class Transport:
    """Requests for one server, each within its bounds; a credential stays with the origin it is for."""

    def __init__(
        self,
        place: Place,
        timeouts: Timeouts,
        deadline: float,
        connections: int,
        proxies: Mapping[str, str] = _NO_PROXIES,
    ) -> None:
        self._domain = place.name
        self._own = {end.host for end in place.endpoints}
        self._insecure = not all(end.verified for end in place.endpoints)
        self._timeouts = timeouts
        self._deadline = deadline
        self._proxies = proxies
        self._roots = _trusted_roots()
        self._session = new_session(place, connections, self._roots, proxies)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._session.close()

    def follow(self, method: str, url: str, authorization: str | None, **headers: str) -> Response:
        """Return the answer after all redirects. `authorization` goes to the first URL's origin only."""
        for hop in range(MOST_REDIRECTS + 1):
            if authorization:
                headers["Authorization"] = authorization
            response = self._send(method, url, headers, first=hop == 0)
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            target = _target(url, response.headers["Location"])
            if not target:
                raise NoAnswerError(f"{self._domain} redirects to what is no https address")
            if origin(target) != origin(url):
                authorization = None
                headers.pop("Authorization", None)
            url = target
        raise NoAnswerError(f"{self._domain} redirects more than {MOST_REDIRECTS} times")

    def post(self, url: str, form: Mapping[str, str]) -> Response:
        """Return the answer to a form, which holds a secret and so follows no redirect."""
        return self._send("POST", url, {}, first=True, form=form)

    def read(self, response: Response, most_bytes: int) -> bytes:
        """Return the body of an answer, which is refused when it is larger than `most_bytes`."""
        body = b""
        try:
            for chunk in response.iter_content(1 << 16):
                body += chunk
                if len(body) > most_bytes:
                    raise NoAnswerError(f"{self._domain} answered with more than {most_bytes} bytes")
                self._seconds_left()
        except FAULTS as error:
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
    ) -> Response:
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
            except FAULTS as error:
                # A kept connection may be closed by the other side just as it is used again.
                if final or not _was_cut(error):
                    raise self._fault(error, url, first=first) from None
        raise AssertionError("the second attempt returns or raises")

    def _ways(self, url: str) -> dict[str, Any]:
        host = urlsplit(url).netloc
        loopback = is_loopback(host)
        verified = not self._insecure or (host not in self._own and not loopback)
        return {
            "proxies": {} if loopback else proxies_for(url, self._proxies),
            "verify": self._roots if verified else False,
        }

    def _seconds_left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NoAnswerError(late(self._domain, self._timeouts))
        return left

    def _fault(self, error: Exception, url: str, *, first: bool = False) -> NoAnswerError:
        """Return what went wrong in our own words: the error's may hold a proxy's password."""
        host = urlsplit(url).netloc
        where = self._domain if host in self._own else f"{host} (for {self._domain})"
        causes = list(_causes(error))
        if any(_is_a(cause, "ReadTimeoutError") for cause in causes):
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
    """Return scheme, host and port of a URL: what a credential is for.

    Raises ValueError for what is no URL, or is one to this host here and to another for who connects.
    """
    parts = urlsplit(url)
    if not _AUTHORITY.fullmatch(parts.netloc):
        raise ValueError("the host of a URL stands alone before its path")
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def _trusted_roots() -> str | bool:
    files = [os.environ.get("SSL_CERT_FILE", ""), *_TRUSTED_ROOTS]
    return next((file for file in files if file and os.path.isfile(file)), True)


def _target(url: str, location: str) -> str:
    """Return where an answer of `url` leads, "" for where no redirect may lead."""
    try:
        target = urljoin(url, location)
        scheme, host, _port = origin(target)
    except ValueError:
        return ""
    may = bool(host) and scheme in ({"https"} if origin(url)[0] == "https" else {"http", "https"})
    return target if may else ""


def busy(name: str, response: Response, now: float) -> NoAnswerError:
    """Return what an answer of 429, or one from 500 up, says of the registry that people call `name`."""
    status = response.status_code
    wait = seconds_wanted(response.headers.get("Retry-After", ""), now)
    asked = f", and wants a wait of {wait} s" if wait else ""
    if status == 429:
        said = f"{name} limits how often it is asked{asked} (429)"
        return NoAnswerError(said, for_all=True, wait=wait)
    said = f"{name} has a fault of its own{asked} ({status})"
    return NoAnswerError(said, for_all=wait > 0, trouble=True, wait=wait)


def seconds_wanted(retry_after: str, now: float) -> int:
    """Return the seconds that a Retry-After header asks for at `now` (epoch seconds); 0: it asks for none."""
    if re.fullmatch(r"[0-9]{1,7}", retry_after):
        return int(retry_after)
    try:
        wanted = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0
    return max(0, round(wanted - now))


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


def _is_a(error: BaseException, *names: str) -> bool:
    """Tell whether an error is of a class by its name: `requests`, if not loaded, has not raised it."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _was_cut(error: Exception) -> bool:
    return _has(_causes(error), http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


def _what_failed(error: Exception, causes: Sequence[BaseException]) -> str:
    untrusted = [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]
    if untrusted:
        return f"has a certificate that is not trusted ({untrusted[0].verify_message})"
    said = [
        (_is_a(error, "ProxyError"), "cannot be reached through the proxy"),
        (_is_a(error, "SSLError"), "does not speak TLS (https) as it must"),
        (_is_a(error, "ConnectTimeout", "ConnectTimeoutError"), "cannot be reached: no connection in time"),
        (_has(causes, ConnectionRefusedError), "refuses connections"),
        (_has(causes, socket.gaierror), "cannot be found: no address is known of that name"),
        (_was_cut(error), "closes connections without an answer"),
        (_has(causes, http.client.IncompleteRead), "closes connections in the middle of an answer"),
        (_has(causes, http.client.HTTPException), "does not speak HTTP as it must"),
    ]
    return next((text for holds, text in said if holds), "cannot be reached")
