"""How each listed container is, in a word and in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dockerup.decision import Decision, complete, failed
from dockerup.images import LocalImages
from dockerup.snapshot import Container, Snapshot
from dockerup.steps import Why


@dataclass(frozen=True)
class Row:
    """One listed container as it is: `state` in a word, `says` in a sentence.

    `waits`: why a change of it has to wait, "" when none does.
    """

    name: str
    state: str
    well: bool
    says: str
    health: str = ""
    image: str = ""
    digest: str = ""
    since: str = ""
    ports: str = ""
    source: str = ""
    waits: str = ""


def rows_of(decisions: Mapping[str, Decision], observed: Snapshot) -> tuple[Row, ...]:
    """Return a row for each listed container, by name."""
    local = LocalImages.of(observed.images)
    return tuple(_row(decisions[name], local) for name in sorted(decisions))


def _row(decision: Decision, local: LocalImages) -> Row:
    spec, one = decision.spec, decision.keeper or _best(decision.olds)
    state, well = _state(decision, one)
    says = str(decision.cause)
    if one is None:
        return Row(spec.name, state, well, says, image=spec.image.familiar, source=spec.source)
    digest = local.digest_of(one.image_id, spec.image) or one.image_id
    return Row(
        spec.name,
        state,
        well,
        says,
        health=one.health,
        image=spec.image.familiar if one.image.startswith("sha256:") else one.image,
        digest=digest.partition(":")[2][:12],
        since=one.status,
        ports=_ports(one),
        source=spec.source,
        waits=says if decision.cause.why is Why.FAILED_BEFORE else decision.image.held,
    )


def _best(olds: Sequence[Container]) -> Container | None:
    return max(olds, key=lambda one: (one.running, one.created), default=None)


def _state(decision: Decision, one: Container | None) -> tuple[str, bool]:
    """Return the state of an entry in a word, and whether it is how it should be."""
    if decision.back is not None:
        return "rollingBack", False
    if decision.cause.why is Why.FAILED_BEFORE or (decision.image.held and decision.image.rolled_back):
        return "rolledBack", decision.well and one is not None
    if decision.held:
        return ("running" if one is not None and one.running else "waiting"), decision.well
    if decision.keeper is None or one is None:
        return ("running" if one is not None and one.running else "pending"), False
    if complete(one, decision.spec):
        return "complete", True
    if failed(one, decision.spec):
        return "failed", False
    if decision.starts:
        return "pending", False
    if one.state == "restarting":
        return one.state, False
    return ("starting" if one.health == "starting" else "running"), decision.well


def _ports(one: Container) -> str:
    shown = {f"{port.host_port}->{port.container_port}/{port.protocol}" for port in one.ports}
    return ", ".join(sorted(shown))
