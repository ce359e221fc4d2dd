"""The engine: one picture of the host, and one verb for each effect. The only room with the Docker SDK in it.

Docker Engine API 1.41 and later (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import docker
import requests
from docker import auth as docker_auth
from docker import errors as docker_errors
from docker.utils import kwargs_from_env

from dockerup.body import create_body
from dockerup.image import ImageRef
from dockerup.problems import DockerupError
from dockerup.registry import Login
from dockerup.snapshot import Container, ContainerId, Detail, Image, ImageId, Mount, Snapshot
from dockerup.spec import Port
from dockerup.steps import Create

CALL_TIMEOUT = 120  # seconds; a stop may take its container's whole stop time


class EngineError(DockerupError):
    """The engine refused a call, or cannot be reached.

    `status` is the HTTP status of a refusal, None when there was no answer.
    """

    def __init__(self, what: str, status: int | None, text: str) -> None:
        super().__init__(f"{what}: {text}")
        self.status = status


class Engine:
    """A connection to one engine."""

    def __init__(self, url: str, environ: Mapping[str, str], api_version: str | None = None) -> None:
        """Connect to the engine at `url`; without `api_version` it is asked for its own."""
        self.url = url
        tls = kwargs_from_env(environment={**environ, "DOCKER_HOST": url}).get("tls")
        with _told("connect to the engine", url):
            self._api = docker.APIClient(
                base_url=url, version=api_version or "auto", timeout=CALL_TIMEOUT, tls=tls or False
            )

    @property
    def api_version(self) -> str:
        """The version of the API that is spoken."""
        return str(self._api.api_version)

    def _url(self, path: str) -> str:
        return f"{self._api.base_url}/v{self.api_version}{path}"

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def ping(self) -> None:
        """Return when the engine answers."""
        with _told("reach", self.url):
            self._api.ping()

    def observe(self, *, networks: bool, own_id: str = "") -> Snapshot:
        """Return the host as it is, in one call each for containers, images and, if asked, networks."""
        with _told("list", "containers"):
            containers = tuple(container_from(raw) for raw in self._api.containers(all=True))
        with _told("list", "images"):
            images = tuple(image_from(raw) for raw in self._api.images())
        names = None
        if networks:
            with _told("list", "networks"):
                names = frozenset(str(raw["Name"]) for raw in self._api.networks())
        return Snapshot(containers, images, names, own_id)

    def with_details(self, snapshot: Snapshot, wanted: frozenset[ContainerId]) -> Snapshot:
        """Return the snapshot with the wanted containers inspected, those gone meanwhile left out."""
        containers = []
        for one in snapshot.containers:
            detail = self.detail(one.container_id) if one.container_id in wanted else one.detail
            if detail is not None or one.container_id not in wanted:
                containers.append(replace(one, detail=detail))
        return replace(snapshot, containers=tuple(containers))

    def detail(self, container_id: ContainerId) -> Detail | None:
        """Return what an inspection tells of a container, None when it is gone."""
        try:
            with _told("inspect", container_id[:12]):
                config = self._api.inspect_container(container_id)["HostConfig"]
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return Detail(restart=(config.get("RestartPolicy") or {}).get("Name") or "no")

    def pull(self, image: ImageRef, login: Login | None, timeout: float) -> None:
        """Fetch an image, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        parameters = {"fromImage": image.familiar_name, "tag": image.digest or image.tag}
        headers = {}
        if login is not None:
            credentials = {"username": login.username, "password": login.password}
            headers["X-Registry-Auth"] = docker_auth.encode_header(credentials).decode()
        with _told("pull", image.familiar):
            # The SDK's own pull waits for ever; the session beneath it can be told not to.
            url = self._url("/images/create")
            with self._api.post(
                url, params=parameters, headers=headers, stream=True, timeout=timeout
            ) as response:
                _raise_for(response, f"pull {image.familiar}")
                _follow_pull(response, image, deadline)

    def image_id(self, name: str) -> ImageId | None:
        """Return the id of a local image, None when there is none of that name."""
        try:
            with _told("inspect image", name):
                return ImageId(self._api.inspect_image(name)["Id"])
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    def tag(self, source: str, tag: str) -> None:
        """Let a tag mean an image."""
        repository, _, name = tag.rpartition(":")
        with _told("tag", f"{source} as {tag}"):
            self._api.tag(source, repository, name, force=True)

    def create(self, step: Create, ids: Mapping[str, str], labels: Mapping[str, str]) -> ContainerId:
        """Create a container, and return its id. `ids` are those of the containers that it is bound to."""
        body = create_body(step.spec, labels, step.volumes, ids)
        with _told("create", step.name):
            return ContainerId(self._api.create_container_from_config(body, step.name)["Id"])

    def set_restart(self, container_id: ContainerId, restart: str) -> None:
        """Change the restart policy of a container."""
        with _told("update", container_id[:12]):
            self._api.update_container(container_id, restart_policy={"Name": restart, "MaximumRetryCount": 0})

    def stop(self, container_id: ContainerId) -> None:
        """Stop a container within its own stop time, and then kill it."""
        with _told("stop", container_id[:12]):
            self._api.stop(container_id)

    def start(self, container_id: ContainerId) -> None:
        """Start a container."""
        with _told("start", container_id[:12]):
            self._api.start(container_id)

    def unpause(self, container_id: ContainerId) -> None:
        """Let a paused container go on."""
        with _told("unpause", container_id[:12]):
            self._api.unpause(container_id)

    def rename(self, container_id: ContainerId, name: str) -> None:
        """Rename a container."""
        with _told("rename", f"{container_id[:12]} to {name}"):
            self._api.rename(container_id, name)

    def signal(self, name: str, signal: str) -> None:
        """Send a signal to a running container."""
        with _told("signal", name):
            self._api.kill(name, signal)

    def remove(self, container_id: ContainerId) -> None:
        """Remove a stopped container, and none of its volumes."""
        with _told("remove", container_id[:12]):
            self._api.remove_container(container_id, v=False, force=False)

    def remove_image(self, name: str) -> None:
        """Take a name of an image away, and with its last name the image."""
        with _told("remove image", name):
            self._api.remove_image(name, force=False, noprune=False)


