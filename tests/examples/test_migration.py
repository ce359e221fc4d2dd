"""The example of a job between a database and a service: who waits for whom, and what a failed job stops."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.boot.machine import Machine, Systems
from tests.examples.baked import boot, boot_well
from tests.examples.files import text_of
from tests.examples.stand_ins import FAILING_TAG, MIGRATION_FAILED
from tests.testbed.host import Host

EXAMPLE = "migration-before-service.yaml"
# The order is dockerup's own, and takes as long as the example's health check: one system will do.
pytestmark = pytest.mark.parametrize("installed", ["trixie"], indirect=True)


@pytest.fixture
def data(host: Host) -> Iterator[Path]:
    """The database's directory of the host, with nothing in it."""
    directory = Path("/srv/db")
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


def states(host: Host) -> Mapping[str, Mapping[str, Any]]:
    """Return what the engine tells of the state of each of the example's containers that there are."""
    with closing(host.engine.client()) as client:
        found = [client.inspect_container(one["Id"]) for one in client.containers(all=True)]
    return {
        one["Name"][1:]: one["State"] for one in found if "dockerup.ignore" not in one["Config"]["Labels"]
    }


def test_job_runs_once_the_database_is_healthy_and_the_service_once_the_job_has_ended(
    data: Path, machine: Machine, systems: Systems, host: Host
) -> None:
    began = time.time()
    boot_well(machine, systems, text_of(EXAMPLE), ended=frozenset({"migrate"}))
    job, healthy = states(host)["migrate"], "health_status: healthy"
    assert (job["Status"], job["ExitCode"]) == ("exited", 0)
    assert host.engine.happened(began, "start", "die", healthy) == [
        ("db", "start"),
        ("db", healthy),
        ("migrate", "start"),
        ("migrate", "die"),
        ("my-app", "start"),
    ]


def test_job_that_fails_keeps_the_service_from_starting_and_the_boot_names_it(
    data: Path, machine: Machine, host: Host
) -> None:
    (data / "PG_VERSION").write_text("17\n")  # a database that was made before
    booted = boot(machine, text_of(EXAMPLE).replace("my-app:1.4.2", f"my-app:{FAILING_TAG}"))
    assert (booted.extended, booted.exit_code) == ("error - done", 1)
    (error,) = booted.errors
    assert "migrate: " in error
    assert MIGRATION_FAILED in error
    state = states(host)
    assert set(state) == {"db", "migrate"}
    assert (state["db"]["Health"]["Status"], state["migrate"]["ExitCode"]) == ("healthy", 3)
