"""The labels that a new container gets: what it was made from, and the way back from it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dockerup import labels
from dockerup.decision import Decision
from dockerup.definition import definition_hash, describe
from dockerup.host import Host
from dockerup.keys.row import Change
from dockerup.sheet import Chain
from dockerup.snapshot import Container
from dockerup.transition import restart_before, was_stopped


def new_labels(
    decision: Decision, standing: Sequence[Container], chain: Chain
) -> tuple[tuple[str, str], ...]:
    """Return the labels of the container that an entry gets; `standing` stand aside until it runs."""
    spec, host = decision.spec, chain.host
    family = host.families.get(spec.name, ())
    generation = 1 + max((labels.generation(one.labels) for one in family), default=0)
    found = {
        labels.NAME: spec.name,
        labels.SOURCE: spec.source,
        labels.HASH: definition_hash(spec.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(spec.definition, Change.IN_PLACE),
        labels.DEFINITION: describe(spec.definition, host.policy.salt),
        labels.GENERATION: str(generation),
    }
    if decision.image.digest:
        found[labels.DIGEST] = decision.image.digest
    if spec.name in host.formers:
        found[labels.FORMER] = "true"
    if spec.depends_on:
        found[labels.AFTER] = labels.write_list(spec.depends_on)
    if standing:
        found |= _replaced_labels(decision, standing, chain)
    return tuple(sorted(found.items()))


def _replaced_labels(decision: Decision, standing: Sequence[Container], chain: Chain) -> dict[str, str]:
    """Return the labels that tell the way back, and what failed if that has to be gone."""
    before: dict[str, labels.Before] = {}
    for one in standing:
        if one.detail is None:
            chain.sheet.wanted.add(one.container_id)
        ran = one.state in {"running", "paused"} or was_stopped(one)
        before[one.container_id] = labels.Before(restart_before(one), ran)
    memories = (chain.host.failed(name) for name in chain.mates)
    tries = [labels.number(one.one.labels, labels.ATTEMPT) for one in memories if one and not one.stale]
    asked = decision.spec.name in chain.host.policy.retry
    found = {
        labels.REPLACES: labels.write_replaced(before),
        labels.CAUSE: decision.cause.why.name,
        labels.ATTEMPT: str(1 if asked else 1 + max(tries, default=0)),
    }
    failed_with = _failed_with(decision.spec.name, chain.host)
    if failed_with:
        found[labels.FAILED_WITH] = labels.write_list(failed_with)
    if len(chain.mates) > 1:
        found[labels.GROUP] = labels.write_list(chain.mates)
    return found


def _failed_with(name: str, host: Host) -> frozenset[str]:
    """Return the images with which an entry's definition failed before, as far as any container has them."""
    memory = host.failed(name)
    used = {one.image_id for one in host.observed.containers}
    return memory.images & used if memory is not None else frozenset()
