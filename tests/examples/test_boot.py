"""The examples for a baked image, booted as they stand: what each lists is what runs."""

from __future__ import annotations

import pytest

from tests.boot.machine import Machine, Systems
from tests.examples.baked import assert_good, boot, boot_well
from tests.examples.files import text_of

ALONE = ("web.yaml", "two-containers.yaml", "several-sources.yaml", "baked-image.yaml")
# Those that need more beside them are booted in a file of tests of their own.
BAKED = (
    *ALONE,
    "private-registry.yaml",
    "ecr.yaml",
    "migration-before-service.yaml",
    "logs-to-journald.yaml",
)


@pytest.mark.parametrize("name", ALONE)
def test_boot_runs_exactly_what_the_example_lists(machine: Machine, systems: Systems, name: str) -> None:
    boot_well(machine, systems, text_of(name))


@pytest.mark.parametrize("name", BAKED)
def test_cloud_init_finds_no_fault_in_the_example(machine: Machine, name: str) -> None:
    machine.write("/root/example.yaml", text_of(name))
    checked = machine.run("cloud-init", "schema", "--config-file", "/root/example.yaml")
    assert checked.exit_code == 0, checked.stdout + checked.stderr


def test_script_of_the_multi_part_runs_before_its_containers(machine: Machine, systems: Systems) -> None:
    boot_well(machine, systems, text_of("mime-with-script.txt"))
    assert machine.read("/srv/web/index.html").startswith("Hello from ")


def test_vendor_data_counts_where_user_data_lists_nothing(machine: Machine, systems: Systems) -> None:
    booted = boot(machine, "#cloud-config\n{}\n", text_of("vendor-data.yaml"))
    assert_good(booted, machine)
    assert set(systems.running()) == {"node-exporter"}


def test_user_data_s_list_replaces_vendor_data_s(machine: Machine, systems: Systems) -> None:
    booted = boot(machine, text_of("web.yaml"), text_of("vendor-data.yaml"))
    assert_good(booted, machine)
    assert set(systems.running()) == {"web"}
