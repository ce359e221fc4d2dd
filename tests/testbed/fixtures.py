"""What the fixtures of several test packages share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.testbed.host import Host, private_host
from tests.testbed.kinds import Kind
from tests.testbed.namespace import NoNamespaceError, require_private


@contextlib.contextmanager
def host_for_tests(kind: Kind | None = None) -> Iterator[Host]:
    """Give a private host with an engine of that kind, or of the chosen one.

    Outside of a private namespace the test fails with what to run instead.
    """
    try:
        require_private()
    except NoNamespaceError as outside:
        pytest.fail(str(outside), pytrace=False)
    with private_host(kind) as ready:
        yield ready
