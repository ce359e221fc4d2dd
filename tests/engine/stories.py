"""What the stories on the real engine share: a person who lists containers, runs dockerup and looks.

The product's own code has no part in looking: states, ports and labels come from the engine itself.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable, cast

import pytest

from tests.testbed.command import Dockerup
from tests.testbed.engine import Engine
from tests.testbed.images import Image, make_image
from tests.testbed.programs import run_in
from tests.testbed.proxy import Call, EngineProxy
from tests.testbed.registry import Pushed, Registry
from tests.testbed.waiting import wait_until

Ran = subprocess.CompletedProcess[str]
PORT = 8080
TEN_MINUTES = 600  # seconds
EVENTS = 256
# A container that ends at once when the engine asks, and says so when it gets a HUP.
HEARS_HUP = ("sh", "-c", "trap 'echo got HUP' HUP; echo ready; while sleep 0.1; do :; done")


def inspections(calls: list[Call]) -> list[str]:
    """Return the ids of the containers that were inspected."""
    found = (re.fullmatch(r"GET /containers/([0-9a-f]+)/json", str(call)) for call in calls)
    return [one[1] for one in found if one]


@dataclass(frozen=True)
class Story:
    """A host, and a person who uses dockerup on it."""

    dockerup: Dockerup
    engine: Engine
    registry: Registry
    client: Any

    def push(
        self, name: str, version: str = "1", make: Callable[..., Image] = make_image, **more: Any
    ) -> Pushed:
        """Put a version of an image into the registry, under the tag `latest`."""
        pushed = self.registry.push(make(version, **more), name)
        # With containerd's store, an image's id is its manifest's digest.
        return replace(pushed, id=pushed.digest) if self.engine.kind.containerd else pushed

    def load(self, reference: str, image: Image | None = None) -> str:
        """Put an image into the engine that no registry knows; returns its reference."""
        self.engine.load(image or make_image(reference), reference)
        return reference

    def define(self, name: str, image: str, **keys: object) -> None:
        """List a container, in a file of its own; what replaces another is proven within a second."""
        update = {"proveSeconds": 1, **cast("dict[str, object]", keys.pop("update", {}))}
        self.dockerup.define(f"{name}.yaml", {"name": name, "image": image, "update": update, **keys})

    def undefine(self, name: str) -> None:
        """Take a container off the list."""
        self.dockerup.undefine(f"{name}.yaml")

    def run(self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> Ran:
        """Run `dockerup`, which has to end with that exit code."""
        ran = self.dockerup.run(*arguments, env=env)
        assert ran.returncode == code, f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran

    def nothing_to_do(self, *arguments: str) -> None:
        """Run `dockerup`, which has to find all well: no word, no change."""
        before = self.ids()
        ran = self.run(*arguments)
        assert (ran.stdout, ran.stderr) == ("", ""), ran.stdout + ran.stderr
        assert self.ids() == before

    def calls_once_steady(self, proxy: EngineProxy) -> int:
        """Run `dockerup` once nothing started just now, since such a container is looked at more closely.

        Returns how many calls to the engine the run takes; the proxy remembers them.
        """
        self.wait_until_steady()
        self.run()  # what is learned once is learned
        proxy.forget()
        self.run(env={"DOCKER_HOST": proxy.url})
        return len(proxy.calls)

    def wait_until_steady(self) -> None:
        """Return once nothing started just now, so that nothing is inspected for that."""
        wait_until(lambda: not self._started_just_now(), "all have run for ten seconds", seconds=60)

    def _started_just_now(self) -> list[str]:
        young = re.compile(r"Up (?:Less than a second|\d seconds?)(?: \(.*\))?")
        return [name for name, one in self.listed().items() if young.fullmatch(one["Status"])]

    def listed(self) -> dict[str, dict[str, Any]]:
        """Return the engine's list of all containers, by name."""
        return {own_name(one["Names"]): one for one in self.client.containers(all=True)}

    def states(self) -> dict[str, str]:
        """Return the state of every container, by name."""
        return {name: one["State"] for name, one in self.listed().items()}

    def ids(self) -> dict[str, str]:
        """Return the id of every container, by name."""
        return {name: one["Id"] for name, one in self.listed().items()}

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of a container."""
        labels: dict[str, str] = self.listed()[name]["Labels"]
        return labels

    def serving(self) -> dict[str, str]:
        """Return the id of every container, by name, but for those that failed and are kept for that."""
        return {name: one for name, one in self.ids().items() if ".dockerup-failed" not in name}

    def inspect(self, name: str) -> Any:
        """Return all that the engine tells of a container."""
        return self.client.inspect_container(name)

    def policy(self, name: str) -> str:
        """Return the restart policy of a container."""
        return str(self.inspect(name)["HostConfig"]["RestartPolicy"]["Name"])

    def images(self) -> set[str]:
        """Return the ids of the images on the host."""
        return {one["Id"] for one in self.client.images()}

    def forget_events(self) -> None:
        """Let the engine forget all that happened: it remembers the last 256 events."""
        for number in range(EVENTS // 2):
            self.client.create_volume(f"event-{number}")
            self.client.remove_volume(f"event-{number}")

    def ten_minutes_pass(self) -> None:
        """Make it so that dockerup and the engine have known the images that are here for ten minutes."""
        self.forget_events()
        known = self.dockerup.cache / "state" / "unneeded.json"
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(dict.fromkeys(self.images(), time.time() - TEN_MINUTES)))
        for made in (known.parent, known):
            made.chmod(0o700)

    def no_registry_is_left_in_peace(self) -> list[str]:
        """Let the time be over in which a registry that failed is left in peace; returns which those were."""
        path = self.dockerup.cache / "state" / "registries.json"
        kept = json.loads(path.read_text())
        for away in kept["away"].values():
            away["until"] = time.time() - 1
        path.write_text(json.dumps(kept))
        return [*kept["away"]]

    def volumes(self) -> set[str]:
        """Return the names of the volumes on the host."""
        return {one["Name"] for one in self.client.volumes()["Volumes"] or ()}

    def by_hand(self, name: str, image: str, *, start: bool = True, **keys: Any) -> str:
        """Make a container as a person does, without dockerup; returns its id. `keys` are docker-py's."""
        of_host = ("port_bindings", "binds", "volume_driver", "auto_remove")
        host_keys = {key: keys.pop(key) for key in of_host if key in keys}
        if "port_bindings" in host_keys:
            keys["ports"] = list(host_keys["port_bindings"])
        settings = self.client.create_host_config(**host_keys)
        container_id = str(self.client.create_container(image, name=name, host_config=settings, **keys)["Id"])
        if start:
            self.client.start(container_id)
        return container_id

    def do(self, name: str, *command: str) -> str:
        """Run a program in a container, and return what it printed."""
        done = run_in(self.client, name, *command)
        assert done.exit_code == 0, done
        return done.stdout

    def wait_for_page(self, name: str, url: str, text: str) -> None:
        """Return once a container gets that line from a web server, which may have been started just now."""

        wget = ("wget", "-qO-", url)
        wait_until(
            lambda: run_in(self.client, name, *wget).stdout == f"{text}\n", f"{name} gets {text!r} from {url}"
        )

    def wait_for_log(self, name: str, text: str) -> None:
        """Return once a container has printed a text."""
        wait_until(lambda: text in self.client.logs(name).decode(), f"{name} prints {text!r}")

    def wait_for_state(self, name: str, state: str) -> None:
        """Return once a container is in a state."""
        wait_until(lambda: self.states().get(name) == state, f"{name} is {state}")


@pytest.fixture(name="story")
def story_fixture(dockerup: Dockerup, engine: Engine, registry: Registry, client: Any) -> Story:
    """A private host, the real command, and a person's hands and eyes."""
    return Story(dockerup, engine, registry, client)


def own_name(names: list[str]) -> str:
    """Return a container's own name; a linked one is listed under its links' names too."""
    return next(name[1:] for name in names if name.count("/") == 1)


def published(port: int = PORT, container_port: int = 8080) -> list[dict[str, int]]:
    """Return `portMappings` that publish one port."""
    return [{"containerPort": container_port, "hostPort": port}]


def answer(port: int = PORT) -> str:
    """Return what a web server answers at a port of the host, "" while it does not."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as read:
        return str(read.read().decode().strip())
    return ""


def wait_for_answer(text: str, port: int = PORT) -> None:
    """Return once a port of the host answers with that text."""
    wait_until(lambda: answer(port) == text, f"port {port} answers {text!r}, not {answer(port)!r}")
