"""The private host of the engine tests: one for the whole run, cleaned after each test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.command import Dockerup
from tests.testbed.engine import Engine
from tests.testbed.fixtures import host_for_tests
from tests.testbed.host import Host
from tests.testbed.metadata import Metadata
from tests.testbed.proxy import EngineProxy
from tests.testbed.registry import Registry


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    """A private host with a running engine and registry, which ends before another package's begins."""
    with host_for_tests() as ready:
        yield ready


@pytest.fixture
def engine(host: Host) -> Iterator[Engine]:
    """The private engine, running and empty. What the test leaves on it is removed."""
    yield host.engine
    if not host.engine.runs:
        host.engine.start()
    host.engine.clean()


@pytest.fixture
def client(engine: Engine) -> Iterator[Any]:
    """A `docker.APIClient` of the private engine, to look with other eyes than the product's."""
    with contextlib.closing(engine.client()) as connected:
        yield connected


@pytest.fixture
def registry(host: Host) -> Iterator[Registry]:
    """The private registry, running. What tests push stays in it."""
    yield host.registry
    if not host.registry.runs:
        host.registry.start()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """EC2 metadata on loopback, with no user-data yet."""
    service = Metadata()
    service.start()
    yield service
    service.stop()


@pytest.fixture
def proxy(engine: Engine, tmp_path: Path) -> Iterator[EngineProxy]:
    """A recording proxy before the private engine's socket."""
    running = EngineProxy(engine.socket_path, tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def dockerup(engine: Engine, tmp_path: Path) -> Dockerup:
    """The real command for the private engine."""
    return Dockerup(engine.url, tmp_path / "dockerup")
