"""Which digest a tag has now: one HEAD for each image, asked of the registries side by side.

The protocols are distribution's docs/spec/api.md (manifests) and docs/spec/auth/token.md (tokens).
Nothing here raises for what a registry does or says: the answer is then `Unknown`, with its reason.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hashlib
import json
import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable
from urllib.parse import urlencode, urlsplit

from dockerup.image import DEFAULT_DOMAIN, Answer, ImageRef, Known, Unknown, is_digest
from dockerup.logins import Login, LoginFor, NoLoginError
from dockerup.transport import HUB_HOST, NoAnswerError, Timeouts, Transport, is_loopback, late, origin

if TYPE_CHECKING:
    import requests

DIGEST_HEADER = "Docker-Content-Digest"
MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
MOST_MANIFEST_BYTES = 4 << 20
MOST_TOKEN_BYTES = 1 << 20

_DEFAULT_TIMEOUTS = Timeouts()
_NO_HEAD = {400, 405, 501}
_CHALLENGE_WORD = re.compile(r'([A-Za-z][\w-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?')


@dataclass(frozen=True)
class Challenge:
    """How a registry wants to be logged in to: `scheme` is "basic" or "bearer", the rest is for tokens."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def no_login(_domain: str) -> Login | None:
    """Return no login, whatever the registry."""
    return None


def _forget(_domain: str, _reason: str) -> None:
    """Keep nothing of a login that was refused."""


def check(
    refs: Iterable[ImageRef],
    *,
    concurrency: int = 8,
    login_for: LoginFor = no_login,
    refused: Callable[[str, str], None] = _forget,
    timeouts: Timeouts = _DEFAULT_TIMEOUTS,
) -> dict[ImageRef, Answer]:
    """Return for each reference which digest its registry has for it now; never raises.

    A reference with a digest costs no request. `login_for` gives the login for a domain ("docker.io",
    "127.0.0.1:5000"); it is asked at most once for each, from a thread, and only when the registry wants one.
    `refused` is told, once, the domain of a registry that refuses its login, and the reason.
    """
    answers: dict[ImageRef, Answer] = {}
    waiting: dict[str, list[ImageRef]] = {}
    for ref in dict.fromkeys(refs):
        if ref.digest is not None:
            answers[ref] = Known(ref.digest)
        else:
            answers[ref] = Unknown(late(ref.domain, timeouts))
            waiting.setdefault(ref.domain, []).append(ref)
    if not waiting:
        return answers
    deadline = time.monotonic() + timeouts.total
    with contextlib.ExitStack() as stack:
        registries = [
            _Registry(name, login_for, refused, timeouts, deadline, concurrency) for name in waiting
        ]
        for registry in registries:
            stack.callback(registry.close)
        answers.update(_ask_side_by_side(registries, waiting, concurrency, deadline))
    return answers


_Task = tuple["_Registry", ImageRef]


def _ask_side_by_side(
    registries: Sequence[_Registry], waiting: dict[str, list[ImageRef]], concurrency: int, deadline: float
) -> Iterator[tuple[ImageRef, Answer]]:
    tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[_Registry, ImageRef, Answer]] = queue.SimpleQueue()

    def work() -> None:
        for registry, ref in iter(tasks.get, None):
            done.put((registry, ref, registry.ask(ref)))

    open_answers = sum(map(len, waiting.values()))
    # The first request to a registry goes alone: what it finds out (TLS or not, the kind of login, nobody
    # there) spares all others the same detour, and one dead registry holds up one worker only.
    for registry in registries:
        tasks.put((registry, waiting[registry.domain].pop(0)))
    workers = min(concurrency, open_answers)
    for _ in range(workers):
        # No ThreadPoolExecutor: the interpreter waits at its end for such threads, even for one that hangs.
        threading.Thread(target=work, name="registry check", daemon=True).start()
    while open_answers:
        try:
            registry, ref, answer = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        open_answers -= 1
        yield ref, answer
        for other in waiting.pop(registry.domain, ()):
            tasks.put((registry, other))
    for _ in range(workers):
        tasks.put(None)


