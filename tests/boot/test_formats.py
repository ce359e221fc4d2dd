"""The forms in which a list comes to a machine: what cloud-init makes of them is what runs."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from tests.boot.machine import Booted, Machine, Systems
from tests.testbed.metadata import Metadata


@pytest.fixture(scope="module")
def machine(systems: Systems, suite: str) -> Iterator[Machine]:
    """A machine on which `dockerup setup` ran; each boot is that of a new instance."""
    with systems.machine(f"{suite}-ready") as ready:
        yield ready


@pytest.fixture(autouse=True)
def _no_containers_stay(systems: Systems) -> Iterator[None]:
    yield
    systems.remove_containers()


def multi_part(*parts: tuple[str, str]) -> str:
    """Return a MIME multi-part of subtypes and texts."""
    whole = MIMEMultipart()
    for subtype, text in parts:
        whole.attach(MIMEText(text, subtype))
    return whole.as_string()


def assert_good(booted: Booted, machine: Machine) -> None:
    """Assert that a boot went well and that cron's run has the same list."""
    assert (booted.extended, booted.exit_code, booted.errors, booted.loud_lines) == ("done", 0, [], [])
    done = machine.cron()
    changes = [line for line in done.stdout.splitlines() if not line.startswith(("image ", "images: "))]
    assert (done.exit_code, changes, done.stderr) == (0, [], "")


def one(name: str, systems: Systems) -> str:
    """Return cloud-config that lists one container."""
    return f"#cloud-config\ncontainers:\n- name: {name}\n  image: {systems.web}\n"


def test_last_part_of_a_packed_multi_part_replaces_the_list(machine: Machine, systems: Systems) -> None:
    script = "#!/bin/sh\ntouch /root/part-ran\n"
    parts = multi_part(
        ("cloud-config", one("first", systems)),
        ("x-shellscript", script),
        ("cloud-config", one("second", systems)),
    )
    booted = machine.boot(gzip.compress(parts.encode()), instance_id="iid-mime")
    assert set(systems.running()) == {"second"}
    assert machine.exists("/root/part-ran")
    assert_good(booted, machine)


def test_part_with_merge_how_adds_to_the_list_and_not_to_vendor_datas(
    machine: Machine, systems: Systems
) -> None:
    how = "merge_how: 'list(append)+dict(recurse_array)+str()'\n"
    parts = multi_part(
        ("cloud-config", one("first", systems)), ("cloud-config", one("second", systems) + how)
    )
    booted = machine.boot(parts, instance_id="iid-merge", vendor_data=one("vendor", systems))
    assert set(systems.running()) == {"first", "second"}
    assert_good(booted, machine)


def test_template_is_rendered_and_what_it_may_have_lost_is_refused(
    machine: Machine, systems: Systems
) -> None:
    booted = machine.boot(
        f"""\
## template: jinja
#cloud-config
containers:
- name: web-{{{{ v1.local_hostname }}}}
  image: {systems.web}
  portMappings: [{{containerPort: 8080, hostPort: 18080}}]
  env: {{WHO: "{{{{ v1.instance_id }}}}"}}
- name: port
  image: {systems.web}
  portMappings: [{{containerPort: 22:22}}]
- name: number
  image: {systems.web}
  env: {{VERSION: 1.10}}
""",
        instance_id="iid-jinja",
    )
    assert set(systems.running()) == {"web-machine"}
    assert systems.env_of("web-machine")["WHO"] == "iid-jinja"
    error = str(booted.errors)
    assert "containers[1].portMappings[0].containerPort: 1342 is nowhere in the template" in error
    assert "containers[2].env.VERSION" in error
    assert error.count("Put the value in quotes.") == 2
    assert machine.cron().exit_code == 2


def test_list_of_vendor_data_runs_where_user_data_has_none(machine: Machine, systems: Systems) -> None:
    vendor = one("vendor", systems) + "  env: {VERSION: 1.10}\n"
    booted = machine.boot("#cloud-config\n{}\n", instance_id="iid-vendor", vendor_data=vendor)
    assert set(systems.running()) == {"vendor"}
    assert systems.env_of("vendor")["VERSION"] == "1.10"
    assert_good(booted, machine)


def test_null_list_is_no_list(machine: Machine, systems: Systems) -> None:
    booted = machine.boot("#cloud-config\ncontainers: null\n", instance_id="iid-null")
    assert systems.running() == {}
    assert_good(booted, machine)


def test_plain_json_is_passed_over_by_cloud_init_and_served_on_ec2(
    machine: Machine, systems: Systems
) -> None:
    text = f'{{"containers": [{{"name": "json", "image": "{systems.web}"}}]}}'
    booted = machine.boot(text, instance_id="iid-json")
    assert systems.running() == {}
    assert booted.state.startswith("error")
    assert "plain JSON, which cloud-init passes over" in str(booted.errors)
    done = machine.cron()
    assert done.exit_code == 2
    assert 'Write "#cloud-config" in the first line' in done.stderr
    service = Metadata(text)
    service.start()
    try:
        done = machine.cron(env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.url})
    finally:
        service.stop()
    assert "json: created" in done.stdout
    assert set(systems.running()) == {"json"}


def test_date_that_cannot_be_is_an_error_and_not_an_empty_list(machine: Machine, systems: Systems) -> None:
    booted = machine.boot(one("dated", systems) + "  env: {DAY: 2020-02-30}\n", instance_id="iid-no-date")
    assert "begins like a date has to be in quotes" in str(booted.errors)
    assert machine.cron().exit_code == 2
