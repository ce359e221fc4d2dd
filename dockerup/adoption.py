"""Containers that somebody else made and that are what an entry lists: they are adopted, not replaced. Pure.

The engine gives no label to a container that is there. So an adopted one is seen as if it had the labels that
dockerup would have given it, and the cache remembers these, by the container's id. Without the cache it is
inspected and compared again: that costs three calls, and no restart. Its next container is dockerup's own.

None is adopted on doubt (see `likeness`). None is removed for having been adopted: once its entry has left
the list, it is again what it was, a container that dockerup did not make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from dockerup import labels
from dockerup.definition import definition_hash, describe
from dockerup.desired import Desired
from dockerup.host import Policy, entry_of, is_failed, managed, untouchable
from dockerup.keys.row import Change
from dockerup.records import dataclass
from dockerup.snapshot import Container, ContainerId, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.steps import Plan

# One that was only created has nothing to keep, one that is going cannot be kept.
_STATES = frozenset({"running", "paused", "restarting", "exited"})
_NO_HASH = "1:"  # of no definition


@dataclass(frozen=True)
class Adoption:
    """The host with adopted containers under labels, and those to inspect before it is known which they are.

    `records` are the labels that the cache has to remember, by container. `notes` are for a person.
    """

    observed: Snapshot
    wanted: frozenset[ContainerId] = frozenset()
    records: Mapping[ContainerId, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def adopted(one: Container) -> bool:
    """Tell whether a container is one that dockerup did not make, and takes for an entry's own."""
    return labels.ADOPTED in one.labels


def adopt(desired: Desired, observed: Snapshot, policy: Policy) -> Adoption:
    """Return the host with the containers adopted that are what an entry lists."""
    ids = {one.name: str(one.container_id) for one in observed.containers}
    pairs = list(_candidates(desired, observed, policy))
    differing = {one.container_id: _differs(one, spec, ids, policy) for one, spec in pairs}
    fresh = {
        one.container_id: _labels(spec, ids, policy)
        for one, spec in pairs
        if differing[one.container_id] == ()
    }
    records = {**_remembered(observed, policy), **fresh}
    listed = {spec.name for spec in desired.specs}
    seen = {
        **{container_id: {labels.NAME: name} for container_id, name in _begun(observed, policy).items()},
        **{one: record for one, record in records.items() if record[labels.NAME] in listed},
    }
    left = [one for one in observed.containers if one.container_id in records.keys() - seen.keys()]
    stay = desired.complete and policy.unmanaged == "keep"
    containers = tuple(
        _under(one, seen[one.container_id])
        if one.container_id in seen
        else replace(one, unlike=differing[one.container_id] or ())
        if one.container_id in differing
        else one
        for one in observed.containers
    )
    return Adoption(
        replace(observed, containers=containers),
        frozenset(one.container_id for one, _ in pairs if one.detail is None),
        records,
        (*(_taken(record[labels.NAME]) for record in fresh.values()), *(map(_left, left) if stay else ())),
    )


def still_true(notes: Iterable[str], plan: Plan) -> list[str]:
    """Return notes without those that say of a container that it goes on which a plan replaces."""
    replaced = {_taken(plan.adopted[one][labels.NAME]) for one in plan.adopted.keys() & plan.removed}
    return [note for note in notes if note not in replaced]


def _remembered(observed: Snapshot, policy: Policy) -> dict[ContainerId, Mapping[str, str]]:
    """Return the labels of the containers that the cache tells to be adopted."""
    return {
        one.container_id: one.record
        for one in observed.containers
        if labels.NAME in one.record and not managed(one) and not untouchable(one, policy, observed.own_id)
    }


def _begun(observed: Snapshot, policy: Policy) -> dict[ContainerId, str]:
    """Return those whose replacement a run has begun, with their entry: the labels of the new one tell.

    Where nobody else's container may be taken over it was adopted, be it that the cache is lost.
    """
    owner = {
        container_id: entry_of(one)
        for one in observed.containers
        if managed(one) and policy.unmanaged == "keep"
        for container_id in labels.read_replaced(one.labels)
    }
    return {
        one.container_id: entry_of(one)
        for one in observed.containers
        if not managed(one) and owner.get(one.container_id) == entry_of(one)
    }


def _candidates(
    desired: Desired, observed: Snapshot, policy: Policy
) -> Iterator[tuple[Container, ContainerSpec]]:
    """Give the containers that have to be compared with the entry of their name."""
    by_name = {one.name: one for one in observed.containers}
    # What an entry has of dockerup's own goes before what somebody else made; what failed serves nobody.
    served = {entry_of(one) for one in observed.containers if managed(one) and not is_failed(one)}
    for spec in desired.specs:
        one = by_name.get(spec.name)
        if (
            one is not None
            and one.state in _STATES
            and not managed(one)
            and spec.name not in served
            and not untouchable(one, policy, observed.own_id)
            and not _same_hashes(one.record, spec)
        ):
            yield one, spec


def _same_hashes(record: Mapping[str, str], spec: ContainerSpec) -> bool:
    return record.get(labels.NAME) == spec.name and all(
        record.get(key) == value for key, value in _hashes(spec).items()
    )


def _hashes(spec: ContainerSpec) -> dict[str, str]:
    return {
        labels.HASH: definition_hash(spec.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(spec.definition, Change.IN_PLACE),
    }


def _differs(
    one: Container, spec: ContainerSpec, ids: Mapping[str, str], policy: Policy
) -> tuple[str, ...] | None:
    """Return in what a container is not as its entry, () when it is in all, None where nobody can tell."""
    asked = one.detail.asked if one.detail is not None else None
    if asked is None:
        return None
    from dockerup.likeness import unlike  # few hosts need it, and these until all is known

    return unlike(asked, spec, ids, policy.api)


def _labels(spec: ContainerSpec, ids: Mapping[str, str], policy: Policy) -> dict[str, str]:
    """Return the labels that dockerup would have given a container, had it made it."""
    found = {
        labels.NAME: spec.name,
        labels.SOURCE: spec.source,
        **_hashes(spec),
        labels.DEFINITION: describe(spec.definition, policy.salt),
        labels.GENERATION: "0",
    }
    if spec.bound_to:
        found[labels.BOUND] = labels.write_map({name: ids[name] for name in spec.bound_to})
    if spec.depends_on:
        found[labels.AFTER] = labels.write_list(spec.depends_on)
    return found


def _under(one: Container, record: Mapping[str, str]) -> Container:
    no_hashes = {labels.HASH: _NO_HASH, labels.IN_PLACE_HASH: _NO_HASH}
    return replace(one, labels={**one.labels, **no_hashes, **record, labels.ADOPTED: "true"})


def _taken(name: str) -> str:
    return f"{name}: adopted: what runs is as listed, and goes on; dockerup did not make it"


def _left(one: Container) -> str:
    what = "it was adopted, and no entry lists it any more; dockerup did not make it"
    return f"{one.name} is left alone: {what}. To be rid of it: docker rm -f {one.name}"