class _Registry:
    """One registry during one check: its connections and tokens, and what it has been found to want."""

    def __init__(
        self,
        domain: str,
        login_for: LoginFor,
        refused: Callable[[str, str], None],
        timeouts: Timeouts,
        deadline: float,
        connections: int,
    ) -> None:
        host = HUB_HOST if domain == DEFAULT_DOMAIN else domain
        self.domain = domain
        self._http = Transport(domain, is_loopback(host), timeouts, deadline, connections)
        # As the engine does: on loopback any certificate or none will do, elsewhere only a trusted one.
        self._bases = [f"https://{host}", f"http://{host}"] if is_loopback(host) else [f"https://{host}"]
        self._base = ""
        self._given_up = ""
        self._answered = False
        self._silences = 0
        self._challenge: Challenge | None = None
        self._login_for = login_for
        self._refused = refused
        self._logins: dict[str, Login | None] = {}
        self._tokens: dict[tuple[str, str, str], str] = {}
        self._locks: dict[object, threading.Lock] = {}

    def close(self) -> None:
        """Close the connections that are idle; one that is in use closes when its request ends."""
        self._http.close()

    def ask(self, ref: ImageRef) -> Answer:
        """Return the digest of a tag now."""
        if self._given_up:
            return Unknown(self._given_up)
        try:
            return Known(self._digest(ref))
        except NoAnswerError as error:
            self._note(error)
            return Unknown(str(error))
        except Exception as error:  # whatever a hostile answer sets off; its text may hold a secret
            return Unknown(f"{self.domain} could not be asked ({type(error).__name__})")

    def _note(self, error: NoAnswerError) -> None:
        # One image that hangs says nothing of the others; two do, as long as nothing was ever answered.
        self._silences += error.silent
        if error.for_all or (error.silent and self._silences > 1 and not self._answered):
            self._given_up = str(error)

    def _digest(self, ref: ImageRef) -> str:
        path = f"/v2/{ref.path}/manifests/{ref.tag}"
        response = self._authorized("HEAD", path, ref)
        digest = response.headers.get(DIGEST_HEADER, "")
        if response.status_code == 200 and is_digest(digest):
            return digest
        if response.status_code != 200 and not _refuses_head(response):
            raise self._refusal(response, ref)
        return self._digest_of_body(path, ref)

    def _digest_of_body(self, path: str, ref: ImageRef) -> str:
        with contextlib.closing(self._authorized("GET", path, ref)) as response:
            if response.status_code != 200:
                raise self._refusal(response, ref)
            digest = response.headers.get(DIGEST_HEADER, "")
            if is_digest(digest):
                return digest
            # The digest of the first schema leaves out the signatures, so that it is not that of the body.
            if "manifest.v1+" in response.headers.get("Content-Type", ""):
                raise NoAnswerError(f"{self.domain} has {ref.path}:{ref.tag} in a format of before 2016")
            body = self._http.read(response, MOST_MANIFEST_BYTES)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def _authorized(self, method: str, path: str, ref: ImageRef) -> requests.Response:
        sent = self._authorization(self._challenge, ref)
        response = self._fetch(method, path, sent)
        if response.status_code != 401:
            return response
        challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
        wanted = self._authorization(challenge, ref)
        if wanted is None or wanted == sent:
            return response
        # Kept without its scope, which is this image's own: the others ask for a token before they are told.
        self._challenge = replace(challenge, scope="") if challenge else None
        response.close()
        return self._fetch(method, path, wanted)

    def _fetch(self, method: str, path: str, authorization: str | None) -> requests.Response:
        for base in [self._base] if self._base else self._bases:
            try:
                response = self._http.follow(
                    method, base + path, authorization, Accept=", ".join(MANIFEST_TYPES)
                )
            except NoAnswerError as error:
                if not error.unreached or base in (self._base, self._bases[-1]):
                    raise
                continue
            self._base, self._answered = base, True
            if response.status_code in (401, 403) and origin(response.url) != origin(base):
                # Not the registry's own refusal: it must not get the registry's login.
                host = urlsplit(response.url).netloc
                raise NoAnswerError(f"{self.domain} redirects to {host}, which refuses")
            return response
        raise AssertionError("the loop returns or raises at the last base")

    def _authorization(self, challenge: Challenge | None, ref: ImageRef) -> str | None:
        if challenge is None:
            return None
        login = self._login()
        if challenge.scheme == "basic":
            if login and login.identity_token:
                what = "wants a password, and what is stored for it is an identity token"
                raise NoAnswerError(f"{self.domain} {what}", for_all=True)
            return _basic(login) if login else None
        return f"Bearer {self._token(challenge, ref, login)}"

    def _login(self) -> Login | None:
        with self._lock("login"):
            if self.domain not in self._logins:
                try:
                    self._logins[self.domain] = self._login_for(self.domain)
                except NoLoginError as error:
                    raise NoAnswerError(str(error), for_all=True) from None
            return self._logins[self.domain]

    def _token(self, challenge: Challenge, ref: ImageRef, login: Login | None) -> str:
        scope = challenge.scope or f"repository:{ref.path}:pull"
        key = (challenge.realm, challenge.service, scope)
        with self._lock(key):
            if key not in self._tokens:
                self._tokens[key] = self._new_token(challenge, scope, ref, login)
            return self._tokens[key]

    def _new_token(self, challenge: Challenge, scope: str, ref: ImageRef, login: Login | None) -> str:
        if not may_name_realm(self._base, challenge.realm):
            raise NoAnswerError(
                f"{self.domain} wants logins sent without TLS, which is refused", for_all=True
            )
        host = urlsplit(challenge.realm).netloc
        with contextlib.closing(self._token_response(challenge, scope, login)) as response:
            status = response.status_code
            if status in (401, 403) and login is None:
                raise self._wants_login(ref)
            # 400 is how OAuth2 says that a grant is none (RFC 6749, 5.2).
            if login is not None and (status == 401 or (status == 400 and login.identity_token)):
                raise self._wrong_login(login)
            if status in (403, 429):
                raise self._refusal(response, ref)
            if status != 200:
                raise NoAnswerError(f"{host} gave no token for {self.domain} ({status})")
            token = _token_in(self._http.read(response, MOST_TOKEN_BYTES))
        if not token:
            raise NoAnswerError(f"{host} gave no token for {self.domain}")
        return token

    def _token_response(self, challenge: Challenge, scope: str, login: Login | None) -> requests.Response:
        """Ask for a token as token.md has it, with an identity token as docs/spec/auth/oauth.md does."""
        if login and login.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": login.identity_token,
                "service": challenge.service,
                "client_id": "dockerup",
                "scope": scope,
            }
            return self._http.post(challenge.realm, form)
        query = [("service", challenge.service)] if challenge.service else []
        query += [("account", login.username)] if login else []
        query += [("scope", one) for one in scope.split()]
        url = f"{challenge.realm}{'&' if urlsplit(challenge.realm).query else '?'}{urlencode(query)}"
        return self._http.follow("GET", url, _basic(login) if login else None)

    def _refusal(self, response: requests.Response, ref: ImageRef) -> NoAnswerError:
        status = response.status_code
        if status in (401, 403):
            return self._denial(status, ref)
        if status == 404:
            return NoAnswerError(f"{self.domain} has no such tag: {ref.path}:{ref.tag}")
        if status == 429:
            seconds = seconds_wanted(response.headers.get("Retry-After", ""), time.time())
            wait = f", and wants a wait of {seconds} s" if seconds else ""
            return NoAnswerError(f"{self.domain} limits how often it is asked{wait} (429)", for_all=True)
        fault = "has a fault of its own" if status >= 500 else "gave an answer that is none"
        return NoAnswerError(f"{self.domain} {fault} ({status})")

    def _denial(self, status: int, ref: ImageRef) -> NoAnswerError:
        login = self._logins.get(self.domain)
        if login is None:
            return self._wants_login(ref)
        if status == 401 and self._challenge is not None and self._challenge.scheme == "basic":
            return self._wrong_login(login)
        return NoAnswerError(f"{self.domain} does not let {login.whose} pull {ref.path}, or has none")

    def _wants_login(self, ref: ImageRef) -> NoAnswerError:
        return NoAnswerError(f"{self.domain} wants a login for {ref.path}, or has no such image")

    def _wrong_login(self, login: Login) -> NoAnswerError:
        # For all: a wrong password sent once for each image locks accounts.
        reason = f"{self.domain} refuses the login of {login.whose}"
        self._refused(self.domain, reason)
        return NoAnswerError(reason, for_all=True)

    def _lock(self, key: object) -> threading.Lock:
        return self._locks.setdefault(key, threading.Lock())  # setdefault of a dict is atomic


