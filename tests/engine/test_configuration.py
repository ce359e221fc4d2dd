"""Where the list comes from: its sources together, and lists that cannot be trusted to be whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.stories import Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image, make_web_image
from tests.testbed.metadata import Metadata

DATA = Path(__file__).parent.parent / "data"
SHARED_LOGS = Path(
    "/var/log/ext"
)  # what the two-container list mounts; the engine makes it where it is absent


@pytest.fixture
def cloud(story: Story, metadata: Metadata) -> Metadata:
    """EC2 metadata that `dockerup` asks."""
    story.dockerup.metadata_url = metadata.url
    return metadata


@pytest.fixture
def _machine_knows_its_id(metadata: Metadata) -> Iterator[None]:
    """What cloud-init writes of an instance whose plain JSON it passes over, in private places."""
    instance_id = metadata.answers.instance_id
    booted = Path("/run/cloud-init/.instance-id")
    instance = Path("/var/lib/cloud/instances") / instance_id
    for directory in (booted.parent, instance):
        directory.mkdir(parents=True)
    booted.write_text(f"{instance_id}\n")
    (instance / "user-data.txt").write_text('{"containers": []}')
    Path("/var/lib/cloud/instance").symlink_to(instance)
    yield
    Path("/var/lib/cloud/instance").unlink()
    for directory in (booted.parent, instance.parent):
        shutil.rmtree(directory)


@pytest.fixture
def _no_shared_logs_left() -> Iterator[None]:
    was_there = SHARED_LOGS.exists()
    yield
    if not was_there and SHARED_LOGS.exists():
        SHARED_LOGS.rmdir()


def user_data(*containers: dict[str, object]) -> bytes:
    return json.dumps({"containers": list(containers)}).encode()


def test_one_broken_file_removes_nothing_and_the_others_converge(story: Story) -> None:
    image = story.load("app:1")
    for name in ("broken", "gone", "stays"):
        story.define(name, image)
    story.run()
    before = story.ids()
    story.dockerup.define("broken.yaml", "name: broken\nimage: [\n")
    story.undefine("gone")
    story.define("new", image)
    story.by_hand("stray", image)

    ran = story.run(code=2)

    assert ran.stdout == "new: created (not there)\n"
    assert f"{story.dockerup.confdir / 'broken.yaml'}:3: column 1" in ran.stderr
    assert "nothing is removed for not being listed" in ran.stderr
    assert {name: story.ids()[name] for name in before} == before
    assert set(story.states()) == {*before, "new", "stray"}
    again = story.run(code=2)
    assert (again.stdout, again.stderr) == ("", "")
    story.define("broken", image)
    story.run()
    assert set(story.states()) == {"broken", "stays", "new"}


def test_images_stay_while_the_list_is_not_whole(story: Story) -> None:
    app = story.push("app", "1")
    story.define("app", app.reference)
    story.run()
    story.client.remove_container("app", force=True)
    story.dockerup.define("app.yaml", "name: app\nimagee: x")

    story.run(code=2)

    assert story.images() == {app.id}


def test_entry_with_a_mistake_in_it_leaves_its_container_running(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image)
    story.run()
    before = story.ids()

    story.define("app", image, portMapings=published())
    ran = story.run(code=2)

    assert 'Did you mean "portMappings"?' in ran.stderr
    assert story.ids() == before


@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_others_may_write_is_refused_with_the_command_to_run(story: Story, what: str) -> None:
    image = story.load("app:1")
    story.define("app", image)
    story.run()
    before = story.ids()
    place = story.dockerup.confdir if what == "directory" else story.dockerup.confdir / "app.yaml"
    story.define("app", image, command=["from", "anyone"])
    place.chmod(place.stat().st_mode | 0o022)

    ran = story.run(code=2)

    assert ran.stdout == ""
    assert f"chmod go-w {place}" in ran.stderr
    assert story.ids() == before
    place.chmod(place.stat().st_mode & ~0o022)


def test_user_data_and_files_together_are_the_list(story: Story, cloud: Metadata) -> None:
    image = story.load("app:1")
    cloud.answers.user_data = user_data({"name": "from-cloud", "image": image})
    story.define("from-file", image)

    story.run()

    assert story.states() == {"from-cloud": "running", "from-file": "running"}
    rows = json.loads(story.run("status", "--json").stdout)["containers"]
    assert {row["name"]: row["source"] for row in rows} == {"from-cloud": "user-data", "from-file": "confdir"}
    story.nothing_to_do()


def test_user_data_wins_over_a_file_with_the_same_name_and_says_so(story: Story, cloud: Metadata) -> None:
    image = story.load("app:1")
    cloud.answers.user_data = user_data({"name": "app", "image": image, "command": ["sleep", "111"]})
    story.define("app", image, command=["sleep", "222"])

    ran = story.run()

    assert story.inspect("app")["Config"]["Cmd"] == ["sleep", "111"]
    assert f"app: the entry of user-data is used, not {story.dockerup.confdir / 'app.yaml'}" in ran.stderr
    story.nothing_to_do()


def test_same_name_twice_in_one_source_names_both_places(story: Story) -> None:
    image = story.load("app:1")
    story.dockerup.define("10.yaml", {"name": "app", "image": image})
    story.dockerup.define("20.yaml", {"name": "app", "image": image})

    ran = story.run(code=2)

    assert str(story.dockerup.confdir / "10.yaml") in ran.stderr
    assert str(story.dockerup.confdir / "20.yaml") in ran.stderr


@pytest.mark.usefixtures("_machine_knows_its_id")
def test_user_data_that_cannot_be_read_later_is_as_it_was(story: Story, cloud: Metadata) -> None:
    image = story.load("app:1")
    cloud.answers.user_data = user_data({"name": "app", "image": image})
    story.run()
    before = story.ids()
    cloud.answers.status = 503

    ran = story.run()

    assert "last good copy" in ran.stderr
    assert story.ids() == before
    story.client.remove_container("app", force=True)
    story.run()
    assert story.states() == {"app": "running"}
    story.nothing_to_do()


def test_user_data_that_was_never_read_removes_nothing(story: Story, cloud: Metadata) -> None:
    image = story.load("app:1")
    cloud.answers.user_data = user_data({"name": "app", "image": image, "command": ["sleep", "111"]})
    story.run()
    before = story.ids()
    for kept in sorted(story.dockerup.cache.rglob("*")):
        if kept.is_file():
            kept.unlink()
    cloud.answers.status = 503
    story.define("app", image, command=["sleep", "222"])
    story.define("other", image)

    ran = story.run(code=2)

    assert ran.stdout == "other: created (not there)\n"
    assert story.ids()["app"] == before["app"]
    assert story.states() == {"app": "running", "other": "running"}


def test_empty_directory_removes_what_dockerup_started_and_nothing_else(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image)
    story.run()
    story.by_hand("stray", image)
    story.undefine("app")

    story.run()

    assert story.states() == {"stray": "running"}
    story.nothing_to_do()


def test_empty_list_removes_everything(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image)
    story.run()
    story.by_hand("stray", image)
    story.undefine("app")
    story.dockerup.define("none.yaml", "containers: []")

    story.run()

    assert story.states() == {}
    story.nothing_to_do()


def test_no_source_at_all_is_an_error_that_touches_nothing(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image)
    story.run()
    before = story.ids()
    story.undefine("app")
    story.dockerup.confdir.rmdir()

    ran = story.run(code=2)

    assert "nothing says which containers should run" in ran.stderr
    assert story.ids() == before


def test_setting_that_is_not_known_is_an_error_with_its_place(story: Story) -> None:
    story.dockerup.configure(intervall=5)

    ran = story.run(code=2)

    assert f"{story.dockerup.config}:2" in ran.stderr
    assert 'Did you mean "interval"?' in ran.stderr


def test_registry_example_runs_as_it_stands(story: Story) -> None:
    story.load("registry:latest", make_web_image("registry", env={"SETTINGS_FLAVOR": "local"}))
    story.dockerup.define("registry.json", (DATA / "registry.json").read_text())

    story.run()

    assert story.states() == {"registry": "running"}
    assert {binding["HostPort"] for binding in story.client.port("registry", 5000)} == {"5000"}
    env = story.inspect("registry")["Config"]["Env"]
    assert {"STANDALONE=false", "SETTINGS_FLAVOR=s3", "AWS_BUCKET=my-docker-registry"} <= set(env)
    story.nothing_to_do()


@pytest.mark.usefixtures("_no_shared_logs_left")
def test_two_container_example_runs_as_it_stands_from_user_data(story: Story, cloud: Metadata) -> None:
    story.load("example/my-app:latest", make_web_image("my app"))
    story.load("example/logstash-forwarder:latest", make_image("forwarder"))
    cloud.answers.user_data = (DATA / "two-containers.txt").read_bytes()

    story.run()

    assert story.states() == {"my-app": "running", "logstash-forwarder": "running"}
    wait_for_answer("my app")
    mounts = story.inspect("logstash-forwarder")["HostConfig"]["Binds"]
    assert mounts == ["/var/log/ext:/var/log/containers:ro"]
    story.nothing_to_do()


def test_settings_example_is_read_as_it_stands(story: Story) -> None:
    story.dockerup.config.write_text((DATA / "dockerup.conf").read_text())
    story.define("app", story.load("app:1"))

    story.run("--confdir", str(story.dockerup.confdir))

    assert story.states() == {"app": "running"}
