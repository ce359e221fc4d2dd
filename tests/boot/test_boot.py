"""A machine's life with a good list: before setup, the first boot, later boots, cron, a baked image."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.boot.machine import Booted, Machine, Systems


@pytest.fixture(scope="module")
def machine(systems: Systems, suite: str) -> Iterator[Machine]:
    """A machine on which `dockerup setup` ran."""
    with systems.machine(f"{suite}-ready") as ready:
        yield ready


@pytest.fixture(scope="module")
def user_data(systems: Systems) -> str:
    """A good list with what YAML 1.1 reads as something else, and a setting."""
    return f"""\
#cloud-config
runcmd: [touch /root/script-ran]
containers:
- name: web
  image: {systems.web}
  portMappings: [{{containerPort: 8080, hostPort: 18080}}]
  env:
    VERSION: 1.10
    WHEN: 22:22
    SWITCH: on
    MODE: 0644
    DAY: 2020-02-03
- image: {systems.job}
  restart: no
dockerup:
  unmanaged: keep
  wait: 60
"""


@pytest.fixture(scope="module")
def first(machine: Machine, user_data: str) -> Booted:
    """The machine's first boot."""
    return machine.boot(user_data)


def test_first_boot_is_done_and_runs_the_list(first: Booted, systems: Systems) -> None:
    assert (first.extended, first.exit_code, first.errors) == ("done", 0, [])
    assert set(systems.running()) == {"web", "job"}
    assert not first.loud_lines


def test_values_are_those_that_were_typed(first: Booted, systems: Systems) -> None:
    env = systems.env_of("web")
    assert {key: env[key] for key in ("VERSION", "WHEN", "SWITCH", "MODE", "DAY")} == {
        "VERSION": "1.10",
        "WHEN": "22:22",
        "SWITCH": "on",
        "MODE": "0644",
        "DAY": "2020-02-03",
    }


def test_each_change_is_said_on_the_console_and_in_the_log(first: Booted) -> None:
    assert "dockerup: web: created" in first.output
    assert any("web: created" in line for line in first.lines("INFO"))


def test_scripts_of_user_data_run_too(first: Booted, machine: Machine) -> None:
    assert machine.exists("/root/script-ran")


def test_analyze_shows_the_phases_of_the_module(first: Booted, machine: Machine) -> None:
    shown = machine.must("cloud-init", "analyze", "show")
    phases = set(re.findall(r"(?:dockerup: |config-dockerup/)(\w+)", shown))
    assert phases == {"config", "start", "pull", "verify"}


def test_what_the_module_was_given_is_kept_for_root_alone(first: Booted, machine: Machine) -> None:
    modes = machine.must(
        "stat", "-c", "%a %U", "/var/cache/dockerup/user-data/given.json", "/var/cache/dockerup"
    )
    assert modes.split() == ["600", "root", "700", "root"]


def test_crons_run_uses_the_very_list_and_settings_of_the_boot(
    first: Booted, machine: Machine, systems: Systems
) -> None:
    before = systems.running()
    done = machine.cron()
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert systems.running() == before


def test_crons_run_mends_drift_as_the_boot_listed_it(
    first: Booted, machine: Machine, systems: Systems
) -> None:
    before = systems.running()["web"]
    systems.remove_container("web")
    assert "web: created" in machine.cron().stdout
    assert systems.running()["web"] != before
    assert systems.env_of("web")["VERSION"] == "1.10"


def test_job_needs_no_more_rights_than_the_hardened_service_leaves_it(
    first: Booted, machine: Machine, systems: Systems
) -> None:
    systems.remove_container("web")
    done = machine.cron(within=("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "web: created" in done.stdout


def test_a_person_can_run_the_module_alone(first: Booted, machine: Machine, systems: Systems) -> None:
    before = systems.running()
    machine.must("cloud-init", "single", "--name", "dockerup")
    assert systems.running() == before


def test_schema_of_cloud_init_accepts_the_user_data(first: Booted, machine: Machine) -> None:
    assert "Valid" in machine.must("cloud-init", "schema", "--system")


def test_second_boot_changes_nothing(first: Booted, machine: Machine, systems: Systems) -> None:
    before = systems.running()
    second = machine.boot()
    assert (second.extended, second.exit_code, second.loud_lines) == ("done", 0, [])
    assert systems.running() == before
    assert machine.cron().exit_code == 0


def test_changed_user_data_of_the_same_instance_counts_where_cloud_init_reads_it_again(
    first: Booted, machine: Machine, systems: Systems, user_data: str
) -> None:
    """NoCloud does not; what counts is that boot and cron's run agree with cloud-init."""
    later = machine.boot(user_data.replace("1.10", "1.20"))
    assert later.extended == "done"
    assert systems.env_of("web")["VERSION"] == "1.10"
    done = machine.cron()
    assert (done.exit_code, done.stdout) == (0, "")


def test_new_instance_from_a_baked_image_does_not_start_the_old_list(
    first: Booted, machine: Machine, systems: Systems, suite: str
) -> None:
    machine.commit("boot", f"{suite}-baked")
    systems.remove_containers()
    with systems.machine(f"{suite}-baked") as baked:
        baked.must("rm", "-rf", "/run/cloud-init")
        early = baked.cron()
        assert "which instance this is" in early.stderr
        assert systems.running() == {}
        booted = baked.boot("#cloud-config\n{}\n", instance_id="iid-second")
        assert (booted.extended, booted.loud_lines) == ("done", [])
        assert baked.cron().exit_code == 0  # and it removes the images that nothing needs any more
        done = baked.cron()
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
        assert systems.running() == {}
