"""Credential helpers: docker's protocol to get a login from a program, within bounds of time and size.

github.com/docker/docker-credential-helpers, client/client.go: `docker-credential-NAME get`, the server on
stdin, JSON on stdout. What a program says when it fails, on stderr too, is never shown: it may hold a secret.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from dockerup.image import DEFAULT_DOMAIN
from dockerup.logins import HUB_ADDRESS, Login, NoLoginError

TIMEOUT = 10.0  # seconds
MOST_BYTES = 1 << 16

_PREFIX = "docker-credential-"
_NOT_FOUND = b"credentials not found in native keychain"
_IS_TOKEN = "<token>"
# Cron's PATH is /usr/bin:/bin, and what is installed by hand is elsewhere.
_ALSO_IN = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PACKAGES = {
    "ecr-login": "amazon-ecr-credential-helper",
    "pass": "golang-docker-credential-helpers",
    "secretservice": "golang-docker-credential-helpers",
}


def ask_helper(
    name: str, domain: str, environ: Mapping[str, str], home: str, timeout: float = TIMEOUT
) -> Login | None:
    """Return the login that the helper `name` has for a registry, None when it has none.

    `home` is its HOME where the environment has none. Raises NoLoginError when it is missing or fails.
    """
    program = f"{_PREFIX}{name}"
    path = search_path(environ.get("PATH", ""))
    found = shutil.which(program, path=path)
    if found is None:
        raise NoLoginError(
            f"{domain} wants the credential helper {program}, which is not installed: {_how_to_get(name)}"
        )
    server = HUB_ADDRESS if domain == DEFAULT_DOMAIN else domain
    whole = {**environ, "PATH": path, "HOME": environ.get("HOME") or home}
    try:
        code, said = _run([found, "get"], server.encode(), whole, timeout)
    except TimeoutError:
        raise NoLoginError(f"{program} gave no login for {domain} within {timeout:g} seconds") from None
    except OSError as error:
        raise NoLoginError(f"{program} cannot be run for {domain}: {error.strerror}") from None
    except OverflowError:
        raise _no_login_in_it(program, domain) from None
    if code == 0:
        return login_in(said, program, domain)
    if said.strip() == _NOT_FOUND:
        return None
    look = f"echo {server} | {program} get"
    raise NoLoginError(f"{program} gave no login for {domain} (exit code {code}). To see why: {look}")


def search_path(path: str) -> str:
    """Return the directories to look for a helper in: those of PATH, and where programs are installed."""
    given = [part for part in path.split(":") if part.startswith("/")]
    return ":".join(dict.fromkeys([*given, *_ALSO_IN]))


def login_in(answer: bytes, program: str, domain: str) -> Login | None:
    """Return the login in a helper's answer, None for an empty one. Raises NoLoginError for what is none."""
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict):
        username, secret = told.get("Username", ""), told.get("Secret", "")
        if isinstance(username, str) and isinstance(secret, str):
            if username == _IS_TOKEN:
                return Login("", identity_token=secret) if secret else None
            return Login(username, secret) if username else None
    raise _no_login_in_it(program, domain)


def _no_login_in_it(program: str, domain: str) -> NoLoginError:
    return NoLoginError(f"{program} gave an answer for {domain} that is no login")


def _how_to_get(name: str) -> str:
    if name in _PACKAGES:
        return f"apt-get install {_PACKAGES[name]}"
    return f"put it into {_ALSO_IN[1]}"


def _run(command: list[str], text: bytes, environ: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
    """Return exit code and output of a program.

    Raises TimeoutError, OverflowError for more than MOST_BYTES, and OSError when it cannot be run.
    """
    deadline = time.monotonic() + timeout
    process = subprocess.Popen(  # noqa: S603  # a checked name, no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(text)
        said = _read(process.stdout.fileno(), deadline)
        return process.wait(max(0.0, deadline - time.monotonic())), said
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    finally:
        if process.returncode is None:
            # Before it is waited for: until then nobody else can have its number.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def _read(descriptor: int, deadline: float) -> bytes:
    """Return all that comes until the end."""
    said, poll = b"", select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(said) <= MOST_BYTES:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        chunk = os.read(descriptor, MOST_BYTES)
        if not chunk:
            return said
        said += chunk
    raise OverflowError
