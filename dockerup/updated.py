"""What became of the updates of a plan, for the plans after it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from dockerup.outcome import Outcome, Result
from dockerup.snapshot import ContainerId
from dockerup.steps import Plan, Update


def begun(plan: Plan) -> dict[ContainerId, str]:
    """Return what has to be remembered before a plan is carried out, since the run may end at any moment."""
    steps = (node.step for node in plan.nodes)
    return {
        **plan.in_place,
        **{step.target.container_id: "" for step in steps if isinstance(step, Update)},
    }


def made(results: Iterable[Result]) -> dict[ContainerId, str]:
    """Return the in-place hash of the containers that the engine changed.

    What the kernel has not got, the engine leaves out, as it would for a new container.
    """
    steps = (one.node.step for one in results if one.outcome is Outcome.DONE)
    return {step.target.container_id: step.in_place_hash for step in steps if isinstance(step, Update)}


def refusals(results: Iterable[Result]) -> dict[ContainerId, str]:
    """Return why containers could not be changed in place: they have to be replaced."""
    found = ((one.node.step, one.text) for one in results if one.outcome is Outcome.REFUSED)
    return {step.target.container_id: text for step, text in found if isinstance(step, Update)}
