"""A boot's run and cron's, at the same time: the second waits or goes away, and neither fails."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.boot.machine import PACKAGES, Booted, Machine, Systems
from tests.testbed.host import Host
from tests.testbed.proxy import Call, EngineProxy
from tests.testbed.waiting import wait_until

LONG = 300  # seconds; a boot takes ten on a machine that is not busy
WAITS = "waiting up to 900 seconds: another run (process "


class Gate:
    """Holds up the first run that creates a container, in the middle of its work and with the lock."""

    def __init__(self) -> None:
        self._reached, self._open = Event(), Event()

    def __call__(self, call: Call) -> None:
        """Be the hook of a proxy."""
        if str(call) == "POST /containers/create":
            self._reached.set()
            self._open.wait()

    def wait_for_run(self) -> None:
        """Return when a run is held up."""
        wait_until(self._reached.is_set, "a run creates a container", seconds=LONG)

    def open(self) -> None:
        """Let every run go on."""
        self._open.set()


@pytest.fixture
def proxy(host: Host, tmp_path: Path) -> Iterator[EngineProxy]:
    """The engine as the machine sees it."""
    running = EngineProxy(host.engine.socket_path, tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def machine(systems: Systems, suite: str, proxy: EngineProxy, tmp_path: Path) -> Iterator[Machine]:
    """A machine on which `dockerup setup` ran, and which has a container in a file besides."""
    with systems.machine(f"{suite}-ready", socket=tmp_path / "proxy.sock") as ready:
        ready.write("/etc/dockerup/containers.d/own.yaml", f"{{name: own, image: '{systems.web}'}}")
        yield ready


@pytest.fixture
def gate(proxy: EngineProxy, machine: Machine) -> Iterator[Gate]:
    """A gate that is closed; it opens at the end, whatever a test came to."""
    closed = Gate()
    proxy.before = closed
    yield closed
    closed.open()


@pytest.fixture
def pool(gate: Gate) -> Iterator[ThreadPoolExecutor]:
    """What runs beside the test."""
    with ThreadPoolExecutor() as threads:
        yield threads
        gate.open()


@pytest.fixture
def user_data(systems: Systems) -> str:
    """A list of one container."""
    return f"#cloud-config\ncontainers: [{{name: web, image: '{systems.web}'}}]\n"


def wait_until_it_waits(machine: Machine, boot: Future[Booted]) -> None:
    """Return when a boot waits for the lock, or came to its end without."""

    def waits() -> bool:
        said = machine.run("grep", "-qF", WAITS, "/var/log/cloud-init.log")
        return boot.done() or said.exit_code == 0

    wait_until(waits, "the boot waits for the lock", seconds=LONG)


def test_boot_waits_for_crons_run_and_then_converges(
    machine: Machine, systems: Systems, gate: Gate, pool: ThreadPoolExecutor, user_data: str
) -> None:
    cron = pool.submit(machine.cron)
    gate.wait_for_run()
    boot = pool.submit(machine.boot, user_data)
    wait_until_it_waits(machine, boot)
    assert not boot.done()
    assert systems.running() == {}
    gate.open()
    done, booted = cron.result(LONG), boot.result(LONG)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "own: created (not there)\n", "")
    assert (booted.extended, booted.exit_code, booted.errors, booted.loud_lines) == ("done", 0, [], [])
    assert len([line for line in booted.lines("INFO") if WAITS in line]) == 1
    assert set(systems.running()) == {"own", "web"}
    assert "dockerup: web: created" in booted.output
    assert "dockerup: own: created" not in booted.output


def test_crons_run_goes_away_silently_during_the_boots(
    machine: Machine, systems: Systems, gate: Gate, pool: ThreadPoolExecutor, user_data: str
) -> None:
    boot = pool.submit(machine.boot, user_data)
    gate.wait_for_run()
    done = machine.cron()
    assert (done.exit_code, done.stdout, done.stderr) == (75, "", "")
    assert not boot.done()
    gate.open()
    booted = boot.result(LONG)
    assert (booted.extended, booted.exit_code, booted.errors, booted.loud_lines) == ("done", 0, [], [])
    assert set(systems.running()) == {"own", "web"}
    done = machine.cron()
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


def test_run_that_does_not_end_fails_the_boot_and_is_named_and_the_list_is_left_to_cron(
    machine: Machine, systems: Systems, gate: Gate, pool: ThreadPoolExecutor, user_data: str
) -> None:
    machine.must("sed", "-i", "s/^LOCK_WAIT = .*/LOCK_WAIT = 1/", f"{PACKAGES}/dockerup/boot.py")
    cron = pool.submit(machine.cron)
    gate.wait_for_run()
    pid = machine.must("pgrep", "-f", "^/usr/bin/python3 -m dockerup").strip()
    booted = machine.boot(user_data)
    (error,) = booted.errors
    assert booted.exit_code == 1
    assert f"another run (process {pid}) has been at it for " in error
    assert "nothing of this boot's list was begun within 1 second" in error
    assert "cloud-init single --name dockerup" in error
    assert systems.running() == {}
    gate.open()
    assert cron.result(LONG).exit_code == 0
    assert "web: created" in machine.cron().stdout
    assert set(systems.running()) == {"own", "web"}
