"""Volumes: what is in them outlives every container."""

from __future__ import annotations

from pathlib import Path

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image


def test_anonymous_volumes_are_taken_over_with_what_is_in_them(story: Story) -> None:
    database = story.push("db", "1", volumes=("/data",))
    story.define("db", database.reference, volumes=[{"containerPath": "/more"}])
    story.run()
    before = story.volumes()
    story.do("db", "sh", "-c", "echo precious > /data/row; echo dear > /more/row")

    for version in ("2", "3"):
        newer = story.push("db", version, volumes=("/data",))
        story.run()
        assert story.inspect("db")["Image"] == newer.id

    assert story.do("db", "cat", "/data/row", "/more/row") == "precious\ndear\n"
    assert story.volumes() == before
    story.nothing_to_do()


def test_anonymous_volumes_are_taken_over_from_a_person_s_container(story: Story) -> None:
    image = story.load("db:1", make_image("db", volumes=("/data",)))
    story.by_hand("db", image)
    story.do("db", "sh", "-c", "echo precious > /data/row")
    story.define("db", image)

    story.run()

    assert story.labels("db")["dockerup.name"] == "db"
    assert story.do("db", "cat", "/data/row") == "precious\n"


def test_data_is_there_after_a_replacement_that_failed(story: Story) -> None:
    image = story.load("db:1", make_image("db", volumes=("/data",)))
    story.define("db", image)
    story.run()
    before = story.volumes()
    story.do("db", "sh", "-c", "echo precious > /data/row")
    story.define("db", image, entrypoint="/no/such/program")

    story.run(code=1)

    assert story.do("db", "cat", "/data/row") == "precious\n"
    assert story.volumes() == before


def test_volumes_of_what_goes_stay_and_are_named(story: Story) -> None:
    image = story.load("db:1", make_image("db", volumes=("/data",)))
    story.load("app:1")
    story.define("db", image, volumes=[{"containerPath": "/more"}])
    story.define("app", "app:1")
    story.run()
    story.client.create_volume("by-hand")
    before = story.volumes()
    used = {mount["Name"] for mount in story.listed()["db"]["Mounts"]}
    story.undefine("db")

    ran = story.run()

    assert story.states() == {"app": "running"}
    assert story.volumes() == before
    assert len(used) == 2
    assert all(name in ran.stdout for name in used)
    story.nothing_to_do()


def test_host_directory_stays_when_its_container_goes(story: Story, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    volumes = [{"containerPath": "/data", "hostPath": str(shared), "mode": "rw"}]
    story.define("app", story.load("app:1"), volumes=volumes)
    story.run()
    story.do("app", "sh", "-c", "echo kept > /data/row")
    story.dockerup.define("app.yaml", {"containers": []})

    story.run()

    assert story.states() == {}
    assert (shared / "row").read_text() == "kept\n"
