"""Lines of `docker run` as entries."""

from __future__ import annotations

import pytest

from dockerup.importers import docker_run
from dockerup.problems import DockerupError
from tests.unit.moving_in.common import notes, raw, written


def entry(line: str) -> dict[str, object]:
    imported = docker_run.imported(line)
    written(imported)
    (found,) = raw(imported).values()
    return found


def test_line_of_a_script_comes_over() -> None:
    line = r"""
    sudo docker run -d --name=gitlab --hostname gitlab.example.com \
      -p 443:443 -p 127.0.0.1:80:80/tcp --restart always -v /srv/gitlab/config:/etc/gitlab:Z \
      -v gitlab-data:/var/opt/gitlab --shm-size 256m -e A=1 -e 'B=two words' --env C= \
      --log-driver=json-file --log-opt max-size=10m --ulimit nofile=1024:2048 -m 4g --cpus=1.5 \
      --network backend --network-alias git --health-cmd 'curl -f localhost' --health-interval=30s \
      gitlab/gitlab-ee:17 /assets/wrapper --flag
    """
    assert entry(line) == {
        "name": "gitlab",
        "image": "gitlab/gitlab-ee:17",
        "command": ["/assets/wrapper", "--flag"],
        "hostname": "gitlab.example.com",
        "portMappings": [
            {"containerPort": 443, "hostPort": 443},
            {"containerPort": 80, "hostPort": 80, "hostIp": "127.0.0.1"},
        ],
        "restart": "always",
        "volumes": [
            {"hostPath": "/srv/gitlab/config", "containerPath": "/etc/gitlab", "bind": {"selinux": "Z"}},
            {"volume": "gitlab-data", "containerPath": "/var/opt/gitlab"},
        ],
        "shmSize": "256m",
        "env": {"A": "1", "B": "two words", "C": ""},
        "logConfiguration": {"logDriver": "json-file", "options": {"max-size": "10m"}},
        "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}],
        "memory": "4g",
        "cpus": "1.5",
        "networks": {"backend": {"aliases": ["git"]}},
        "healthCheck": {"command": ["CMD-SHELL", "curl -f localhost"], "interval": "30s"},
    }


@pytest.mark.parametrize(
    "line",
    [
        "docker run -d app:1",
        "/usr/bin/docker container run -d app:1",
        "ExecStart=-/usr/bin/docker run --detach app:1",
        "DOCKER_OPTS=x sudo docker -H unix:///x --debug run -d app:1",
        "docker create -d app:1",
        "run -d -- app:1",
    ],
)
def test_whatever_stands_before_the_flags_is_passed_over(line: str) -> None:
    assert entry(line) == {"image": "app:1", "restart": "no"}


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        ("-it", "pseudoTerminal", True),
        ("-dit", "interactive", True),
        ("-p8080:80", "portMappings", [{"containerPort": 80, "hostPort": 8080}]),
        ("-eA=b", "env", {"A": "b"}),
        ("-P", "publishAllPorts", True),
        ("--entrypoint sh", "entrypoint", ["sh"]),
        ("--net host", "network", "host"),
        ("--network container:db", "network", "container:db"),
        ("--network net --network back", "network", "net"),
        (
            "--network name=net,alias=a,ip=10.0.0.2",
            "networks",
            {"net": {"aliases": ["a"], "ipv4Address": "10.0.0.2"}},
        ),
        (
            "--mount type=bind,src=/a,dst=/b,readonly",
            "volumes",
            [{"hostPath": "/a", "containerPath": "/b", "mode": "ro"}],
        ),
        (
            "--mount source=v,target=/b,volume-nocopy",
            "volumes",
            [{"volume": "v", "containerPath": "/b", "volumeOptions": {"noCopy": True}}],
        ),
        ("--mount type=tmpfs,target=/t,tmpfs-size=1m", "tmpfs", [{"containerPath": "/t", "size": "1m"}]),
        ("--volumes-from db:ro", "volumes", [{"from": "db", "mode": "ro"}]),
        ("--link db:database", "links", {"db": "database"}),
        ("--restart=on-failure:3", "restart", "on-failure:3"),
        ("--pull never", "update", {"pull": False}),
        ("--no-healthcheck", "healthCheck", {"command": ["NONE"]}),
        ("--gpus all", "deviceRequests", [{"capabilities": ["gpu"], "count": "all"}]),
        ("--device /dev/a", "devices", [{"hostPath": "/dev/a"}]),
        ("--stop-timeout 90", "stopTimeout", "90s"),
        ("--add-host a:1.2.3.4", "extraHosts", [{"hostname": "a", "ipAddress": "1.2.3.4"}]),
        ("--device-read-bps /dev/a:1mb", "blkioDeviceReadBps", [{"path": "/dev/a", "rate": "1m"}]),
        ("--read-only=false --init", "init", True),
    ],
)
def test_flags(flags: str, key: str, value: object) -> None:
    assert entry(f"docker run {flags} app:1")[key] == value


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("docker run --frob -d app:1", "--frob: this flag is not known"),
        ("docker run -d -Z app:1", "-Z: this flag is not known"),
        ("docker run -d -v ./data:/data app:1", "./data is relative"),
        ("docker run -d -e SECRET app:1", "--env SECRET: its value came from the environment"),
        ('docker run -d -v "$(pwd)":/x app:1', "what a shell or systemd would fill in"),
        ("docker run --rm app:1", "--restart: without --restart: whoever ran the line"),
        ("docker run --rm app:1", "--rm: dockerup removes what it replaces"),
        ("docker run -d -p nonsense app:1", "--publish: this is not a port"),
        ("docker run --cidfile x app:1", "--cidfile: use the container's name"),
        ("docker run --isolation hyperv app:1", "--isolation: it is of Windows"),
    ],
)
def test_what_needs_a_word_gets_one(line: str, part: str) -> None:
    assert part in notes(docker_run.imported(line))


@pytest.mark.parametrize(
    "line", ["", "docker ps", "docker run", "docker run -d --name x", "docker run 'a", "ls"]
)
def test_what_is_no_docker_run_of_an_image_is_an_error(line: str) -> None:
    with pytest.raises(DockerupError):
        docker_run.imported(line)
