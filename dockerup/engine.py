"""The engine: one picture of the host, and one verb for each effect. Changes are made by the Docker SDK.

Docker Engine API 1.41 and later (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import quote

from dockerup import labels as label_names
from dockerup import neighbour
from dockerup.body import create_body
from dockerup.engine_client import NOTHING, EngineClient, answer_of, forget, told
from dockerup.engine_error import CALL_TIMEOUT, ODD, EngineError, raise_for
from dockerup.engine_json import (
    container_from,
    detail_from,
    event_from,
    freed_by,
    has_terminal,
    id_from,
    image_from,
    image_id_from,
    info_from,
    lately_from,
    memory_from,
    network_from,
    parts_from,
    stop_seconds_from,
)
from dockerup.image import ImageRef
from dockerup.joined import any_to_care_for
from dockerup.keys.life import policy
from dockerup.keys.network_options import network_body
from dockerup.keys.networks import endpoint
from dockerup.local_engine import Answer
from dockerup.logins import Login
from dockerup.output import frames, last_lines
from dockerup.secret_files import secrets_directory
from dockerup.snapshot import Asked, Container, ContainerId, Detail, Image, ImageId, Lately, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.steps import Create

if TYPE_CHECKING:
    from dockerup.streams import Events, Stream

STOP_SECONDS = 10  # the engine's own, for a container that names none
# The first API versions that tell which manifests an index names and which of them are here (containerd's
# image store; Engine 27.2 and 28.0). Before them, an index with anything new in it is another image.
LISTED_MANIFESTS = (1, 47)
INSPECTED_MANIFESTS = (1, 48)
LOGS_TIMEOUT = 10  # seconds without a byte of them
EVENTS_TIMEOUT = 10  # seconds, for those of the past


class Engine:
    """A connection to one engine."""

    def __init__(
        self,
        url: str,
        environ: Mapping[str, str],
        api_version: str | None = None,
        learned: Callable[[str], None] = forget,
    ) -> None:
        """Connect to the engine at `url`; without `api_version` it is asked for its own.

        `learned` is told each version that the engine was asked for.
        """
        self.url = url
        self.secrets = secrets_directory(url, environ)
        self._client = EngineClient(url, environ, api_version, learned)

    @property
    def api_version(self) -> str:
        """The version of the API that is spoken."""
        return self._client.api_version

    @property
    def _api(self) -> Any:
        return self._client.sdk

    def ready(self) -> None:
        """Load the SDK, before threads need it. Raises ImportError where it cannot be loaded."""
        self._client.ready()

    @property
    def api(self) -> tuple[int, int]:
        """The version of the API as two numbers, to compare."""
        major, _, minor = self.api_version.partition(".")
        return int(major), int(minor)

    def _url(self, path: str) -> str:
        return self._client.url(path)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ping(self) -> None:
        """Return when the engine answers."""
        with told("reach", self.url):
            self._api.ping()

    def get(self, path: str) -> dict[str, Any]:
        """Return the object that the engine answers to GET `path`, such as "/info". Raises EngineError."""
        return self._client.ask("ask for", path, path).read(lambda found: {**found})

    def running(self) -> tuple[Container, ...]:
        """Return the containers that run. Raises EngineError."""
        return self._client.ask("list", "containers", "/containers/json").each(container_from)

    def info(self) -> dict[str, Any]:
        """Return of what the engine tells of itself that which is asked for here: see `info_from`."""
        return self._client.ask("ask", self.url, "/info").read(info_from)

    def observe(self, *, networks: bool, own_id: str = "") -> Snapshot:
        """Return the host as it is, in one call each for containers, images and, if need be, networks.

        `networks`: they are asked for in any case, not only where a container of dockerup is on one.
        """
        containers = self._containers().each(container_from)
        images = self._images()
        found = None
        if networks or any_to_care_for(Snapshot(containers, images), ()):
            found = self._client.ask("list", "networks", "/networks").each(network_from)
        return Snapshot(containers, images, found, own_id)

    def _containers(self) -> Answer:
        """Return all containers as the engine lists them, in the version of the API that is its own now.

        Each answer names that, a refusal too. An engine that was upgraded since its version was learned may
        refuse the one of before (29.0 all under 1.44), or keep from it what it tells of images.
        """
        answer = self._list_containers()
        if answer.headers.get("Api-Version", self.api_version) != self.api_version:
            self._client.renew()
            answer = self._list_containers()
        return answer

    def _list_containers(self) -> Answer:
        return self._client.ask("list", "containers", "/containers/json", {"all": 1})

    def _images(self) -> tuple[Image, ...]:
        query = {"manifests": 1} if self.api >= LISTED_MANIFESTS else {}
        answer = self._client.ask("list", "images", "/images/json", query)
        return answer.each(partial(image_from, podman=answer.podman))

    def with_details(
        self,
        snapshot: Snapshot,
        wanted: frozenset[ContainerId],
        concurrency: int = 1,
        origins: frozenset[ContainerId] = frozenset(),
    ) -> Snapshot:
        """Return the snapshot with the wanted containers inspected, those gone meanwhile left out.

        Of the `origins` among them it has what they were made from as well, and keeps what it had of others.
        Up to `concurrency` are inspected at once.
        """
        ids = sorted(wanted)
        engine = self.get("/info") if wanted & origins else {}
        with ThreadPoolExecutor(concurrency) as pool:
            found = pool.map(
                lambda one: self._origin(one, engine) if one in origins else self.detail(one), ids
            )
            details = dict(zip(ids, found))
        containers = tuple(
            replace(one, detail=_with_origin(details.get(one.container_id, one.detail), one.detail))
            for one in snapshot.containers
            if details.get(one.container_id, True) is not None
        )
        return replace(snapshot, containers=containers)

    def detail(self, container_id: ContainerId, timeout: float = CALL_TIMEOUT) -> Detail | None:
        """Return what an inspection tells of a container, None when it is gone. `timeout` is in seconds."""
        answer = self._inspect(container_id, timeout)
        return answer.read(partial(detail_from, podman=answer.podman)) if answer.found else None

    def _origin(self, container_id: ContainerId, engine: Mapping[str, Any]) -> Detail | None:
        """Return a detail with what a container was made from, None when it is gone."""
        answer = self._inspect(container_id)
        if not answer.found:
            return None
        detail = answer.read(partial(detail_from, podman=answer.podman))
        path = f"/images/{answer.read(image_id_from)}/json"
        image = self._client.ask("ask for", path, path)
        return replace(detail, asked=Asked(answer.body, image.body if image.found else {}, engine))

    def _inspect(self, container_id: ContainerId, timeout: float = CALL_TIMEOUT) -> Answer:
        path = f"/containers/{container_id}/json"
        return self._client.ask("inspect", container_id[:12], path, seconds=timeout)

    def last_lines(self, container_id: ContainerId, count: int, hide: Collection[str] = ()) -> list[str]:
        """Return the last lines that a container printed, stdout and stderr in their order, fit to be shown.

        A line has 500 characters at most; no value of `hide` shows in it. [] when they cannot be had: not all
        log drivers can be read, and what the lines are wanted for must not fail for them.
        """
        query = {"stdout": 1, "stderr": 1, "tail": count}
        url = self._url(f"/containers/{container_id}/logs")
        try:
            tty = self._inspect(container_id, LOGS_TIMEOUT).read(has_terminal)
            with (
                told("read the log of", container_id[:12], LOGS_TIMEOUT),
                self._api.get(url, params=query, stream=True, timeout=LOGS_TIMEOUT) as response,
            ):
                raise_for(response, f"read the log of {container_id[:12]}")
                chunks = response.iter_content(chunk_size=None)
                return last_lines(((1, one) for one in chunks) if tty else frames(chunks), count, hide)
        except EngineError:
            return []

    def events(self, kinds: Collection[str]) -> Events:
        """Return what happens to containers from now on, of these kinds ("die", "health_status").

        Whoever looks at a container after this returned misses next to nothing: the engine answers, and then
        subscribes. The stream stays silent for as long as nothing happens.
        """
        from dockerup.streams import Events, stream_of

        filters = json.dumps({"type": ["container"], "event": sorted(kinds)})
        with told("listen to", "events"):
            response = self._api.get(
                self._url("/events"), params={"filters": filters}, stream=True, timeout=(CALL_TIMEOUT, None)
            )
            return Events(stream_of(response, "listen to", "events"))

    def lately(self, now: float, unneeded: Mapping[str, float]) -> Lately:
        """Return what has happened to images lately, up to `now` (seconds since the epoch).

        The engine remembers its last 256 events (moby's daemon/events/events.go), of whatever kind: all are
        asked for, since the oldest tells how far back they go. None are known when they cannot be had: a
        clock that is ahead of the engine's would let it wait. `unneeded` is what dockerup remembers itself.
        """
        query = {"since": "0", "until": f"{now:.6f}"}
        try:
            answer = self._client.ask("ask for", "events", "/events", query, EVENTS_TIMEOUT)
            return lately_from(answer.each_line(event_from), unneeded)
        except EngineError:
            return lately_from((), unneeded)

    def begin_pull(self, image: ImageRef, login: Login | None, timeout: float) -> Stream:
        """Begin to fetch an image; return what the engine tells of it, as soon as it tells anything.

        The image is here when the stream has ended and told no "error". `timeout` is in seconds without a
        word. Closing the stream makes the engine give the pull up.
        """
        from dockerup.streams import stream_of

        parameters = {"fromImage": image.familiar_name, "tag": image.digest or image.tag, **_platform(image)}
        headers = {}
        if login is not None:
            credentials = json.dumps(login.for_engine()).encode()
            headers["X-Registry-Auth"] = base64.urlsafe_b64encode(credentials).decode()
        with told("pull", image.familiar, timeout):
            # The SDK's own pull waits for ever; the session beneath it can be told not to.
            url = self._url("/images/create")
            response = self._api.post(url, params=parameters, headers=headers, stream=True, timeout=timeout)
            return stream_of(response, "pull", image.familiar)

    def image_id(self, name: str) -> ImageId | None:
        """Return the id of a local image, None when there is none of that name."""
        answer = self._inspect_image(name)
        return ImageId(answer.read(id_from)) if answer.found else None

    def means(self, name: str, image_id: ImageId) -> bool:
        """Tell whether a name means an image, or another index of the same one for this host's platform."""
        found = self.image_id(name)
        return found == image_id or bool(self._parts(name) & self._parts(image_id))

    def _parts(self, name: str) -> frozenset[str]:
        """Return the manifests for a platform each that are here of an image, () where it is not told."""
        if self.api < INSPECTED_MANIFESTS:
            return frozenset()
        answer = self._inspect_image(name, {"manifests": 1})
        return answer.read(parts_from) if answer.status < 400 else frozenset()

    def _inspect_image(self, name: str, query: Mapping[str, object] = NOTHING) -> Answer:
        return self._client.ask("inspect image", name, f"/images/{quote(name)}/json", query)

    def tag(self, source: str, tag: str) -> None:
        """Let a tag mean an image."""
        repository, _, name = tag.rpartition(":")
        with told("tag", f"{source} as {tag}"):
            self._api.tag(source, repository, name, force=True)

    def create(self, step: Create, ids: Mapping[str, str], labels: Mapping[str, str]) -> ContainerId:
        """Create a container, and return its id. `ids` are those of the containers that it is bound to."""
        body = create_body(step.spec, labels, step.volumes, ids, self.api, self.secrets)
        query = {"name": step.name, **_platform(step.spec.image)}
        with told("create", step.name):
            # Not all versions of the SDK know of platforms.
            url = self._url("/containers/create")
            response = self._api.post(
                url, params=query, json={**body, "Image": step.image}, timeout=CALL_TIMEOUT
            )
            return ContainerId(answer_of(f"create {step.name}", response).read(id_from))

    def set_restart(self, container_id: ContainerId, restart: str) -> None:
        """Change the restart policy of a container."""
        self.update(container_id, {}, restart)

    def memory_used(self, container_id: ContainerId) -> int:
        """Return the bytes of memory that a container could not do without, 0 when it does not run."""
        path, query = f"/containers/{container_id}/stats", {"stream": "false", "one-shot": "true"}
        return self._client.ask("ask for the memory of", container_id[:12], path, query).read(memory_from)

    def update(self, container_id: ContainerId, limits: Mapping[str, object], restart: str) -> None:
        """Change limits of a container, by the engine's names, and its restart policy; "" leaves that."""
        from dockerup.sdk import again

        body = {**limits, **({"RestartPolicy": policy(restart)} if restart else {})}
        url = self._url(f"/containers/{container_id}/update")

        def call() -> None:
            # The SDK's call does not know all of them.
            raise_for(self._api.post(url, json=body, timeout=CALL_TIMEOUT), f"update {container_id[:12]}")

        with told("update", container_id[:12]):
            again(call)

    def stop(self, container_id: ContainerId, timeout: int | None = None) -> None:
        """Stop a container within `timeout` seconds, None: within its own stop time, and then kill it."""
        seconds = self._stop_seconds(container_id) if timeout is None else timeout
        url = self._url(f"/containers/{container_id}/stop")
        query = {} if timeout is None else {"t": timeout}
        with told("stop", container_id[:12], seconds + CALL_TIMEOUT):
            # The SDK takes every container's own stop time for 10 seconds.
            response = self._api.post(url, params=query, timeout=seconds + CALL_TIMEOUT)
            raise_for(response, f"stop {container_id[:12]}")

    def _stop_seconds(self, container_id: ContainerId) -> int:
        own = self._inspect(container_id).read(stop_seconds_from)
        return STOP_SECONDS if own is None else own

    def start(self, container_id: ContainerId) -> None:
        """Start a container, and let this host know its address, where it is the engine's."""
        with told("start", container_id[:12]):
            self._api.start(container_id)
        if self.url.startswith("unix://"):
            with suppress(EngineError):  # it runs, which is what was asked for
                neighbour.settle(self._inspect(container_id, neighbour.TIMEOUT).body)

    def unpause(self, container_id: ContainerId) -> None:
        """Let a paused container go on."""
        with told("unpause", container_id[:12]):
            self._api.unpause(container_id)

    def rename(self, container_id: ContainerId, name: str) -> None:
        """Rename a container."""
        with told("rename", f"{container_id[:12]} to {name}"):
            self._api.rename(container_id, name)

    def signal(self, name: str, signal: str) -> None:
        """Send a signal to a running container."""
        with told("signal", name):
            self._api.kill(name, signal)

    def remove(self, container_id: ContainerId) -> None:
        """Remove a stopped container and none of its volumes; if the engine is at it already, wait."""
        try:
            with told("remove", container_id[:12]):
                self._api.remove_container(container_id, v=False, force=False)
        except EngineError as error:
            if error.status != 409 or "in progress" not in error.text:
                raise
            with told("remove", container_id[:12]):
                self._api.wait(container_id, timeout=CALL_TIMEOUT, condition="removed")

    def create_network(self, name: str, options: Mapping[str, Any]) -> None:
        """Create a network that is dockerup's; `options` are those of `networkOptions`."""
        # The SDK's call for it does not take CheckDuplicate in all its versions.
        body = network_body(name, options, {label_names.NETWORK: "true"})
        with told("create network", name):
            response = self._api.post(self._url("/networks/create"), json=body, timeout=CALL_TIMEOUT)
            raise_for(response, f"create network {name}")

    def connect(self, network: str, container_id: ContainerId, spec: ContainerSpec) -> None:
        """Connect a container to a network, as its entry says."""
        body = {"Container": container_id, "EndpointConfig": endpoint(spec.definition, network)}
        with told("connect", f"{container_id[:12]} to {network}"):
            url = self._url(f"/networks/{network}/connect")
            response = self._api.post(url, json=body, timeout=CALL_TIMEOUT)
            raise_for(response, f"connect {container_id[:12]} to {network}")

    def remove_network(self, network_id: str) -> None:
        """Remove a network that no running container is on."""
        with told("remove network", network_id[:12]):
            self._api.remove_network(network_id)

    def remove_image(self, name: str) -> int | None:
        """Take a name of an image away, and with its last name the image.

        Returns the bytes that came back, None when the engine does not tell.
        """
        try:
            with told("ask for the layers of", name):
                history = self._api.history(name)
        except EngineError:
            history = []  # what cannot be measured can go all the same
        with told("remove image", name):
            deleted = self._api.remove_image(name, force=False, noprune=False)
        try:
            return freed_by(deleted, history)
        except ODD:
            return None


def _platform(image: ImageRef) -> dict[str, str]:
    return {"platform": image.platform} if image.platform else {}


def _with_origin(detail: Detail | None, before: Detail | None) -> Detail | None:
    """Return a detail with what was known already of what a container was made from, which never changes."""
    if detail is None or before is None or detail.asked is not None:
        return detail
    return replace(detail, asked=before.asked)
