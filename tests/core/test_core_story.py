"""The core story, on any engine: what is listed runs, follows its registry, and is else left in peace.

`make test` plays it on Docker 28 with containerd's image store and nothing under API 1.44, which is how
Docker 29 is met; `make test-matrix` on every engine there is.
"""

from __future__ import annotations

from pathlib import Path

from tests.engine.stories import Story, published, wait_for_answer
from tests.testbed.images import make_image, make_job_image, make_web_image, own_architecture
from tests.testbed.registry import Pushed, Registry


def listed(story: Story, name: str = "app", **keys: object) -> Pushed:
    """Push an image, list a container of it and run once."""
    pushed = story.push(name, "1")
    story.define(name, pushed.reference, **keys)
    story.run()
    return pushed


def image_of(story: Story, name: str = "app") -> str:
    return str(story.inspect(name)["Image"])


def test_what_is_listed_runs_and_is_updated_there_and_back(story: Story) -> None:
    first = story.push("web", "one", make_web_image)
    story.define("web", first.reference, portMappings=published())
    assert story.run().stdout == "web: created (not there)\n"
    wait_for_answer("one")
    story.nothing_to_do()
    newer = story.push("web", "two", make_web_image)

    ran = story.run()

    change = f"{first.digest[:19]} -> {newer.digest[:19]}"
    assert (ran.stdout, ran.stderr) == (f"web: replaced (newer image: digest {change})\n", "")
    assert image_of(story, "web") == newer.id
    wait_for_answer("two")
    story.nothing_to_do()
    story.push("web", "one", make_web_image)
    assert "web: replaced (newer image: digest" in story.run().stdout
    assert image_of(story, "web") == first.id
    assert story.states() == {"web": "running"}
    story.nothing_to_do()


def test_ten_runs_find_nothing_to_do_and_say_nothing(story: Story) -> None:
    index = story.registry.push_index({own_architecture(): make_image("1"), "riscv64": make_image("2")}, "ix")
    story.define("index", index.reference)
    story.define("app", story.push("app", "1").reference)
    story.define("exact", story.push("exact", "1").by_digest)
    story.define("job", story.push("job", "1", make_job_image).reference, restart="never")
    story.run()
    story.wait_for_state("job", "exited")
    for _ in range(10):
        story.nothing_to_do()
    assert story.states() == {"index": "running", "app": "running", "exact": "running", "job": "exited"}


def test_tag_that_a_person_pulls_leads_to_the_newer_image(story: Story) -> None:
    listed(story)
    newer = story.push("app", "2")
    story.client.pull(newer.reference)

    assert "app: replaced" in story.run().stdout

    assert image_of(story) == newer.id
    story.nothing_to_do()


def test_image_that_a_person_pulled_before_is_followed(story: Story) -> None:
    first = story.push("by-hand", "1")
    story.client.pull(first.reference)
    story.define("app", first.reference)
    story.run()
    assert image_of(story) == first.id
    story.nothing_to_do()
    newer = story.push("by-hand", "2")
    assert "app: replaced (newer image" in story.run().stdout
    assert image_of(story) == newer.id
    story.nothing_to_do()


def test_entry_that_changes_gets_a_new_container_and_a_renamed_one_too(story: Story) -> None:
    app = listed(story, portMappings=published())
    story.define("app", app.reference, portMappings=published(), env={"COLOUR": "blue"})
    assert "app: replaced (definition changed" in story.run().stdout
    assert story.do("app", "sh", "-c", "echo $COLOUR") == "blue\n"
    story.nothing_to_do()
    story.undefine("app")
    story.define("other", app.reference, portMappings=published(), env={"COLOUR": "blue"})
    story.run()
    assert story.states() == {"other": "running"}
    story.nothing_to_do()


def test_orphan_goes_with_its_image(story: Story) -> None:
    gone = listed(story, "gone")
    story.define("app", story.push("app", "another").reference)
    story.undefine("gone")
    assert "gone: removed" in story.run().stdout
    assert story.states() == {"app": "running"}
    assert gone.id not in story.images()
    story.nothing_to_do()


def test_drift_is_mended_with_the_same_container_where_it_is_there(story: Story) -> None:
    listed(story)
    before = story.ids()
    story.client.stop("app")
    assert "app: started" in story.run().stdout
    assert story.ids() == before
    story.client.remove_container("app", force=True)
    assert "app: created (not there)" in story.run().stdout
    story.nothing_to_do()


def test_containers_are_made_anew_with_the_one_they_hold_on_to(story: Story) -> None:
    app = story.push("part", "1")
    story.push("db", "1")
    story.define("db", story.registry.reference("db"), volumes=[{"containerPath": "/data"}])
    story.define("side", app.reference, network="container:db")
    story.define("backup", app.reference, volumes=[{"from": "db"}])
    story.run()
    story.do("db", "touch", "/data/kept")
    before = story.ids()
    story.nothing_to_do()
    story.push("db", "2")

    story.run()

    after = story.ids()
    assert after.keys() == before.keys()
    assert not {*after.values()} & {*before.values()}
    assert story.do("backup", "ls", "/data") == "kept\n"
    story.nothing_to_do()


