"""The table of keys: the parser and the JSON Schema agree, and every refusal helps."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dockerup.keys import CONTAINER, CONTAINER_KEYS, SECRETS, json_schema
from dockerup.keys.elsewhere import SPELLINGS
from dockerup.kinds import Refused
from dockerup.problems import Origin, Problem
from tests.engine.key_rows import rows
from tests.unit.key_faults import FAULTS

SCHEMA = Draft202012Validator(json_schema())
ONE_CONTAINER = Draft202012Validator(dict(CONTAINER.schema))
ORIGIN = Origin("web.yaml").at("containers", 0)

# What the schema cannot say, by key and by the problem's text. Any other difference is a fault.
_TWICE = r"a name is listed twice$"
# For all keys: digits that are out of range, and two spellings of one.
BEYOND_ALL = r'"-?[0-9.]+" is not in the range from [-0-9.]+ to [0-9]+$|"[^"]+" and "[^"]+" are two spellings'
BEYOND_SCHEMA = {
    "image": r"(?!.* is not an image reference$)",  # the grammar: registry, path, tag, digest
    **dict.fromkeys(
        ("memory", "memoryReservation", "memorySwap"),
        r".* is not an amount of memory that a container can have$",  # once the unit is counted in
    ),
    "hostIp": r'".*" is no IP address$',
    "portMappings": r'".*" is no IP address$|.* is no range|.* are ranges of different len|a range has no',
    "containerPortRange": r".* is no range of 1 to 1000 ports$",
    "network": r"no container gets a network interface",
    "ipv4Address": r'".*" is not an IPv4 address$',
    "ipv6Address": r'".*" is not an IPv6 address$',
    "linkLocalIps": r'".*" is not an IPv4 address$',
    **dict.fromkeys(
        ("subnet", "gateway", "ipRange"),
        r'".*" is not an? (subnet|IP address)$|.* is not in the subnet .*$',
    ),
    "volumes": r'its type and what is mounted|a tmpfs is nothing else|".*" says both ro and rw',
    "env": r"a secret is a variable or a file|a name is listed twice$",
    "bind": r"bind does not go without hostPath|the engine takes no SELinux mark",
    "volumeOptions": r"volumeOptions does not go without volume",
    "readOnly": r"mode and readOnly contradict each other",
    "entrypoint": r"the quotes do not match",
    "command": r"the quotes do not match",
    **dict.fromkeys(
        ("interval", "timeout", "startPeriod", "stopTimeout", "minAge"),
        r'"[0-9dhms]+" is not in the range of this time$',  # once the units are counted in
    ),
    "dependsOn": r'".*" is listed with [A-Z]+ and with [A-Z]+$',
    "update": r"eager: (true|false) and order: [a-z-]+ contradict each other$",
    **dict.fromkeys(("shmSize", "rate"), r"[0-9]+ bytes are in no use for this$"),
    **dict.fromkeys(("storageOpt", "annotations", "sysctls", "options"), _TWICE),
    **dict.fromkeys(("cpusetCpus", "cpusetMems"), r'".*" ends before it begins$'),
    "labels": rf"{_TWICE}|.* is a label that dockerup sets itself$",
    "links": r"a container is linked under two names$",
    "extraHosts": r'".*" is no IP address$',
    "dnsServers": r'".*" is no IP address$',
    "ulimits": r"a limit is listed twice$|the soft limit of [a-z]+ is above the hard one$",
    "deviceRequests": r"count and deviceIds do not go together$",
    "resourceRequirements": r"GPUs are listed twice$",
    **dict.fromkeys(
        (
            *("blkioWeightDevice", "blkioDeviceReadBps", "blkioDeviceWriteBps", "blkioDeviceReadIOps"),
            "blkioDeviceWriteIOps",
        ),
        r"a device is listed twice$",
    ),
    **{
        f"blkioDevice{way}": r"a device is listed twice$"
        for way in ("ReadBps", "WriteBps", "ReadIOps", "WriteIOps")
    },
    "window": r'there is no time zone "|".*" ends when it begins$',
}
# The keys by each of their names, those inside of Compose's and ECS's objects too.
CANONICAL = {name: key for key, row in CONTAINER_KEYS.items() for name in (key, *row.key.aliases)}
CANONICAL |= {"gpus": "deviceRequests", "device_read_bps": "blkioDeviceReadBps", "maxSwap": "memorySwap"}
CANONICAL |= {"device_write_iops": "blkioDeviceWriteIOps", "weight_device": "blkioWeightDevice"}


def problems_of(document: object) -> tuple[Problem, ...]:
    try:
        CONTAINER.read(document, ORIGIN)
    except Refused as refused:
        return refused.problems
    return ()


def web(**keys: object) -> dict[str, object]:
    return {"image": "nginx", **keys}


# The same documents.

NUMBERS = st.sampled_from([0, 1, 2, -1, 80, 65535, 65536, 262144, 262145, 6 << 20, 1 << 62, 1 << 63, 1.5])
DIGITS = st.sampled_from(
    ["0", "1", "01", "+1", " 1", "1\n", "65535", "65536", "262145", "-1", "1e3", "\u0663", ""]
)
TIMES = st.from_regex(r"\A([0-9]{1,7}d)?([0-9]{1,4}h)?([0-9]{1,3}m)?([0-9]{1,6}(\.[0-9])?(s|ms)?)?\n?\Z")
WINDOWS = st.from_regex(
    r"\A((Mon|Sat|sat)([-,](Tue|Sun))?(,Wed)? {0,2})?(02|2|24|7):(00|30|60)-(2|02|24|23):(00|3)0?"
    r"( (UTC|utc|Europe/Berlin|Europe|Asia/Nowhere|CET|/|\+1))?\n?\Z"
)
MEMORY = st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,4})?[bkmgtBKMGT]?[iI]?[bB]?\n?\Z")
WORDS = st.sampled_from(
    ["docker", "Docker", "tcp", "TCP", "udp", "sctp", "rw", "ro", "", " ", "a 'b", "'a", "A=B"]
    + ["always", "no", "never", "No", "FALSE", "yes", "on", "unless-stopped", "on-failure", "SIGHUP", "hup"]
    + ["bridge", "host", "none", "default", "container:web", "container:w", "web", "w", "web.dockerup-new"]
    + [
        "9",
        "99",
        "127.0.0.1",
        "::1",
        "1.2.3",
        "/a",
        "/a:b",
        "a\0",
        "/a\0",
        "/a\n",
        "nginx",
        "nginx:",
        "web\n",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
LEAF = st.booleans() | NUMBERS | DIGITS | WORDS | st.text(max_size=4)
ANY = LEAF | MEMORY | JSON
SUBKEYS = (
    "containerPort",
    "hostPort",
    "protocol",
    "hostIp",
    "containerPath",
    "hostPath",
    "mode",
    "from",
    "pull",
)
NAMES = st.sampled_from([*CONTAINER_KEYS, *SUBKEYS, "eager", "Name", "web", "w", "A=B", ""])


SIGNS = st.sampled_from([*"\n\0:=-/. 09[x+\u0663", "", "CAP_"])


def _objects(*keys: str, values: st.SearchStrategy[Any] = ANY) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, values))


CONDITIONS = st.sampled_from(["START", "HEALTHY", "COMPLETE", "SUCCESS", "healthy", "service_healthy"])
HEALTH_COMMANDS = (
    st.lists(st.sampled_from(["CMD", "CMD-SHELL", "NONE", "true", "", " ", "a\0", 5]), max_size=3)
    | st.sampled_from(["true", "NONE", "CMD", "CMD true", "CMD-SHELL, true", "CMDR", " ", "a\0b", "a\n"])
    | ANY
)
PORTS = st.from_regex(
    r"\A((127\.0\.0\.[19]|\[::1\]|999.1.1.1):)?(8[0-9]?(-8[0-9]?)?:)?8[0-9]?(-8[0-9])?(/udp)?\n?\Z"
)
NEAR: dict[str, st.SearchStrategy[Any]] = {
    "portMappings": st.lists(
        _objects("containerPort", "hostPort", "protocol", "hostIp", values=LEAF)
        | _objects("containerPortRange", "target", "name", values=WORDS | PORTS)
        | PORTS
        | LEAF,
        max_size=2,
    ),
    "env": st.dictionaries(WORDS, ANY, max_size=2),
    "volumes": st.lists(
        _objects("containerPath", "hostPath", "mode", "from", values=WORDS)
        | _objects("target", "volume", "readOnly", "sourceContainer", "type", values=WORDS)
        | st.sampled_from(
            ["/a:/b", "/a:/b:ro", "/a:/b:ro,rw", "a:/b", "db:/b:nocopy", "/a:b", "/a:/b:x", "/a\n"]
        ),
        max_size=2,
    ),
    "envFiles": st.lists(WORDS, max_size=2) | WORDS,
    "labelFiles": st.lists(WORDS, max_size=2) | WORDS,
    "secrets": st.dictionaries(
        WORDS,
        st.fixed_dictionaries({"file": WORDS}, optional={"env": WORDS, "path": WORDS, "mode": LEAF}),
        max_size=2,
    ),
    "tmpfs": st.lists(
        WORDS
        | _objects("containerPath", "size", "mode", values=WORDS | NUMBERS | MEMORY)
        | st.sampled_from(["/a:size=64m", "/a:", "/a:b,", "/a:mode=1777,noexec", "a"]),
        max_size=2,
    ),
    "mountPoints": st.lists(_objects("containerPath", "sourceVolume", "readOnly", values=WORDS), max_size=2),
    "volumesFrom": st.lists(_objects("sourceContainer", "readOnly", values=LEAF), max_size=2),
    "networks": st.lists(WORDS, max_size=2)
    | st.dictionaries(
        WORDS,
        st.none()
        | _objects("aliases", "linkLocalIps", values=st.lists(WORDS, max_size=2))
        | _objects("ipv4Address", "ipv6Address", "macAddress", "interfaceName", values=WORDS)
        | _objects("gwPriority", "driverOpts", values=NUMBERS | DIGITS | JSON),
        max_size=2,
    ),
    "memory": MEMORY | NUMBERS | DIGITS,
    "entrypoint": st.lists(LEAF, max_size=2) | WORDS,
    "command": st.lists(LEAF, max_size=2) | WORDS,
    "links": st.dictionaries(WORDS, WORDS, max_size=2),
    "signal": st.dictionaries(WORDS, WORDS, max_size=2),
    "healthCheck": st.fixed_dictionaries(
        {"command": HEALTH_COMMANDS},
        optional={
            **dict.fromkeys(("interval", "timeout", "startPeriod"), TIMES | NUMBERS | LEAF),
            "retries": NUMBERS | DIGITS,
        },
    ),
    "dependsOn": st.lists(
        WORDS | st.fixed_dictionaries({"containerName": WORDS}, optional={"condition": CONDITIONS | WORDS}),
        max_size=3,
    ),
    "update": _objects("pull", "eager", "rollback", values=LEAF)
    | _objects("proveSeconds", "stopTimeout", "minAge", values=TIMES | NUMBERS | DIGITS)
    | _objects("window", values=WINDOWS | st.lists(WINDOWS, max_size=2))
    | st.fixed_dictionaries(
        {"order": st.sampled_from(["stop-first", "start-first", "eager"]), "eager": LEAF}
    ),
    "stopTimeout": TIMES | NUMBERS,
    "stopSignal": WORDS | st.from_regex(r"\A(SIG)?(RTMIN\+|RTMAX-|TERM|IOT|KIL|)[0-9]{0,2}\n?\Z"),
    "logConfiguration": st.fixed_dictionaries(
        {"logDriver": WORDS}, optional={"options": st.dictionaries(WORDS, ANY, max_size=2) | ANY}
    ),
}
VALID: dict[str, list[object]] = {
    "type": ["docker"],
    "name": ["web", "w.1", "a" * 64],
    "image": ["nginx", "127.0.0.1:5000/team/web:1", "nginx@sha256:" + "0" * 64],
    "portMappings": [
        [],
        [{"containerPort": 80}],
        [{"containerPort": "80", "hostPort": "8080", "protocol": "udp", "hostIp": "::1"}],
        ["80", 81, "8082:82/udp", "127.0.0.1::83", "[::1]:8084-8085:84-85", {"target": 90, "published": "9"}],
        [{"containerPortRange": "80-82", "name": "web", "appProtocol": "http2"}],
    ],
    "env": [{}, {"A": "b", "C": 1, "D": True, "E": ""}],
    "volumes": [
        [{"containerPath": "/a"}, {"containerPath": "/b", "hostPath": "/b", "mode": "ro"}],
        [{"from": "db"}],
        ["/a:/b:ro,z", "data:/c:nocopy", "/d", {"sourceContainer": "db", "readOnly": "yes"}],
        [
            {"target": "/a", "volume": "data", "volumeOptions": {"driver": "x", "driverOpts": {"a": "b"}}},
            {
                "containerPath": "/b",
                "hostPath": "/b",
                "bind": {"createHostPath": False, "propagation": "rslave"},
            },
            {
                "containerPath": "/c",
                "type": "tmpfs",
                "tmpfs": {"size": "64m", "mode": "1777"},
                "readOnly": True,
            },
            {"containerPath": "/d", "volume": "da", "volumeOptions": {"subpath": "a/b", "labels": {"c": ""}}},
        ],
    ],
    "envFiles": ["/etc/app.env", ["/a", "/b"], []],
    "labelFiles": ["/etc/app.labels", ["/a", "/b"], []],
    "secrets": [
        {},
        {
            "token": {"file": "/etc/token"},
            "other.one": {"file": "/a", "env": "TOKEN"},
            "third": {"file": "/a", "target": "/b", "mode": "640"},
        },
    ],
    "mountPoints": [[{"sourceVolume": "data", "containerPath": "/m", "readOnly": True}]],
    "volumesFrom": [[{"sourceContainer": "db"}]],
    "tmpfs": [
        "/run",
        ["/t:size=1g,noexec", {"containerPath": "/u", "mountOptions": ["nosuid"], "size": 4096}],
    ],
    "cpu": [2, "512", 262144],
    "memory": [512, "2048m", "1.5g", "8MiB", 268435456, "9"],
    "entrypoint": ["/bin/sh -c 'echo x'", ["/bin/sh"]],
    "command": ["serve --all", ["", "x"]],
    "privileged": [True, False, "yes", "OFF"],
    "networks": [
        [],
        {},
        ["mine", "m"],
        {
            "mine": None,
            "other": {},
            "third": {"aliases": ["db"], "ipv4Address": "10.0.0.9", "ipv6Address": "fd::9"},
        },
        {
            "mine": {
                "linkLocalIps": ["169.254.1.9"],
                "macAddress": "02-42-AC-11-00-02",
                "driverOpts": {"a.b": "c"},
                "gwPriority": -1,
                "interfaceName": "eth7",
            }
        },
        {
            "mine": {
                "networkOptions": {
                    "driver": "macvlan",
                    "driver_opts": {"parent": "eth0"},
                    "internal": True,
                    "attachable": "yes",
                    "enable_ipv6": False,
                    "labels": {"team": "a"},
                    "ipam": {
                        "driver": "default",
                        "options": {"a": "b"},
                        "config": [
                            {
                                "subnet": "10.5.0.0/24",
                                "gateway": "10.5.0.9",
                                "ip_range": "10.5.0.128/25",
                                "aux_addresses": {"router": "10.5.0.7"},
                            },
                            {"subnet": "fd00:5::/64"},
                        ],
                    },
                }
            },
            "other": {"networkOptions": {"ipam": {}}},
        },
    ],
    "network": ["bridge", "none", "host", "default", "container:db", "mine", "m"],
    "restart": ["always", "unless-stopped", "on-failure", "no", "never", False],
    "links": [{}, {"db": "database"}],
    "signal": [{"proxy": "HUP", "other": "SIGUSR1", "third": "9"}],
    "healthCheck": [
        {"command": "curl -f http://localhost/ || exit 1"},
        {"command": ["CMD", "true"], "interval": "1m30s", "timeout": 5, "retries": "2", "startPeriod": "10"},
        {"command": ["CMD-SHELL", "CMD or not"]},
        {"command": ["NONE"]},
        {"command": "NONE"},
    ],
    "dependsOn": [[], ["db", {"containerName": "mq"}], [{"containerName": "db", "condition": "HEALTHY"}]],
    "update": [
        {},
        {"pull": False, "eager": "true"},
        {"order": "start-first", "eager": True, "rollback": "no"},
        {"proveSeconds": "3600", "stopTimeout": "0s", "minAge": "7d"},
        {"window": "Sat 02:00-04:00 UTC", "minAge": 90},
        {"window": ["Mon-Fri,Sun 22:00-2:30 Europe/Berlin", "04:00-24:00", "0:00-1:00 America/New_York"]},
        {"window": []},
    ],
    "stopTimeout": [0, "30", "1m30s", 86400],
    "stopSignal": ["SIGTERM", "TERM", "15", "SIGRTMIN+3", "RTMAX-14", "PWR"],
    "logConfiguration": [
        {"logDriver": "journald"},
        {"logDriver": "grafana/loki-docker-driver:3.3.2", "options": {"max-file": 3, "compress": True}},
    ],
}


for _row in rows():
    VALID.setdefault(_row.key, []).append(_row.says)
# What ECS and Compose say in another shape.
VALID_SPELLINGS: dict[str, list[object]] = {
    "environmentFiles": [[]],
    "capabilities": [{"add": ["NET_ADMIN"], "drop": []}, {"drop": ["ALL"]}],
    "gpus": ["all", 2, [{"driver": "nvidia", "device_ids": ["0", "1"]}]],
    "resourceRequirements": [[], [{"type": "GPU", "value": "1"}]],
    "linuxParameters": [
        {"initProcessEnabled": True, "sharedMemorySize": 64, "swappiness": 10},
        {"tmpfs": [{"containerPath": "/a", "size": "64", "mountOptions": ["noexec"]}]},
        {"capabilities": {"add": [], "drop": ["ALL"]}, "devices": [{"hostPath": "/dev/fuse"}]},
    ],
    "restartPolicy": [{"enabled": False}, {"enabled": True, "ignoredExitCodes": [0]}],
    "blkio_config": [
        {"weight": 300, "weight_device": [{"path": "/dev/sda", "weight": 100}]},
        {"device_read_bps": [{"path": "/dev/sda", "rate": "10m"}], "device_write_iops": []},
    ],
    "essential": [True],
    "versionConsistency": ["enabled"],
    "repositoryCredentials": [{"credentialsParameter": "arn:x"}],
    "attach": [False],
}


@st.composite
def bent(draw: st.DrawFn, value: Any) -> Any:
    """Something right with a part of it put wrong: another value, one more, or one less."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        inner = draw(bent(value[key]))
        rest = {k: v for k, v in value.items() if k != key or draw(st.booleans())}
        return {**rest, draw(NAMES | st.just(key)): inner}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], draw(bent(value[index])), *value[index + draw(st.integers(0, 1)) :]]
    if isinstance(value, str) and draw(st.booleans()):
        place = draw(st.integers(0, len(value)))
        return value[:place] + draw(SIGNS) + value[place + draw(st.integers(0, 2)) :]
    return draw(ANY)


