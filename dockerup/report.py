"""What a run found and did, with the exit code and the lines that follow from it. Pure."""

from __future__ import annotations

from dockerup.changes import Change
from dockerup.problems import Problem
from dockerup.records import dataclass
from dockerup.status import Row
from dockerup.steps import Plan

CONVERGED, NOT_AS_LISTED, BAD_INPUT = 0, 1, 2


@dataclass(frozen=True)
class Report:
    """A whole run. `plan` is what was left to do at its end, or with a dry run all there is to do.

    `lost`: why nobody could look at the host once `changes` were made, "" where that was possible. Plan and
    rows are empty then.
    """

    plan: Plan
    rows: tuple[Row, ...]
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    whole: bool = True
    lost: str = ""

    @property
    def exit_code(self) -> int:
        """0 converged, 1 something listed does not run as listed, 2 the list has faults or is not whole."""
        if self.problems or not self.whole:
            return BAD_INPUT
        wrong = any(change.error for change in self.changes) or not all(row.well for row in self.rows)
        wrong = wrong or bool(self.lost)
        return NOT_AS_LISTED if wrong else CONVERGED

    @property
    def faults(self) -> list[str]:
        """The lines that say what is wrong with what was written."""
        kept = [] if self.whole else ["the list is not whole, so nothing is removed for not being listed"]
        return [*map(str, self.problems), *kept]

    @property
    def complaints(self) -> list[str]:
        """The lines that say what is not as it should be."""
        lines = self.faults + [str(change) for change in self.changes if change.error]
        told = {change.subject for change in self.changes if change.error}
        lines += [f"{row.name}: {row.says}" for row in self.rows if not row.well and row.name not in told]
        return lines + ([f"dockerup: {self.lost}"] if self.lost else [])
