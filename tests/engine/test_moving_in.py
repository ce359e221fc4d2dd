"""Moving in on the real engine: an import makes of an input what the other tool made of it.

Compose is a real one: Debian 12's in each run of the tests, Debian 13's in `make test-compose`.
Compared is the engine's own report, less names, labels and ids.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from docker.utils import parse_repository_tag

from tests.benchmarks.peers import CACHE
from tests.engine.reports import differences, reports
from tests.engine.stories import Story, inspections
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image
from tests.testbed.proxy import EngineProxy

COMPOSE_1 = "/usr/bin/docker-compose"
COMPOSE_2 = str(CACHE / "compose2")
TEN = Path(__file__).resolve().parents[1] / "data" / "moving-in" / "ten"
# The programs by which the services of that file are checked, and that its job runs.
CHECKS = ("pg_isready", "redis-cli", "wget")
# Compose 1 leaves configs to Swarm; those of Compose 2 are files, as here.
NOT_OF_COMPOSE_1 = "nginx.mounts./etc/nginx/conf.d/default.conf"


def project_of(tmp_path: Path) -> Path:
    """Return a directory with the Compose file and what belongs to it."""
    directory = tmp_path / "shop"
    for name in ("data", "conf"):
        (directory / name).mkdir(parents=True)
    for name, source in (("compose.yaml", "compose.yaml"), (".env", "dotenv"), ("app.env", "env-app")):
        shutil.copy(TEN / source, directory / name)
    (directory / "token").write_text("hunter three")
    (directory / "site.conf").write_text("server {}")
    return directory


def stand_ins(story: Story, names: Iterable[str]) -> None:
    """Give the engine images of these names, which run whatever the command is."""
    entrypoint = ("sh", "-c", "trap exit INT TERM; while sleep 0.1; do :; done", "sh")
    files = {f"/sbin/{name}": "#!/bin/sh\n" for name in CHECKS}
    image = make_image(entrypoint=entrypoint, command=(), files=files, env={"PATH": "/sbin:/bin"})
    story.load("app:1", image)
    for name in names:
        story.client.tag("app:1", *parse_repository_tag(name))


def compose(program: str, story: Story, directory: Path, *arguments: str) -> None:
    """Run a real Compose on the private engine."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(directory), "DOCKER_HOST": story.engine.url}
    command = [program, "-f", str(directory / "compose.yaml"), *arguments]
    ran = subprocess.run(
        command, cwd=directory, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def adopted_as_they_are(story: Story, *names: str) -> None:
    """Import what runs and apply it: nothing is touched, with or without the cache; then it is unlisted."""
    before, file = story.ids(), story.dockerup.confdir / "running.yaml"
    story.dockerup.configure(unmanaged="keep")
    story.run("import", "running", "-o", str(file), *names)
    ran = story.run()
    assert ran.stdout == ""
    assert ran.stderr.count(": adopted: what runs is as listed") == len(names)
    shutil.rmtree(story.dockerup.cache)
    assert story.run("status").stdout.count(": adopted: dockerup did not make it") == len(names)
    assert story.run().stdout == ""
    assert story.ids() == before
    file.unlink()
    story.dockerup.configure()


@pytest.mark.parametrize("program", [COMPOSE_1, pytest.param(COMPOSE_2, marks=pytest.mark.compose_2)])
def test_compose_services_are_what_compose_made_of_them(program: str, story: Story, tmp_path: Path) -> None:
    directory, file = project_of(tmp_path), story.dockerup.confdir / "shop.yaml"
    ran = story.run("import", "compose", str(directory / "compose.yaml"), "-o", str(file))
    assert "11 containers" in ran.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    stand_ins(story, {one["image"] for one in yaml.safe_load(file.read_text())["containers"]})
    compose(program, story, directory, "up", "-d")
    made = {re.split("[_-]", name)[1]: name for name in story.states()}
    assert len(made) == 11
    wanted = reports(story, made)
    file = file.rename(tmp_path / file.name)
    adopted_as_they_are(story, made["postgres"], made["minio"])
    compose(program, story, directory, "down", "-t", "1")

    file.rename(story.dockerup.confdir / file.name)
    story.run()

    found = reports(story, {name: name for name in made})
    for name in made:
        wanted[name]["networks"] = {
            network: {**one, "links": found[name]["networks"].get(network, {}).get("links")}
            for network, one in wanted[name]["networks"].items()
        }
    lines = [line for name in made for line in differences(wanted[name], found[name], name)]
    but = (NOT_OF_COMPOSE_1,) if program == COMPOSE_1 else ()
    assert [line for line in lines if not line.startswith(but)] == []
    assert len(lines) == len(but)
    story.nothing_to_do()


def test_containers_that_run_come_over_and_run_on_with_what_they_were_asked(
    story: Story, proxy: EngineProxy, tmp_path: Path
) -> None:
    image = story.load("app:1")
    client = story.client
    for network in ("net", "back"):
        client.create_network(network)
    host = client.create_host_config(
        binds=[f"{tmp_path}:/data:ro"],
        port_bindings={80: ("127.0.0.1", 18082)},
        restart_policy={"Name": "unless-stopped"},
        mem_limit=64 << 20,
        cpu_shares=512,
        log_config={"type": "json-file", "config": {"max-size": "1m"}},
        network_mode="net",
    )
    endpoint = client.create_endpoint_config(aliases=["site"])
    client.create_container(
        image,
        name="web",
        command=["sleep", "1000"],
        environment={"PASSWORD": "hunter two"},
        ports=[80],
        host_config=host,
        networking_config=client.create_networking_config({"net": endpoint}),
        stop_signal="SIGKILL",
        healthcheck={"test": ["CMD", "true"], "interval": 5 * 10**9},
    )
    client.connect_container_to_network("web", "back", aliases=["behind"])
    client.start("web")  # each is started as soon as it can be: else dockerup takes it for started anew
    joined = client.create_host_config(network_mode="container:web", volumes_from=["web"])
    client.create_container(image, name="beside", entrypoint=["sleep"], command=["1000"], host_config=joined)
    client.start("beside")
    wanted = reports(story, {"web": "web", "beside": "beside"})
    file = story.dockerup.confdir / "host.yaml"

    story.run("import", "running", "-o", str(file))
    before, through = story.ids(), {"DOCKER_HOST": proxy.url}
    ran = story.run(env=through)
    assert (ran.stdout, ran.stderr.count(": adopted: ")) == ("", 2)
    assert sorted(inspections(proxy.calls)) == sorted(before.values())
    story.wait_until_steady()
    proxy.forget()
    ran = story.run(env=through)
    assert (ran.stdout, ran.stderr, inspections(proxy.calls)) == ("", "", [])
    assert story.ids() == before
    assert "no container runs here" in story.run("import", "running", code=1, env=through).stderr

    for name in ("beside", "web"):
        client.remove_container(name, force=True)
    story.run()

    text = file.read_text()
    assert "hunter two" in text
    assert "PATH" not in text
    found = reports(story, {"web": "web", "beside": "beside"})
    assert [line for name in wanted for line in differences(wanted[name], found[name], name)] == []
    assert story.labels("web")["dockerup.name"] == "web"
    assert "no container runs here" in story.run("import", "running", code=1).stderr
    assert "there is no container nobody" in story.run("import", "running", "nobody", code=1).stderr
