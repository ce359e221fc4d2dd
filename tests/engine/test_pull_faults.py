"""Pulls that fail or are ended: what is said, what goes on running, and that the next run makes them."""

from __future__ import annotations

import functools
import re
import signal
import subprocess
import threading
import time

import pytest

from dockerup.engine import Engine
from dockerup.engine_error import EngineError
from dockerup.image import parse_reference
from dockerup.pull import pull
from tests.engine.stories import Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.wires import (
    AT_ONCE,
    IN_A_LAYER,
    SOON,
    assert_two_comes,
    at_pulls,
    far,
    one_serves,
    pulls,
    started,
)
from tests.engine.wires import wire_fixture as wire_fixture
from tests.testbed.command import ROOT
from tests.testbed.images import make_web_image
from tests.testbed.proxy import Call, EngineProxy
from tests.testbed.site import Reply, Site
from tests.testbed.waiting import wait_until
from tests.testbed.wire import Fault, Wire


def test_connection_that_is_always_cut_fails_after_three_tries_and_the_old_one_serves(
    story: Story, wire: Wire, proxy: EngineProxy
) -> None:
    old = one_serves(story, wire, "cut-always")
    at_pulls(proxy, lambda: setattr(wire, "fault", Fault(AT_ONCE, cut=True)))

    ran = story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert pulls(proxy) == 3
    assert re.search(r"web: not replaced .*pull .*EOF.* \(tried 3 times\)", ran.stderr)
    assert story.ids() == {"web": old}
    wait_for_answer("one")
    wire.fault = None
    assert_two_comes(story)


def test_image_that_is_not_there_is_asked_for_once(story: Story, proxy: EngineProxy) -> None:
    story.define("web", story.registry.reference("no-such"))
    story.run(code=1, env={"DOCKER_HOST": proxy.url})
    assert pulls(proxy) == 1


@pytest.mark.parametrize(
    ("after", "seconds", "says"),
    [
        (AT_ONCE, 1, "nothing has come yet"),
        # Long enough for the engine to come so far on a busy machine.
        (IN_A_LAYER, 5, r"[\d.]+ [kM]?B of (at least )?[\d.]+ MB"),
    ],
    ids=["before any answer", "in a layer"],
)
def test_silent_registry_has_pull_timeout_and_no_longer(
    story: Story, wire: Wire, proxy: EngineProxy, after: int, seconds: int, says: str
) -> None:
    old = one_serves(story, wire, f"hangs-{after}")
    story.dockerup.configure(pull_timeout=seconds)
    at_pulls(proxy, lambda: setattr(wire, "fault", Fault(after, cut=False)))
    began = time.monotonic()

    ran = story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert time.monotonic() - began < seconds + SOON
    assert re.search(rf"it took longer than pull_timeout allows \({seconds} s\): {says}", ran.stderr)
    assert pulls(proxy) == 1
    assert story.ids() == {"web": old}
    wire.fault = None
    story.dockerup.configure()
    assert_two_comes(story)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("after", [AT_ONCE, IN_A_LAYER], ids=["before any answer", "in a layer"])
def test_signal_ends_a_pull_at_once_and_the_next_run_makes_it(
    story: Story, wire: Wire, proxy: EngineProxy, after: int, number: int, code: int
) -> None:
    old = one_serves(story, wire, f"signal-{after}-{code}")
    before = story.images()
    at_pulls(proxy, lambda: setattr(wire, "fault", Fault(after, cut=False)))
    with started(story, {"DOCKER_HOST": proxy.url}) as running:
        wait_until(lambda: wire.faults, "the pull hangs")
        running.send_signal(number)
        stdout, stderr = running.communicate(timeout=SOON)

    assert (running.returncode, stdout) == (code, "")
    assert re.fullmatch(r"web: newer image: digest sha256:\w+ -> sha256:\w+\n", stderr)
    assert (story.ids(), story.images()) == ({"web": old}, before)
    wire.fault = None
    assert_two_comes(story)


