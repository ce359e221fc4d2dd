"""`make demo`: the main job of dockerup, played with the real command on a private engine and registry.

Everything shown is checked as it is shown: the demo ends with a sentence and exit code 1 when something that
it tells is not so.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.testbed import namespace
from tests.testbed.command import INTERPRETED, LONGEST_RUN, Dockerup
from tests.testbed.host import Host, private_host
from tests.testbed.images import make_image, make_web_image
from tests.testbed.metadata import Metadata
from tests.testbed.waiting import TestbedError, wait_until

WEB_URL = "http://127.0.0.1:8080/"

FAREWELL = """
That was a private engine; it is gone, and this machine's own Docker was never asked. For this host:

    sudo mkdir -p /etc/dockerup/containers.d      (for files like the web.json above)
    sudo pip install .                            (in a virtual environment where the system asks for one)
    sudo dockerup plan                            (what would be done, and why; nothing is changed)
    sudo dockerup                                 (do it)

Mind that dockerup removes containers that it did not start, unless /etc/dockerup/dockerup.conf says
unmanaged=keep. README.md tells how to run it each minute and at boot.
"""


class UntrueError(Exception):
    """What the demo was about to tell is not so."""


class Demo:
    """The stage: what is said to the reader, and the commands with what they print."""

    def __init__(self, host: Host, dockerup: Dockerup, metadata: Metadata) -> None:
        self.host = host
        self.dockerup = dockerup
        self.metadata = metadata
        self._client = host.engine.client()

    def close(self) -> None:
        self._client.close()

    def run(self, *arguments: str) -> str:
        """Run `dockerup`, show the command and what it printed, and return that."""
        command = self.dockerup.command(*arguments)
        script = Path(sys.executable).with_name("dockerup")
        if script.exists():
            command[: len(INTERPRETED)] = [str(script)]
        ended = subprocess.run(
            command,
            env=self.dockerup.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_RUN,
            check=False,
        )
        type_command(shlex.join(["dockerup", *self.dockerup.command(*arguments)[len(INTERPRETED) :]]))
        show(ended.stdout)
        true_that(ended.returncode == 0, f"this command exits with 0 (it was {ended.returncode})")
        return ended.stdout

    def containers(self) -> Mapping[str, str]:
        """Return the ids of the running containers by name, and look that no other is left over."""
        listed = self._client.containers(all=True)
        states = {container["Names"][0].lstrip("/"): container["State"] for container in listed}
        true_that(set(states.values()) <= {"running"}, f"all containers run ({states})")
        return {container["Names"][0].lstrip("/"): container["Id"] for container in listed}

    def image_of(self, name: str) -> str:
        """Return the id of the image that a container runs."""
        image_id: str = self._client.inspect_container(name)["Image"]
        return image_id

    def start_by_hand(self, name: str, image: str) -> None:
        """Start a container as a person would, without dockerup."""
        self._client.start(self._client.create_container(image, name=name))

    def define(self, file_name: str, container: Mapping[str, Any]) -> None:
        """Write a file into `confdir` and show it."""
        path = self.dockerup.define(file_name, json.dumps(container, indent=2) + "\n")
        type_command(f"cat {path}")
        show(path.read_text())


def say(text: str) -> None:
    """Print a line of the story."""
    print(f"\n# {text}", flush=True)


def type_command(text: str) -> None:
    """Print a command as a person types it."""
    print(f"$ {text}", flush=True)


def show(text: str) -> None:
    """Print what a command printed, set in."""
    for line in text.splitlines():
        print(f"    {line}", flush=True)


def true_that(condition: object, sentence: str) -> None:
    """Raise UntrueError with the sentence unless the condition holds."""
    if not condition:
        raise UntrueError(f"it should be true that {sentence}")


def show_answer(version: str) -> None:
    """Wait until the web container answers with that version over its published port, and show it."""

    def answers() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(WEB_URL, timeout=2) as response:
            return str(response.read().decode()) == f"{version}\n"
        return False

    wait_until(answers, f"{WEB_URL} answers with {version!r}")
    print(f"  {WEB_URL} answers: {version}", flush=True)


def first_run(demo: Demo) -> None:
    registry = demo.host.registry
    web = registry.push(make_web_image("hello from version 1"), "web")
    ticker = registry.push(make_image("1", command=("sh", "-c", "while sleep 1; do date; done")), "ticker")

    say("A file in containers.d asks for a web server ...")
    ports = [{"containerPort": 8080, "hostPort": 8080}]
    demo.define("web.json", {"name": "web", "image": web.reference, "portMappings": ports})
    say("... and this instance's EC2 user-data asks for one more container.")
    user_data = json.dumps({"containers": [{"name": "ticker", "image": ticker.reference}]}, indent=2)
    demo.metadata.answers.user_data = user_data.encode()
    show(user_data)

    say("What would dockerup do?")
    planned = demo.run("plan")
    true_that("web" in planned and "ticker" in planned, "the plan names both containers")
    true_that(not demo.containers(), "a plan changes nothing")

    say("Do it.")
    true_that(demo.run(), "a run that changes something says so")
    true_that(set(demo.containers()) == {"web", "ticker"}, "both containers run, and nothing else")
    show_answer("hello from version 1")
    said = demo.run("status")
    true_that("web" in said and "ticker" in said, "the status names both containers")


def second_run(demo: Demo) -> None:
    say("A second run finds nothing to do: it changes nothing and prints nothing, as cron likes it.")
    before = demo.containers()
    true_that(demo.run() == "", "a run that changes nothing prints nothing")
    true_that(demo.containers() == before, "the same containers run as before")


def newer_image(demo: Demo) -> None:
    say("Somebody pushes a newer image of web.")
    before = demo.containers()
    pushed = demo.host.registry.push(make_web_image("hello from version 2"), "web")
    demo.run("plan")
    true_that(demo.containers() == before, "a plan changes nothing")
    say("The next run upgrades it, and leaves the other one alone.")
    true_that("web" in demo.run(), "the run says that it replaced web")
    show_answer("hello from version 2")
    after = demo.containers()
    true_that(set(after) == {"web", "ticker"}, "both containers run, and nothing else")
    true_that(after["ticker"] == before["ticker"], "ticker is the container that it was")
    true_that(demo.image_of("web") == pushed.id, "web runs the image that was pushed")


def entry_taken_out(demo: Demo) -> None:
    say("The entry is taken out of the user-data: its container goes.")
    demo.metadata.answers.user_data = b'{"containers": []}'
    true_that("ticker" in demo.run(), "the run says that it removed ticker")
    true_that(set(demo.containers()) == {"web"}, "only web is left")


def stray_container(demo: Demo) -> None:
    say("Somebody starts a container by hand, and calls it stray. This host is dockerup's: it goes.")
    demo.host.engine.load(make_image("stray"), "stray:1")
    demo.start_by_hand("stray", "stray:1")
    true_that("stray" in demo.containers(), "stray runs")
    true_that("stray" in demo.run(), "the run says that it removed stray")
    true_that(set(demo.containers()) == {"web"}, "only web is left")
    demo.run("status")
    show_answer("hello from version 2")


CHAPTERS = (first_run, second_run, newer_image, entry_taken_out, stray_container)


@contextlib.contextmanager
def stage() -> Iterator[Demo]:
    """Give a private host, EC2 metadata and the command, ready to play on; nothing of it stays."""
    with private_host() as host, contextlib.ExitStack() as stack:
        metadata = Metadata()
        metadata.start()
        stack.callback(metadata.stop)
        dockerup = Dockerup(host.engine.url, namespace.RUN / "demo")
        dockerup.metadata_url = metadata.url
        yield stack.enter_context(contextlib.closing(Demo(host, dockerup, metadata)))


def play() -> None:
    """Play the story. Raises UntrueError or TestbedError when it does not come true."""
    print("# A Docker Engine and a registry of its own, in a network namespace of their own:", flush=True)
    with stage() as demo:
        type_command(f"export DOCKER_HOST={demo.host.engine.url}")
        type_command(f"export AWS_EC2_METADATA_SERVICE_ENDPOINT={demo.metadata.url}")
        for chapter in CHAPTERS:
            chapter(demo)


def main() -> int:
    """Play the story and return the exit code: 0, or 1 after a sentence of what was not true."""
    began = time.monotonic()
    try:
        play()
    except (UntrueError, TestbedError, namespace.NoNamespaceError, subprocess.TimeoutExpired) as fault:
        print(f"\nThe demo failed: {fault}", file=sys.stderr)
        return 1
    print(FAREWELL)
    print(f"The demo took {time.monotonic() - began:.0f} seconds, and all that it told was checked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
