"""Where measurements are made: a private host, dockerup on it, its peers, and hands that do things bare."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from tests.benchmarks.peers import Entry, Peers
from tests.benchmarks.timing import Sample, process
from tests.testbed.command import ROOT, Dockerup
from tests.testbed.host import Host, private_host
from tests.testbed.images import Image, make_image
from tests.testbed.waiting import wait_until

FLOOR = [sys.executable, "-c", "import docker, yaml"]
AT_ONCE = 8  # dockerup's default `concurrency`
STEADY_SECONDS = 11  # after which a container is not one that was started just now


@dataclass(frozen=True)
class Place:
    """One private host with all that is compared on it. Peers' containers are not dockerup's to touch."""

    host: Host
    dockerup: Dockerup
    peers: Peers
    client: Any
    directory: Path

    def push(self, name: str, image: Image) -> str:
        """Put an image into the registry; returns its reference."""
        return self.host.registry.push(image, name).reference

    def entries(self, count: int, prefix: str, make: Callable[[str], Image] = make_image) -> list[Entry]:
        """Return so many containers with distinct images, which are in the registry."""
        return [Entry(f"{prefix}{n}", self.push(f"{prefix}{n}", make(f"{prefix}{n}"))) for n in range(count)]

    def list(self, entries: Iterable[Entry], **keys: object) -> None:
        """Let dockerup's list be these."""
        ports = {one: [{"containerPort": 8080, "hostPort": one.port}] for one in entries if one.port}
        listed = [
            {"name": one.name, "image": one.image, **({"portMappings": ports[one]} if one in ports else {})}
            for one in entries
        ]
        self.dockerup.define("all.json", [{**one, **keys} for one in listed])

    def run(self, *arguments: str, before: Sequence[str] = (), env: dict[str, str] | None = None) -> Sample:
        """Run dockerup, which has to succeed; `before` stands before the command."""
        return process([*before, *self.dockerup.command(*arguments)], self.dockerup.environment(env), ROOT)

    def floor(self) -> Sample:
        """Load what any program on the SDK and YAML has to load."""
        return process(FLOOR, self.dockerup.environment(), ROOT)

    def remove_containers(self) -> None:
        """Remove every container, side by side."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ids = [one["Id"] for one in self.client.containers(all=True)]
            list(pool.map(lambda one: self.client.remove_container(one, force=True, v=True), ids))

    def remove_images(self) -> None:
        """Remove every image; no container may be left."""
        for image in self.client.images():
            for name in image["RepoTags"] or [image["Id"]]:
                self.client.remove_image(image["Id"] if name == "<none>:<none>" else name, force=True)

    def settle(self) -> None:
        """Return once dockerup has nothing to do, and nothing was started just now."""
        self.run()
        youngest = max((one["Created"] for one in self.client.containers()), default=0)
        wait_until(lambda: time.time() > youngest + STEADY_SECONDS, "nothing is young", seconds=60)
        self.run()

    def bare_lists(self) -> Sample:
        """Ask the engine for its two lists, as a program in C would: by two calls on one connection."""
        with closing(self.host.engine.client()) as client:
            client.ping()
            began = time.monotonic()
            for path in ("containers", "images"):
                client._get(f"{client.base_url}/v{client.api_version}/{path}/json?all=1").json()
            return Sample(time.monotonic() - began)

    def bare_heads(self, entries: Sequence[Entry]) -> Sample:
        """Ask the registry for the manifests of all images, over as many kept connections as dockerup has."""
        began = time.monotonic()
        threads = [
            threading.Thread(target=_heads, args=(self.host.registry.host, entries[number::AT_ONCE]))
            for number in range(AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return Sample(time.monotonic() - began)

    def bare_start(self, entries: Sequence[Entry]) -> Sample:
        """Create and start containers by bare calls, as many side by side as dockerup does."""
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._start_one, entries))
        return Sample(time.monotonic() - began)

    def _start_one(self, entry: Entry) -> None:
        settings = self.client.create_host_config(restart_policy={"Name": "always"})
        made = self.client.create_container(entry.image, name=f"bare-{entry.name}", host_config=settings)
        self.client.start(made["Id"])

    def bare_pull(self, entries: Sequence[Entry], *, start: bool = False) -> Sample:
        """Let the engine pull all images at once, and `start` a container of each as soon as it is there."""

        def pull(entry: Entry) -> None:
            self.client.pull(*entry.image.rsplit(":", 1))
            if start:
                self._start_one(entry)

        began = time.monotonic()
        with ThreadPoolExecutor(len(entries)) as pool:
            list(pool.map(pull, entries))
        return Sample(time.monotonic() - began)

    def at(self, url: str) -> Place:
        """Return the same place where the engine is reached by another URL."""
        return replace(self, peers=replace(self.peers, url=url))


def _heads(host: str, entries: Sequence[Entry]) -> None:
    connection = http.client.HTTPConnection(host)
    accept = "application/vnd.docker.distribution.manifest.v2+json"
    with closing(connection):
        for one in entries:
            path = one.image.partition("/")[2].rpartition(":")[0]
            connection.request("HEAD", f"/v2/{path}/manifests/latest", headers={"Accept": accept})
            connection.getresponse().read()


@contextmanager
def place() -> Iterator[Place]:
    """Give a private host to measure on."""
    with private_host() as host, closing(host.engine.client()) as client:
        directory = host.directory / "bench"
        directory.mkdir()
        dockerup = Dockerup(host.engine.url, directory / "dockerup")
        dockerup.configure(unmanaged="keep")
        peers = Peers(host.engine.url, directory)
        yield Place(host, dockerup, peers, client, directory)
