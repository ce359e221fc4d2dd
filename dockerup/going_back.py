"""Which open replacements go back, and why. Pure.

Of an entry that is not listed, since its source is broken, nothing is known but what its containers tell.
What served for it serves again where its successor does not; one that runs proves itself once it is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dockerup import labels
from dockerup.again import needs_running
from dockerup.decision import Decision
from dockerup.definition import described
from dockerup.host import Host
from dockerup.image import ImageRef, parse_reference
from dockerup.images import WantedImage
from dockerup.problems import Origin
from dockerup.settled import settled
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec, clash
from dockerup.steps import Cause, Why
from dockerup.transition import Transition, ports_back


def within_reach(opened: Transition | None, host: Host, made: Mapping[str, Decision]) -> Transition | None:
    """Return an open replacement, None when what it would go back to needs what gives a host port back."""
    giving = [name for name, decision in made.items() if decision.gives_way]
    if opened is None or not giving:
        return opened
    gone = {one.container_id for name in giving for one in host.families.get(name, ())}
    return opened if any(old.running or not needs_running(old) & gone for old in opened.olds) else None


def way_back(spec: ContainerSpec, image: WantedImage, opened: Transition, why: str) -> Decision:
    """Return the decision that a replacement goes back; `why` counts where it did not fail."""
    back = opened if opened.reason else replace(opened, reason=why, undone=True)
    cause = Cause(Why.WAY_BACK if back.tried else Why.UNDONE, back.reason)
    return Decision(spec, cause, image, opened.last, held=True, well=False, back=back)


def unlisted_ways_back(unlisted: Mapping[str, Transition]) -> dict[str, Decision]:
    """Return the decisions on those replacements of entries that are not listed which have to go back."""
    image = WantedImage(None, None, "", certain=False)
    return {
        name: way_back(_told(name, opened.new), image, opened, opened.reason)
        for name, opened in unlisted.items()
        if opened.reason
    }


def _told(name: str, one: Container) -> ContainerSpec:
    """Return what a container tells of its entry, as far as a way back needs it."""
    try:
        image = parse_reference(str(described(one.labels)["image"]))
    except (KeyError, ValueError):  # a person wrote the label
        image = ImageRef("", name)
    return ContainerSpec(name, image, one.labels.get(labels.SOURCE, ""), Origin(one.name), {})


def goes_back(spec: ContainerSpec, opened: Transition, keeper: Container | None, host: Host) -> str:
    """Return why an open replacement goes back, "" when it goes on."""
    last = opened.last
    stopped = last is not None and not last.running and _has_what_it_needs(last, host)
    if opened.reason or keeper is opened.new or opened.new.running or settled(opened.new, spec):
        return opened.reason
    # It stands still, and is not what is listed any more: what was proven comes first.
    return "what is listed changed meanwhile" if stopped else ""


def _has_what_it_needs(one: Container, host: Host) -> bool:
    """Tell whether what a container needs runs; else its mates have come further in the replacement."""
    return all(host.by_id[needed].running for needed in needs_running(one))


def given_up(opened: Transition | None, decision: Decision, host: Host) -> Decision | None:
    """Return that a replacement goes back which got no further than to a new container and has to wait.

    It failed with its mates where the old one needs theirs, else it was never tried. None when it goes on.
    """
    if opened is None:
        return None
    spec, image, last, policy = decision.spec, decision.image, opened.last, host.policy
    if opened.new.state != "created" or last is None or not (decision.held or policy.ending):
        return None
    if policy.unasked and not policy.ending:
        return None
    why = str(decision.cause) if decision.held else "the next run tries it again"
    if last.running or _has_what_it_needs(last, host):
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


def port_goes_back(
    spec: ContainerSpec, family: tuple[Container, ...], open_ones: Mapping[str, Transition]
) -> str:
    """Return which other entry's way back needs a host port of an entry's, in words; "" for none."""
    ports = [*spec.ports, *(port for one in family for port in one.ports)]
    for name, opened in open_ones.items():
        if opened.reason and name != spec.name and clash(ports, ports_back(opened)):
            return f"its host port goes back to {name}"
    return ""


def loses_its_mate(spec: ContainerSpec, made: Mapping[str, Decision]) -> str:
    """Return which entry it is, in words, whose network an entry shares and that gives a host port back.

    "" for none.
    """
    for name in spec.shares:
        if name in made and made[name].gives_way:
            return f"waits for {name}: {made[name].cause}"
    return ""
