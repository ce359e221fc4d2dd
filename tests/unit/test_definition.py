"""The hashes and the description of a definition, as labels hold them for years."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.definition import definition_hash, describe, differences, secret_options
from dockerup.keys import CONTAINER_KEYS
from dockerup.keys.row import Change
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import ContainerSpec, parse
from tests.engine.key_rows import rows

SALT = "salt"
FULL: dict[str, Any] = {
    "image": "nginx:1.27",
    "name": "web",
    "portMappings": [
        {"containerPort": "80", "hostPort": "8080"},
        {"containerPort": 53, "protocol": "udp", "hostIp": "127.0.0.1"},
    ],
    "env": {"B": 1, "A": "ü"},
    "restart": "never",
    "memory": "512m",
    "cpu": "512",
}
SHARING: dict[str, Any] = {
    "image": "127.0.0.1:5000/team/db",
    "volumes": [
        {"containerPath": "/data"},
        {"containerPath": "/etc/x", "hostPath": "/srv/x", "mode": "ro"},
        {"from": "store"},
    ],
    "command": "serve --all",
    "entrypoint": ["/bin/sh"],
    "privileged": "yes",
    "network": "mine",
    "links": {"mq": "queue"},
    "signal": {"proxy": "HUP"},
    "update": {"pull": False},
}


LIVING: dict[str, Any] = {
    "image": "nginx",
    "healthCheck": {
        "command": "wget -q -O- localhost",
        "interval": "10s",
        "retries": "5",
        "startPeriod": "1m",
    },
    "stopTimeout": "1m30s",
    "stopSignal": "QUIT",
    "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": "s3cret", "splunk-gzip": True}},
    "dependsOn": ["db"],
    "update": {"order": "start-first", "window": "Sat 02:00-04:00", "minAge": "48h"},
}


def spec(document: object) -> ContainerSpec:
    result = parse([Item(document, Origin("x.yaml"))], "confdir", lambda path: f"FILE={path}".encode())
    assert result.problems == ()
    return result.specs[0]


def hashes(document: object) -> tuple[str, str]:
    definition = spec(document).definition
    return definition_hash(definition, Change.REPLACE), definition_hash(definition, Change.IN_PLACE)


def changed(old: object, new: object) -> list[str]:
    found = differences(describe(spec(old).definition, SALT), spec(new).definition)
    assert found is not None
    return [str(one) for one in found]


# A change of these would replace every container of every host at the next upgrade. A new scheme needs
# a number of its own, and has to compare definitions instead.
@pytest.mark.parametrize(
    ("document", "replace", "in_place"),
    [
        ({"image": "nginx"}, "1:6f6b2e4b52f87e8d38cf0cec1a1d6e99", "1:44136fa355b3678a1146ad16f7e8649e"),
        (FULL, "1:0a6c7e268a29e4e83337bf4765cd7375", "1:8c565981366532a92ce5a5ea5de75e54"),
        (SHARING, "1:c608ec05f84a4dead47a28d240f34748", "1:44136fa355b3678a1146ad16f7e8649e"),
        (LIVING, "1:9737693128dd0156618b7f30077cd0a0", "1:44136fa355b3678a1146ad16f7e8649e"),
    ],
    ids=["least", "full", "sharing", "living"],
)
def test_the_hashes_of_scheme_1_are_these_for_ever(document: object, replace: str, in_place: str) -> None:
    assert hashes(document) == (replace, in_place)


def test_the_described_definition_of_scheme_1_is_this_for_ever() -> None:
    assert describe(spec(FULL).definition, SALT) == (
        '{"definition":{"cpu":512,"env":{"A":"5dc0279a0b7d21da","B":"2b9a2fab70e739d7"},'
        '"image":"nginx:1.27","memory":536870912,"portMappings":'
        '[{"containerPort":53,"hostIp":"127.0.0.1","protocol":"udp"},{"containerPort":80,"hostPort":8080}],'
        '"restart":"no"},"salt":"salt","scheme":1}'
    )


def test_the_description_of_what_a_later_dockerup_added_is_this_for_ever() -> None:
    assert describe(spec(LIVING).definition, SALT) == (
        '{"definition":{"healthCheck":{"command":["CMD-SHELL","wget -q -O- localhost"],"interval":10,"re'
        'tries":5,"startPeriod":60},"image":"nginx:latest","logConfiguration":{"logDriver":"splunk","opt'
        'ions":{"splunk-gzip":"b7467bec1d2b0a6e","splunk-token":"e618930740488604"}},"stopSignal":"SIGQU'
        'IT","stopTimeout":90},"salt":"salt","scheme":1}'
    )


def shuffled(value: Any, order: random.Random) -> Any:
    """Return the same document with the keys of each object in another order, its ports and volumes too."""
    if isinstance(value, dict):
        keys = order.sample(list(value), len(value))
        lists = {"portMappings", "volumes"}
        return {
            key: order.sample(value[key], len(value[key])) if key in lists else shuffled(value[key], order)
            for key in keys
        }
    return value


@given(st.sampled_from([FULL, SHARING, LIVING]), st.randoms(use_true_random=False))
def test_order_does_not_change_the_hashes(document: dict[str, Any], order: random.Random) -> None:
    assert hashes(shuffled(document, order)) == hashes(document)


@pytest.mark.parametrize(
    "spelt",
    [
        {"portMappings": [{"containerPort": 80, "hostPort": 8080}, FULL["portMappings"][1]]},
        {"portMappings": [{**FULL["portMappings"][0], "protocol": "tcp"}, FULL["portMappings"][1]]},
        {"portMappings": [FULL["portMappings"][0], {**FULL["portMappings"][1], "hostPort": 0}]},
        {"env": {"A": "ü", "B": "1"}},
        {"restart": False},
        {"restart": "no"},
        {"memory": 512},
        {"memory": 536870912},
        {"memory": "0.5g"},
        {"cpu": 512},
        {"image": "docker.io/library/nginx:1.27"},
        {"network": "bridge"},
        {"network": "default"},
        {"privileged": False},
        {"volumes": []},
        {"links": {}},
        {"type": "docker"},
        {"name": "other"},
        {"update": {"eager": True}},
        {"signal": {"proxy": "HUP"}},
    ],
    ids=str,
)
def test_another_spelling_or_a_default_spelled_out_changes_no_hash(spelt: dict[str, Any]) -> None:
    assert hashes({**FULL, **spelt}) == hashes(FULL)


@pytest.mark.parametrize(
    "spelt",
    [
        {"healthCheck": {**LIVING["healthCheck"], "command": ["CMD-SHELL", "wget -q -O- localhost"]}},
        {"healthCheck": {**LIVING["healthCheck"], "interval": 10, "startPeriod": "60"}},
        {"healthCheck": {**LIVING["healthCheck"], "timeout": "30s"}},
        {"stopTimeout": 90},
        {"stopSignal": "SIGQUIT"},
        {"stopSignal": "3"},
        {
            "logConfiguration": {
                **LIVING["logConfiguration"],
                "options": {"splunk-gzip": "true", "splunk-token": "s3cret"},
            }
        },
        {"dependsOn": [{"containerName": "db", "condition": "HEALTHY"}]},
        {"update": {"stopTimeout": 5}},
    ],
    ids=str,
)
def test_another_spelling_of_what_was_added_changes_no_hash(spelt: dict[str, Any]) -> None:
    assert hashes({**LIVING, **spelt}) == hashes(LIVING)


def test_a_default_restart_policy_spelled_out_changes_no_hash() -> None:
    assert hashes({"image": "nginx", "restart": "always"}) == hashes({"image": "nginx"})


# Another value of each key that a change of which asks something of a container.
OTHER: dict[str, Any] = {
    "image": "nginx:1.28",
    "portMappings": [{"containerPort": 80}],
    "env": {"A": "u", "B": "1"},
    "envFiles": "/etc/app.env",
    "secrets": {"token": {"file": "/etc/token"}},
    "volumes": [{"containerPath": "/b"}],
    "mountPoints": [{"sourceVolume": "data", "containerPath": "/m"}],
    "volumesFrom": [{"sourceContainer": "store"}],
    "tmpfs": ["/run"],
    "cpu": 1024,
    "memory": "1g",
    "entrypoint": ["/bin/false"],
    "command": [],
    "privileged": True,
    "network": "host",
    "networks": ["front", "mine"],
    "restart": "always",
    "links": {"db": "x1"},
    "healthCheck": {"command": ["NONE"]},
    "stopTimeout": 0,
    "stopSignal": "SIGHUP",
    "logConfiguration": {"logDriver": "local"},
}
for _row in rows():
    if CONTAINER_KEYS[_row.key].change is not Change.NOTHING and _row.key != "name":
        OTHER.setdefault(_row.key, _row.says)


def test_every_key_that_matters_has_another_value_here() -> None:
    assert OTHER.keys() == {key for key, row in CONTAINER_KEYS.items() if row.change is not Change.NOTHING}


@pytest.mark.parametrize("key", sorted(OTHER.keys() - {"command"}))
def test_a_change_of_a_key_changes_its_own_hash_only(key: str) -> None:
    base = {key: value for key, value in FULL.items() if key != "portMappings"}
    before, after = hashes(base), hashes({**base, key: OTHER[key]})
    in_place = CONTAINER_KEYS[key].change is Change.IN_PLACE
    assert (before[0] == after[0], before[1] == after[1]) == (in_place, not in_place)


# The description.


@given(
    st.dictionaries(st.sampled_from("ABC"), st.text("3cret").map("-s{}".format), min_size=1),
    st.text("0123456789abcdef"),
)
def test_no_env_value_is_in_a_description_or_a_difference(env: dict[str, str], salt: str) -> None:
    one = spec({"image": "nginx", "env": env}).definition
    described = describe(one, salt)
    said = [str(other) for other in differences(described, spec({"image": "nginx"}).definition) or ()]
    said += [str(other) for other in differences(describe({"image": "nginx:latest"}, salt), one) or ()]
    assert len(said) == 2 * len(env)
    assert not [value for value in env.values() if value in described or value in "".join(said)]


@given(
    st.dictionaries(st.sampled_from("ABC"), st.text("3cret").map("-s{}".format), min_size=1),
    st.text("0123456789abcdef"),
)
def test_no_value_of_a_log_option_is_in_a_description_or_a_difference(
    options: dict[str, str], salt: str
) -> None:
    one = spec({"image": "nginx", "logConfiguration": {"logDriver": "splunk", "options": options}}).definition
    described = describe(one, salt)
    assert '"logDriver":"splunk"' in described
    said = [str(other) for other in differences(described, spec({"image": "nginx"}).definition) or ()]
    said += [str(other) for other in differences(describe({"image": "nginx:latest"}, salt), one) or ()]
    assert len(said) == 2 * len(options) + 2
    assert not [value for value in options.values() if value in described or value in "".join(said)]


def test_no_option_of_a_volume_is_in_a_description_or_a_difference() -> None:
    options = {"type": "cifs", "o": "username=web,password=hunter2"}
    share = {"volume": "share", "containerPath": "/s", "volumeOptions": {"driverOpts": options}}
    old, new = ({"image": "nginx", "volumes": volumes} for volumes in ([], [share]))
    described, said = describe(spec(new).definition, "salt"), changed(old, new)
    assert "volumeOptions" in described
    assert "driverOpts" in "".join(said)
    assert not [text for text in (described, *said) if "hunter2" in text or "cifs" in text]
    assert secret_options(spec(new).definition) == [options["o"], "username=web", "password=hunter2"]


def test_the_same_env_value_has_another_digest_under_another_salt() -> None:
    one = spec(FULL).definition
    assert (
        json.loads(describe(one, "a"))["definition"]["env"]
        != json.loads(describe(one, "b"))["definition"]["env"]
    )


def test_nothing_differs_from_its_own_description() -> None:
    for document in (FULL, SHARING, LIVING):
        assert changed(document, document) == []


def test_differences_name_each_key_with_old_and_new() -> None:
    new = {**FULL, "image": "nginx:1.28", "memory": "1g", "command": ["x"], "env": {"A": "u", "C": "new"}}
    del new["restart"]
    assert changed(FULL, new) == [
        'command (none) -> ["x"]',
        "env.A (hidden) -> (hidden)",
        "env.B (hidden) -> (none)",
        "env.C (none) -> (hidden)",
        "image nginx:1.27 -> nginx:1.28",
        "memory 536870912 -> 1073741824",
        "restart no -> (none)",
    ]


def test_differences_tell_what_is_inside_of_a_key_and_hide_its_secrets() -> None:
    log = {"logDriver": "local", "options": {"splunk-token": "new", "max-size": "1m"}}
    check = {**LIVING["healthCheck"], "interval": 20}
    assert changed(
        LIVING, {**LIVING, "logConfiguration": log, "healthCheck": check, "stopSignal": "TERM"}
    ) == [
        "healthCheck.interval 10 -> 20",
        "logConfiguration.logDriver splunk -> local",
        "logConfiguration.options.max-size (none) -> (hidden)",
        "logConfiguration.options.splunk-gzip (hidden) -> (none)",
        "logConfiguration.options.splunk-token (hidden) -> (hidden)",
        "stopSignal SIGQUIT -> SIGTERM",
    ]


def test_what_asks_nothing_of_a_container_is_no_difference() -> None:
    assert changed(FULL, {**FULL, "name": "other", "update": {"pull": False}, "signal": {"x1": "HUP"}}) == []


def test_a_key_of_a_later_dockerup_is_a_difference() -> None:
    label = json.loads(describe(spec(FULL).definition, SALT))
    label["definition"]["ulimits"] = {"nofile": {"soft": 5}}
    found = differences(json.dumps(label), spec(FULL).definition)
    assert found is not None
    assert [one.key for one in found] == ["ulimits.nofile.soft"]


JUNK = [
    "",
    "{",
    "null",
    "5",
    "[]",
    '"x"',
    "{}",
    '{"definition":{}}',
    '{"salt":"x"}',
    '{"definition":5,"salt":""}',
]


@pytest.mark.parametrize("label", [*JUNK, pytest.param("[" * 200_000, id="nested")])
def test_a_label_that_cannot_be_read_says_nothing(label: str) -> None:
    assert differences(label, spec(FULL).definition) is None


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_a_label_of_any_depth_is_read_or_says_nothing(depth: int) -> None:
    label = '{"salt":"","definition":' + '{"a":' * depth + "5" + "}" * (depth + 1)
    found = differences(label, {"image": "nginx:latest"})
    assert found is None or [one.key for one in found] == [".".join("a" * depth), "image"]


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["definition", "salt", "env", "image", "x"]), inner, max_size=3)
        ),
    ).map(json.dumps)
)
def test_no_label_raises(label: str) -> None:
    found = differences(label, spec(FULL).definition)
    assert found is None or all(map(str, found))
