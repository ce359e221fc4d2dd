"""A model of the engine and a registry: what plans are carried out on in tests, by the hundred and in memory.

It holds what the product can notice of dockerd 20.10: names, states, restart policies, host ports, shared
networks, links, volumes, and the names of images. tests/engine/test_contract.py runs the same tests on this
model and on the real engine, so that the one cannot drift from the other.

Time is a counter: each call that changes something is a second.
"""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from dockerup import labels
from dockerup.body import create_body
from dockerup.image import ImageRef, parse_reference
from dockerup.keys import LIMITS
from dockerup.keys.networks import endpoint
from dockerup.outcome import RefusedError
from dockerup.problems import DockerupError
from dockerup.proof import Verdict, judge
from dockerup.snapshot import (
    Container,
    ContainerId,
    Detail,
    Disk,
    Image,
    ImageId,
    Lately,
    Mount,
    Network,
    Snapshot,
)
from dockerup.spec import ContainerSpec, Port
from dockerup.steps import Create, Goal, Prove

_FIRST_PICKED_PORT = 49153
BUILT_IN = ("bridge", "host", "none")


class ModelError(DockerupError):
    """The engine refuses a call; `status` is the HTTP status that the real one gives."""

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(text)
        self.status = status


class Killed(BaseException):
    """The process that makes the calls is killed: no handler of the product's may see another day."""


@dataclass(frozen=True)
class Content:
    """What an image is: its id, the paths it declares as volumes, and how its program ends, if at once.

    `unwell`: its program runs, and never becomes what proves a container. A container whose env has EXITS, a
    number, or UNWELL does so whatever its image is.
    """

    image_id: ImageId
    volumes: tuple[str, ...] = ()
    exits: int | None = None
    created: int = 0
    unwell: bool = False
    size: int = 1000


@dataclass
class Box:
    """A container as the model keeps it."""

    container_id: ContainerId
    name: str
    image_id: ImageId
    image: str
    created: int
    labels: Mapping[str, str]
    restart: str
    ports: tuple[Port, ...]
    mounts: tuple[Mount, ...]
    joins: str
    links: tuple[str, ...]
    state: str = "created"
    exit_code: int | None = None
    stopped_by_hand: bool = False
    started_once: bool = False
    error: str = ""
    health: str = ""
    published: tuple[Port, ...] = ()
    networks: dict[str, str] = field(default_factory=dict)  # name -> id, "" before the first start
    endpoints: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """Its variables."""
        return self.secrets.get("env", {})


@dataclass
class Registry:
    """What can be pulled: digests by tag, and contents by digest, for each repository's familiar name."""

    tags: dict[str, str] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)

    def push(self, tag: str, content: Content, digest: str = "") -> str:
        """Let a tag mean some content, and return its digest, which is `digest` if that is given."""
        digest = digest or sha256(f"manifest of {content.image_id}")
        self.tags[tag] = digest
        self.contents[f"{parse_reference(tag).familiar_name}@{digest}"] = content
        return digest