@st.composite
def documents(draw: st.DrawFn) -> object:
    """A container that is right but for at most two keys, or has a key that is none."""
    keys = draw(st.lists(st.sampled_from(sorted(VALID)), unique=True, max_size=5))
    document = {key: draw(st.sampled_from(VALID[key])) for key in ["image", *keys]}
    for key in draw(st.lists(st.sampled_from(sorted(VALID)), max_size=2)):
        named = draw(st.sampled_from([key, *CONTAINER_KEYS[key].key.aliases]))
        document[named] = draw(NEAR.get(key, ANY) | ANY | st.sampled_from(VALID[key]).flatmap(bent))
    if draw(st.booleans()):
        spelling = draw(st.sampled_from(sorted(SPELLINGS)))
        examples = st.sampled_from(VALID_SPELLINGS.get(spelling, [{}]))
        document[spelling] = draw(examples | examples.flatmap(bent) | ANY)
    if draw(st.integers(0, 9)) == 0:
        document[draw(NAMES)] = draw(ANY)
    if draw(st.integers(0, 19)) == 0:
        document.pop("image")
    return document


def test_every_key_has_examples_that_both_accept_by_each_of_its_names() -> None:
    assert VALID.keys() == CONTAINER_KEYS.keys()
    assert VALID_SPELLINGS.keys() == {
        key for key in SPELLINGS if not SPELLINGS[key].help.startswith("refused")
    }
    named = {
        name: values for key, values in VALID.items() for name in (key, *CONTAINER_KEYS[key].key.aliases)
    }
    for key, values in {**named, **VALID_SPELLINGS}.items():
        for value in values:
            document = {"image": "nginx", key: value}
            assert (problems_of(document), list(ONE_CONTAINER.iter_errors(document))) == ((), []), document


