"""Where the examples are booted: a private host of their own, and images that stand in for the examples'."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.boot.machine import Systems
from tests.examples.files import server_on
from tests.examples.stock import Stock, add_stock_system
from tests.testbed import namespace
from tests.testbed.host import Host, private_host
from tests.testbed.images import Image, make_image

# Directories of the host that the examples' volumes name: the engine would make them where they are missing.
_HOST_PATHS = ("/srv", "/var/log")


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    """A private host, which ends before another package's begins."""
    try:
        namespace.require_private()
    except namespace.NoNamespaceError as outside:
        pytest.fail(str(outside), pytrace=False)
    for path in _HOST_PATHS:
        subprocess.run(["mount", "-t", "tmpfs", "examples", path], check=True)
    with private_host() as ready:
        for reference, image in _stand_ins().items():
            ready.engine.load(image, reference)
        yield ready
    for path in _HOST_PATHS:
        namespace.unmount(path)


@pytest.fixture(scope="package")
def systems(host: Host) -> Systems:
    """Debian 12 and 13 with dockerup installed, before and after `dockerup setup`."""
    return Systems(host)


@pytest.fixture(scope="package")
def stock(systems: Systems, host: Host, tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """Debian 12 as it comes, with packages and dockerup within its reach."""
    return add_stock_system(systems, host, tmp_path_factory.mktemp("wheel"))


def _stand_ins() -> dict[str, Image]:
    sleeps = make_image("example", entrypoint=("sh", "-c", "sleep 1000000"), command=())
    return {
        "nginx:1.29": server_on(80),
        "example/my-app:latest": server_on(8080),
        "example/my-app:1.4.2": server_on(8080),
        "example/my-app:7": server_on(8080),
        "registry.example.com/team/my-app:1.4.2": server_on(8080),
        "registry:2": server_on(5000),
        "redis:8": sleeps,
        "example/logstash-forwarder:latest": sleeps,
        "prom/node-exporter:v1.9.1": sleeps,
    }
