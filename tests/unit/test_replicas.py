"""An entry with replicas: the names of its containers, what others mean by its own, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from dockerup.definition import definition_hash
from dockerup.desired import Desired, combine
from dockerup.keys.row import Change
from dockerup.problems import Origin
from dockerup.sources.result import Item, SourceResult
from dockerup.spec import parse

WEB = {"name": "web", "image": "app:1", "replicas": 2}


def desired(*entries: dict[str, Any], userdata: tuple[dict[str, Any], ...] = ()) -> Desired:
    sources = {"confdir": entries, "user-data": userdata}
    return combine(
        [
            SourceResult(
                name, tuple(Item(one, Origin(name).at(i)) for i, one in enumerate(listed)), declared=True
            )
            for name, listed in sources.items()
        ]
    )


def names(found: Desired) -> list[str]:
    assert found.problems == ()
    return [spec.name for spec in found.specs]


@pytest.mark.parametrize(("count", "named"), [(0, []), (1, ["web-1"]), ("2", ["web-1", "web-2"])])
def test_containers_are_numbered_from_one(count: object, named: list[str]) -> None:
    assert names(desired({**WEB, "replicas": count})) == named


def test_ten_comes_after_nine_and_a_name_may_come_from_the_image() -> None:
    found = names(desired({"image": "nginx", "scale": 11}))
    assert found == [f"nginx-{number}" for number in range(1, 12)]


def test_all_have_one_definition_which_does_not_say_how_many_there_are() -> None:
    found = desired(WEB, {**WEB, "name": "other", "replicas": 1}).specs
    assert len({definition_hash(spec.definition, Change.REPLACE) for spec in found}) == 1


def test_each_is_reached_by_the_name_of_the_entry_on_networks_of_its_own() -> None:
    (spec,) = desired({**WEB, "replicas": 1, "networks": {"back": {"aliases": ["a"]}, "front": {}}}).specs
    assert spec.networks == {"back": {"aliases": ["a", "web"]}, "front": {"aliases": ["web"]}}
    (alone,) = desired({**WEB, "replicas": 1}).specs
    assert alone.networks == {}


def test_what_waits_for_the_entry_waits_for_all_and_what_signals_it_signals_all() -> None:
    proxy = {
        "name": "proxy",
        "image": "app:1",
        "dependsOn": [{"containerName": "web", "condition": "HEALTHY"}, "web-2", "none"],
        "signal": {"web": "HUP"},
    }
    found = {spec.name: spec for spec in desired(WEB, proxy, {**WEB, "name": "none", "replicas": 0}).specs}
    assert found["proxy"].depends_on == {"web-1": "HEALTHY", "web-2": "START"}
    assert found["proxy"].signals == {"web-1": "HUP", "web-2": "HUP"}


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ([WEB, {"name": "web-1", "image": "app:1"}], 'the name "web-1" is already that of confdir: [0]'),
        ([{"name": "web-2", "image": "app:1"}, WEB], 'the name "web-2" is already that of confdir: [0]'),
        ([WEB, {"name": "web", "image": "app:1"}], 'the name "web" is already that of confdir: [0]'),
        (
            [{**WEB, "portMappings": [{"containerPort": 80, "hostPort": 8080}]}],
            "2 replicas cannot all have the host port 8080",
        ),
        (
            [{**WEB, "networks": {"own": {"ipv4Address": "10.0.0.9"}}}],
            "2 replicas cannot all have the ipv4Address of own",
        ),
        ([{**WEB, "dependsOn": ["web"]}], "containers depend on each other in a circle: web-1 -> web-1"),
        ([WEB, {"name": "side", "image": "app:1", "volumes": [{"from": "web"}]}], "confdir: [1].volumes"),
        (
            [WEB, {"name": "side", "image": "app:1", "network": "container:web"}],
            '"web" is an entry with replicas, and this needs one container',
        ),
    ],
)
def test_what_cannot_be_is_said(entries: list[dict[str, Any]], what: str) -> None:
    assert what in "\n".join(map(str, desired(*entries).problems))


def test_one_replica_may_have_a_host_port() -> None:
    published = {"portMappings": [{"containerPort": 80, "hostPort": 8080}]}
    assert names(desired({**WEB, "replicas": 1, **published})) == ["web-1"]
    inside = {"portMappings": [{"containerPort": 80}]}
    assert names(desired({**WEB, **inside})) == ["web-1", "web-2"]


def test_entry_of_user_data_goes_before_one_of_that_name_with_all_its_replicas() -> None:
    found = desired({**WEB, "replicas": 3}, userdata=(WEB,))
    assert [(spec.name, spec.source) for spec in found.specs] == [
        ("web-1", "user-data"),
        ("web-2", "user-data"),
    ]
    assert set(found.notes) == {"web: the entry of user-data is used, not confdir: [0]"}
    none = desired(WEB, userdata=({**WEB, "replicas": 0},))
    assert none.specs == ()
    plain = desired(WEB, userdata=({"name": "web", "image": "app:1"},))
    assert names(plain) == ["web"]
    one = desired(WEB, userdata=({"name": "web-2", "image": "app:2"},))
    assert [(spec.name, spec.source) for spec in one.specs] == [("web-1", "confdir"), ("web-2", "user-data")]


def test_what_depends_on_an_entry_that_another_source_has_without_replicas_waits_for_that() -> None:
    proxy = {"name": "proxy", "image": "app:1", "dependsOn": ["web"]}
    found = desired(WEB, proxy, userdata=({"name": "web", "image": "app:1"},))
    assert found.specs[-1].depends_on == {"web": "START"}


def test_replicas_of_one_item_are_all_there_or_none() -> None:
    parsed = parse([Item(WEB, Origin("a")), Item({**WEB, "name": "web-1"}, Origin("b"))], "confdir")
    assert [spec.name for spec in parsed.specs] == ["web-1", "web-2"]
    assert parsed.replicas == {"web": ("web-1", "web-2")}
    assert len(parsed.problems) == 1
