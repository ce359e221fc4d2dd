"""What somebody else asked for equals what an entry asks for, or it does not: field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dockerup.likeness import _NO_MATTER, _NO_MATTER_TO_HOST, unlike
from dockerup.snapshot import Asked
from tests.plan.adopted import CONFIG, ENTRY, HOST, SECRET, asked
from tests.plan.hosts import Listing

OTHER = "f" * 64


def compared(found: Asked, entry: Mapping[str, Any] | None = None, *left_out: str) -> tuple[str, ...]:
    """Return in what a container differs from an entry, ENTRY with other keys and without some."""
    written = {key: one for key, one in {**ENTRY, **(entry or {})}.items() if key not in left_out}
    (spec,) = Listing((written,)).desired.specs
    return unlike(found, spec, {"db": OTHER, "web": "1"}, (1, 41))


def test_container_that_was_asked_for_as_listed_is_alike() -> None:
    assert compared(asked()) == ()


def another(value: Any) -> Any:
    """Return a value that means something else."""
    if isinstance(value, dict):
        return {**value, "other/udp": [{"HostPort": "7"}]}
    if isinstance(value, list):
        return [*value, "/other:/other"]
    return (not value) if isinstance(value, bool) else 77 if isinstance(value, int) else "other"


@pytest.mark.parametrize("key", sorted(CONFIG.keys() - _NO_MATTER - {"StdinOnce"}))
def test_every_field_of_the_config_counts(key: str) -> None:
    assert compared(asked({key: another(CONFIG[key])}))


@pytest.mark.parametrize("key", sorted(HOST.keys() - _NO_MATTER_TO_HOST))
def test_every_field_of_the_host_config_counts(key: str) -> None:
    assert compared(asked(host={key: another(HOST[key])}))


@pytest.mark.parametrize("where", ["config", "host"])
def test_field_that_nobody_knows_may_say_nothing_only(where: str) -> None:
    says_nothing: tuple[Any, ...] = (None, 0, "", [], {}, False)
    for nothing in says_nothing:
        assert compared(asked(**{where: {"Future": nothing}})) == ()
    assert compared(asked(**{where: {"Future": "x"}})) == ("Future",)


@pytest.mark.parametrize(
    ("config", "host"),
    [
        ({}, {"NetworkMode": "bridge"}),
        ({"StopSignal": "SIGTERM", "StopTimeout": 10}, {}),
        ({"StopSignal": "15"}, {}),
        ({"Labels": {"of": "image"}}, {"Binds": ["/srv/:/conf:rw,rprivate", "data:/data"]}),
        ({}, {"Binds": ["/srv:/conf"], "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}]}),
        (
            {},
            {
                "Binds": ["data:/data"],
                "Mounts": [
                    {
                        "Type": "bind",
                        "Source": "/srv",
                        "Target": "/conf",
                        "BindOptions": {"Propagation": "rprivate"},
                    }
                ],
            },
        ),
        ({}, {"Binds": [*HOST["Binds"], f"{OTHER}:/cache:rw"]}),
        ({"Volumes": {"/cache": {}, "/data": {}, "/conf": {}}}, {}),
        ({}, {"MaskedPaths": HOST["MaskedPaths"][:-1]}),
        ({}, {"PidsLimit": -1, "OomKillDisable": False, "MemorySwappiness": -1, "Isolation": "default"}),
        ({"Env": ["PATH=/bin", "PASSWORD=hunter2"], "Domainname": ""}, {"CapAdd": [], "ExtraHosts": []}),
        ({}, {"PortBindings": {**HOST["PortBindings"], "81/tcp": None}}),
    ],
)
def test_other_way_to_ask_for_the_same_is_alike(config: Mapping[str, Any], host: Mapping[str, Any]) -> None:
    assert compared(asked(config, host)) == ()


@pytest.mark.parametrize(
    ("entry", "config", "host"),
    [
        ({"capAdd": ["NET_ADMIN"]}, {}, {"CapAdd": ["NET_ADMIN"]}),
        ({"capAdd": ["NET_ADMIN"]}, {}, {"CapAdd": ["CAP_NET_ADMIN"]}),
        ({"privileged": True}, {}, {"Privileged": True, "MaskedPaths": None, "ReadonlyPaths": None}),
        ({"pid": "host"}, {}, {"PidMode": "host", "SecurityOpt": ["label=disable"]}),
        ({"securityOptions": ["no-new-privileges"]}, {}, {"SecurityOpt": ["no-new-privileges:true"]}),
        ({"securityOptions": ["systempaths=unconfined"]}, {}, {"MaskedPaths": [], "ReadonlyPaths": []}),
        ({"tmpfs": ["/t:size=1m,mode=1777"]}, {}, {"Tmpfs": {"/t": "mode=01777,size=1024k,rw,noexec"}}),
        (
            {"tmpfs": ["/t:size=64k"]},
            {},
            {"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 65536}}]},
        ),
        ({"links": ["db:main"]}, {}, {"Links": ["/db:/web/main"]}),
        (
            {"volumes": [*ENTRY["volumes"], {"from": "db", "mode": "ro"}]},
            {},
            {"VolumesFrom": [f"{OTHER}:ro"]},
        ),
        (
            {"pid": "container:db", "ipc": "container:db"},
            {},
            {"PidMode": "container:db", "IpcMode": f"container:{OTHER}"},
        ),
        (
            {"healthCheck": {"command": "true"}},
            {"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Retries": 3}},
            {},
        ),
        ({"interactive": True}, {"OpenStdin": True}, {}),
        (
            {"devices": ["/dev/fuse"]},
            {},
            {"Devices": [{"PathOnHost": "/dev/fuse", "CgroupPermissions": "mrw"}]},
        ),
        ({"ulimits": {"nofile": 5}}, {}, {"Ulimits": [{"Name": "nofile", "Hard": 5, "Soft": 5}]}),
        ({"restart": "on-failure:3"}, {}, {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
        ({"user": "root", "hostname": "box"}, {"User": "root", "Hostname": "box"}, {}),
    ],
)
def test_key_and_what_the_engine_tells_of_it_are_alike(
    entry: Mapping[str, Any], config: Mapping[str, Any], host: Mapping[str, Any]
) -> None:
    assert compared(asked(config, host), entry) == ()
    assert compared(asked(config, host)) or entry == {"healthCheck": {}}
    assert compared(asked(), entry)


@pytest.mark.parametrize(
    ("mode", "networks", "hostname"),
    [
        ("host", {"host": {}}, "box"),
        ("none", {"none": {}}, "0123456789ab"),
        ("net", {"net": {"Aliases": ["0123456789ab", "web"], "IPAMConfig": {}}}, "0123456789ab"),
        ("container:db", {}, "other"),
    ],
)
def test_network_is_the_entrys_and_no_other(mode: str, networks: Mapping[str, Any], hostname: str) -> None:
    told = asked({"Hostname": hostname}, {"NetworkMode": mode.replace("db", OTHER)}, networks)
    assert compared(told, {"network": mode}, "portMappings") == ("ExposedPorts", "PortBindings")
    more = asked({"Hostname": hostname}, {"NetworkMode": mode.replace("db", OTHER)}, {**networks, "more": {}})
    assert "Networks" in compared(more, {"network": mode}, "portMappings")
    assert "Networks" in compared(asked(), {"network": mode}, "portMappings")


def test_names_and_addresses_on_a_network_count() -> None:
    entry = {"networks": {"net": {"aliases": ["site"], "ipv4Address": "10.0.0.2"}}}
    on = {"Aliases": ["site", "0123456789ab"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}}
    assert compared(asked(host={"NetworkMode": "net"}, networks={"net": on}), entry) == ()
    for other in ({**on, "Aliases": ["site", "more"]}, {**on, "IPAMConfig": None}, {**on, "GwPriority": 1}):
        assert compared(asked(host={"NetworkMode": "net"}, networks={"net": other}), entry) == ("Networks",)


@pytest.mark.parametrize(
    "found",
    [
        asked(image={}),
        asked(engine={"LoggingDriver": "journald"}),
        asked(engine={"CgroupVersion": "", "SecurityOptions": None}),
        asked({"Env": ["PATH=/bin", "PASSWORD=hunter2", "PASSWORD=hunter2"]}),
        asked({"Env": [None]}),
        asked({"Labels": {"of": "image", "traefik.enable": "true"}}),
        asked({"OpenStdin": True, "StdinOnce": True}),
        asked(host={"Binds": ["data:/data:ro", "/srv:/conf"]}),
        asked(host={"Binds": ["data:/data", "/srv:/conf", "/srv:/conf"]}),
        asked(host={"Mounts": [{"Type": "npipe", "Target": "/x"}]}),
        asked(host={"IpcMode": "shareable"}),
        asked(host={"MaskedPaths": HOST["MaskedPaths"][1:]}),
        asked(host={"MemorySwap": -1}),
        asked(host={"Tmpfs": {"/t": "exec"}}),
        asked(host={"Binds": [*HOST["Binds"], f"{OTHER}:/more"]}),
        asked(networks={}),
        asked(networks={"bridge": {}, "net": {}}),
    ],
)
def test_what_is_not_certain_is_not_alike_and_no_value_is_told(found: Asked) -> None:
    differs = compared(found)
    assert differs
    assert SECRET not in str(differs) + repr(found)


def test_container_that_holds_on_to_what_is_not_there_is_not_alike() -> None:
    assert compared(asked(), {"links": ["gone:x"]}) == ("gone",)
