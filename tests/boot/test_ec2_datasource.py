"""Boots with cloud-init's Ec2 datasource, on instances whose metadata service demands tokens (IMDSv2)."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.boot.ec2 import Ec2, ec2_cloud
from tests.boot.machine import Booted, Machine, Systems
from tests.testbed.metadata import TOKEN_PATH

SECOND_INSTANCE = "i-0fedcba9876543210"
# What cloud-init itself makes of user-data that it does not know.
JSON_STATUS = {"bookworm": ("done", 0), "trixie": ("degraded done", 2)}
TOKEN_AND_DATA = [f"PUT {TOKEN_PATH}", "GET /latest/user-data"]


@dataclass(frozen=True)
class FirstBoot:
    """A boot, what the metadata service was asked in it, and what of that it refused."""

    booted: Booted
    asked: tuple[str, ...]
    refused: tuple[str, ...]


@pytest.fixture(scope="module")
def ec2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2]:
    """EC2, whose metadata service is at 169.254.169.254."""
    with ec2_cloud(tmp_path_factory.mktemp("ec2")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def machine(systems: Systems, suite: str, ec2: Ec2) -> Iterator[Machine]:
    """An EC2 instance on which `dockerup setup` ran."""
    with systems.machine(f"{suite}-ready", ec2) as ready:
        yield ready


@pytest.fixture(scope="module")
def first(machine: Machine, systems: Systems, ec2: Ec2) -> FirstBoot:
    """The instance's first boot."""
    ec2.metadata.forget()
    booted = machine.boot(one("web", systems) + entry("other", systems))
    return FirstBoot(booted, tuple(ec2.metadata.requests), tuple(ec2.metadata.refused))


def one(name: str, systems: Systems) -> str:
    """Return cloud-config that lists one container, to which more can be added."""
    return f"#cloud-config\ncontainers:\n{entry(name, systems)}"


def entry(name: str, systems: Systems) -> str:
    """Return one more container of such a list."""
    return f"- name: {name}\n  image: {systems.web}\n"


def assert_good(booted: Booted) -> None:
    """Assert that a boot went well, with user-data from EC2."""
    assert (booted.extended, booted.exit_code, booted.errors, booted.loud_lines) == ("done", 0, [], [])
    assert booted.result["v1"]["datasource"] == "DataSourceEc2Local"


def asked_by(machine: Machine, ec2: Ec2) -> list[str]:
    """Return what cron's run asks the metadata service. It has to change nothing, and to say nothing."""
    ec2.metadata.forget()
    done = machine.cron()
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    return list(ec2.metadata.requests)


def test_first_boot_runs_what_ec2_user_data_lists(first: FirstBoot, systems: Systems) -> None:
    assert_good(first.booted)
    assert set(systems.running()) == {"web", "other"}


def test_all_that_a_boot_asks_comes_with_a_token(first: FirstBoot, ec2: Ec2) -> None:
    assert first.asked[0] == f"PUT {TOKEN_PATH}"
    assert "GET /2021-03-23/user-data" in first.asked
    assert first.refused == ()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{ec2.metadata.url}/2021-03-23/user-data", timeout=5)


def test_at_boot_the_module_leaves_the_metadata_service_to_cloud_init(first: FirstBoot) -> None:
    # dockerup asks the version `latest`, cloud-init one with a date.
    assert [request for request in first.asked if "/latest/" in request] == [f"PUT {TOKEN_PATH}"]


def test_crons_run_changes_nothing_and_asks_the_metadata_service_nothing(
    first: FirstBoot, machine: Machine, systems: Systems, ec2: Ec2
) -> None:
    before = systems.running()
    assert asked_by(machine, ec2) == []
    assert systems.running() == before


def test_changed_user_data_of_the_same_instance_runs_after_the_next_boot(
    first: FirstBoot, machine: Machine, systems: Systems, ec2: Ec2
) -> None:
    before = systems.running()
    changed = one("web", systems) + "  env: {VERSION: 1.20}\n" + entry("later", systems)
    ec2.metadata.answers.user_data = changed.encode()
    assert asked_by(machine, ec2) == []
    assert systems.running() == before
    assert_good(machine.boot())
    assert set(systems.running()) == {"web", "later"}
    assert systems.env_of("web")["VERSION"] == "1.20"
    assert asked_by(machine, ec2) == []


def test_new_instance_from_a_baked_image_runs_its_own_list_alone(
    first: FirstBoot, machine: Machine, systems: Systems, suite: str, ec2: Ec2
) -> None:
    machine.commit("boot", f"{suite}-baked-on-ec2")
    systems.remove_containers()
    with systems.machine(f"{suite}-baked-on-ec2", ec2) as baked:
        ec2.launch(baked, SECOND_INSTANCE, one("second", systems), None)
        ec2.metadata.forget()
        early = baked.cron()
        assert ec2.metadata.requests == []
        assert "which instance this is" in early.stderr
        assert systems.running() == {}
        assert_good(baked.boot())
        assert set(systems.running()) == {"second"}
        baked.cron()  # it removes the images that nothing needs any more
        assert asked_by(baked, ec2) == []


def test_plain_json_is_unhandled_by_cloud_init_and_served_by_dockerup(
    first: FirstBoot, machine: Machine, systems: Systems, suite: str, ec2: Ec2
) -> None:
    booted = machine.boot(f'{{"containers": [{{"name": "json", "image": "{systems.web}"}}]}}')
    assert booted.result["v1"] == {"datasource": "DataSourceEc2Local", "errors": []}
    (unhandled,) = booted.loud_lines
    assert "Unhandled non-multipart (text/x-not-multipart) userdata" in unhandled
    assert (booted.extended, booted.exit_code) == JSON_STATUS[suite]
    assert set(systems.running()) == {"json"}
    assert asked_by(machine, ec2) == TOKEN_AND_DATA
    systems.remove_container("json")
    assert "json: created" in machine.cron().stdout
    assert set(systems.running()) == {"json"}
