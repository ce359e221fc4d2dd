"""What replaces a container and fails: what ran before runs again, within the run.

What failed stays, stopped, under a name of its own, and is not tried again until there is reason to. Until
then each run finds all well.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

import pytest

from tests.engine.stories import PORT, Story, answer, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import Image, health_check, make_image, make_web_image
from tests.testbed.proxy import Call, EngineProxy, Hook, kill_client

CANNOT_START = ("/no/such/program",)
EXITS = ("sh", "-c", "echo fatal: no database; exit 3")
# On a slow machine the engine has started it again, or twice, before anybody has looked.
SAYS_EXIT = ("exit code 3|it was restarted", "fatal: no database")
KILLED = -9
FAILED = "web.dockerup-failed"
FIRST_DELAY = 300  # seconds
HEALTH_TIMEOUT = 20  # seconds, for which no test here waits


def started_at(story: Story, name: str) -> str:
    return str(story.inspect(name)["State"]["StartedAt"])


def define_web(story: Story, **keys: Any) -> str:
    """List a web server with a volume of its own; returns its image's reference."""
    reference = story.registry.reference("web")
    volumes = [{"containerPath": "/data"}]
    entry = {"portMappings": published(), "volumes": volumes, "restart": "unless-stopped", **keys}
    story.define("web", reference, **entry)
    return reference


@dataclass(frozen=True)
class Before:
    """What there was before anything failed."""

    ids: dict[str, str]
    volumes: set[str]
    image_id: str


def good_web(story: Story, make: Callable[..., Image] = make_web_image, **keys: Any) -> Before:
    """Let a web server run that has data in a volume."""
    story.dockerup.configure(health_timeout=HEALTH_TIMEOUT)
    pushed = story.push("web", "good", make)
    define_web(story, **keys)
    story.run()
    story.do("web", "sh", "-c", "echo precious > /data/row")
    return Before(story.ids(), story.volumes(), pushed.id)


def push_bad(story: Story, **more: Any) -> None:
    story.registry.push(make_image("bad", **{"command": EXITS, "ports": ("8080/tcp",), **more}), "web")


def push_ill(story: Story, **check: Any) -> None:
    story.push("web", "bad", make_web_image, health=health_check("echo too ill; exit 1", **check))


def push_better(story: Story) -> None:
    story.push("web", "better", make_web_image)


def list_better(story: Story) -> None:
    define_web(story, env={"BETTER": "yes"})


@dataclass(frozen=True)
class Fault:
    """What breaks the web server, what is said of it, and what mends it: then the port answers `mended`."""

    breaks: Callable[[Story], object]
    said: tuple[str, ...]
    mends: Callable[[Story], object] = push_better
    mended: str = "better"


def ends_later(story: Story) -> None:
    define_web(story, update={"proveSeconds": 5})
    push_bad(story, command=("sh", "-c", "sleep 3; echo fatal: no database; exit 3"))


def has_a_bad_check(story: Story) -> None:
    check = {
        "command": ["CMD-SHELL", "echo too ill; exit 1"],
        "interval": "1s",
        "timeout": "10s",
        "retries": 1,
    }
    define_web(story, healthCheck=check)


def is_bad_and_here_when_the_old_one_is_killed(story: Story) -> None:
    push_bad(story)
    story.client.pull(story.registry.reference("web"))
    story.client.kill("web")
    story.wait_for_state("web", "exited")


FAULTS = {
    "image that exits at once": Fault(push_bad, SAYS_EXIT),
    "image that exits after 3 s": Fault(ends_later, SAYS_EXIT),
    "image that is ill": Fault(push_ill, ("its health check fails", "too ill")),
    "entry with a bad check": Fault(
        has_a_bad_check, ("its health check fails", "too ill"), list_better, "good"
    ),
    "image with a wrong entrypoint": Fault(
        lambda story: push_bad(story, command=CANNOT_START), ("/no/such/program", "no such file or directory")
    ),
    "image of another architecture": Fault(
        lambda story: push_bad(story, command=("/app",), files={"/app": "for another machine\n"}),
        ("exec format error",),
    ),
    "image that came before the old one was killed": Fault(
        is_bad_and_here_when_the_old_one_is_killed, SAYS_EXIT
    ),
    "entry that makes it exit": Fault(
        lambda story: define_web(story, command=list(EXITS)), SAYS_EXIT, list_better, "good"
    ),
}


