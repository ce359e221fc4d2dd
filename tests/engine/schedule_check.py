"""What has to be true of a host after all that is broken around it was mended and dockerup ran.

Each entry runs as it is listed, its data with it, and nothing else does. An entry that fails as it is listed
is served by what served before, and what failed is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dockerup import labels
from dockerup.memory import failed_names
from tests.engine.schedule_host import ENDS, RESTS, ScheduledHost
from tests.engine.schedules import OWN_VOLUME, SHARE_LIFE, Entry
from tests.engine.stories import Ran
from tests.testbed.waiting import wait_until

MOST_RUNS = 8  # a run in which something fails leaves the rest to the next

Boxes = Mapping[str, Any]  # what the engine tells of each container, by name


def look(host: ScheduledHost) -> None:
    """Mend what is around the host, let dockerup run, and look that all is as it has to be.

    Where nothing fails, one run does all of it. What failed by no fault of its own is tried again as a person
    does: until then it is only remembered.
    """
    host.mend()
    failing = host.failing()
    calm = not failing and not host.upset
    runs = settle(host)
    assert not calm or (len(runs) <= 2 and runs[0].returncode == 0)
    uncertain = tied(failing, host.ties)
    sure = {*host.listed} - uncertain
    if not calm:
        runs = try_again(host, sorted(sure)) or runs
    boxes = look_around(host)
    for name in sorted(sure):
        assert difference(name, host, boxes) == "", f"{name}: {difference(name, host, boxes)}"
    for name in sorted(host.served - sure):
        assert runs_well(boxes.get(name)), f"{name} served, and does not: {boxes.get(name)}"
    for name in sorted(failing & host.served):
        assert_remembered(name, host, boxes)
    assert_nothing_left(host, boxes, uncertain)
    if not failing:
        assert (runs[-1].returncode, runs[-1].stderr) == (0, "")
        host.ties, host.upset = set(host.bonds()), False
    keep_books(host, boxes, sure | host.served)
    host.served = {name for name in host.listed if runs_well(boxes.get(name))}


def tied(names: set[str], ties: Iterable[frozenset[str]]) -> set[str]:
    """Return names with all that they may have been changed together with, over any number of ties."""
    found = set(names)
    while True:
        more = {name for tie in ties if tie & found for name in tie} - found
        if not more:
            return found
        found |= more


def settle(host: ScheduledHost) -> list[Ran]:
    """Run dockerup until it has nothing to do; returns those runs."""
    runs: list[Ran] = []
    for _ in range(MOST_RUNS):
        wait_until(lambda: not recovering(host), "health checks succeed again")
        before = host.story.ids()
        runs.append(host.dockerup())
        host.see()
        if not runs[-1].stdout + runs[-1].stderr and host.story.ids() == before:
            return runs
    raise AssertionError(f"it never has nothing to do:\n{runs[-1].stdout}{runs[-1].stderr}")


def recovering(host: ScheduledHost) -> list[str]:
    """Return the containers that were ill while they were paused; their check will soon say otherwise."""
    ill = (one["Id"] for one in host.story.listed().values() if "(unhealthy)" in one["Status"])
    boxes = map(host.story.inspect, ill)
    return [box["Id"] for box in boxes if runs_well(box)]


def try_again(host: ScheduledHost, names: list[str]) -> list[Ran]:
    """Try again what is remembered as failed; returns the runs."""
    there = host.story.ids()
    failed = [name for name in names if not there.keys().isdisjoint(failed_names(name))]
    for name in failed:
        assert host.dockerup("apply", "--retry", name).returncode == 0
        host.see()
    return settle(host) if failed else []


def look_around(host: ScheduledHost) -> Boxes:
    """Return what the engine tells of each container, by name, once jobs have ended."""
    inspect = host.story.inspect
    for container_id in host.story.ids().values():
        if tuple(inspect(container_id)["Config"]["Cmd"]) == ENDS:
            wait_until(lambda one=container_id: not inspect(one)["State"]["Running"], "a job ends")  # type: ignore[misc]
    return {name: inspect(container_id) for name, container_id in host.story.ids().items()}


def difference(name: str, host: ScheduledHost, boxes: Boxes) -> str:
    """Return how an entry's container differs from what is listed, "" when it does not."""
    one, box = host.listed[name], boxes.get(name)
    if box is None:
        return "it is not there"
    settings, config = box["HostConfig"], box["Config"]
    bindings = (settings["PortBindings"] or {}).get("8080/tcp") or [{"HostPort": ""}]
    facts = {
        "runs well": (runs_well(box), True),
        "image": (box["Image"], host.latest[one.image].id),
        "env": (f"KEY={one.env}" in config["Env"], True),
        "restart": (settings["RestartPolicy"]["Name"], one.policy),
        "port": (bindings[0]["HostPort"], str(one.port or "")),
        "volumes": (OWN_VOLUME in mounts(box), OWN_VOLUME in volumes_of(one, host)),
        "volumes of the image": ({*one.volumes} - {*mounts(box)}, set()),
        "check": (bool(config.get("Healthcheck")), bool(one.check)),
        "bond": bond(one, box, boxes),
    }
    wrong = {key: pair for key, pair in facts.items() if pair[0] != pair[1]}
    return f"{wrong}, {box['State']}" if wrong else ""


