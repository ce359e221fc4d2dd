"""The host as decisions see it: what is listed, what is there, and what of it may be touched. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from dockerup import labels
from dockerup.definition import described
from dockerup.desired import Desired
from dockerup.due import not_due
from dockerup.image import Answer, ImageRef
from dockerup.images import LocalImages, told_by_a_registry, wanted_image
from dockerup.memory import LONGEST_DELAY, Memory, failed_name, failed_names, memory_of
from dockerup.records import dataclass
from dockerup.snapshot import Container, ContainerId, Image, Snapshot
from dockerup.spec import ContainerSpec

BUILD_TIME = 3600  # seconds that an image build is left alone

DEPENDED_ON = "a listed container depends on it"
FOREIGN_LABELS = ("com.docker.swarm.", "io.kubernetes.", "com.amazonaws.ecs.")
_FOREIGN_NAMES = ("ecs-agent",)


@dataclass(frozen=True)
class Policy:
    """The settings that decide. `salt` goes into the definition labels of new containers.

    `retry` are the entries of which a person wants what failed, or ended, to be tried again now.
    `first_seen`: when this host first saw a digest, in seconds since the epoch, where an entry has a minAge.
    `unasked` are the images of which a registry has yet to be asked, `tried` the entries that failed to come
    up in this run. `ending`: the run begins nothing new any more: it was asked to end, or something failed.
    `refused` are the containers that the engine would not change in place in this run, each with its reason.
    `api` is the version of the engine's API that is spoken. `cannot_run`: why the host cannot run a platform.
    `prune_when_full` is in percent, 0 for never; `making_room`: the file system was found fuller than that.
    """

    unmanaged: str = "remove"
    ignore: tuple[str, ...] = ()
    prune: str = "managed"
    keep_images: int = 1
    prune_when_full: int = 0
    making_room: bool = False
    salt: str = ""
    health_timeout: int = 0
    retry: frozenset[str] = frozenset()
    first_seen: Mapping[str, float] = field(default_factory=dict)
    unasked: frozenset[ImageRef] = frozenset()
    tried: frozenset[str] = frozenset()
    ending: bool = False
    refused: Mapping[ContainerId, str] = field(default_factory=dict)
    api: tuple[int, int] = (1, 41)
    cannot_run: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Host:
    """All that decisions are made from, with the look-ups that they share. `now` is in seconds (epoch).

    `listed` are the names of the entries, `unread` those of which only a source that is broken may list any,
    `depended_on` those that an entry is bound to.
    `memories` are of what failed as listed, by entry; `brought_back` the ids of the containers that serve in
    the place of that. `beside` are of newer images that failed with what serves.
    `formers` are the entries for which the definition that serves counts as listed; of others that are held
    back `stuck` says why what serves stays as it is: see `former`.
    """

    desired: Desired
    observed: Snapshot
    answers: Mapping[ImageRef, Answer]
    policy: Policy
    now: float
    local: LocalImages
    families: Mapping[str, tuple[Container, ...]]
    by_name: Mapping[str, Container]
    by_id: Mapping[str, Container]
    listed: frozenset[str]
    depended_on: frozenset[str]
    memories: Mapping[str, Memory]
    brought_back: Mapping[str, str]
    beside: Mapping[str, Memory] = field(default_factory=dict)
    formers: Mapping[str, ContainerSpec] = field(default_factory=dict)
    stuck: Mapping[str, str] = field(default_factory=dict)
    unread: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        desired: Desired,
        observed: Snapshot,
        answers: Mapping[ImageRef, Answer],
        policy: Policy,
        now: float,
    ) -> Host:
        """Return the host with its look-ups."""
        families: dict[str, tuple[Container, ...]] = {}
        for one in sorted(observed.containers, key=lambda one: one.container_id):
            name = entry_of(one)
            families[name] = (*families.get(name, ()), one)
        by_name = {one.name: one for one in observed.containers}
        local = LocalImages.of(observed.images, answers)
        host = cls(
            desired,
            observed,
            answers,
            policy,
            now,
            local,
            families,
            by_name,
            {one.container_id: one for one in observed.containers},
            frozenset(spec.name for spec in desired.specs),
            frozenset(name for spec in desired.specs for name in spec.bound_to),
            {},
            {},
            unread=frozenset(_of_broken_sources(desired, observed)) - {spec.name for spec in desired.specs},
        )
        return host._with_memories()

    def _with_memories(self) -> Host:
        beside = self._each_memory(former=True)
        host = replace(self, beside=beside)
        host = replace(host, memories=host._each_memory(former=False))
        memories = host._each_memory(former=False)  # by now it is known which images failed in other replicas
        brought_back = {
            container_id: name
            for name, memory in memories.items()
            if _holds(memory, name, self.policy, self.now)
            for container_id in labels.read_replaced(memory.one.labels)
        }
        return replace(host, memories=memories, brought_back=brought_back)

    def _each_memory(self, *, former: bool) -> dict[str, Memory]:
        pairs = ((spec, self.failed_one(spec.name, former=former)) for spec in self.desired.specs)
        return {spec.name: self.memory_in(failed, spec) for spec, failed in pairs if failed is not None}

    def failed_one(self, name: str, *, former: bool = False) -> Container | None:
        """Return the failed container of an entry; `former`: that of the definition that served."""
        found = self.by_name.get(failed_name(name, former=former))
        return found if found is not None and found.labels.get(labels.NAME) == name else None

    def newest_proven(self, name: str) -> Container | None:
        """Return the container of an entry that was proven last, or began last where none was.

        One that a replacement is not through with was proven, and what failed was not.
        """
        found = [one for one in self.families.get(name, ()) if managed(one) and not is_failed(one)]
        proven = {old for one in found for old, was in labels.read_replaced(one.labels).items() if was.ran}

        def age(one: Container) -> tuple[object, ...]:
            began = one.state != "created"
            generation = labels.generation(one.labels)
            return one.container_id in proven, began, generation, one.running, one.container_id

        return max(found, key=age, default=None)

    def image_of(self, one: Container, spec: ContainerSpec) -> Image | None:
        """Return the image of an entry's container, None when another is asked for by now."""
        was = described(one.labels).get("image")
        return self.local.by_id.get(one.image_id) if was in {None, spec.definition["image"]} else None

    def siblings(self, spec: ContainerSpec) -> list[str]:
        """Return the names of the other replicas of a spec's entry."""
        if not spec.replica_of:
            return []
        entry = (one for one in self.desired.specs if one.replica_of == spec.replica_of)
        return [one.name for one in entry if one.name != spec.name]

    def memory_in(self, failed: Container, spec: ContainerSpec) -> Memory:
        """Return what a failed container says of what an entry lists now."""
        image = wanted_image(spec, self.local, self.answers)
        latest = self.newest_proven(spec.name)
        here = self.image_of(latest, spec) if latest is not None else None
        waits, _ = not_due(spec, image.digest, self.policy.first_seen, self.now)
        # It failed with what serves as well, here or in another replica: the definition may be good.
        elsewhere = any(map(self.failed_image, self.siblings(spec)))
        bad = here is not None and (elsewhere or self._holds_image(self.beside.get(spec.name), spec.name))
        return memory_of(
            spec,
            failed,
            image,
            self.policy.health_timeout,
            told=told_by_a_registry(spec, self.answers),
            now=here if waits or bad else image.local,
            newest=not bad,
        )

    def failed(self, name: str) -> Memory | None:
        """Return what failed for an entry with the definition that counts as listed."""
        return (self.beside if name in self.formers else self.memories).get(name)

    def memory(self, name: str) -> Memory | None:
        """Return what failed for an entry like that and is not to be tried again yet."""
        return self._held(self.failed(name), name)

    def memory_as_listed(self, name: str) -> Memory | None:
        """Return what failed for an entry as it is listed, which is held back since then."""
        return self._held(self.memories.get(name), name)

    def _held(self, found: Memory | None, name: str) -> Memory | None:
        return found if found is not None and _holds(found, name, self.policy, self.now) else None

    def failed_image(self, name: str) -> Memory | None:
        """Return what failed for an entry by its image, which is not to be tried again yet.

        Another definition is tried meanwhile, with the image that is proven.
        """
        for found in (self.failed(name), self.beside.get(name)):
            if self._holds_image(found, name):
                return found
        return None

    def stays_since(self, name: str) -> str:
        """Return why what serves for an entry that is held back stays as it is, as the end of a sentence."""
        why = self.stuck.get(name)
        return f"; what serves stays as it is: {why}" if why else ""

    def _holds_image(self, found: Memory | None, name: str) -> bool:
        return found is not None and found.of_image and _waits(found, name, self.policy, self.now)


