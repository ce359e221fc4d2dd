"""Which open replacements go back, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dockerup import labels
from dockerup.again import needs_running
from dockerup.decision import Decision, settled
from dockerup.host import Host
from dockerup.images import WantedImage
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, Why
from dockerup.transition import Transition, holds_port_of


def way_back(spec: ContainerSpec, image: WantedImage, opened: Transition, why: str) -> Decision:
    """Return the decision that a replacement goes back."""
    cause = Cause(Why.WAY_BACK if opened.tried else Why.UNDONE, why)
    return Decision(spec, cause, image, opened.last, held=True, well=False, back=opened)


def goes_back(spec: ContainerSpec, opened: Transition, keeper: Container | None) -> str:
    """Return why an open replacement goes back, "" when it goes on."""
    last = opened.last
    stopped = last is not None and not last.running
    if opened.reason or keeper is opened.new or opened.new.running or settled(opened.new, spec):
        return opened.reason
    # It stands still, and is not what is listed any more: what was proven comes first.
    return "what is listed changed meanwhile" if stopped else ""


def given_up(opened: Transition, decision: Decision, host: Host) -> Decision | None:
    """Return that a replacement goes back which got no further than to a new container and has to wait.

    It failed with its mates where the old one needs theirs, else it was never tried. None when it goes on.
    """
    spec, image, last, policy = decision.spec, decision.image, opened.last, host.policy
    if opened.new.state != "created" or last is None or not (decision.held or policy.ending):
        return None
    if policy.unasked and not policy.ending:
        return None
    why = str(decision.cause) if decision.held else "the next run tries it again"
    if last.running or all(host.by_id[needed].running for needed in needs_running(last)):
        return way_back(spec, image, opened, why)
    if decision.held or policy.tried:
        return way_back(spec, image, replace(opened, reason=why), why)
    return None


def leans_on(family: tuple[Container, ...], open_ones: Mapping[str, Transition]) -> str:
    """Return the entry that goes back to a container which holds on to one of these, "" when none does."""
    ids = {one.container_id for one in family}
    for name, opened in open_ones.items():
        if opened.reason and any(
            not old.running and ids & {*labels.read_map(old.labels, labels.BOUND).values()}
            for old in opened.olds
        ):
            return name
    return ""


def took_port_of(family: tuple[Container, ...], open_ones: Mapping[str, Transition]) -> str:
    """Return the entry that goes back to a container whose host port one of these has, "" for none."""
    for name, opened in open_ones.items():
        if opened.reason and any(holds_port_of(one, opened) for one in family):
            return name
    return ""
