"""A private host that begins with this machine's own engine, and its classic image store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.conftest import client as client
from tests.engine.conftest import dockerup as dockerup
from tests.engine.conftest import engine as engine
from tests.engine.conftest import registry as registry
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.fixtures import host_for_tests
from tests.testbed.host import Host
from tests.testbed.kinds import Kind


@pytest.fixture
def host() -> Iterator[Host]:
    """A private host with a running engine and registry, for one test."""
    with host_for_tests(Kind()) as ready:
        yield ready