def _of_broken_sources(desired: Desired, observed: Snapshot) -> Iterable[str]:
    """Give the entries of containers that a source has listed which is broken now."""
    for one in observed.containers if desired.broken else ():
        if managed(one) and one.labels.get(labels.SOURCE) in desired.broken:
            yield entry_of(one)


def _holds(memory: Memory, name: str, policy: Policy, now: float) -> bool:
    return not memory.stale and _waits(memory, name, policy, now)


def _waits(memory: Memory, name: str, policy: Policy, now: float) -> bool:
    # Where the clock was set back by more than any delay since, the time of the failure says nothing.
    return now < memory.until and memory.one.created <= now + LONGEST_DELAY and name not in policy.retry


def managed(one: Container) -> bool:
    """Tell whether dockerup made a container."""
    return labels.NAME in one.labels


def entry_of(one: Container) -> str:
    """Return the name of the entry that a container belongs to: its label's, else its own.

    One without a label that is called `NAME.dockerup-old` was moved aside for the entry NAME.
    """
    return one.labels.get(labels.NAME) or re.sub(r"\.dockerup-(?:new|old|failed|failed-image)$", "", one.name)


def is_failed(one: Container) -> bool:
    """Tell whether a container is called as one that failed for its entry."""
    return one.name in failed_names(entry_of(one))


