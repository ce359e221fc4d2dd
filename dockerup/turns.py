"""The replicas of an entry are replaced one after another, each proven before the next. Pure.

First starts go side by side: nobody relies on them yet. What is missing comes before what is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dockerup.again import lives
from dockerup.decision import Decision
from dockerup.host import Host
from dockerup.images import WantedImage
from dockerup.in_place import same_definition
from dockerup.keeper import same_image
from dockerup.memory import Memory, next_try
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, Why
from dockerup.transition import Transition


def before_in_turn(decision: Decision, decisions: Mapping[str, Decision]) -> Iterator[str]:
    """Give the replicas that have to be proven before this one is replaced."""
    spec = decision.spec
    if not spec.replica_of or not decision.olds or decision.held:
        return
    for other in decisions.values():
        if other.spec.replica_of != spec.replica_of or other.held or other is decision:
            continue
        if not other.olds or other.spec.number < spec.number:
            yield other.spec.name


def failed_sibling_image(spec: ContainerSpec, host: Host) -> tuple[str, Memory] | None:
    """Return a replica that failed with a newer image which is not to be tried again yet, None for none."""
    found = ((name, host.failed_image(name)) for name in host.siblings(spec))
    return next(((name, memory) for name, memory in found if memory is not None), None)


def memories_of(spec: ContainerSpec, host: Host) -> list[Memory]:
    """Return what failed of an entry as it is listed, of itself and of its other replicas."""
    return [host.memories[name] for name in (spec.name, *host.siblings(spec)) if name in host.memories]


def failed_as_listed(spec: ContainerSpec, host: Host) -> str:
    """Return which one holds an entry back since it failed as listed, itself or a replica; "" for none."""
    names = (spec.name, *host.siblings(spec))
    return next((name for name in names if host.memory_as_listed(name) is not None), "")


def after_failed(name: str, host: Host) -> Cause:
    """Return the cause of waiting for an entry that failed and is not tried again yet."""
    memory = host.memory_as_listed(name) or host.failed_image(name)
    return Cause(Why.AFTER_FAILED, f"{name}; {next_try(memory, name)}" if memory is not None else name)


def waits_for_turn(
    spec: ContainerSpec,
    family: tuple[Container, ...],
    image: WantedImage,
    host: Host,
    made: Mapping[str, Decision],
    open_ones: Mapping[str, Transition],
) -> Cause | None:
    """Return why a replica does not get what is new, since another one did not do well, None when it may.

    One that has what is listed already is mended, whatever the others do, and so is one that could not go on
    as it is.
    """
    if any(same_definition(one, spec, host) and same_image(one, image) for one in family):
        return None
    if not any(lives(one, host) for one in family):
        return None
    for name in host.siblings(spec):
        if name in open_ones and open_ones[name].failed:
            return Cause(Why.HELD_BACK, f"waits for {name}, which failed")
        if spec.name not in host.formers and host.memory_as_listed(name) is not None:
            cause = after_failed(name, host)
            return replace(cause, what=cause.what + host.stays_since(spec.name))
        other = made.get(name)
        if other is None or other.held or other.keeper is None or other.spec.number > spec.number:
            continue
        if not other.well:
            return Cause(Why.HELD_BACK, f"waits for {name}: {other.cause}")
    return None
