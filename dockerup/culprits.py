"""Who is to blame when a container cannot start: one that it holds on to, which ended at once. Pure.

The engine refuses to start a container that joins one that does not run, or is linked to it.
The refusal names the one that was to start; why the other one ended is what a person has to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dockerup.outcome import Outcome, Result
from dockerup.spec import ContainerSpec
from dockerup.steps import Start


def suspects(results: Iterable[Result], specs: Iterable[ContainerSpec]) -> frozenset[str]:
    """Return the entries that were started and that one holds on to which could not be started after them."""
    starts = [one for one in results if isinstance(one.node.step, Start)]
    started = {one.node.step.entry for one in starts if one.outcome is Outcome.DONE}
    failed = {one.node.step.entry for one in starts if one.outcome is Outcome.FAILED}
    held = {name for spec in specs if spec.name in failed for name in (*spec.links, *spec.shares)}
    return frozenset(started & held)


def blamed(results: Iterable[Result], why: Mapping[str, str]) -> tuple[Result, ...]:
    """Return the results with those starts failed of which it is known, by entry, why they did not last."""
    return tuple(
        replace(one, outcome=Outcome.FAILED, text=why[one.node.step.entry])
        if isinstance(one.node.step, Start) and why.get(one.node.step.entry)
        else one
        for one in results
    )
