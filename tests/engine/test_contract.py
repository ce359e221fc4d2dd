"""What the product relies on in an engine: the same tests on the model and on the real one."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Protocol

import pytest

from dockerup.engine import Engine
from dockerup.image import parse_reference
from dockerup.problems import DockerupError, Origin
from dockerup.pull import pull
from dockerup.snapshot import Container, ContainerId, ImageId, Snapshot
from dockerup.sources.result import Item
from dockerup.spec import ContainerSpec, parse
from dockerup.steps import Cause, Create, Why
from tests.model import Content, Model, sha256
from tests.testbed.engine import Engine as PrivateEngine
from tests.testbed.images import make_image
from tests.testbed.registry import Registry
from tests.testbed.waiting import wait_until

LOCAL = "made/here:1"
STATES_AT_REST = {"created", "running", "exited", "paused"}


class Rig(Protocol):
    """An engine to try things on, with a registry."""

    engine: Any
    repository: str

    def snapshot(self) -> Snapshot: ...
    def load(self, tag: str, exits: int | None = None, volumes: tuple[str, ...] = ()) -> None: ...
    def push(self, version: str) -> str: ...
    def pull(self, reference: str) -> None: ...
    def pause(self, container_id: ContainerId) -> None: ...
    def restart(self) -> None: ...


class ModelRig:
    """The model."""

    repository = "127.0.0.1:5000/web"

    def __init__(self) -> None:
        self.engine = Model()
        self.snapshot = self.engine.snapshot
        self.pause = self.engine.pause
        self.restart = self.engine.reboot

    def load(self, tag: str, exits: int | None = None, volumes: tuple[str, ...] = ()) -> None:
        self.engine.load(Content(ImageId(sha256(tag)), volumes, exits), tag)

    def push(self, version: str) -> str:
        return self.engine.registry.push(f"{self.repository}:1", Content(ImageId(sha256(version))))

    def pull(self, reference: str) -> None:
        self.engine.pull(parse_reference(reference))


class RealRig:
    """A private engine of the machine's own kind, through the product's own room for it."""

    def __init__(self, private: PrivateEngine, registry: Registry) -> None:
        self.engine = Engine(private.url, {})
        self.repository = registry.reference("contract").rpartition(":")[0]
        self._private, self._registry = private, registry

    def snapshot(self) -> Snapshot:
        return self.engine.observe(networks=True)

    def load(self, tag: str, exits: int | None = None, volumes: tuple[str, ...] = ()) -> None:
        command = ("sleep", "1000000") if exits is None else ("sh", "-c", f"exit {exits}")
        self._private.load(make_image(tag, command=command, volumes=volumes), tag)

    def push(self, version: str) -> str:
        return self._registry.push(make_image(version), "contract", "1").digest

    def pull(self, reference: str) -> None:
        image = parse_reference(reference)
        begin = functools.partial(self.engine.begin_pull, image, None)
        assert pull(reference, begin, 60, threading.Event(), lambda _progress: None)

    def pause(self, container_id: ContainerId) -> None:
        with contextlib.closing(self._private.client()) as client:
            client.pause(container_id)

    def restart(self) -> None:
        self._private.restart()


@pytest.fixture(params=("model", "real"))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The model, or the real engine, with one local image."""
    if request.param == "model":
        one: Rig = ModelRig()
        one.load(LOCAL)
        yield one
        return
    real = RealRig(request.getfixturevalue("engine"), request.getfixturevalue("registry"))
    real.load(LOCAL)
    yield real
    real.engine.close()


def entry(name: str, **keys: object) -> ContainerSpec:
    """Return an entry with these keys."""
    (spec,) = parse([Item({"name": name, "image": LOCAL, **keys}, Origin("contract"))], "confdir").specs
    return spec


def create(rig: Rig, name: str, ids: Mapping[str, str] | None = None, **keys: object) -> ContainerId:
    """Create a container of an entry with these keys."""
    volumes = keys.pop("take_over", ())
    spec = entry(name, **keys)
    image = spec.image.familiar
    step = Create(name, spec, image, name, (), volumes, (), None, Cause(Why.NOT_THERE))  # type: ignore[arg-type]
    found: ContainerId = rig.engine.create(step, ids or {}, {"dockerup.name": name})
    return found


def run(rig: Rig, name: str, ids: Mapping[str, str] | None = None, **keys: object) -> ContainerId:
    container_id = create(rig, name, ids, **keys)
    rig.engine.start(container_id)
    return container_id


