"""Compose files as entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from dockerup.importers import compose
from dockerup.importers.draft import Imported
from dockerup.problems import DockerupError, InvalidInputError
from tests.unit.moving_in.common import notes, raw, reader, text_of, written


def bring(
    *documents: object,
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    **asked: Any,
) -> Imported:
    """Import documents that stand in /srv/shop as c0.yaml, c1.yaml and so on."""
    texts = [one if isinstance(one, str) else yaml.safe_dump(one, sort_keys=False) for one in documents]
    named = {f"/srv/shop/c{i}.yaml": one for i, one in enumerate(texts)}
    read = reader({**named, **(files or {})})
    return compose.imported(compose.Asked(list(named), **asked), environ or {}, read)


def one(service: Mapping[str, object], **more: Any) -> dict[str, Any]:
    """Import one service with an image, and return its entry."""
    return raw(bring({"services": {"app": {"image": "app:1", **service}}}, **more))["app"]


def shop(**more: Any) -> Imported:
    files = {"/srv/shop/.env": text_of("shop/dotenv"), "/srv/shop/.env.app": text_of("shop/env-app")}
    return bring(text_of("shop/compose.yaml"), files=files, **more)


def test_a_strangers_file_with_ten_services_comes_over() -> None:
    imported = shop()
    found = raw(imported)
    assert set(found) == {
        *("edge", "db", "cache", "migrate", "app", "worker", "web", "metrics", "grafana", "mqtt", "builder"),
    }
    assert len(written(imported)) == 11
    assert found["db"] == {
        "name": "db",
        "image": "postgres:16-alpine",
        "env": {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": "hunter$2", "POSTGRES_DB": "shop"},
        "volumes": [
            {"volume": "shop_db-data", "containerPath": "/var/lib/postgresql/data"},
            {
                "hostPath": "/srv/shop/init.sql",
                "containerPath": "/docker-entrypoint-initdb.d/init.sql",
                "mode": "ro",
            },
        ],
        "healthCheck": {
            "command": ["CMD-SHELL", "pg_isready -U $POSTGRES_USER"],
            "interval": "10s",
            "timeout": "5s",
            "retries": 5,
            "startPeriod": "30s",
        },
        "shmSize": "256m",
        "stopTimeout": "90s",
        "stopSignal": "SIGINT",
        "restart": "unless-stopped",
        "networks": {"shop_default": {"aliases": ["db"]}},
    }


def test_what_a_service_extends_and_merges_is_resolved() -> None:
    worker = raw(shop())["worker"]
    assert worker["command"] == ["php", "artisan", "queue:work"]
    assert (worker["memory"], worker["cpus"], worker["pidsLimit"]) == ("512m", "1.50", 200)
    assert worker["env"]["TZ"] == "Europe/Berlin"
    assert worker["env"]["APP_KEY"] == "base64:abc="
    assert worker["replicas"] == 2
    assert worker["dependsOn"] == [
        {"containerName": "migrate", "condition": "SUCCESS"},
        {"containerName": "cache", "condition": "START"},
    ]


def test_project_network_gives_each_service_its_name() -> None:
    found = raw(shop())
    assert found["edge"]["networks"] == {
        "shop_default": {"aliases": ["proxy"]},
        "edge": {"aliases": ["proxy"]},
    }
    assert found["metrics"]["networks"] == {
        "shop_monitoring": {
            "aliases": ["metrics", "prometheus"],
            "ipv4Address": "172.28.0.10",
            "networkOptions": {"internal": True, "ipam": {"config": [{"subnet": "172.28.0.0/24"}]}},
        }
    }
    assert found["mqtt"]["network"] == "host"
    assert "networks" not in found["mqtt"]


def test_options_of_a_network_come_over_and_what_is_none_is_listed() -> None:
    made = {
        "driver": "macvlan",
        "driver_opts": {"parent": "eth0"},
        "attachable": "true",
        "enable_ipv6": True,
        "labels": ["team=a"],
        "ipam": {
            "driver": "default",
            "options": {"a": 1},
            "config": [
                {"subnet": "10.5.0.0/24", "gateway": "10.5.0.1", "ip_range": "10.5.0.128/25", "odd": 1},
                {"subnet": "fd00::/64", "aux_addresses": {"router": "fd00::7"}},
            ],
        },
        "enable_ipv4": False,
        "internal": False,
    }
    document = {"services": {"app": {"image": "a:1", "networks": ["own"]}}, "networks": {"own": made}}
    imported = bring(document)
    assert written(imported)["app"]["networks"]["shop_own"]["networkOptions"] == {
        "driver": "macvlan",
        "driverOpts": {"parent": "eth0"},
        "attachable": True,
        "enableIpv6": True,
        "labels": {"team": "a"},
        "ipam": {
            "options": {"a": "1"},
            "config": [
                {"subnet": "10.5.0.0/24", "gateway": "10.5.0.1", "ipRange": "10.5.0.128/25"},
                {"subnet": "fd00::/64", "auxAddresses": {"router": "fd00::7"}},
            ],
        },
    }
    assert "networks.own.ipam.config.odd: this key is not known" in notes(imported)
    assert "networks.own.enable_ipv4: this key is not known" in notes(imported)


def test_what_does_not_come_over_is_listed() -> None:
    told = notes(shop())
    for part in (
        "services.debug: the service is of the profile debug",
        "services.builder.build: dockerup builds no images",
        "services.builder.develop: this is of the development",
        "services.mqtt.restart: without restart",
        "prometheus-data, shop_cache, shop_db-data, shop_uploads",
    ):
        assert part in told


def test_secrets_and_configs_that_are_files_are_mounted_where_compose_mounts_them() -> None:
    found = raw(shop())
    assert found["grafana"]["volumes"] == [
        {"hostPath": "/srv/shop/grafana.password", "containerPath": "/run/secrets/grafana", "mode": "ro"}
    ]
    assert found["web"]["volumes"][1]["containerPath"] == "/etc/nginx/conf.d/default.conf"


def test_chosen_profile_comes_over() -> None:
    assert "debug" in raw(shop(profiles=["debug"]))
    assert "debug" in raw(shop(environ={"COMPOSE_PROFILES": "other,debug"}))


@pytest.mark.parametrize(
    ("written", "environ", "value"),
    [
        ("${A:-b}", {}, "b"),
        ("${A:-b}", {"A": ""}, "b"),
        ("${A-b}", {"A": ""}, ""),
        ("${A-b}", {}, "b"),
        ("${A:+b}", {"A": "x"}, "b"),
        ("${A:+b}", {"A": ""}, ""),
        ("${A+b}", {"A": ""}, "b"),
        ("${A:?no}", {"A": "x"}, "x"),
        ("${A?no}", {"A": ""}, ""),
        ("$A-$$A-${A}", {"A": "x"}, "x-$A-x"),
        ("${A:-${B:-c}}", {}, "c"),
        ("${A:-${B:-c}}", {"B": "d"}, "d"),
        ("$1 costs $", {}, "$1 costs $"),
    ],
)
def test_variables_are_filled_in(written: str, environ: Mapping[str, str], value: str) -> None:
    assert one({"environment": {"V": written}}, environ=environ)["env"] == {"V": value}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("${A:?set A}", "services.app.command: A has no value (set A)"),
        ("${A", "no closing }"),
        ("${}", "begin with a name"),
        ("${A!b}", "no form of a variable"),
    ],
)
def test_variable_that_cannot_be_filled_in_is_an_error_that_says_where(text: str, part: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        one({"command": text})
    assert part in str(caught.value)


def test_environment_goes_over_dotenv_and_an_unset_variable_is_told() -> None:
    files = {"/srv/shop/.env": "A=file\nB=file\n"}
    imported = bring(
        {"services": {"app": {"image": "app:$A-$B", "command": "run $C"}}}, files=files, environ={"A": "env"}
    )
    assert raw(imported)["app"]["image"] == "app:env-file"
    assert "the variable C has no value" in notes(imported)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("A=b", {"A": "b"}),
        ("export A = b # comment", {"A": "b"}),
        ("A='$X #'", {"A": "$X #"}),
        ('A="1\\n2 $B"', {"A": "1\n2 x"}),
        ("A=#b", {"A": ""}),
        ("A=a#b", {"A": "a#b"}),
        ("A='1\n2'\nC=3", {"A": "1\n2", "C": "3"}),
        ("# A=b\n\nnonsense here\n", {}),
        ("B", {"B": "x"}),
        ("A=1\nC=${A}2", {"A": "1", "C": "12"}),
    ],
)
def test_env_files_are_read_as_compose_reads_them(line: str, values: Mapping[str, str]) -> None:
    from dockerup.importers.interpolation import env_file

    assert env_file(line, {"B": "x"}) == values


def test_later_files_go_over_earlier_ones_by_the_rules_of_the_specification() -> None:
    base = {
        "services": {
            "app": {
                "image": "app:1",
                "command": ["a"],
                "environment": ["A=1", "B=1"],
                "ports": ["80:80", "81:81"],
                "volumes": ["./a:/data", "./b:/more"],
                "dns": "1.1.1.1",
                "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
                "cap_add": ["A"],
            },
            "gone": {"image": "gone:1"},
        }
    }
    over = """
