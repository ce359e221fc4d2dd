"""The replicas of an entry are replaced one after another, each proven before the next. Pure.

First starts go side by side: nobody relies on them yet. What is missing comes before what is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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


def siblings(spec: ContainerSpec, host: Host) -> list[str]:
    """Return the names of the other replicas of a spec's entry."""
    if not spec.replica_of:
        return []
    return [
        one.name for one in host.desired.specs if one.replica_of == spec.replica_of and one.name != spec.name
    ]


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
    found = ((name, host.failed_image(name)) for name in siblings(spec, host))
    return next(((name, memory) for name, memory in found if memory is not None), None)


def after_failed(name: str, host: Host) -> Cause:
    """Return the cause of waiting for an entry that failed and is not tried again yet."""
    memory = host.memory(name) or host.failed_image(name)
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
    for name in siblings(spec, host):
        if name in open_ones and open_ones[name].failed:
            return Cause(Why.HELD_BACK, f"waits for {name}, which failed")
        if host.memory(name) is not None:
            return after_failed(name, host)
        other = made.get(name)
        if other is None or other.held or other.keeper is None or other.spec.number > spec.number:
            continue
        if not other.well:
            return Cause(Why.HELD_BACK, f"waits for {name}: {other.cause}")
    return None
