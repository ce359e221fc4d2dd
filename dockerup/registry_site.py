"""One server that has images: which digest it says a tag has, by one HEAD, and what that taught of it.

The protocol is distribution's docs/spec/api.md (manifests).
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dockerup.authorization import Authorizer, mark_of
from dockerup.image import ImageRef, is_digest
from dockerup.platforms import entries_of, entry_for, is_manifest, names_of
from dockerup.registry_memory import Away, Met, entry_key, went_away
from dockerup.transport import NoAnswerError, Transport, busy, origin

if TYPE_CHECKING:
    from dockerup.endpoints import Place
    from dockerup.http_session import Response

DIGEST_HEADER = "Docker-Content-Digest"
MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
MOST_MANIFEST_BYTES = 4 << 20

_NO_HEAD = {400, 405, 501}


class Site:
    """One server during one check, asked by several threads."""

    def __init__(
        self,
        place: Place,
        http: Transport,
        authorizer: Authorizer,
        met: Met,
        away: Away | None,
        now: float,
    ) -> None:
        self.name = place.name
        self._urls = sorted((end.url for end in place.endpoints), key=lambda url: url != met.url)
        self._http = http
        self._authorizer = authorizer
        self._away = away
        self._now = now
        self._url = ""
        self._given_up: NoAnswerError | None = None
        self._trouble: NoAnswerError | None = None
        self._well = False
        self._silences = 0
        self._entries = dict(met.entries)

    def digest(self, ref: ImageRef, *, missing: bool) -> str:
        """Return the digest of a tag now, or the one that is asked for, if it is there.

        Where a platform is asked for, it is that of its own manifest, which an index names.
        Raises NoAnswerError when the server does not say it. One that is away is not asked, but for an image
        that is `missing` here.
        """
        if self._given_up is not None:
            raise self._given_up
        away = self._in_peace(missing=missing)
        if away is not None:
            wait = max(1, round(away.until - self._now)) if away.asked else 0
            raise NoAnswerError(away.latest, trouble=True, wait=wait)
        try:
            digest, is_index = self._digest(ref)
            if ref.platform:
                digest = self._entry(digest, ref) if is_index else self._own_entry(digest, ref)
        except NoAnswerError as error:
            self._note(error)
            raise
        self._well = True
        return digest

    def _in_peace(self, *, missing: bool) -> Away | None:
        """Return why the server is left in peace, None when it may be asked."""
        away = self._away
        if away is None or not away.holds(self._now):
            return None
        if away.login:  # not even for an image that is missing: wrong passwords lock accounts
            return away if self._authorizer.still_refused(away.login) else None
        return away if away.asked or not missing else None

    def _note(self, error: NoAnswerError) -> None:
        # One image that hangs says nothing of the others; two do, as long as nothing was ever answered.
        self._silences += error.silent
        if error.for_all or (error.silent and self._silences > 1 and not self._well):
            self._given_up = error
        if error.trouble:
            self._trouble = self._trouble or error
        else:
            self._well = True

    def late(self, reason: str) -> None:
        """Take it down that the server had not answered when time was up."""
        if self._trouble is None:
            self._trouble = NoAnswerError(reason, silent=True)

    def away(self, chance: float) -> Away | None:
        """Return whether the server is away after the check, and until when."""
        trouble = self._given_up or self._trouble
        if trouble is None:
            # Asked and well, or not asked at all: then it is as it was.
            return None if self._well else self._away
        if self._well and not trouble.for_all:
            return None
        mark = mark_of(trouble.login) if trouble.login else ""
        return went_away(self._away, str(trouble), self._now, chance, asked_for=trouble.wait, login=mark)

    def met(self) -> Met:
        """Return what is worth remembering of the server."""
        url = self._url or self._urls[0]
        return Met(url, self._authorizer.challenge, self._authorizer.tokens, self._entries)

    def _digest(self, ref: ImageRef) -> tuple[str, bool]:
        """Return the digest of what a reference means, and whether that is an index."""
        path = f"/v2/{ref.path}/manifests/{ref.digest or ref.tag}"
        response = self._authorized("HEAD", path, ref)
        digest = response.headers.get(DIGEST_HEADER, "")
        if response.status_code == 200 and is_digest(digest):
            return digest, _is_index(response)
        if response.status_code != 200 and not _refuses_head(response):
            raise self._refusal(response, ref)
        return self._digest_of_body(path, ref)

    def _digest_of_body(self, path: str, ref: ImageRef) -> tuple[str, bool]:
        with contextlib.closing(self._authorized("GET", path, ref)) as response:
            if response.status_code != 200:
                raise self._refusal(response, ref)
            digest = response.headers.get(DIGEST_HEADER, "")
            if is_digest(digest):
                return digest, _is_index(response)
            # The digest of the first schema leaves out the signatures, so that it is not that of the body.
            if "manifest.v1+" in response.headers.get("Content-Type", ""):
                raise NoAnswerError(f"{self.name} has {ref.path}:{ref.tag} in a format of before 2016")
            body = self._http.read(response, MOST_MANIFEST_BYTES)
        if not is_manifest(body):
            raise NoAnswerError(f"{self.name} answers with what is no manifest of an image", trouble=True)
        return f"sha256:{hashlib.sha256(body).hexdigest()}", _is_index(response)

    def _entry(self, index: str, ref: ImageRef) -> str:
        """Return the digest that an index names for a platform: it is read once, since it never changes."""
        key = entry_key(index, ref.platform)
        if key not in self._entries:
            self._entries[key] = self._entry_of_body(index, ref)
        return self._entries[key]

    def _own_entry(self, digest: str, ref: ImageRef) -> str:
        """Return the digest of what is no index; that it is none is known once for all."""
        if ref.digest is not None:
            self._entries[entry_key(digest, ref.platform)] = digest
        return digest

    def _entry_of_body(self, index: str, ref: ImageRef) -> str:
        path = f"/v2/{ref.path}/manifests/{index}"
        with contextlib.closing(self._authorized("GET", path, ref)) as response:
            if response.status_code != 200:
                raise self._refusal(response, ref)
            entries = entries_of(self._http.read(response, MOST_MANIFEST_BYTES))
        digest = entry_for(ref.platform, entries)
        if not is_digest(digest):
            named = ", ".join(names_of(entries)[:10]) or "none"
            raise NoAnswerError(
                f"{self.name} has {ref.path} for other platforms than {ref.platform}: {named}"
            )
        return digest

    def _authorized(self, method: str, path: str, ref: ImageRef) -> Response:
        sent = self._authorizer.header(ref, self._url or self._urls[0])
        response = self._fetch(method, path, sent)
        if response.status_code != 401:
            return response
        told = response.headers.get("WWW-Authenticate", "")
        wanted = self._authorizer.met(told, sent, ref, self._url)
        if wanted is None:
            return response
        response.close()
        return self._fetch(method, path, wanted)

    def _fetch(self, method: str, path: str, authorization: str | None) -> Response:
        for url in [self._url] if self._url else self._urls:
            try:
                response = self._http.follow(
                    method, url + path, authorization, Accept=", ".join(MANIFEST_TYPES)
                )
            except NoAnswerError as error:
                if not error.unreached or url in (self._url, self._urls[-1]):
                    raise
                continue
            self._url = url
            if response.status_code in (401, 403) and origin(response.url) != origin(url):
                # Not the registry's own refusal: it must not get the registry's login.
                host = urlsplit(response.url).netloc
                raise NoAnswerError(f"{self.name} redirects to {host}, which refuses")
            return response
        raise AssertionError("the loop returns or raises at the last URL")

    def _refusal(self, response: Response, ref: ImageRef) -> NoAnswerError:
        status = response.status_code
        if status in (401, 403):
            return self._authorizer.denial(status, ref)
        if status == 404:
            return NoAnswerError(f"{self.name} has no such tag: {ref.path}:{ref.digest or ref.tag}")
        if status == 429 or status >= 500:
            return busy(self.name, response, self._now)
        return NoAnswerError(f"{self.name} gave an answer that is none ({status})")


def _is_index(response: Response) -> bool:
    kind = response.headers.get("Content-Type", "")
    return "manifest.list.v2+" in kind or "image.index.v1+" in kind


def _refuses_head(response: Response) -> bool:
    if response.status_code in _NO_HEAD:
        return True
    # A 404 that is not of a registry's own making: a proxy in front that knows no HEAD.
    own = "Docker-Distribution-Api-Version" in response.headers or "json" in response.headers.get(
        "Content-Type", ""
    )
    return response.status_code == 404 and not own