def seen(rig: Rig, container_id: str) -> Container:
    """Return a container as the list shows it."""
    return next(one for one in rig.snapshot().containers if one.container_id == container_id)


def refused(call: Callable[[], object]) -> int | None:
    """Return the status with which the engine refuses a call."""
    with pytest.raises(DockerupError) as caught:
        call()
    status: int | None = caught.value.status  # type: ignore[attr-defined]
    return status


def published(port: int) -> list[dict[str, int]]:
    return [{"containerPort": 80, "hostPort": port}]


def names_of(rig: Rig, image_id: str) -> set[str]:
    found = [image for image in rig.snapshot().images if image.image_id == image_id]
    return {*found[0].tags, *found[0].digests} if found else set()


# Containers.


def test_created_container_is_listed_with_its_name_image_labels_and_no_exit_code(rig: Rig) -> None:
    one = seen(rig, create(rig, "web"))
    assert (one.name, one.state, one.exit_code, one.ports) == ("web", "created", None, ())
    assert (one.image, one.image_id) == (LOCAL, rig.engine.image_id(LOCAL))
    assert one.labels["dockerup.name"] == "web"


def test_running_container_is_listed_with_its_ports_and_a_stopped_one_with_its_code(rig: Rig) -> None:
    web = run(rig, "web", portMappings=published(8080), restart="no")
    ports = {(port.container_port, port.host_port, port.protocol) for port in seen(rig, web).ports}
    assert (seen(rig, web).state, seen(rig, web).exit_code, ports) == ("running", None, {(80, 8080, "tcp")})
    rig.engine.stop(web)
    assert (seen(rig, web).state, seen(rig, web).exit_code, seen(rig, web).ports) == ("exited", 137, ())


def test_port_that_the_engine_picks_is_listed(rig: Rig) -> None:
    web = run(rig, "web", portMappings=[{"containerPort": 80}])
    assert seen(rig, web).ports
    assert all(port.host_port > 1024 for port in seen(rig, web).ports)


def test_restart_policy_of_a_container_that_ends_at_that_moment_changes_all_the_same(rig: Rig) -> None:
    rig.load("brief:1", exits=0)
    for number in range(8):
        brief = run(rig, f"brief-{number}", image="brief:1")
        while seen(rig, brief).state == "running":
            rig.engine.set_restart(brief, "always")
        rig.engine.set_restart(brief, "no")


def test_taken_name_is_refused_at_create_and_at_rename(rig: Rig) -> None:
    create(rig, "web")
    other = create(rig, "other")
    assert refused(lambda: create(rig, "web")) == 409
    assert refused(lambda: rig.engine.rename(other, "web")) == 409
    assert refused(lambda: rig.engine.rename(other, "other")) == 400


def test_renamed_container_keeps_its_state_and_frees_its_name(rig: Rig) -> None:
    web = run(rig, "web")
    rig.engine.rename(web, "web.dockerup-old")
    create(rig, "web")
    assert (seen(rig, web).name, seen(rig, web).state) == ("web.dockerup-old", "running")


def test_held_port_refuses_the_start_and_leaves_a_new_container_as_created(rig: Rig) -> None:
    first = run(rig, "first", portMappings=published(8080))
    second = create(rig, "second", portMappings=published(8080))
    assert refused(lambda: rig.engine.start(second)) == 500
    assert (seen(rig, second).state, seen(rig, second).exit_code) == ("created", None)
    rig.engine.stop(first)
    rig.engine.start(second)
    assert seen(rig, second).state == "running"


def test_start_that_fails_leaves_a_stopped_container_stopped(rig: Rig) -> None:
    first = run(rig, "first", portMappings=published(8080))
    rig.engine.stop(first)
    run(rig, "second", portMappings=published(8080))
    assert refused(lambda: rig.engine.start(first)) == 500
    assert (seen(rig, first).state, seen(rig, first).exit_code) == ("exited", 137)


def test_start_of_a_running_container_and_stop_of_a_stopped_one_change_nothing(rig: Rig) -> None:
    web = run(rig, "web")
    rig.engine.start(web)
    assert seen(rig, web).state == "running"
    rig.engine.stop(web)
    rig.engine.stop(web)
    assert seen(rig, web).state == "exited"
    never = create(rig, "never")
    rig.engine.stop(never)
    assert seen(rig, never).state == "created"


def test_paused_container_goes_on_when_unpaused_and_cannot_be_started(rig: Rig) -> None:
    web = run(rig, "web")
    rig.pause(web)
    assert seen(rig, web).state == "paused"
    assert refused(lambda: rig.engine.start(web)) == 409
    rig.engine.unpause(web)
    assert seen(rig, web).state == "running"
    assert refused(lambda: rig.engine.unpause(web)) == 500


