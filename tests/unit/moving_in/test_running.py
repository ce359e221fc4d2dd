"""What an engine tells of its containers, as entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dockerup.importers import running
from dockerup.importers.draft import Imported
from dockerup.importers.look import defaults_of
from dockerup.importers.running_host import Defaults
from tests.unit.moving_in.common import notes, raw, written

ID = "0123456789abcdef" * 4
IMAGE = {
    "Config": {
        "Env": ["PATH=/bin", "FROM=image"],
        "Cmd": ["serve"],
        "Entrypoint": ["/entry"],
        "WorkingDir": "/srv",
        "User": "app",
        "Labels": {"of": "image"},
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**10},
        "StopSignal": "SIGQUIT",
    }
}
ENGINE = {
    "NetworkMode": "default",
    "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
    "ShmSize": 64 << 20,
    "IpcMode": "private",
    "CgroupnsMode": "host",
    "Runtime": "runc",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "PidsLimit": None,
    "MemorySwappiness": None,
    "OomKillDisable": False,
    "PortBindings": {},
}
DEFAULTS = Defaults(cgroup_namespace="host")


def bring(
    config: Mapping[str, Any] | None = None,
    host: Mapping[str, Any] | None = None,
    networks: Mapping[str, Any] | None = None,
    defaults: Defaults = DEFAULTS,
) -> Imported:
    container = {
        "Id": ID,
        "Name": "/app",
        "Config": {"Image": "app:1", "Hostname": ID[:12], **IMAGE["Config"], **(config or {})},
        "HostConfig": {**ENGINE, **(host or {})},
        "NetworkSettings": {"Networks": networks or {"bridge": {}}},
    }
    other = {"Id": "f" * 64, "Name": "/db", "Config": {"Image": "db:1"}, "HostConfig": ENGINE}
    found = [running.Found(container, IMAGE), running.Found(other, {})]
    return running.imported(found, "the engine", defaults)


def test_what_the_image_and_the_engine_give_is_left_out() -> None:
    assert written(bring())["app"] == {"name": "app", "image": "app:1"}


@pytest.mark.parametrize(
    ("config", "key", "value"),
    [
        ({"Env": ["PATH=/bin", "FROM=me", "A=b=c"]}, "env", {"FROM": "me", "A": "b=c"}),
        ({"Cmd": ["other", "x y"]}, "command", ["other", "x y"]),
        ({"Entrypoint": ["/mine"], "Cmd": None}, "entrypoint", ["/mine"]),
        ({"Cmd": None}, "entrypoint", ["/entry"]),
        ({"WorkingDir": "/other"}, "workingDirectory", "/other"),
        ({"User": "root"}, "user", "root"),
        ({"Labels": {"of": "image", "a": "b", "com.docker.compose.project": "x"}}, "labels", {"a": "b"}),
        ({"Hostname": "web"}, "hostname", "web"),
        ({"Tty": True}, "pseudoTerminal", True),
        ({"StopTimeout": 90}, "stopTimeout", "90s"),
        ({"StopSignal": "SIGINT"}, "stopSignal", "SIGINT"),
        ({"ExposedPorts": {"80/tcp": {}, "81/tcp": {}, "82/udp": {}}}, "expose", ["81", "82/udp"]),
        ({"Volumes": {"/data": {}, "/more": {}}}, "volumes", [{"containerPath": "/more"}]),
        (
            {"Healthcheck": {"Test": ["CMD", "false"], "Interval": 5 * 10**9, "Retries": 2}},
            "healthCheck",
            {"command": ["CMD", "false"], "interval": "5s", "retries": 2},
        ),
        ({"Healthcheck": {"Test": ["NONE"]}}, "healthCheck", {"command": ["NONE"]}),
    ],
)
def test_settings_of_its_own(config: Mapping[str, Any], key: str, value: object) -> None:
    imported = bring(config)
    assert raw(imported)["app"][key] == value
    written(imported)


@pytest.mark.parametrize(
    ("host", "key", "value"),
    [
        (
            {"Binds": ["/a:/b:ro", "v:/c"]},
            "volumes",
            [{"hostPath": "/a", "containerPath": "/b", "mode": "ro"}, {"volume": "v", "containerPath": "/c"}],
        ),
        (
            {"Mounts": [{"Type": "volume", "Source": "v", "Target": "/c", "ReadOnly": True}]},
            "volumes",
            [{"volume": "v", "containerPath": "/c", "mode": "ro"}],
        ),
        (
            {"Mounts": [{"Type": "volume", "Source": "e" * 64, "Target": "/c"}]},
            "volumes",
            [{"containerPath": "/c"}],
        ),
        ({"VolumesFrom": ["f" * 64 + ":ro"]}, "volumes", [{"from": "db", "mode": "ro"}]),
        (
            {"PortBindings": {"80/tcp": [{"HostIp": "::1", "HostPort": "81"}]}},
            "portMappings",
            [{"containerPort": 80, "hostPort": 81, "hostIp": "::1"}],
        ),
        (
            {"PortBindings": {"80/udp": [{"HostIp": "", "HostPort": ""}]}},
            "portMappings",
            [{"containerPort": 80, "protocol": "udp"}],
        ),
        ({"NetworkMode": "container:" + "f" * 64}, "network", "container:db"),
        ({"NetworkMode": "host"}, "network", "host"),
        ({"Memory": 512 << 20, "MemorySwap": 1 << 30}, "memory", "512m"),
        ({"MemorySwappiness": 0}, "memorySwappiness", 0),
        ({"MemorySwappiness": 60}, "memorySwappiness", 60),
        ({"NanoCpus": 1_500_000_000}, "cpus", "1.5"),
        ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}, "restart", "on-failure:3"),
        (
            {"LogConfig": {"Type": "local", "Config": {}}},
            "logConfiguration",
            {"logDriver": "local", "options": {}},
        ),
        ({"Links": ["/db:/app/database"]}, "links", {"db": "database"}),
        ({"Tmpfs": {"/t": "size=1m"}}, "tmpfs", [{"containerPath": "/t", "size": "1m"}]),
        ({"CapAdd": ["NET_ADMIN"]}, "capAdd", ["NET_ADMIN"]),
        ({"PidMode": "host"}, "pid", "host"),
        ({"Init": True}, "init", True),
        ({"Init": False}, "init", False),
        ({"IpcMode": "shareable"}, "ipc", "shareable"),
        ({"ShmSize": 1 << 30}, "shmSize", "1g"),
        ({"ExtraHosts": ["a:1.2.3.4"]}, "extraHosts", [{"hostname": "a", "ipAddress": "1.2.3.4"}]),
        (
            {"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}]},
            "ulimits",
            [{"name": "nofile", "soft": 1, "hard": 2}],
        ),
        (
            {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]},
            "deviceRequests",
            [{"capabilities": ["gpu"], "count": "all"}],
        ),
    ],
)
def test_what_the_engine_was_told(host: Mapping[str, Any], key: str, value: object) -> None:
    imported = bring(host=host)
    assert raw(imported)["app"][key] == value
    written(imported)


def test_swap_that_the_engine_made_of_the_memory_is_left_out() -> None:
    assert "memorySwap" not in raw(bring(host={"Memory": 512 << 20, "MemorySwap": 1 << 30}))["app"]
    assert raw(bring(host={"Memory": 512 << 20, "MemorySwap": -1}))["app"]["memorySwap"] == -1


def test_networks_of_its_own_come_with_aliases_and_addresses() -> None:
    networks = {"net": {"Aliases": ["web", ID[:12], "app"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}}}
    found = raw(bring(host={"NetworkMode": "net"}, networks=networks))["app"]
    assert found["networks"] == {"net": {"aliases": ["web"], "ipv4Address": "10.0.0.2"}}


def test_first_of_several_networks_stays_the_first() -> None:
    found = raw(bring(host={"NetworkMode": "net"}, networks={"back": {}, "net": {}}))["app"]
    assert (found["network"], list(found["networks"])) == ("net", ["net", "back"])
    assert "network" not in raw(bring(host={"NetworkMode": "net"}, networks={"net": {}, "pet": {}}))["app"]


def test_link_under_several_names_keeps_the_one_that_says_most() -> None:
    networks = {"net": {"Links": ["db:database", "db:sql", "db:db"]}}
    imported = bring(host={"NetworkMode": "net"}, networks=networks)
    assert raw(imported)["app"]["links"] == {"db": "database"}
    assert "Not carried over: app.links.db: its further names sql: write them as its aliases" in notes(
        imported
    )


def test_container_that_nobody_restarts_or_that_runs_an_id_is_to_be_decided() -> None:
    told = notes(
        bring({"Image": "sha256:" + "a" * 64}, {"RestartPolicy": {"Name": "no"}, "AutoRemove": True})
    )
    assert "app.image: it runs an image by its id" in told
    assert "app.restart: nobody starts it again" in told
    assert "app.AutoRemove" in told


@pytest.mark.parametrize("odd", ["much", [1], {"a": 1}, float("inf"), -5])
def test_an_odd_value_is_left_out_and_told(odd: object) -> None:
    assert "app.memory: the engine tells what is not known here" in notes(bring(host={"Memory": odd}))


def test_defaults_are_the_engines() -> None:
    info = {"LoggingDriver": "local", "DefaultRuntime": "crun", "CgroupVersion": "2"}
    assert defaults_of(info) == Defaults("local", "crun", "private")
    assert (
        defaults_of({**info, "SecurityOptions": ["name=seccomp,profile=default"]}).cgroup_namespace == "host"
    )
    assert defaults_of({**info, "SecurityOptions": ["name=cgroupns"]}).cgroup_namespace == "private"
    assert defaults_of({}) == Defaults()


@pytest.mark.parametrize(
    ("info", "told", "kept"),
    [
        ({}, None, {}),
        ({}, -1, {}),  # Engine before 1.12
        ({"BuildahVersion": "1.39.3"}, 0, {}),  # podman: of all that were given none
        ({"BuildahVersion": "1.39.3"}, 60, {"memorySwappiness": 60}),
    ],
)
def test_swappiness_that_nobody_asked_for_is_left_out(
    info: Mapping[str, Any], told: int | None, kept: Mapping[str, int]
) -> None:
    entry = raw(bring(host={"MemorySwappiness": told}, defaults=defaults_of(info)))["app"]
    assert {key: value for key, value in entry.items() if key == "memorySwappiness"} == kept
