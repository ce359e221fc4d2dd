"""What a run did to each container, as entries of the history. Pure: results in, entries out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dockerup import labels
from dockerup.attempts import attempts, goes_back
from dockerup.changes import changes_of
from dockerup.freed import Freed, freed, space
from dockerup.history_lines import Entry
from dockerup.outcome import WRONG, Outcome, Result
from dockerup.records import dataclass
from dockerup.snapshot import Container, ContainerId, Snapshot
from dockerup.steps import Create, Existing, Goal, Phase, Prove, RemoveImage, Start, Step, Stop

_RAN = WRONG | {Outcome.DONE, Outcome.UNDONE}


def entries_of(
    results: Sequence[Result], before: Snapshot, after: Snapshot, run: str, clock_zero: float
) -> tuple[Entry, ...]:
    """Return an entry for each attempt on a container and each image that went, as they ended.

    `results` are those of all rounds of the run, `before` and `after` the host at its begin and end. `run`
    is the run's id. `clock_zero` is the time, in seconds since the epoch, at which the monotonic clock of the
    results stood at 0.
    """
    of_containers = [one for one in results if not isinstance(one.node.step, RemoveImage)]
    subjects = (_Attempt(tuple(parts), before, after) for parts in attempts(of_containers))
    found = [entry for one in subjects for entry in one.entries(run, clock_zero)]
    found += [_removal(one, before, run, clock_zero) for one in freed(results)]
    return tuple(sorted(found, key=lambda entry: (entry.time, entry.container)))


def _removal(image: Freed, before: Snapshot, run: str, clock_zero: float) -> Entry:
    """Return the entry for an image that went; no container can be called as it is."""
    digests = [digest for one in before.images if one.image_id == image.image_id for digest in one.digests]
    return Entry(
        run=run,
        time=clock_zero + image.end,
        container=f"image {image.name}",
        action="removed",
        reason=f"{image.cause}; {space([image])}",
        before=min(digests, default=image.image_id).rpartition("@")[2],
    )


def _begin(result: Result) -> float:
    return result.began


def _end(result: Result) -> float:
    return result.began + result.seconds


@dataclass(frozen=True)
class _Attempt:
    """What one attempt of a run had to do with one container: the results, in the order of the plans."""

    parts: tuple[Result, ...]
    before: Snapshot
    after: Snapshot

    def entries(self, run: str, clock_zero: float) -> list[Entry]:
        """Return the entry, none where nothing was done that a person has to know of."""
        # What it was about, also where it failed: what it would have been called had it gone well.
        meant = changes_of([replace(part, outcome=Outcome.DONE) for part in self.parts], {})
        told = changes_of(self.parts, {})
        down = seconds_down(self.parts, self._ran_before())
        done = self._done()
        if not done or (not told and (not meant or down is None)):
            return []
        change = (meant or told)[0]
        return [
            Entry(
                run=run,
                time=clock_zero + max(max(_end(part), part.undone) for part in done),
                container=change.subject,
                action=change.action,
                reason=change.cause,
                before=self._image_before(),
                after=self._image_after(),
                down=down,
                proof=seconds_to_proof(self.parts),
                outcome=self._outcome(),
                error=told[0].error.partition("\n")[0] if told else "",
            )
        ]

    def _done(self) -> list[Result]:
        return [part for part in self.parts if part.outcome in _RAN]

    def _olds(self) -> list[Container]:
        """Return the containers that were there before and that something was to be done to."""
        ids = {_existing(part.node.step) for part in self.parts}
        return [one for one in self.before.containers if one.container_id in ids]

    def _made_before(self) -> frozenset[ContainerId]:
        """Return the containers that an attempt before this one made, and that this one was to replace."""
        stops = [part for part in self.parts if isinstance(part.node.step, Stop) and not goes_back(part)]
        known = {one.container_id for one in self.before.containers}
        return frozenset(filter(None, (_existing(part.node.step) for part in stops))) - known

    def _ran_before(self) -> frozenset[ContainerId]:
        return self._made_before() | {one.container_id for one in self._olds() if one.running}

    def _begun(self) -> Container | None:
        """Return the container that an earlier run made for the place of another; None where none did."""
        olds = self._olds()
        ids = {one.container_id for one in olds}
        begun = [one for one in olds if ids & {*labels.read_replaced(one.labels)}]
        return max(begun, key=lambda one: one.created, default=None)

    def _image_before(self) -> str:
        begun = self._begun()
        made = self._made_before()
        olds = [one for one in self._olds() if one is not begun]
        olds += [one for one in self.after.containers if one.container_id in made]
        old = max(olds, key=lambda one: (one.running, one.created), default=None)
        return _image_of(old) if old is not None else ""

    def _image_after(self) -> str:
        """Return the image of the new container, also where that was rolled back; else the old one's."""
        created = [part.node.step for part in self.parts if isinstance(part.node.step, Create)]
        if not created:
            gone = all(part.node.phase is Phase.REMOVE for part in self.parts)
            begun = self._begun()
            if begun is not None:
                return _image_of(begun)
            return "" if gone and self._outcome() == "done" else self._image_before()
        digest = dict(created[-1].labels).get(labels.DIGEST, "")
        return digest or _image_of(self._new(created[-1].entry))

    def _new(self, entry: str) -> Container | None:
        there = {one.container_id for one in self.before.containers}
        new = [one for one in self.after.containers if one.labels.get(labels.NAME) == entry]
        new = [one for one in new if one.container_id not in there]
        return max(new, key=lambda one: (one.running, one.created), default=None)

    def _outcome(self) -> str:
        undone = max(part.undone for part in self.parts)
        # What was taken back and then done after all went well.
        anew = any(_starts(part) and part.began > undone > 0.0 for part in self.parts)
        outcomes = {part.outcome for part in self.parts} - ({Outcome.UNDONE} if anew else set())
        back = Outcome.UNDONE in outcomes and Outcome.UNDO_FAILED not in outcomes
        if (back and self._ran_before()) or self._old_runs_again() or self._went_back():
            return "rolled back"
        return "failed" if outcomes & (WRONG | {Outcome.UNDONE}) else "done"

    def _went_back(self) -> bool:
        """Tell whether what an earlier run began was taken back."""
        steps = [part for part in self.parts if goes_back(part)]
        # Where what was before was not stopped for another, there is nothing to be started again.
        return any(map(_starts, steps)) or bool(steps and all(one.outcome is Outcome.DONE for one in steps))

    def _old_runs_again(self) -> bool:
        """Tell whether the container that was stopped for a new one is the one that was started last."""
        done = [part.node.step for part in sorted(self.parts, key=_begin) if part.outcome is Outcome.DONE]
        stopped = {_existing(step) for step in done if isinstance(step, Stop)}
        started = [_existing(step) for step in done if isinstance(step, Start)]
        return bool(started) and started[-1] in stopped & self._ran_before()


