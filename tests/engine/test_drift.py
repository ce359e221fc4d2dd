"""Drift: whatever happened to a listed container since the last run is mended in the next one."""

from __future__ import annotations

import json
import re
from typing import Callable

import pytest

from tests.engine.stories import PORT, Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image, make_job_image, make_web_image
from tests.testbed.waiting import wait_until

DRIFTS: dict[str, tuple[Callable[[Story], object], str]] = {
    "stopped": (lambda story: story.client.stop("app"), "app: started (stopped: exit code 137)\n"),
    "killed": (lambda story: story.client.kill("app"), "app: started (stopped: exit code 137)\n"),
    "paused": (lambda story: story.client.pause("app"), "app: started (stopped: paused)\n"),
    "renamed": (
        lambda story: story.client.rename("app", "something"),
        "app: renamed (renamed by hand: it was called something)\n",
    ),
    "stopped and renamed": (
        lambda story: (story.client.stop("app"), story.client.rename("app", "something")),
        "app: started (stopped: exit code 137)\n",
    ),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_container_that_a_person_changed_is_as_it_was(story: Story, drift: str) -> None:
    change, line = DRIFTS[drift]
    image = story.load("app:1")
    story.define("app", image)
    story.define("other", image)
    story.run()
    before = story.ids()
    change(story)

    ran = story.run()

    assert ran.stdout == line
    assert ran.stderr == ""
    assert story.states() == {"app": "running", "other": "running"}
    assert story.ids() == before
    assert story.policy("app") == "always"
    story.nothing_to_do()


def test_container_that_was_removed_is_made_again(story: Story) -> None:
    story.define("app", story.load("app:1"))
    story.run()
    story.client.remove_container("app", force=True)

    assert story.run().stdout == "app: created (not there)\n"
    assert story.states() == {"app": "running"}
    story.nothing_to_do()


def test_container_that_was_created_and_never_started_is_started(story: Story) -> None:
    """As a run that was killed between the two leaves it: the labels are those of a whole run."""
    story.define("app", story.load("app:1"))
    story.run()
    labels = story.labels("app")
    story.client.remove_container("app", force=True)
    container_id = story.by_hand("app", "app:1", start=False, labels=labels)

    ran = story.run()

    assert ran.stdout == "app: started (never started)\n"
    assert story.ids() == {"app": container_id}
    assert story.policy("app") == "always"
    story.nothing_to_do()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_after_a_restart_of_the_engine_everything_runs_again(story: Story, how: str) -> None:
    image, job = story.load("app:1"), story.load("job:1", make_job_image("done"))
    story.define("always", image)
    story.define("by-hand", image, restart="unless-stopped")
    story.define("on-failure", image, restart="on-failure")
    story.define("job", job, restart="never")
    story.define("web", story.load("web:1", make_web_image("one")), portMappings=published())
    story.run()
    story.wait_for_state("job", "exited")
    before = story.ids()
    story.client.stop("by-hand")

    story.engine.kill() if how == "kill" else story.engine.stop()
    story.engine.start()
    story.run()

    wanted = dict.fromkeys(("always", "by-hand", "on-failure", "web"), "running")
    assert story.states() == {**wanted, "job": "exited"}
    assert story.ids() == before
    wait_for_answer("one")
    story.nothing_to_do()


def test_container_of_a_person_with_a_listed_name_is_taken_over(story: Story) -> None:
    story.load("theirs:1", make_web_image("theirs"))
    theirs = story.by_hand("web", "theirs:1", port_bindings={8080: PORT})
    story.define("web", story.load("web:1", make_web_image("ours")), portMappings=published())

    ran = story.run()

    taken = "a container that dockerup did not start and that is not as listed"
    assert ran.stdout.startswith(f"web: replaced (its name is taken over: {taken} (")
    assert {"Image", "RestartPolicy"} <= {*re.findall("[A-Z][a-zA-Z]+", ran.stdout)}
    assert story.states() == {"web": "running"}
    assert story.ids()["web"] != theirs
    wait_for_answer("ours")
    story.nothing_to_do()


def test_containers_of_a_person_that_the_engine_removes_when_they_stop_make_way(story: Story) -> None:
    image = story.load("theirs:1")
    for name in ("web", "other"):
        story.by_hand(name, image, auto_remove=True)
    story.by_hand("holder", image, auto_remove=True, port_bindings={8080: PORT})
    story.define("web", image, env={"A": "1"})
    story.define("app", story.load("web:1", make_web_image("ours")), portMappings=published())

    ran = story.run()

    assert story.states() == {"web": "running", "app": "running"}
    assert ran.stderr == ""
    wait_for_answer("ours")
    story.nothing_to_do()


def test_container_of_a_person_comes_back_when_its_successor_cannot_start(story: Story) -> None:
    theirs = story.by_hand("app", story.load("theirs:1"))
    story.define("app", story.load("app:1"), entrypoint="/no/such/program")

    story.run(code=1)

    assert story.serving() == {"app": theirs}
    assert story.states() == {"app": "running", "app.dockerup-failed": "created"}


def test_container_of_a_person_with_a_listed_name_stays_where_unmanaged_are_kept(story: Story) -> None:
    story.dockerup.configure(unmanaged="keep")
    image = story.load("app:1")
    theirs = story.by_hand("app", image)
    story.define("app", image)
    story.define("other", image)

    ran = story.run(code=1)

    assert "unmanaged=keep" in ran.stderr
    assert "docker rename app app-old" in ran.stderr
    assert story.ids()["app"] == theirs
    assert story.states() == {"app": "running", "other": "running"}


def test_what_is_no_longer_listed_and_what_a_person_started_goes(story: Story) -> None:
    image = story.load("app:1")
    for name in ("keeps", "goes"):
        story.define(name, image)
    story.run()
    story.by_hand("stray", image)
    story.by_hand("asleep", image, start=False)
    story.undefine("goes")

    ran = story.run()

    assert sorted(ran.stdout.splitlines()) == [
        "asleep: removed (not started by dockerup)",
        "goes: removed (no longer listed)",
        "stray: removed (not started by dockerup)",
    ]
    assert story.states() == {"keeps": "running"}
    story.nothing_to_do()


def test_unmanaged_containers_stay_where_the_settings_say_so(story: Story) -> None:
    story.dockerup.configure(unmanaged="keep")
    image = story.load("app:1")
    stray = story.by_hand("stray", image)
    story.define("app", image)
    story.run()
    story.undefine("app")
    story.define("next", image)

    story.run()

    assert story.states() == {"next": "running", "stray": "running"}
    assert story.ids()["stray"] == stray
    story.nothing_to_do()


def test_containers_that_are_to_be_ignored_are_never_touched(story: Story) -> None:
    story.dockerup.configure(ignore="db-*, exactly")
    image = story.load("app:1")
    ids = {
        name: story.by_hand(name, image, start=name != "exactly", labels=labels)
        for name, labels in {
            "by-label": {"dockerup.ignore": "true"},
            "db-one": {},
            "exactly": {},
            "listed": {"dockerup.ignore": "true"},
        }.items()
    }
    story.define("app", image)
    story.define("listed", image, restart="never")

    ran = story.run(code=1)

    assert "listed" in ran.stderr
    assert "dockerup.ignore=true" in ran.stderr
    assert {name: story.ids()[name] for name in ids} == ids
    assert story.states()["exactly"] == "created"
    assert story.states()["app"] == "running"


def test_container_of_another_orchestrator_is_left_alone_and_named_once(story: Story) -> None:
    image = story.load("app:1")
    ids = {
        "task": story.by_hand("task", image, labels={"com.docker.swarm.service.name": "web"}),
        "pod": story.by_hand("pod", image, labels={"io.kubernetes.pod.name": "web"}),
        "ecs-agent": story.by_hand("ecs-agent", image),
    }
    story.define("app", image)

    first = story.run()

    assert [name for name in ids if f"{name} is left alone" in first.stderr] == list(ids)
    assert {name: story.ids()[name] for name in ids} == ids
    story.nothing_to_do()


def test_container_that_an_image_build_runs_in_is_left_alone(story: Story) -> None:
    """A classic build makes its containers from an image's id, and without a label."""
    image_id = make_image("app:1").id
    story.load("app:1")
    building = story.by_hand("build-step", image_id)
    story.define("app", "app:1")

    story.run()

    assert story.states() == {"app": "running", "build-step": "running"}
    story.client.stop("build-step")
    story.run()
    assert building not in story.ids().values()


def test_job_that_is_complete_is_not_run_again_until_it_changes(story: Story) -> None:
    job = story.push("job", "1", make_job_image)
    story.define("never", job.reference, restart="never")
    story.define("on-failure", job.reference, restart="on-failure")
    story.run()
    story.wait_for_state("never", "exited")
    story.wait_for_state("on-failure", "exited")

    story.nothing_to_do()

    assert story.client.logs("never") == b"1\n"
    status = story.run("status").stdout
    assert status.count("complete") == 2
    story.push("job", "2", make_job_image)
    story.run()
    story.wait_for_log("never", "2\n")
    story.wait_for_log("on-failure", "2\n")


@pytest.mark.parametrize(("restart", "restarts"), [("never", 0), ("on-failure:1", 1)])
def test_what_failed_for_good_is_left_alone_and_said_once(story: Story, restart: str, restarts: int) -> None:
    image = story.load("job:1", make_job_image("1", exit_code=3))
    story.define("job", image, restart=restart)
    first = story.dockerup.run().stderr  # which may see it fail already
    first = "" if "it keeps exiting" in first else first
    wait_until(lambda: story.inspect("job")["RestartCount"] == restarts, "the engine has tried it again")
    story.wait_for_state("job", "exited")
    before = story.ids()
    started = story.inspect("job")["State"]["StartedAt"]

    said = [first, *(story.run(code=1).stderr for _ in range(3))]

    assert [text for text in said if text] == ["job: failed: exit code 3\n"]
    assert story.ids() == before
    assert story.inspect("job")["State"]["StartedAt"] == started
    story.define("job", image, restart=restart, command=["true"])
    story.run()
    story.wait_for_state("job", "exited")
    story.nothing_to_do()


def test_container_that_keeps_exiting_is_named_and_left_to_the_engine(story: Story) -> None:
    story.define("app", story.load("app:1", make_job_image("1", exit_code=5)))
    story.dockerup.run()
    story.wait_for_state("app", "restarting")
    before = story.ids()

    ran = story.run("status", code=1)

    assert story.ids() == before
    assert "app: runs, but not well: it keeps exiting, and is started again: docker logs app" in ran.stdout


def test_container_that_keeps_exiting_is_told_once_however_it_is_met(story: Story) -> None:
    # Each life but the first, which lasts until the test says so, takes three seconds.
    ends = ["sh", "-c", "until test -e /go; do sleep 0.1; done; sleep 3; exit 5"]
    story.define("app", story.load("app:1"), command=ends)
    story.define("other", "app:1")
    story.run()
    story.do("app", "touch", "/go")
    wait_until(
        lambda: story.inspect("app")["RestartCount"] >= 4, "the engine makes longer pauses", seconds=60
    )

    told = []
    for state in ("running", "restarting") * 3:
        story.wait_for_state("app", state)
        told.append(story.run(code=1).stderr)

    assert told[0] == "app: runs, but not well: it keeps exiting, and is started again: docker logs app\n"
    assert [*filter(None, told[1:])] == []
    document = json.loads(story.dockerup.run("status", "--json").stdout)
    assert {row["name"]: row["state"] for row in document["containers"]} == {
        "app": "failed",
        "other": "running",
    }


def test_container_that_fell_once_and_runs_is_well_again(story: Story) -> None:
    falls_once = ["sh", "-c", "test -e /fell || { touch /fell; exit 3; }; exec sleep 1000000"]
    story.define("app", story.load("app:1"), command=falls_once)
    story.dockerup.run()
    wait_until(lambda: story.inspect("app")["RestartCount"] == 1, "the engine starts it again")

    story.run("status", "--wait", "--timeout", "60")
    story.dockerup.run()
    story.nothing_to_do()
