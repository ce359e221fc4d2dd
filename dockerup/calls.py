"""The engine call of each step, and the one that takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Protocol

from dockerup import labels
from dockerup.again import has_remains
from dockerup.outcome import RefusedError
from dockerup.problems import DockerupError
from dockerup.snapshot import ContainerId, ImageId
from dockerup.spec import ContainerSpec
from dockerup.steps import (
    ConnectNetwork,
    Create,
    CreateNetwork,
    Existing,
    Prove,
    Remove,
    RemoveImage,
    RemoveNetwork,
    Rename,
    SetRestart,
    Signal,
    Start,
    Step,
    Stop,
    Tag,
    Target,
    Update,
)


class Verbs(Protocol):
    """What an engine can be asked to do; see `dockerup.engine.Engine`."""

    def means(self, name: str, image_id: ImageId) -> bool: ...
    def tag(self, source: str, tag: str) -> None: ...
    def create(self, step: Create, ids: Mapping[str, str], labels: Mapping[str, str]) -> ContainerId: ...
    def set_restart(self, container_id: ContainerId, restart: str) -> None: ...
    def memory_used(self, container_id: ContainerId) -> int: ...
    def update(self, container_id: ContainerId, limits: Mapping[str, object], restart: str) -> None: ...
    def stop(self, container_id: ContainerId, timeout: int | None = None) -> None: ...
    def start(self, container_id: ContainerId) -> None: ...
    def unpause(self, container_id: ContainerId) -> None: ...
    def rename(self, container_id: ContainerId, name: str) -> None: ...
    def signal(self, name: str, signal: str) -> None: ...
    def remove(self, container_id: ContainerId) -> None: ...
    def remove_image(self, name: str) -> int | None: ...
    def create_network(self, name: str, options: Mapping[str, Any]) -> None: ...
    def connect(self, network: str, container_id: ContainerId, spec: ContainerSpec) -> None: ...
    def remove_network(self, network_id: str) -> None: ...


class Calls:
    """The calls of one plan's steps. Steps of several threads may be in it at once."""

    def __init__(self, engine: Verbs) -> None:
        self._engine = engine
        self._ids: dict[str, ContainerId] = {}  # of what was created, by entry
        self._freed: dict[str, int | None] = {}

    def id_of(self, target: Target) -> ContainerId:
        """Return the id of a step's container, which its plan knows or this has created."""
        return target.container_id if isinstance(target, Existing) else self._ids[target.entry]

    def freed_by(self, step: Step) -> int | None:
        """Return the bytes that came back with an image, None where the engine does not tell."""
        return self._freed.get(step.image, 0) if isinstance(step, RemoveImage) else 0

    def make(self, step: Step) -> None:
        """Make the call of a step that neither pulls nor waits. Raises RefusedError and the engine's own."""
        engine = self._engine
        if isinstance(step, Tag):
            engine.tag(step.source, step.tag)
        elif isinstance(step, Create):
            self._create(step)
        elif isinstance(step, SetRestart):
            engine.set_restart(self.id_of(step.target), step.restart)
        elif isinstance(step, Update):
            self._update(step)
        elif isinstance(step, Stop):
            _unless_gone(lambda: engine.stop(self.id_of(step.target), step.timeout))
        elif isinstance(step, Rename):
            engine.rename(self.id_of(step.target), step.name)
        elif isinstance(step, Start):
            self._start(step)
        elif isinstance(step, Signal):
            engine.signal(step.name, step.signal)
        elif isinstance(step, Remove):
            _unless_gone(lambda: engine.remove(self.id_of(step.target)))
        elif isinstance(step, RemoveImage):
            _unless_gone(lambda: self._remove_image(step))
        else:
            self._call_for_network(step)

    def _call_for_network(self, step: Step) -> None:
        engine = self._engine
        if isinstance(step, CreateNetwork):
            engine.create_network(step.name, step.options)
        elif isinstance(step, ConnectNetwork):
            engine.connect(step.network, self.id_of(step.target), step.spec)
        elif isinstance(step, RemoveNetwork):
            _unless_gone(lambda: engine.remove_network(step.network_id))

    def take_back(self, step: Step) -> None:
        """Make the call that is the inverse of a step. What was removed stays so: it was left over.

        Nothing has to be taken back from a new container that somebody has removed.
        """
        engine = self._engine
        if isinstance(step, Create):
            _unless_gone(lambda: engine.remove(self._ids.pop(step.entry)))
        elif isinstance(step, SetRestart):
            engine.set_restart(self.id_of(step.target), step.previous)
        elif isinstance(step, Stop):
            engine.start(self.id_of(step.target))
        elif isinstance(step, Rename):
            _unless_gone(lambda: engine.rename(self.id_of(step.target), step.was))
        elif isinstance(step, Start):
            _unless_gone(lambda: engine.stop(self.id_of(step.target)))
        elif isinstance(step, Tag) and step.previous is not None:
            engine.tag(step.previous, step.tag)

    def set_aside(self, step: Start | Prove) -> None:
        """Give what failed its name, which tells so to every later plan; those lead back."""
        self._engine.rename(self.id_of(step.target), step.failed_name)

    def _create(self, step: Create) -> None:
        same = step.unless_image is not None and self._engine.means(
            step.spec.image.familiar, step.unless_image
        )
        if same:
            raise RefusedError("the newer image is the same for this platform")
        ids = {name: self.id_of(target) for name, target in step.bound}
        bound = {labels.BOUND: labels.write_map(ids)} if ids else {}
        self._ids[step.entry] = self._engine.create(step, ids, {**dict(step.labels), **bound})

    def _start(self, step: Start) -> None:
        """Start a container; one that the engine can no more start is for the next plan to replace."""
        try:
            (self._engine.unpause if step.paused else self._engine.start)(self.id_of(step.target))
        except DockerupError as error:
            if has_remains(str(error)):
                raise RefusedError(str(error)) from error
            raise

    def _update(self, step: Update) -> None:
        """Change a container in place; what the engine says no to is for the next plan to replace."""
        container_id = step.target.container_id
        try:
            used = self._engine.memory_used(container_id) if step.room else 0
            if step.room and used >= step.room:
                raise RefusedError(f"it uses {used} bytes of memory")
            self._engine.update(container_id, dict(step.limits), step.restart)
        except DockerupError as error:
            if getattr(error, "status", None) is None:
                raise
            raise RefusedError(getattr(error, "text", str(error))) from error

    def _remove_image(self, step: RemoveImage) -> None:
        self._freed[step.image] = self._engine.remove_image(step.image)


def _unless_gone(call: Callable[[], None]) -> None:
    """Make a call whose aim is that something be gone; that it is gone already is no failure."""
    try:
        call()
    except DockerupError as error:
        if getattr(error, "status", None) != 404:
            raise
