"""What an entry needs, as decided: which of its containers stays, which go, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dockerup.definition import Difference
from dockerup.images import WantedImage
from dockerup.records import dataclass
from dockerup.settled import settled
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steady import unwell
from dockerup.steps import Cause, Created, Existing, Target
from dockerup.transition import Transition


@dataclass(frozen=True)
class Amendment:
    """What differs in a container that was made alike, and how that is changed in place.

    `limits`, `restart` and `room` are as those of `steps.Update`. `refused` says why it cannot be done in
    place, "" when it can.
    """

    limits: tuple[tuple[str, int | str], ...]
    restart: str
    changes: tuple[Difference, ...]
    refused: str = ""
    room: int = 0


@dataclass(frozen=True)
class Decision:
    """What an entry needs.

    `keeper` is the container that stays or goes on, None when one has to be created. `olds` are those
    that it takes the place of. `again`: what ended is started again, as a person asked. `held` says that
    nothing can be done now, `well` that this is how it should be. `back`: its replacement goes back.
    `gives_way`: a host port goes back to another entry's, for which what runs of it is stopped.
    `forget`: the failed container that is of no use any more, `forget_last`: one that goes once all is well.
    `last_life`: of its containers that run, or did, none could be started again. `amend`: what changes in
    place of the keeper.
    """

    spec: ContainerSpec
    cause: Cause
    image: WantedImage
    keeper: Container | None = None
    olds: tuple[Container, ...] = ()
    bound: tuple[tuple[str, Target], ...] = ()
    again: bool = False
    held: bool = False
    well: bool = True
    back: Transition | None = None
    gives_way: bool = False
    forget: Container | None = None
    forget_last: Container | None = None
    last_life: bool = False
    amend: Amendment | None = None

    @property
    def target(self) -> Target:
        """The container that the entry will have."""
        if self.keeper is None:
            return Created(self.spec.name)
        return Existing(self.keeper.container_id, self.keeper.name)

    @property
    def waits_for(self) -> Mapping[str, str]:
        """The entries that its start waits for, each with its condition."""
        needed = needed_well(self.spec) if self.last_life and any(one.running for one in self.olds) else {}
        return {**dict.fromkeys(self.spec.bound_to, "START"), **self.spec.depends_on, **needed}

    @property
    def starts(self) -> bool:
        """Whether the entry's container has yet to be started."""
        return not self.held and (self.keeper is None or self.again or not settled(self.keeper, self.spec))

    @property
    def disturbs(self) -> bool:
        """Whether anything that ran is touched."""
        return not self.held and (self.starts or bool(self.olds))


def needed_well(spec: ContainerSpec) -> Mapping[str, str]:
    """Return the entries without which the engine does not start an entry's container, as they have to be.

    What could not be started again goes on until its successor is sure to have what it needs.
    """
    return dict.fromkeys((*spec.links, *spec.shares), "HEALTHY")


def though_unwell(cause: Cause, one: Container) -> Cause:
    """Return why nothing is done, which tells as well what is wrong with the container that stays."""
    wrong = unwell(one)
    return replace(cause, what=f"{cause.what}; what serves is not well: {wrong}") if wrong else cause
