"""The keys of a container's life on the real engine: health check, stopping and logging."""

from __future__ import annotations

import signal

from dockerup.keys import CONTAINER_KEYS
from dockerup.problems import Origin
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import SECOND, health_check, make_image
from tests.testbed.waiting import wait_until


def test_health_check_stop_and_logging_reach_the_engine_and_hold_over_the_image(story: Story) -> None:
    image = story.load("app:1", make_image(health=health_check("false", interval=7, timeout=7, retries=7)))
    log = {"logDriver": "json-file", "options": {"max-size": "1m", "max-file": 3}}
    check = {"command": ["CMD", "true"], "interval": "1m30s", "startPeriod": "10s"}
    story.define("app", image, healthCheck=check, stopTimeout="1m5s", stopSignal="TERM", logConfiguration=log)
    story.define("shell", image, healthCheck={"command": "exit 0"}, stopSignal="15")
    story.define("off", image, healthCheck={"command": "NONE"})
    story.define("plain", image)

    story.run()

    config = {name: story.inspect(name)["Config"] for name in ("app", "shell", "off", "plain")}
    assert config["app"]["Healthcheck"] == {
        "Test": ["CMD", "true"],
        "Interval": 90 * SECOND,
        "Timeout": 30 * SECOND,
        "Retries": 3,
        "StartPeriod": 10 * SECOND,
    }
    assert config["shell"]["Healthcheck"]["Test"] == ["CMD-SHELL", "exit 0"]
    assert config["shell"]["Healthcheck"]["Interval"] == 30 * SECOND
    assert config["off"]["Healthcheck"]["Test"] == ["NONE"]
    assert "Health" not in story.inspect("off")["State"]
    assert config["plain"]["Healthcheck"]["Test"] == ["CMD-SHELL", "false"]
    assert (config["app"]["StopTimeout"], config["app"]["StopSignal"]) == (65, "SIGTERM")
    assert (config["shell"].get("StopTimeout"), config["shell"]["StopSignal"]) == (None, "SIGTERM")
    assert story.inspect("app")["HostConfig"]["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": "1m", "max-file": "3"},
    }
    story.nothing_to_do()


def test_own_health_check_is_what_the_engine_goes_by(story: Story) -> None:
    image = story.load("app:1", make_image(health=health_check("false")))
    story.define("app", image, healthCheck={"command": "test -e /version", "interval": 1})

    story.run()

    wait_until(lambda: story.inspect("app")["State"]["Health"]["Status"] == "healthy", "app is healthy")


def test_the_engine_knows_every_stop_signal_by_the_name_that_it_is_given(story: Story) -> None:
    image, kind = story.load("app:1"), CONTAINER_KEYS["stopSignal"].key.kind
    written = [
        *(one.name for one in signal.Signals),
        "SIGRTMIN+1",
        "SIGRTMIN+15",
        "SIGRTMAX-14",
        "SIGRTMAX-1",
    ]
    given = sorted({kind.read(name, Origin("")) for name in written})
    for number, name in enumerate(given):
        story.client.create_container(image, name=f"one{number}", stop_signal=name)
    assert len(story.states()) == len(given) > 34


def test_log_option_that_holds_a_secret_is_seen_by_the_engine_alone(story: Story) -> None:
    image, old, new = story.load("app:1"), "hunter-two-is-old", "correct-horse-is-new"
    log = {"logDriver": "json-file", "options": {"labels": old}}
    story.define("app", image, logConfiguration=log)
    said = [story.run("-v")]
    label_texts = [str(story.labels("app"))]
    log["options"] = {"labels": new}
    story.define("app", image, logConfiguration=log)
    said += [story.run("plan"), story.run("plan", "--json"), story.run("-v", "--json"), story.run("status")]
    label_texts.append(str(story.labels("app")))

    assert story.inspect("app")["HostConfig"]["LogConfig"]["Config"] == {"labels": new}
    kept = [path.read_text() for path in story.dockerup.cache.rglob("*") if path.is_file()]
    everything = "\n".join([*(ran.stdout + ran.stderr for ran in said), *label_texts, *kept])
    assert "logConfiguration.options.labels (hidden) -> (hidden)" in everything
    assert old not in everything
    assert new not in everything
