"""What became of a plan's steps."""

from __future__ import annotations

import enum
from collections.abc import Collection

from dockerup.records import dataclass
from dockerup.steps import Node, Prove, Start


class RefusedError(Exception):
    """A step was planned for another state of the host."""


class Outcome(enum.Enum):
    """What became of a step."""

    NOT_RUN = "not run"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused: the host has moved on"
    UNDONE = "undone"
    UNDO_FAILED = "could not be undone"


WRONG = frozenset({Outcome.FAILED, Outcome.UNDO_FAILED})


@dataclass(frozen=True)
class Result:
    """What became of one node of the plan; `text` is the error.

    `began` is in seconds of the monotonic clock, `seconds` how long it took, `undone` when it was taken back.
    `freed` are the bytes that came back with an image, None where the engine does not tell.
    """

    node: Node
    outcome: Outcome = Outcome.NOT_RUN
    text: str = ""
    began: float = 0.0
    seconds: float = 0.0
    undone: float = 0.0
    freed: int | None = 0

    @property
    def asks_for_a_way_back(self) -> bool:
        """Whether what took another's place failed: the next plan has the way back."""
        named = isinstance(self.node.step, (Start, Prove)) and self.node.step.failed_name
        return self.outcome is Outcome.FAILED and bool(named)


def is_cut_short(results: Collection[Result]) -> bool:
    """Tell whether anything was not begun, or was given up, though all that it waits for was done."""
    done = {one.node.number for one in results if one.outcome is Outcome.DONE}
    return any(one.outcome is Outcome.NOT_RUN and done.issuperset(one.node.after) for one in results)
