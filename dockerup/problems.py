"""What can be wrong with what a person wrote: the fault, where it stands, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import field
from typing import Callable, Union

from dockerup.records import dataclass

Path = tuple[Union[str, int], ...]


def _unknown_line(_path: Path) -> int:
    return 0


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a source (a file, or the name of a service) and the path in its document.

    `lines` finds the line (1-based, 0: unknown) of a path. It is asked only when a message is made,
    so that a run without faults pays nothing for it. `lossy`: another YAML parser read it first, and what
    is a number or a truth value now may have been typed as something else.
    """

    source: str
    path: Path = ()
    lines: Callable[[Path], int] = field(default=_unknown_line, compare=False, repr=False)
    lossy: bool = field(default=False, compare=False, repr=False)

    def at(self, *steps: str | int) -> Origin:
        """Return the origin of a value inside this one."""
        return Origin(self.source, self.path + steps, self.lines, self.lossy)

    @property
    def line(self) -> int:
        """The line of the value, 1-based; 0 when it is not known."""
        return self.lines(self.path)

    def __str__(self) -> str:
        line = self.line
        place = f"{self.source}:{line}" if line else self.source
        return f"{place}: {render_path(self.path)}" if self.path else place


@dataclass(frozen=True)
class Problem:
    """One fault in what a person wrote. `str()` is the message that they read."""

    where: Origin
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}"


class DockerupError(Exception):
    """The base of every error that dockerup raises on purpose; its text is meant for a person."""

    exit_code = 1


class NoPackageError(DockerupError):
    """A package that dockerup needs is not there, or too old for this Python."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(
            f"a Python package that dockerup needs cannot be loaded: {error}. "
            "Install the distribution's python3-docker, or: pip install 'docker>=7.1'"
        )


class InvalidInputError(DockerupError):
    """Something that a person wrote cannot be used; `problems` says all that is wrong with it."""

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def duplicate_key(source: str, path: Path, first: int, second: int) -> Problem:
    """Return the problem of a key that stands in two lines of one mapping."""
    places = f"in line {first}" if first == second else f"in lines {first} and {second}"
    what = f'the key "{path[-1]}" stands twice, {places}'
    return Problem(Origin(source, path, lambda _path: second), what, "Keep one of them.")


def render_path(path: Path) -> str:
    """Return a path as people write it: `containers[1].portMappings[0].hostPort`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `word` was most likely meant to be, or None when none is near."""
    by_folded = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def instead(word: str, choices: Iterable[str]) -> str:
    """Return the sentence that tells what to write instead of `word`."""
    known = sorted(choices)
    guess = nearest(word, known)
    return f'Did you mean "{guess}"?' if guess else f"Write one of: {', '.join(known)}."
