"""Random schedules of what a host goes through, as data: what is listed, pushed, broken, and done by hand.

A schedule says nothing of what has to be true afterwards: that is `tests.engine.schedule_check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Union

from hypothesis import strategies as st

NAMES = ("aa", "bb", "cc", "dd")
SERVICES = ("web", "db")
JOBS = ("job",)
PORTS = (8001, 8002, 8003)
IMAGE_VOLUME = "/image"  # `db` declares it
OWN_VOLUME = "/data"
EXITS = ("sh", "-c", "exit 3")
SHARE_LIFE = ("links", "joins")  # the engine starts such a container only while the other one runs


@dataclass(frozen=True)
class Entry:
    """What a person lists; `as_listed` makes a list that can be right of any entries.

    `check` is "", "good" or "bad"; `bond` is "", "links", "joins", "from" or "after", to the entry `to`.
    """

    image: str = "web"
    env: int = 0
    port: int = 0
    volume: bool = False
    check: str = ""
    restart: int = 0
    bond: str = ""
    to: str = ""
    eager: bool = False
    exits: bool = False

    @property
    def job(self) -> bool:
        """Whether its image does a piece of work and ends."""
        return self.image in JOBS

    @property
    def policy(self) -> str:
        """Its restart policy, as the engine calls it."""
        of_service, of_job = ("always", "unless-stopped", "on-failure"), ("no", "on-failure", "no")
        return (of_job if self.job else of_service)[self.restart]

    @property
    def sound(self) -> bool:
        """Whether nothing in the definition itself makes it fail."""
        return not self.exits and self.check != "bad"

    @property
    def volumes(self) -> tuple[str, ...]:
        """The paths of the anonymous volumes that are its own."""
        return (*((OWN_VOLUME,) if self.volume else ()), *((IMAGE_VOLUME,) if self.image == "db" else ()))


Listing = Mapping[str, Entry]


def as_listed(entries: Listing) -> dict[str, Entry]:
    """Return the entries without what a list must not hold: circles, ports twice, bonds to what ends."""
    found: dict[str, Entry] = {}
    ports: set[int] = set()
    for name in (name for name in NAMES if name in entries):
        one = entries[name]
        other = found.get(one.to)
        if other is None or not _may_bind(one, other):
            one = replace(one, bond="", to="")
        if one.bond == "from":
            one = replace(one, volume=False, image="job" if one.job else "web")
        if one.bond == "joins" or one.port in ports:
            one = replace(one, port=0)
        found[name] = replace(one, check="") if one.job else one
        ports.add(one.port)
    return found


def _may_bind(one: Entry, other: Entry) -> bool:
    if one.bond not in SHARE_LIFE:
        return bool(one.bond)
    return not other.job and other.bond != "joins"


def document(name: str, entries: Listing, reference: str) -> dict[str, Any]:
    """Return how an entry of a right list is written; `reference` is its image's."""
    one = entries[name]
    found: dict[str, Any] = {
        "name": name,
        "image": reference,
        "env": {"KEY": str(one.env)},
        "restart": one.policy,
        "update": {"proveSeconds": 1, "eager": one.eager},
    }
    volumes: list[dict[str, str]] = [{"containerPath": OWN_VOLUME}] if one.volume else []
    if one.bond == "from":
        volumes.append({"from": one.to})
    if volumes:
        found["volumes"] = volumes
    if one.port:
        found["portMappings"] = [{"containerPort": 8080, "hostPort": one.port}]
    if one.check:
        command, retries = {"good": ("true", 3), "bad": ("exit 1", 1)}[one.check]
        found["healthCheck"] = {"command": command, "interval": 1, "timeout": 30, "retries": retries}
    if one.exits:
        found["command"] = list(EXITS)
    return {**found, **_bond(one, entries)}


def _bond(one: Entry, entries: Listing) -> dict[str, Any]:
    if one.bond == "links":
        return {"links": {one.to: "other"}}
    if one.bond == "joins":
        return {"network": f"container:{one.to}"}
    if one.bond == "after":
        condition = "SUCCESS" if entries[one.to].job else "HEALTHY"
        return {"dependsOn": [{"containerName": one.to, "condition": condition}]}
    return {}


# What can happen. `which` counts through the containers that there are then, in the order of their names.


@dataclass(frozen=True)
class List:
    """A person lists an entry, or writes it anew."""

    name: str
    entry: Entry


@dataclass(frozen=True)
class Edit:
    """A person changes one key of an entry; a host port that another has is exchanged with it."""

    name: str
    key: str
    value: Any


@dataclass(frozen=True)
class Unlist:
    """A person takes an entry off the list."""

    name: str