@settings(max_examples=4 * settings().max_examples)  # the profile's number, and a big space
@given(documents() | JSON | st.dictionaries(NAMES, ANY, max_size=3))
def test_parser_and_schema_accept_and_refuse_the_same(document: object) -> None:
    problems = problems_of(document)
    if not ONE_CONTAINER.is_valid(document):
        assert problems, "the schema refuses it and the parser does not"
    elif problems:
        unsaid = [str(one) for one in problems if not _beyond_schema(one)]
        assert not unsaid, "the parser refuses it, the schema does not"


def _key_of(problem: Problem) -> str:
    return [step for step in problem.where.path if isinstance(step, str)][-1]


def _beyond_schema(problem: Problem) -> bool:
    key = _key_of(problem)
    pattern = f"{BEYOND_SCHEMA.get(CANONICAL.get(key, key), BEYOND_ALL)}|{BEYOND_ALL}"
    return re.match(pattern, problem.what, re.DOTALL) is not None


@pytest.mark.parametrize("key", sorted(BEYOND_SCHEMA))
def test_what_the_schema_cannot_say_the_parser_says(key: str) -> None:
    wrong: dict[str, dict[str, object]] = {
        "image": {"image": "NGINX"},
        "memory": {"memory": "5m"},
        "hostIp": {"portMappings": [{"containerPort": 80, "hostIp": "1.2.3"}]},
        "portMappings": {"portMappings": ["80-81:80"]},
        "containerPortRange": {"ports": [{"containerPortRange": "80-79"}]},
        "network": {"network": "awsvpc"},
        "ipv4Address": {"networks": {"mine": {"ipv4Address": "10.0.0.300"}}},
        "ipv6Address": {"networks": {"mine": {"ipv6Address": "10.0.0.3"}}},
        "linkLocalIps": {"networks": {"mine": {"linkLocalIps": ["169.254.1"]}}},
        **{
            key: {"networks": {"mine": {"networkOptions": {"ipam": {"config": [pool]}}}}}
            for key, pool in {
                "subnet": {"subnet": "10.5.0.0/99"},
                "gateway": {"subnet": "10.5.0.0/24", "gateway": "10.6.0.1"},
                "ipRange": {"subnet": "10.5.0.0/24", "ipRange": "10.5.0.0/16"},
                "auxAddresses": {"subnet": "10.5.0.0/24", "auxAddresses": {"a": "fd00::1"}},
            }.items()
        },
        "env": {"secrets": {"a": {"file": "/a", "env": "A", "path": "/b"}}},
        "volumes": {"volumes": ["/a:/b:ro,rw"]},
        "bind": {
            "volumes": [
                {"containerPath": "/a", "hostPath": "/b", "bind": {"selinux": "z", "nonRecursive": True}}
            ]
        },
        "volumeOptions": {"volumes": [{"containerPath": "/a", "volumeOptions": {"noCopy": True}}]},
        "readOnly": {"volumes": [{"containerPath": "/a", "mode": "rw", "readOnly": True}]},
        "entrypoint": {"entrypoint": "'a"},
        "command": {"command": 'a "b'},
        "interval": {"healthCheck": {"command": "x", "interval": "0s"}},
        "timeout": {"healthCheck": {"command": "x", "timeout": "24h1s"}},
        "startPeriod": {"healthCheck": {"command": "x", "startPeriod": "2d"}},
        "stopTimeout": {"stopTimeout": "1441m"},
        "minAge": {"update": {"minAge": "367d"}},
        "dependsOn": {"dependsOn": ["db", {"containerName": "db", "condition": "HEALTHY"}]},
        "update": {"update": {"eager": True, "order": "stop-first"}},
        "memoryReservation": {"memoryReservation": "1k"},
        "memorySwap": {"memorySwap": "1k"},
        "shmSize": {"shmSize": "1k"},
        "rate": {"blkioDeviceReadBps": [{"path": "/dev/sda", "rate": "0.1b"}]},
        "options": {"deviceRequests": [{"options": ["a=1", "a=2"]}]},
        "storageOpt": {"storageOpt": ["a=1", "a=2"]},
        "annotations": {"annotations": ["a=1", "a=2"]},
        "sysctls": {"sysctls": ["a.b=1", "a.b=2"]},
        "labels": {"labels": {"dockerup.name": "x"}},
        "cpusetCpus": {"cpusetCpus": "3-1"},
        "cpusetMems": {"cpusetMems": "3-1"},
        "links": {"links": ["db:a", "db:b"]},
        "extraHosts": {"extraHosts": ["db:1.2.3"]},
        "dnsServers": {"dnsServers": "1.2.3"},
        "ulimits": {"ulimits": {"core": {"soft": 2, "hard": 1}}},
        "deviceRequests": {"deviceRequests": [{"count": 1, "deviceIds": ["0"]}]},
        "resourceRequirements": {"resourceRequirements": [{"type": "GPU", "value": 1}] * 2},
        "blkioWeightDevice": {"blkioWeightDevice": [{"path": "/a", "weight": 10}] * 2},
        **{
            f"blkioDevice{way}": {f"blkioDevice{way}": [{"path": "/a", "rate": 1}] * 2}
            for way in ("ReadBps", "WriteBps", "ReadIOps", "WriteIOps")
        },
        "window": {"update": {"window": "02:00-04:00 Europe/Berlinn"}},
    }
    document = web(**wrong[key])
    assert ONE_CONTAINER.is_valid(document)
    assert [_key_of(one) for one in problems_of(document)] == [key]
    assert all(map(_beyond_schema, problems_of(document)))


