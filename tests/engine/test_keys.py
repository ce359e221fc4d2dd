"""Every key of a container on the real engine: what was asked is what the engine says, and stays so."""

from __future__ import annotations

from typing import Any

from dockerup.body import create_body
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import parse
from tests.engine.key_rows import Row, entries, rows
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.waiting import wait_until


def test_what_is_asked_by_each_key_is_what_the_engine_says_and_reads_as_no_drift(story: Story) -> None:
    listed = _listed([row for row in rows() if not row.idle], story.load("app:1"))
    story.dockerup.define("keys.yaml", listed)

    story.run()

    inspected = {str(one["name"]): story.inspect(one["name"]) for one in listed}
    assert [fault for row in rows() if not row.idle for fault in row.faults(inspected[row.of])] == []
    wait_until(lambda: story.inspect("all")["State"]["Health"]["Status"] == "healthy", "all is healthy")
    story.nothing_to_do()


def test_what_cannot_run_on_every_host_reaches_the_engine_all_the_same(story: Story) -> None:
    idle = [row for row in rows() if row.idle]
    parsed = parse([Item(one, Origin("")) for one in _listed(idle, story.load("app:1"))], "confdir")
    for spec in parsed.specs:
        story.client.create_container_from_config(create_body(spec, {}, (), {}), spec.name)

    inspected = {spec.name: story.inspect(spec.name) for spec in parsed.specs}
    assert [fault for row in idle for fault in row.faults(inspected[row.of])] == []


def _listed(of: list[Row], image: str) -> list[dict[str, Any]]:
    return [{"image": image, "update": {"proveSeconds": 1}, **one} for one in entries(of).values()]
