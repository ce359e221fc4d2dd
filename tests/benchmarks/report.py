"""What was measured, as a table for people and as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.timing import Figure


@dataclass(frozen=True)
class Limit:
    """What a figure must reach: at most `most`, of what `says`; `value` is what it is."""

    says: str
    value: float
    most: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        return self.value <= self.most

    def __str__(self) -> str:
        word = "reached" if self.reached else "NOT reached"
        return f"{self.says}: {self.value:.3g}{self.unit}, at most {self.most:.3g}{self.unit}: {word}"


@dataclass(frozen=True)
class Result:
    """One figure of the table: who took how long, what had to be reached, and who is not there, with why."""

    title: str
    figures: Mapping[str, Figure]
    limits: tuple[Limit, ...] = ()
    notes: tuple[str, ...] = ()


def table(results: Iterable[Result]) -> str:
    """Return the results as Markdown."""
    return "\n".join(line for result in results for line in (*_lines(result), ""))


def _lines(result: Result) -> list[str]:
    lines = [f"### {result.title}", ""]
    if result.figures:
        lines += [
            "| | wall s | from - to | CPU s | peak MiB | rounds |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_row(name, figure) for name, figure in result.figures.items()]
        lines.append("")
    return lines + [f"- {one}" for one in (*map(str, result.limits), *result.notes)]


def _row(name: str, one: Figure) -> str:
    cpu = f"{one.cpu:.2f}" if one.cpu else ""
    peak = f"{one.peak:.0f}" if one.peak else ""
    span = f"{one.least:.3f} - {one.most:.3f}"
    return f"| {name} | {one.wall:.3f} | {span} | {cpu} | {peak} | {one.rounds} |"


def as_json(results: Iterable[Result], about: Mapping[str, str]) -> dict[str, Any]:
    """Return the results as an object of JSON."""
    return {
        "about": dict(about),
        "results": [
            {**asdict(one), "limits": [{**asdict(limit), "reached": limit.reached} for limit in one.limits]}
            for one in results
        ],
    }
