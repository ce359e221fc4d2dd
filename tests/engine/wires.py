"""What the tests of pulls share: a wire to the registry, and images that come over it."""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Iterator, Mapping
from typing import Callable

import pytest

from tests.engine.stories import Story, published, wait_for_answer
from tests.testbed.images import make_web_image
from tests.testbed.proxy import Call, EngineProxy
from tests.testbed.wire import Wire

MIB = 1 << 20
SOON = 20.0  # seconds; what has to happen at once is noticed within a quarter of one, the machine may be busy
IN_A_LAYER = MIB // 2  # bytes; more than all else that the registry answers
AT_ONCE = 0


@pytest.fixture(name="wire")
def wire_fixture(story: Story) -> Iterator[Wire]:
    """A wire to the private registry."""
    with Wire(story.registry.host) as good:
        yield good


def far(story: Story, wire: Wire, name: str, version: str = "1") -> str:
    """Push an image with a layer of 1 MiB, also when it is packed; return how it comes over the wire."""
    ballast = {"/ballast": random.Random(1).randbytes(MIB).hex()}
    pushed = story.registry.push(make_web_image(version, files=ballast), name)
    return pushed.reference.replace(story.registry.host, wire.host)


def one_serves(story: Story, wire: Wire, name: str) -> str:
    """Let the first version of a service run, push the second; return the id of the first's container."""
    story.define("web", far(story, wire, name, "one"), portMappings=published())
    story.run()
    wait_for_answer("one")
    far(story, wire, name, "two")
    return story.ids()["web"]


def assert_two_comes(story: Story) -> None:
    """Look that the next run brings the second version, and the one after it has nothing to do."""
    story.run()
    wait_for_answer("two")
    assert story.states() == {"web": "running"}
    story.nothing_to_do()


def at_pulls(proxy: EngineProxy, *acts: Callable[[], None]) -> None:
    """Do the first when the engine is asked for an image, the second when it is asked again, and so on."""
    rest = iter(acts)

    def hook(call: Call) -> None:
        if str(call) == "POST /images/create":
            next(rest, lambda: None)()

    proxy.before = hook


@contextlib.contextmanager
def started(story: Story, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Give the running command, which ends with the test at the latest."""
    with story.dockerup.start(env=env) as running:
        try:
            yield running
        finally:
            running.kill()


def pulls(proxy: EngineProxy) -> int:
    """Return how often the engine was asked for an image."""
    return sum(str(call) == "POST /images/create" for call in proxy.calls)
