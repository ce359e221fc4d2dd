"""A private host: one engine and one registry in a directory of their own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.testbed import namespace
from tests.testbed.engine import Engine
from tests.testbed.kinds import Kind
from tests.testbed.registry import Registry


class Host:
    """What a test needs of a machine. Make it with `private_host`."""

    def __init__(self, directory: Path, kind: Kind | None) -> None:
        self.directory = directory
        self.engine = Engine(directory / "engine", kind)
        self.registry = Registry(directory / "registry")
        self.engine.registries = (self.registry.host,)


@contextlib.contextmanager
def private_host(kind: Kind | None = None) -> Iterator[Host]:
    """Give a host whose engine and registry run, and leave nothing of it behind.

    `kind` is the engine to start, without it the one that the person who runs the tests asks for.
    Raises NoNamespaceError outside of a private namespace, TestbedError when a part does not start.
    """
    namespace.require_private()
    # Below the namespace's own /run: in memory, and gone with the namespace whatever happens.
    directory = Path(tempfile.mkdtemp(prefix="testbed-", dir=namespace.RUN))
    host = Host(directory, kind)
    try:
        host.registry.start()
        host.engine.start()
        yield host
    finally:
        host.engine.remove()
        host.registry.stop()
        shutil.rmtree(directory, ignore_errors=True)