def parse_challenge(header: str) -> Challenge | None:
    """Return the challenge of a WWW-Authenticate header (RFC 9110, 11.6.1) that can be met, or None."""
    found: list[tuple[str, dict[str, str]]] = []
    for word, quoted, plain in _CHALLENGE_WORD.findall(header):
        if not quoted and not plain:
            found.append((word.lower(), {}))
        elif found:
            found[-1][1][word.lower()] = re.sub(r"\\(.)", r"\1", quoted) or plain
    by_scheme = dict(reversed(found))
    bearer = by_scheme.get("bearer", {})
    if bearer.get("realm"):
        return Challenge("bearer", bearer["realm"], bearer.get("service", ""), bearer.get("scope", ""))
    return Challenge("basic") if "basic" in by_scheme else None


def may_name_realm(base: str, realm: str) -> bool:
    """Return whether a registry at `base` may have logins sent to `realm`: never in clear over a network."""
    scheme, host, _port = origin(realm)
    if scheme == "https":
        return bool(host)
    return scheme == "http" and origin(base)[0] == "http" and is_loopback(urlsplit(realm).netloc)


def seconds_wanted(retry_after: str, now: float) -> int:
    """Return the seconds that a Retry-After header asks for at `now` (epoch seconds); 0: it asks for none."""
    if re.fullmatch(r"[0-9]{1,7}", retry_after):
        return int(retry_after)
    try:
        wanted = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0
    return max(0, round(wanted - now))


def _refuses_head(response: requests.Response) -> bool:
    if response.status_code in _NO_HEAD:
        return True
    # A 404 that is not of a registry's own making: a proxy in front that knows no HEAD.
    own = "Docker-Distribution-Api-Version" in response.headers or "json" in response.headers.get(
        "Content-Type", ""
    )
    return response.status_code == 404 and not own


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _token_in(body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    token = (told.get("token") or told.get("access_token")) if isinstance(told, dict) else ""
    return token if isinstance(token, str) else ""
