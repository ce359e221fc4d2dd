"""Every key of a container on the real engine: what was asked is what the engine says, and stays so."""

from __future__ import annotations

from typing import Any

from docker.errors import APIError

from dockerup.body import create_body
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import parse
from tests.engine.key_rows import Row, entries, rows
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.waiting import wait_until


def test_what_is_asked_by_each_key_is_what_the_engine_says_and_reads_as_no_drift(story: Story) -> None:
    here = [row for row in rows() if not row.idle and _older(row.since, story.client.api_version)]
    listed = _listed(here, story.load("app:1"))
    story.dockerup.define("keys.yaml", listed)

    story.run()

    inspected = {str(one["name"]): story.inspect(one["name"]) for one in listed}
    assert [fault for row in here for fault in row.faults(inspected[row.of], story.ids())] == []
    wait_until(lambda: story.inspect("all")["State"]["Health"]["Status"] == "healthy", "all is healthy")
    story.nothing_to_do()


def test_what_cannot_run_on_every_host_reaches_the_engine_all_the_same(story: Story) -> None:
    idle = [row for row in rows() if row.idle]
    parsed = parse([Item(one, Origin("")) for one in _listed(idle, story.load("app:1"))], "confdir")
    said: dict[str, str] = {}
    for spec in parsed.specs:
        try:
            body = create_body(spec, {}, (), {})
            said[spec.name] = str(story.client.create_container_from_config(body, spec.name)["Warnings"])
        except APIError as error:
            said[spec.name] = str(error)

    inspected = {name: story.inspect(name) for name in story.ids()}
    instead = {row.key for row in idle for text in (row.warns, row.refuses) if text and text in said[row.of]}
    there = [row for row in idle if row.key not in instead and not row.none]
    assert [fault for row in there for fault in row.faults(inspected[row.of])] == []
    assert len(there) > len(instead)


def test_engine_too_old_for_a_key_is_told_nothing_and_the_entry_says_what_it_needs(
    story: Story,
) -> None:
    new = [row for row in rows() if row.since and not _older(row.since, story.client.api_version)]
    image = story.load("app:1")
    story.define("old", image, hostname="box")
    for number, row in enumerate(new):
        story.define(f"new{number}", image, **{row.key: row.says})

    ran = story.run(code=1 if new else 0)

    assert story.states() == {"old": "running"}
    assert ran.stderr.count("needs an engine with version 1.4") == len(new)
    assert [row for row in new if f"{row.key}" not in ran.stderr or row.since not in ran.stderr] == []


def _listed(of: list[Row], image: str) -> list[dict[str, Any]]:
    return [{"image": image, "update": {"proveSeconds": 1}, **one} for one in entries(of).values()]


def _older(version: str, than: str) -> bool:
    one, other = (tuple(map(int, text.split("."))) if text else () for text in (version, than))
    return one <= other
