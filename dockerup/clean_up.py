"""Which images go at the end of a run: those that nobody needs, and more of them when the disk is full. Pure.

Never one that a container, a listed entry, a way back or `keep_images` needs, and never one that somebody
else fetched, built or tagged in the last ten minutes: who does so is about to use it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from dockerup import labels
from dockerup.decision import Decision
from dockerup.host import Host, entry_of
from dockerup.images import (
    goes_whole,
    has_fetched_name,
    is_owner_tag,
    lost_names,
    owner_repository,
    superseded,
)
from dockerup.sheet import Sheet
from dockerup.snapshot import ContainerId, Disk, Image, ImageEvent, ImageId, Lately
from dockerup.steps import Cause, Existing, Phase, Remove, RemoveImage, Tag, Why

FRESH = 600  # seconds
LOW_BY = 5  # percent from the mark where making room begins to the one where it ends, as kubelet's 85 and 80
_NEVER = float("-inf")
_LETTING_GO = {"delete", "untag", "prune"}


def write_clean_up(host: Host, decisions: Mapping[str, Decision], sheet: Sheet) -> None:
    """Write down the images that nobody needs once all other steps are done.

    What has happened to them lately has to be known for that: as long as it is not, the sheet gets their ids
    only.
    """
    if host.policy.prune == "none" or not host.desired.complete:
        return
    moved = {node.step.tag: node.number for node in sheet.nodes if isinstance(node.step, Tag)}
    removed = _removed(sheet)
    images = [
        image
        if moved.keys().isdisjoint(image.tags)
        else replace(image, tags=tuple(tag for tag in image.tags if tag not in moved))
        for image in host.observed.images
    ]
    needed = _needed(host, decisions, removed, moved)
    unneeded = [image for image in images if image.image_id not in needed]
    gone = _gone_tags(images, decisions, host, host.policy.keep_images)
    superseded_ones = _gone_tags(images, decisions, host, 0) if host.policy.making_room else set[str]()
    going = _all_going(unneeded, gone, superseded_ones, host)
    sheet.unneeded = frozenset(step.image_id for step in going)
    if going:
        lately = host.observed.lately
        if lately is None:
            return
        fresh = {one.image_id for one in host.observed.images if is_fresh(one, lately, host.now)}
        unneeded = [image for image in unneeded if image.image_id not in fresh]
        going = _all_going(unneeded, gone, superseded_ones, host)
    _write(going, _last_uses(host, decisions, removed, moved), sheet)
    sheet.notes += _notes(going, host)


def _all_going(
    images: Sequence[Image], gone: Collection[str], superseded_ones: Collection[str], host: Host
) -> list[RemoveImage]:
    """Return the steps for what nobody needs and, where room has to be made, for what is only kept."""
    going = _going(images, gone, Cause(Why.UNUSED), host)
    if host.policy.making_room and host.observed.disk is not None:
        going += _for_room(images, going, superseded_ones, host.observed.disk, host)
    return going


def _notes(going: Collection[RemoveImage], host: Host) -> list[str]:
    """Return what a person should know of a setting that cannot do what it is for."""
    percent, disk = host.policy.prune_when_full, host.observed.disk
    if percent and disk is None:
        return ["prune_when_full does nothing: the engine's disk cannot be seen from here"]
    if is_full(disk, percent) and not going:
        return ["the engine's disk is fuller than prune_when_full allows, and no image may go"]
    return []


def _going(images: Iterable[Image], gone: Collection[str], cause: Cause, host: Host) -> list[RemoveImage]:
    """Return the steps that take away what is gone of some images, name by name."""
    everything = host.policy.prune == "all"
    return [
        RemoveImage("images", name, image.image_id, frees, cause)
        for image in sorted(images, key=lambda image: image.image_id)
        for name, frees in _names(image, gone, everything=everything)
    ]


def _names(image: Image, gone: Collection[str], *, everything: bool) -> list[tuple[str, int]]:
    names = lost_names(image, gone, everything=everything)
    frees = image.size if goes_whole(image, names) else 0
    return [(name, frees if name == names[-1] else 0) for name in names]


def _write(going: Iterable[RemoveImage], waits: Mapping[ImageId, tuple[int, ...]], sheet: Sheet) -> None:
    before = dict(waits)
    for step in going:
        after = before.get(step.image_id, ())
        before[step.image_id] = (sheet.add(f"image {step.image_id}", step, after, Phase.CLEAN_UP),)


# What is needed.


def _removed(sheet: Sheet) -> dict[ContainerId, int]:
    """Return the containers that this plan removes, each with the number of the step."""
    return {
        node.step.target.container_id: node.number
        for node in sheet.nodes
        if isinstance(node.step, Remove) and isinstance(node.step.target, Existing)
    }


def _last_uses(
    host: Host,
    decisions: Mapping[str, Decision],
    removed: Mapping[ContainerId, int],
    moved: Mapping[str, int],
) -> dict[ImageId, tuple[int, ...]]:
    """Return the steps that have to succeed before an image is needed no more: who needs it now lets go.

    An entry's superseded images wait for its replacement as well: where that fails, one fewer is superseded.
    """
    found: dict[ImageId, set[int]] = defaultdict(set)
    of_entry: dict[str, set[int]] = defaultdict(set)
    for one in host.observed.containers:
        if one.container_id in removed:
            found[one.image_id].add(removed[one.container_id])
            of_entry[owner_repository(entry_of(one))].add(removed[one.container_id])
    for tag in _references(decisions) & moved.keys() & host.local.by_tag.keys():
        found[host.local.by_tag[tag].image_id].add(moved[tag])
    for image in host.observed.images:
        for tag in filter(is_owner_tag, image.tags):
            found[image.image_id] |= of_entry.get(tag.rpartition(":")[0], set())
    return {image_id: tuple(sorted(numbers)) for image_id, numbers in found.items()}


def _references(decisions: Mapping[str, Decision]) -> set[str]:
    return {decision.spec.image.familiar for decision in decisions.values()}


def _needed(
    host: Host, decisions: Mapping[str, Decision], removed: Collection[ContainerId], moved: Collection[str]
) -> set[ImageId]:
    """Return the images that are needed when all steps have succeeded."""
    needed = {one.image_id for one in host.observed.containers if one.container_id not in removed}
    wanted = [decision.image for decision in decisions.values()]
    wanted += [image.later for image in wanted if image.later is not None]
    needed |= {image.local.image_id for image in wanted if image.local is not None}
    # What cannot be fetched is started from what its reference means here, if need be.
    tags = _references(decisions) & host.local.by_tag.keys() - set(moved)
    needed |= {host.local.by_tag[tag].image_id for tag in tags}
    return needed | _may_be_fetched(host, decisions)


def _may_be_fetched(host: Host, decisions: Mapping[str, Decision]) -> set[ImageId]:
    """Return the images that a tag which is about to be fetched may turn out to mean."""
    names = {
        decision.spec.image.familiar_name
        for decision in decisions.values()
        if decision.image.fetch is not None and not decision.image.digest
    }
    return {
        image.image_id
        for image in host.observed.images
        if any(digest.partition("@")[0] in names for digest in (*image.digests, *image.implied))
    }


def _gone_tags(images: Sequence[Image], decisions: Mapping[str, Decision], host: Host, keep: int) -> set[str]:
    """Return the owner tags that nobody needs: of entries that are gone, and the superseded but `keep`.

    What an entry has or waits for is not superseded. What it failed with is, and leads no way back.
    """
    listed = {owner_repository(name) for name in decisions}
    owned: dict[str, list[Image]] = defaultdict(list)  # by the repository of their owner tags
    for image in images:
        for repository in {tag.rpartition(":")[0] for tag in image.tags if is_owner_tag(tag)}:
            owned[repository].append(image)
    tags = (tag for image in images for tag in image.tags if is_owner_tag(tag))
    gone = {tag for tag in tags if tag.rpartition(":")[0] not in listed}
    for name, decision in decisions.items():
        wanted = (decision.image, decision.image.later)
        current = {one.local.image_id for one in wanted if one is not None and one.local is not None}
        failed = _failed_with(name, host)
        older = [image for image in owned[owner_repository(name)] if image.image_id not in current]
        gone |= {*superseded(name, (image for image in older if image.image_id not in failed), keep)}
        gone |= {*superseded(name, (image for image in older if image.image_id in failed), 0)}
    return gone


def _failed_with(name: str, host: Host) -> set[ImageId]:
    """Return the images that an entry failed with, as far as it is the image that was new."""
    found = (host.failed_one(name), host.failed_one(name, former=True))
    return {one.image_id for one in found if one is not None and one.labels.get(labels.CAUSE) == "IMAGE"}


def is_fresh(image: Image, lately: Lately, now: float) -> bool:
    """Tell whether somebody else may have fetched, built or tagged an image within the last ten minutes.

    The engine lists no such time. What it remembers are its last 256 events, of a few minutes only where
    health checks make many: one that nobody is seen to have touched, but of which too little is known,
    counts as fresh until dockerup has known it for ten minutes, as kubelet does it (its
    imageMinimumGCAge). But for dockerup's own: what it fetched it knows.
    """
    owned = [tag for tag in image.tags if is_owner_tag(tag)]
    taken = max((one.time for one in lately.events if one.name in owned), default=_NEVER)
    since = max(taken, now - FRESH)
    if any(_is_by_another(one, image, lately) for one in lately.events if one.time > since):
        return True
    if owned:
        return False
    known = min(lately.since, lately.unneeded.get(image.image_id, now))
    return now - known < FRESH or 0 <= now - image.created < FRESH


def _is_by_another(event: ImageEvent, image: Image, lately: Lately) -> bool:
    """Tell whether somebody may be about to use an image, and it is not dockerup that gave it a name."""
    if event.kind in _LETTING_GO or event.subject not in {image.image_id, *image.tags, *image.digests}:
        return False
    owned = any(is_owner_tag(tag) for tag in image.tags)
    own = is_owner_tag(event.name) or (owned and has_fetched_name(event.name, image))
    return event.kind != "tag" or not (own or _is_taken_away(event, image, lately))


def _is_taken_away(event: ImageEvent, image: Image, lately: Lately) -> bool:
    """Tell whether the name that a tag gave was taken off again: nobody is about to use that.

    Which name an "untag" took, the engine does not tell. A clean-up that was killed leaves such names, and
    with a repository's last one went the digest that told where the image was fetched from.
    """
    return event.name not in image.tags and any(
        one.kind == "untag" and one.subject == image.image_id and one.time > event.time
        for one in lately.events
    )


# Making room.


def is_full(disk: Disk | None, percent: int) -> bool:
    """Tell whether more than so many percent of a file system are used; with 0 percent it is never full."""
    return disk is not None and percent > 0 and disk.used * 100 > disk.total * percent


def _for_room(
    images: Iterable[Image], going: Sequence[RemoveImage], tags: Collection[str], disk: Disk, host: Host
) -> list[RemoveImage]:
    """Return the steps that make room besides those that go anyway: superseded images, oldest first.

    None that any container has now is among them: what is about to be replaced may have to come back.
    """
    least = disk.used - disk.total * (host.policy.prune_when_full - LOW_BY) // 100
    used = {one.image_id for one in host.observed.containers} | {step.image_id for step in going}
    everything = host.policy.prune == "all"
    able = [
        image
        for image in images
        if image.image_id not in used and goes_whole(image, lost_names(image, tags, everything=everything))
    ]
    chosen = oldest_to_reach(least - sum(step.frees for step in going), able)
    return _going(chosen, tags, Cause(Why.FULL), host)


def oldest_to_reach(least: int, images: Iterable[Image]) -> list[Image]:
    """Return the oldest images whose sizes come to so many bytes, or all of them; none more than needed.

    Layers that images share are in the size of each: what really came back shows only afterwards.
    """
    chosen: list[Image] = []
    for image in sorted(images, key=lambda image: (image.created, image.image_id)):
        if least <= 0:
            break
        chosen.append(image)
        least -= image.size
    return chosen