def test_paused_container_can_be_stopped(rig: Rig) -> None:
    web = run(rig, "web")
    rig.pause(web)
    rig.engine.stop(web)
    assert seen(rig, web).state == "exited"


def test_running_and_paused_containers_cannot_be_removed(rig: Rig) -> None:
    web = run(rig, "web")
    assert refused(lambda: rig.engine.remove(web)) == 409
    rig.pause(web)
    assert refused(lambda: rig.engine.remove(web)) == 409
    rig.engine.stop(web)
    rig.engine.remove(web)
    assert rig.snapshot().containers == ()


def test_what_is_not_there_is_not_found(rig: Rig) -> None:
    gone = ContainerId("0" * 64)
    for call in (rig.engine.start, rig.engine.stop, rig.engine.remove, rig.engine.unpause):
        assert refused(lambda call=call: call(gone)) == 404  # type: ignore[misc]
    assert refused(lambda: rig.engine.rename(gone, "other")) == 404
    assert refused(lambda: rig.engine.set_restart(gone, "no")) == 404
    assert refused(lambda: rig.engine.signal("nobody", "HUP")) == 404
    assert refused(lambda: rig.engine.remove_image("no/such:1")) == 404
    assert refused(lambda: rig.engine.tag("no/such:1", "other/name:1")) == 404
    assert refused(lambda: create(rig, "web", image="no/such:1")) == 404
    assert rig.engine.detail(gone) is None
    assert rig.engine.image_id("no/such:1") is None


def test_signal_to_a_stopped_container_is_refused(rig: Rig) -> None:
    create(rig, "web")
    assert refused(lambda: rig.engine.signal("web", "HUP")) == 409


def test_restart_policy_is_the_listed_one_until_it_is_set(rig: Rig) -> None:
    web = create(rig, "web", restart="unless-stopped")
    assert rig.engine.detail(web).restart == "unless-stopped"
    rig.engine.set_restart(web, "no")
    assert rig.engine.detail(web).restart == "no"


@pytest.mark.parametrize(
    ("restart", "exits", "state"),
    [
        ("no", 3, "exited"),
        ("on-failure", 0, "exited"),
        ("on-failure", 3, "restarting"),
        ("always", 0, "restarting"),
    ],
)
def test_program_that_ends_is_started_again_as_the_policy_says(
    rig: Rig, restart: str, exits: int, state: str
) -> None:
    rig.load("made/job:1", exits=exits)
    job = run(rig, "job", image="made/job:1", restart=restart)
    wait_until(lambda: seen(rig, job).state == state, f"the job is {state}")
    if state == "exited":
        assert seen(rig, job).exit_code == exits
    rig.engine.stop(job)
    assert seen(rig, job).state == "exited"


def test_restart_of_the_engine_brings_back_what_its_policy_says(rig: Rig) -> None:
    found = {
        policy: run(rig, f"web-{policy}", restart=policy) for policy in ("always", "unless-stopped", "no")
    }
    found["stopped"] = run(rig, "stopped", restart="always")
    found["stopped, unless"] = run(rig, "stopped-unless", restart="unless-stopped")
    found["never started"] = create(rig, "never-started", restart="always")
    rig.engine.stop(found["stopped"])
    rig.engine.stop(found["stopped, unless"])
    rig.restart()
    expected = {
        "always": "running",
        "unless-stopped": "running",
        "no": "exited",
        "stopped": "running",
        "stopped, unless": "exited",
        "never started": "created",
    }
    wait_until(
        lambda: {key: seen(rig, container_id).state for key, container_id in found.items()} == expected,
        "the engine has brought back what it should",
    )


# Networks.


def test_container_joins_networks_which_are_listed_with_their_ids_once_it_was_started(rig: Rig) -> None:
    front, back = (made_network(rig, name) for name in ("front", "back"))
    app = create(rig, "app", networks=["back"])
    assert seen(rig, app).networks == {"back": ""}
    rig.engine.connect("front", app, entry("app", networks=["front", "back"]))
    assert seen(rig, app).networks == {"back": "", "front": ""}
    rig.engine.start(app)
    assert seen(rig, app).networks == {"back": back, "front": front}
    again = entry("app", networks=["front", "back"])
    assert refused(lambda: rig.engine.connect("front", app, again)) == 403
    assert refused(lambda: rig.engine.remove_network(front)) == 403
    rig.engine.stop(app, 0)
    assert seen(rig, app).networks == {"back": back, "front": front}


