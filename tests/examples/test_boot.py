"""The examples for a baked image, booted as they stand: what each lists is what runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.machine import SEED, SUITES, Booted, Machine, Systems
from tests.engine.stories import wait_for_answer
from tests.examples.files import in_files, in_user_data, text_of

BAKED = (
    "web.yaml",
    "two-containers.yaml",
    "several-sources.yaml",
    "mime-with-script.txt",
    "private-registry.yaml",
    "baked-image.yaml",
)


@pytest.fixture(scope="module", params=SUITES)
def machine(request: pytest.FixtureRequest, systems: Systems) -> Iterator[Machine]:
    """A machine on which `dockerup setup` ran; each boot is that of a new instance."""
    with systems.machine(f"{request.param}-ready") as ready:
        yield ready


@pytest.fixture(autouse=True)
def _nothing_stays(systems: Systems, machine: Machine) -> Iterator[None]:
    yield
    systems.remove_containers()
    machine.must("rm", "-rf", "/etc/dockerup/containers.d", "/root/.docker", f"{SEED}/vendor-data")
    machine.must("mkdir", "-m", "755", "/etc/dockerup/containers.d")


def assert_good(booted: Booted, machine: Machine) -> None:
    """Assert that a boot went well, and that cron's run finds nothing to do."""
    assert (booted.extended, booted.exit_code, booted.errors, booted.loud_lines) == ("done", 0, [], [])
    cron = machine.cron()
    assert (cron.exit_code, cron.stdout) == (0, "")


@pytest.mark.parametrize("name", BAKED)
def test_boot_runs_exactly_what_the_example_lists(machine: Machine, systems: Systems, name: str) -> None:
    text = text_of(name)
    listed = {**in_files(text), **in_user_data(text)}
    booted = machine.boot(text, instance_id=f"iid-{name}")
    assert_good(booted, machine)
    assert set(systems.running()) == set(listed)
    for _image, ports in listed.values():
        for port in ports:
            wait_for_answer("example", port)


@pytest.mark.parametrize("name", [name for name in BAKED if name.endswith(".yaml")])
def test_cloud_init_finds_no_fault_in_the_example(machine: Machine, name: str) -> None:
    machine.write("/root/example.yaml", text_of(name))
    checked = machine.run("cloud-init", "schema", "--config-file", "/root/example.yaml")
    assert checked.exit_code == 0, checked.stdout + checked.stderr


def test_script_of_the_multi_part_ran(machine: Machine) -> None:
    machine.boot(text_of("mime-with-script.txt"), instance_id="iid-script")
    assert machine.read("/srv/web/index.html").startswith("Hello from ")


def test_login_is_there_for_root_alone(machine: Machine) -> None:
    machine.boot(text_of("private-registry.yaml"), instance_id="iid-login")
    assert machine.must("stat", "-c", "%a %U", "/root/.docker/config.json") == "600 root\n"


def test_vendor_data_counts_where_user_data_lists_nothing(machine: Machine, systems: Systems) -> None:
    vendor_data = text_of("vendor-data.yaml")
    booted = machine.boot("#cloud-config\n{}\n", instance_id="iid-vendor", vendor_data=vendor_data)
    assert_good(booted, machine)
    assert set(systems.running()) == {"node-exporter"}


def test_user_data_s_list_replaces_vendor_data_s(machine: Machine, systems: Systems) -> None:
    vendor_data = text_of("vendor-data.yaml")
    booted = machine.boot(text_of("web.yaml"), instance_id="iid-both", vendor_data=vendor_data)
    assert_good(booted, machine)
    assert set(systems.running()) == {"web"}