@pytest.mark.parametrize("key", sorted(VALID))
def test_neither_lets_a_final_newline_through(key: str) -> None:
    values = [value for value in VALID[key] if isinstance(value, str)]
    for value in values if key not in {"entrypoint", "command"} else []:
        document = {"image": "nginx", key: f"{value}\n"}
        assert problems_of(document)
        assert not ONE_CONTAINER.is_valid(document)


@pytest.mark.parametrize(
    ("keys", "least", "most"),
    [("cpu", 2, 262144), ("containerPort", 1, 65535), ("hostPort", 0, 65535)],
)
def test_a_number_and_its_digits_have_the_same_bounds(keys: str, least: int, most: int) -> None:
    def accepted(value: object) -> tuple[bool, bool]:
        port = {"containerPort": 80, keys: value}
        document = web(cpu=value) if keys == "cpu" else web(portMappings=[port])
        return not problems_of(document), ONE_CONTAINER.is_valid(document)

    edges = {
        edge + step
        for edge in (0, 9, 99, 999, 9999, 99999, least, most, 199999, 259999)
        for step in (-1, 0, 1)
    }
    for number in edges | {262100, 262139, 262199, 65499, 65529, 64999, 59999}:
        inside = least <= number <= most or (keys == "cpu" and number == 0)
        assert accepted(number) == accepted(str(number)) == (inside, inside), number
        assert accepted(f"0{number}") == (False, False)


