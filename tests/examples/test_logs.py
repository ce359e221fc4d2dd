"""The example of logs, with a real journal and the engine's real log drivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.boot.machine import Machine, Systems
from tests.examples.baked import boot_well
from tests.examples.files import text_of
from tests.testbed.host import Host
from tests.testbed.journal import entries, private_journal
from tests.testbed.waiting import wait_until


@pytest.fixture(autouse=True)
def _journal(tmp_path: Path) -> Iterator[None]:
    """The journal of the machine on which the engine runs."""
    with private_journal(tmp_path):
        yield


def test_output_is_in_the_journal_by_the_container_s_name_or_in_small_files(
    machine: Machine, systems: Systems, host: Host
) -> None:
    boot_well(machine, systems, text_of("logs-to-journald.yaml"))
    container_id = systems.running()["web"]
    wait_until(lambda: entries(CONTAINER_ID_FULL=container_id), "the journal has what web printed")
    (entry,) = entries(CONTAINER_NAME="web", CONTAINER_ID_FULL=container_id)
    assert (entry["MESSAGE"], entry["SYSLOG_IDENTIFIER"]) == ("serving port 80", "web")
    with closing(host.engine.client()) as client:
        settings = client.inspect_container("my-app")["HostConfig"]["LogConfig"]
        assert settings == {"Type": "local", "Config": {"max-size": "10m", "max-file": "3"}}
        assert client.logs("my-app") == b"serving port 8080\n"
    assert entries(CONTAINER_NAME="my-app") == []