def assert_serves_again(story: Story, before: Before) -> None:
    """Look that all is as before but for the failed container, which is out of use."""
    assert {name: story.ids().get(name) for name in before.ids} == before.ids
    assert story.states() == {"web": "running", FAILED: story.states()[FAILED]}
    assert story.states()[FAILED] in {"exited", "created"}
    assert (story.policy("web"), story.policy(FAILED)) == ("unless-stopped", "no")
    wait_for_answer("good")
    assert story.do("web", "cat", "/data/row") == "precious\n"
    assert before.volumes <= story.volumes()
    tagged = story.client.inspect_image(story.registry.reference("web"))["Id"]
    assert tagged == before.image_id


def assert_rests(story: Story, *names: str) -> None:
    """Look that the next run says nothing and touches nothing."""
    started = {name: started_at(story, name) for name in names}
    story.nothing_to_do()
    assert {name: started_at(story, name) for name in names} == started


def assert_status_tells_the_next_try(story: Story, failed: str, health_timeout: int) -> None:
    name = failed.partition(".")[0]
    table = story.run("status").stdout
    assert re.search(rf"^{name} +rolledBack ", table, re.MULTILINE), table
    assert_tells_the_next_try(story, table, failed, health_timeout)


def assert_tells_the_next_try(story: Story, text: str, failed: str, health_timeout: int) -> None:
    name = failed.partition(".")[0]
    found = re.search(rf"^ *{name}: .*?tried again after ([0-9-]+ [0-9:]+ UTC)", text, re.MULTILINE)
    assert found, text
    created = datetime.strptime(story.inspect(failed)["Created"][:19], "%Y-%m-%dT%H:%M:%S")
    due = created.replace(tzinfo=timezone.utc) + timedelta(seconds=FIRST_DELAY + health_timeout)
    assert found[1] == f"{due:%Y-%m-%d %H:%M} UTC"


def assert_mended(story: Story, version: str) -> None:
    """Look that a run converges, and that nothing is left of what failed."""
    story.run()
    assert story.states() == {"web": "running"}
    wait_for_answer(version)
    assert story.do("web", "cat", "/data/row") == "precious\n"
    story.nothing_to_do()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_ran_serves_again_when_its_successor_fails_until_a_good_one_comes(
    story: Story, fault: Fault
) -> None:
    before = good_web(story)
    fault.breaks(story)
    ran = story.run(code=1)

    assert "web: not replaced" in ran.stderr
    assert "what ran before runs again" in ran.stderr
    assert all(re.search(pattern, ran.stderr) for pattern in fault.said), ran.stderr
    assert_serves_again(story, before)
    assert_rests(story, "web", FAILED)
    if fault.mends is list_better:
        assert_status_tells_the_next_try(story, FAILED, HEALTH_TIMEOUT)
    else:
        assert_tells_the_next_try(story, story.run("plan").stdout, FAILED, HEALTH_TIMEOUT)

    fault.mends(story)
    assert_mended(story, fault.mended)


def test_local_tag_stays_moved_when_another_container_of_the_image_was_replaced(story: Story) -> None:
    good = story.push("web", "1")
    story.define("one", good.reference)
    story.define("two", good.reference, entrypoint=["sh", "-c", "test $(cat /version) = 1 && sleep 1000000"])
    story.run()

    newer = story.push("web", "2")
    story.define("two", good.reference, entrypoint=list(CANNOT_START))
    ran = story.run(code=1)

    assert "one: replaced" in ran.stdout
    assert "two: not replaced" in ran.stderr
    assert story.inspect("one")["Image"] == newer.id
    assert story.inspect("two")["Image"] == good.id
    assert story.client.inspect_image(good.reference)["Id"] == newer.id


def deaf(version: str, **more: Any) -> Image:
    return make_web_image(version, stop_signal="SIGTERM", **more)  # no handler: process 1 does not get it


