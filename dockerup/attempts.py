"""What a run did, put together by what it was done to: one attempt after another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dockerup.outcome import WRONG, Outcome, Result
from dockerup.steps import Create, Keep, Node, Phase, RemoveImage, Why

_BACK = frozenset({Why.WAY_BACK, Why.UNDONE})


def attempts(results: Sequence[Result]) -> list[list[Result]]:
    """Return the results of a run in lists, each of one attempt on one container or image.

    A new definition may come with the image that served, and after it in the same run a newer image, or the
    other way round: each of them is an attempt.
    """
    found: dict[tuple[str, Phase, str], list[list[Result]]] = {}
    for one in rounds(results):
        latest: dict[tuple[str, Phase, str], list[Result]] = {}
        for result in one.values():
            if not isinstance(result.node.step, Keep):
                latest.setdefault(_subject(result.node), []).append(result)
        for subject, parts in latest.items():
            tries = found.setdefault(subject, [])
            if not tries or _is_another(parts, tries[-1]):
                tries.append(parts)
            else:
                tries[-1] += parts
    return [parts for tries in found.values() for parts in tries]


def rounds(results: Iterable[Result]) -> list[dict[int, Result]]:
    """Return the results of each round of a run, by the number of the step: each counts from 1."""
    found: list[dict[int, Result]] = []
    for result in results:
        if not found or result.node.number in found[-1]:
            found.append({})
        found[-1][result.node.number] = result
    return found


def goes_back(result: Result) -> bool:
    """Tell whether a step takes back what was begun."""
    return result.node.step.cause.why in _BACK


def _subject(node: Node) -> tuple[str, Phase, str]:
    """Return what tells the removal of what nobody lists apart from the changes of an entry of that name."""
    name = node.group if isinstance(node.step, RemoveImage) else node.step.entry
    return name, node.phase, node.group if node.phase is Phase.REMOVE else ""


def _is_another(parts: Sequence[Result], before: Sequence[Result]) -> bool:
    """Tell whether what a round did is another attempt than what those before it did."""
    if any(part.outcome in WRONG or goes_back(part) for part in before):
        return not all(goes_back(part) or part.node.step.cause.why is Why.LEFT_OVER for part in parts)
    done = all(part.outcome is Outcome.DONE for part in before)
    return done and any(isinstance(part.node.step, Create) for part in parts)
