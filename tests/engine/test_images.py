"""Images: what is newer is fetched before anything stops, and what nobody needs goes as the settings say."""

from __future__ import annotations

from tests.engine.stories import Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image, make_web_image, own_architecture
from tests.testbed.proxy import EngineProxy


def test_newer_image_replaces_the_container_and_the_old_one_goes(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    story.define("web", web.reference, portMappings=published())
    story.run()
    old_id = story.ids()["web"]
    newer = story.push("web", "two", make_web_image)

    ran = story.run()

    assert ran.stdout == (f"web: replaced (newer image: digest {web.digest[:19]} -> {newer.digest[:19]})\n")
    assert ran.stderr == ""
    assert story.states() == {"web": "running"}
    assert story.ids()["web"] != old_id
    assert story.inspect("web")["Image"] == newer.id
    assert story.policy("web") == "always"
    wait_for_answer("two")
    story.nothing_to_do()


def test_newer_image_is_here_before_the_old_container_stops(story: Story, proxy: EngineProxy) -> None:
    app = story.push("app", "1")
    story.define("app", app.reference)
    story.run()
    story.push("app", "2")
    proxy.forget()

    story.run(env={"DOCKER_HOST": proxy.url})

    verbs = [call.path for call in proxy.calls if call.method == "POST"]
    stop = next(i for i, path in enumerate(verbs) if path.endswith("/stop"))
    assert verbs.index("/images/create") < stop
    assert verbs.index("/containers/create") < stop


def test_index_with_the_same_image_for_this_platform_is_no_update(story: Story) -> None:
    ours, theirs = own_architecture(), "riscv64"
    here, there = make_image("1"), make_image("1", files={"/other": "x"})
    app = story.registry.push_index({ours: here, theirs: there}, "app")
    story.define("app", app.reference)
    story.run()
    before = story.ids()
    newer = make_image("2", files={"/other": "y"})
    assert story.registry.push_index({ours: here, theirs: newer}, "app").digest != app.digest

    story.nothing_to_do()
    asked = len(story.registry.requests())
    story.nothing_to_do()

    assert story.registry.requests()[asked:] == ["HEAD /v2/app/manifests/latest"]
    assert story.ids() == before
    story.registry.push_index({ours: newer, theirs: there}, "app")
    assert "app: replaced (newer image" in story.run().stdout
    assert story.inspect("app")["Image"] == newer.id


def test_tag_that_is_moved_back_brings_the_older_image_back(story: Story) -> None:
    first = story.push("app", "1")
    story.define("app", first.reference)
    story.run()
    story.push("app", "2")
    story.run()
    story.push("app", "1")

    ran = story.run()

    assert ran.stdout.startswith("app: replaced (newer image: digest ")
    assert story.inspect("app")["Image"] == first.id
    assert story.client.inspect_image(first.reference)["Id"] == first.id
    story.nothing_to_do()


def test_image_by_digest_is_fetched_once_and_never_asked_for(story: Story) -> None:
    first = story.push("app", "1")
    story.define("app", first.by_digest)
    story.run()
    story.push("app", "2")
    asked = len(story.registry.requests())

    story.nothing_to_do()

    assert story.inspect("app")["Image"] == first.id
    assert len(story.registry.requests()) == asked


def test_entry_that_does_not_follow_its_registry_is_fetched_once(story: Story) -> None:
    first = story.push("app", "1")
    story.define("app", first.reference, update={"pull": False})
    story.run()
    story.push("app", "2")
    asked = len(story.registry.requests())

    story.nothing_to_do()

    assert story.inspect("app")["Image"] == first.id
    assert len(story.registry.requests()) == asked


def test_no_pull_asks_no_registry_and_updates_nothing(story: Story) -> None:
    first = story.push("app", "1")
    story.define("app", first.reference)
    story.run()
    newer = story.push("app", "2")
    asked = len(story.registry.requests())

    story.nothing_to_do("--no-pull")

    assert len(story.registry.requests()) == asked
    story.run("--pull")
    assert story.inspect("app")["Image"] == newer.id


def test_registry_that_is_away_stops_nothing_and_is_said_once(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    story.define("web", web.reference, portMappings=published())
    story.run()
    before = story.ids()
    story.registry.stop()

    first = story.run()

    host = story.registry.host
    told = f"{host} does not say whether there are newer images: {host} refuses connections\n"
    assert (first.stdout, first.stderr) == ("", told)
    story.nothing_to_do()
    assert story.ids() == before
    wait_for_answer("one")


def test_registry_that_is_away_keeps_no_container_from_starting_from_the_local_image(story: Story) -> None:
    app = story.push("app", "1")
    story.define("app", app.reference)
    story.run()
    story.client.remove_container("app", force=True)
    story.registry.stop()

    ran = story.run()

    assert ran.stdout == "app: created (not there)\n"
    assert story.registry.host in ran.stderr
    assert story.states() == {"app": "running"}


def test_image_that_cannot_be_pulled_holds_up_no_other_container(story: Story) -> None:
    running = story.push("running", "1")
    story.define("runs", running.reference)
    story.run()
    before = story.ids()
    story.define("runs", story.registry.reference("nowhere"))
    story.define("more", running.reference)
    story.define("none", story.registry.reference("neither"))

    ran = story.run(code=1)

    assert story.states() == {"runs": "running", "more": "running"}
    assert story.ids()["runs"] == before["runs"]
    assert story.policy("runs") == "always"
    assert "more: created" in ran.stdout
    assert f"pull {story.registry.reference('nowhere')}" in ran.stderr
    assert f"pull {story.registry.reference('neither')}" in ran.stderr


def test_image_that_goes_from_the_registry_stops_nothing(story: Story) -> None:
    app = story.push("app-that-goes", "1")
    story.define("app", app.reference)
    story.run()
    before = story.ids()
    story.registry.delete(app)

    ran = story.run()

    assert ran.stdout == ""
    assert app.reference in ran.stderr
    assert story.ids() == before


def superseded_images(story: Story, **settings: object) -> list[str]:
    """Let an entry go through three versions, beside images of a person's; return the ids that are left."""
    story.dockerup.configure(**settings)
    story.load("mine:1", make_image("a person's"))
    versions = ["1", "2", "3"]
    pushed = []
    for version in versions:
        pushed.append(story.push("app", version))
        story.define("app", pushed[-1].reference)
        if version == versions[-1]:
            story.ten_minutes_pass()
        story.run()
    story.nothing_to_do()
    present = story.images()
    left = [version for version, image in zip(versions, pushed) if image.id in present]
    mine = story.client.images("mine:1")
    return [*left, *(["mine"] if mine else [])]


def test_superseded_images_go_but_for_one(story: Story) -> None:
    assert superseded_images(story) == ["2", "3", "mine"]


def test_keep_images_counts_the_superseded_images_that_stay(story: Story) -> None:
    assert superseded_images(story, keep_images=0) == ["3", "mine"]


def test_prune_none_leaves_every_image(story: Story) -> None:
    assert superseded_images(story, prune="none") == ["1", "2", "3", "mine"]


def test_prune_all_removes_every_unused_image_of_a_person_too(story: Story) -> None:
    assert superseded_images(story, prune="all") == ["2", "3"]


def test_image_goes_with_the_last_entry_that_dockerup_fetched_it_for(story: Story) -> None:
    fetched = story.push("fetched", "of an orphan")
    mine = story.push("mine", "of a person")
    story.client.pull(mine.reference)
    story.define("app", fetched.reference)
    story.define("uses-mine", mine.reference)
    story.run()

    story.undefine("app")
    story.undefine("uses-mine")
    ran = story.run()

    assert "image " in ran.stdout
    assert story.states() == {}
    assert story.images() == {mine.id}
    story.nothing_to_do()


def test_image_that_a_person_s_container_uses_stays(story: Story) -> None:
    story.dockerup.configure(unmanaged="keep", prune="all")
    first = story.push("app", "1")
    story.define("app", first.reference)
    story.run()
    story.by_hand("mine", first.reference)
    story.push("app", "2")
    story.run()
    story.push("app", "3")
    story.run()
    story.push("app", "4")

    story.run()

    assert first.id in story.images()
    assert story.states() == {"app": "running", "mine": "running"}
    story.nothing_to_do()