def patience(story: Story, container_id: str, since: float) -> float:
    """Return the seconds that the engine gave a container between the signal to end and the kill."""
    asked = {"container": [container_id], "event": ["kill"]}
    told = story.client.events(since=int(since), until=int(time.time()) + 1, filters=asked, decode=True)
    moments = {event["Actor"]["Attributes"]["signal"]: event["timeNano"] / 1e9 for event in told}
    return float(moments["9"] - moments["15"])


def test_old_one_that_does_not_hear_is_replaced_within_its_stop_timeout(story: Story) -> None:
    since = time.time()
    before = good_web(story, deaf, update={"stopTimeout": "1s"})
    push_better(story)

    story.run()

    assert patience(story, before.ids["web"], since) < 5  # the engine's own is 10 s
    wait_for_answer("better")
    assert story.states() == {"web": "running"}


def test_new_one_that_is_ill_and_does_not_hear_makes_way_within_its_stop_timeout(story: Story) -> None:
    since = time.time()
    before = good_web(story, stopTimeout="1s")
    story.push("web", "bad", deaf, health=health_check("exit 1"))

    story.run(code=1)

    assert patience(story, story.ids()[FAILED], since) < 5  # the engine's own is 10 s
    assert_serves_again(story, before)
    push_better(story)
    assert_mended(story, "better")


@pytest.mark.parametrize("bad", ["web", "side"])
def test_group_goes_back_together(story: Story, bad: str) -> None:
    def list_side(**keys: Any) -> None:
        story.define("side", side, network="container:web", **keys)

    side = story.load("side:1", make_image("side"))
    list_side()
    before = good_web(story)
    if bad == "web":
        push_bad(story)
    else:
        push_better(story)
        list_side(command=list(EXITS))
    ran = story.run(code=1)

    assert f"{bad}: " in ran.stderr
    assert ran.stderr.count("what ran before runs again") == 2
    assert {name: story.ids()[name] for name in before.ids} == before.ids
    running = {name for name, state in story.states().items() if state == "running"}
    assert running == {"web", "side"}
    story.wait_for_page("side", "http://127.0.0.1:8080/", "good")
    assert (story.policy("web"), story.policy("side")) == ("unless-stopped", "always")
    assert {*story.ids()} - running <= {FAILED, "side.dockerup-failed"}
    assert_rests(story, *story.ids())

    story.push("web", "best", make_web_image)
    list_side()
    story.run()
    assert story.states() == {"web": "running", "side": "running"}
    story.wait_for_page("side", "http://127.0.0.1:8080/", "best")
    story.nothing_to_do()


