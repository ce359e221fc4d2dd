"""What dockerup does in which situation: each file in `cases` is one, with the plan's text as it must be.

To add one, copy a file. Its keys:

about      what the case shows, in a sentence
desired    the containers that `containers.d` lists, as a person writes them
user-data  the containers that user-data lists
broken     sources that cannot be read whole: [confdir], [user-data]
settings   unmanaged, ignore, prune, keep_images and more of the policy, where they are not the default (prune
           is `none` here)
images     what is here: {id: a1, tags: [...], digests: [nginx@a1], size: bytes, made: seconds ago}; ids and
           digests are short hex words. Each is newer than the one before, but for one with `made`
registry   what the registries say of a tag: `nginx:1.27: b2`, or `nginx:1.27: away`
observed   the containers that are there:
    name         what it is called
    entry        the entry that dockerup made it for; without it somebody else made it
    was          keys of the definition that were different then; null: the key was not there
    image        id of its image; without it, of the image that has the definition's tag
    state, exit  `running` (default), `exited`, `created`, ..., and the exit code
    bound        the containers it holds on to: {entry: name}
    replaces     those whose successor it is: {name: [restart policy, whether it ran]}
    attempt, cause, group   what its labels tell of that besides
    restarts, error, health   what an inspection tells: restarts by the engine, why its start failed
    up           for how many seconds it has run, where that is less than a minute
    limits       what an inspection tells of them, where it is not what it was made with: {Memory: "8"}
    volumes      its anonymous volumes: {/path: hex word}
    networks     those it is on, where these are not the listed ones: names, or {name: id}
    generation, restart, labels, ports (host ports of a running one), source
networks   the networks that are there besides the engine's own: names, or {name, id, labels, options, ours:
           true}
api        the version of the engine's API: 1.41
cache      `lost`: nothing is remembered of what was changed in place
takes-over the anonymous volumes that each new container gets: {entry: {/path: hex word}}
disk       how full the engine's disk is: [used, total]
lately     what happened to images: [[seconds ago, kind, name or id, name that it got], ...]
since      how many seconds back that goes; without it, for ever
unneeded   how many seconds ago an image was first seen without a use: {id: seconds}
plan       the text; `notes` what a person is told besides
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dockerup import labels
from dockerup.body import create_body
from dockerup.clean_up import is_full
from dockerup.definition import definition_hash, describe
from dockerup.host import Policy
from dockerup.image import Answer, ImageRef, Known, Unknown, parse_reference
from dockerup.keys import LIMITS
from dockerup.keys.row import Change
from dockerup.plan import make_plan
from dockerup.snapshot import (
    Container,
    ContainerId,
    Detail,
    Disk,
    Image,
    ImageEvent,
    ImageId,
    Lately,
    Mount,
    Network,
    Snapshot,
)
from dockerup.spec import ContainerSpec, Port
from dockerup.steps import Create, Plan
from tests.plan.hosts import Listing

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
KEYS = {"about", "desired", "user-data", "broken", "settings", "images", "registry", "observed", "networks"}
KEYS |= {"disk", "lately", "since", "unneeded", "explicit", "plan", "notes", "takes-over", "api", "cache"}
CONTAINER_KEYS = {"name", "entry", "was", "image", "state", "exit", "bound", "replaces", "volumes"}
CONTAINER_KEYS |= {"generation", "restart", "labels", "ports", "source", "restarts", "error", "health"}
CONTAINER_KEYS |= {"attempt", "cause", "group", "created", "up", "networks", "limits"}
NOW = 1_000_000
SECRET = "hunter2"


def load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS, f"{path.name}: {set(case) - KEYS}"
    return case


def long(word: str) -> str:
    """Return the 64 hex digits that a short word stands for."""
    return (word * 64)[:64]


def images_of(case: Mapping[str, Any]) -> tuple[Image, ...]:
    return tuple(
        Image(
            ImageId(f"sha256:{long(one['id'])}"),
            tuple(one.get("tags", ())),
            tuple(f"{name}@sha256:{long(word)}" for name, _, word in digests_of(one)),
            created=NOW - one["made"] if "made" in one else i,
            size=one.get("size", 1),
        )
        for i, one in enumerate(case.get("images", ()))
    )


def digests_of(image: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [digest.partition("@") for digest in image.get("digests", ())]


def answers_of(case: Mapping[str, Any]) -> dict[ImageRef, Answer]:
    words = {
        "away": Unknown("no answer"),
        "limits": Unknown("docker.io limits how often it is asked", wait=60),
    }
    return {
        parse_reference(tag): words.get(word) or Known(f"sha256:{long(word)}")
        for tag, word in case.get("registry", {}).items()
    }


def container_id(name: str) -> str:
    return long(name.encode().hex())


def observed_of(case: Mapping[str, Any]) -> tuple[Container, ...]:
    """Return the containers as the engine lists them."""
    listed = [*case.get("desired", ()), *case.get("user-data", ())]
    return tuple(
        container_of(one, listed, images_of(case), i) for i, one in enumerate(case.get("observed", ()))
    )


def container_of(
    one: Mapping[str, Any], listed: list[Any], images: tuple[Image, ...], number: int
) -> Container:
    assert set(one) <= CONTAINER_KEYS, f"{one['name']}: {set(one) - CONTAINER_KEYS}"
    spec = spec_of(one, listed)
    tag = spec.image.familiar if spec else one.get("image", "")
    named = next((image.image_id for image in images if tag in image.tags), ImageId(""))
    image_id = ImageId(f"sha256:{long(one['image'])}") if "image" in one else named
    running = one.get("state", "running") in {"running", "paused"}
    held = (
        one.get("ports") or [port.host_port for port in spec.ports if port.host_port]
        if spec
        else one.get("ports", ())
    )
    return Container(
        container_id=ContainerId(container_id(one["name"])),
        name=one["name"],
        image_id=image_id,
        image=tag if image_id == named and tag else image_id,
        state=one.get("state", "running"),
        created=one.get("created", number),
        exit_code=one.get("exit"),
        up_seconds=one.get("up"),
        labels={**(labels_of(one, spec) if spec else {}), **one.get("labels", {})},
        ports=tuple(Port(80, port, "tcp", "0.0.0.0") for port in held) if running else (),
        mounts=tuple(Mount(path, long(word)) for path, word in one.get("volumes", {}).items()),
        networks={
            name: network_id if one.get("state") != "created" else ""
            for name, network_id in _joined(one, spec).items()
        },
        detail=Detail(
            restart=one.get("restart", spec.restart if spec else "no"),
            state=one.get("state", "running"),
            exit_code=one.get("exit") or 0,
            restarts=one.get("restarts", 0),
            error=one.get("error", ""),
            limits={**(limits_of(spec) if spec else {}), **one.get("limits", {})},
            secrets=secrets_of(spec) if spec else {},
        ),
        health=one.get("health", ""),
    )


def limits_of(spec: ContainerSpec) -> dict[str, str]:
    """Return the limits that the engine gives a new container of an entry."""
    config = create_body(spec, {}, (), dict.fromkeys(spec.bound_to, ""))["HostConfig"]
    found = {field: str(config[field]) for field in LIMITS if config.get(field)}
    return {**({"MemorySwap": str(2 * config["Memory"])} if "Memory" in found else {}), **found}


def secrets_of(spec: ContainerSpec) -> dict[str, dict[str, str]]:
    """Return what the engine tells of an entry's container that no label does."""
    options = spec.definition.get("logConfiguration", {}).get("options", {})
    return {"env": {"PATH": "/bin", **spec.definition.get("env", {})}, "logConfiguration.options": options}


