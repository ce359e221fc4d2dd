"""ECS task definitions as entries."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from dockerup.importers import ecs, write
from dockerup.importers.draft import Imported
from dockerup.problems import DockerupError
from tests.unit.moving_in.common import notes, raw, text_of, written


def bring(document: object) -> Imported:
    return ecs.imported("task.json", json.dumps(document))


def one(container: Mapping[str, object], **task: object) -> Imported:
    definition = {"name": "app", "image": "app:1", **container}
    return bring({"family": "fam", "containerDefinitions": [definition], **task})


def test_the_example_of_the_documentation_comes_over() -> None:
    imported = ecs.imported("task.json", text_of("wordpress.task.json"))
    assert written(imported) == {
        "wordpress": {
            "name": "wordpress",
            "image": "wordpress",
            "portMappings": [{"containerPort": 80, "hostPort": 80}],
            "links": {"mysql": "mysql"},
            "cpu": 10,
            "memory": "500m",
            "stopTimeout": "30s",
        },
        "mysql": {
            "name": "mysql",
            "image": "mysql",
            "env": {"MYSQL_ROOT_PASSWORD": "password"},
            "cpu": 10,
            "memory": "500m",
            "stopTimeout": "30s",
        },
    }


def test_described_definition_with_most_keys_comes_over() -> None:
    imported = ecs.imported("task.json", text_of("described.task.json"))
    api = raw(imported)["api"]
    assert (api["memory"], api["memoryReservation"], api["memorySwap"]) == ("512m", "256m", "1g")
    assert (api["entrypoint"], api["command"]) == (["/bin/api"], ["serve", "--port", "8080"])
    assert api["env"] == {"STAGE": "prod", "EMPTY": ""}
    assert api["healthCheck"]["timeout"] == "5s"
    assert api["volumes"] == [
        {"volume": "api_scratch", "containerPath": "/scratch"},
        {"hostPath": "/var/log/api", "containerPath": "/logs"},
        {
            "volume": "shared",
            "volumeOptions": {"driverOpts": {"type": "tmpfs", "device": "tmpfs"}},
            "containerPath": "/shared",
            "mode": "ro",
        },
        {"hostPath": "/mnt/efs", "containerPath": "/efs"},
    ]
    assert api["devices"] == [{"hostPath": "/dev/fuse", "permissions": "rw"}]
    assert (api["capAdd"], api["capDrop"], api["init"]) == (["SYS_PTRACE"], ["NET_RAW"], True)
    assert (api["shmSize"], api["labels"]) == ("128m", {"team": "api"})
    assert api["deviceRequests"] == [{"capabilities": ["gpu"], "count": 1}]
    assert set(written(imported)) == {"migrate", "api", "xray"}


def test_containers_that_shared_localhost_share_one_network_but_for_those_that_end() -> None:
    found = raw(ecs.imported("task.json", text_of("described.task.json")))
    assert found["xray"]["network"] == "container:api"
    assert found["api"]["portMappings"] == [
        {"containerPort": 8080, "hostPort": 8080},
        {"containerPort": 2000, "protocol": "udp", "hostPort": 2000},
    ]
    assert "network" not in found["migrate"]
    assert found["migrate"]["restart"] == "no"


def test_what_has_to_be_provided_or_is_left_out_is_listed() -> None:
    told = notes(ecs.imported("task.json", text_of("described.task.json")))
    for part in (
        "secrets.DB_PASSWORD: ECS took its value from arn:aws:ssm:eu-central-1:123456789012:parameter/db",
        "environmentFiles: ECS took env from arn:aws:s3:::api/prod.env",
        "taskRoleArn",
        "executionRoleArn",
        "memory: 1024 is the limit of the whole task",
        "fs-1234:/ /mnt/efs efs _netdev,tls,accesspoint=fsap-1234 0 0",
        "firelensConfiguration",
        "repositoryCredentials",
        "portMappings.appProtocol",
        "not essential: migrate, xray",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("container", "task", "key", "value"),
    [
        ({"portMappings": [{"containerPort": 80}]}, {"networkMode": "host"}, "network", "host"),
        ({"disableNetworking": True}, {}, "network", "none"),
        ({"links": ["db:database"]}, {}, "links", {"db": "database"}),
        (
            {"portMappings": [{"containerPortRange": "80-81"}]},
            {},
            "portMappings",
            [{"containerPort": 80}, {"containerPort": 81}],
        ),
        ({"systemControls": [{"namespace": "a.b", "value": "1"}]}, {}, "sysctls", {"a.b": "1"}),
        ({}, {"pidMode": "host"}, "pid", "host"),
        ({"cpu": 1}, {}, "cpu", 2),
        ({"cpu": 300000}, {}, "cpu", 262144),
        ({"memory": 4}, {}, "memory", "6m"),
        (
            {"logConfiguration": {"logDriver": "json-file", "options": {"mode": "non-blocking"}}},
            {},
            "logConfiguration",
            {"logDriver": "json-file", "options": {"mode": "non-blocking", "max-buffer-size": "10m"}},
        ),
        (
            {"volumesFrom": [{"sourceContainer": "db", "readOnly": True}]},
            {},
            "volumes",
            [{"from": "db", "mode": "ro"}],
        ),
    ],
)
def test_keys_of_a_definition(
    container: Mapping[str, object], task: Mapping[str, object], key: str, value: object
) -> None:
    imported = one(container, **task)
    assert raw(imported)["app"][key] == value
    written(imported)


def test_container_without_cpu_has_the_shares_that_the_agent_gives_it() -> None:
    task = {
        "containerDefinitions": [{"name": "a1", "image": "a:1"}, {"name": "b1", "image": "b:1", "cpu": 512}]
    }
    found = raw(bring(task))
    assert (found["a1"]["cpu"], found["b1"]["cpu"]) == (2, 512)
    assert "ECS gives 2 shares to a container that asks for none (a1)" in notes(bring(task))
    assert "cpu" not in raw(one({}, requiresCompatibilities=["FARGATE"]))["app"]
    assert raw(one({}, requiresCompatibilities=["EC2", "FARGATE"]))["app"]["cpu"] == 2


def test_example_of_a_web_server_on_fargate_comes_over_with_its_log() -> None:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/example_task_definitions.html, "Webserver"
    log = {"awslogs-group": "/ecs/fargate-task-definition", "awslogs-region": "us-east-1"}
    command = "/bin/sh -c \"echo '<html> Congratulations! </html>' > /usr/local/apache2/htdocs/index.html\""
    container = {
        "command": [command],
        "entryPoint": ["sh", "-c"],
        "essential": True,
        "image": "public.ecr.aws/docker/library/httpd:2.4",
        "logConfiguration": {"logDriver": "awslogs", "options": log},
        "name": "sample-fargate-app",
        "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
    }
    task = {
        "containerDefinitions": [container],
        "cpu": "256",
        "executionRoleArn": "arn:aws:iam::012345678910:role/ecsTaskExecutionRole",
        "family": "fargate-task-definition",
        "memory": "512",
        "networkMode": "awsvpc",
        "runtimePlatform": {"operatingSystemFamily": "LINUX"},
        "requiresCompatibilities": ["FARGATE"],
    }
    assert written(bring(task))["sample-fargate-app"] == {
        "name": "sample-fargate-app",
        "image": "public.ecr.aws/docker/library/httpd:2.4",
        "entrypoint": ["sh", "-c"],
        "command": [command],
        "portMappings": [{"containerPort": 80, "hostPort": 80}],
        "stopTimeout": "30s",
        "logConfiguration": {"logDriver": "awslogs", "options": log},
    }
    assert "AWS_REGION" in notes(bring(task))


def test_host_network_has_no_port_mappings() -> None:
    found = raw(one({"portMappings": [{"containerPort": 80}]}, networkMode="host"))["app"]
    assert "portMappings" not in found


@pytest.mark.parametrize(
    ("container", "part"),
    [
        ({"frobnicate": 1}, "containerDefinitions.app.frobnicate: this key is not known"),
        ({"memory": "much"}, "containerDefinitions.app.memory: this is not a whole number"),
        ({"mountPoints": [{"sourceVolume": "x", "containerPath": "/x"}]}, 'there is no volume "x"'),
        ({"linuxParameters": {"maxSwap": 1}}, "maxSwap: it means nothing without a limit of memory"),
    ],
)
def test_what_cannot_come_over_is_said_with_its_place(container: Mapping[str, object], part: str) -> None:
    assert part in notes(one(container))


@pytest.mark.parametrize("document", [{}, [], 7, {"containerDefinitions": 7}, {"taskDefinition": {}}])
def test_what_is_no_task_definition_is_an_error(document: object) -> None:
    with pytest.raises(DockerupError):
        write.as_text(bring(document))


def test_list_of_container_definitions_alone_comes_over() -> None:
    assert set(written(bring([{"name": "app", "image": "app:1"}]))) == {"app"}