def asides(name: str) -> tuple[str, str]:
    """Return what an entry's new and its old container are called while one takes the other's place."""
    return f"{name}.dockerup-new", f"{name}.dockerup-old"


def protection(one: Container, host: Host) -> str:
    """Return why a container is never touched, "" when it may be."""
    return untouchable(one, host.policy, host.observed.own_id)


def untouchable(one: Container, policy: Policy, own_id: str) -> str:
    """Return why a container is never touched, "" when it may be; `own_id` is dockerup's own container."""
    if one.labels.get(labels.IGNORE, "").lower() == "true":
        return f"it has the label {labels.IGNORE}=true"
    if any(fnmatch.fnmatchcase(one.name, glob) for glob in policy.ignore):
        return "the setting ignore names it"
    if own_id and one.container_id == own_id:
        return "dockerup runs in it"
    foreign = [key for key in one.labels if key.startswith(FOREIGN_LABELS)]
    if foreign or one.name in _FOREIGN_NAMES:
        return f"another orchestrator runs it ({foreign[0] if foreign else one.name})"
    return ""


def _looks_like_a_build(one: Container, host: Host) -> bool:
    """Tell whether a classic `docker build` may be running in a container: removing it would fail the build.

    Such a container has no label and was made from an image's id.
    """
    by_id = one.image.startswith("sha256:") or one.image == one.image_id
    # Where the clock was set back, it was created after now.
    return by_id and one.running and not one.labels and abs(host.now - one.created) < BUILD_TIME


def stays(one: Container, host: Host) -> str:
    """Return why a container that no entry lists stays, "" when it goes."""
    reason = protection(one, host)
    if reason:
        return reason
    if not host.desired.complete:
        return "the list is not whole"
    if entry_of(one) in host.depended_on:
        return DEPENDED_ON
    if one.container_id in host.brought_back:
        return f"it serves in the place of {host.brought_back[one.container_id]}, which failed"
    if managed(one):
        return ""
    if host.policy.unmanaged == "keep":
        return "unmanaged=keep"
    if not host.desired.explicit:
        return "no list says which containers should run"
    return "it may be an image build" if _looks_like_a_build(one, host) else ""


def dependents_first(containers: Iterable[Container]) -> list[Container]:
    """Return containers so that each stands before those that it holds on to."""
    by_id = {one.container_id: one for one in sorted(containers, key=lambda one: one.container_id)}
    ids: dict[str, list[str]] = {}
    for one in by_id.values():
        ids.setdefault(entry_of(one), []).append(one.container_id)
    # TopologicalSorter refuses a circle; labels that a person forged may hold one.
    ordered: dict[str, Container] = {}

    def visit(one: Container) -> None:
        if one.container_id not in seen:
            seen.add(one.container_id)
            later = (i for name in labels.read_list(one.labels, labels.AFTER) for i in ids.get(name, ()))
            for held in sorted({*labels.read_map(one.labels, labels.BOUND).values(), *later}):
                if held in by_id:
                    visit(by_id[ContainerId(held)])
            ordered[one.container_id] = one

    seen: set[str] = set()
    for one in by_id.values():
        visit(one)
    return list(reversed(ordered.values()))