@dataclass(frozen=True)
class Push:
    """A new version of an image comes: good, exits at once, exits a little later, or is never healthy."""

    image: str
    kind: str


@dataclass(frozen=True)
class Run:
    """dockerup runs; at its call number `at`, before or after the engine has that, `fault` happens."""

    fault: str = ""
    at: int = 0
    moment: str = "after"


@dataclass(frozen=True)
class Hand:
    """A person does something to a container: stop, pause, rename or remove."""

    what: str
    which: int
    name: str = ""


@dataclass(frozen=True)
class Stranger:
    """A person starts a container without dockerup."""

    name: str
    port: int


@dataclass(frozen=True)
class Registry:
    """The registry goes or comes back."""

    up: bool


@dataclass(frozen=True)
class Broken:
    """A file that nobody can read is in `confdir`, or is mended."""

    there: bool


@dataclass(frozen=True)
class Cache:
    """The cache is gone, or every file in it holds rubbish."""

    what: str


@dataclass(frozen=True)
class Engine:
    """The engine is killed, or ends as in a reboot, and starts again."""

    how: str


@dataclass(frozen=True)
class Look:
    """What is broken around the host is mended, dockerup runs, and all has to be well."""


Operation = Union[List, Edit, Unlist, Push, Run, Hand, Stranger, Registry, Broken, Cache, Engine, Look]
Schedule = tuple[Operation, ...]

_names = st.sampled_from(NAMES)
_keys: dict[str, st.SearchStrategy[Any]] = {
    "image": st.sampled_from((*SERVICES, *SERVICES, *JOBS)),
    "env": st.integers(0, 3),
    "port": st.sampled_from((0, *PORTS)),
    "volume": st.booleans(),
    "check": st.sampled_from(("", "good", "good", "bad")),
    "restart": st.integers(0, 2),
    "bond": st.sampled_from(("", "links", "joins", "from", "after")),
    "to": st.sampled_from(("aa", "aa", "bb", "cc")),
    "eager": st.booleans(),
    "exits": st.sampled_from((False, False, True)),
}
_sound = {"check": st.sampled_from(("", "", "good")), "exits": st.just(False)}
_entries = st.builds(Entry, **{**_keys, **_sound})
_pushes = st.one_of(
    st.builds(Push, st.sampled_from((*SERVICES, *JOBS)), st.just("good")),
    st.builds(Push, st.sampled_from(SERVICES), st.sampled_from(("exits", "late", "ill"))),
    st.builds(Push, st.sampled_from(JOBS), st.sampled_from(("exits", "late"))),
)
_cut_runs = st.builds(
    Run,
    st.sampled_from(("kill", "kill", "kill", "term", "engine")),
    st.integers(1, 30),
    st.sampled_from(("before", "after")),
)
_hands = st.one_of(
    st.builds(Hand, st.sampled_from(("stop", "pause", "remove")), st.integers(0, 5)),
    st.builds(Hand, st.just("rename"), st.integers(0, 5), st.sampled_from((*NAMES, "xx", "aa.dockerup-old"))),
)
_faults = st.one_of(
    st.builds(Stranger, st.sampled_from((*NAMES, "xx")), st.sampled_from((0, *PORTS))),
    st.builds(Registry, st.booleans()),
    st.builds(Broken, st.booleans()),
    st.builds(Cache, st.sampled_from(("gone", "rubbish"))),
    st.builds(Engine, st.sampled_from(("kill", "end"))),
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw a schedule: a first list that is right, then one or two stretches of changes, each looked at."""
    listed = draw(st.dictionaries(_names, _entries, max_size=len(NAMES)))
    if not listed:
        return ()  # what hypothesis tries first of all
    found: list[Operation] = [*(List(name, listed[name]) for name in sorted(listed)), Look()]
    operations = _operations(tuple(sorted(listed)))
    for _ in range(draw(st.integers(1, 2))):
        found += [*draw(st.lists(operations, min_size=2, max_size=8)), Look()]
    return tuple(found)


def _operations(listed: tuple[str, ...]) -> st.SearchStrategy[Operation]:
    """Return what may happen where these entries are listed at first."""
    names = st.sampled_from(listed)
    edits = st.sampled_from(tuple(_keys)).flatmap(
        lambda key: st.builds(Edit, names, st.just(key), _keys[key])
    )
    lists = st.one_of(st.builds(List, _names, _entries), st.builds(Unlist, names))
    weighed = (
        (edits, 4),
        (_pushes, 3),
        (_cut_runs, 4),
        (st.just(Run()), 2),
        (lists, 2),
        (_hands, 2),
        (_faults, 2),
    )
    chances = [one for one, weight in weighed for _ in range(weight)]
    return st.integers(0, len(chances) - 1).flatmap(lambda chance: chances[chance])
