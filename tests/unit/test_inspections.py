"""What an inspection and the statistics of a container tell of its limits."""

from __future__ import annotations

from typing import Any

import pytest

from dockerup.engine_json import container_from, detail_from, memory_from
from dockerup.keys import SECRETS


def inspected(**host_config: Any) -> dict[str, Any]:
    return {"State": {}, "Config": {}, "HostConfig": {"RestartPolicy": {"Name": "always"}, **host_config}}


def test_limits_are_those_that_hold_something() -> None:
    raw = inspected(Memory=8 << 20, MemorySwap=-1, NanoCpus=0, CpusetCpus="", CpuShares=None, Ulimits=[])
    assert detail_from(raw).limits == {"Memory": "8388608", "MemorySwap": "-1"}


def test_each_secret_of_the_table_of_keys_is_told() -> None:
    log = {"Type": "syslog", "Config": {"tag": "hunter2"}}
    share = {"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": {"o": "hunter2"}}}}
    mounts = [{"Type": "bind"}, share]
    raw = {**inspected(LogConfig=log, Mounts=mounts), "Config": {"Env": ["A=1=2", "EMPTY=", "NONE"]}}
    told = detail_from(raw)
    assert told.secrets == {
        "env": {"A": "1=2", "EMPTY": "", "NONE": ""},
        "logConfiguration.options": {"tag": "hunter2"},
        "volumes.*.volumeOptions.driverOpts": {"o": "hunter2"},
    }
    assert told.secrets.keys() == {".".join(path) for path in SECRETS}
    assert "hunter2" not in repr(told)
    assert set(map(str, detail_from(inspected()).secrets.values())) == {"{}"}


@pytest.mark.parametrize(("pids", "limits"), [(9, {"PidsLimit": "9"}), (0, {}), (-1, {}), (None, {})])
def test_no_limit_of_processes_has_three_forms(pids: int | None, limits: dict[str, str]) -> None:
    assert detail_from(inspected(PidsLimit=pids)).limits == limits


@pytest.mark.parametrize(("word", "state"), [("stopped", "exited"), ("exited", "exited"), ("dead", "dead")])
def test_what_podman_has_not_yet_cleaned_up_after_has_exited(word: str, state: str) -> None:
    raw = {"Id": "c1", "State": word, "Status": "Exited (0) 5 seconds ago"}
    assert container_from(raw).state == state
    assert detail_from({**inspected(), "State": {"Status": word}}).state == state


def test_podman_is_asked_for_no_change_in_place() -> None:
    assert detail_from(inspected(PidsLimit=2048), podman=True).limits is None


@pytest.mark.parametrize(
    ("memory", "used"),
    [
        ({"usage": 900, "stats": {"total_inactive_file": 300, "inactive_file": 100}}, 600),  # cgroup v1
        ({"usage": 900, "stats": {"inactive_file": 100}}, 800),  # cgroup v2
        ({}, 0),  # one that does not run
    ],
)
def test_memory_in_use_is_without_the_idle_pages_of_files(memory: dict[str, Any], used: int) -> None:
    assert memory_from({"memory_stats": memory}) == used
