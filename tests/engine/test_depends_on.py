"""What `dependsOn` promises: who is started after whom, who waits for what, and who is held back by whom."""

from __future__ import annotations

import re
import threading
import time

import pytest

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.proxy import Call, EngineProxy

APP = "app:1"
# Long enough for a service that does not wait to be there first.
TAKES_A_SECOND = "sleep 1"


@pytest.fixture(autouse=True)
def _app(story: Story) -> None:
    story.load(APP)


def define_job(story: Story, command: str, name: str = "migrate", **keys: object) -> None:
    """List a job, that runs a shell command once."""
    story.define(name, APP, command=["sh", "-c", command], restart="never", **keys)


def define_after(story: Story, name: str, other: str, condition: str = "START", **keys: object) -> None:
    """List a service that waits for another container."""
    waits = [{"containerName": other, "condition": condition}]
    story.define(name, APP, dependsOn=waits, **keys)


def moment(story: Story, name: str, key: str) -> str:
    """Return when a container was started or ended last, as text whose order is that of time."""
    # The engine leaves zeros at the end out.
    seconds, _point, fraction = str(story.inspect(name)["State"][key]).rstrip("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"


def started(story: Story, name: str) -> str:
    """Return when a container was started last."""
    return moment(story, name, "StartedAt")


def ended(story: Story, name: str) -> str:
    """Return when a container ended last."""
    return moment(story, name, "FinishedAt")


def lines_about(text: str, name: str) -> str:
    """Return the lines that say something of an entry."""
    return "\n".join(line for line in text.splitlines() if line.startswith(f"{name}:"))


def test_service_starts_after_the_one_that_it_depends_on(story: Story) -> None:
    define_after(story, "a-service", "the-base")
    story.define("the-base", APP)

    story.run()

    assert started(story, "the-base") < started(story, "a-service")
    story.nothing_to_do()


def test_service_starts_when_the_job_before_it_has_ended_well(story: Story) -> None:
    define_job(story, TAKES_A_SECOND)
    define_after(story, "app", "migrate", "SUCCESS")

    story.run()

    assert story.states() == {"migrate": "exited", "app": "running"}
    assert ended(story, "migrate") < started(story, "app")
    story.nothing_to_do()


def test_job_that_fails_holds_the_first_start_of_its_service_back_and_nothing_else(story: Story) -> None:
    define_job(story, "echo no table; exit 3")
    define_after(story, "app", "migrate", "SUCCESS")
    define_after(story, "front", "app")
    story.define("other", APP)

    ran = story.run(code=1)

    assert {name: state for name, state in story.states().items() if state != "created"} == {
        "migrate": "exited",
        "other": "running",
    }
    assert "exit code 3" in lines_about(ran.stderr, "migrate")
    assert "waits for migrate" in lines_about(ran.stderr, "app")
    assert "waits for app" in lines_about(ran.stderr, "front")
    again = story.run(code=1)
    assert (again.stdout, story.states()["migrate"]) == ("", "exited")


def test_service_starts_once_the_job_that_failed_is_mended(story: Story) -> None:
    define_job(story, "exit 3")
    define_after(story, "app", "migrate", "SUCCESS")
    story.run(code=1)
    define_job(story, TAKES_A_SECOND)

    story.run()

    assert story.states() == {"migrate": "exited", "app": "running"}
    assert ended(story, "migrate") < started(story, "app")
    story.nothing_to_do()


def service_of_the_first_version_runs(story: Story) -> str:
    """Have a job and its service run, both of one image; returns the image."""
    image = story.push("both", "1").reference
    story.define("migrate", image, command=["sh", "-c", "test $(cat /version) != bad"], restart="never")
    waits = [{"containerName": "migrate", "condition": "SUCCESS"}]
    story.define("app", image, dependsOn=waits)
    story.run()
    return image


def test_job_runs_again_for_a_newer_image_before_its_service_is_replaced(story: Story) -> None:
    service_of_the_first_version_runs(story)
    before = story.ids()
    newer = story.push("both", "2")

    story.run()

    assert story.states() == {"migrate": "exited", "app": "running"}
    assert not set(before.values()) & set(story.ids().values())
    assert {story.inspect(name)["Image"] for name in ("migrate", "app")} == {newer.id}
    assert ended(story, "migrate") < started(story, "app")
    story.nothing_to_do()


def test_job_that_fails_at_an_update_keeps_the_old_service(story: Story) -> None:
    service_of_the_first_version_runs(story)
    before, since = story.ids(), started(story, "app")
    story.push("both", "bad")

    ran = story.run(code=1)

    assert "exit code 1" in lines_about(ran.stderr, "migrate")
    assert story.states() == {"app": "running", "migrate": "exited", "migrate.dockerup-failed": "exited"}
    assert {name: story.ids()[name] for name in before} == before
    assert started(story, "app") == since
    story.nothing_to_do()

    story.push("both", "good")
    story.run()

    assert story.states() == {"app": "running", "migrate": "exited"}
    assert story.do("app", "cat", "/version") == "good\n"
    story.nothing_to_do()


def test_service_waits_until_the_health_check_of_the_one_before_it_is_passed(story: Story) -> None:
    check = {"command": "test -e /tmp/ready", "interval": "1s", "retries": 10}
    slow = ["sh", "-c", "sleep 1; touch /tmp/ready; sleep 1000000"]
    story.define("the-db", APP, command=slow, healthCheck=check)
    define_after(story, "app", "the-db", "HEALTHY")
    since = time.time()

    story.run()

    healthy = "health_status: healthy"
    assert story.engine.happened(since, "start", healthy) == [
        ("the-db", "start"),
        ("the-db", healthy),
        ("app", "start"),
    ]
    story.nothing_to_do()


def test_service_whose_dependency_does_not_get_healthy_is_held_back(story: Story) -> None:
    check = {"command": "exit 1", "interval": "1s", "retries": 1}
    story.define("the-db", APP, healthCheck=check)
    define_after(story, "app", "the-db", "HEALTHY")

    ran = story.run(code=1)

    assert story.states().get("app") in {None, "created"}
    assert story.states()["the-db"] == "running"
    assert "the-db" in lines_about(ran.stderr, "app")


def test_service_that_waits_for_the_end_of_a_job_starts_whatever_its_exit_code(story: Story) -> None:
    define_job(story, f"{TAKES_A_SECOND}; exit 3")
    define_after(story, "app", "migrate", "COMPLETE")

    ran = story.run(code=1)

    assert story.states() == {"migrate": "exited", "app": "running"}
    assert ended(story, "migrate") < started(story, "app")
    assert "exit code 3" in lines_about(ran.stderr, "migrate")
    assert not lines_about(ran.stderr, "app")


def test_dependents_of_one_that_cannot_start_are_named_with_the_cause(story: Story) -> None:
    story.define("base", APP, command=["/no/such/program"])
    define_after(story, "second", "base")
    define_after(story, "third", "second")

    ran = story.run(code=1)

    assert "/no/such/program" in lines_about(ran.stderr, "base")
    assert "waits for base" in lines_about(ran.stderr, "second")
    assert "waits for second" in lines_about(ran.stderr, "third")
    assert "running" not in story.states().values()


def test_containers_that_do_not_depend_on_each_other_are_started_side_by_side(
    story: Story, proxy: EngineProxy
) -> None:
    meeting = threading.Barrier(2, timeout=30)
    met: list[str] = []

    def meet(call: Call) -> None:
        if re.fullmatch(r"POST /containers/[0-9a-f]+/start", str(call)):
            meeting.wait()
            met.append(str(call))

    proxy.before = meet
    story.define("one", APP)
    story.define("two", APP)

    story.run(env={"DOCKER_HOST": proxy.url})

    assert len(met) == 2
    assert story.states() == {"one": "running", "two": "running"}


def test_containers_that_are_not_listed_any_more_stop_before_those_they_depend_on(story: Story) -> None:
    names = ("b-first", "c-second", "a-third")
    story.define(names[0], APP)
    define_after(story, names[1], names[0])
    define_after(story, names[2], names[1])
    story.run()
    since = time.time()
    for name in names:
        story.undefine(name)

    story.run()

    assert story.states() == {}
    assert story.engine.happened(since, "die") == [(name, "die") for name in reversed(names)]


def test_circle_of_dependencies_is_an_error_that_names_the_way_round(story: Story) -> None:
    story.define("other", APP)
    define_after(story, "one", "two")
    define_after(story, "two", "one", "HEALTHY")

    ran = story.run(code=2)

    assert "one -> two -> one" in ran.stderr or "two -> one -> two" in ran.stderr
    assert "dependsOn" in ran.stderr
    assert story.states() == {"other": "running"}
