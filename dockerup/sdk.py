"""The Docker SDK as it is on users' hosts: what it raises, and what its versions lack.

From 5.0 (Debian 12, Ubuntu 22.04) to the newest; README.md names the engines.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, Callable

import docker
import requests
from docker import errors as docker_errors
from docker.transport import UnixHTTPAdapter
from docker.utils import config as docker_config
from docker.utils import kwargs_from_env, parse_host
from requests.adapters import HTTPAdapter

from dockerup.engine_error import CALL_TIMEOUT, EngineError, why_unreached

PATIENCE, PAUSE = 10.0, 0.05  # seconds, for a call that is made again, and between two of them


def client_of(url: str, api: str, environ: Mapping[str, str]) -> Any:
    """Return the SDK's client of an engine; `api` is the version that is spoken. Raises EngineError."""
    _teach_new_requests()
    _check_address(url)
    tls = kwargs_from_env(environment={**environ, "DOCKER_HOST": url}).get("tls") or False
    client = partial(docker.APIClient, base_url=url, version=api, timeout=CALL_TIMEOUT, tls=tls)
    try:
        return client()
    except Exception:  # of any kind, where it falls over what stands in docker's own file
        _read_no_file()
        return client()


def _read_no_file() -> None:
    """Let the SDK take docker's config.json for absent: its logins are read elsewhere, entry by entry."""
    docker_config.find_config_file = lambda *_path: None


def _check_address(url: str) -> None:
    try:
        parse_host(url)
    except (docker_errors.DockerException, ValueError) as error:
        text = "this is no address of an engine. Write unix:///var/run/docker.sock or tcp://HOST:PORT"
        raise EngineError(f"connect to the engine {url}", None, text) from error


def _teach_new_requests() -> None:
    """Let an SDK of before 7.1 work with requests from 2.32 on, which asks adapters in another way."""
    name = "get_connection_with_tls_context"
    if hasattr(HTTPAdapter, name) and name not in vars(UnixHTTPAdapter):

        def connection(self: Any, request: Any, *_arguments: Any, **_more: Any) -> Any:
            return self.get_connection(request.url)

        setattr(UnixHTTPAdapter, name, connection)


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
    except (requests.RequestException, docker_errors.DockerException, OSError, ValueError) as error:
        # What is cut off in the middle of an answer is no requests.Timeout (urllib3's error, wrapped), and
        # what is no JSON is a ValueError alone before requests 2.27.
        why = _does_not_fit(str(error)) or why_unreached(error, seconds)
        raise EngineError(f"{verb} {subject}", None, why) from error


def _does_not_fit(text: str) -> str:
    if "unexpected keyword argument 'chunked'" not in text:
        return ""
    return (
        f"the Python package docker {docker.__version__} cannot be used with urllib3 "
        f"{version('urllib3')}. Install docker 7.1 or newer, or urllib3 before 2"
    )
