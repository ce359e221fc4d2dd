"""`dockerup setup` on real systems: before it, after it, after an upgrade of cloud-init, and undone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.machine import PACKAGES, Machine, Systems

SCHEMA = f"{PACKAGES}/cloudinit/config/schemas/schema-cloud-config-v1.json"
DROP_IN = "/etc/cloud/cloud.cfg.d/90_dockerup.cfg"
_PLACES = f"/etc {PACKAGES}/cloudinit /var/cache"
_SNAPSHOT = f"find {_PLACES} -printf '%p %y %m\\n' | sort; find {_PLACES} -type f -exec md5sum {{}} + | sort"


@pytest.fixture
def machine(systems: Systems, suite: str) -> Iterator[Machine]:
    """A machine with dockerup installed on which `dockerup setup` never ran."""
    with systems.machine(suite) as bare:
        yield bare


def snapshot(machine: Machine) -> str:
    """Return all that setup could touch, with modes and sums."""
    return machine.must("sh", "-c", _SNAPSHOT)


def test_without_setup_cloud_init_does_not_know_the_module_and_new_ones_warn_of_the_key(
    machine: Machine, systems: Systems, suite: str
) -> None:
    booted = machine.boot(f"#cloud-config\ncontainers: [{{image: '{systems.web}'}}]\n")
    assert systems.running() == {}
    assert booted.errors == []
    if suite == "bookworm":
        assert (booted.extended, booted.exit_code, booted.loud_lines) == ("done", 0, [])
    else:
        assert (booted.extended, booted.exit_code) == ("degraded done", 2)
        assert [line for line in booted.loud_lines if "failed schema validation" in line] == booted.loud_lines


def test_setup_says_what_it_does_once_and_is_undone_to_the_byte(machine: Machine) -> None:
    machine.must("mkdir", "-p", "/etc/cron.d")  # the one system has it, the other none
    before = snapshot(machine)
    shown = machine.must("python3", "-m", "dockerup", "setup", "--dry-run")
    assert "would write /etc/cron.d/dockerup" in shown
    assert '- ["dockerup", "always"]' in shown
    assert snapshot(machine) == before
    said = machine.must("python3", "-m", "dockerup", "setup").splitlines()
    assert f"write {SCHEMA} (0644)" in said
    assert "make directory /var/cache/dockerup (0700)" in said
    assert said[-1].startswith("Within the next minute: ")
    ready = snapshot(machine)
    assert "Nothing to do" in machine.must("python3", "-m", "dockerup", "setup")
    assert snapshot(machine) == ready
    machine.must("python3", "-m", "dockerup", "setup", "--remove")
    assert snapshot(machine) == before
    assert "Nothing to undo" in machine.must("python3", "-m", "dockerup", "setup", "--remove")


def test_setup_makes_cloud_init_check_a_list(machine: Machine, systems: Systems, suite: str) -> None:
    machine.write(
        "/root/good", f"#cloud-config\ncontainers: [{{image: '{systems.web}', env: {{A: 1.10}}}}]\n"
    )
    machine.write("/root/bad", "#cloud-config\ncontainers: [{imag: x}]\ndockerup: {wiat: 5}\n")
    good, bad = (("cloud-init", "schema", "--config-file", path) for path in ("/root/good", "/root/bad"))
    assert machine.run(*good).exit_code == (0 if suite == "bookworm" else 1)
    machine.must("cp", SCHEMA, "/root/schema")
    machine.must("python3", "-m", "dockerup", "setup")
    assert machine.run(*good).exit_code == 0
    refused = machine.run(*bad)
    assert refused.exit_code == 1
    for said in ("containers.0", "'imag' was unexpected", "'wiat' was unexpected"):
        assert said in refused.stdout + refused.stderr
    machine.must("cp", "/root/schema", SCHEMA)  # what an upgrade of cloud-init does
    again = machine.must("python3", "-m", "dockerup", "setup").splitlines()
    assert again[0] == f"write {SCHEMA} (0644)"
    assert machine.run(*good).exit_code == 0


def test_setup_keeps_the_hosts_own_list_of_modules(machine: Machine) -> None:
    machine.write(
        "/etc/cloud/cloud.cfg.d/50_own.cfg",
        "cloud_final_modules: [scripts_user, [mine, once], final_message]\n",
    )
    machine.must("python3", "-m", "dockerup", "setup", "--no-schema")
    lines = machine.read(DROP_IN).splitlines()
    assert [line.strip() for line in lines if line.startswith("  - ")] == [
        '- "scripts_user"',
        '- ["dockerup", "always"]',
        '- ["mine", "once"]',
        '- "final_message"',
    ]
    machine.write("/etc/cloud/cloud.cfg.d/99_late.cfg", "cloud_final_modules: [final_message]\n")
    assert "/etc/cloud/cloud.cfg.d/99_late.cfg sets cloud_final_modules too" in machine.must(
        "python3", "-m", "dockerup", "setup", "--no-schema"
    )


def test_setup_keeps_containers_that_run_already_and_names_them(machine: Machine, systems: Systems) -> None:
    systems.start_unmanaged("somebody")
    said = machine.must("python3", "-m", "dockerup", "setup")
    assert "These containers are not dockerup's and stay: somebody." in said
    conf = machine.read("/etc/dockerup/dockerup.conf").splitlines()
    assert "unmanaged=keep" in conf
    machine.boot(f"#cloud-config\ncontainers: [{{name: web, image: '{systems.web}'}}]\n")
    assert set(systems.running()) == {"somebody", "web"}


def test_setup_of_an_image_that_does_not_run(machine: Machine, systems: Systems) -> None:
    systems.start_unmanaged("of-this-host")
    packages = f"/image{PACKAGES}"
    machine.must("sh", "-c", f"mkdir -p {packages} /image/etc && cp -r /etc/cloud /image/etc")
    not_there = machine.run("python3", "-m", "dockerup", "setup", "--root", "/image")
    assert not_there.exit_code != 0
    assert "dockerup is not installed in /image" in not_there.stderr
    machine.must("sh", "-c", f"cd {PACKAGES} && cp -r cloudinit dockerup cc_dockerup {packages}")
    machine.must("python3", "-m", "dockerup", "setup", "--root", "/image", "--timer")
    assert "unmanaged=remove" in machine.read("/image/etc/dockerup/dockerup.conf").splitlines()
    assert "dockerup" in machine.read(f"/image{DROP_IN}")
    service = machine.read("/image/etc/systemd/system/dockerup.service")
    assert "ExecStart=/usr/bin/python3 -m dockerup --config" in service
    link = machine.must("readlink", "/image/etc/systemd/system/timers.target.wants/dockerup.timer")
    assert link.strip() == "/etc/systemd/system/dockerup.timer"
    for path in ("/image/etc/cron.d/dockerup", DROP_IN, "/etc/dockerup"):
        assert not machine.exists(path)
