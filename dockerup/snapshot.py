"""The observed state: one immutable picture of the host, made by the engine's room, read by the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, NewType

from dockerup.records import dataclass
from dockerup.spec import Port

ContainerId = NewType("ContainerId", str)
ImageId = NewType("ImageId", str)


@dataclass(frozen=True)
class Asked:
    """What somebody else asked for who made a container, as inspections tell it.

    Of the container, of its image ({}: it is gone), and of the engine itself. Values of env are in it.
    """

    container: Mapping[str, Any] = field(repr=False)
    image: Mapping[str, Any] = field(repr=False)
    engine: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Detail:
    """What only an inspection of one container tells. Asked for few: see `Plan.wanted`.

    `restart` is its restart policy, with its count where it has one: `on-failure:5`. `restarts` counts how
    often the engine started it again on its own.
    `error` is why its last start failed. `health_output` is what the last probe printed, cut short.
    `check_seconds` is the longest that its health check may take to call it unhealthy, 0 without one.
    `asked` is there for a container that dockerup did not make.
    `limits` are those fields of `keys.LIMITS` that hold something, as text; None where the engine is one
    that changes none of them in place. `secrets` are the values at each path of `keys.SECRETS`, by name, its
    image's among them.
    `removes_itself`: the engine removes it as soon as it ends (`docker run --rm`).
    """

    restart: str
    state: str = ""
    exit_code: int = 0
    restarts: int = 0
    error: str = ""
    out_of_memory: bool = False
    health: str = ""
    health_output: str = field(default="", repr=False)
    check_seconds: int = 0
    asked: Asked | None = field(default=None, repr=False)
    limits: Mapping[str, str] | None = None
    removes_itself: bool = False
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Mount:
    """A volume that a container uses; `volume` is its name in the engine."""

    path: str
    volume: str

    @property
    def anonymous(self) -> bool:
        """Whether nobody named the volume: the engine gives such ones 64 hex digits."""
        return len(self.volume) == 64 and set(self.volume) <= set("0123456789abcdef")


@dataclass(frozen=True)
class Container:
    """One container as the engine's list shows it.

    `image` is the reference it was made from as far as it still means that image, else the image's id.
    `part` is the manifest for its platform, "" where the engine does not tell it: see `Image.parts`.
    `exit_code` is None while it runs or before it ever did. `health` is "" where nothing checks it, else
    "starting", "healthy" or "unhealthy". `created` is in seconds since the epoch. `up_seconds` is for how
    long it has run, where that is less than a minute, else None. `ports` are the published ones of a running
    container. `networks` are those it is on, by name, with their ids; "" before its first start.
    `host_paths` are those that are mounted into it. `record` are the labels that it would have had dockerup
    made it, as the cache tells that it is adopted. `unlike` are the fields in which it is not as its entry.
    """

    container_id: ContainerId
    name: str
    image_id: ImageId
    image: str
    state: str
    created: int
    exit_code: int | None = None
    health: str = ""
    status: str = ""
    up_seconds: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    part: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    host_paths: tuple[str, ...] = ()
    detail: Detail | None = None
    record: Mapping[str, str] = field(default_factory=dict, repr=False)
    unlike: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether its process lives, or is about to be started again by the engine."""
        return self.state in {"running", "restarting", "paused"}


@dataclass(frozen=True)
class Image:
    """One local image. `tags` and `digests` are its names: `nginx:1.27`, `nginx@sha256:…`.

    `implied` are digests that it would have if it was fetched under its tags: containerd's store tells for no
    image whether it was, or was made on this host. `parts` are the manifests for one platform each that are
    here, where the engine tells them: an index is another one already when it has another platform's anew.
    """

    image_id: ImageId
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    created: int = 0
    size: int = 0
    implied: tuple[str, ...] = ()
    parts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Network:
    """One network of the engine. `options` say how it was made, in the words of `networkOptions`."""

    network_id: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageEvent:
    """Something that was done to an image, at `time` (seconds since the epoch).

    `kind` is the engine's word: "pull", "tag", "load", "import". `subject` is the image's id or, with a pull,
    the name that was pulled; `name` is the name that it got, for a tag.
    """

    time: float
    kind: str
    subject: str
    name: str = ""


@dataclass(frozen=True)
class Lately:
    """What is known of the last minutes of images that nobody needs. Asked for few: see `Plan.unneeded`.

    `events` are complete from the time `since` on. `unneeded` is since when dockerup has known that an image
    is there and that nobody needs it. Both in seconds since the epoch.
    """

    events: tuple[ImageEvent, ...]
    since: float
    unneeded: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Disk:
    """The file system that holds the engine's data, in bytes; `total` is what ordinary users may fill."""

    used: int
    total: int


@dataclass(frozen=True)
class Snapshot:
    """The host at one moment. `own_id` is dockerup's own container.

    `in_place` is what is remembered of containers that have another in-place hash than their label tells,
    "" where the engine has to be asked. None: nothing is remembered, of any container.
    `networks`, `disk` and `lately` are None when nobody asked, and `disk` when it cannot be seen from here.
    """

    containers: tuple[Container, ...]
    images: tuple[Image, ...]
    networks: tuple[Network, ...] | None = None
    own_id: str = ""
    disk: Disk | None = None
    lately: Lately | None = None
    in_place: Mapping[ContainerId, str] | None = None
