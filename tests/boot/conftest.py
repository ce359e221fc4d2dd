"""Machines that boot with real cloud-init, on a private host of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.machine import SUITES, Systems
from tests.testbed.fixtures import host_for_tests
from tests.testbed.host import Host


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    """A private host with a running engine and registry, which ends before another package's begins."""
    with host_for_tests() as ready:
        yield ready


@pytest.fixture(scope="package")
def systems(host: Host) -> Systems:
    """Both Debian systems, with dockerup installed, before and after `dockerup setup`."""
    return Systems(host)


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """One system after the other."""
    return str(request.param)