def _starts(part: Result) -> bool:
    return isinstance(part.node.step, Start) and part.outcome is Outcome.DONE


def _existing(step: Step) -> ContainerId | None:
    target = getattr(step, "target", None)
    return target.container_id if isinstance(target, Existing) else None


def _image_of(one: Container | None) -> str:
    return "" if one is None else one.labels.get(labels.DIGEST) or one.image_id


def seconds_down(parts: Sequence[Result], ran_before: frozenset[ContainerId]) -> float | None:
    """Return for how many seconds nobody served for an entry, None where nobody stopped for another.

    `parts` are the entry's results; `ran_before` are its containers that ran before. From the
    begin of the first stop: a program that is told to end closes its port at any moment until the call is
    back, and a gap told too short is worse than one told too long. To the end of the last start, be it of the
    old container again, or of its proof where a health check tells when it serves; and to the end of what was
    done where nobody serves in the end.
    """
    stopped = sorted((part for part in parts if _stops(part)), key=_begin)
    first = next((part for part in stopped if _existing(part.node.step) in ran_before), None)
    if first is None or all(part.node.phase is Phase.REMOVE for part in parts):
        return None
    back = max((time for part in parts for time in _served_from(part)), default=0.0)
    if 0.0 < back <= first.began:
        return None  # the new one served before the old one was stopped
    if back and not any(part.began >= back for part in stopped):
        return back - first.began
    return max(max(_end(part), part.undone) for part in parts if part.outcome in _RAN) - first.began


def _stops(part: Result) -> bool:
    return isinstance(part.node.step, Stop) and part.outcome in _RAN - {Outcome.FAILED}


def _served_from(part: Result) -> list[float]:
    """Return the moments at which a result let a container serve."""
    step = part.node.step
    if isinstance(step, Stop) and part.outcome is Outcome.UNDONE and part.undone:
        return [part.undone]
    if _starts(part):
        return [_end(part)]
    # One that failed did not serve by then; what comes after it, if anything, is later.
    return [_end(part)] if isinstance(step, Prove) and step.checked and part.outcome in _RAN else []


def seconds_to_proof(parts: Sequence[Result]) -> float | None:
    """Return the seconds from the end of a start to the end of its proof, None without both in this run."""
    starts = [_end(part) for part in parts if _starts(part)]
    proofs = [
        _end(part)
        for part in parts
        if isinstance(part.node.step, Prove)
        and part.node.step.goal is Goal.PROVEN
        and part.outcome is Outcome.DONE
    ]
    if not starts or not proofs:
        return None
    begin = max((time for time in starts if time <= max(proofs)), default=None)
    return None if begin is None else max(proofs) - begin
