"""The Docker SDK as it is on users' hosts: what it raises, and what its versions lack.

From 5.0 (Debian 12, Ubuntu 22.04) to the newest; README.md names the engines.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Callable

import docker
import requests
from docker import errors as docker_errors
from docker.transport import UnixHTTPAdapter
from requests.adapters import HTTPAdapter

from dockerup.output import passed_on
from dockerup.problems import DockerupError

PATIENCE, PAUSE = 10.0, 0.05  # seconds, for a call that is made again, and between two of them
CALL_TIMEOUT = 120  # seconds; a stop has its container's stop time besides


class EngineError(DockerupError):
    """The engine refused a call, or cannot be reached.

    `status` is the HTTP status of a refusal, None when there was no answer. `text` is made fit to be shown:
    the engine passes on what a registry or a runtime says.
    """

    def __init__(self, what: str, status: int | None, text: str) -> None:
        self.status = status
        self.text = passed_on(text)
        super().__init__(f"{what}: {self.text}")


def client_of(url: str, api: str, tls: Any) -> Any:
    """Return the SDK's client of an engine."""
    _teach_new_requests()
    return docker.APIClient(base_url=url, version=api, timeout=CALL_TIMEOUT, tls=tls)


def _teach_new_requests() -> None:
    """Let an SDK of before 7.1 work with requests from 2.32 on, which asks adapters in another way."""
    name = "get_connection_with_tls_context"
    if hasattr(HTTPAdapter, name) and name not in vars(UnixHTTPAdapter):

        def connection(self: Any, request: Any, *_arguments: Any, **_more: Any) -> Any:
            return self.get_connection(request.url)

        setattr(UnixHTTPAdapter, name, connection)


def is_podman(response: requests.Response) -> bool:
    """Tell whether an answer is podman's, which speaks the same API with some words of its own."""
    return response.headers.get("Server", "").startswith("Libpod")


def raise_for(response: requests.Response, what: str) -> None:
    """Raise EngineError for an answer of the engine that is a refusal; `what` is what was asked."""
    if response.status_code >= 400:
        raise EngineError(what, response.status_code, _message(response.text))


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500]


def again(call: Callable[[], object]) -> None:
    """Make a call that the engine may fail to carry out on a container that ends at this very moment.

    Until it has heard of the end, it asks containerd to change a process that is no more, and answers 500.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            call()
        except EngineError as error:
            if (error.status or 0) < 500 or time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE)
        else:
            return


@contextmanager
def told(verb: str, subject: str, seconds: float = CALL_TIMEOUT) -> Iterator[None]:
    """Turn what the SDK raises into an EngineError that says what was tried on what.

    `seconds` is how long there may be no answer.
    """
    try:
        yield
    except docker_errors.APIError as error:
        status = error.response.status_code if error.response is not None else None
        raise EngineError(f"{verb} {subject}", status, str(error.explanation or error)) from error
    except requests.Timeout as error:
        raise EngineError(f"{verb} {subject}", None, f"no answer within {seconds:g} seconds") from error
    except (requests.RequestException, docker_errors.DockerException, OSError) as error:
        # What is cut off in the middle of an answer is no requests.Timeout (urllib3's error, wrapped).
        late = f"no answer within {seconds:g} seconds" if "timed out" in str(error) else _reach(error)
        raise EngineError(f"{verb} {subject}", None, late) from error


def _reach(error: Exception) -> str:
    text = str(error)
    if "FileNotFoundError" in text or "No such file" in text:
        return "there is no such socket. Is docker installed and running? systemctl status docker"
    if "PermissionError" in text or "Permission denied" in text:
        return "this user may not use it. Run dockerup as root"
    if "Connection aborted" in text or "RemoteDisconnected" in text:
        return "it ended while it was asked. Was docker restarted? The next run goes on"
    if "Connection refused" in text or "ConnectionRefused" in text:
        return "nothing answers there. Is docker running? systemctl status docker"
    if "unexpected keyword argument 'chunked'" in text:
        return (
            f"the Python package docker {docker.__version__} cannot be used with urllib3 "
            f"{version('urllib3')}. Install docker 7.1 or newer, or urllib3 before 2"
        )
    return text
