"""Seeing: what `plan`, `status`, `validate` and a run say, to people and to machines."""

from __future__ import annotations

import json
import re
import socket

import pytest

from tests.engine.stories import PORT, Story, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import health_check, make_image, make_job_image, make_web_image
from tests.testbed.proxy import EngineProxy
from tests.testbed.waiting import wait_until

HEADING = ["NAME", "STATE", "HEALTH", "IMAGE", "DIGEST", "SINCE", "RESTARTS", "PORTS", "SOURCE"]
HEADING += ["LAST CHANGE (UTC)"]
FIVE_MISTAKES = """\
containers:
  - name: web
    imagee: web:1
  - name: a
    image: web:1
    portMappings:
      - containerPort: 8080
        hostPort: 99999
    restart: sometimes
    memory: 1x
"""
WHERE = (
    ":3: containers[0].imagee",
    ":4: containers[1].name",
    ":8: containers[1].portMappings[0].hostPort",
    ":9: containers[1].restart",
    ":10: containers[1].memory",
)


def test_plan_shows_which_fields_differ_and_changes_nothing(story: Story, proxy: EngineProxy) -> None:
    image, secret = story.load("app:1"), "not-for-your-eyes"
    story.define("app", image, env={"COLOUR": "blue", "GONE": "1"}, cpu=256)
    story.define("same", image)
    story.define("orphan", image)
    story.run()
    before = story.ids()
    story.define("app", image, env={"COLOUR": secret, "NEW": secret}, cpu=512, command=["sleep", "7"])
    story.define("new", image)
    story.undefine("orphan")

    ran = story.run("plan", env={"DOCKER_HOST": proxy.url})

    assert secret not in ran.stdout + ran.stderr
    for said in (
        'command (none) -> ["sleep","7"]',
        "cpu 256 -> 512",
        "env.COLOUR (hidden) -> (hidden)",
        "env.GONE (hidden) -> (none)",
        "env.NEW (none) -> (hidden)",
        "new: not there",
        "orphan: no longer listed",
        "same: as listed",
        "3 to change.",
    ):
        assert said in ran.stdout
    assert story.ids() == before
    assert {call.method for call in proxy.calls} == {"GET"}


def test_plan_tells_scripts_whether_there_is_something_to_do(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image)
    assert story.run("plan").returncode == 0
    story.run("plan", "--detailed-exitcode", code=2)
    story.run()
    assert "Nothing to do." in story.run("plan", "--detailed-exitcode").stdout

    story.define("bad", image, nonsense=1)

    story.run("plan", "--detailed-exitcode", code=1)
    story.run("plan", code=2)


def test_plan_of_a_host_whose_engine_is_away_is_an_error(story: Story) -> None:
    story.define("app", "app:1")
    nowhere = {"DOCKER_HOST": "unix:///run/no-such.sock"}

    assert "systemctl status docker" in story.run("plan", code=1, env=nowhere).stderr
    story.run("plan", "--detailed-exitcode", code=1, env=nowhere)


