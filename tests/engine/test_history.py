"""The history of real runs: what was changed, why, from which image to which, and how long it was down."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.engine.stories import Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_web_image
from tests.testbed.proxy import Call, EngineProxy, kill_client

KILLED = -9
CANNOT_START = ("/no/such/program",)


def history(story: Story, *arguments: str) -> list[dict[str, Any]]:
    """Return the history as `--json` gives it, one object a line."""
    return [json.loads(line) for line in story.run("history", "--json", *arguments).stdout.splitlines()]


def run_and_time(story: Story, code: int = 0) -> float:
    """Run `dockerup` and return how many seconds that took."""
    begin = time.monotonic()
    story.run(code=code)
    return time.monotonic() - begin


def test_update_is_told_with_digests_reason_and_gap(story: Story) -> None:
    one = story.push("web", "one", make_web_image)
    story.define("web", one.reference, portMappings=published())
    begin = time.time()
    story.run()
    wait_for_answer("one")
    two = story.push("web", "two", make_web_image)

    took = run_and_time(story)

    first, second = history(story)
    assert (first["action"], first["before"], first["after"]) == ("created", None, one.digest)
    assert (first["reason"], first["down"]) == ("not there", None)
    assert (second["action"], second["before"], second["after"]) == ("replaced", one.digest, two.digest)
    assert second["reason"].startswith("newer image: digest")
    assert (second["outcome"], second["error"]) == ("done", None)
    assert 0 < second["down"] < took
    assert begin < first["time"] < second["time"] < time.time()
    assert first["run"] != second["run"]


@pytest.mark.parametrize(("make", "outcome"), [("good", "done"), ("bad", "rolled back")])
def test_update_that_was_killed_is_told_with_both_digests_by_the_run_that_ends_it(
    story: Story, proxy: EngineProxy, make: str, outcome: str
) -> None:
    one = story.push("web", "one")
    story.define("web", one.reference)
    story.run()
    two = story.push("web", "two") if make == "good" else story.push("web", "two", command=CANNOT_START)

    def kill(call: Call) -> None:
        # Once the new one is proven; before it gets the name of what failed.
        if call.method == "DELETE" or "dockerup-failed" in call.query:
            kill_client(call)

    proxy.before = kill
    assert story.dockerup.run(env={"DOCKER_HOST": proxy.url}).returncode == KILLED
    story.dockerup.run()

    entry = history(story)[-1]
    assert (entry["before"], entry["after"], entry["outcome"]) == (one.digest, two.digest, outcome)


def test_image_that_cannot_start_is_told_as_rolled_back(story: Story) -> None:
    one = story.push("web", "one")
    story.define("web", one.reference)
    story.run()
    bad = story.push("web", "bad", command=CANNOT_START)

    took = run_and_time(story, code=1)

    entry = history(story)[-1]
    assert entry["outcome"] == "rolled back"
    assert (entry["before"], entry["after"]) == (one.digest, bad.digest)
    assert CANNOT_START[0] in entry["error"]
    assert 0 < entry["down"] < took


def test_group_that_goes_back_tells_of_each_member(story: Story) -> None:
    good = story.push("web", "one")
    story.define("web", good.reference)
    story.define("joined", story.load("app:1"), network="container:web")
    story.run()
    story.push("web", "bad", command=CANNOT_START)

    story.run(code=1)

    last = {entry["container"]: entry for entry in history(story)[-2:]}
    assert {name: entry["outcome"] for name, entry in last.items()} == {
        "web": "rolled back",
        "joined": "rolled back",
    }
    # What is bound to another stops before it, and starts after it.
    assert last["joined"]["down"] > last["web"]["down"] > 0


def test_table_names_one_container_and_the_time_zone(story: Story) -> None:
    image = story.load("app:1")
    story.define("web", image)
    story.define("other", image)
    story.run()
    story.undefine("other")
    story.run()

    everything = story.run("history").stdout.splitlines()
    of_one = story.run("history", "other", "--since", "1h").stdout.splitlines()

    assert everything[0].startswith("TIME (UTC) ")
    assert sorted(line.split()[2] for line in everything[1:3]) == ["other", "web"]
    assert [line.split()[2:4] for line in everything[3:]] == [["other", "removed"]]
    assert [line.split()[3] for line in of_one[1:]] == ["created", "removed"]
    assert story.run("history", "--since", "2999-01-01").stdout.startswith("No changes since 2999-01-01")


def test_run_that_changes_nothing_leaves_the_history_alone(story: Story) -> None:
    story.define("app", story.load("app:1"))
    story.run()
    before = (story.dockerup.cache / "history.jsonl").stat()

    story.nothing_to_do()

    after = (story.dockerup.cache / "history.jsonl").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_failure_of_each_minute_is_told_once(story: Story) -> None:
    story.define("app", f"{story.push('app', '1').reference.rpartition('/')[0]}/no-such:1")

    for _ in range(3):
        story.run(code=1)

    (entry,) = history(story)
    assert (entry["container"], entry["outcome"], entry["down"]) == ("app", "failed", None)


def test_values_of_env_are_not_in_the_history(story: Story) -> None:
    image, secrets = story.load("app:1"), ("not-for-your-eyes", "nor-for-theirs")
    for secret in secrets:
        story.define("app", image, env={"PASSWORD": secret})
        story.run()

    raw = (story.dockerup.cache / "history.jsonl").read_text()
    assert "env.PASSWORD (hidden) -> (hidden)" in raw
    assert not any(secret in raw for secret in secrets)


@pytest.mark.parametrize("when", ["5 days", "7", "soon"])
def test_since_that_is_no_time_says_what_to_write(story: Story, when: str) -> None:
    ran = story.run("history", "--since", when, code=2)
    assert ran.stdout == ""
    assert f'--since: "{when}" is neither' in ran.stderr
    assert "90m, 12h, 7d or 2w, or a date (UTC), such as 2026-05-31" in ran.stderr


def test_host_without_history_says_so(story: Story) -> None:
    assert story.run("history").stdout == f"No changes are in the history in {story.dockerup.cache}.\n"
    assert story.run("history", "--json").stdout == ""