def test_container_whose_network_was_removed_cannot_start_though_there_is_another_of_the_name(
    rig: Rig,
) -> None:
    first = made_network(rig, "front")
    app = run(rig, "app", network="front")
    rig.engine.stop(app, 0)
    rig.engine.remove_network(first)
    second = made_network(rig, "front")
    assert refused(lambda: rig.engine.start(app)) == 404
    assert seen(rig, app).networks == {"front": first} != {"front": second}


def test_container_on_a_network_of_its_own_starts_without_those_that_it_is_linked_to(rig: Rig) -> None:
    made_network(rig, "front")
    db = run(rig, "db", network="front")
    app = run(rig, "app", {"db": db}, network="front", links={"db": "database"})
    rig.engine.stop(app, 0)
    rig.engine.stop(db, 0)
    rig.engine.remove(db)
    rig.engine.start(app)
    assert seen(rig, app).state == "running"


def test_network_that_is_there_is_not_made_and_one_that_is_not_is_not_found(rig: Rig) -> None:
    made_network(rig, "front")
    assert refused(lambda: rig.engine.create_network("front", {})) == 409
    app = create(rig, "app", network="none-such")
    assert refused(lambda: rig.engine.start(app)) == 404
    rig.engine.connect("back", app, entry("app", network="back"))  # it is looked for at the start
    assert refused(lambda: rig.engine.remove_network("back")) == 404


def made_network(rig: Rig, name: str) -> str:
    """Let the engine make a network, and return its id."""
    rig.engine.create_network(name, {})
    (network,) = (one for one in rig.snapshot().networks or () if one.name == name)
    assert "dockerup.network" in network.labels
    return network.network_id


# What holds on to another container.


def test_joined_container_starts_only_while_the_other_runs(rig: Rig) -> None:
    app = create(rig, "app")
    proxy = create(rig, "proxy", {"app": app}, network="container:app")
    assert refused(lambda: rig.engine.start(proxy)) == 409
    rig.engine.start(app)
    rig.engine.start(proxy)
    assert seen(rig, proxy).state == "running"


def test_joined_container_goes_on_running_but_cannot_come_back_when_the_other_is_gone(rig: Rig) -> None:
    app = run(rig, "app")
    proxy = run(rig, "proxy", {"app": app}, network="container:app")
    rig.engine.stop(app)
    rig.engine.remove(app)
    assert seen(rig, proxy).state == "running"
    rig.engine.stop(proxy)
    run(rig, "app")
    assert refused(lambda: rig.engine.start(proxy)) in {404, 409}


def test_linked_container_starts_only_while_the_other_runs_and_follows_its_renaming(rig: Rig) -> None:
    db = create(rig, "db")
    web = create(rig, "web", {"db": db}, links={"db": "database"})
    assert refused(lambda: rig.engine.start(web)) == 500
    rig.engine.start(db)
    rig.engine.rename(db, "db.dockerup-old")
    rig.engine.start(web)
    assert seen(rig, web).state == "running"
    assert {seen(rig, db).name, seen(rig, web).name} == {"db.dockerup-old", "web"}


@pytest.mark.parametrize("keys", [{"links": {"db": "database"}}, {"volumes": [{"from": "db"}]}])
def test_container_that_is_held_on_to_has_to_exist(rig: Rig, keys: dict[str, Any]) -> None:
    assert refused(lambda: create(rig, "web", {"db": "0" * 64}, **keys)) is not None
    assert rig.snapshot().containers == ()


# Volumes.


def test_anonymous_volumes_are_made_at_create_and_stay_when_the_container_goes(rig: Rig) -> None:
    rig.load("made/db:1", volumes=("/image",))
    db = create(rig, "db", image="made/db:1", volumes=[{"containerPath": "/data"}])
    mounts = {mount.path: mount for mount in seen(rig, db).mounts}
    assert set(mounts) == {"/data", "/image"}
    assert all(mount.anonymous for mount in mounts.values())
    rig.engine.remove(db)
    again = create(rig, "db", image="made/db:1", take_over=(("/image", mounts["/image"].volume),))
    assert [(mount.path, mount.volume) for mount in seen(rig, again).mounts] == [
        ("/image", mounts["/image"].volume)
    ]


