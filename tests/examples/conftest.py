"""Where the examples are booted: a private host of their own, and images that stand in for the examples'."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.machine import SEED, SUITES, Machine, Systems
from tests.examples.registries import registry_with_logins
from tests.examples.stand_ins import stand_ins
from tests.examples.stock import Stock, add_stock_system
from tests.testbed import namespace
from tests.testbed.fixtures import host_for_tests
from tests.testbed.host import Host
from tests.testbed.registry import Registry

# Directories of the host that the examples' volumes name: the engine would make them where they are missing.
_HOST_PATHS = ("/srv", "/var/log")


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    """A private host, which ends before another package's begins."""
    with host_for_tests() as ready:
        for path in _HOST_PATHS:
            subprocess.run(["mount", "-t", "tmpfs", "examples", path], check=True)
        for reference, image in stand_ins().items():
            ready.engine.load(image, reference)
        yield ready
    for path in _HOST_PATHS:
        namespace.unmount(path)


@pytest.fixture(scope="package")
def systems(host: Host) -> Systems:
    """Debian 12 and 13 with dockerup installed, before and after `dockerup setup`."""
    return Systems(host)


@pytest.fixture(scope="module", params=SUITES)
def installed(request: pytest.FixtureRequest, systems: Systems) -> Iterator[Machine]:
    """A machine on which `dockerup setup` ran."""
    with systems.machine(f"{request.param}-ready") as ready:
        yield ready


@pytest.fixture
def machine(installed: Machine, systems: Systems) -> Iterator[Machine]:
    """A machine on which `dockerup setup` ran, and nothing else; each boot is that of a new instance."""
    yield installed
    systems.remove_containers()
    installed.must("rm", "-rf", "/etc/dockerup/containers.d", "/root/.docker", f"{SEED}/vendor-data")
    installed.must("mkdir", "-m", "755", "/etc/dockerup/containers.d")


@pytest.fixture(scope="package")
def stock(systems: Systems, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """Debian 12 as it comes, with packages and dockerup within its reach."""
    return add_stock_system(systems, host, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def registry(host: Host, tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants a login; its address is new, so no image of it is on the engine."""
    with registry_with_logins(host, tmp_path, "1.4.2", "7") as ready:
        yield ready