def test_signal_in_a_first_pull_says_only_what_is_so(story: Story, wire: Wire) -> None:
    """Two entries with one image, and one that waits for one of them: none failed, none is there."""
    image = far(story, wire, "signal-first")
    story.define("blue", image)
    story.define("green", image)
    story.define("last", image, dependsOn=["blue"])
    wire.fault = Fault(IN_A_LAYER, cut=False)
    with started(story) as running:
        wait_until(lambda: wire.faults, "the pull hangs")
        running.terminate()
        stdout, stderr = running.communicate(timeout=SOON)

    assert (running.returncode, stdout) == (143, "")
    assert stderr.splitlines() == [
        "last: not started (not there): waits for blue",
        "blue: not there",
        "green: not there",
    ]
    wire.fault = None
    story.run()
    assert story.states() == dict.fromkeys(("blue", "green", "last"), "running")


def test_way_back_waits_for_no_pull_and_no_proof_which_go_on_beside_it(
    story: Story, wire: Wire, proxy: EngineProxy
) -> None:
    """The new one fails while an image comes over a wire that hangs: it is asked for anew on a good one."""
    story.push("web", "good", make_web_image)
    story.define("web", story.registry.reference("web"), portMappings=published())
    story.define("side", story.push("side", "1").reference, update={"proveSeconds": 4})
    story.run()
    story.push("web", "bad", command=("sh", "-c", "exit 3"))
    story.push("side", "2")
    story.define("slow", far(story, wire, "way-back"))
    wire.fault = Fault(IN_A_LAYER, cut=False)

    def mend(call: Call) -> None:
        if call.path.endswith("/rename") and "dockerup-failed" in call.query:
            wait_until(lambda: wire.faults, "the pull hangs")
            wire.fault = None

    proxy.before = mend
    ran = story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert "web: not replaced" in ran.stderr
    assert re.search(r"^side: replaced \(newer image.*\n(.*\n)*slow: created", ran.stdout, re.MULTILINE)
    wait_for_answer("good")
    assert story.states() == {
        **dict.fromkeys(("web", "side", "slow"), "running"),
        "web.dockerup-failed": "exited",
    }
    story.nothing_to_do()


def test_run_that_took_too_long_goes_on_fetching_nothing(story: Story, wire: Wire) -> None:
    story.dockerup.configure(pull_timeout=5, concurrency=1)
    for name in ("blue", "green"):
        story.define(name, far(story, wire, f"late-{name}", name))
    wire.fault = Fault(IN_A_LAYER, cut=False)
    command = story.dockerup.command()
    # The first pull has its whole time, also where it begins late; the second one has not.
    patched = "import sys; from dockerup import cli; cli.STUCK_AFTER = 9; sys.exit(cli.main(sys.argv[1:]))"

    ran = subprocess.run(
        [command[0], "-c", patched, *command[3:]],
        env=story.dockerup.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stderr.count("it took longer than pull_timeout allows (5 s)") == 1
    assert "green: not there" in ran.stderr


@pytest.mark.parametrize(
    "line", [b"<html>", b'{"status": "Down', b"\xff", b"[" * 200_000], ids=["html", "cut", "bytes", "deep"]
)
def test_engine_that_tells_no_json_of_a_pull_is_an_error_that_says_so(line: bytes) -> None:
    body = b'{"status": "Pulling fs layer", "id": "a"}\n5\n{"id": 1}\n' + line + b"\n"
    with Site(Reply(body=body)) as server:
        engine = Engine(f"tcp://{server.host}", {}, "1.41")
        begin = functools.partial(engine.begin_pull, parse_reference("web:1"), None)
        with pytest.raises(EngineError, match=r"^pull web:1: the answer is no JSON\. "):
            pull("web:1", begin, 60.0, threading.Event(), lambda _progress: None)
        engine.close()
