"""What the steps of a run come to: a change for each attempt on a container or image. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dockerup.attempts import attempts, goes_back, rounds
from dockerup.freed import Freed, freed, space
from dockerup.outcome import WRONG, Outcome, Result
from dockerup.records import dataclass
from dockerup.snapshot import Container, ContainerId, Snapshot
from dockerup.steps import (
    Cause,
    Create,
    CreateNetwork,
    Existing,
    Node,
    Pull,
    Remove,
    RemoveImage,
    RemoveNetwork,
    Rename,
    SetRestart,
    Start,
    Step,
    Tag,
    Update,
    Why,
    short_image,
)


@dataclass(frozen=True)
class Change:
    """What happened to one container or image; `error` is "" when it went well.

    `volumes` are the anonymous volumes that went out of use with it: they stay, and nobody else names them.
    """

    subject: str
    action: str
    cause: str
    error: str = ""
    volumes: tuple[str, ...] = ()

    def __str__(self) -> str:
        stay = f"; volumes that stay: {', '.join(self.volumes)}" if self.volumes else ""
        said = f"{self.subject}: {self.action} ({self.cause}{stay})"
        return f"{said}: {self.error}" if self.error else said


def changes_of(
    results: Sequence[Result], left_volumes: Mapping[ContainerId, tuple[str, ...]]
) -> tuple[Change, ...]:
    """Return a change for each attempt on a container or image that did something, or that failed.

    `left_volumes` are the anonymous volumes that no container uses any more, by the one that did.
    """
    changes = (_change(parts, left_volumes) for parts in attempts(results))
    found = [change for change in changes if change is not None]
    found += _images(freed(results))
    told = {change.subject for change in found if change.error}
    held_up = dict.fromkeys(one for one in _held_up(results) if one.subject not in told)
    return (*found, *held_up)


def _images(gone: Sequence[Freed]) -> list[Change]:
    """Return one change for all images that went."""
    if not gone:
        return []
    why = ", ".join(dict.fromkeys(str(one.cause) for one in gone)) + f"; {space(gone)}"
    if len(gone) == 1:
        return [Change(f"image {gone[0].name}", "removed", why)]
    return [Change("images", f"{len(gone)} removed", why)]


def _held_up(results: Sequence[Result]) -> Iterable[Change]:
    """Give a change for each entry that was not started, since another that it waits for failed."""
    started: set[str] = set()  # by a later round
    for one in reversed(rounds(results)):
        for result in one.values():
            step = result.node.step
            waits = isinstance(step, Start) and result.outcome is Outcome.NOT_RUN
            if not isinstance(step, Start) or not waits or step.entry in started:
                continue
            awaited, action = _awaited(result, one), "not replaced" if step.failed_name else "not started"
            if awaited:
                yield Change(step.entry, action, str(step.cause), f"waits for {awaited}")
        started |= {result.node.step.entry for result in one.values() if _is_start(result)}


def _is_start(result: Result) -> bool:
    """Tell whether a step started what is new."""
    return isinstance(result.node.step, Start) and result.outcome is Outcome.DONE and not goes_back(result)


def _awaited(result: Result, others: Mapping[int, Result]) -> str:
    """Return the nearest entry of which a step waits for a step that failed or was not done, "" for none."""
    rest, seen, entry = list(result.node.after), set[int](), result.node.step.entry
    while rest:
        number = rest.pop()
        other = others.get(number)
        if number in seen or other is None or other.outcome is Outcome.DONE:
            continue
        seen.add(number)
        # An image that several entries need stands under the first of them: that one is awaited if it failed.
        shared = isinstance(other.node.step, (Pull, Tag)) and other.outcome is Outcome.NOT_RUN
        if not shared and other.node.step.entry != entry:
            return other.node.step.entry
        rest += other.node.after
    return ""


def left_volumes(before: Iterable[Container], after: Snapshot) -> dict[ContainerId, tuple[str, ...]]:
    """Return the anonymous volumes of containers that are gone and that no container has taken over."""
    there = {one.container_id for one in after.containers}
    used = {mount.volume for one in after.containers for mount in one.mounts}
    return {
        one.container_id: tuple(
            sorted(mount.volume for mount in one.mounts if mount.anonymous and mount.volume not in used)
        )
        for one in before
        if one.container_id not in there
    }


def _volumes_of(parts: Sequence[Result], left: Mapping[ContainerId, tuple[str, ...]]) -> tuple[str, ...]:
    removed = [part.node.step for part in parts if part.outcome is Outcome.DONE]
    targets = [step.target for step in removed if isinstance(step, Remove)]
    return tuple(
        volume
        for target in targets
        if isinstance(target, Existing)
        for volume in left.get(target.container_id, ())
    )


def _change(parts: Sequence[Result], left: Mapping[ContainerId, tuple[str, ...]]) -> Change | None:
    wrong = [part for part in parts if part.outcome in WRONG]
    main = main_step([part.node.step for part in parts])
    action, subject = _action([part.node for part in parts]), main.entry
    if isinstance(main, RemoveImage):
        subject = f"image {short_image(main.image)}"
    tried = [part for part in parts if part.outcome is not Outcome.NOT_RUN]
    went_back = [part for part in tried if part.node.step.cause.why is Why.WAY_BACK]
    if wrong or went_back:
        way_back = _way_back(parts, went_back)
        stuck = [part for part in wrong if part.outcome is Outcome.UNDO_FAILED]
        if stuck:
            way_back = f"; not everything could be undone: {stuck[0].node.step}: {stuck[0].text}"
        if not wrong:
            return Change(subject, "rolled back", str(main.cause), way_back.lstrip("; "))
        said, newline, log = wrong[0].text.partition("\n")
        log = f"\n  the end of its log:\n{log}" if newline else ""
        if _only_made(parts):
            return Change(subject, "not started", str(Cause(Why.NEVER_STARTED)), f"{said}{way_back}{log}")
        return Change(subject, f"not {action}", str(main.cause), f"{said}{way_back}{log}")
    silent = action == "fetched" or isinstance(main, RemoveImage)  # images that went are told of together
    # To fetch an image, and find that it is the same for this platform, is no change.
    acts = {part.outcome for part in parts if not isinstance(part.node.step, (Pull, Tag))}
    if acts <= {Outcome.NOT_RUN, Outcome.REFUSED, Outcome.UNDONE} or silent:
        return None
    return Change(subject, action, str(main.cause), volumes=_volumes_of(parts, left))


def _way_back(parts: Sequence[Result], went_back: Sequence[Result]) -> str:
    """Return what became of what was before, in words after a fault, "" where nothing went back."""
    done = [part.node.step for part in went_back if part.outcome is Outcome.DONE]
    if any(part.outcome is Outcome.UNDONE for part in parts) or any(isinstance(one, Start) for one in done):
        return "; what ran before runs again"
    return "; what was before stays" if done else ""


def _only_made(parts: Sequence[Result]) -> bool:
    """Tell whether all that was done was to make a container for the first time: it is never started yet."""
    made = any(isinstance(part.node.step, Create) and part.outcome is Outcome.DONE for part in parts)
    starts = [part.node.step for part in parts if part.outcome is Outcome.FAILED]
    return made and any(isinstance(step, Start) and not step.failed_name for step in starts)


def main_step(steps: Sequence[Step]) -> Step:
    """Return the step that tells best why anything was done: not the clearing up, nor the fetching."""
    telling = [step for step in steps if step.cause.why is not Why.LEFT_OVER]
    acting = [step for step in telling if not isinstance(step, (Pull, Tag))]
    moving = [step for step in acting if not isinstance(step, Update)]  # it says what the update led to
    images = [step for step in steps if isinstance(step, RemoveImage)]
    return [*images[-1:], *moving, *acting, *telling, *steps][0]


def _action(nodes: Iterable[Node]) -> str:
    """Return what the steps on one container come to, in a word."""
    steps = [node.step for node in nodes]
    created = [step for step in steps if isinstance(step, Create)]
    if created:
        return "replaced" if created[0].name != created[0].entry else "created"
    if any(step.cause.why is Why.INTERRUPTED for step in steps):
        return "replaced"
    for kind, word in (
        (Start, "started"),
        (Remove, "removed"),
        (Rename, "renamed"),
        (Update, "changed in place"),
        (SetRestart, "changed"),
        (RemoveImage, "removed"),
        (CreateNetwork, "created"),
        (RemoveNetwork, "removed"),
    ):
        if any(isinstance(step, kind) for step in steps):
            return word
    return "fetched"
