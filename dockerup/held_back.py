"""What serves while an entry is held back since it failed as listed, and when that is forgotten. Pure."""

from __future__ import annotations

from dataclasses import replace

from dockerup import labels
from dockerup.again import lives, may_start
from dockerup.decision import Decision, though_unwell
from dockerup.definition import described
from dockerup.host import Host, managed, protection
from dockerup.images import WantedImage
from dockerup.keeper import newest
from dockerup.memory import Memory, next_try
from dockerup.olds import rivals
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steady import unwell
from dockerup.steps import Cause, Why
from dockerup.turns import memories_of


def forgotten(decision: Decision, host: Host) -> Container | None:
    """Return the failed container of an entry, if it is of no use any more."""
    memory = host.failed(decision.spec.name)
    if memory is None or protection(memory.one, host) or decision.held:
        return None
    keeper = decision.keeper
    if not memory.stale and _is_of_another_image(memory, decision.image):
        return None
    if memory.stale or keeper is None:
        return memory.one
    if keeper is memory.one or decision.cause.why is Why.FAILED_BEFORE:
        return None
    made_it = keeper.running and not decision.image.held
    return memory.one if made_it or _is_a_try(keeper, decision) else None


def _is_of_another_image(memory: Memory, image: WantedImage) -> bool:
    """Tell whether only a newer image failed, so that nothing is known against an entry with this one."""
    return memory.of_image and image.local is not None and image.local.image_id not in memory.images


def _is_a_try(keeper: Container, decision: Decision) -> bool:
    """Tell whether an earlier run made the keeper, and it still has to take the place of what served."""
    replaced = labels.read_replaced(keeper.labels)
    return any(old.container_id in replaced for old in decision.olds)


def forgotten_last(decision: Decision, forget: Container | None, host: Host) -> Container | None:
    """Return what failed with the former definition, once it holds nothing back any more."""
    name = decision.spec.name
    beside = host.beside.get(name)
    if beside is None or name in host.formers or decision.held or protection(beside.one, host):
        return None
    listed = [memory.one for memory in memories_of(decision.spec, host) if memory.one is not forget]
    return None if listed or host.failed_image(name) is beside else beside.one


def serves_on(
    spec: ContainerSpec, family: tuple[Container, ...], image: WantedImage, host: Host
) -> Decision | None:
    """Return the decision on an entry that failed as it is listed: what served before serves on."""
    memory = host.memory(spec.name)
    if memory is None or _is_of_another_image(memory, image):
        return None
    replaced = labels.read_replaced(memory.one.labels)
    replaced.update({one.container_id: _as_it_was(one) for one in family if labels.FORMER in one.labels})
    fit = [one for one in family if one.container_id in replaced and not protection(one, host)]
    fit = [one for one in fit if one.running or may_start(one, host)]
    cause = Cause(Why.FAILED_BEFORE, next_try(memory, spec.name) + host.stays_since(spec.name))
    if not fit:
        others = [one for one in host.observed.containers if one.container_id in replaced and one.running]
        return Decision(spec, cause, image, others[0], held=True) if others else None
    keeper = max(fit, key=newest)
    found = _goes_on(Decision(spec, cause, image, keeper), replaced[keeper.container_id], family, host)
    return replace(found, cause=though_unwell(cause, keeper), well=not unwell(keeper))


def waits_serving(decision: Decision, family: tuple[Container, ...], host: Host) -> Decision:
    """Return a decision to wait, by which what an entry has is started meanwhile if it stands still."""
    fit = [one for one in family if managed(one) and not protection(one, host) and lives(one, host)]
    if not fit or any(one.running for one in family):
        return decision
    keeper = max(fit, key=newest)
    return _goes_on(replace(decision, keeper=keeper), _as_it_was(keeper), family, host)


def _goes_on(decision: Decision, was: labels.Before, family: tuple[Container, ...], host: Host) -> Decision:
    """Return a decision by which the keeper, made from another definition, goes on or is started again."""
    keeper = decision.keeper
    assert keeper is not None
    ended = not keeper.running and (
        not was.ran or (was.restart.startswith("on-failure") and keeper.exit_code == 0)
    )
    held = ended or was.restart == "no"
    return replace(decision, olds=() if held else rivals(family, keeper, host), held=held)


def _as_it_was(one: Container) -> labels.Before:
    """Return what a container was that has served while the listed definition was held back."""
    restart = described(one.labels).get("restart", "always")
    return labels.Before(str(restart), ran=True)
