"""Limits and restart policies of living containers are changed in place, by the engine itself."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.stories import Story, answer, inspections, published, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_web_image
from tests.testbed.proxy import Call, EngineProxy

MIB = 1 << 20
# What changes a container otherwise than in place.
DISTURBS = ("/containers/create", "/stop", "/start", "/rename", "/kill")


def life(story: Story, name: str) -> tuple[str, str]:
    """Return which container it is, and since when it has run."""
    one = story.inspect(name)
    return one["Id"], one["State"]["StartedAt"]


def limits(story: Story, name: str, *fields: str) -> list[Any]:
    config = story.inspect(name)["HostConfig"]
    return [config[field] for field in fields]


def test_container_goes_on_with_other_limits_and_what_is_refused_is_replaced(
    story: Story, proxy: EngineProxy
) -> None:
    image = story.load("web:1", make_web_image("one"))
    ports = {"portMappings": published()}
    story.define("web", image, memory="64m", **ports)
    story.run()
    wait_for_answer("one")
    before = life(story, "web")
    proxied, served = {"DOCKER_HOST": proxy.url}, []

    def look(call: Call) -> None:
        served.append(answer() if call.path.endswith("/update") else "one")

    # One call, and the port answers before and after it.
    story.define("web", image, memory="96m", pidsLimit=50, cpus=0.5, cpu=512, restart="on-failure:3", **ports)
    assert "update web in place\n" in story.run("plan").stdout
    proxy.before = proxy.after = look
    ran = story.run(env=proxied)
    assert ran.stdout == (
        "web: changed in place (definition changed: cpu (none) -> 512; cpus (none) -> 0.5; "
        "memory 67108864 -> 100663296; pidsLimit (none) -> 50; restart always -> on-failure:3)\n"
    )
    assert {*served} == {"one"}
    assert [call for call in proxy.calls if call.path.endswith(DISTURBS)] == []
    assert life(story, "web") == before
    assert limits(story, "web", "Memory", "MemorySwap", "PidsLimit", "NanoCpus", "CpuShares") == [
        *(96 * MIB, 192 * MIB, 50, 500_000_000, 512)
    ]
    assert story.do("web", "cat", "/sys/fs/cgroup/pids/pids.max").strip() == "50"
    assert limits(story, "web", "RestartPolicy") == [{"Name": "on-failure", "MaximumRetryCount": 3}]
    last = json.loads(story.run("history", "web", "--json").stdout.splitlines()[-1])
    assert (last["action"], last["outcome"], last["down"]) == ("changed in place", "done", None)

    # The label tells what it was made with: what it has by now is remembered, or else the engine is asked.
    story.calls_once_steady(proxy)
    assert inspections(proxy.calls) == []
    remembered = story.dockerup.cache / "state" / "in-place.json"
    remembered.unlink()
    story.nothing_to_do()
    assert remembered.exists()
    story.define("web", image, memory="64m", **ports)
    remembered.unlink()
    ran = story.run()
    assert "not in place: the engine takes cpu and cpus from no living container" in ran.stdout
    assert limits(story, "web", "Memory", "NanoCpus", "PidsLimit") == [64 * MIB, 0, None]
    story.nothing_to_do()

    # The engine says no.
    story.define("web", image, memory="64m", cpusetCpus="0", **ports)
    story.run()
    before = life(story, "web")
    story.define("web", image, memory="64m", cpusetCpus="4095", **ports)
    ran = story.run(code=1)
    assert "not in place: " in ran.stdout + ran.stderr
    assert life(story, "web")[0] == before[0]  # no new one can be made, either
