"""Volumes in all forms: one meaning is one definition, and one call to the engine."""

from __future__ import annotations

from typing import Any

import pytest

from dockerup.body import create_body
from dockerup.keys import CONTAINER_KEYS
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import ContainerSpec, parse


def spec(**keys: object) -> ContainerSpec:
    parsed = parse([Item({"image": "nginx", **keys}, Origin("c.yaml"))], "confdir")
    assert parsed.problems == ()
    return parsed.specs[0]


def told(api: tuple[int, int] = (1, 41), **keys: object) -> Any:
    return create_body(spec(**keys), {}, (), {"db": "id-of-db"}, api)["HostConfig"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"volumes": ["/a:/b"]}, {"volumes": [{"hostPath": "/a", "containerPath": "/b", "mode": "rw"}]}),
        (
            {"volumes": ["/a:/b:ro"]},
            {"volumes": [{"hostPath": "/a", "target": "/b", "read_only": True, "type": "bind"}]},
        ),
        ({"volumes": ["/a:/b:rprivate,rw"]}, {"volumes": ["/a:/b"]}),
        (
            {"volumes": ["/a:/b:z,rslave"]},
            {
                "volumes": [
                    {
                        "hostPath": "/a",
                        "containerPath": "/b",
                        "bind": {"selinux": "z", "propagation": "rslave", "create_host_path": True},
                    }
                ]
            },
        ),
        (
            {"volumes": ["data:/b:nocopy"]},
            {"volumes": [{"volume": "data", "containerPath": "/b", "volumeOptions": {"noCopy": True}}]},
        ),
        (
            {"mountPoints": [{"sourceVolume": "data", "containerPath": "/b", "readOnly": True}]},
            {"volumes": ["data:/b:ro"]},
        ),
        (
            {"volumesFrom": [{"sourceContainer": "db", "readOnly": True}]},
            {"volumes": [{"from": "db", "mode": "ro"}]},
        ),
        ({"mountPoints": [{"containerPath": "/b"}], "volumes": ["/c"]}, {"volumes": ["/c", "/b"]}),
        (
            {"volumes": [{"containerPath": "/r", "type": "tmpfs", "tmpfs": {"size": "1m", "mode": "755"}}]},
            {"tmpfs": "/r:mode=0755,size=1m"},
        ),
        (
            {"tmpfs": ["/r:noexec,size=1024k"]},
            {"tmpfs": [{"containerPath": "/r", "size": 1048576, "mountOptions": ["noexec"]}]},
        ),
        ({"volumes": [{"containerPath": "/r", "tmpfs": {}, "readOnly": True}]}, {"tmpfs": "/r:ro"}),
        ({"volumes": [], "tmpfs": [], "mountPoints": [], "volumesFrom": []}, {}),
    ],
    ids=str,
)
def test_two_spellings_of_volumes_are_one_definition(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert spec(**one).definition == spec(**other).definition


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"volumes": ["/a:/b", "data:/b/"]}, "volumes"),
        ({"volumes": ["/a:/b"], "tmpfs": "/b"}, "volumes"),
        ({"volumes": ["/a:/b"], "mountPoints": [{"sourceVolume": "data", "containerPath": "/b"}]}, "volumes"),
    ],
)
def test_two_mounts_at_one_path_are_a_problem(keys: dict[str, Any], where: str) -> None:
    parsed = parse([Item({"image": "nginx", **keys}, Origin("c.yaml"))], "confdir")
    assert [(one.where.path, one.what) for one in parsed.problems] == [
        ((where,), f"containerPath {'/b/' if len(keys) == 1 else '/b'} is listed twice")
    ]


def test_a_host_path_is_a_bind_unless_only_a_mount_can_say_it() -> None:
    assert told(volumes=["/a:/b:ro,Z,rshared"])["Binds"] == ["/a:/b:ro,rshared,Z"]
    bind = {"hostPath": "/a", "containerPath": "/b", "bind": {"nonRecursive": True}}
    (mount,) = told((1, 41), volumes=[bind])["Mounts"]
    assert mount["BindOptions"] == {"NonRecursive": True}
    (mount,) = told((1, 42), volumes=[bind])["Mounts"]
    assert mount["BindOptions"] == {"NonRecursive": True, "CreateMountpoint": True}
    (mount,) = told((1, 44), volumes=[{**bind, "bind": {"createHostPath": False}}])["Mounts"]
    assert mount["BindOptions"] == {}


def test_a_named_volume_carries_what_it_is_made_with() -> None:
    options = {"subpath": "a", "driver": "nfs", "driverOpts": {"o": "addr=1"}, "labels": {"b": "c"}}
    (mount,) = told(volumes=[{"volume": "data", "containerPath": "/b", "volumeOptions": options}])["Mounts"]
    assert (mount["Type"], mount["Source"], mount["ReadOnly"]) == ("volume", "data", False)
    assert mount["VolumeOptions"] == {
        "Subpath": "a",
        "Labels": {"b": "c"},
        "DriverConfig": {"Name": "nfs", "Options": {"o": "addr=1"}},
    }


def test_what_an_old_engine_does_not_know_is_told_with_its_version() -> None:
    needs = CONTAINER_KEYS["volumes"].needs
    assert needs is not None
    listed = spec(
        volumes=[
            {"volume": "data", "containerPath": "/b", "volumeOptions": {"subpath": "a"}},
            {
                "hostPath": "/a",
                "containerPath": "/c",
                "readOnly": True,
                "bind": {"readOnlyNonRecursive": True},
            },
        ]
    ).definition
    assert {version for _, version in needs(listed["volumes"], listed)} == {"1.44", "1.45"}
