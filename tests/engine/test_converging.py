"""Converging: what is listed is what runs, and a run without anything to do is not noticed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.engine.stories import (
    HEARS_HUP,
    PORT,
    Story,
    published,
    wait_for_answer,
)
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image, make_web_image
from tests.testbed.proxy import Call, EngineProxy, kill_client
from tests.testbed.waiting import wait_until

CALLS_OF_A_QUIET_RUN = 4


def test_first_run_starts_what_is_listed_and_the_second_prints_nothing(story: Story) -> None:
    web = story.push("web", "one", make_web_image)
    story.define("web", web.reference, portMappings=published())

    ran = story.run()

    assert ran.stdout == "web: created (not there)\n"
    assert ran.stderr == ""
    assert story.states() == {"web": "running"}
    assert story.policy("web") == "always"
    wait_for_answer("one")
    story.nothing_to_do()


def test_quiet_run_costs_the_same_few_engine_calls_for_one_container_and_for_twelve(
    story: Story, proxy: EngineProxy
) -> None:
    image, through = story.load("app:1"), {"DOCKER_HOST": proxy.url}
    counts = []
    for containers in (1, 12):
        for number in range(containers):
            story.define(f"app{number}", image)
        story.run(env=through)
        counts.append(story.calls_once_steady(proxy))

    assert len(story.states()) == 12
    assert counts[0] == counts[1] <= CALLS_OF_A_QUIET_RUN
    assert {call.method for call in proxy.calls} == {"GET"}


def test_changed_definition_replaces_that_container_and_no_other(story: Story) -> None:
    image = story.load("app:1")
    story.define("app", image, command=["sleep", "1000"])
    story.define("other", image)
    story.run()
    before = story.ids()

    story.define("app", image, command=["sleep", "2000"], cpu=512, memory="64m")
    ran = story.run()

    assert ran.stdout.startswith("app: replaced (definition changed: command ")
    assert story.states() == {"app": "running", "other": "running"}
    assert story.ids()["app"] != before["app"]
    assert story.ids()["other"] == before["other"]
    assert story.inspect("app")["Config"]["Cmd"] == ["sleep", "2000"]
    assert story.inspect("app")["HostConfig"]["CpuShares"] == 512
    assert story.inspect("app")["HostConfig"]["Memory"] == 64 << 20
    assert story.policy("app") == "always"
    story.nothing_to_do()


def test_other_spelling_of_the_same_definition_changes_nothing(story: Story) -> None:
    image = story.load("app:1")
    written = {"env": {"A": "1", "B": "2"}, "portMappings": [{"containerPort": "80"}], "memory": "64m"}
    story.define("app", image, **written)
    story.run()

    story.dockerup.define(
        "app.yaml",
        f'{{"memory": {64 << 20}, "portMappings": [{{"containerPort": 80}}], "env": {{"B": 2, "A": 1}}, '
        f'"restart": "always", "image": "{image}", "name": "app"}}',
    )

    story.nothing_to_do()


def test_secret_in_env_is_seen_by_the_container_alone(story: Story) -> None:
    image, old, new = story.load("app:1"), "hunter-two-is-old", "correct-horse-is-new"
    story.define("app", image, env={"PASSWORD": old})
    said = [story.run("-v")]
    label_texts = [str(story.labels("app"))]
    story.define("app", image, env={"PASSWORD": new})
    said += [story.run("plan"), story.run("plan", "--json"), story.run("-v", "--json")]
    label_texts.append(str(story.labels("app")))
    assert f"PASSWORD={new}" in story.inspect("app")["Config"]["Env"]
    story.define("app", image, env={"PASSWORD": old}, entrypoint="/no/such/program")
    said += [story.run("-v", code=1), story.run("status")]
    story.dockerup.define("bad.yaml", {"name": "bad", "image": image, "env": {"PASSWORD": [new]}, "x": 1})
    said += [story.run(code=2), story.run("validate", code=2)]

    kept = [path.read_text() for path in story.dockerup.cache.rglob("*") if path.is_file()]
    everything = "\n".join([*(ran.stdout + ran.stderr for ran in said), *label_texts, *kept])
    assert "PASSWORD" in everything
    assert old not in everything
    assert new not in everything


def test_every_key_of_an_entry_reaches_the_engine(story: Story, tmp_path: Path) -> None:
    story.define(
        "app",
        story.load("app:1"),
        type="docker",
        entrypoint="sleep",
        command=["1000"],
        env={"NUMBER": 1, "TRUE": True},
        cpu=256,
        memory=64,
        restart="on-failure",
        portMappings=[
            {"containerPort": "53", "hostPort": "5353", "protocol": "udp", "hostIp": "127.0.0.1"},
            {"containerPort": 80},
        ],
        volumes=[
            {"containerPath": "/host", "hostPath": str(tmp_path), "mode": "ro"},
            {"containerPath": "/own"},
        ],
    )

    ran = story.run()

    inspected = story.inspect("app")
    config, host = inspected["Config"], inspected["HostConfig"]
    assert (config["Entrypoint"], config["Cmd"]) == (["sleep"], ["1000"])
    assert {"NUMBER=1", "TRUE=true"} <= set(config["Env"])
    assert (host["CpuShares"], host["Memory"]) == (256, 64 << 20)
    assert "write 64m to say so" in ran.stderr
    assert host["RestartPolicy"]["Name"] == "on-failure"
    assert host["PortBindings"]["53/udp"] == [{"HostIp": "127.0.0.1", "HostPort": "5353"}]
    assert list(host["PortBindings"]) == ["53/udp", "80/tcp"]
    assert host["Binds"] == [f"{tmp_path}:/host:ro"]
    assert {mount["Destination"] for mount in inspected["Mounts"]} == {"/host", "/own"}
    assert host["Privileged"] is False
    story.nothing_to_do()


def test_privileged_container_is_made_so(story: Story) -> None:
    """Whether the machine lets it start is another matter; then that is said."""
    story.define("app", story.load("app:1"), privileged=True)

    ran = story.dockerup.run()

    assert story.inspect("app")["HostConfig"]["Privileged"] is True
    started = story.states()["app"] == "running"
    assert ran.returncode == (0 if started else 1)
    assert ("app: not started" in ran.stderr) is not started


def test_signal_reaches_the_named_container_after_each_start(story: Story) -> None:
    hears = story.load("hears:1", make_image(command=HEARS_HUP))
    app = story.push("app", "1")
    story.define("proxy", hears)
    story.run()
    story.wait_for_log("proxy", "ready")

    story.define("app", app.reference, signal={"proxy": "HUP"})
    story.run()

    story.wait_for_log("proxy", "got HUP")
    story.nothing_to_do()
    assert story.client.logs("proxy").decode().count("got HUP") == 1
    story.push("app", "2")
    story.run()
    story.wait_for_log("proxy", "got HUP\ngot HUP")


def test_signal_to_a_container_that_is_not_there_is_said_and_undoes_nothing(story: Story) -> None:
    story.define("app", story.load("app:1"), signal={"nobody": "HUP"})

    ran = story.run(code=1)

    assert "nobody" in ran.stderr
    assert story.states() == {"app": "running"}


def test_ports_that_nobody_chose_are_picked_by_the_engine_and_stay(story: Story) -> None:
    story.define("web", story.load("web:1", make_web_image("picked")), portMappings=[{"containerPort": 8080}])

    story.run()

    port = story.client.port("web", 8080)[0]["HostPort"]
    wait_for_answer("picked", int(port))
    assert f"{port}->8080/tcp" in story.run("status").stdout
    story.nothing_to_do()


@pytest.mark.parametrize("published_ports", [False, True], ids=["without a port", "with a port"])
def test_eager_update_starts_the_new_one_first_where_no_port_stands_in_the_way(
    story: Story, proxy: EngineProxy, published_ports: bool
) -> None:
    ports = published() if published_ports else []
    app = story.push("app", "1")
    story.define("app", app.reference, update={"eager": True}, portMappings=ports)
    story.run()
    story.push("app", "2")
    proxy.forget()

    ran = story.run(env={"DOCKER_HOST": proxy.url})

    assert ran.stdout.startswith("app: replaced (newer image: ")
    verbs = [call.path.rpartition("/")[2] for call in proxy.calls if call.method == "POST"]
    order = [verb for verb in verbs if verb in {"start", "stop"}]
    assert order == (["stop", "start"] if published_ports else ["start", "stop"])
    assert (f"update.eager has no effect: host port {PORT}" in ran.stderr) is published_ports
    assert story.states() == {"app": "running"}
    assert story.policy("app") == "always"


def test_renamed_entry_hands_its_port_over(story: Story) -> None:
    web = story.load("web:1", make_web_image("one"))
    story.define("old-name", web, portMappings=published())
    story.run()

    story.undefine("old-name")
    story.define("new-name", web, portMappings=published())
    story.run()

    assert story.states() == {"new-name": "running"}
    wait_for_answer("one")
    story.nothing_to_do()


def test_renamed_entry_that_cannot_start_leaves_the_old_one_running(story: Story) -> None:
    web = story.load("web:1", make_web_image("one"))
    story.define("old-name", web, portMappings=published())
    story.run()
    before = story.ids()

    story.undefine("old-name")
    story.define("new-name", web, portMappings=published(), entrypoint="/no/such/program")
    ran = story.run(code=1)

    assert "what ran before runs again" in ran.stderr
    assert story.serving() == before
    assert story.policy("old-name") == "always"
    wait_for_answer("one")


def test_two_entries_exchange_their_ports(story: Story) -> None:
    for name, port in (("red", PORT), ("blue", PORT + 1)):
        story.define(name, story.load(f"{name}:1", make_web_image(name)), portMappings=published(port))
    story.run()
    wait_for_answer("red", PORT)

    for name, port in (("red", PORT + 1), ("blue", PORT)):
        story.define(name, f"{name}:1", portMappings=published(port))
    story.run()

    assert story.states() == {"red": "running", "blue": "running"}
    wait_for_answer("blue", PORT)
    wait_for_answer("red", PORT + 1)
    story.nothing_to_do()


def test_new_definition_that_cannot_start_leaves_what_ran_running(story: Story) -> None:
    web = story.load("web:1", make_web_image("one"))
    story.define("web", web, portMappings=published())
    story.define("other", web)
    story.run()
    before = story.ids()

    story.define("web", web, portMappings=published(), entrypoint="/no/such/program")
    story.undefine("other")
    ran = story.run(code=1)

    assert "/no/such/program" in ran.stderr
    assert "what ran before runs again" in ran.stderr
    assert story.serving() == {"web": before["web"]}
    assert story.policy("web") == "always"
    wait_for_answer("one")
    story.define("web", web, portMappings=published())
    story.run()
    assert story.ids() == {"web": before["web"]}
    story.nothing_to_do()


def test_what_goes_back_gets_its_port_from_what_was_first_started_with_it(
    story: Story, proxy: EngineProxy
) -> None:
    one, two = story.load("one:1", make_web_image("one")), story.load("two:1", make_web_image("two"))
    story.define("web", one, portMappings=published())
    story.run()
    before = story.ids()
    story.define("green", two, portMappings=published())
    story.define("side", one, network="container:green", command=["sleep", "1000"], dependsOn=["web"])
    story.define("web", one, portMappings=published(PORT + 1), env={"BROKEN": "yes"})

    def kill_at_the_last_start(call: Call) -> None:
        if str(call).endswith(f"{story.ids().get('side')}/start"):
            kill_client(call)

    proxy.after = kill_at_the_last_start
    story.run(code=-signal.SIGKILL, env={"DOCKER_HOST": proxy.url})
    assert {name for name, state in story.states().items() if state == "running"} == {"green", "side", "web"}
    os.kill(story.inspect("web")["State"]["Pid"], signal.SIGKILL)
    wait_until(lambda: story.inspect("web")["RestartCount"] == 1, "the engine starts it again")

    story.run(code=1)

    wait_for_answer("one")
    assert story.ids()["web"] == before["web"]
    waiting = {"green": "exited", "side": "exited", "web.dockerup-failed": "exited"}
    assert story.states() == {"web": "running", **waiting}
    assert {name: story.policy(name) for name in story.ids()} == {
        "web": "always",
        **dict.fromkeys(waiting, "no"),
    }
    told = story.run(code=1)
    assert (told.stdout, story.ids()["web"]) == ("", before["web"])
    story.define("web", one, portMappings=published(PORT + 1))
    story.run()
    wait_for_answer("two")
    wait_for_answer("one", PORT + 1)
    assert {story.policy(name) for name in story.ids()} == {"always"}
    assert set(story.states().values()) == {"running"}
    story.nothing_to_do()
