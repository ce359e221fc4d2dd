"""What failed for an entry, and when it is tried again. Pure.

The failed container itself is the memory: it stays, stopped, as `NAME.dockerup-failed`, and its labels tell
which definition with which image it was, and how often that was tried. A newer image that failed with the
definition that served (see `former`) is remembered beside that one, as `NAME.dockerup-failed-image`.
"""

from __future__ import annotations

from dockerup import labels
from dockerup.definition import definition_hash
from dockerup.due import utc
from dockerup.images import WantedImage
from dockerup.keys.row import Change
from dockerup.records import dataclass
from dockerup.snapshot import Container, Image, ImageId
from dockerup.spec import ContainerSpec

FIRST_DELAY = 300  # seconds
LONGEST_DELAY = 24 * 3600
_MOST_DOUBLINGS = 10


@dataclass(frozen=True)
class Memory:
    """A failed container. `stale`: the definition or the image is another by now; else it may be tried again
    after `until` (seconds since the epoch). `of_image`: only a newer image was the cause, and it is that one
    still. `images` are all with which the definition failed that is listed now."""

    one: Container
    stale: bool
    until: float
    of_image: bool
    images: frozenset[ImageId]


def next_try(memory: Memory, name: str) -> str:
    """Return when what failed for an entry is tried again, in words."""
    return f"it is tried again after {utc(memory.until)}, or by: dockerup apply --retry {name}"


def failed_name(name: str, *, former: bool = False) -> str:
    """Return what an entry's failed container is called; `former`: one of the definition that served."""
    return f"{name}.dockerup-failed{'-image' if former else ''}"


def failed_names(name: str) -> tuple[str, str]:
    """Return what an entry's failed containers are called."""
    return failed_name(name), failed_name(name, former=True)


def memory_of(
    spec: ContainerSpec,
    failed: Container,
    image: WantedImage,
    health_timeout: int,
    *,
    told: bool,
    now: Image | None,
    newest: bool,
) -> Memory:
    """Return what a failed container says of what an entry lists now. `told`: a registry told its digest.

    `now` is the image with which the definition would be tried by now, `newest`: or it is `image`.
    """
    hashes = {
        labels.HASH: definition_hash(spec.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(spec.definition, Change.IN_PLACE),
    }
    same = all(failed.labels.get(key) == value for key, value in hashes.items())
    attempt = max(1, labels.number(failed.labels, labels.ATTEMPT))
    delay = min(LONGEST_DELAY, FIRST_DELAY << min(attempt - 1, _MOST_DOUBLINGS))
    # What the engine tells is when it was created; the time that it then had to prove itself is no delay.
    until = failed.created + spec.health_timeout(health_timeout) + delay
    same_image = _same_image(failed, image, told=told)
    of_image = same_image and failed.labels.get(labels.CAUSE) == "IMAGE"
    images = {failed.image_id, *map(ImageId, labels.read_list(failed.labels, labels.FAILED_WITH))}
    known = (newest and same_image) or (now is not None and now.image_id in images)
    return Memory(failed, not (same and known), until, of_image, frozenset(images if same else ()))


def _same_image(failed: Container, image: WantedImage, *, told: bool) -> bool:
    """Tell whether an entry's image is the one that failed; what nobody can tell is taken to be."""
    if image.local is not None and image.local.image_id == failed.image_id:
        return True
    if told:
        return failed.labels.get(labels.DIGEST) == image.digest
    made_here = image.local is not None and not image.digest
    return not made_here