def test_status_is_a_table_and_says_what_is_not_well(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    sick = story.load("sick:1", make_image("sick", health=health_check("false")))
    story.define("web", web.reference, portMappings=published())
    story.define("sick", sick)
    story.define("gone", sick)
    story.define("job", story.load("job:1", make_job_image("1", exit_code=4)), restart="never")
    story.dockerup.run()
    story.wait_for_state("job", "exited")
    story.client.remove_container("gone", force=True)
    story.wait_for_log("job", "1")

    wait_until(lambda: story.inspect("sick")["State"]["Health"]["Status"] == "unhealthy", "sick is ill")

    ran = story.run("status", code=1)

    lines = ran.stdout.splitlines()
    rows = {line.split()[0]: line.split() for line in lines[1:5]}
    assert re.split("  +", lines[0]) == HEADING
    assert rows["web"][1:5] == ["running", "-", web.reference, web.digest[7:19]]
    assert f"{PORT}->8080/tcp" in rows["web"]
    assert rows["web"][-4] == "confdir"
    assert rows["web"][-1] == "created"
    assert rows["sick"][1:3] == ["running", "unhealthy"]
    assert [rows["gone"][1], rows["job"][1]] == ["pending", "failed"]
    assert lines[5:] == [
        "gone: not there",
        "job: failed: exit code 4",
        "sick: runs, but not well: its health check fails",
    ]
    assert len({line.index("confdir") for line in lines[1:5]}) == 1


def test_status_waits_until_all_is_well(story: Story) -> None:
    gets_ready = ("sh", "-c", "sleep 1; touch /ready; sleep 99999")
    check = health_check("test -e /ready", retries=1000)  # it is not ill before it is ready
    slow = make_image("slow", health=check, command=gets_ready)
    story.define("app", story.load("app:1", slow))
    story.run()

    ran = story.run("status", "--wait", "--timeout", "60")

    assert ran.stdout.splitlines()[1].split()[1:3] == ["running", "healthy"]


@pytest.mark.parametrize("command", ["apply", "plan", "status"])
def test_json_is_one_document_with_the_same_facts(story: Story, command: str) -> None:
    image = story.load("app:1")
    story.define("app", image)
    story.define("held", image, links={"absent": "alias"})

    code = 0 if command == "plan" else 1
    ran = story.run(command, "--json", code=code)

    document = json.loads(ran.stdout)
    rows = {row["name"]: row for row in document["containers"]}
    assert rows["app"]["state"] == ("running" if command == "apply" else "pending")
    assert rows["held"]["state"] == "waiting"
    assert rows["held"]["says"] == "held back: it depends on absent, which is not listed"
    assert document["exitCode"] == code
    changes = [(one["subject"], one["action"], one["cause"]) for one in document["changes"]]
    assert changes == ([("app", "created", "not there")] if command == "apply" else [])
    steps = [one["step"] for one in document["plan"]]
    to_do = ["keep app"] if command == "apply" else ["create app", "start new app"]
    assert steps == [*to_do, "hold held"]


def test_json_of_a_mistake_says_where_it_is(story: Story) -> None:
    story.dockerup.define("bad.yaml", "name: bad\nimage: bad:1\nrestart: sometimes\n")

    document = json.loads(story.run("--json", code=2).stdout)

    assert document["exitCode"] == 2
    assert document["whole"] is False
    [problem] = document["problems"]
    assert problem["source"] == str(story.dockerup.confdir / "bad.yaml")
    assert (problem["line"], problem["path"]) == (3, ["restart"])


def test_json_is_a_document_when_nothing_can_be_done_at_all(story: Story) -> None:
    story.define("app", "app:1")

    ran = story.run("--json", code=1, env={"DOCKER_HOST": "unix:///run/no-such.sock"})

    document = json.loads(ran.stdout)
    assert document["exitCode"] == 1
    assert "no such socket" in document["error"]


def test_validate_prints_every_mistake_with_its_place_and_the_nearest_name(story: Story) -> None:
    path = story.dockerup.define("bad.yaml", FIVE_MISTAKES)

    of_file = story.run("validate", str(path), code=2)
    of_host = story.run("validate", code=2)

    lines = of_file.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{path}:{where.split(':')[1]}" for where in WHERE]
    assert all(line.startswith(f"{path}{where}: ") for line, where in zip(lines, WHERE))
    assert 'Did you mean "image"?' in of_file.stderr
    assert of_host.stderr == of_file.stderr
    assert of_file.stdout == ""


def test_validate_says_that_all_is_well(story: Story) -> None:
    story.define("app", "app:1")

    assert story.run("validate").stdout == "No faults found.\n"


def test_engine_that_is_away_is_said_once_and_not_each_minute(story: Story) -> None:
    story.define("app", story.load("app:1"))
    story.engine.stop()

    first, second = story.run(code=1), story.run(code=1)

    assert "systemctl status docker" in first.stderr
    assert (second.stdout, second.stderr) == ("", "")
    story.engine.start()
    story.run()
    assert story.states() == {"app": "running"}


def test_what_is_wrong_is_said_when_it_changes_and_not_each_minute(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image, links={"absent": "alias"})

    first, second = story.run(code=1), story.run(code=1)
    story.define("app", image, links={"another": "alias"})
    third = story.run(code=1)

    assert "absent" in first.stderr
    assert (second.stdout, second.stderr) == ("", "")
    assert "another" in third.stderr


def test_person_who_asks_for_another_try_is_told_what_came_of_it(story: Story) -> None:
    story.define("app", story.load("app:1"), links={"absent": "alias"})
    first = story.run(code=1)
    assert story.run(code=1).stderr == ""

    asked = story.run("apply", "--retry", "app", code=1)

    assert asked.stderr == first.stderr
    assert "absent" in asked.stderr
    assert story.run(code=1).stderr == ""


def test_name_to_try_again_that_nobody_lists_is_a_mistake_and_changes_nothing(story: Story) -> None:
    story.define("web", story.load("app:1"))

    ran = story.run("apply", "--retry", "wbe", code=2)

    assert ran.stderr == '--retry: no container of the name "wbe" is listed. Did you mean "web"?\n'
    assert story.states() == {}


def test_host_port_of_another_program_is_named_and_holds_up_no_other_entry(story: Story) -> None:
    web = story.load("web:1", make_web_image("one"))
    story.define("blocked", web, portMappings=published(PORT))
    story.define("free", web, portMappings=published(PORT + 1))
    with socket.create_server(("0.0.0.0", PORT)):
        ran = story.run(code=1)

        assert "free: created" in ran.stdout
        assert "blocked: not started" in ran.stderr
        assert str(PORT) in ran.stderr
        wait_for_answer("one", PORT + 1)
        assert story.states()["free"] == "running"

    story.run()
    assert story.states() == {"blocked": "running", "free": "running"}
    wait_for_answer("one", PORT)
    story.nothing_to_do()


def test_new_host_port_of_another_program_leaves_what_ran_running(story: Story) -> None:
    web = story.load("web:1", make_web_image("one"))
    story.define("web", web, portMappings=published(PORT + 1))
    story.run()
    before = story.ids()
    story.define("web", web, portMappings=published(PORT))
    with socket.create_server(("0.0.0.0", PORT)):
        ran = story.run(code=1)

    assert "what ran before runs again" in ran.stderr
    assert story.serving() == before
    wait_for_answer("one", PORT + 1)


def test_output_has_no_colours_where_there_is_no_terminal(story: Story) -> None:
    story.define("app", story.load("app:1"))

    said = [story.run("plan"), story.run("-v"), story.run("status"), story.run("--help")]

    assert not any("\x1b" in ran.stdout + ran.stderr for ran in said)


def test_quiet_says_nothing_of_changes(story: Story) -> None:
    story.define("app", story.load("app:1"))

    ran = story.run("-q")

    assert (ran.stdout, ran.stderr) == ("", "")
    assert story.states() == {"app": "running"}