services:
  app:
    image: app:2
    command: [b]
    environment: {B: 2}
    ports: ["80:80", "82:82"]
    volumes: ["./c:/data"]
    dns: [2.2.2.2]
    logging: {driver: syslog}
    cap_add: !override [B]
  gone: !reset null
"""
    found = raw(bring(base, over))
    assert set(found) == {"app"}
    app = found["app"]
    assert (app["image"], app["command"], app["env"]) == ("app:2", ["b"], {"A": "1", "B": "2"})
    assert [port["hostPort"] for port in app["portMappings"]] == [80, 81, 82]
    assert [volume["hostPath"] for volume in app["volumes"]] == ["/srv/shop/c", "/srv/shop/b"]
    assert app["dnsServers"] == ["1.1.1.1", "2.2.2.2"]
    assert app["logConfiguration"] == {"logDriver": "syslog", "options": {}}
    assert app["capAdd"] == ["B"]


def test_reset_takes_a_key_away() -> None:
    over = "services: {app: {ports: !reset [], command: !reset null}}"
    app = raw(bring({"services": {"app": {"image": "a:1", "ports": ["1:1"], "command": "x"}}}, over))["app"]
    assert "portMappings" not in app
    assert "command" not in app


def test_service_extends_one_of_another_file_with_paths_from_there() -> None:
    files = {
        "/srv/shop/base/common.yaml": yaml.safe_dump(
            {"services": {"base": {"image": "base:1", "volumes": ["./data:/data"], "environment": {"A": 1}}}}
        )
    }
    service = {"extends": {"file": "base/common.yaml", "service": "base"}, "environment": ["B=2"]}
    app = raw(bring({"services": {"app": service}}, files=files))["app"]
    assert app["image"] == "base:1"
    assert app["volumes"] == [{"hostPath": "/srv/shop/base/data", "containerPath": "/data"}]
    assert app["env"] == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("services", "part"),
    [
        ({"a": {"extends": "a"}}, "extends itself"),
        ({"a": {"extends": "b"}, "b": {"extends": {"service": "a"}}}, "extends itself"),
        ({"a": {"extends": "c"}}, 'there is no service "c"'),
        ({"a": {"extends": {"file": "none.yaml", "service": "c"}}}, "none.yaml cannot be read"),
        ({}, "there is no service"),
        ({"a": {"image": "a:1", "profiles": ["x"]}}, "add --profile x"),
    ],
)
def test_what_compose_would_not_start_is_an_error(services: object, part: str) -> None:
    with pytest.raises(DockerupError) as caught:
        bring({"services": services})
    assert part in str(caught.value)


def test_included_files_are_a_part_of_the_project() -> None:
    files = {
        "/srv/other/compose.yaml": "services: {other: {image: 'other:$V', volumes: ['./x:/x']}}",
        "/srv/other/.env": "V=7",
    }
    found = raw(
        bring({"include": ["../other/compose.yaml"], "services": {"app": {"image": "a:1"}}}, files=files)
    )
    assert found["other"]["image"] == "other:7"
    assert found["other"]["volumes"][0]["hostPath"] == "/srv/other/x"
    assert set(found["other"]["networks"]) == {"shop_default"}


@pytest.mark.parametrize(
    ("service", "key", "value"),
    [
        ({"network_mode": "service:db"}, "network", "container:db"),
        ({"network_mode": "container:x1"}, "network", "container:x1"),
        ({"network_mode": "none"}, "network", "none"),
        ({"pid": "service:db"}, "pid", "container:db"),
        ({"links": ["db:database"]}, "links", {"db": "database"}),
        ({"external_links": ["legacy:old"]}, "links", {"legacy": "old"}),
        ({"volumes": ["/data"]}, "volumes", [{"containerPath": "/data"}]),
        (
            {"volumes": ["~/d:/d:ro,z"]},
            "volumes",
            [{"hostPath": "/root/d", "containerPath": "/d", "mode": "ro", "bind": {"selinux": "z"}}],
        ),
        (
            {"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1m", "mode": "01777"}}]},
            "tmpfs",
            [{"containerPath": "/t", "size": "1m", "mode": "1777"}],
        ),
        (
            {"tmpfs": "/run:size=64m,noexec"},
            "tmpfs",
            [{"containerPath": "/run", "size": "64m", "mountOptions": ["noexec"]}],
        ),
        (
            {"ports": ["8000-8002:80-82/udp"]},
            "portMappings",
            [{"containerPort": 80 + i, "hostPort": 8000 + i, "protocol": "udp"} for i in range(3)],
        ),
        (
            {"ports": ["[::1]:80:80", 81]},
            "portMappings",
            [{"containerPort": 80, "hostPort": 80, "hostIp": "::1"}, {"containerPort": 81}],
        ),
        ({"healthcheck": {"disable": True}}, "healthCheck", {"command": ["NONE"]}),
        ({"deploy": {"restart_policy": {"condition": "on-failure"}}}, "restart", "on-failure"),
        ({"deploy": {"update_config": {"order": "start-first"}}}, "update", {"order": "start-first"}),
        ({"deploy": {"replicas": "3"}}, "replicas", 3),
        ({"gpus": "all"}, "deviceRequests", [{"capabilities": ["gpu"], "count": "all"}]),
        ({"pull_policy": "never"}, "update", {"pull": False}),
        ({"mem_limit": "1g", "memswap_limit": -1}, "memorySwap", -1),
        (
            {"mac_address": "02:42:ac:11:65:43"},
            "networks",
            {"shop_default": {"aliases": ["app"], "macAddress": "02:42:ac:11:65:43"}},
        ),
        (
            {"devices": ["/dev/a:/dev/b:rw"]},
            "devices",
            [{"hostPath": "/dev/a", "containerPath": "/dev/b", "permissions": "rw"}],
        ),
        (
            {"ulimits": {"nproc": 10, "nofile": {"soft": 1, "hard": 2}}},
            "ulimits",
            [{"name": "nproc", "soft": 10, "hard": 10}, {"name": "nofile", "soft": 1, "hard": 2}],
        ),
    ],
)
def test_keys_of_a_service(service: Mapping[str, object], key: str, value: object) -> None:
    imported = bring({"services": {"app": {"image": "app:1", **service}, "db": {"image": "db:1"}}})
    assert raw(imported)["app"][key] == value
    written(imported)


@pytest.mark.parametrize(
    ("service", "part"),
    [
        ({"frobnicate": 1}, "services.app.frobnicate: this key is not known"),
        ({"ports": ["nonsense"]}, "services.app.ports: this is not a port"),
        ({"environment": 7}, "services.app.environment: this is not an object"),
        ({"environment": ["A"]}, "services.app.environment.A: it has no value"),
        ({"env_file": "none.env"}, "/srv/shop/none.env cannot be read"),
        ({"volumes": ["missing:/x"]}, 'services.app.volumes: there is no volume "missing"'),
        ({"networks": ["missing"]}, "services.app.networks.missing: there is no such network"),
        ({"depends_on": ["missing"]}, "services.app.depends_on.missing: there is no such service"),
        ({"deploy": {"placement": {"constraints": ["x"]}}}, "services.app.deploy.placement: it is of Swarm"),
        ({"deploy": {"resources": {"limits": {"cpus": []}}}}, "services.app.deploy.resources.limits.cpus"),
        ({"secrets": ["missing"]}, 'services.app.secrets: "missing" is no file'),
        ({"healthcheck": {"interval": "1s"}}, "services.app.healthcheck: times without a test"),
        ({"volumes": [{"type": "npipe", "source": "a", "target": "/b"}]}, "not of Linux"),
        ({"provider": {"type": "x"}}, "services.app.provider: a provider is a program of Compose"),
    ],
)
def test_what_cannot_come_over_is_said_with_its_place(service: Mapping[str, object], part: str) -> None:
    imported = bring({"services": {"app": {"image": "app:1", **service}}})
    assert part in notes(imported)
    written(imported)


def test_project_is_named_after_flag_environment_document_and_directory_in_this_order() -> None:
    document = {"name": "written", "services": {"app": {"image": "a:1"}}}

    def network(**more: Any) -> str:
        return str(next(iter(raw(bring(document, **more))["app"]["networks"])))

    assert network() == "written_default"
    assert network(environ={"COMPOSE_PROJECT_NAME": "env"}) == "env_default"
    assert network(environ={"COMPOSE_PROJECT_NAME": "env"}, project="flag") == "flag_default"
    del document["name"]
    assert network() == "shop_default"


def test_value_of_a_secret_is_in_no_note() -> None:
    assert "hunter" not in notes(shop())


def test_env_files_that_every_reader_reads_alike_stay_files_and_keep_their_order() -> None:
    files = {"/srv/shop/plain.env": "A=1\nB=1\n", "/srv/shop/quoted.env": "B='2'\nC='2'\n"}

    def app(*names: str, **more: object) -> dict[str, Any]:
        return one({"env_file": [*names], **more}, files=files)

    assert app("plain.env")["envFiles"] == ["/srv/shop/plain.env"]
    both = app("plain.env", {"path": "quoted.env"}, environment={"C": 3})  # type: ignore[arg-type]
    assert (both["envFiles"], both["env"]) == (["/srv/shop/plain.env"], {"B": "2", "C": "3"})
    other = app("quoted.env", "plain.env")
    assert "envFiles" not in other
    assert other["env"] == {"A": "1", "B": "1", "C": "2"}
