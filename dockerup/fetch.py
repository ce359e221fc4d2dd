"""How an entry's image gets here: the steps that fetch it, keep it and let the local tag mean it. Pure."""

from __future__ import annotations

from typing import cast

from dockerup.decision import Decision
from dockerup.image import ImageRef
from dockerup.images import WantedImage, needs_owner_tag, owner_tag
from dockerup.sheet import Chain
from dockerup.steps import Cause, Pull, Tag, Why


def write_fetch(decision: Decision, chain: Chain) -> list[int]:
    """Write down what brings an entry's image here, and return the numbers to wait for."""
    spec, image = decision.spec, decision.image
    ready: list[int] = []
    if image.later is not None and image.later.fetch is not None:
        _fetch_later(decision, image.later, chain)
    if image.fetch is not None and decision.keeper is None:
        why = decision.cause if decision.olds else Cause(Why.IMAGE_MISSING, image.doubt)
        pull = Pull(spec.name, image.fetch, why)
        ready.append(chain.sheet.once(f"pull {image.fetch}", f"image {image.fetch}", pull, ()))
    if image.digest:
        ready += _own(decision, image, chain, ready)
    # What runs a tag's image while a newer one waits is made by digest: the tag is that of others as well.
    if decision.keeper is None and not spec.image.untagged and image.digest and not image.held:
        ready += _move_tag(decision, chain, ready)
    return ready


def _fetch_later(decision: Decision, later: WantedImage, chain: Chain) -> None:
    """Fetch an image whose time has not come, and own it, so that it is here when it has."""
    cause = Cause(Why.FETCHED, decision.image.held)
    pull = Pull(decision.spec.name, cast(ImageRef, later.fetch), cause)
    number = chain.sheet.once(f"pull {later.fetch}", f"image {later.fetch}", pull, ())
    _own(decision, later, chain, [number])


def _own(decision: Decision, image: WantedImage, chain: Chain, ready: list[int]) -> list[int]:
    spec = decision.spec
    tag = owner_tag(spec.name, spec.image, image.digest)
    if tag in chain.host.local.by_tag:
        return []
    if not ready and (image.local is None or not needs_owner_tag(image.local, tag)):
        return []
    exact = spec.image.with_digest(image.digest).familiar
    step = Tag(spec.name, exact, tag, None, Cause(Why.FETCHED))
    return [chain.sheet.once(f"tag {tag}", f"image {exact}", step, ready)]


def _move_tag(decision: Decision, chain: Chain, ready: list[int]) -> list[int]:
    """Let the local tag mean the image that the change is made to."""
    spec, image = decision.spec, decision.image
    tagged = chain.host.local.by_tag.get(spec.image.familiar)
    if tagged is not None and tagged is image.local:
        return []
    exact = spec.image.with_digest(image.digest).familiar
    previous = tagged.image_id if tagged else None
    step = Tag(spec.name, exact, spec.image.familiar, previous, decision.cause)
    return [chain.sheet.once(f"tag {spec.image.familiar}", f"image {exact}", step, ready)]
