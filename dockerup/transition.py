"""Replacements that were begun and are not concluded: their new container is proven, or they go back. Pure.

A replacement is concluded when the old container is gone, or when it serves again. All that tells is on the
engine: the new container's labels name those it takes the place of, and what they were before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dockerup import labels
from dockerup.again import may_start, needs_running, own_ports
from dockerup.definition import described
from dockerup.host import Host, entry_of, is_failed, managed, protection
from dockerup.proof import Verdict, judge, start_error
from dockerup.records import dataclass
from dockerup.snapshot import Container, ContainerId
from dockerup.spec import Port
from dockerup.steps import Goal

# With a count the engine gives it up in time, and what did its work stays.
_ALWAYS, _ON_FAILURE = frozenset({"always", "unless-stopped"}), "on-failure"


@dataclass(frozen=True)
class Transition:
    """A new container that was started, or has failed, and the old ones that are still there.

    `reason` says why it goes back, "" when it does not. `undone`: though neither it nor one of its mates
    failed. `last` is the old one of the entry itself.
    """

    new: Container
    olds: tuple[Container, ...]
    last: Container | None
    reason: str = ""
    undone: bool = False

    @property
    def failed(self) -> bool:
        """Whether it goes back since it, or one of its mates, failed."""
        return bool(self.reason) and not self.undone

    @property
    def tried(self) -> bool:
        """Whether there is anything to remember: the new container was started, or failed with its mates."""
        return self.failed or self.new.state != "created"


def transitions(host: Host) -> tuple[dict[str, Transition], frozenset[ContainerId]]:
    """Return the open transitions by entry, and the ids of the containers to inspect before they are known.

    Without those inspections the transitions are not final. Among them are those of `unread` entries.
    """
    found = {}
    for name in sorted(host.listed | host.unread):
        one = _open(name, host)
        if one is not None:
            found[name] = one
    wanted = {
        one.container_id
        for transition in found.values()
        for one in (transition.new, *transition.olds)
        if one.detail is None
    }
    judged = {name: replace(one, reason=_reason(one, host)) for name, one in found.items()}
    judged.update(
        (name, replace(one, reason="the run that began it was interrupted"))
        for name, one in judged.items()
        if name in host.unread and not one.reason and _stands_still(one)
    )
    return with_mates(judged), frozenset(wanted)


def _open(name: str, host: Host) -> Transition | None:
    family = [one for one in host.families.get(name, ()) if managed(one) and not protection(one, host)]
    by_age = sorted(family, key=lambda one: (labels.generation(one.labels), one.container_id))
    for one in reversed(by_age):
        before = labels.read_replaced(one.labels)
        found = (host.by_id[key] for key in before if key in host.by_id)
        together = _replaced_with(one, host)
        # One that is listed again meanwhile is that entry's own, and no longer to go.
        others = host.listed - {name}
        olds = tuple(
            old
            for old in found
            if not protection(old, host)
            and entry_of(old) not in others
            and (old.running or may_start(old, host, together=together))
        )
        if any(before[old.container_id].ran or served(old) for old in olds):
            transition = Transition(one, olds, next((old for old in olds if entry_of(old) == name), None))
            return transition if _is_open(name, transition) else None
    return None


def _replaced_with(one: Container, host: Host) -> set[str]:
    """Return the ids of those that were replaced together with what a container takes the place of."""
    names = host.listed & {*labels.read_list(one.labels, labels.GROUP)}
    mates = (mate for name in names for mate in host.families.get(name, ()))
    return {replaced for mate in mates for replaced in labels.read_replaced(mate.labels)}


def served(old: Container) -> bool:
    """Tell whether an old container ran well, or did its work: only then it is worth to go back to."""
    return old.state in {"running", "paused"} or (old.state == "exited" and old.exit_code == 0)


def restart_before(old: Container) -> str:
    """Return the restart policy that an old container has, or had before it was stopped for a replacement."""
    own = described(old.labels)
    restart = old.detail.restart if old.detail else ""
    return str(own.get("restart", "always")) if restart == "no" and own else restart


def ports_back(opened: Transition) -> list[Port]:
    """Return the host ports of what does not run, and would be brought back."""
    before = labels.read_replaced(opened.new.labels)
    idle = (old for old in opened.olds if before[old.container_id].ran and not old.running)
    return [port for old in idle for port in own_ports(old)]


def was_stopped(old: Container) -> bool:
    """Tell whether a container was stopped, rather than ended by itself.

    What ends by itself the engine starts again by its policy; not what was killed, also by itself: it died,
    and found the container running when it was there again (moby's daemon/kill.go).
    """
    if old.state != "exited" or old.detail is None:
        return False
    if old.detail.restart == "no":  # for a replacement of which nothing else is left
        return restart_before(old) != "no"
    again = old.detail.restart in _ALWAYS or (old.detail.restart == _ON_FAILURE and old.exit_code != 0)
    return again and not old.detail.error


def _is_open(name: str, transition: Transition) -> bool:
    new = transition.new
    if not is_failed(new):
        return True
    # The way back is done when all that ran runs again, under its own name.
    before = labels.read_replaced(new.labels)
    back = all(old.running or not before[old.container_id].ran for old in transition.olds)
    return new.running or not back or (transition.last is not None and transition.last.name != name)


def _reason(transition: Transition, host: Host) -> str:
    new = transition.new
    if is_failed(new):
        return "it failed"
    if new.detail is None:
        return ""
    if start_error(new.detail) and _depends(new, host):
        return ""  # the engine's own try as it came up, in an order of its own: it may be started yet
    verdict, why = judge(new.detail, Goal.PROVEN, job=new.detail.restart == "no")
    return why if verdict is Verdict.FAILED else ""


def _depends(one: Container, host: Host) -> bool:
    """Tell whether the engine looks for other containers when it starts this one, and they are there."""
    needed = needs_running(one)
    return bool(needed) and needed <= host.by_id.keys()


def _stands_still(transition: Transition) -> bool:
    """Tell whether nobody serves, though the old container did and the new one has not done its work."""
    new, before = transition.new, labels.read_replaced(transition.new.labels)
    idle = any(before[old.container_id].ran and not old.running for old in transition.olds)
    ends = restart_before(new).partition(":")[0] in {"no", "on-failure"}
    complete = ends and new.state == "exited" and new.exit_code == 0
    return idle and new.state not in {"running", "paused"} and not complete


def with_mates(found: Mapping[str, Transition]) -> dict[str, Transition]:
    """Return the transitions with those going back that were begun together with one that does."""
    back = {name for name, one in found.items() if one.failed}
    done = dict(found)
    for name, one in found.items():
        mates = back & {*labels.read_list(one.new.labels, labels.GROUP)} - {name}
        tries = labels.number(one.new.labels, labels.ATTEMPT)
        mates = {mate for mate in mates if labels.number(found[mate].new.labels, labels.ATTEMPT) >= tries}
        if mates and not one.failed:
            why = f"{min(mates)} failed, which was replaced together with it"
            done[name] = replace(one, reason=why, undone=False)
    return done