def _joined(one: Mapping[str, Any], spec: ContainerSpec | None) -> dict[str, str]:
    found = one.get("networks", [*spec.networks] if spec else [])
    return found if isinstance(found, dict) else {name: network_id(name) for name in found}


def network_id(name: str) -> str:
    return long(name.encode().hex())


def networks_of(case: Mapping[str, Any]) -> tuple[Network, ...] | None:
    if "networks" not in case:
        return None
    told = [one if isinstance(one, dict) else {"name": one} for one in case["networks"]]
    return tuple(
        Network(
            one.get("id", network_id(one["name"])),
            one["name"],
            {**one.get("labels", {}), **({labels.NETWORK: "true"} if one.get("ours") else {})},
            one.get("options", {}),
        )
        for one in told
    )


def spec_of(one: Mapping[str, Any], listed: list[Any]) -> ContainerSpec | None:
    """Return the definition that a container was made from, None when dockerup did not make it."""
    if "entry" not in one:
        return None
    entry = one["entry"]
    now = next((document for document in listed if _lists(document, entry)), {"name": entry})
    then = {key: value for key, value in {**now, **one.get("was", {})}.items() if value is not None}
    specs = Listing(({**then, **({"replicas": 9} if "replicas" in then else {})},)).desired.specs
    return next(spec for spec in specs if spec.name == entry)