@contextmanager
def port_taken() -> Iterator[None]:
    """Hold the web server's host port, as a program that is no container does."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("0.0.0.0", PORT))
        taken.listen()
        yield


def test_way_back_of_a_group_whose_port_is_taken_is_told_once_and_comes_when_it_is_free(story: Story) -> None:
    before = good_web(story)
    story.define("side", story.load("app:1"), network="container:web")
    story.define("backup", "app:1", volumes=[{"from": "web"}])
    story.run()
    backup = story.ids()["backup"]
    push_better(story)
    story.client.stop("web", timeout=0)
    with port_taken():
        assert "address already in use" in story.run(code=1).stderr
        assert (story.ids()["backup"], story.states()["backup"]) == (backup, "running")
        began = started_at(story, "backup")
        assert "side: not started" in story.run(code=1).stderr
        ran = story.run(code=1)
        assert ran.stdout + ran.stderr == ""
        assert started_at(story, "backup") == began

    story.run(code=1)
    assert story.ids()["web"] == before.ids["web"]
    assert {name for name, state in story.states().items() if state == "running"} == {"web", "side", "backup"}
    wait_for_answer("good")
    assert_rests(story, "web", "side", "backup", FAILED)


def test_what_is_bound_to_the_one_that_failed_runs_on_until_the_way_back_can_start(
    story: Story, proxy: EngineProxy
) -> None:
    before = good_web(story)
    story.define("side", story.push("side", "1").reference, volumes=[{"from": "web"}])
    push_ill(story)
    proxy.after = killing_at("/rename", "dockerup-failed")
    assert story.dockerup.run(env={"DOCKER_HOST": proxy.url}).returncode == KILLED
    story.client.stop(FAILED, timeout=0)
    side = story.ids()["side"], started_at(story, "side")
    with port_taken():
        ran = story.run(code=1)
        assert "address already in use" in ran.stderr
        assert ran.stderr.count("side: not replaced") == 1
        assert "side: not replaced" not in story.run(code=1).stderr
        ran = story.run(code=1)
        assert ran.stdout + ran.stderr == ""
        assert (story.ids()["side"], started_at(story, "side")) == side

    story.run(code=1)
    assert story.ids()["web"] == before.ids["web"]
    assert story.ids()["side"] != side[0]
    assert story.do("side", "cat", "/data/row") == "precious\n"
    assert_rests(story, "web", "side", FAILED)


def test_what_fails_as_it_is_made_anew_for_its_bonds_is_not_tried_each_minute(story: Story) -> None:
    good_web(story)
    command = ["sh", "-c", "test -e /data/row && exec sleep 1000"]
    volumes = [{"from": "web"}]
    story.define(
        "side", story.load("app:1"), volumes=volumes, entrypoint=command, update={"stopTimeout": "1s"}
    )
    story.run()
    before = story.ids()["side"]
    story.client.remove_container("web", force=True)  # the new one has a new volume, without the row

    ran = story.run(code=1)

    assert "side: not replaced" in ran.stderr
    assert (story.ids()["side"], story.states()["side"]) == (before, "running")
    assert_rests(story, "web", "side", "side.dockerup-failed")
    assert_status_tells_the_next_try(story, "side.dockerup-failed", HEALTH_TIMEOUT)


def test_orphan_serves_on_when_the_one_that_takes_its_port_fails(story: Story) -> None:
    good_web(story)
    before = story.ids()
    story.undefine("web")
    bad = story.push("site", "bad", command=EXITS)
    story.define("site", bad.reference, portMappings=published())
    ran = story.run(code=1)

    assert "site: not created" in ran.stderr or "site: not replaced" in ran.stderr
    assert "fatal: no database" in ran.stderr
    assert {*story.ids()} == {"web", "site.dockerup-failed"}
    assert story.ids()["web"] == before["web"]
    assert story.policy("web") == "unless-stopped"
    wait_for_answer("good")
    for _ in range(2):
        assert_rests(story, "web")
    assert_status_tells_the_next_try(story, "site.dockerup-failed", HEALTH_TIMEOUT)

    story.push("site", "better", make_web_image)
    story.run()
    assert story.states() == {"site": "running"}
    wait_for_answer("better")


def test_eager_update_that_fails_has_never_stopped_the_old_one(story: Story) -> None:
    good = story.push("web", "1")
    story.define("web", good.reference, update={"eager": True})
    story.run()
    before = story.ids()["web"], started_at(story, "web")
    story.push("web", "2", command=EXITS)
    ran = story.run(code=1)

    assert "fatal: no database" in ran.stderr
    assert (story.ids()["web"], started_at(story, "web")) == before
    assert {*story.ids()} == {"web", FAILED}
    assert (story.policy("web"), story.policy(FAILED)) == ("always", "no")
    assert_rests(story, "web", FAILED)


def test_without_rollback_the_new_one_stays_and_the_old_one_goes(story: Story) -> None:
    before = good_web(story)
    define_web(story, update={"rollback": False})
    push_bad(story)
    story.dockerup.run()  # whether it is seen to fail already is the engine's to tell

    assert {*story.ids()} == {"web"}
    assert story.ids()["web"] != before.ids["web"]
    story.wait_for_state("web", "restarting")
    assert answer() == ""

    push_better(story)
    assert_mended(story, "better")


def test_secret_that_a_failing_container_prints_is_told_to_nobody(story: Story) -> None:
    good_web(story)
    secret = "hunter2-correct-horse"
    command = ["sh", "-c", 'echo "no database for $TOKEN"; exit 3']
    define_web(story, env={"TOKEN": secret}, command=command)
    ran = story.run("-v", "apply", code=1)

    assert "no database for " in ran.stderr
    assert secret not in ran.stdout + ran.stderr + story.run("status").stdout

    log = {"logDriver": "fluentd", "options": {"fluentd-address": f"{secret}:1:2"}}
    define_web(story, logConfiguration=log)
    ran = story.run(code=1)

    assert "invalid fluentd-address" in ran.stderr
    assert secret not in ran.stdout + ran.stderr + story.run("history", "--json").stdout

    options = {"type": "tmpfs", "device": "tmpfs", "o": f"size=1m,password={secret}"}
    share = {
        "volume": "share",
        "containerPath": "/s",
        "volumeOptions": {"driverOpts": options},
    }
    define_web(story, volumes=[{"containerPath": "/data"}, share])
    ran = story.run(code=1)

    assert "failed to mount local volume" in ran.stderr
    said = [ran.stdout, ran.stderr, *(story.run(one).stdout for one in ("plan", "status", "history"))]
    assert secret not in "".join([*said, str(story.labels(FAILED))])


def test_what_failed_is_tried_again_when_a_person_asks_and_is_forgotten_when_it_works(story: Story) -> None:
    before = good_web(story)
    picky = "test -e /data/schema || { echo no schema; exit 3; }; exec httpd -f -p 8080 -h /www"
    story.push("web", "picky", command=("sh", "-c", picky), files={"/www/index.html": "picky\n"})
    story.run(code=1)
    first = story.ids()[FAILED]
    story.nothing_to_do()

    ran = story.run("apply", "--retry", "web", code=1)
    assert "no schema" in ran.stderr
    assert_serves_again(story, before)
    assert story.ids()[FAILED] != first

    story.do("web", "touch", "/data/schema")
    story.nothing_to_do()
    story.run("apply", "--retry", "web")
    assert story.states() == {"web": "running"}
    wait_for_answer("picky")
    story.nothing_to_do()


def killing_at(path: str, query: str) -> Hook:
    """Return a hook that kills the client at the first call whose path and query have these in them."""
    done: list[Call] = []

    def hook(call: Call) -> None:
        if not done and path in call.path and query in call.query:
            done.append(call)
            kill_client(call)

    return hook


def test_all_that_fail_one_after_another_serve_again_by_the_end_of_the_run(story: Story) -> None:
    names = [f"web-{number}" for number in range(1, 6)]
    for name in names:
        story.define(name, story.push(name).reference, update={"proveSeconds": 7})
    story.run()
    before = story.ids()
    for seconds, name in enumerate(names, 1):
        story.push(name, "2", command=("sh", "-c", f"sleep {seconds}; exit 3"))

    ran = story.run(code=1)

    assert ran.stderr.count("what ran before runs again") == len(names)
    assert {name: story.ids()[name] for name in names} == before
    assert {story.states()[name] for name in names} == {"running"}
    story.nothing_to_do()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_way_back_that_is_killed_as_it_begins_is_gone_by_the_next_run(
    story: Story, proxy: EngineProxy, moment: str
) -> None:
    before = good_web(story)
    push_bad(story)
    setattr(proxy, moment, killing_at("/rename", "dockerup-failed"))
    ran = story.dockerup.run(env={"DOCKER_HOST": proxy.url})
    assert ran.returncode == KILLED

    ran = story.run(code=1)
    assert "web: rolled back" in ran.stderr
    assert_serves_again(story, before)
    assert_rests(story, "web", FAILED)


@pytest.mark.parametrize("command", [CANNOT_START, EXITS], ids=["cannot start", "exits"])
def test_first_start_that_fails_stays_and_is_said_once(story: Story, command: tuple[str, ...]) -> None:
    pushed = story.push("first", "bad", command=command)
    story.define("first", pushed.reference, restart="never")
    began = story.dockerup.run()
    made = story.ids()
    if command == EXITS:
        story.wait_for_state("first", "exited")
    said = began.stderr or story.run(code=1).stderr
    again = story.run(code=1)

    assert "first: " in said
    assert again.stderr == ""
    assert (story.ids(), {*made}) == (made, {"first"})
