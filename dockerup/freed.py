"""Which images went in a run, and how many bytes came back with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dockerup.outcome import Outcome, Result
from dockerup.records import dataclass
from dockerup.snapshot import ImageId
from dockerup.steps import Cause, RemoveImage, short_image


@dataclass(frozen=True)
class Freed:
    """An image that went. `size` is in bytes; `exact` is False where the engine told no more than a limit.

    `end` is when, in seconds of the monotonic clock.
    """

    name: str
    image_id: ImageId
    cause: Cause
    size: int
    exact: bool
    end: float


def freed(results: Iterable[Result]) -> list[Freed]:
    """Return the images that went, in the order of the results; not those that only lost a name."""
    by_image: dict[ImageId, list[tuple[RemoveImage, Result]]] = {}
    for result in results:
        step = result.node.step
        if isinstance(step, RemoveImage) and result.outcome is Outcome.DONE:
            by_image.setdefault(step.image_id, []).append((step, result))
    found = [_freed(parts) for parts in by_image.values() if any(step.frees for step, _ in parts)]
    return [one for one in found if one.size]


def _freed(parts: Sequence[tuple[RemoveImage, Result]]) -> Freed:
    step, last = parts[-1]
    # An image may go before the last of its names is asked for: the last tag takes the digests along.
    told = [result.freed for _, result in parts]
    exact = None not in told
    size = sum(one or 0 for one in told) if exact else max(step.frees for step, _ in parts)
    return Freed(short_image(step.image), step.image_id, step.cause, size, exact, last.began + last.seconds)


def space(images: Sequence[Freed]) -> str:
    """Return how many bytes came back with some images, as a person reads it."""
    limit = "" if all(one.exact for one in images) else "up to "
    return f"{limit}{amount(sum(one.size for one in images))} free again"


def amount(size: int) -> str:
    """Return a number of bytes with two digits at least, in the decimal units of `docker images`."""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.1f} {unit}" if number < 9.95 and unit != "B" else f"{number:.0f} {unit}"
