"""Moving in on the real engine: an import makes of an input what the other tool made of it.

Compose is a real one: Debian 12's in each run of the tests, Debian 13's in `make test-compose`.
Compared is the engine's own report, less names, labels and ids.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.peers import CACHE
from tests.engine.reports import differences, reports
from tests.engine.stories import Story, inspections
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image
from tests.testbed.proxy import EngineProxy
from tests.testbed.waiting import wait_until

COMPOSE_1 = "/usr/bin/docker-compose"
COMPOSE_2 = str(CACHE / "compose2")
DOCUMENT = """
version: "3.7"
x-logging: &logging {driver: json-file, options: {max-size: 1m}}
services:
  db:
    image: app:1
    environment: {PASSWORD: "${PASSWORD}", EMPTY: ""}
    env_file: app.env
    volumes: ["./data:/data", "./conf:/conf:ro", "store:/store"]
    tmpfs: ["/scratch:size=1m,mode=1777"]
    secrets: [token]
    healthcheck: {test: "test -e /version", interval: 1s, timeout: 5s, retries: 4, start_period: 1m}
    stop_grace_period: 1m30s
    stop_signal: SIGINT
    restart: unless-stopped
    logging: *logging
  web:
    image: app:1
    command: sleep 1000
    ports: ["127.0.0.1:18080:80", "18081:81/udp"]
    depends_on: [db]
    links: ["db:database"]
    volumes_from: ["db:ro"]
    networks: {default: {aliases: [site]}, back: {}}
    restart: always
  job:
    image: app:1
    entrypoint: ["sh", "-c"]
    command: ["sleep 1000"]
    network_mode: host
networks: {back: {}}
volumes: {store: {}}
secrets: {token: {file: ./token}}
"""


def project_of(story: Story, tmp_path: Path, document: str) -> Path:
    """Return a directory with a Compose file and what belongs to it, on an engine that has the image."""
    story.load("app:1", make_image(command=("sh", "-c", "trap exit INT TERM; while sleep 0.1; do :; done")))
    directory = tmp_path / "shop"
    for name in ("data", "conf"):
        (directory / name).mkdir(parents=True)
    (directory / "compose.yaml").write_text(document)
    (directory / ".env").write_text("PASSWORD='hunter two'\n")
    (directory / "token").write_text("hunter three")
    (directory / "app.env").write_text("PLAIN=1\nQUOTED=two words\n")
    return directory


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
    # Compose 2.26 gives the volumes of another service for writing, whatever the file says.
    document = DOCUMENT.replace("db:ro", "db") if program == COMPOSE_2 else DOCUMENT
    directory = project_of(story, tmp_path, document)
    compose(program, story, directory, "up", "-d")
    made = {re.split("[_-]", name)[1]: name for name in story.states()}
    assert set(made) == {"db", "web", "job"}
    wanted = reports(story, made)
    # Until then, that is what status tells of it.
    wait_until(lambda: story.inspect(made["db"])["State"]["Health"]["Status"] == "healthy", "db is healthy")
    adopted_as_they_are(story, made["db"], made["job"])
    compose(program, story, directory, "down", "-t", "1")
    file = story.dockerup.confdir / "shop.yaml"

    ran = story.run("import", "compose", str(directory / "compose.yaml"), "-o", str(file))
    assert "3 containers" in ran.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    story.run()

    found = reports(story, {name: name for name in made})
    for name in made:
        wanted[name]["networks"] = {
            network: {**one, "links": found[name]["networks"].get(network, {}).get("links")}
            for network, one in wanted[name]["networks"].items()
        }
    assert [line for name in made for line in differences(wanted[name], found[name], name)] == []
    wait_until(lambda: story.dockerup.run().stdout == "", "all is well")


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
    joined = client.create_host_config(network_mode="container:web", volumes_from=["web"])
    client.create_container(image, name="beside", entrypoint=["sleep"], command=["1000"], host_config=joined)
    client.connect_container_to_network("web", "back", aliases=["behind"])
    for name in ("web", "beside"):
        client.start(name)
    wanted = reports(story, {"web": "web", "beside": "beside"})
    file = story.dockerup.confdir / "host.yaml"

    story.run("import", "running", "-o", str(file))
    before, through = story.ids(), {"DOCKER_HOST": proxy.url}
    ran = story.run(env=through)
    assert (ran.stdout, ran.stderr.count(": adopted: ")) == ("", 2)
    assert sorted(inspections(proxy.calls)) == sorted(before.values())
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
