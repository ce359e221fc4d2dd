"""Faults of the disk, the registry, the host and the engine, while a service runs that has to be replaced.

After each the service still runs, or does so again within the run; nothing is left over; and the first run
without the fault brings the host to what is listed, and the next has nothing to do.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

from tests.engine.stories import PORT, Story, answer, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import Image, digest_of, make_web_image
from tests.testbed.namespace import RUN
from tests.testbed.proxy import Call, EngineProxy, Hook, kill_client
from tests.testbed.registry import Pushed
from tests.testbed.site import Answering, Reply, Request, Site
from tests.testbed.waiting import wait_until

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MIB = 1 << 20
SIGTERMED = 143
SOON = 3.0  # seconds; the wait notices within a quarter of one, the rest is for a busy machine


@dataclass(frozen=True)
class Before:
    """What was there before a fault: the containers and the images, by id."""

    ids: dict[str, str]
    images: set[str]


def define_web(story: Story, image: str, **keys: object) -> None:
    story.define("web", image, **{"portMappings": published(), **keys})


def one_serves(story: Story, image: str, **keys: object) -> Before:
    """Let the first version of a service run; return what is there then."""
    define_web(story, image, **keys)
    story.run()
    wait_for_answer("one")
    return Before(story.ids(), story.images())


def pushed_one_serves(story: Story, **keys: object) -> tuple[Before, Pushed]:
    pushed = story.push("web", "one", make_web_image)
    return one_serves(story, pushed.reference, **keys), pushed


def assert_untouched(story: Story, before: Before) -> None:
    """Look that the same container serves, that it will after a reboot, and that nothing was added."""
    assert story.states() == dict.fromkeys(before.ids, "running")
    assert (story.ids(), story.images()) == (before.ids, before.images)
    assert_one_serves(story, before)


def assert_one_serves(story: Story, before: Before) -> None:
    assert story.ids()["web"] == before.ids["web"]
    assert story.policy("web") == "always"
    wait_for_answer("one")


def assert_two_serves(story: Story, *arguments: str, port: int = PORT) -> None:
    """Look that a run without the fault replaces the container, and the next has nothing to do."""
    story.run(*arguments)
    assert_is_two(story, port)


def assert_is_two(story: Story, port: int = PORT) -> None:
    assert story.states() == {"web": "running"}
    assert story.policy("web") == "always"
    wait_for_answer("two", port)
    story.nothing_to_do()


# The disk.


@contextlib.contextmanager
def little_space(free: int) -> Iterator[None]:
    """Leave that many bytes free where the engine keeps its data."""
    whole = os.statvfs(RUN)
    used = (whole.f_blocks - whole.f_bfree) * whole.f_frsize
    resize_run(used + free)
    try:
        yield
    finally:
        resize_run(whole.f_blocks * whole.f_frsize)


def resize_run(size: int) -> None:
    subprocess.run(["mount", "-n", "-o", f"remount,size={size}", str(RUN)], check=True)


def used_space() -> int:
    now = os.statvfs(RUN)
    return (now.f_blocks - now.f_bfree) * now.f_frsize


def test_image_larger_than_the_free_space_leaves_the_old_one_and_the_space(story: Story) -> None:
    before, _ = pushed_one_serves(story)
    ballast = random.Random(1).randbytes(4 * MIB).hex()  # half of its size when packed
    two = story.push("web", "two", make_web_image, files={"/ballast": ballast})
    used = used_space()

    with little_space(6 * MIB):
        ran = story.run(code=1)

    assert f"pull {two.reference.rpartition(':')[0]}" in ran.stderr
    assert "no space left on device" in ran.stderr
    assert_untouched(story, before)
    assert used_space() < used + MIB
    assert_two_serves(story)


# The registry.


def at_pull(act: Callable[[], object]) -> Hook:
    """Return a hook that acts when the engine is asked to pull."""

    def hook(call: Call) -> None:
        if str(call) == "POST /images/create":
            act()

    return hook


def test_tag_that_goes_between_check_and_pull_leaves_the_old_one(story: Story, proxy: EngineProxy) -> None:
    name = "web-that-goes"
    before = one_serves(story, story.push(name, "one", make_web_image).reference)
    two = story.push(name, "two", make_web_image)
    proxy.before = at_pull(lambda: story.registry.delete(two))

    ran = story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert f"pull {two.by_digest.rpartition('@')[0]}" in ran.stderr
    assert_untouched(story, before)
    story.push(name, "two", make_web_image)
    assert_two_serves(story)


def test_registry_that_goes_before_the_pull_leaves_the_old_one(story: Story, proxy: EngineProxy) -> None:
    before, _ = pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.before = at_pull(story.registry.stop)

    ran = story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert "connection refused" in ran.stderr
    assert_untouched(story, before)
    story.registry.start()
    assert_two_serves(story)


def serve(image: Image) -> Answering:
    """Return what a registry answers that has one image (distribution's docs/spec/api.md)."""
    bodies = {f"/v2/web/blobs/{digest_of(blob)}": blob for blob in image.blobs}
    manifest = {"Content-Type": MANIFEST, "Docker-Content-Digest": image.digest}

    def answers(request: Request) -> Reply:
        if "/manifests/" in request.path:
            return Reply(headers=manifest, body=image.manifest)
        if request.path in bodies:
            return Reply(body=bodies[request.path])
        return Reply(200 if request.path == "/v2/" else 404)

    return answers


def only_pulls(image: Image, pull: Answering) -> Answering:
    """Return what a registry answers that tells of an image, and has a fault when it is pulled."""
    good = serve(image)

    def answers(request: Request) -> Reply:
        asks = request.method == "HEAD" or request.path == "/v2/"
        return good(request) if asks else pull(request)

    return answers


def cut(image: Image) -> Answering:
    """Return what a registry answers that is killed in the middle of a layer."""
    good = serve(image)

    def answers(request: Request) -> Reply:
        whole = good(request)
        if "/blobs/" not in request.path or len(whole.body) < 1000:
            return whole
        headers = {"Content-Length": str(len(whole.body)), "Connection": "close"}
        return Reply(headers=headers, body=whole.body[: len(whole.body) // 2])

    return answers


def hang(until: threading.Event) -> Answering:
    """Return what a registry answers that takes a request and never answers."""

    def answers(_request: Request) -> Reply:
        until.wait()
        return Reply(500)

    return answers


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Set when the test is at its end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("cut", "it took longer than pull_timeout allows"),
        ("hangs", "it took longer than pull_timeout allows (2 s): nothing has come yet"),
        ("429", "HTTP 429"),
        ("500", "it took longer than pull_timeout allows"),  # this engine tries again, again and again
    ],
)
def test_pull_that_fails_in_the_middle_leaves_the_old_one_and_no_image(
    story: Story, end: threading.Event, fault: str, says: str
) -> None:
    story.dockerup.configure(pull_timeout=2)
    two = make_web_image("two", files={"/ballast": random.Random(1).randbytes(MIB).hex()})
    faults: dict[str, Answering] = {
        "cut": cut(two),
        "hangs": hang(end),
        "429": lambda _request: Reply(429),
        "500": lambda _request: Reply(500),
    }
    with Site(serve(make_web_image("one"))) as site:
        before = one_serves(story, f"{site.host}/web:latest")
        site.answer = only_pulls(two, faults[fault])

        ran = story.run(code=1)

        assert f"pull {site.host}/web" in ran.stderr
        assert says in ran.stderr
        assert_untouched(story, before)
        end.set()
        site.answer = serve(two)
        assert_two_serves(story)


@pytest.mark.parametrize("status", [429, 500])
def test_registry_that_refuses_the_check_changes_nothing_and_is_said_once(story: Story, status: int) -> None:
    with Site(serve(make_web_image("one"))) as site:
        before = one_serves(story, f"{site.host}/web:latest")
        site.answer = lambda _request: Reply(status)

        assert f"({status})" in story.run().stderr

        story.nothing_to_do()
        assert_untouched(story, before)
        site.answer = serve(make_web_image("two"))
        assert_two_serves(story)


# The host.


def test_port_that_another_process_holds_lets_the_old_one_serve_again(story: Story) -> None:
    before, _ = pushed_one_serves(story)
    story.load("two:1", make_web_image("two"))
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        define_web(story, "two:1", portMappings=published(port))

        ran = story.run(code=1)

        assert str(port) in ran.stderr
        assert "what ran before runs again" in ran.stderr
        assert_one_serves(story, before)
        assert story.states() == {"web": "running", "web.dockerup-failed": "created"}
    story.run()  # is not tried again yet, though the port is free by now
    assert_one_serves(story, before)
    assert_two_serves(story, "apply", "--retry", "web", port=port)


def test_host_path_that_is_missing_is_made_by_the_engine_also_for_reading_only(
    story: Story, tmp_path: Path
) -> None:
    pushed_one_serves(story)
    story.load("two:1", make_web_image("two"))
    missing = tmp_path / "missing"
    volume = {"containerPath": "/data", "hostPath": str(missing), "mode": "ro"}
    define_web(story, "two:1", volumes=[volume])

    assert_two_serves(story)

    assert missing.is_dir()
    assert [(one["Source"], one["RW"]) for one in story.inspect("web")["Mounts"]] == [(str(missing), False)]


def test_host_path_that_cannot_be_made_leaves_the_old_one(story: Story, tmp_path: Path) -> None:
    before, _ = pushed_one_serves(story)
    story.load("two:1", make_web_image("two"))
    before = Before(before.ids, story.images())
    file = tmp_path / "file"
    file.write_text("")
    volume = {"containerPath": "/data", "hostPath": f"{file}/below", "mode": "ro"}
    define_web(story, "two:1", volumes=[volume])

    ran = story.run(code=1)

    assert "not a directory" in ran.stderr
    assert_one_serves(story, before)
    file.unlink()
    assert_two_serves(story, "apply", "--retry", "web")


def test_network_that_goes_before_a_replacement_leaves_the_old_one(story: Story) -> None:
    network = story.client.create_network("backend")["Id"]
    before, _ = pushed_one_serves(story, network="backend")
    story.push("web", "two", make_web_image)
    story.client.disconnect_container_from_network("web", network)
    story.client.remove_network(network)

    ran = story.run(code=1)

    assert "docker network create backend" in ran.stderr
    assert (story.ids(), story.states()) == (before.ids, {"web": "running"})
    story.client.create_network("backend")
    assert_two_serves(story)


NEEDED_NAMES = ["web.dockerup-new", "web.dockerup-old", "web.dockerup-failed"]


@pytest.mark.parametrize("name", NEEDED_NAMES)
def test_name_that_a_person_s_container_keeps_leaves_the_old_one(story: Story, name: str) -> None:
    story.dockerup.configure(unmanaged="keep")
    before, _ = pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    theirs = story.by_hand(name, story.load("theirs:1"))

    ran = story.run(code=1)

    assert f"docker rename {name}" in ran.stderr
    assert story.ids() == {**before.ids, name: theirs}
    assert_one_serves(story, before)
    story.client.remove_container(name, force=True)
    assert_two_serves(story)


@pytest.mark.parametrize("name", NEEDED_NAMES)
def test_name_that_a_person_s_container_has_is_taken_where_unmanaged_go(story: Story, name: str) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    story.by_hand(name, story.load("theirs:1"))

    assert_two_serves(story)


# The engine, and the machine.

MOMENTS = {
    "created": r"POST /containers/create",
    "stopped": r"POST /containers/[0-9a-f]+/stop",
    "renamed": r"POST /containers/[0-9a-f]+/rename",
    "started": r"POST /containers/[0-9a-f]+/start",
}


def once(pattern: str, act: Callable[[Call], object]) -> Hook:
    """Return a hook that acts at the first call of a kind."""
    done: list[Call] = []

    def hook(call: Call) -> None:
        if not done and re.fullmatch(pattern, str(call)):
            done.append(call)
            act(call)

    return hook


def end_machine(story: Story, call: Call) -> None:
    """End everything at once, as a power cut does: the engine, its containers and dockerup."""
    running = [
        story.inspect(one)["State"]["Pid"] for one, state in story.states().items() if state == "running"
    ]
    story.engine.kill()
    shims = [int(one.parent.name) for one in Path("/proc").glob("[0-9]*/cmdline") if is_shim(one)]
    for pid in [*shims, *running]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    kill_client(call)


def is_shim(cmdline: Path) -> bool:
    with contextlib.suppress(OSError):
        return b"containerd-shim" in cmdline.read_bytes().partition(b"\0")[0]
    return False


def restart_engine(story: Story, _call: Call) -> None:
    """Kill the engine, and start it again before dockerup goes on."""
    story.engine.kill()
    story.engine.start()


@pytest.mark.parametrize("moment", ["stopped", "started"])
def test_engine_killed_in_a_replacement_and_started_again_serves_by_the_end_of_the_run(
    story: Story, proxy: EngineProxy, moment: str
) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.after = once(MOMENTS[moment], lambda call: restart_engine(story, call))

    story.run(code=1, env={"DOCKER_HOST": proxy.url})

    wait_until(answer, "one or the other serves")
    assert_two_serves(story)


@pytest.mark.parametrize("moment", ["stopped", "started"])
def test_replacement_in_which_the_machine_ends_is_finished_by_the_next_run(
    story: Story, proxy: EngineProxy, moment: str
) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.after = once(MOMENTS[moment], lambda call: end_machine(story, call))

    story.run(code=-signal.SIGKILL, env={"DOCKER_HOST": proxy.url})
    story.engine.start()

    assert_two_serves(story)


# A run that is asked to end.


@pytest.mark.parametrize("moment", MOMENTS)
def test_run_that_is_asked_to_end_costs_no_service_and_the_next_finishes(
    story: Story, proxy: EngineProxy, moment: str
) -> None:
    pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.after = once(MOMENTS[moment], lambda call: os.kill(call.client_pid, signal.SIGTERM))

    story.run(code=SIGTERMED, env={"DOCKER_HOST": proxy.url})

    assert story.states()["web"] == "running"
    wait_until(answer, "one or the other serves")
    assert_two_serves(story)


def test_run_that_is_asked_to_end_while_it_waits_for_proof_ends_soon_and_the_next_proves(
    story: Story, proxy: EngineProxy
) -> None:
    _, one = pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    define_web(story, one.reference, update={"proveSeconds": 600})
    run = story.dockerup.start(env={"DOCKER_HOST": proxy.url})
    wait_until(lambda: "GET /events" in map(str, proxy.calls), "the proof has begun")
    wait_for_answer("two")

    asked = time.monotonic()
    run.send_signal(signal.SIGTERM)
    output, errors = run.communicate(timeout=20)

    assert time.monotonic() < asked + SOON
    assert run.returncode == SIGTERMED, (output, errors)
    assert story.states() == {"web": "running", "web.dockerup-old": "exited"}
    two = story.ids()["web"]
    define_web(story, one.reference)
    assert_two_serves(story)
    assert story.ids() == {"web": two}
