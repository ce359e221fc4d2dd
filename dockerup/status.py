"""How each listed container is, in a word and in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from dockerup.adoption import adopted
from dockerup.decision import Decision
from dockerup.definition import secret_options
from dockerup.images import LocalImages
from dockerup.proof import start_error, without
from dockerup.records import dataclass
from dockerup.settled import complete, failed, settled
from dockerup.snapshot import Container, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.steady import keeps_exiting
from dockerup.steps import Why
from dockerup.transition import Transition

Word = Literal[
    "pending",
    "waiting",
    "starting",
    "proving",
    "running",
    "complete",
    "rollingBack",
    "rolledBack",
    "failed",
]


@dataclass(frozen=True)
class Row:
    """One listed container as it is: `state` in a word, `says` in a sentence.

    `well`: it is how it should be. `over`: nothing becomes of it by itself any more. `waits`: why a change
    of it has to wait, "" when none does. `restarts`: how often the engine has started it again since it was
    started, None where nobody asked. `adopted`: dockerup did not make it.
    """

    name: str
    state: Word
    well: bool
    says: str
    over: bool = False
    health: str = ""
    image: str = ""
    digest: str = ""
    since: str = ""
    restarts: int | None = None
    ports: str = ""
    source: str = ""
    waits: str = ""
    adopted: bool = False


def rows_of(
    decisions: Mapping[str, Decision], observed: Snapshot, opened: Mapping[str, Transition]
) -> tuple[Row, ...]:
    """Return a row for each listed container, by name. `opened` are the replacements not yet concluded."""
    local = LocalImages.of(observed.images)
    return tuple(
        _row(decisions[name], _state(decisions[name], decisions, opened.get(name)), local)
        for name in sorted(decisions)
    )


def shown(decision: Decision) -> Container | None:
    """Return the container that an entry's row tells of, None when there is none."""
    newest = max(decision.olds, key=lambda one: (one.running, one.created), default=None)
    return decision.keeper or newest


def _row(decision: Decision, how: _State, local: LocalImages) -> Row:
    spec, one = decision.spec, shown(decision)
    over = how.word in {"complete", "failed"} and not (one is not None and one.running)
    waits = str(decision.cause) if _is_held(decision) else decision.image.held
    row = Row(spec.name, how.word, how.well, how.says, over, source=spec.source, waits=waits)
    if one is None:
        return replace(row, image=spec.image.familiar)
    digest = local.digest_of(one.image_id, spec.image) or one.image_id
    return replace(
        row,
        health=one.health,
        image=spec.image.familiar if one.image.startswith("sha256:") or spec.image.platform else one.image,
        digest=digest.partition(":")[2][:12],
        since=one.status,
        restarts=one.detail.restarts if one.detail is not None else None,
        ports=_ports(one),
        adopted=adopted(one),
    )


def _is_held(decision: Decision) -> bool:
    return decision.held or decision.cause.why is Why.FAILED_BEFORE


class _State(NamedTuple):
    word: Word
    well: bool
    says: str


def _state(decision: Decision, decisions: Mapping[str, Decision], opened: Transition | None) -> _State:
    """Return how an entry is: in a word, whether that is how it should be, and in a sentence."""
    one, says = shown(decision), str(decision.cause)
    if decision.back is not None:
        return _State("rollingBack", False, says)
    if decision.cause.why is Why.FAILED_BEFORE:
        return _State("rolledBack", decision.well and one is not None, says)
    if decision.held:
        return _State("running" if one is not None and one.running else "waiting", decision.well, says)
    if decision.starts or one is None:
        return _before_start(decision, one, decisions)
    return _after_start(decision, one, opened)


def _before_start(decision: Decision, one: Container | None, decisions: Mapping[str, Decision]) -> _State:
    """Return how an entry is of which a container has yet to be started."""
    says = str(decision.cause)
    if decision.keeper is None and one is not None and one.running:
        return _State("running", False, says)
    awaited = _awaited(decision, decisions)
    if awaited:
        return _State("waiting", False, awaited)
    if decision.cause.why is Why.INTERRUPTED:
        says = "its replacement has begun, and is not finished yet"
    elif decision.keeper is not None and decision.keeper.detail is not None:
        detail = without(decision.keeper.detail, secret_options(decision.spec.definition))
        says = "; ".join(filter(None, (says, start_error(detail))))
    return _State("pending", False, says)


def _awaited(decision: Decision, decisions: Mapping[str, Decision]) -> str:
    """Return which other entry has to come first, "" when none has to."""
    spec = decision.spec
    for name, condition in {**dict.fromkeys(spec.bound_to, "START"), **spec.depends_on}.items():
        other = decisions.get(name)
        lacks = _lacks(other.keeper, condition, other.spec) if other is not None else ""
        if lacks:
            return f"waits for {name}, which {lacks}"
    return ""


def _lacks(one: Container | None, condition: str, spec: ContainerSpec) -> str:
    """Return what a dependency still lacks, in words that follow its name, "" when nothing."""
    if condition in {"COMPLETE", "SUCCESS"}:
        ended = one is not None and (complete(one, spec) or (condition == "COMPLETE" and failed(one, spec)))
        return "" if ended else "has not ended yet"
    if one is None or not settled(one, spec):
        return "does not run yet"
    return "is not healthy yet" if condition == "HEALTHY" and one.health == "starting" else ""


def _after_start(decision: Decision, one: Container, opened: Transition | None) -> _State:
    """Return how an entry is of which the container was started."""
    spec, says = decision.spec, str(decision.cause)
    if complete(one, spec):
        return _State("complete", True, says)
    if failed(one, spec):
        return _State("failed", False, says)
    if not decision.well:
        return _State("failed" if keeps_exiting(one) else "running", False, says)
    if opened is not None and one is opened.new and spec.update.rollback:
        return _State("proving", True, "it has to prove itself; what ran before stands by until then")
    if one.health == "starting":
        return _State("starting", True, "its health check has not succeeded yet")
    if decision.image.rolled_back:
        return _State("rolledBack", True, decision.image.held)
    return _State("running", True, says)


def _ports(one: Container) -> str:
    shown = {f"{port.host_port}->{port.container_port}/{port.protocol}" for port in one.ports}
    return ", ".join(sorted(shown))
