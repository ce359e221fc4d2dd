"""What a registry is sent as a login: challenges, and the tokens that are got for them.

RFC 9110 (11.6.1) for challenges, distribution's docs/spec/auth/token.md and oauth.md for tokens.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Callable
from urllib.parse import urlencode, urlsplit

from dockerup.image import ImageRef
from dockerup.logins import Login, LoginFor, NoLoginError
from dockerup.registry_memory import LONGEST_TOKEN, Challenge, Met, Token
from dockerup.transport import NoAnswerError, Transport, busy, is_loopback, origin

if TYPE_CHECKING:
    from dockerup.http_session import Response

MOST_TOKEN_BYTES = 1 << 20  # of the answer that holds one
MOST_KEPT = 1 << 14  # characters of a token that is kept; the cache has a limit for all of them
TOKEN_SECONDS = 60  # what a token that says nothing counts, by the specification
TOKEN_MARGIN = 10  # seconds that a token is not used before its end

_CHALLENGE_WORD = re.compile(r'([A-Za-z][\w-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?')


class Authorizer:
    """The login to one server and its tokens, for the threads of one check. `met` is what is remembered."""

    def __init__(
        self,
        name: str,
        http: Transport,
        login_for: LoginFor,
        refused: Callable[[str, str], None],
        met: Met,
        now: float,
    ) -> None:
        self.name = name
        self._refused = refused
        self.challenge = met.challenge
        self._http = http
        self._login_for = login_for
        self._now = now
        self._logins: dict[str, Login | None] = {}
        self._kept = dict(met.tokens)
        self._tokens: dict[str, Token] = {}
        self._locks: dict[object, threading.Lock] = {}

    @property
    def tokens(self) -> Mapping[str, Token]:
        """The tokens that may be used again."""
        found = {**self._kept, **self._tokens}
        return {scope: token for scope, token in found.items() if len(token.text) <= MOST_KEPT}

    def header(self, ref: ImageRef, base: str) -> str | None:
        """Return what to send for an image before anything is asked for, None for nothing."""
        return self._answer(self.challenge, ref, base)

    def met(self, told: str, sent: str | None, ref: ImageRef, base: str) -> str | None:
        """Return what to send after a refusal whose WWW-Authenticate header is `told`, None: give up."""
        challenge = parse_challenge(told)
        if sent is not None:
            self._kept.pop(_scope(ref), None)  # one of an earlier run that does not count any more
        wanted = self._answer(challenge, ref, base)
        if wanted is None or wanted == sent:
            return None
        # Kept without its scope, which is this image's own: the others ask for a token before they are told.
        self.challenge = replace(challenge, scope="") if challenge else None
        return wanted

    def login(self) -> Login | None:
        """Return the login for the server, looked up once. Raises NoAnswerError when that fails."""
        with self._lock("login"):
            if self.name not in self._logins:
                try:
                    self._logins[self.name] = self._login_for(self.name)
                except NoLoginError as error:
                    raise NoAnswerError(str(error), for_all=True) from None
            return self._logins[self.name]

    def still_refused(self, mark: str) -> bool:
        """Tell whether the login is still the one of a mark, which an earlier run was refused."""
        login = self.login()
        if login is None or mark_of(login, mark) != mark:
            return False
        self._refused(self.name, self._refusal(login))
        return True

    def denial(self, status: int, ref: ImageRef) -> NoAnswerError:
        """Return what a refusal with 401 or 403 means, after all that could be sent was sent."""
        # The next run may have another login, or this one more rights: it asks for a token of its own.
        for tokens in (self._kept, self._tokens):
            tokens.pop(_scope(ref), None)
        login = self._logins.get(self.name)
        if login is None:
            return self._wants_login(ref)
        if status == 401 and self.challenge is not None and self.challenge.scheme == "basic":
            return self._wrong_login(login)
        return NoAnswerError(f"{self.name} does not let {login.whose} pull {ref.path}, or has none")

    def _answer(self, challenge: Challenge | None, ref: ImageRef, base: str) -> str | None:
        if challenge is None:
            return None
        if challenge.scheme == "bearer":
            return f"Bearer {self._token(challenge, ref, base).text}"
        login = self.login()
        if login and login.identity_token:
            what = "wants a password, and what is stored for it is an identity token"
            raise NoAnswerError(f"{self.name} {what}", for_all=True)
        return _basic(login) if login else None

    def _token(self, challenge: Challenge, ref: ImageRef, base: str) -> Token:
        key = _scope(ref)
        with self._lock(key):
            found = self._tokens.get(key) or self._kept.get(key)
            if found is None:
                found = self._tokens[key] = self._new_token(challenge, ref, base)
            return found

    def _new_token(self, challenge: Challenge, ref: ImageRef, base: str) -> Token:
        if not may_name_realm(base, challenge.realm):
            what = "wants logins sent to what is no https address, which is refused"
            raise NoAnswerError(f"{self.name} {what}", for_all=True)
        login = self.login()
        where = urlsplit(challenge.realm).netloc
        with contextlib.closing(self._ask_realm(challenge, login, ref)) as response:
            status = response.status_code
            if status in (401, 403) and login is None:
                raise self._wants_login(ref)
            # 400 is how OAuth2 says that a grant is none (RFC 6749, 5.2).
            if login is not None and (status == 401 or (status == 400 and login.identity_token)):
                raise self._wrong_login(login)
            if status == 403:
                raise self.denial(status, ref)
            if status == 429 or status >= 500:
                raise busy(self.name, response, self._now)
            if status != 200:
                raise NoAnswerError(f"{where} gave no token for {self.name} ({status})")
            token = _token_in(self._http.read(response, MOST_TOKEN_BYTES), self._now)
        if token is None:
            raise NoAnswerError(f"{where} gave no token for {self.name}")
        return token

    def _ask_realm(self, challenge: Challenge, login: Login | None, ref: ImageRef) -> Response:
        """Ask for a token as token.md has it, with an identity token as oauth.md does."""
        scope = challenge.scope or _scope(ref)
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

    def _wants_login(self, ref: ImageRef) -> NoAnswerError:
        return NoAnswerError(f"{self.name} wants a login for {ref.path}, or has no such image")

    def _wrong_login(self, login: Login) -> NoAnswerError:
        # For all: a wrong password sent once for each image locks accounts.
        reason = self._refusal(login)
        self._refused(self.name, reason)
        return NoAnswerError(reason, for_all=True, login=login)

    def _refusal(self, login: Login) -> str:
        return f"{self.name} refuses the login of {login.whose}"

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
    """Tell whether a registry at `base` may have logins sent to `realm`.

    In clear only where the registry itself speaks so, which the engine has to be told of, and then only to
    that very host or to this machine.
    """
    try:
        scheme, host, _port = origin(realm)
    except ValueError:
        return False
    if scheme == "https":
        return bool(host)
    own_scheme, own_host, _own_port = origin(base)
    return scheme == own_scheme == "http" and (host == own_host or is_loopback(urlsplit(realm).netloc))


def mark_of(login: Login | None, like: str = "") -> str:
    """Return what tells one login from another and nothing else, salted as the mark `like` is.

    It is too short to find a password by: of all that could be tried, one in four thousand millions has it.
    """
    import secrets

    salt = like.partition(".")[0] or secrets.token_hex(8)
    text = "\0".join([salt, login.username, login.password, login.identity_token]) if login else salt
    return f"{salt}.{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _scope(ref: ImageRef) -> str:
    return f"repository:{ref.path}:pull"


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _token_in(body: bytes, now: float) -> Token | None:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    told = told if isinstance(told, dict) else {}
    text = told.get("token") or told.get("access_token")
    if not isinstance(text, str) or not re.fullmatch(r"[ -~]+", text):
        return None
    return Token(text, now + _lasts(told.get("expires_in")) - TOKEN_MARGIN)


def _lasts(told: object) -> float:
    if isinstance(told, bool) or not isinstance(told, (int, float)):
        return TOKEN_SECONDS
    return told if 0 < told <= LONGEST_TOKEN else TOKEN_SECONDS
