"""A token service that a real registry trusts: distribution's docs/spec/auth/{token,jwt,oauth}.md.

Its tokens are signed with openssl, which is there anyway, so that the tests need no package for it.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dockerup.logins import Login
from tests.testbed.site import Reply, Request, Site, basic

SERVICE, ISSUER = "registry", "tokens of the tests"


class TokenService:
    """Gives tokens to pull to one login, by name and password (GET) or by identity token (POST)."""

    def __init__(self, directory: Path, login: Login) -> None:
        directory.mkdir()
        self.login = login
        self.site = Site(self._answer)
        self._key, self._certificate = directory / "key.pem", directory / "certificate.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=tokens", "-keyout", str(self._key), "-out", str(self._certificate)]
        subprocess.run(command, capture_output=True, check=True)

    @property
    def registry_config(self) -> Mapping[str, Any]:
        """What a registry's configuration has to hold to trust this service."""
        realm = f"{self.site.url}/token"
        trust = {"realm": realm, "service": SERVICE, "issuer": ISSUER}
        return {"auth": {"token": {**trust, "rootcertbundle": str(self._certificate)}}}

    def _answer(self, request: Request) -> Reply:
        if request.method == "POST":
            told = request.form
            if told["grant_type"] != "refresh_token" or told["refresh_token"] != self.login.identity_token:
                return Reply(400, body=b'{"error": "invalid_grant"}')
            return self._token(told["scope"], "access_token")
        if self.login.identity_token or request.headers.get("authorization") != basic(self.login):
            return Reply(401)
        return self._token(request.query["scope"][0], "token")

    def _token(self, scope: str, key: str) -> Reply:
        kind, name, actions = scope.split(":")
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": self.login.username,
            "aud": SERVICE,
            "exp": now + 300,
            "nbf": now - 60,
            "iat": now,
            "jti": str(time.time_ns()),
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        body = {key: self._signed(claims), "expires_in": 300}
        return Reply(headers={"Content-Type": "application/json"}, body=json.dumps(body).encode())

    def _signed(self, claims: Mapping[str, Any]) -> str:
        der = ssl.PEM_cert_to_DER_cert(self._certificate.read_text())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [b64encode(der).decode()]}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self._key)]
        signed = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
        return f"{text}.{_encoded(signed.stdout)}"


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
