"""Boots in which something is wrong: what is said, and that nothing else is broken by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.boot.machine import Booted, Machine, Systems

ERROR = {"bookworm": "error", "trixie": "error - done"}


@pytest.fixture(scope="module")
def machine(systems: Systems, suite: str) -> Iterator[Machine]:
    """A machine on which `dockerup setup` ran; each boot is that of a new instance."""
    with systems.machine(f"{suite}-ready") as ready:
        yield ready


@pytest.fixture(autouse=True)
def _no_containers_stay(systems: Systems) -> Iterator[None]:
    yield
    systems.remove_containers()


def only_error(booted: Booted) -> str:
    """Return the one error of a boot, which is our module's."""
    assert len(booted.errors) == 1
    assert "'dockerup'" in booted.errors[0]
    return booted.errors[0]


def assert_stage_went_on(booted: Booted, machine: Machine, script: str) -> None:
    """Assert that the user's script and the last module of the stage ran."""
    assert machine.exists(script)
    assert " finished at " in booted.output


def test_faulty_entries_are_named_and_the_others_run(machine: Machine, systems: Systems, suite: str) -> None:
    booted = machine.boot(
        f"""\
#cloud-config
runcmd: [touch /root/faulty]
containers:
- {{name: typo, imag: {systems.web}}}
- {{name: web, image: {systems.web}}}
- {{name: gone, image: {systems.absent}}}
""",
        instance_id="iid-faulty",
    )
    assert (booted.extended, booted.exit_code) == (ERROR[suite], 1)
    error = only_error(booted)
    assert 'user-data:4: containers[0].imag: there is no key "imag" here. Did you mean "image"?' in error
    assert "gone: " in error
    assert systems.absent in error
    assert "web: " not in error
    assert set(systems.running()) == {"web"}
    assert_stage_went_on(booted, machine, "/root/faulty")
    assert machine.cron().exit_code == 2


def test_broken_yaml_fails_the_module_with_its_line_and_removes_nothing(
    machine: Machine, systems: Systems, suite: str
) -> None:
    file = "/etc/dockerup/containers.d/kept.yaml"
    machine.write(file, f"{{name: kept, image: '{systems.web}'}}")
    machine.cron()
    machine.must("rm", file)
    booted = machine.boot(
        "#cloud-config\nruncmd: [touch /root/broken]\ncontainers:\n- name: web\n image: x\n",
        instance_id="iid-broken",
    )
    assert (booted.extended, booted.exit_code) == (ERROR[suite], 1)
    assert "user-data:5" in only_error(booted)
    assert machine.cron().exit_code == 2
    assert "kept" in systems.running()


def test_a_wrong_setting_is_named(machine: Machine) -> None:
    machine.write("/etc/cloud/cloud.cfg.d/99_wrong.cfg", "dockerup: {wiat: 5}\n")
    done = machine.run("cloud-init", "single", "--name", "dockerup")
    machine.must("rm", "/etc/cloud/cloud.cfg.d/99_wrong.cfg")
    assert done.exit_code == 1
    log = machine.read("/var/log/cloud-init.log")
    assert 'dockerup.wiat: there is no setting "wiat". Did you mean "wait"?' in log


def test_engine_that_does_not_come_is_said(machine: Machine, suite: str) -> None:
    booted = machine.boot(
        "#cloud-config\nruncmd: [touch /root/no-engine]\ncontainers: []\n"
        'dockerup: {remote: "unix:///run/none.sock", wait: 1}\n',
        instance_id="iid-no-engine",
    )
    assert (booted.extended, booted.exit_code) == (ERROR[suite], 1)
    assert "unix:///run/none.sock" in only_error(booted)
    assert_stage_went_on(booted, machine, "/root/no-engine")


def test_engine_that_comes_late_is_waited_for(machine: Machine, systems: Systems) -> None:
    # The pattern does not match the line itself, which the log may show.
    waits = "until grep -q '[w]aiting up to' /var/log/cloud-init.log; do sleep 0.1; done"
    late = f"({waits}; ln -s /run/docker.sock /run/late.sock) >/dev/null 2>&1 &"
    booted = machine.boot(
        f"""\
#cloud-config
runcmd: ["{late}"]
containers: [{{name: web, image: "{systems.web}"}}]
dockerup: {{remote: "unix:///run/late.sock", wait: 60}}
""",
        instance_id="iid-late",
    )
    assert (booted.extended, booted.errors, booted.loud_lines) == ("done", [], [])
    assert len([line for line in booted.lines("INFO") if "waiting up to" in line]) == 1
    assert set(systems.running()) == {"web"}


def test_missing_docker_package_is_a_sentence_that_says_what_to_install(
    machine: Machine, systems: Systems, suite: str
) -> None:
    package = "/usr/lib/python3/dist-packages/docker"
    machine.must("mv", package, f"{package}.away")
    try:
        booted = machine.boot(
            f"#cloud-config\nruncmd: [touch /root/no-sdk]\ncontainers: [{{image: '{systems.web}'}}]\n",
            instance_id="iid-no-sdk",
        )
    finally:
        machine.must("mv", f"{package}.away", package)
    assert (booted.extended, booted.exit_code) == (ERROR[suite], 1)
    assert "No module named 'docker'. Install dockerup for cloud-init" in only_error(booted)
    assert_stage_went_on(booted, machine, "/root/no-sdk")