def test_the_schema_is_one_and_takes_a_container_a_list_and_a_block() -> None:
    Draft202012Validator.check_schema(json_schema())
    document: object
    for document in (web(), [], [web(), web(name="two")], {"containers": []}, {"containers": [web()]}):
        assert SCHEMA.is_valid(document), document
    for document in ("nginx", {}, None, [web(imge="x")], {"containers": web()}, {"containers": [], "x": 1}):
        assert not SCHEMA.is_valid(document), document


def test_no_pattern_depends_on_the_language_that_reads_the_schema() -> None:
    r"""In Python `\d` takes every script's digits, in ECMA-262, which JSON Schema speaks, only 0 to 9."""
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(json_schema()))
    assert len(patterns) > 10
    assert [one for one in patterns if re.search(r"\\[dwb]", one)] == []


# Every refusal helps.

FAULTY: list[tuple[str, object, str, str, str]] = [
    # key, value: where, what, fix
    ("type", "podman", "type", '"podman" is not one of: docker', "Write one of: docker."),
    ("name", "w", "name", '"w" is not a name of two or more letters, digits', "Write a name of two"),
    ("name", "web.dockerup-old", "name", '"web.dockerup-old" is not a name', "Write a name of two"),
    ("image", "Nginx", "image", "the name of an image is in lower case", 'Write "nginx".'),
    ("image", 5, "image", "5 is not an image reference", "Write an image reference."),
    ("portMappings", {}, "portMappings", "an object is not a list of port mappings", "Write a list of port"),
    ("portMappings", ["80:"], "portMappings[0]", '"80:" is not a port mapping', "Write a port mapping"),
    ("portMappings", [True], "portMappings[0]", "true is not a whole number", "Write a whole number"),
    ("portMappings", [{"hostPort": 80}], "portMappings[0]", 'the key "containerPort" is missing', "Write"),
    (
        "portMappings",
        [{"published": "8080-8090", "target": 80}],
        "portMappings[0].published",
        '"8080-8090" is not a whole number from 0 to 65535',
        "Write a whole number",
    ),
    (
        "network",
        "awsvpc",
        "network",
        "no container gets a network interface of its own from AWS here",
        "Write bridge, with portMappings, or host.",
    ),
    (
        "portMappings",
        [{}],
        "portMappings[0]",
        'the key "containerPort" is missing',
        "Write containerPort: a whole",
    ),
    (
        "portMappings",
        [{"containerPort": 1342000}],
        "portMappings[0].containerPort",
        "1342000 is not a whole number from 1 to 65535",
        "Write a whole number from 1 to 65535.",
    ),
    (
        "portMappings",
        [{"containerPort": 80, "protocol": "TCP"}],
        "portMappings[0].protocol",
        '"TCP" is not one of: tcp, udp, sctp',
        'Did you mean "tcp"?',
    ),
    (
        "portMappings",
        [{"containerPort": 80, "hostIp": "1.2.3"}],
        "portMappings[0].hostIp",
        '"1.2.3" is no IP address',
        "Write one, such as 127.0.0.1 or ::1.",
    ),
    ("env", "A=b", "env", "the value is not an object of names and values", "Write an object of names"),
    ("env", {"A": None}, "env.A", "the value is not a string, a whole number", "Put it in quotes"),
    ("volumes", ["a:b"], "volumes[0]", '"a:b" is not a volume', "Write a volume."),
    ("volumes", ["/a:/b:rx"], "volumes[0]", '"/a:/b:rx" is not a volume', "Write a volume."),
    ("volumes", ["./a:/b"], "volumes[0]", '"./a:/b" is not a volume', "Write a volume."),
    (
        "volumes",
        [{"containerPath": "/a", "hostPath": "/b", "volume": "data"}],
        "volumes[0]",
        "its type and what is mounted do not go together",
        "Keep one of hostPath and volume.",
    ),
    (
        "volumes",
        [{"containerPath": "/a", "bind": {"selinux": "z"}}],
        "volumes[0].bind",
        "bind does not go without hostPath",
        "Write hostPath, or leave it out.",
    ),
    ("envFiles", "app.env", "envFiles", '"app.env" is not an absolute path', "Write an absolute path."),
    ("labelFiles", "app", "labelFiles", '"app" is not an absolute path', "Write an absolute path."),
    ("secrets", {"token": {}}, "secrets.token", 'the key "file" is missing', "Write file: an absolute path."),
    ("secrets", ["token"], "secrets", "a list is not an object of secrets", "Write an object of secrets."),
    ("mountPoints", [{"sourceVolume": "data"}], "mountPoints[0]", 'the key "containerPath" is', "Write cont"),
    ("volumesFrom", [{"readOnly": True}], "volumesFrom[0]", 'the key "sourceContainer" is', "Write sourceC"),
    ("tmpfs", ["run"], "tmpfs[0]", '"run" is not a memory file system', "Write a memory file system."),
    (
        "tmpfs",
        [{"containerPath": "/a", "mode": 644}],
        "tmpfs[0].mode",
        "644 is not permissions in",
        "Write perm",
    ),
    (
        "volumes",
        [{"containerPath": "a"}],
        "volumes[0].containerPath",
        '"a" is not an absolute',
        "Write an absolute",
    ),
    (
        "volumes",
        [{"hostPath": "/a"}],
        "volumes[0]",
        'the key "containerPath" is missing',
        "Write containerPath: /",
    ),
    (
        "volumes",
        [{"from": "db", "hostPath": "/a"}],
        "volumes[0]",
        '"from" takes all volumes',
        "Write two volumes.",
    ),
    ("cpu", 1, "cpu", "1 is not a whole number from 2 to 262144", "Write a whole number from 2"),
    ("memory", "5m", "memory", "5m is not an amount of memory that", "Write 6m or more."),
    ("memory", "lots", "memory", '"lots" is not an amount of memory', "Write an amount of memory"),
    ("entrypoint", "", "entrypoint", '"" is not a string or a list of strings', "Write a string or a list"),
    ("command", "a 'b", "command", "the quotes do not match", "Close each quote, or write a list."),
    ("command", ["a", 1], "command[1]", "1 is not a string", "Write a string."),
    ("privileged", 1, "privileged", "1 is not true or false", "Write true or false."),
    ("network", "container:", "network", '"container:" is not bridge, none', "Write bridge, none, host"),
    (
        "networks",
        "mine",
        "networks",
        '"mine" is not a list of networks, or an',
        "Write a list of networks, or",
    ),
    ("networks", ["host"], "networks[0]", '"host" is not the name of a network of', "Write the name of a"),
    ("networks", {"none": {}}, "networks.none", '"none" is not the name of', "Write the name of a network"),
    (
        "networks",
        {"mine": {"alias": ["db"]}},
        "networks.mine.alias",
        'there is no key "alias" here',
        'Did you mean "aliases"?',
    ),
    (
        "networks",
        {"mine": {"macAddress": "02:42"}},
        "networks.mine.macAddress",
        '"02:42" is not a MAC address',
        "Write a MAC address.",
    ),
    ("restart", "allways", "restart", '"allways" is not one of', 'Did you mean "always"?'),
    ("links", {"d": "db"}, "links.d", '"d" is not a container\'s name', "Write a container's name."),
    (
        "signal",
        {"proxy": "hup"},
        "signal.proxy",
        '"hup" is not a signal. ',
        "Write a signal such as",
    ),
    (
        "healthCheck",
        {"interval": 5},
        "healthCheck",
        'the key "command" is missing',
        "Write command: a command for a shell, or a list that begins with CMD,",
    ),
    (
        "healthCheck",
        {"command": ["curl", "-f"]},
        "healthCheck.command",
        "a list is not a command for a shell, or a list that begins with CMD,",
        'Write one string for a shell, or ["CMD", "program", "argument"]',
    ),
    (
        "healthCheck",
        {"command": ["CMD-SHELL", "curl", "-f"]},
        "healthCheck.command",
        "a list is not a command for a shell",
        "Write one string for a shell, or",
    ),
    (
        "healthCheck",
        {"command": "CMD-SHELL, curl -f http://localhost/"},
        "healthCheck.command",
        '"CMD-SHELL, curl -f http://localhost/" is not a command for a shell',
        "Write a command for a shell, or a list",
    ),
    (
        "healthCheck",
        {"command": "x", "interval": "500ms"},
        "healthCheck.interval",
        '"500ms" is no whole number of seconds',
        "Write seconds from 1 to 86400, or a time such as",
    ),
    (
        "healthCheck",
        {"command": "x", "timeout": 0.5},
        "healthCheck.timeout",
        "0.5 is no whole number of seconds",
        "Write seconds from 1",
    ),
    (
        "dependsOn",
        "db",
        "dependsOn",
        '"db" is not a list of dependencies',
        "Write a list: [db], or [{containerName: db, condition: HEALTHY}].",
    ),
    (
        "dependsOn",
        [{"containerName": "db", "condition": "HEALTHI"}],
        "dependsOn[0].condition",
        '"HEALTHI" is not one of: START, HEALTHY, COMPLETE, SUCCESS',
        'Did you mean "HEALTHY"?',
    ),
    (
        "dependsOn",
        ["db", {"containerName": "db", "condition": "SUCCESS"}],
        "dependsOn",
        '"db" is listed with START and with SUCCESS',
        "Keep one of them.",
    ),
    (
        "update",
        {"window": ["Sat 02:00-04:00", "Saturday night"]},
        "update.window[1]",
        '"Saturday night" is not a window. ',
        "Write a window such as",
    ),
    (
        "update",
        {"window": "02:00-02:00"},
        "update.window",
        '"02:00-02:00" ends when it begins',
        "Write 00:00-24:00 for a whole day.",
    ),
    (
        "update",
        {"window": "02:00-04:00 Europe/berlin"},
        "update.window",
        'there is no time zone "Europe/berlin"',
        'Did you mean "Europe/Berlin"?',
    ),
    (
        "update",
        {"eager": "on", "order": "stop-first"},
        "update",
        "eager: true and order: stop-first contradict each other",
        "Leave one out.",
    ),
    (
        "update",
        {"proveSeconds": "10s"},
        "update.proveSeconds",
        '"10s" is not a whole number from 0 to 3600',
        "Write a whole number from 0",
    ),
    ("stopTimeout", -1, "stopTimeout", "-1 is not in the range of this time", "Write seconds from 0 to"),
    ("stopTimeout", "1.5s", "stopTimeout", '"1.5s" is no whole number of seconds', "Write seconds from 0"),
    ("stopSignal", "SIGFOO", "stopSignal", '"SIGFOO" is not a signal. ', "Write a signal"),
    (
        "logConfiguration",
        {"options": {}},
        "logConfiguration",
        'the key "logDriver" is missing',
        "Write logDriver: the name of a log driver.",
    ),
    (
        "logConfiguration",
        {"logDriver": "splunk", "options": {"splunk-token": ["s"]}},
        "logConfiguration.options.splunk-token",
        "the value is not a string, a whole number",
        "Put it in quotes",
    ),
    ("update", {"pul": 1}, "update.pul", 'there is no key "pul" here', 'Did you mean "pull"?'),
    *FAULTS,
]


