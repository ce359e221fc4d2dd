"""What needs no registry is mended before one is asked: one that hangs holds up nothing, nor does a splay."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockerup.connection import share_of
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.wires import SOON, started
from tests.engine.wires import wire_fixture as wire_fixture
from tests.testbed.images import make_job_image
from tests.testbed.proxy import EngineProxy
from tests.testbed.waiting import wait_until
from tests.testbed.wire import Fault, Wire

FROM_THE_FIRST_BYTE = Fault(after=-1, cut=False)
MACHINE_ID = Path("/etc/machine-id")


def listed(story: Story, wire: Wire) -> None:
    """Let a service run whose image comes over the wire, and one of which no registry is asked."""
    asked = story.push("asked").reference.replace(story.registry.host, wire.host)
    story.define("asked", asked)
    story.define("here", story.load("here:1"), update={"pull": False})
    story.run()


def test_drift_is_mended_while_a_registry_hangs(story: Story, wire: Wire) -> None:
    listed(story, wire)
    before = story.ids()
    story.client.kill("asked")
    story.client.remove_container("here", force=True)
    wire.fault = FROM_THE_FIRST_BYTE

    with started(story) as run:
        wait_until(lambda: story.states() == {"asked": "running", "here": "running"}, "both run again")
        assert run.poll() is None, "the registry did not hang"
        assert run.wait(60) == 0
    assert story.ids()["asked"] == before["asked"]


def test_job_that_is_due_runs_once_though_there_are_two_plans(story: Story) -> None:
    story.push("job", make=make_job_image)
    story.define("job", story.registry.reference("job"), restart="never")
    story.define("other", story.push("other").reference)
    story.run()
    story.client.remove_container("other", force=True)
    assert story.run().stdout == "other: created (not there)\n"
    assert story.client.logs("job").decode() == "1\n"
    story.nothing_to_do()


def test_start_that_fails_is_tried_once_in_a_run(story: Story, proxy: EngineProxy) -> None:
    story.define("web", story.push("web").reference, command=["/no/such/program"])
    story.run(code=1)
    proxy.forget()

    story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert [call.path.endswith("/start") for call in proxy.calls].count(True) == 1


@pytest.fixture
def late_host(tmp_path: Path) -> Iterator[str]:
    """The id of a machine that asks registries nearly as late as the splay lets it, as this machine's."""
    identity = next(f"{n:032x}" for n in range(1000) if share_of(f"{n:032x}", 50) > 45)
    file = tmp_path / "machine-id"
    file.write_text(f"{identity}\n")
    subprocess.run(["mount", "--bind", str(file), str(MACHINE_ID)], check=True)
    yield identity
    subprocess.run(["umount", str(MACHINE_ID)], check=True)


@pytest.mark.usefixtures("late_host")
def test_splay_delays_the_question_and_no_start_and_ends_at_a_signal(story: Story, wire: Wire) -> None:
    listed(story, wire)
    story.client.kill("asked")
    asked = len(story.registry.requests())

    story.dockerup.configure(splay=50)
    with started(story) as run:
        wait_until(lambda: story.states()["asked"] == "running", "it runs again")
        assert run.poll() is None
        assert len(story.registry.requests()) == asked
        run.terminate()
        assert run.wait(SOON) == 143
    assert len(story.registry.requests()) == asked


@pytest.mark.usefixtures("late_host")
def test_splay_is_not_for_an_image_that_is_missing(story: Story) -> None:
    story.dockerup.configure(splay=50)
    story.define("web", story.push("web").reference)
    assert story.run().stdout == "web: created (not there)\n"
