"""What the fixtures of several test packages share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.testbed.host import Host, private_host
from tests.testbed.namespace import NoNamespaceError, require_private


@contextlib.contextmanager
def host_for_tests() -> Iterator[Host]:
    """Give a private host; outside of a private namespace the test fails with what to run instead."""
    try:
        require_private()
    except NoNamespaceError as outside:
        pytest.fail(str(outside), pytrace=False)
    with private_host() as ready:
        yield ready
