"""Random hosts with a past: earlier lists that were applied and interrupted, then hands and accidents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from dockerup import labels
from dockerup.body import create_body
from dockerup.definition import definition_hash, describe
from dockerup.host import Policy
from dockerup.keys.row import Change
from tests.model import Content, Killed, Model, ModelError, sha256
from tests.plan.hosts import Case, Listing

NAMES = ("aa", "bb", "cc", "dd", "ee")
SERVICES = ("shop/web:1", "shop/db:1", "host/made:1")
JOBS = ("shop/done:1",)
PUSHED = ("shop/web:1", "shop/db:1", *JOBS)
PORTS = (8001, 8002, 8003, 8004)
RESTARTS = ("always", "unless-stopped", "on-failure", "no")
OWN_VOLUME = "/image"  # shop/db declares it

Document = Mapping[str, Any]


def content_of(tag: str, version: int) -> Content:
    """Return the image that a version of a tag is."""
    return Content(
        image_id=sha256(f"{tag} {version}"),  # type: ignore[arg-type]
        volumes=(OWN_VOLUME,) if tag == "shop/db:1" else (),
        exits={"shop/done:1": 0, "shop/fails:1": 1}.get(tag),
        created=1000 + version,
    )


@st.composite
def documents(draw: st.DrawFn) -> tuple[Document, ...]:
    """Draw one to five containers as a person lists them, free of cycles and port clashes."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    ports = list(draw(st.permutations(PORTS)))
    found: list[Document] = []
    for name in names:
        found.append(_document(draw, name, found, ports))
    # Nothing can hold on to the life of a container whose program ends at once.
    held = {other for one in found for other in _lives_it_shares(one)}
    return tuple({**one, "image": "shop/web:1"} if one["name"] in held else one for one in found)


def _document(draw: st.DrawFn, name: str, before: list[Document], ports: list[int]) -> Document:
    earlier = [one["name"] for one in before if "replicas" not in one]
    one: dict[str, Any] = {"name": name, "image": draw(st.sampled_from((*SERVICES, *SERVICES, *JOBS)))}
    if draw(st.booleans()):
        one["restart"] = draw(st.sampled_from(RESTARTS))
    if draw(st.booleans()):
        one["env"] = {"KEY": draw(st.sampled_from("123"))}
    if draw(st.booleans()):
        one["update"] = {"eager": draw(st.booleans()), "pull": draw(st.booleans())}
    if one["image"] in JOBS and one.get("restart", "always") in {"always", "unless-stopped"}:
        one["restart"] = "on-failure"  # one that ends at once and is started for ever is never proven
    volumes: list[Any] = [{"containerPath": "/data"}] if draw(st.booleans()) else []
    shape = draw(st.sampled_from(("port", "port", "plain", "links", "from", "joins")))
    other = draw(st.sampled_from(earlier)) if earlier else ""
    if shape == "joins" and other:
        one["network"] = f"container:{other}"
    elif shape == "links" and other:
        one["links"] = {other: "alias"}
    elif shape == "from" and other:
        volumes.append({"from": other})
    elif shape != "plain" and len(ports) > 0:
        one["portMappings"] = [{"containerPort": 80, "hostPort": ports.pop()}]
    elif shape == "plain" and draw(st.booleans()):
        one["replicas"] = draw(st.integers(1, 3))
    if len(before) > 0 and draw(st.booleans()):
        condition = draw(st.sampled_from(("START", "HEALTHY", "HEALTHY")))
        awaited = draw(st.sampled_from([one["name"] for one in before]))
        one["dependsOn"] = [{"containerName": awaited, "condition": condition}]
    return {**one, "volumes": volumes}