class Model:
    """An engine with its containers, images and volumes, and the registry that it pulls from."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.boxes: dict[ContainerId, Box] = {}
        self.contents: dict[ImageId, Content] = {}
        self.names: dict[str, ImageId] = {}  # tags and digests: "nginx:1.27", "nginx@sha256:..."
        self.volumes: set[str] = set()
        self.networks = [Network(sha256(name), name) for name in BUILT_IN]
        self.api = (1, 41)
        self.own_id = ""
        self.taken: frozenset[int] = frozenset()  # host ports that other programs hold
        self.disk_size = 0  # bytes; 0: nobody can tell
        self.lately: Lately | None = Lately((), since=0)
        self.memory = 0  # bytes that each living container holds
        self.clock = 1_000_000
        self.calls: list[tuple[str, str]] = []
        self.made: dict[str, ContainerId] = {}
        self.fail_at = self.kill_at = self.ask_at = 0
        self.asked = threading.Event()  # the run is asked to end, from the call with the number `ask_at` on
        self._dead = False
        self._count = 0
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        boxes = "".join(f"\n  {_shown(box)}" for box in self.boxes.values())
        return f"Model(containers:{boxes}\n  names: {self.names}\n  registry: {self.registry.tags})"

    def copy(self) -> Model:
        """Return a model of the same state with nothing in its log, on which no call fails."""
        other = type(self)()
        for key in ("registry", "boxes", "contents", "names", "volumes"):
            setattr(other, key, copy.deepcopy(getattr(self, key)))
        other.networks, other.own_id, other.api = [*self.networks], self.own_id, self.api
        other.taken = self.taken
        other.disk_size, other.lately, other.memory = self.disk_size, self.lately, self.memory
        other.clock, other._count = self.clock, self._count
        return other

    @contextmanager
    def _call(self, verb: str, subject: str) -> Iterator[None]:
        with self._lock:
            if self._dead or len(self.calls) + 1 == self.kill_at:
                self._dead = True
                raise Killed(f"{verb} {subject}")
            self.calls.append((verb, subject))
            if len(self.calls) == self.ask_at:
                self.asked.set()
            if len(self.calls) == self.fail_at:
                raise ModelError(500, f"{verb} {subject}: fails as it was told to")
            self.clock += 1
            yield

    # What the product can see.

    def snapshot(self) -> Snapshot:
        """Return the host as the engine's lists show it."""
        containers = tuple(self.listed(box) for box in self.boxes.values())
        images = tuple(self._image(content) for content in self.contents.values())
        used = sum(content.size for content in self.contents.values())
        disk = Disk(used, self.disk_size) if self.disk_size else None
        return Snapshot(containers, images, tuple(self.networks), self.own_id, disk, self.lately)

    def detail(self, container_id: ContainerId) -> Detail | None:
        """Return what an inspection tells of a container, None when it is gone."""
        box = self.boxes.get(container_id)
        if box is None:
            return None
        again = 1 if box.state == "restarting" else 0
        limits = dict(box.limits)
        return Detail(
            box.restart,
            box.state,
            box.exit_code or 0,
            again,
            box.error,
            limits=limits,
            secrets=copy.deepcopy(box.secrets),
        )

    def prove(self, container_id: ContainerId, step: Prove, stop: threading.Event) -> bool:
        """Wait for a container as dockerup.watch does; here all that happens has happened already."""
        if stop.is_set():
            return False
        with self._call("prove", container_id):
            detail = self.detail(container_id)
            if detail is None:
                raise RefusedError("it was removed")
            box = self._known(container_id)
            verdict, why = judge(detail, step.goal, job=step.job)
            still = box.state in {"created", "exited"}
            if verdict is Verdict.FAILED or (verdict is Verdict.PENDING and still):
                raise ModelError(None, why or "it does not run")
            unwell = self.contents[box.image_id].unwell or "UNWELL" in box.env
            if verdict is Verdict.PENDING and unwell:
                raise ModelError(None, "it was not healthy within 60 seconds")
            ends = step.job or step.goal is Goal.ENDED
            return verdict is Verdict.PROVEN or not ends or bool(step.failed_name)

    def with_details(self, snapshot: Snapshot, wanted: frozenset[ContainerId]) -> Snapshot:
        """Return the snapshot with the wanted containers inspected."""
        containers = (
            replace(one, detail=self.detail(one.container_id)) if one.container_id in wanted else one
            for one in snapshot.containers
        )
        return replace(snapshot, containers=tuple(containers))

    def listed(self, box: Box) -> Container:
        """Return a container as the engine's list shows it."""
        means_it = self.names.get(box.image) == box.image_id
        return Container(
            container_id=box.container_id,
            name=box.name,
            image_id=box.image_id,
            image=box.image if means_it else box.image_id,
            state=box.state,
            created=box.created,
            exit_code=box.exit_code,
            health=box.health,
            labels=box.labels,
            ports=box.published if box.state in {"running", "paused"} else (),
            mounts=box.mounts,
            networks=dict(box.networks),
        )

    def _image(self, content: Content) -> Image:
        named = sorted(name for name, image_id in self.names.items() if image_id == content.image_id)
        return Image(
            image_id=content.image_id,
            tags=tuple(name for name in named if "@" not in name),
            digests=tuple(name for name in named if "@" in name),
            created=content.created,
            size=content.size,
        )

    def image_id(self, name: str) -> ImageId | None:
        """Return the id of a local image, None when there is none of that name."""
        with self._call("inspect image", name):
            return self._resolve(name)

    def means(self, name: str, image_id: ImageId) -> bool:
        """Tell whether a name means an image."""
        return self.image_id(name) == image_id

    def _resolve(self, name: str) -> ImageId | None:
        return ImageId(name) if name in self.contents else self.names.get(name)

    # Images.

    def load(self, content: Content, tag: str) -> None:
        """Put an image on the host under a tag, without any registry."""
        self.contents[content.image_id] = content
        self.names[tag] = content.image_id

    def pull(self, image: ImageRef) -> None:
        """Fetch an image: by digest it gets no tag, by tag the tag moves."""
        with self._call("pull", image.familiar):
            digest = image.digest or self.registry.tags.get(image.familiar, "")
            exact = f"{image.familiar_name}@{digest}"
            if exact not in self.registry.contents:
                raise ModelError(404, f"manifest for {image.familiar} not found")
            content = self.registry.contents[exact]
            self.contents.setdefault(content.image_id, content)
            self.names[exact] = content.image_id
            if image.digest is None:
                self.names[image.familiar] = content.image_id

    def tag(self, source: str, tag: str) -> None:
        """Let a tag mean an image."""
        with self._call("tag", f"{source} as {tag}"):
            image_id = self._resolve(source)
            if image_id is None:
                raise ModelError(404, f"No such image: {source}")
            self.names[tag] = image_id

    def remove_image(self, name: str) -> int | None:
        """Take a name of an image away, and with its last name the image (moby's image_delete.go).

        Returns the bytes that came back; layers have no part in the model.
        """
        with self._call("remove image", name):
            image_id = self._resolve(name)
            if image_id is None:
                raise ModelError(404, f"No such image: {name}")
            size = self.contents[image_id].size
            if name == image_id:
                self._remove_by_id(image_id)
            else:
                self._remove_by_name(name, image_id)
            return 0 if image_id in self.contents else size

    def _remove_by_name(self, name: str, image_id: ImageId) -> None:
        if _one_reference(self._names_of(image_id)) and self._used(image_id):
            raise ModelError(409, f"unable to remove repository reference {name}: a container uses it")
        del self.names[name]
        repository = _repository(name)
        left = [other for other in self._names_of(image_id) if _repository(other) == repository]
        if "@" not in name and all("@" in other for other in left):
            for digest in left:
                del self.names[digest]
        if not self._names_of(image_id) and not self._used(image_id):
            del self.contents[image_id]

    def _remove_by_id(self, image_id: ImageId) -> None:
        names = self._names_of(image_id)
        if self._used(image_id) or (names and not _one_reference(names)):
            raise ModelError(409, f"unable to delete {image_id}: it is used or has several names")
        for name in names:
            del self.names[name]
        del self.contents[image_id]

    def _names_of(self, image_id: ImageId) -> list[str]:
        return [name for name, other in self.names.items() if other == image_id]

    def _used(self, image_id: ImageId) -> bool:
        return any(box.image_id == image_id for box in self.boxes.values())

    # Containers.

    def create(self, step: Create, ids: Mapping[str, str], labels: Mapping[str, str]) -> ContainerId:
        """Create a container, not started."""
        body = create_body(step.spec, labels, step.volumes, ids, self.api)
        container_id = self.create_from(step.name, {**body, "Image": step.image})
        self.made[step.entry] = container_id
        return container_id

    def create_from(self, name: str, body: Mapping[str, Any]) -> ContainerId:
        """Create a container as POST /containers/create does."""
        with self._call("create", name):
            image_id = self._resolve(body["Image"])
            if image_id is None:
                raise ModelError(404, f"No such image: {body['Image']}")
            self._refuse_taken(name)
            endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
            if len(endpoints) > 1 and self.api < (1, 44):
                raise ModelError(400, f"Container cannot be connected to network endpoints: {[*endpoints]}")
            config = body.get("HostConfig", {})
            links = tuple(
                self._known(link.partition(":")[0]).container_id for link in config.get("Links", ())
            )
            box = Box(
                container_id=ContainerId(self._new_id("container")),
                name=name,
                image_id=image_id,
                image=body["Image"],
                created=self.clock,
                labels=dict(body.get("Labels", {})),
                restart=_policy(config.get("RestartPolicy", {})),
                ports=tuple(_ports(config.get("PortBindings", {}))),
                mounts=self._mounts(body, self.contents[image_id]),
                joins=_joined(config),
                links=links,
                networks=dict.fromkeys(_networks(config, endpoints), ""),
                endpoints=dict(endpoints),
                limits=limits_of(config),
                secrets=_secrets(body, config),
            )
            self.boxes[box.container_id] = box
            return box.container_id

    def _mounts(self, body: Mapping[str, Any], content: Content) -> tuple[Mount, ...]:
        config = body.get("HostConfig", {})
        found: dict[str, str] = {}
        for source in config.get("VolumesFrom", ()):
            found.update({mount.path: mount.volume for mount in self._known(source.partition(":")[0]).mounts})
        bound = {bind.split(":")[1] for bind in config.get("Binds", ())} | {*config.get("Tmpfs", ())}
        bound |= {mount["Target"] for mount in config.get("Mounts", ()) if mount["Type"] == "bind"}
        found = {path: volume for path, volume in found.items() if path not in bound}
        named = (mount for mount in config.get("Mounts", ()) if mount["Type"] == "volume")
        found.update({mount["Target"]: mount["Source"] for mount in named})
        for path in (*body.get("Volumes", ()), *content.volumes):
            if path not in found and path not in bound:
                found[path] = self._new_id("volume")
        self.volumes.update(found.values())
        return tuple(Mount(path, volume) for path, volume in sorted(found.items()))

    def set_restart(self, container_id: ContainerId, restart: str) -> None:
        """Change the restart policy of a container."""
        with self._call("update", container_id):
            self._known(container_id).restart = restart

    def memory_used(self, container_id: ContainerId) -> int:
        """Return the bytes of memory that a container holds."""
        with self._call("stats", container_id):
            return self.memory if self._lives(self._known(container_id)) else 0

    def update(self, container_id: ContainerId, limits: Mapping[str, object], restart: str) -> None:
        """Change limits of a container, and its restart policy; what is 0 or empty is left."""
        with self._call("update", container_id):
            box = self._known(container_id)
            told = {field: str(value) for field, value in limits.items() if value}
            self._refuse_update({**box.limits, **told}, told)
            box.limits = limits_of({**box.limits, **told})
            box.restart = restart or box.restart

    @staticmethod
    def _refuse_update(both: Mapping[str, str], told: Mapping[str, str]) -> None:
        if "NanoCpus" in both and {"CpuPeriod", "CpuQuota"} & {*both}:
            raise ModelError(400, "Conflicting options: CPU Quota and Nano CPUs")
        alone = "Memory" in told and "MemorySwap" not in told
        if alone and int(told["Memory"]) > int(both.get("MemorySwap", 0)):
            raise ModelError(400, "Memory limit should be smaller than already set memoryswap limit")

    def stop(self, container_id: ContainerId, _timeout: int | None = None) -> None:
        """Stop a container; one that does not run stays as it is."""
        with self._call("stop", container_id):
            box = self._known(container_id)
            if box.state in {"running", "paused"}:
                box.exit_code = 137
            if box.state in {"running", "paused", "restarting"}:
                box.state, box.stopped_by_hand = "exited", True

    def start(self, container_id: ContainerId) -> None:
        """Start a container, and let its program end at once if that is what it does."""
        with self._call("start", container_id):
            box = self._known(container_id)
            if box.state == "paused":
                raise ModelError(409, "cannot start a paused container, try unpause instead")
            if box.state not in {"running", "restarting"}:
                self._start(box)

    def _start(self, box: Box) -> None:
        try:
            self._refuse_start(box)
        except ModelError as error:
            box.error = str(error)
            # moby's daemon/start.go: a failed start leaves a code; a container never started has none to see.
            if box.started_once and not box.exit_code:
                box.exit_code = 128
            raise
        box.networks = {name: self._network(known or name).network_id for name, known in box.networks.items()}
        box.published = tuple(self._publish(port) for port in box.ports)
        box.started_once, box.stopped_by_hand, box.error = True, False, ""
        ends = self.contents[box.image_id].exits if box.image_id in self.contents else None
        ends = int(box.env["EXITS"]) if "EXITS" in box.env else ends
        again = box.restart in {"always", "unless-stopped"} or (box.restart.startswith("on-failure") and ends)
        box.state = "running" if ends is None else "restarting" if again else "exited"
        box.exit_code = ends

    def _refuse_start(self, box: Box) -> None:
        if box.joins and not self._lives(self._known(box.joins)):
            raise ModelError(409, "cannot join network of a non running container")
        for linked in box.links:
            if ContainerId(linked) not in self.boxes or not self._lives(self._known(linked)):
                raise ModelError(500, "Cannot link to a non running container")
        for name, known in box.networks.items():
            self._network(known or name)
        for port in box.ports:
            if port.host_port in self.taken:
                raise ModelError(500, f"listen tcp4 0.0.0.0:{port.host_port}: bind: address already in use")
        for other in self.boxes.values():
            if other is not box and other.state in {"running", "paused"}:
                for port in box.ports:
                    if any(port.clashes(held) for held in other.published):
                        raise ModelError(500, f"Bind for :{port.host_port} failed: port is already allocated")

    @staticmethod
    def _lives(box: Box) -> bool:
        return box.state in {"running", "paused"}

    def _publish(self, port: Port) -> Port:
        if port.host_port:
            return replace(port, host_ip=port.host_ip or "0.0.0.0")
        held = {held.host_port for box in self.boxes.values() for held in box.published}
        return replace(port, host_port=max(held | {_FIRST_PICKED_PORT - 1}) + 1, host_ip="0.0.0.0")

    def unpause(self, container_id: ContainerId) -> None:
        """Let a paused container go on."""
        with self._call("unpause", container_id):
            box = self._known(container_id)
            if box.state != "paused":
                raise ModelError(500, f"Container {container_id} is not paused")
            box.state = "running"

    def rename(self, container_id: ContainerId, name: str) -> None:
        """Rename a container."""
        with self._call("rename", container_id):
            box = self._known(container_id)
            if box.name == name:
                raise ModelError(400, "Renaming a container with the same name as its current name")
            self._refuse_taken(name)
            box.name = name

    def signal(self, name: str, signal: str) -> None:
        """Send a signal to a running container."""
        with self._call("signal", name):
            box = next((box for box in self.boxes.values() if name in {box.name, box.container_id}), None)
            if box is None:
                raise ModelError(404, f"No such container: {name}")
            if box.state not in {"running", "restarting", "paused"}:
                raise ModelError(409, f"Container {name} is not running")

    def remove(self, container_id: ContainerId) -> None:
        """Remove a stopped container; its volumes stay."""
        with self._call("remove", container_id):
            box = self._known(container_id)
            if box.state in {"running", "paused", "restarting"}:
                raise ModelError(409, f"You cannot remove a running container {container_id}")
            del self.boxes[container_id]

    # Networks.

    def create_network(self, name: str, options: Mapping[str, Any], *, ours: bool = True) -> None:
        """Create a network that is dockerup's, or a person's."""
        with self._call("create network", name):
            if any(network.name == name for network in self.networks):
                raise ModelError(409, f"network with name {name} already exists")
            self.networks.append(
                Network(self._new_id("network"), name, {labels.NETWORK: "true"} if ours else {}, options)
            )

    def connect(self, network: str, container_id: ContainerId, spec: ContainerSpec) -> None:
        """Connect a container to a network."""
        with self._call("connect", container_id):
            box = self._known(container_id)
            lives = box.state in {"running", "paused"}
            if network in box.networks:
                raise ModelError(403, f"endpoint with name {box.name} already exists in network {network}")
            box.networks[network] = self._network(network).network_id if lives else ""
            box.endpoints[network] = endpoint(spec.definition, network)

    def remove_network(self, network_id: str) -> None:
        """Remove a network that no running container is on."""
        with self._call("remove network", network_id):
            found = self._network(network_id)
            running = (box for box in self.boxes.values() if box.state in {"running", "paused", "restarting"})
            if any(found.network_id in box.networks.values() for box in running):
                raise ModelError(403, f"network {found.name} has active endpoints")
            self.networks.remove(found)

    def disconnect(self, container_id: ContainerId, network: str) -> None:
        """Disconnect a container from a network, as a person does."""
        del self.boxes[container_id].networks[network]

    def _network(self, name: str) -> Network:
        found = [network for network in self.networks if name in {network.name, network.network_id}]
        if not found:
            raise ModelError(404, f"network {name} not found")
        return found[0]

    # What happens to a host.

    def revive(self) -> None:
        """Let calls reach the engine again after the process that made them was killed."""
        self._dead, self.kill_at = False, 0

    def pause(self, container_id: ContainerId) -> None:
        """Pause a running container, as a person does."""
        self.boxes[container_id].state = "paused"

    def end(self, container_id: ContainerId, exit_code: int) -> None:
        """Let a running container's program end."""
        box = self.boxes[container_id]
        box.state, box.exit_code = "exited", exit_code

    def reboot(self) -> None:
        """Restart the engine: what ran ends, and what its policy says comes back."""
        for box in self.boxes.values():
            if box.state in {"running", "paused", "restarting"}:
                box.state, box.exit_code = "exited", 137
        back = [box for box in self.boxes.values() if box.started_once and self._comes_back(box)]
        for _ in back:  # a container may have to wait for the one it is linked to
            for box in back:
                self._try_start(box)

    @staticmethod
    def _comes_back(box: Box) -> bool:
        return box.restart == "always" or (box.restart == "unless-stopped" and not box.stopped_by_hand)

    def _try_start(self, box: Box) -> None:
        if box.state == "exited":
            try:
                self._start(box)
            except ModelError:
                box.state = "exited"

    def by_name(self, name: str) -> Box:
        """Return the container of that name."""
        return next(box for box in self.boxes.values() if box.name == name)

    def _known(self, container_id: str) -> Box:
        if container_id not in self.boxes:
            raise ModelError(404, f"No such container: {container_id}")
        return self.boxes[ContainerId(container_id)]

    def _refuse_taken(self, name: str) -> None:
        if any(box.name == name for box in self.boxes.values()):
            raise ModelError(409, f'The container name "/{name}" is already in use')

    def _new_id(self, kind: str) -> str:
        self._count += 1
        return sha256(f"{kind} {self._count}").partition(":")[2]