def login_from_docker_config(domain: str) -> Login | None:
    """Return the login that `docker login` stored for a registry, None when there is none."""
    config = docker_auth.load_config()
    try:
        found = config.resolve_authconfig(docker_auth.INDEX_NAME if domain == "docker.io" else domain)
    except docker_errors.DockerException:
        return None
    if not found or "username" not in {key.lower() for key in found}:
        return None
    folded = {key.lower(): value for key, value in found.items()}
    return Login(folded["username"], folded["password"])


def container_from(raw: Mapping[str, Any]) -> Container:
    """Return a container from an element of GET /containers/json."""
    status = str(raw.get("Status", ""))
    # A linked container is listed under its links' names too: "/web/db".
    names = [name[1:] for name in raw.get("Names") or [] if name.count("/") == 1]
    exited = re.match(r"(?:Exited|Restarting) \((\d+)\)", status)
    health = re.search(r"\((?:health: )?(starting|healthy|unhealthy)\)", status)
    return Container(
        container_id=ContainerId(raw["Id"]),
        name=min(names, default=""),
        image_id=ImageId(raw.get("ImageID", "")),
        image=str(raw.get("Image", "")),
        state=str(raw.get("State", "")),
        created=int(raw.get("Created", 0)),
        exit_code=int(exited.group(1)) if exited else None,
        health=health.group(1) if health else "",
        status=status,
        labels=raw.get("Labels") or {},
        ports=tuple(_port(port) for port in raw.get("Ports") or [] if port.get("PublicPort")),
        mounts=tuple(
            Mount(str(mount["Destination"]), str(mount["Name"]))
            for mount in raw.get("Mounts") or []
            if mount.get("Type") == "volume" and mount.get("Name")
        ),
    )


def _port(raw: Mapping[str, Any]) -> Port:
    host_ip = str(raw.get("IP") or "")
    host_ip = str(ipaddress.ip_address(host_ip)) if host_ip else ""
    return Port(int(raw.get("PrivatePort", 0)), int(raw["PublicPort"]), str(raw.get("Type", "tcp")), host_ip)


def image_from(raw: Mapping[str, Any]) -> Image:
    """Return an image from an element of GET /images/json."""
    return Image(
        image_id=ImageId(raw["Id"]),
        tags=tuple(sorted(tag for tag in raw.get("RepoTags") or [] if not tag.startswith("<none>"))),
        digests=tuple(sorted(name for name in raw.get("RepoDigests") or [] if not name.startswith("<none>"))),
        created=int(raw.get("Created", 0)),
        size=int(raw.get("Size", 0)),
    )


def own_container_id(mountinfo: str) -> str:
    """Return the id of the container whose /proc/self/mountinfo this is, "" outside of one.

    The engine mounts a container's hostname file from its own directory of that container.
    """
    found = re.search(r"/containers/([0-9a-f]{64})/hostname ", mountinfo)
    return found.group(1) if found else ""


def _follow_pull(response: requests.Response, image: ImageRef, deadline: float) -> None:
    for line in response.iter_lines():
        event = json.loads(line) if line.strip() else {}
        if "error" in event:
            raise EngineError(f"pull {image.familiar}", None, str(event["error"]))
        if time.monotonic() > deadline:
            raise EngineError(f"pull {image.familiar}", None, "it took longer than pull_timeout allows")


def _raise_for(response: requests.Response, what: str) -> None:
    if response.status_code >= 400:
        raise EngineError(what, response.status_code, _message(response.text))


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:500]


@contextmanager
def _told(verb: str, subject: str) -> Iterator[None]:
    """Turn what the SDK raises into an EngineError that says what was tried on what."""
    try:
        yield
    except docker_errors.APIError as error:
        status = error.response.status_code if error.response is not None else None
        raise EngineError(f"{verb} {subject}", status, str(error.explanation or error)) from error
    except requests.Timeout as error:
        raise EngineError(f"{verb} {subject}", None, f"no answer within {CALL_TIMEOUT} seconds") from error
    except (requests.RequestException, docker_errors.DockerException, OSError) as error:
        raise EngineError(f"{verb} {subject}", None, _reach(error)) from error


def _reach(error: Exception) -> str:
    text = str(error)
    if "FileNotFoundError" in text or "No such file" in text:
        return "there is no such socket. Is docker installed and running? systemctl status docker"
    if "PermissionError" in text or "Permission denied" in text:
        return "this user may not use it. Run dockerup as root"
    if "Connection refused" in text or "ConnectionRefused" in text:
        return "nothing answers there. Is docker running? systemctl status docker"
    return text