def _lives_it_shares(one: Document) -> set[str]:
    joined = one.get("network", "").partition(":")[2]
    return {*one.get("links", {}), *([joined] if joined else [])}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw the settings that decide."""
    return Policy(
        unmanaged=draw(st.sampled_from(("remove", "keep"))),
        ignore=draw(st.sampled_from(((), ("ig*",)))),
        prune=draw(st.sampled_from(("none", "managed", "all"))),
        keep_images=draw(st.integers(0, 2)),
        salt="salt",
    )


def new_model(make: Callable[[], Model] = Model) -> Model:
    """Return an empty engine, a registry with a version of each image, and an image that was made here."""
    model = make()
    for tag in PUSHED:
        model.registry.push(tag, content_of(tag, 1))
    model.load(content_of("host/made:1", 1), "host/made:1")
    return model


@st.composite
def pasts(draw: st.DrawFn, documents_now: tuple[Document, ...], policy: Policy) -> Model:
    """Draw an engine on which things have happened."""
    model = new_model()
    for _ in range(draw(st.integers(0, 2))):
        listed = draw(st.one_of(st.just(documents_now), documents()))
        kill_at = draw(st.one_of(st.just(0), st.integers(1, 25)))
        _earlier_run(Case(Listing(listed), model, replace(policy, unmanaged="remove")), kill_at)
        if draw(st.booleans()):
            _new_versions(draw, model)
    for _ in range(draw(st.integers(0, 4))):
        _accident(draw, model, documents_now)
    return model


def _earlier_run(case: Case, kill_at: int) -> None:
    case.model.calls.clear()
    case.model.kill_at = kill_at
    try:
        case.run()
    except Killed:
        case.model.revive()
    case.model.kill_at = 0


def _new_versions(draw: st.DrawFn, model: Model) -> None:
    for tag in draw(st.lists(st.sampled_from(PUSHED), max_size=2)):
        model.registry.push(tag, content_of(tag, draw(st.integers(1, 3))))


def _accident(draw: st.DrawFn, model: Model, documents_now: tuple[Document, ...]) -> None:
    what = draw(st.sampled_from(("state", "state", "rename", "reboot", "stranger", "forged", "gone")))
    if what == "reboot":
        model.reboot()
    elif what == "stranger":
        _stranger(draw, model)
    elif what == "forged":
        _forged(draw, model, draw(st.sampled_from(documents_now)))
    elif model.boxes:
        box = model.boxes[draw(st.sampled_from(sorted(model.boxes, key=lambda i: model.boxes[i].created)))]
        if what == "rename":
            taken = {other.name for other in model.boxes.values()}
            names = [name for name in (*NAMES, "xx", "yy") if name not in taken]
            box.name = draw(st.sampled_from(names)) if names else box.name
        elif what == "gone":
            del model.boxes[box.container_id]
        elif box.state in {"running", "restarting"}:
            change = draw(st.sampled_from(("stop", "pause", "end")))
            model.stop(box.container_id) if change == "stop" or box.state == "restarting" else (
                model.pause(box.container_id) if change == "pause" else model.end(box.container_id, 1)
            )


def _stranger(draw: st.DrawFn, model: Model) -> None:
    """Let a person or another program start a container, with a name or a port that an entry may want."""
    name = draw(st.sampled_from((*NAMES, "xx", "yy", "ignored", "ecs-agent")))
    port = draw(st.sampled_from((0, 0, *PORTS)))
    found = draw(
        st.sampled_from(
            ({}, {}, {}, {"dockerup.ignore": "true"}, {"com.docker.swarm.task": "1"}, {"mine": "1"})
        )
    )
    binding = {"PortBindings": {"80/tcp": [{"HostPort": str(port)}]}} if port else {}
    body = {"Image": "host/made:1", "Labels": found, "HostConfig": binding, "Volumes": {"/own": {}}}
    _create_and_start(draw, model, name, body)


def _forged(draw: st.DrawFn, model: Model, document: Document) -> None:
    """Leave a managed container of any name and generation, right or stale, as no history would."""
    alone = {"image": "host/made:1", "links": {}, "network": "bridge", "volumes": []}
    spec = draw(st.sampled_from(Listing(({**document, **alone},)).desired.specs))
    suffix = draw(st.sampled_from(("", ".dockerup-new", ".dockerup-old", "x")))
    stale = draw(st.booleans())
    found = {
        labels.NAME: spec.name,
        labels.SOURCE: "confdir",
        labels.HASH: "1:stale" if stale else definition_hash(spec.definition, Change.REPLACE),
        labels.IN_PLACE_HASH: definition_hash(spec.definition, Change.IN_PLACE),
        labels.DEFINITION: describe(spec.definition, "s"),
        labels.GENERATION: str(draw(st.integers(0, 3))),
    }
    _create_and_start(draw, model, spec.name + suffix, create_body(spec, found, (), {}, model.api))


def _create_and_start(draw: st.DrawFn, model: Model, name: str, body: Mapping[str, Any]) -> None:
    model.load(content_of("host/made:1", 1), "host/made:1")
    if any(box.name == name for box in model.boxes.values()):
        return
    container_id = model.create_from(name, body)
    if draw(st.booleans()):
        try:
            model.start(container_id)
        except ModelError:
            return


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a host and what it has to become."""
    listed = draw(documents())
    policy = draw(policies())
    model = draw(pasts(listed, policy))
    split = draw(st.integers(0, len(listed)))
    broken = draw(
        st.sampled_from((frozenset(), frozenset(), frozenset({"confdir"}), frozenset({"user-data"})))
    )
    away = frozenset(draw(st.lists(st.sampled_from(PUSHED), max_size=1)))
    explicit = draw(st.booleans())
    model.load(content_of("host/made:1", 1), "host/made:1")  # prune=all may have taken it
    model.calls.clear()
    return Case(Listing(listed[split:], listed[:split], broken, explicit), model, policy, away)


@st.composite
def whole_cases(draw: st.DrawFn) -> Case:
    """Draw a case in which dockerup may do all that is to be done, and every registry answers."""
    case = draw(cases())
    # A job that did its work is not started again, so what shares its network would be held back.
    everything = (*case.listing.confdir, *(case.listing.userdata or ()))
    targets = {other for one in everything for other in _lives_it_shares(one)}
    lasting = [{**one, "restart": "always"} if one["name"] in targets else one for one in everything]
    lasting = [{**one, "image": "shop/web:1"} if one["image"] in JOBS else one for one in lasting]
    listing = Listing(tuple(lasting))
    policy = replace(case.policy, unmanaged="remove", ignore=())
    whole = Case(listing, case.model, policy)
    failed = [one for one in case.model.snapshot().containers if one.name.endswith("-failed")]
    for container_id in {one.container_id for one in (*whole.protected(), *failed)}:
        del case.model.boxes[container_id]
    return whole