def _lists(document: Mapping[str, Any], entry: str) -> bool:
    names = {entry, entry.rpartition("-")[0]} if "replicas" in document else {entry}
    return document["name"] in names


def labels_of(one: Mapping[str, Any], spec: ContainerSpec) -> dict[str, str]:
    found = {
        labels.NAME: spec.name,
        labels.SOURCE: one.get("source", "confdir"),
        labels.HASH: definition_hash(spec.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(spec.definition, Change.IN_PLACE),
        labels.DEFINITION: describe(spec.definition, "salt"),
        labels.GENERATION: str(one.get("generation", 1)),
    }
    if "bound" in one:
        found[labels.BOUND] = json.dumps({entry: container_id(name) for entry, name in one["bound"].items()})
    if "replaces" in one:
        before = {container_id(name): labels.Before(*was) for name, was in one["replaces"].items()}
        found[labels.REPLACES] = labels.write_replaced(before)
    if "attempt" in one:
        found[labels.ATTEMPT], found[labels.CAUSE] = str(one["attempt"]), one.get("cause", "DEFINITION")
    if "group" in one:
        found[labels.GROUP] = labels.write_list(one["group"])
    return found


def api_of(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def lately_of(case: Mapping[str, Any]) -> Lately:
    events = [
        ImageEvent(NOW - ago, kind, meant(subject), *map(str, name))
        for ago, kind, subject, *name in case.get("lately", ())
    ]
    unneeded = {meant(word): NOW - ago for word, ago in case.get("unneeded", {}).items()}
    return Lately(tuple(events), NOW - case.get("since", NOW), unneeded)


def meant(subject: str) -> str:
    """Return what an event is about: a name, a name with a digest, or an id."""
    name, at, word = subject.partition("@")
    if at:
        return f"{name}@sha256:{long(word)}"
    return subject if ":" in subject else f"sha256:{long(subject)}"


def plan_of(case: Mapping[str, Any]) -> Plan:
    """Return the plan of a case; every container is inspected beforehand, for simplicity."""
    userdata = tuple(case["user-data"]) if "user-data" in case else None
    listing = Listing(
        tuple(case.get("desired", ())),
        userdata,
        frozenset(case.get("broken", ())),
        case.get("explicit", True),
    )
    networks = networks_of(case)
    disk = Disk(*case["disk"]) if "disk" in case else None
    snapshot = Snapshot(
        observed_of(case),
        images_of(case),
        networks,
        disk=disk,
        lately=lately_of(case),
        in_place=None if case.get("cache") == "lost" else {},
    )
    settings = dict(case.get("settings", {}))
    policy = Policy(
        ignore=tuple(settings.pop("ignore", ())),
        unasked=frozenset(map(parse_reference, settings.pop("unasked", ()))),
        tried=frozenset(settings.pop("tried", ())),
        api=api_of(str(case.get("api", "1.41"))),
        making_room=is_full(disk, settings.get("prune_when_full", 0)),
        **{"prune": "none", **settings},
    )
    return make_plan(listing.desired, snapshot, answers_of(case), policy, NOW)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = load(path)
    plan = plan_of(case)
    assert str(plan) == case["plan"]
    assert list(plan.notes) == case.get("notes", [])
    creates = (node.step for node in plan.nodes if isinstance(node.step, Create))
    taken = {step.entry: dict(step.volumes) for step in creates if step.volumes}
    expected = case.get("takes-over", {})
    assert taken == {
        entry: {path: long(word) for path, word in them.items()} for entry, them in expected.items()
    }


def test_no_plan_shows_a_secret() -> None:
    texts = {path.stem: path.read_text() for path in CASES}
    secretive = {name for name, text in texts.items() if SECRET in text}
    assert secretive, f"no case has an env value of {SECRET} any more"
    for path in CASES:
        plan = plan_of(load(path))
        assert SECRET not in str(plan) + repr(plan), path.stem
