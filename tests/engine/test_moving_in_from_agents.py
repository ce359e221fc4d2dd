"""Moving in from the agents of ECS and Google: an import makes of a document what the agent made of it.

The agents run in their clouds alone. So each file of tests/data/moving-in/agents has, beside a document,
the calls that create its containers, as the agent's source makes them. The engine gets both, and what it
reports of the one is compared with what it reports of the other.

Of aws/amazon-ecs-agent, that source is agent/api/task/task.go (dockerConfig, dockerHostConfig, dockerLinks,
ApplyRegionToContainer), task_linux.go beside it (dockerCPUShares, overrideCgroupParent), container.go in
agent/api/container (InjectV4MetadataEndpoint) and agent/engine/docker_task_engine.go (createContainer).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker.utils import parse_repository_tag

from tests.engine.reports import differences, reports
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image

DOCUMENTS = Path(__file__).resolve().parents[1] / "data" / "moving-in" / "agents"
DISK = "/mnt/disks/gce-containers-mounts/gce-persistent-disks/data-disk"
# What the ECS agent adds to every container.
ECS_ENV = (
    "AWS_REGION=eu-central-1",
    "AWS_DEFAULT_REGION=eu-central-1",
    "ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/0a",
    "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/0a",
)
ECS_LABELS = {"com.amazonaws.ecs.cluster": "default"}
ECS_HOST_CONFIG = {"CgroupParent": "/ecs/0a", "CapAdd": [], "CapDrop": []}
# Where another thing is meant to be there, and why.
ECS_DIFFERS = {
    "*.config.Env.AWS_*REGION": "the agent knows it; the import says so",
    "*.config.Env.ECS_CONTAINER_METADATA_URI*": "there is no agent to ask",
    "*.config.StopTimeout": "the agent says it with each stop",
    "*.host.RestartPolicy": "the agent starts what ended anew by itself",
    "*.host.CgroupParent": "the agent makes a cgroup for each task",
}


def by_the_agent(document: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole call that creates a container."""
    if document["import"] != "ecs":
        return dict(body)
    return {
        **body,
        "Env": [*body.get("Env", ()), *ECS_ENV],
        "Labels": {**body.get("Labels", {}), **ECS_LABELS},
        "HostConfig": {**ECS_HOST_CONFIG, **body["HostConfig"]},
    }


@pytest.fixture(name="disk")
def disk_fixture() -> Iterator[None]:
    """Give a place where the host has mounted the disk, as the import asks for."""
    there = os.path.isdir(DISK)
    os.makedirs(DISK, exist_ok=True)
    yield
    if not there:
        os.removedirs(DISK)


@pytest.mark.usefixtures("disk")
def test_containers_are_what_the_agents_made_of_the_same_documents(story: Story, tmp_path: Path) -> None:
    documents = [yaml.safe_load(path.read_text()) for path in sorted(DOCUMENTS.glob("*.yaml"))]
    assert len(documents) >= 6
    image = make_image(files={"/sbin/ping": "#!/bin/sh\nexec sleep 1000\n"}, env={"PATH": "/sbin:/bin"})
    story.load("app:1", image)
    for name in {body["Image"] for one in documents for body in one["made"].values()}:
        story.client.tag("app:1", *parse_repository_tag(name))
    for i, one in enumerate(documents):
        file = tmp_path / f"{i}.json"
        file.write_text(json.dumps(one["document"]))
        ran = story.run("import", one["import"], str(file), "-o", str(story.dockerup.confdir / f"{i}.yaml"))
        assert "container" in ran.stdout

    story.run()
    story.nothing_to_do()

    listed = story.ids()
    assert set(story.states().values()) == {"running"}
    for one in documents:
        for name, body in one["made"].items():
            story.client.create_container_from_config(by_the_agent(one, body), f"ecs-{name}")
        wanted = reports(story, {name: f"ecs-{name}" for name in one["made"]}, one.get("volumes", {}))
        entries = [name for name in one["made"] if name in listed]
        found = reports(story, {name: name for name in entries})
        lines = [line for name in entries for line in differences(wanted[name], found[name], name)]
        meant = {**one.get("differs", {}), **(ECS_DIFFERS if one["import"] == "ecs" else {})}
        assert [line for line in lines if not any(fnmatchcase(_place(line), place) for place in meant)] == []
        assert [place for place in meant if not any(fnmatchcase(_place(line), place) for line in lines)] == []
    assert len(listed) == sum(len(one["made"]) for one in documents) - 1  # less ECS's container for a network


def _place(line: str) -> str:
    return line.partition(": ")[0]