def bond(one: Entry, box: Any, boxes: Boxes) -> tuple[object, object]:
    """Return what a container holds on to, and what it should."""
    network = box["HostConfig"]["NetworkMode"]
    found = labels.read_map(box["Config"]["Labels"], labels.BOUND), network
    if one.bond not in (*SHARE_LIFE, "from"):
        return found, ({}, "bridge")
    target = boxes[one.to]["Id"]
    return found, ({one.to: target}, f"container:{target}" if one.bond == "joins" else "bridge")


def mounts(box: Any) -> dict[str, Path]:
    """Return the directories of a container's volumes, by their paths in it."""
    return {one["Destination"]: Path(one["Source"]) for one in box["Mounts"]}


def volumes_of(one: Entry, host: ScheduledHost) -> tuple[str, ...]:
    """Return the paths of the volumes that an entry has, also those of another."""
    return (*one.volumes, *(volumes_of(host.listed[one.to], host) if one.bond == "from" else ()))


def runs_well(box: Any) -> bool:
    """Tell whether a container is one that can, and runs, or has done its work."""
    if box is None or box["Config"].get("Healthcheck", {}).get("Test", [])[1:] not in ([], ["true"]):
        return False
    state, command = box["State"], tuple(box["Config"]["Cmd"])
    if command == ENDS:
        return bool(state["Status"] == "exited" and state["ExitCode"] == 0)
    return command == RESTS and state["Status"] == "running"


def assert_remembered(name: str, host: ScheduledHost, boxes: Boxes) -> None:
    """Look that a person is told why an entry does not run as it is listed."""
    if difference(name, host, boxes):
        assert re.search(rf"^{name}: .+", host.dockerup("status").stdout, re.MULTILINE), (
            f"{name}: nobody says why"
        )


def assert_nothing_left(host: ScheduledHost, boxes: Boxes, uncertain: set[str]) -> None:
    """Look that there are no containers but of what is listed, and of what failed.

    What is not listed serves on in the place of what failed. Without a list, what is unmanaged stays.
    """
    failed = {called for name in uncertain & host.listed.keys() for called in failed_names(name)}
    allowed = host.listed.keys() | failed
    for name in boxes.keys() - allowed:
        box, found = boxes[name], boxes[name]["Config"]["Labels"]
        in_place = bool(uncertain) and found.get(labels.NAME) not in host.listed and runs_well(box)
        unmanaged = not host.listed and labels.NAME not in found
        assert in_place or unmanaged, f"{name} is left over: {box['State']}"


def keep_books(host: ScheduledHost, boxes: Boxes, names: set[str]) -> None:
    """Look that what was written into the volumes of these is there, and write where nothing was."""
    for name in sorted(names):
        there = mounts(boxes[name])
        for path in host.listed[name].volumes:
            text = host.rows.get((name, path))
            if text is not None:
                assert path in there, f"{name} has no volume at {path}"
                assert (there[path] / "row").read_text() == text, f"{name} has another volume at {path}"
            elif path in there:
                host.rows[name, path] = f"row {len(host.log)} of {name}"
                (there[path] / "row").write_text(host.rows[name, path])