def test_every_key_has_a_faulty_example() -> None:
    assert {row[0] for row in FAULTY} == CONTAINER_KEYS.keys()


@pytest.mark.parametrize(("key", "value", "where", "what", "fix"), FAULTY)
def test_a_faulty_value_is_told_with_place_fault_and_remedy(
    key: str, value: object, where: str, what: str, fix: str
) -> None:
    (problem,) = problems_of(web(**{key: value}))
    assert str(problem).startswith(f"web.yaml: containers[0].{where}: {what}")
    assert problem.fix.startswith(fix)
    assert problem.fix.endswith((".", "?"))


@pytest.mark.parametrize(("key", "value"), [row[:2] for row in FAULTY])
def test_a_faulty_value_is_refused_by_the_schema_too(key: str, value: object) -> None:
    document = web(**{key: value})
    said = not any(map(_beyond_schema, problems_of(document)))
    assert ONE_CONTAINER.is_valid(document) is not said


def test_five_mistakes_are_five_problems_with_their_paths() -> None:
    document = {
        "name": "w",
        "portMappings": [{"containerPort": 80}, {"containerport": 80, "containerPort": 81, "hostPort": "x"}],
        "memory": "2048mb!",
        "comand": "serve",
    }
    assert sorted(str(one.where) for one in problems_of(document)) == [
        "web.yaml: containers[0]",  # no image
        "web.yaml: containers[0].comand",
        "web.yaml: containers[0].memory",
        "web.yaml: containers[0].name",
        "web.yaml: containers[0].portMappings[1].containerport",
        "web.yaml: containers[0].portMappings[1].hostPort",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("imge", "image"),
        ("Image", "image"),
        ("portmappings", "portMappings"),
        ("port_mappings", "portMappings"),
        ("envs", "env"),
        ("environmnt", "env"),
        ("volume", "volumes"),
        ("mem", "memory"),
        ("entryPoints", "entrypoint"),
        ("comand", "command"),
        ("priviledged", "privileged"),
        ("networkz", "network"),
        ("restartPolicies", "restartPolicy"),
        ("link", "links"),
        ("signals", "signal"),
        ("healthcheckz", "healthCheck"),
        ("dependson", "dependsOn"),
        ("loging", "logConfiguration"),
        ("zzz", None),
    ],
)
def test_a_near_miss_of_a_key_gets_the_key_that_was_meant(written: str, meant: str | None) -> None:
    (problem,) = problems_of({"image": "nginx", written: "x"} if meant != "image" else web(**{written: "x"}))
    assert problem.what == f'there is no key "{written}" here'
    every = "`dockerup schema` prints all keys that there are."
    assert problem.fix.startswith(every if meant is None else f'Did you mean "{meant}"?')


