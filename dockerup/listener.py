"""Who is told of a run while it goes on: a door says who, and what is shown where."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Callable

from dockerup.image import ImageRef
from dockerup.pull_progress import Progress
from dockerup.records import dataclass

Stage = Callable[[str], AbstractContextManager[None]]
Told = Callable[[Progress], None]
Pulling = Callable[[ImageRef], AbstractContextManager[Told]]


def no_stage(_name: str) -> AbstractContextManager[None]:
    """Tell nobody of a phase."""
    return nullcontext()


def no_pulling(_image: ImageRef) -> AbstractContextManager[Told]:
    """Tell nobody of a pull."""
    return nullcontext(lambda _progress: None)


@dataclass(frozen=True)
class Listener:
    """What is entered for as long as something goes on.

    `stage`: a phase of the run ("start", "pull"). `pulling`: the pull of an image, by one of several threads;
    what it gives is told the progress several times a second, also while nothing comes.
    """

    stage: Stage = no_stage
    pulling: Pulling = no_pulling
