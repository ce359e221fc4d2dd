"""Connections to a registry: by the standard library alone, or by `requests`, for proxies and for certs.d."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, Protocol

from dockerup import __version__
from dockerup.plain_http import PlainSession, Roots
from dockerup.problems import DockerupError

if TYPE_CHECKING:
    import ssl

    import requests

    from dockerup.endpoints import Place

_PROXY_NAMES = ("http_proxy", "https_proxy", "no_proxy")


class Response(Protocol):
    """An answer, the part of `requests.Response` that is used here."""

    status_code: int
    url: str

    @property
    def headers(self) -> Mapping[str, str]: ...
    def iter_content(self, size: int, /) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class Session(Protocol):
    """Kept connections, the part of `requests.Session` that is used here."""

    @property
    def request(self) -> Callable[..., Response]: ...
    def close(self) -> None: ...


def new_session(place: Place, connections: int, roots: Roots, proxies: Mapping[str, str]) -> Session:
    """Return a session for the requests to a server, with what `certs.d` has for it.

    `roots` is the file with the authorities that are trusted, True where there is none but those that come
    with `requests`; `proxies` are the engine's. Raises DockerupError for a certificate or key that is none.
    """
    held = place.certificates
    plain = isinstance(roots, str) and not (held.authorities or held.clients or _any_proxy(proxies))
    return PlainSession() if plain else _session_of_requests(place, connections)


def _session_of_requests(place: Place, connections: int) -> requests.Session:
    # Imported here and in what is called after: most runs do without it.
    from http.cookiejar import DefaultCookiePolicy

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
    held = place.certificates
    try:
        if held.authorities:
            session.mount("https://", _adapter(held.authorities, (), connections))
        if held.clients:
            # Who this host is, is told to that server only, and not to where it redirects.
            for end in place.endpoints:
                session.mount(f"{end.url}/", _adapter(held.authorities, held.clients, connections))
    except (OSError, ValueError, TypeError):
        what = f"what the engine's certs.d has for {place.name} cannot be used"
        raise DockerupError(f"{what}: a file is no PEM, or a key wants a password") from None
    return session


def _adapter(
    authorities: tuple[str, ...], clients: tuple[tuple[str, str], ...], connections: int
) -> requests.adapters.BaseAdapter:
    import requests.adapters

    class WithContext(requests.adapters.HTTPAdapter):
        """Trusts the context's authorities beside those that a request names."""

        def __init__(self, context: ssl.SSLContext) -> None:
            self._context = context
            super().__init__(pool_maxsize=connections)

        def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
            super().init_poolmanager(*arguments, **{**more, "ssl_context": self._context})

        def proxy_manager_for(self, *arguments: Any, **more: Any) -> Any:
            return super().proxy_manager_for(*arguments, **{**more, "ssl_context": self._context})

    class ByTrust(requests.adapters.BaseAdapter):
        """Keeps requests that verify no certificate apart: urllib3 changes the context of a connection."""

        def __init__(self) -> None:
            super().__init__()
            self._verifying = WithContext(_context(authorities, clients, verifying=True))
            self._trusting = WithContext(_context(authorities, clients, verifying=False))

        def send(self, request: Any, *arguments: Any, **more: Any) -> requests.Response:
            chosen = self._trusting if more.get("verify") is False else self._verifying
            return chosen.send(request, *arguments, **more)

        def close(self) -> None:
            self._verifying.close()
            self._trusting.close()

    return ByTrust()


def _context(
    authorities: tuple[str, ...], clients: tuple[tuple[str, str], ...], *, verifying: bool
) -> ssl.SSLContext:
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    context.check_hostname = context.check_hostname and verifying  # else it can never verify nothing
    for pem in authorities:
        context.load_verify_locations(cadata=pem)
    for certificate, key in clients:
        # The password is none; without it, OpenSSL asks whoever sits at the terminal for one.
        context.load_cert_chain(certificate, key, password="")
    return context


def proxies_for(url: str, engines: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies for a URL, by scheme: the environment's, and where it names none, the engine's."""
    if not _any_proxy(engines):
        return {}
    # Passed by hand, since a session that trusts the environment reads logins from ~/.netrc too.
    import requests.utils

    if not _named():
        spared = requests.utils.should_bypass_proxies(url, no_proxy=engines.get("no") or "localhost")
        found = {} if spared else dict(engines)
    else:
        found = requests.utils.get_environ_proxies(url)
    # The engine knows no ALL_PROXY.
    return {scheme: found[scheme] for scheme in ("https", "http") if scheme in found}


def _any_proxy(engines: Mapping[str, str]) -> bool:
    return _named() or bool({"http", "https"} & engines.keys())


def _named() -> bool:
    return any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXY_NAMES)