@given(
    st.text(alphabet="s3cr", min_size=8),
    st.sampled_from(["whole", "list", "key", "value"]),
    st.sampled_from(sorted(SECRETS)),
)
def test_no_message_shows_what_stands_where_secrets_do(
    secret: str, place: str, path: tuple[str, ...]
) -> None:
    values = {"whole": f"A={secret}", "list": [secret], "key": {f"A={secret}": ""}, "value": {"A": [secret]}}
    inside = {path[-1]: values[place], **({"logDriver": "splunk"} if len(path) > 1 else {})}
    (problem,) = problems_of(web(**(inside if len(path) == 1 else {path[0]: inside})))
    assert secret not in str(problem)


def test_the_values_of_env_and_of_log_and_volume_options_are_secrets() -> None:
    assert sorted(SECRETS) == [
        ("env",),
        ("logConfiguration", "options"),
        ("volumes", "*", "volumeOptions", "driverOpts"),
    ]


_DEVICE = {"hostPath": "/dev/a"}


def _depends(condition: str) -> dict[str, object]:
    return {"dependsOn": [{"condition": condition, "containerName": "db"}]}


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ({"cpu": "512"}, {"cpu": 512}),
        ({"restart": False}, {"restart": "no"}),
        ({"restart": "never"}, {"restart": "no"}),
        ({"network": "default"}, {"network": "bridge"}),
        ({"image": "docker.io/library/nginx"}, {"image": "nginx:latest"}),
        ({"command": "echo 'a b'"}, {"command": ["echo", "a b"]}),
        ({"privileged": "Yes"}, {"privileged": True}),
        ({"env": {"B": True, "A": 1}}, {"env": {"A": "1", "B": "true"}}),
        (
            {"portMappings": [{"containerPort": "80", "protocol": "tcp"}]},
            {"portMappings": [{"containerPort": 80}]},
        ),
        (
            {"ports": ["[::0001]:8080:80/tcp", 81, "127.0.0.1::82", "90-91:95-96/udp"]},
            {
                "portMappings": [
                    {"containerPort": 80, "hostIp": "::1", "hostPort": 8080},
                    {"containerPort": 81},
                    {"containerPort": 82, "hostIp": "127.0.0.1"},
                    {"containerPort": 95, "hostPort": 90, "protocol": "udp"},
                    {"containerPort": 96, "hostPort": 91, "protocol": "udp"},
                ]
            },
        ),
        (
            {"ports": [{"target": 80, "published": "8080", "host_ip": "::1", "mode": "host", "name": "a"}]},
            {"portMappings": [{"containerPort": 80, "hostIp": "::1", "hostPort": 8080}]},
        ),
        (
            {"portMappings": [{"containerPortRange": "80-81", "protocol": "tcp", "appProtocol": "http"}]},
            {"portMappings": [{"containerPort": 80}, {"containerPort": 81}]},
        ),
        (
            {"linuxParameters": {"tmpfs": [{"containerPath": "/a", "size": 64, "mountOptions": ["ro"]}]}},
            {"tmpfs": [{"containerPath": "/a", "mountOptions": ["ro"], "size": 1 << 26}]},
        ),
        ({"environmentFiles": [], "secrets": []}, {"secrets": {}}),
        (
            {"logConfiguration": {"logDriver": "local", "secretOptions": []}},
            {"logConfiguration": {"logDriver": "local"}},
        ),
        (
            {"volumes_from": ["container:db:ro", "mq", "container:ro"]},
            {
                "volumesFrom": [
                    {"readOnly": True, "sourceContainer": "container"},
                    {"readOnly": True, "sourceContainer": "db"},
                    {"sourceContainer": "mq"},
                ]
            },
        ),
        (
            {
                "volumes": [
                    "/a:/b:cached",
                    {"containerPath": "/c", "hostPath": "/d", "consistency": "delegated"},
                ]
            },
            {
                "volumes": [
                    {"containerPath": "/b", "hostPath": "/a"},
                    {"containerPath": "/c", "hostPath": "/d"},
                ]
            },
        ),
        ({"volumes": [{"containerPath": "/a", "mode": "rw"}]}, {"volumes": [{"containerPath": "/a"}]}),
        ({"healthCheck": {"command": "true"}}, {"healthCheck": {"command": ["CMD-SHELL", "true"]}}),
        (
            {
                "healthCheck": {
                    "command": ["CMD", "true"],
                    "interval": "30",
                    "timeout": "30s",
                    "retries": 3,
                    "startPeriod": 0,
                }
            },
            {"healthCheck": {"command": ["CMD", "true"]}},
        ),
        (
            {"healthCheck": {"command": ["CMD", "true"], "interval": "1m30s", "startPeriod": "1h"}},
            {"healthCheck": {"command": ["CMD", "true"], "interval": 90, "startPeriod": 3600}},
        ),
        ({"healthCheck": {"command": "NONE", "interval": 5}}, {"healthCheck": {"command": ["NONE"]}}),
        ({"healthcheck": {"disable": True}}, {"healthCheck": {"command": ["NONE"]}}),
        ({"environment": [{"name": "B", "value": 1}, "A=b=c"]}, {"env": {"A": "b=c", "B": "1"}}),
        ({"depends_on": {"db": {"condition": "service_healthy"}}}, _depends("HEALTHY")),
        ({"depends_on": ["db"]}, _depends("START")),
        ({"links": ["db", "mq:queue"]}, {"links": {"db": "db", "mq": "queue"}}),
        ({"restart": "on-failure:0"}, {"restart": "on-failure"}),
        (
            {"restartPolicy": {"enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 300}},
            {"restart": "on-failure"},
        ),
        ({"restartPolicy": {"enabled": False}}, {}),
        ({"working_dir": "//srv/./app/"}, {"workingDirectory": "/srv/app"}),
        ({"group_add": ["9", 10, "9"]}, {"groupAdd": ["10", "9"]}),
        ({"expose": "80"}, {"expose": ["80/tcp"]}),
        ({"extra_hosts": {"db": ["::1", "10.0.0.1"]}}, {"extraHosts": ["db:10.0.0.1", "db:::1"]}),
        ({"dns": "::0001"}, {"dnsServers": ["::1"]}),
        ({"shm_size": "0.5g"}, {"shmSize": 1 << 29}),
        ({"cpus": "1.500"}, {"cpus": "1.5"}),
        ({"cpus": 2}, {"cpus": "2"}),
        ({"cpus": 10.0}, {"cpus": "10"}),
        ({"cpuset": "3,0-1,2"}, {"cpusetCpus": "0-3"}),
        ({"pids_limit": 0}, {"pidsLimit": -1}),
        ({"mem_limit": "1g", "memswap_limit": -1}, {"memory": 1 << 30, "memorySwap": -1}),
        (
            {"memory": 512, "linuxParameters": {"maxSwap": 512, "sharedMemorySize": 64}},
            {"memory": 1 << 29, "memorySwap": 1 << 30, "shmSize": 1 << 26},
        ),
        (
            {"ulimits": {"nproc": 5, "core": {"softLimit": 1, "hard": 2}}},
            {"ulimits": [{"hard": 2, "name": "core", "soft": 1}, {"hard": 5, "name": "nproc", "soft": 5}]},
        ),
        (
            {"blkio_config": {"weight": "300", "device_read_bps": [{"path": "/dev/sda", "rate": "1k"}]}},
            {"blkioWeight": 300, "blkioDeviceReadBps": [{"path": "/dev/sda", "rate": 1024}]},
        ),
        (
            {"devices": ["/dev/a:/dev/a:mrw", {"source": "/dev/b", "target": "/dev/c", "permissions": "r"}]},
            {"devices": [{"containerPath": "/dev/c", "hostPath": "/dev/b", "permissions": "r"}, _DEVICE]},
        ),
        (
            {"linuxParameters": {"devices": [{"hostPath": "/dev/a", "permissions": []}]}},
            {"devices": [_DEVICE]},
        ),
        ({"gpus": "all"}, {"deviceRequests": [{"capabilities": ["gpu"], "count": -1}]}),
        (
            {"resourceRequirements": [{"type": "GPU", "value": "2"}]},
            {"deviceRequests": [{"capabilities": ["gpu"], "count": 2}]},
        ),
        (
            {"capabilities": {"add": ["CAP_SYS_TIME", "net_admin"], "drop": []}},
            {"capAdd": ["NET_ADMIN", "SYS_TIME"]},
        ),
        (
            {"security_opt": ["no-new-privileges=true", "apparmor:a:b", "label:type:x"]},
            {"securityOptions": ["apparmor=a:b", "label=type:x", "no-new-privileges"]},
        ),
        ({"systemControls": [{"namespace": "a.b", "value": 1}]}, {"sysctls": {"a.b": "1"}}),
        ({"essential": True, "versionConsistency": "enabled"}, {}),
        (
            {"dependsOn": ["mq", {"containerName": "db", "condition": "HEALTHY"}, {"containerName": "mq"}]},
            {
                "dependsOn": [
                    {"containerName": "db", "condition": "HEALTHY"},
                    {"containerName": "mq", "condition": "START"},
                ]
            },
        ),
        ({"update": {"order": "start-first"}}, {"update": {"eager": True}}),
        ({"update": {"order": "stop-first"}}, {"update": {"eager": False}}),
        ({"update": {"minAge": "1d12h"}}, {"update": {"minAge": 129600}}),
        ({"update": {"window": "02:00-4:00"}}, {"update": {"window": ["02:00-4:00 UTC"]}}),
        ({"stopTimeout": "2m"}, {"stopTimeout": 120}),
        ({"stopSignal": "TERM"}, {"stopSignal": "SIGTERM"}),
        ({"stopSignal": "15"}, {"stopSignal": "SIGTERM"}),
        ({"stopSignal": "IOT"}, {"stopSignal": "SIGABRT"}),
        ({"stopSignal": "SIGCLD"}, {"stopSignal": "SIGCHLD"}),
        ({"stopSignal": "POLL"}, {"stopSignal": "SIGIO"}),
        ({"stopSignal": "31"}, {"stopSignal": "SIGSYS"}),
        (
            {"logConfiguration": {"logDriver": "local", "options": {"max-file": 3, "compress": True}}},
            {"logConfiguration": {"logDriver": "local", "options": {"compress": "true", "max-file": "3"}}},
        ),
        (
            {"logConfiguration": {"logDriver": "local", "options": {}}},
            {"logConfiguration": {"logDriver": "local"}},
        ),
    ],
)
def test_what_means_the_same_is_read_as_the_same(
    written: dict[str, object], canonical: dict[str, object]
) -> None:
    assert CONTAINER.read(web(**written), ORIGIN) == {"image": "nginx:latest", **canonical}


@pytest.mark.parametrize("one", signal.Signals)
def test_a_stop_signal_is_the_same_by_number_and_by_each_of_its_names(one: signal.Signals) -> None:
    kind = CONTAINER_KEYS["stopSignal"].key.kind
    named = kind.read(one.name, ORIGIN)
    assert kind.read(one.name[3:], ORIGIN) == named
    if one < signal.SIGRTMIN:
        assert kind.read(str(int(one)), ORIGIN) == named
        assert getattr(signal, named) == one


@given(documents())
def test_the_canonical_form_is_read_as_itself(document: object) -> None:
    try:
        once = CONTAINER.read(document, ORIGIN)
    except Refused:
        return
    assert CONTAINER.read(once, ORIGIN) == once
