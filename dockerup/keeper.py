"""Which of an entry's containers is as listed: its definition, its image, and what it holds on to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from dockerup import labels
from dockerup.again import is_stuck
from dockerup.decision import Amendment, Decision
from dockerup.host import DEPENDED_ON, Host, managed, protection, stays
from dockerup.images import WantedImage
from dockerup.in_place import amendment, same_make
from dockerup.joined import lost_networks
from dockerup.problems import nearest
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, Existing, Target, Why


def find_keeper(
    spec: ContainerSpec,
    family: tuple[Container, ...],
    image: WantedImage,
    host: Host,
    made: Mapping[str, Decision],
    bound: tuple[tuple[str, Target], ...],
) -> Container | None:
    """Return the container of the family that is as listed, or can be made so in place; None when none is.

    Of several, the newest of those in which nothing has to change.
    """
    fit = [
        one
        for one in family
        if managed(one)
        and not protection(one, host)
        and one.state not in {"dead", "removing"}
        and not is_stuck(one)
        and same_make(one, spec)
        and same_image(one, image)
        and same_bonds(one, spec, made, bound)
        and not lost_networks(one, spec, host)
    ]
    lacks = {one.container_id: amendment(one, spec, host) for one in fit}
    changeable = (one for one in fit if not _is_refused(lacks[one.container_id]))
    return max(changeable, key=lambda one: (lacks[one.container_id] is None, newest(one)), default=None)


def _is_refused(amend: Amendment | None) -> bool:
    return amend is not None and bool(amend.refused)


def newest(one: Container) -> tuple[int, bool, str]:
    """Return the key by which the newest of several containers of one entry is the greatest."""
    return labels.generation(one.labels), one.running, one.container_id


def same_image(one: Container, image: WantedImage) -> bool:
    """Tell whether a container has the image that its entry needs, or none is known that it should have."""
    if one.image_id == image.digest:
        return True  # in containerd's store, which does not list every image that a container has
    if image.local is None or not image.certain:
        return not image.certain
    return one.image_id == image.local.image_id or one.part in image.local.parts


def same_bonds(
    one: Container,
    spec: ContainerSpec,
    made: Mapping[str, Decision],
    bound: tuple[tuple[str, Target], ...],
) -> bool:
    """Tell whether a container holds on to the containers it should, none of which is about to be started.

    One that was created after them and never started has lost nothing by their start.
    """
    ids = labels.read_map(one.labels, labels.BOUND)
    for name, target in bound:
        if not isinstance(target, Existing) or ids.get(name) != target.container_id:
            return False
        if _shares_life(spec, name) and one.running and _loses_its_network(made.get(name)):
            return False
    return True


def bindings(
    spec: ContainerSpec, host: Host, made: Mapping[str, Decision]
) -> tuple[tuple[tuple[str, Target], ...], Cause | None]:
    """Return the containers that an entry is bound to, and why it has to wait for one of them."""
    bound: list[tuple[str, Target]] = []
    waits: list[str] = []
    for name in spec.bound_to:
        decision, other = made.get(name), host.by_name.get(name)
        if decision is not None:
            if decision.held and decision.keeper is None:
                return tuple(bound), Cause(Why.HELD_BACK, f"waits for {name}: {decision.cause}")
            bound.append((name, decision.target))
            stays_up = _lives(decision.keeper) and not decision.gives_way
            lives, why = decision.starts or stays_up, f": {decision.cause}"
        elif other is not None and stays(other, host) not in {"", DEPENDED_ON}:
            bound.append((name, Existing(other.container_id, name)))
            lives, why = _lives(other), ""
        else:
            return tuple(bound), not_listed(name, spec, host)
        if _shares_life(spec, name) and not lives:
            waits.append(f"waits for {name}, which does not run{why}")
    return tuple(bound), Cause(Why.HELD_BACK, waits[0]) if waits else None


def not_listed(name: str, spec: ContainerSpec, host: Host) -> Cause:
    """Return the cause of an entry that waits for one that nobody lists, with the name that may be meant."""
    guess = nearest(name, sorted(host.listed - {spec.name}))
    meant = f"; {guess} is" if guess else ""
    return Cause(Why.HELD_BACK, f"it depends on {name}, which is not listed{meant}")


def has_lost_its_hold(one: Container, spec: ContainerSpec, host: Host) -> bool:
    """Tell whether a container that an entry's container holds on to is gone."""
    ids = labels.read_map(one.labels, labels.BOUND)
    there = {other.container_id for other in host.observed.containers}
    return any(ids.get(name) not in there for name in spec.bound_to)


def _loses_its_network(decision: Decision | None) -> bool:
    """Tell whether an entry's container gets a new life; one that goes on after a pause does not."""
    paused = decision is not None and decision.keeper is not None and decision.keeper.state == "paused"
    return decision is not None and decision.starts and not paused


def _lives(one: Container | None) -> bool:
    """Tell whether the engine would start a container that holds on to this one."""
    return one is not None and one.state in {"running", "paused"}


def _shares_life(spec: ContainerSpec, name: str) -> bool:
    """Tell whether the engine starts an entry's container only while the other one runs."""
    return name in spec.links or name in spec.shares