def test_volumes_of_another_container_are_shared(rig: Rig) -> None:
    db = create(rig, "db", volumes=[{"containerPath": "/data"}])
    backup = create(rig, "backup", {"db": db}, volumes=[{"from": "db"}, {"containerPath": "/own"}])
    mounts = {mount.path: mount.volume for mount in seen(rig, backup).mounts}
    assert mounts["/data"] == seen(rig, db).mounts[0].volume
    assert set(mounts) == {"/data", "/own"}


# Images.


def test_image_pulled_by_tag_has_tag_and_digest_one_pulled_by_digest_no_tag(rig: Rig) -> None:
    first = rig.push("1")
    rig.pull(f"{rig.repository}:1")
    second = rig.push("2")
    rig.pull(f"{rig.repository}@{second}")
    found = {(image.tags, image.digests) for image in rig.snapshot().images if image.digests}
    assert found == {
        ((f"{rig.repository}:1",), (f"{rig.repository}@{first}",)),
        ((), (f"{rig.repository}@{second}",)),
    }


def test_pull_of_what_the_registry_does_not_have_is_refused(rig: Rig) -> None:
    assert refused(lambda: rig.pull(f"{rig.repository}@{sha256('nothing')}")) in {None, 404, 500}
    assert [image.tags for image in rig.snapshot().images] == [(LOCAL,)]


def test_moved_tag_leaves_the_old_image_its_digest_and_its_containers_the_id(rig: Rig) -> None:
    first = rig.push("1")
    rig.pull(f"{rig.repository}:1")
    web = create(rig, "web", image=f"{rig.repository}:1")
    old = seen(rig, web).image_id
    second = rig.push("2")
    rig.pull(f"{rig.repository}@{second}")
    rig.engine.tag(f"{rig.repository}@{second}", f"{rig.repository}:1")
    assert names_of(rig, old) == {f"{rig.repository}@{first}"}
    assert (seen(rig, web).image_id, seen(rig, web).image) == (old, old)


def test_last_tag_of_a_repository_takes_its_digests_along_and_the_image(rig: Rig) -> None:
    rig.push("1")
    rig.pull(f"{rig.repository}:1")
    image_id = rig.engine.image_id(f"{rig.repository}:1")
    rig.engine.remove_image(f"{rig.repository}:1")
    assert names_of(rig, image_id) == set()
    assert image_id not in {image.image_id for image in rig.snapshot().images}


def test_other_repositorys_tag_keeps_the_image_when_the_last_tag_of_its_own_goes(rig: Rig) -> None:
    rig.push("1")
    rig.pull(f"{rig.repository}:1")
    image_id = rig.engine.image_id(f"{rig.repository}:1")
    rig.engine.tag(f"{rig.repository}:1", "dockerup.invalid/web:1")
    rig.engine.remove_image(f"{rig.repository}:1")
    assert names_of(rig, image_id) == {"dockerup.invalid/web:1"}
    rig.engine.remove_image("dockerup.invalid/web:1")
    assert image_id not in {image.image_id for image in rig.snapshot().images}


def test_digest_goes_alone_while_a_tag_stays(rig: Rig) -> None:
    digest = rig.push("1")
    rig.pull(f"{rig.repository}:1")
    image_id = rig.engine.image_id(f"{rig.repository}:1")
    rig.engine.tag(f"{rig.repository}:1", "dockerup.invalid/web:1")
    rig.engine.remove_image(f"{rig.repository}@{digest}")
    assert names_of(rig, image_id) == {"dockerup.invalid/web:1", f"{rig.repository}:1"}


def test_last_name_of_an_image_that_a_container_uses_cannot_be_taken_away(rig: Rig) -> None:
    rig.push("1")
    rig.pull(f"{rig.repository}:1")
    create(rig, "web", image=f"{rig.repository}:1")
    assert refused(lambda: rig.engine.remove_image(f"{rig.repository}:1")) == 409
    rig.engine.tag(f"{rig.repository}:1", "dockerup.invalid/web:1")
    rig.engine.remove_image(f"{rig.repository}:1")
    assert refused(lambda: rig.engine.remove_image("dockerup.invalid/web:1")) == 409


def test_image_is_removed_by_its_id_only_with_one_name_at_most(rig: Rig) -> None:
    image_id = rig.engine.image_id(LOCAL)
    rig.engine.tag(LOCAL, "other/name:1")
    assert refused(lambda: rig.engine.remove_image(image_id)) == 409
    rig.engine.remove_image("other/name:1")
    web = create(rig, "web")
    assert refused(lambda: rig.engine.remove_image(image_id)) == 409
    rig.engine.remove(web)
    rig.engine.remove_image(image_id)
    assert rig.snapshot().images == ()
