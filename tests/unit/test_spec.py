"""What a person writes as a container, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.body import create_body
from dockerup.keys import CONTAINER_KEYS, needed_versions
from dockerup.keys.networks import joined_at_create
from dockerup.problems import Origin
from dockerup.sources.confdir import read_confdir
from dockerup.sources.result import Item
from dockerup.sources.userdata import parse_userdata
from dockerup.spec import ContainerSpec, HealthCheck, Parsed, Port, Update, parse
from dockerup.window import parse_window

DATA = Path(__file__).parent.parent / "data"
MIB = 1 << 20


def parsed(*values: object) -> Parsed:
    return parse([Item(value, Origin("c.yaml").at(place)) for place, value in enumerate(values)], "confdir")


def spec(**keys: object) -> ContainerSpec:
    result = parsed({"image": "nginx", **keys})
    assert result.problems == ()
    return result.specs[0]


def told(*values: object) -> list[str]:
    return [str(problem) for problem in parsed(*values).problems]


# Parsing is total.

JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    # Made by a function, since pytest and hypothesis cannot write such a number out either.
    | st.sampled_from([1, -1]).map(lambda sign: sign * 10**5000)
    | st.sampled_from(["\ud800", "nginx", "\0", "container:", "9" * 400 + "g"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*CONTAINER_KEYS, "containerPort", "hostPort", "from", "pull"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.lists(JSON_LIKE | st.dictionaries(st.sampled_from([*CONTAINER_KEYS]), JSON_LIKE), max_size=3))
def test_whatever_was_written_gives_specs_and_problems(values: list[object]) -> None:
    result = parsed(*values)
    refused = {problem.where.path[0] for problem in result.problems}
    kept = {spec.origin.path[0] for spec in result.specs}
    assert refused | kept == set(range(len(values)))
    assert not refused & kept
    assert all(map(str, result.problems))


@given(st.sampled_from([*CONTAINER_KEYS]), JSON_LIKE)
def test_whatever_one_key_holds_the_others_are_read(key: str, value: object) -> None:
    result = parsed({"image": "nginx", "memory": "1x", key: value}, {"image": "redis"})
    assert "redis" in [spec.name for spec in result.specs]
    if key != "memory":
        assert "c.yaml: [0].memory" in [str(problem.where) for problem in result.problems]


@pytest.mark.parametrize("key", CONTAINER_KEYS)
def test_number_past_all_bounds_in_any_key_is_a_problem_of_that_entry(key: str) -> None:
    huge: list[object] = [10**5000, -(10**5000), 1e308, -1e308, float("inf"), float("nan")]
    for value in [*huge, *([value] for value in huge), *({"name": value} for value in huge)]:
        result = parsed({"image": "nginx", key: value}, {"image": "redis"})
        assert [spec.name for spec in result.specs] == ["redis"]
        assert all(map(str, result.problems))


@pytest.mark.parametrize("key", [3, None, True, 1.5, pytest.param(10**5000, id="huge")])
def test_a_key_that_is_no_text_is_an_unknown_one(key: object) -> None:
    (message,) = told({"image": "nginx", key: 1})
    assert "there is no key" in message


# Names.


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("example/my-app", "my-app"),
        ("127.0.0.1:5000/team/web:1", "web"),
        ("registry.example.com/a/b0@sha256:" + "0" * 64, "b0"),
    ],
)
def test_a_name_left_out_is_the_last_part_of_the_image(image: str, name: str) -> None:
    assert spec(image=image).name == name


def test_a_derived_name_of_one_letter_asks_for_a_name() -> None:
    (message,) = told({"image": "team/a"})
    assert message.startswith('c.yaml: [0]: the image gives the container the name "a"')
    assert message.endswith("Write a name: for this container.")


@pytest.mark.parametrize("second", [{"image": "nginx:2"}, {"image": "redis", "name": "nginx"}])
def test_a_name_twice_is_a_problem_that_names_both_places(second: dict[str, object]) -> None:
    result = parsed({"image": "nginx"}, second)
    assert [str(problem) for problem in result.problems] == [
        'c.yaml: [1]: the name "nginx" is already that of c.yaml: [0]. '
        "Keep one of them, or give each a name of its own."
    ]
    assert [str(one.origin) for one in result.specs] == ["c.yaml: [0]"]


# Each property of a spec.


def test_what_is_left_out_has_the_documented_meaning() -> None:
    one = spec()
    assert (one.name, str(one.image), one.source) == ("nginx", "docker.io/library/nginx:latest", "confdir")
    assert (one.ports, one.volumes_from, one.links, one.signals, one.bound_to) == ((), (), {}, {}, ())
    assert (one.network, one.networks, one.joins, one.restart) == ("bridge", {}, None, "always")
    assert (one.follows_registry, one.update) == (True, Update())
    assert (one.depends_on, one.after, one.health_check, one.checked) == ({}, (), None, False)
    assert one.definition == {"image": "nginx:latest"}


def test_ports_are_numbers_whatever_was_typed() -> None:
    written = [
        {"containerPort": "80", "hostPort": "8080"},
        {"containerPort": 53, "protocol": "udp", "hostIp": "127.0.0.1", "hostPort": 53},
        {"containerPort": 443},
    ]
    assert set(spec(portMappings=written).ports) == {
        Port(80, 8080),
        Port(53, 53, "udp", "127.0.0.1"),
        Port(443),
    }


@pytest.mark.parametrize(
    ("network", "own", "joins"),
    [
        ("bridge", [], None),
        ("default", [], None),
        ("none", [], None),
        ("host", [], None),
        ("mine", ["mine"], None),
        ("container:db", [], "db"),
    ],
)
def test_a_network_is_a_mode_one_of_its_own_or_anothers(
    network: str, own: list[str], joins: str | None
) -> None:
    one = spec(network=network)
    assert one.network == ("bridge" if network == "default" else network)
    assert ([*one.networks], one.joins) == (own, joins)


@pytest.mark.parametrize(
    ("written", "first", "listed"),
    [
        ({"networks": ["mine"]}, "mine", {}),
        ({"networks": {"mine": None}}, "mine", {}),
        ({"networks": {"mine": {"aliases": [], "gwPriority": 0}}, "network": "mine"}, "mine", {}),
        ({"networks": ["other", "mine"]}, "mine", {"other": {}}),
        ({"networks": ["mine", "other"], "network": "other"}, "other", {"mine": {}}),
        (
            {
                "networks": {
                    "mine": {"aliases": ["b", "a", "b"]},
                    "other": {"macAddress": "02-42-AC-11-00-0A"},
                }
            },
            "mine",
            {"mine": {"aliases": ["a", "b"]}, "other": {"macAddress": "02:42:ac:11:00:0a"}},
        ),
    ],
)
def test_networks_have_one_form_however_they_are_listed(
    written: dict[str, Any], first: str, listed: dict[str, Any]
) -> None:
    one = spec(**written)
    assert (one.definition["network"], one.definition.get("networks", {})) == (first, listed)
    assert [*one.networks] == [first, *sorted(listed.keys() - {first})]
    assert joined_at_create(one.definition, (1, 43)) == (first,)
    assert joined_at_create(one.definition, (1, 44)) == tuple(one.networks)


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ("host", "network: host does not go with networks"),
        ("default", "network: bridge does not go with networks"),
        ("container:db", "network: container:db does not go with networks"),
        ("third", "network: third is not among networks"),
    ],
)
def test_network_and_networks_that_contradict_each_other_are_a_problem(network: str, what: str) -> None:
    result = parse(
        [Item({"image": "nginx", "network": network, "networks": ["mine"]}, Origin("c"))], "confdir"
    )
    assert [one.what for one in result.problems] == [what]


def test_a_container_is_bound_to_those_that_it_links_shares_volumes_or_a_network_with() -> None:
    volumes = [{"from": "store"}, {"from": "db"}, {"containerPath": "/a"}]
    assert spec(links={"db": "database", "mq": "queue"}, volumes=volumes).bound_to == ("db", "mq", "store")
    assert spec(network="container:vpn").bound_to == ("vpn",)
    assert spec(links={"db": "database"}).links == {"db": "database"}
    assert spec(volumes=volumes).volumes_from == ("db", "store")


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("always", "always"),
        ("unless-stopped", "unless-stopped"),
        ("on-failure", "on-failure"),
        ("no", "no"),
        ("never", "no"),
        (False, "no"),
    ],
)
def test_restart_in_each_spelling(written: object, policy: str) -> None:
    assert spec(restart=written).restart == policy


def test_zero_is_no_restart_policy_though_python_takes_it_for_false() -> None:
    (message,) = told({"image": "nginx", "restart": 0})
    assert "0 is not one of" in message


def test_cpu_signals_and_update() -> None:
    one = spec(cpu="512", signal={"proxy": "HUP"}, update={"eager": "yes", "pull": "off"})
    assert (one.definition["cpu"], one.signals, one.eager, one.follows_registry) == (
        512,
        {"proxy": "HUP"},
        True,
        False,
    )


def test_update_is_in_seconds_and_windows() -> None:
    texts = ["Sat 02:00-04:00", "Mon-Fri 22:00-06:00 Europe/Berlin"]
    windows = tuple(map(parse_window, texts))
    written = {
        "pull": "no",
        "order": "start-first",
        "proveSeconds": "0",
        "rollback": False,
        "stopTimeout": "1m30s",
        "window": texts,
        "minAge": "7d",
    }
    assert spec(update=written).update == Update(
        pull=False,
        eager=True,
        prove_seconds=0,
        rollback=False,
        stop_timeout=90,
        windows=windows,
        min_age=7 * 86400,
    )
    assert spec(update={"window": "Sat 02:00-04:00"}).update.windows == windows[:1]


def test_the_defaults_of_update_are_those_that_the_reference_tells() -> None:
    assert Update() == Update(
        pull=True, eager=False, prove_seconds=10, rollback=True, stop_timeout=None, windows=(), min_age=0
    )


# What is waited for.


def test_dependencies_have_a_condition_each() -> None:
    written = ["mq", {"containerName": "db", "condition": "HEALTHY"}]
    assert spec(dependsOn=written).depends_on == {"mq": "START", "db": "HEALTHY"}


def test_a_container_comes_after_those_it_is_bound_to_and_those_it_depends_on() -> None:
    one = spec(links={"db": "database"}, network="mine", volumes=[{"from": "store"}], dependsOn=["job", "db"])
    assert one.bound_to == ("db", "store")
    assert one.after == ("db", "job", "store")


# Health checks.


def test_a_health_check_has_the_defaults_of_the_engine() -> None:
    one = spec(healthCheck={"command": "true"})
    assert one.health_check == HealthCheck(("CMD-SHELL", "true"), 30, 30, 3, 0)
    assert one.checked


def test_a_health_check_that_is_turned_off_checks_nothing() -> None:
    one = spec(healthCheck={"command": ["NONE"]})
    assert one.health_check is not None
    assert (one.health_check.test, one.checked, one.health_seconds) == (("NONE",), False, 0)
    assert one.health_timeout(0) == 60


@pytest.mark.parametrize(
    ("keys", "needs", "gets"),
    [
        ({}, 3 * 60 + 5, 3 * 60 + 5),
        ({"interval": 5, "timeout": 2, "retries": 2, "startPeriod": 10}, 10 + 2 * 7 + 5, 60),
        ({"interval": "10s", "timeout": "10s", "retries": 3}, 65, 65),
        ({"startPeriod": "5m"}, 300 + 180 + 5, 485),
    ],
)
def test_the_time_for_a_proof_is_what_its_check_may_need(
    keys: dict[str, object], needs: int, gets: int
) -> None:
    one = spec(healthCheck={"command": ["CMD", "true"], **keys})
    assert (one.health_seconds, one.health_timeout(0), one.health_timeout(1000)) == (needs, gets, 1000)


def test_the_time_for_a_proof_without_a_check_is_a_minute_or_the_setting() -> None:
    assert (spec().health_seconds, spec().health_timeout(0), spec().health_timeout(5)) == (0, 60, 5)


def test_a_pinned_image_asks_no_registry() -> None:
    assert not spec(image="nginx@sha256:" + "0" * 64).follows_registry


# Memory.


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("2048m", 2048 * MIB),
        ("2g", 2048 * MIB),
        ("1.5g", 1536 * MIB),
        ("8MiB", 8 * MIB),
        ("8192kb", 8 * MIB),
        ("6291456b", 6 * MIB),
        ("1T", 1 << 40),
        (268435456, 256 * MIB),
        ("268435456", 256 * MIB),
        (6 * MIB, 6 * MIB),
        (512, 512 * MIB),
        ("512", 512 * MIB),
        (6, 6 * MIB),
    ],
)
def test_memory_in_bytes(written: object, amount: int) -> None:
    assert spec(memory=written).definition["memory"] == amount


@pytest.mark.parametrize("written", [512, "512", 6 * MIB - 1])
def test_a_bare_number_under_the_least_memory_is_mib_and_said_so(written: object) -> None:
    (note,) = parsed({"image": "nginx", "memory": written}).notes
    assert note == f"c.yaml: [0].memory: {written} is read as {written} MiB; write {written}m to say so"


@pytest.mark.parametrize("written", ["512m", 6 * MIB, str(6 * MIB), "1.5g"])
def test_memory_with_a_unit_or_in_bytes_needs_no_note(written: object) -> None:
    assert parsed({"image": "nginx", "memory": written}).notes == ()


@pytest.mark.parametrize(
    "written",
    [0, -1, "5m", "6b", 5, "0.1g0", "1.0001g", True, None, "m", "1 g", "\u0663g", 1 << 63, "9" * 15 + "t"],
)
def test_what_no_container_can_have_is_refused(written: object) -> None:
    (message,) = told({"image": "nginx", "memory": written})
    assert message.startswith("c.yaml: [0].memory: ")


# What does not go together.


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (Port(80, 8080), Port(81, 8080), True),
        (Port(80, 8080), Port(80, 8081), False),
        (Port(80, 8080), Port(80, 8080, "udp"), False),
        (Port(80), Port(80), False),
        (Port(80, 1, host_ip="127.0.0.1"), Port(80, 1, host_ip="127.0.0.2"), False),
        (Port(80, 1, host_ip="127.0.0.1"), Port(80, 1, host_ip="127.0.0.1"), True),
        (Port(80, 1, host_ip="127.0.0.1"), Port(80, 1), True),
        (Port(80, 1, host_ip="0.0.0.0"), Port(80, 1, host_ip="127.0.0.1"), True),
        (Port(80, 1, host_ip="::"), Port(80, 1, host_ip="::1"), True),
    ],
)
def test_ports_clash_where_one_address_would_have_two_listeners(one: Port, other: Port, clash: bool) -> None:
    assert one.clashes(other) is clash
    assert other.clashes(one) is clash


PORT = [{"containerPort": 80, "hostPort": 8080}]


@pytest.mark.parametrize(
    ("keys", "where", "what"),
    [
        (
            {"portMappings": [*PORT, {"containerPort": 81, "hostPort": "8080"}]},
            "portMappings",
            "host port 8080 is listed twice",
        ),
        (
            {"portMappings": PORT, "network": "none"},
            "portMappings",
            "ports cannot be published with network: none",
        ),
        (
            {"portMappings": PORT, "network": "container:db"},
            "portMappings",
            "ports cannot be published with network: container:db",
        ),
        ({"links": {"db": "database"}, "network": "host"}, "links", "links do not go with network: host"),
        ({"links": ["db"], "network": "container:db"}, "links", "do not go with network: container:db"),
        ({"hostname": "a", "network": "container:db"}, "hostname", "hostname does not go with network"),
        ({"dns": "::1", "network": "container:db"}, "dnsServers", "dnsServers do not go with network"),
        ({"hostname": "a", "uts": "host"}, "hostname", "with uts: host it has the host's name"),
        (
            {"sysctls": {"net.core.somaxconn": 5}, "network": "host"},
            "sysctls",
            "the parameters of a network that is the host's are not a container's",
        ),
        ({"cpus": 1, "cpu_quota": 5000}, "cpuQuota", "cpus and cpuQuota are two ways to say one thing"),
        ({"memory": "6m", "mem_reservation": "7m"}, "memoryReservation", "more memory is reserved than it"),
        ({"memory": "9m", "memorySwap": "8m"}, "memorySwap", "memory and swap together, and less than"),
        ({"memorySwap": "8m"}, "memorySwap", "a limit to the swap needs one to the memory"),
        ({"linuxParameters": {"maxSwap": 5}}, "linuxParameters.maxSwap", "a limit to the swap needs one"),
        (
            {"maskedPaths": [], "security_opt": ["systempaths=unconfined"]},
            "maskedPaths",
            '"maskedPaths" and "systempaths=unconfined" are two spellings of one key',
        ),
        (
            {"pull_policy": "always", "update": {"pull": True}},
            "pull",
            '"pull" and "update.pull" are two spellings of one key',
        ),
        ({"env": {}, "environment": []}, "environment", '"env" and "environment" are two spellings of one'),
        ({"capabilities": {"add": ["KILL"]}, "cap_add": []}, "capabilities", '"cap_add" and "capabilities"'),
        ({"build": "."}, "build", "dockerup builds no images"),
        ({"secrets": [{"name": "A", "valueFrom": "arn"}]}, "secrets", "ECS's secrets are in AWS"),
        ({"environmentFiles": [{"type": "s3"}]}, "environmentFiles", "ECS's files are in S3"),
        (
            {"logConfiguration": {"logDriver": "x", "secretOptions": [{}]}},
            "logConfiguration.secretOptions",
            "its values are in AWS",
        ),
        ({"mac_address": "02:42:ac:11:00:02"}, "mac_address", "a MAC address is that on one network"),
        ({"deploy": {"replicas": 2}}, "deploy", "this is about a cluster"),
        (
            {"volumes": [{"containerPath": "/a"}, {"containerPath": "/a/", "hostPath": "/b"}]},
            "volumes",
            "is listed twice",
        ),
    ],
)
def test_keys_that_exclude_each_other(keys: dict[str, object], where: str, what: str) -> None:
    (message,) = told({"image": "nginx", **keys})
    assert message.startswith(f"c.yaml: [0].{where}: ")
    assert what in message


def test_all_that_does_not_go_together_is_told_at_once() -> None:
    keys = {
        "portMappings": PORT + PORT,
        "links": {"db": "x1"},
        "network": "none",
        "volumes": [{"containerPath": "/a"}] * 2,
    }
    assert len(told({"image": "nginx", **keys})) == 4


def test_what_means_nothing_here_is_taken_and_said() -> None:
    written = {
        "image": "nginx",
        "essential": True,
        "repositoryCredentials": {"credentialsParameter": "arn:x"},
    }
    parsed = parse([Item(written, Origin("c.yaml"))], "confdir")
    assert (parsed.problems, dict(parsed.specs[0].definition)) == ((), {"image": "nginx:latest"})
    assert parsed.notes == (
        "c.yaml: repositoryCredentials: this means nothing here; "
        "the login for a registry is a setting: registryAuth in dockerup.conf",
    )


@pytest.mark.parametrize("key", ["memory", "mem_limit", "memoryReservation", "mem_reservation"])
def test_a_small_bare_amount_of_memory_is_told_to_be_mib(key: str) -> None:
    parsed = parse([Item({"image": "nginx", key: 64}, Origin("c.yaml"))], "confdir")
    assert parsed.notes == (f"c.yaml: {key}: 64 is read as 64 MiB; write 64m to say so",)


def test_a_container_holds_on_to_each_whose_namespaces_it_shares() -> None:
    one = spec(network="container:net", pid="container:pid", ipc="container:ipc")
    assert one.shares == one.bound_to == ("ipc", "net", "pid")
    body = create_body(one, {}, (), {"net": "1", "pid": "2", "ipc": "3"})["HostConfig"]
    assert (body["NetworkMode"], body["PidMode"], body["IpcMode"]) == (
        "container:1",
        "container:2",
        "container:3",
    )


def test_a_restart_policy_with_a_count_is_told_with_it() -> None:
    one = spec(restart="on-failure:5")
    assert (one.restart, one.restart_policy) == ("on-failure", "on-failure:5")
    policy = create_body(one, {}, (), {})["HostConfig"]["RestartPolicy"]
    assert policy == {"Name": "on-failure", "MaximumRetryCount": 5}


def test_the_paths_of_the_system_are_opened_as_the_docker_command_does() -> None:
    config = create_body(spec(security_opt=["systempaths:unconfined", "label:disable"]), {}, (), {})[
        "HostConfig"
    ]
    assert (config["SecurityOpt"], config["MaskedPaths"], config["ReadonlyPaths"]) == (
        ["label=disable"],
        [],
        [],
    )


def test_a_label_of_a_persons_is_told_beside_those_of_dockerup() -> None:
    assert create_body(spec(labels={"a": 1}), {"dockerup.name": "x"}, (), {})["Labels"] == {
        "a": "1",
        "dockerup.name": "x",
    }


def test_where_no_newer_image_is_wanted_none_is_looked_for() -> None:
    assert [spec(pull=pull).follows_registry for pull in ("always", "if_not_present")] == [True, False]


def test_the_time_to_start_is_what_a_new_container_has_to_prove_itself() -> None:
    assert [spec(startTimeout="2m").health_timeout(setting) for setting in (0, 60)] == [120, 120]


def test_a_spec_shows_no_secret() -> None:
    log = {"logDriver": "splunk", "options": {"splunk-token": "hunter2"}}
    assert "hunter2" not in repr(spec(env={"PASSWORD": "hunter2"}, logConfiguration=log))


# The examples of the document that this project implements, as they stand.


def test_the_registry_example_as_a_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "registry.json"
    path.write_bytes((DATA / "registry.json").read_bytes())
    path.chmod(0o644)
    result = parse(read_confdir(str(tmp_path)).items, "confdir")
    (one,) = result.specs
    assert (result.problems, one.name, str(one.image)) == (
        (),
        "registry",
        "docker.io/library/registry:latest",
    )
    assert one.ports == (Port(5000, 5000),)
    assert one.definition["env"]["STANDALONE"] == "false"
    assert one.definition["env"]["MIRROR_SOURCE_INDEX"] == "https://index.docker.io registry"


def test_the_two_containers_example_as_user_data() -> None:
    read = parse_userdata((DATA / "two-containers.txt").read_bytes(), "user-data")
    result = parse(read.items, "user-data")
    assert result.problems == ()
    specs: dict[str, Any] = {one.name: one for one in result.specs}
    assert specs.keys() == {"my-app", "logstash-forwarder"}
    assert specs["my-app"].ports == (Port(8080, 8080),)
    assert specs["logstash-forwarder"].definition["volumes"] == [
        {"containerPath": "/var/log/containers", "hostPath": "/var/log/ext", "mode": "ro"}
    ]


def test_mac_address_is_the_containers_own_where_an_old_engine_knows_no_other() -> None:
    networks = {"own": {"macAddress": "02:42:AC:11:00:02"}}
    first, second = spec(networks=networks), spec(network="a", networks={"a": {}, **networks})
    old = create_body(first, {}, (), {}, (1, 43))
    assert old["MacAddress"] == "02:42:ac:11:00:02"
    assert old["NetworkingConfig"] == {"EndpointsConfig": {"own": {}}}
    new = create_body(first, {}, (), {}, (1, 44))
    assert new["NetworkingConfig"] == {"EndpointsConfig": {"own": {"MacAddress": "02:42:ac:11:00:02"}}}
    assert "MacAddress" not in new
    assert needed_versions(first.definition) == []
    assert needed_versions(second.definition) == [("networks.own.macAddress", "1.44")]


def test_port_alone_that_cloud_init_may_not_have_read_as_it_was_typed_asks_for_quotes() -> None:
    items = [
        Item({"image": "nginx", "ports": [port]}, Origin("user-data", lossy=True)) for port in (1342, "80")
    ]
    assert [one.what for one in parse(items[:1], "user-data").problems] == [
        "cloud-init may not have read this as it was typed"
    ]
    assert parse(items[1:], "user-data").specs[0].ports == (Port(80),)
