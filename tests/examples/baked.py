"""Boots of a machine that has dockerup in its image, with an example as its user-data."""

from __future__ import annotations

import itertools

from tests.boot.machine import Booted, Machine, Systems
from tests.engine.stories import wait_for_answer
from tests.examples.files import in_files, in_user_data

_INSTANCES = itertools.count(1)


def boot(machine: Machine, text: str, vendor_data: str | None = None) -> Booted:
    """Boot a new instance."""
    return machine.boot(text, instance_id=f"iid-{next(_INSTANCES)}", vendor_data=vendor_data)


def boot_well(machine: Machine, systems: Systems, text: str, *, ended: frozenset[str] = frozenset()) -> None:
    """Boot a new instance, and assert that all went well and that what it lists is what runs, and answers.

    `ended` are the listed jobs, which do not run any more.
    """
    listed = {**in_files(text), **in_user_data(text)}
    assert_good(boot(machine, text), machine)
    assert set(systems.running()) == set(listed) - ended
    for _image, ports in listed.values():
        for port in ports:
            wait_for_answer("example", port)


def assert_good(booted: Booted, machine: Machine) -> None:
    """Assert that a boot went well, and that cron's run finds nothing to do."""
    came_to = (booted.extended, booted.exit_code, booted.errors, booted.loud_lines)
    assert came_to == ("done", 0, [], []), booted.output
    cron = machine.cron()
    assert (cron.exit_code, cron.stdout) == (0, "")
