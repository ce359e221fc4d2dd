"""What a plan is made of: small frozen steps, one engine call each, and the cause of every one.

`str(plan)` is the form that people check and tests compare.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Union

from dockerup.definition import Difference
from dockerup.image import ImageRef
from dockerup.records import dataclass
from dockerup.snapshot import ContainerId, ImageId
from dockerup.spec import ContainerSpec


class Why(enum.Enum):
    """The kinds of causes. The value is how a line about it begins."""

    CURRENT = "as listed"
    COMPLETE = "complete"
    FAILED = "failed"
    NOT_THERE = "not there"
    STOPPED = "stopped"
    NEVER_STARTED = "never started"
    DEFINITION = "definition changed"
    IMAGE = "newer image"
    IMAGE_MISSING = "image is not here"
    RENAMED = "renamed by hand"
    BOUND = "bound to a container that is replaced or started"
    TAKEN_OVER = "its name is taken over"
    IN_THE_WAY = "in the way"
    INTERRUPTED = "finishes what an interrupted run began"
    LEFT_OVER = "left over from a replacement"
    ORPHAN = "no longer listed"
    UNMANAGED = "not started by dockerup"
    FETCHED = "fetched by dockerup"
    UNWELL = "runs, but not well"
    UNUSED = "no longer used"
    FULL = "makes room on a full disk"
    SOURCE_BROKEN = "its source cannot be read"
    HELD_BACK = "held back"
    AFTER_FAILED = "waits for one that failed"
    SIGNAL = "asked for after a start"
    UNDONE = "undoes what an interrupted run began"
    WAY_BACK = "goes back to the last that was proven"
    FAILED_BEFORE = "failed, and is not tried again yet"
    DEPENDED_ON = "another waits for it"
    DETACHED = "not on a network that it is listed on"


@dataclass(frozen=True)
class Cause:
    """Why a step is taken, or why nothing is done: a kind, a word on it, and which values changed."""

    why: Why
    what: str = ""
    changes: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        said = "; ".join([self.what] * bool(self.what) + [str(change) for change in self.changes])
        return f"{self.why.value}: {said}" if said else self.why.value


@dataclass(frozen=True)
class Existing:
    """A container that is there: its id, and its name when the plan was made, for messages only."""

    container_id: ContainerId
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Created:
    """The container that this plan creates for an entry."""

    entry: str

    def __str__(self) -> str:
        return f"new {self.entry}"


Target = Union[Existing, Created]


def short_image(name: str) -> str:
    """Return an image's name with its digest cut to what people compare."""
    return re.sub(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}", r"\1", name)


@dataclass(frozen=True)
class Keep:
    """Nothing is done for an entry; `well` is whether that is how it should be."""

    entry: str
    cause: Cause
    well: bool = True

    def __str__(self) -> str:
        return f"keep {self.entry}" if self.well else f"hold {self.entry}"


@dataclass(frozen=True)
class Pull:
    """Fetch an image: by digest where the registry told it, else by tag."""

    entry: str
    image: ImageRef
    cause: Cause

    def __str__(self) -> str:
        platform = f" for {self.image.platform}" if self.image.platform else ""
        return f"pull {short_image(self.image.familiar)}{platform}"


@dataclass(frozen=True)
class Tag:
    """Let a tag mean an image. `source` is an image's id or name; `previous` is what the tag meant before."""

    entry: str
    source: str
    tag: str
    previous: ImageId | None
    cause: Cause

    def __str__(self) -> str:
        return f"tag {short_image(self.source)} as {self.tag}"


@dataclass(frozen=True)
class Create:
    """Create the container of an entry, not started.

    `volumes` are its predecessor's anonymous volumes to take over: pairs of path and volume. `bound` are the
    containers it holds on to by id. `labels` are complete but for those ids. `unless_image` is the image of
    its predecessor when only a newer image is the cause: if the fetched one turns out to be the same, the
    step is refused. `image` is what the engine is told to make it from.
    """

    entry: str
    spec: ContainerSpec = field(repr=False)
    image: str
    name: str
    labels: tuple[tuple[str, str], ...] = field(repr=False)
    volumes: tuple[tuple[str, str], ...]
    bound: tuple[tuple[str, Target], ...]
    unless_image: ImageId | None
    cause: Cause

    def __str__(self) -> str:
        return f"create {self.name}"


@dataclass(frozen=True)
class SetRestart:
    """Change the restart policy of a container; `previous` is the one that it has."""

    entry: str
    target: Target
    restart: str
    previous: str
    cause: Cause

    def __str__(self) -> str:
        return f"set restart={self.restart} on {self.target}"


@dataclass(frozen=True)
class Update:
    """Change a container in place: its limits, as fields of the engine's, and its restart policy.

    `restart` is "" where the policy stays. `room`: the step is refused where the container uses as much
    memory as that, in bytes; 0: it may use any. `in_place_hash` is what it then has.
    """

    entry: str
    target: Existing
    limits: tuple[tuple[str, int | str], ...]
    restart: str
    room: int
    in_place_hash: str
    cause: Cause

    def __str__(self) -> str:
        return f"update {self.target} in place"


@dataclass(frozen=True)
class Stop:
    """Stop a container within `timeout` seconds; None: within its own stop time."""

    entry: str
    target: Target
    timeout: int | None
    cause: Cause

    def __str__(self) -> str:
        return f"stop {self.target}"


@dataclass(frozen=True)
class Rename:
    """Rename a container. `was` is the name it has now."""

    entry: str
    target: Target
    was: str
    name: str
    cause: Cause

    def __str__(self) -> str:
        return f"rename {self.was} to {self.name}"