def sha256(text: str) -> str:
    """Return a text's digest as the engine writes it."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _shown(box: Box) -> str:
    told = {key.replace("dockerup.", ""): value for key, value in box.labels.items()}
    told.pop("definition", None)
    ports = [port.host_port for port in box.ports]
    return f"{box.container_id[:8]} {box.name} {box.state}({box.exit_code}) {box.image} {ports} {told}"


def _repository(name: str) -> str:
    return name.partition("@")[0] if "@" in name else name.rpartition(":")[0]


def _one_reference(names: list[str]) -> bool:
    """Tell whether all names are of one repository, with one tag at most (moby's isSingleReference)."""
    tags = [name for name in names if "@" not in name]
    digests = {_repository(name) for name in names if "@" in name}
    if len(names) <= 1:
        return len(names) == 1
    return len(tags) <= 1 and len(digests) == 1 and all(_repository(tag) in digests for tag in tags)


def _policy(raw: Mapping[str, Any]) -> str:
    count = raw.get("MaximumRetryCount", 0)
    return f"{raw['Name']}:{count}" if count else str(raw.get("Name", "no"))


def limits_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits that a container gets, with twice its memory where nothing is said of swap."""
    found = {field: str(config[field]) for field in LIMITS if config.get(field)}
    if "Memory" in found:
        found.setdefault("MemorySwap", str(2 * int(found["Memory"])))
    return {field: value for field, value in found.items() if (field, value) != ("PidsLimit", "-1")}


def _joined(config: Mapping[str, Any]) -> str:
    kind, _, target = str(config.get("NetworkMode", "")).partition(":")
    return target if kind == "container" else ""


def _networks(config: Mapping[str, Any], endpoints: Mapping[str, Any]) -> Iterator[str]:
    """Give the networks that a container is created on; the first is that of its mode, if it has one."""
    mode = str(config.get("NetworkMode", "")) or "bridge"
    if not mode.startswith("container:"):
        yield mode
    yield from (name for name in endpoints if name != mode)


def _ports(bindings: Mapping[str, list[dict[str, str]]]) -> Iterator[Port]:
    for exposed, hosts in bindings.items():
        number, _, protocol = exposed.partition("/")
        for host in hosts:
            host_port = int(host.get("HostPort") or 0)
            yield Port(int(number), host_port, protocol, host.get("HostIp", ""))


def _secrets(body: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return what an inspection tells of env and of the options of the log; an image has a PATH, too."""
    env = dict(one.split("=", 1) for one in ("PATH=/bin", *body.get("Env", ())))
    return {"env": env, "logConfiguration.options": dict(config.get("LogConfig", {}).get("Config", {}))}