def test_linked_container_finds_the_other_or_is_told_that_this_engine_has_no_links(story: Story) -> None:
    db = listed(story, "db")
    story.define("link", db.reference, links={"db": "database"})
    if story.engine.kind.program == "podman":
        assert "link: not created (not there): create link: bad parameter: link is not supported" in (
            story.run(code=1).stderr
        )
        assert story.states() == {"db": "running"}
        return
    story.run()
    story.push("db", "2")
    story.run()
    assert "database" in story.do("link", "cat", "/etc/hosts")
    story.nothing_to_do()


def test_bad_image_is_rolled_back_and_not_tried_again_each_minute(story: Story) -> None:
    first = listed(story)
    before = story.ids()
    story.push("app", "bad", make_job_image, exit_code=3)

    ran = story.run(code=1)

    assert "app: not replaced (newer image" in ran.stderr
    assert story.serving() == before
    assert story.states() == {"app": "running", "app.dockerup-failed": "exited"}
    assert image_of(story) == first.id
    story.nothing_to_do()
    good = story.push("app", "good")
    story.run()
    assert image_of(story) == good.id
    assert story.states() == {"app": "running"}
    story.nothing_to_do()


def test_superseded_images_go_but_for_those_kept(story: Story) -> None:
    story.dockerup.configure(keep_images=1)
    mine = story.push("mine", "a person's")
    story.client.pull(mine.reference)
    pushed = {}
    for version in "123":
        pushed[version] = story.push("app", version, created=f"2020-01-0{version}T00:00:00Z")
        story.define("app", pushed[version].reference)
        story.run()
    story.nothing_to_do()
    assert [version for version, image in pushed.items() if image.id in story.images()] == ["2", "3"]
    assert story.client.images(mine.reference)


def test_image_out_of_an_archive_is_as_the_host_has_it(story: Story) -> None:
    # podman calls it that when it loads it, and takes made/app for one of docker.io's.
    name = "localhost/made/app:1" if story.engine.kind.program == "podman" else "made/app:1"
    story.define("app", story.load(name, make_image("1")))
    assert story.run().stdout == "app: created (not there)\n"
    for _ in range(3):
        story.nothing_to_do()
    story.load(name, make_image("2"))
    assert "app: replaced" in story.run().stdout
    assert story.do("app", "cat", "/version") == "2\n"
    story.nothing_to_do()


def test_image_that_was_imported_is_not_taken_for_the_registrys_of_that_name(story: Story) -> None:
    theirs = story.push("imported", "theirs")
    name = theirs.reference.rpartition(":")[0]
    story.client.import_image_from_data(make_image("1").layers[0].tar, repository=name, tag="latest")
    imported = story.client.inspect_image(theirs.reference)["Id"]
    story.define("app", theirs.reference, command=["sleep", "1000000"])
    story.run()
    assert image_of(story) == imported
    for _ in range(3):
        story.nothing_to_do()
    assert image_of(story) == imported


def test_image_by_digest_stays_whatever_its_tag_says(story: Story) -> None:
    first = story.push("app", "1")
    story.define("app", first.by_digest)
    story.run()
    story.push("app", "2")
    story.nothing_to_do()
    assert image_of(story) == first.id


def test_registry_at_an_address_of_ipv6_is_followed_where_the_engine_can(
    story: Story, tmp_path: Path
) -> None:
    six = Registry(tmp_path / "six", bind="[::1]")
    six.start()
    try:
        story.define("app", six.push(make_image("1"), "app").reference)
        code, words = story.engine.kind.at_ipv6_registries
        if words:
            assert words in story.run(code=code).stderr
            return
        story.run()
        story.nothing_to_do()
        six.push(make_image("2"), "app")
        assert "app: replaced (newer image" in story.run().stdout
        story.nothing_to_do()
    finally:
        six.stop()


def test_index_with_the_same_image_for_this_platform_is_an_update_only_where_nobody_can_tell(
    story: Story,
) -> None:
    here, there = make_image("1"), make_image("1", files={"/other": "x"})
    app = story.registry.push_index({own_architecture(): here, "riscv64": there}, "multi")
    story.define("app", app.reference)
    story.run()
    before = story.ids()
    newer = make_image("2", files={"/other": "y"})
    story.registry.push_index({own_architecture(): here, "riscv64": newer}, "multi")
    if story.engine.kind.tells_platforms:
        story.nothing_to_do()
    else:
        assert "app: replaced (newer image" in story.run().stdout
        before = story.ids()
    story.nothing_to_do()
    assert story.ids() == before
    story.registry.push_index({own_architecture(): newer, "riscv64": there}, "multi")
    assert "app: replaced (newer image" in story.run().stdout
    assert story.do("app", "cat", "/version") == "2\n"
    story.nothing_to_do()


def test_restart_of_the_engine_changes_nothing(story: Story) -> None:
    listed(story)
    before = story.ids()
    story.engine.restart()
    story.run()
    assert story.ids() == before
    assert story.states() == {"app": "running"}
    story.nothing_to_do()