@dataclass(frozen=True)
class Start:
    """Start a container; `paused` ones go on. `failed_name`: what it is called from then on if it fails."""

    entry: str
    target: Target
    paused: bool
    failed_name: str
    cause: Cause

    def __str__(self) -> str:
        return f"unpause {self.target}" if self.paused else f"start {self.target}"


class Goal(enum.Enum):
    """What a container has to reach before others may go on."""

    PROVEN = "proven"  # healthy where something checks it; undisturbed for a stretch; a job: exit code 0
    ENDED = "ended"  # whatever its exit code


@dataclass(frozen=True)
class Prove:
    """Wait until a started container has reached a goal.

    `stretch`: the seconds of undisturbed running that prove one without a health check. `within`: the
    seconds that it has in all; the health check of its image may need more. `job`: it is not started again
    when it ends. `checked`: its entry has a health check. `failed_name`: what it is called from then on if
    it fails, "" when it keeps its name.
    """

    entry: str
    target: Target
    goal: Goal
    stretch: int
    within: int
    job: bool
    checked: bool
    failed_name: str
    cause: Cause

    def __str__(self) -> str:
        return f"prove {self.target}" if self.goal is Goal.PROVEN else f"wait for the end of {self.target}"


@dataclass(frozen=True)
class Signal:
    """Send a signal to a running container, by name."""

    entry: str
    name: str
    signal: str
    cause: Cause

    def __str__(self) -> str:
        return f"signal {self.name} with {self.signal}"


@dataclass(frozen=True)
class Remove:
    """Remove a stopped container, none of its volumes."""

    entry: str
    target: Target
    cause: Cause

    def __str__(self) -> str:
        return f"remove {self.target}"


@dataclass(frozen=True)
class RemoveImage:
    """Take away a name of an image, and with its last name the image.

    `frees` is the image's size in bytes where this is its last name, else 0.
    """

    entry: str
    image: str
    image_id: ImageId
    frees: int
    cause: Cause

    def __str__(self) -> str:
        return f"remove image {short_image(self.image)}"


@dataclass(frozen=True)
class CreateNetwork:
    """Create a network that entries name and that is not there; it is labelled as dockerup's."""

    entry: str
    name: str
    cause: Cause
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"create network {self.name}"


@dataclass(frozen=True)
class ConnectNetwork:
    """Connect a container that was never started to a network, as the entry says."""

    entry: str
    target: Target
    network: str
    spec: ContainerSpec = field(repr=False)
    cause: Cause

    def __str__(self) -> str:
        return f"connect {self.target} to {self.network}"


@dataclass(frozen=True)
class RemoveNetwork:
    """Remove a network that dockerup made and that nobody uses."""

    entry: str
    name: str
    network_id: str
    cause: Cause

    def __str__(self) -> str:
        return f"remove network {self.name}"


Step = Union[
    Keep,
    Pull,
    Tag,
    Create,
    SetRestart,
    Update,
    Stop,
    Rename,
    Start,
    Prove,
    Signal,
    Remove,
    RemoveImage,
    CreateNetwork,
    ConnectNetwork,
    RemoveNetwork,
]


class Phase(enum.IntEnum):
    """Phases follow each other whole, whatever failed in the one before."""

    CONVERGE = 0
    REMOVE = 1
    CLEAN_UP = 2


@dataclass(frozen=True)
class Node:
    """A step in its place: its number from 1, the steps that must have succeeded before, its phase and group.

    Steps of one group stand or fall together: when one fails, what the others did is undone, last first,
    if the plan says that the group is undoable.
    """

    number: int
    after: tuple[int, ...]
    phase: Phase
    group: str
    step: Step


@dataclass(frozen=True)
class Plan:
    """An ordered graph of steps. `undoable`: the groups that have a way back.

    `urgent`: the groups that are one, carried out even by a run that was asked to end. `wanted` are ids
    of containers that have to be inspected before the plan is final; such a plan is never carried out.
    `unneeded` are the images that nobody needs: what has happened to them lately has to be asked before they
    may go. `adopted` are the labels that containers would have which dockerup did not make and takes for an
    entry's: somebody has to remember them. `in_place` is to be remembered as well: see
    `Snapshot.in_place`. `formers` are entries that are planned for otherwise than listed: see `former`.
    `notes` are sentences for a person.
    """

    nodes: tuple[Node, ...] = ()
    undoable: frozenset[str] = frozenset()
    urgent: frozenset[str] = frozenset()
    wanted: frozenset[ContainerId] = frozenset()
    unneeded: frozenset[ImageId] = frozenset()
    adopted: Mapping[ContainerId, Mapping[str, str]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    in_place: Mapping[ContainerId, str] = field(default_factory=dict)
    formers: tuple[ContainerSpec, ...] = field(default=(), repr=False)

    @property
    def changes(self) -> tuple[Node, ...]:
        """The nodes that do something."""
        return tuple(node for node in self.nodes if not isinstance(node.step, Keep))

    @property
    def removed(self) -> frozenset[ContainerId]:
        """The containers of now that are removed."""
        targets = (node.step.target for node in self.nodes if isinstance(node.step, Remove))
        return frozenset(target.container_id for target in targets if isinstance(target, Existing))

    def __str__(self) -> str:
        return "".join(f"{_line(node)}\n" for node in self.nodes)


def _line(node: Node) -> str:
    after = f" after {', '.join(f'#{number}' for number in node.after)}" if node.after else ""
    return f"#{node.number} {node.step.entry}: {node.step}{after} ({node.step.cause})"
