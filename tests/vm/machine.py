"""A virtual machine: Debian 12 under QEMU, booted from power-on, with its user-data on a disk of NoCloud's.

It has a disk of its own above the one that image.sh made, which lasts over its boots, and the user network of
QEMU: what it calls 10.0.2.2 is the loopback of the tests (QEMU's documentation, "Using the user mode network
stack"). The tests reach its port 80, and the port at which it passes on to its engine; all that they see of
the machine comes from these two.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from tests.boot.machine import Booted, cache_directory
from tests.engine.stories import answer, own_name
from tests.testbed.programs import Done, run_in
from tests.testbed.waiting import Program, TestbedError, free_port

HOST = "10.0.2.2"
# Nothing is measured against these: a loaded machine may emulate ten times slower than a quiet one.
BOOT_SECONDS = 30 * 60.0
DOWN_SECONDS = 3 * 60.0
MEND_SECONDS = 5 * 60.0
_EVERY = 0.5  # a question each so many seconds; more would slow down the machine that is asked

_CACHE = "bookworm-vm"
_KERNEL_LINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off"
_ENGINE_PORT = 2375
_LOOKS = "looks-for-tests"
_CLEAN = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
_BOOT_BEGINS = "running 'init-local'"


@dataclass(frozen=True)
class Containers:
    """The machine's containers but for the one that looks: which run, with their ids, and all there are."""

    running: dict[str, str]
    names: frozenset[str]


class Vm:
    """A machine that is off. Its files are below `directory`; `eyes` is an image for looking into it."""

    def __init__(self, directory: Path, eyes: str) -> None:
        base = cache_directory() / _CACHE
        if not base.exists():
            raise TestbedError(f"{base} is missing: run tests/vm/image.sh")
        directory.mkdir()
        self.web_port = free_port()
        self._engine_port = free_port()
        self._base = base
        self._directory = directory
        self._eyes = eyes
        self._program: Program | None = None
        self._powered_on = 0.0
        over = ("-b", str(base / "disk.raw"), "-F", "raw", str(self._disk))
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *over], check=True)

    def seed(self, user_data: str, instance_id: str) -> None:
        """Give the machine that is off the user-data for its next boots."""
        texts = {"user-data": user_data, "meta-data": f"instance-id: {instance_id}\nlocal-hostname: vm\n"}
        for name, text in texts.items():
            (self._directory / name).write_text(text)
        command = ["cloud-localds", str(self._seed), *(str(self._directory / name) for name in texts)]
        subprocess.run(command, check=True)

    def power_on(self) -> None:
        """Turn the machine on. It boots while this returns."""
        self._powered_on = time.monotonic()
        self._program = Program(self._command(), self._directory / "console")

    def seconds_to_answer(self, text: str) -> float:
        """Return once the web server answers with that text: the seconds since power-on."""
        self._wait_for_answer(text, BOOT_SECONDS)
        return time.monotonic() - self._powered_on

    def seconds_to_answer_again(self, text: str) -> float:
        """Return once the web server of a machine that is up answers with that text: the seconds from now."""
        began = time.monotonic()
        self._wait_for_answer(text, MEND_SECONDS)
        return time.monotonic() - began

    def seconds_to_end_of_boot(self) -> tuple[float, Booted]:
        """Return once cloud-init has ended: the seconds since power-on, and what came of it."""
        waited = self.run("cloud-init", "status", "--wait", "--long")
        seconds = time.monotonic() - self._powered_on
        log = self.read("/var/log/cloud-init.log")
        return seconds, Booted(
            waited.stdout.lstrip(".\n"),
            waited.exit_code,
            json.loads(self.read("/run/cloud-init/result.json")),
            log[log.rindex(_BOOT_BEGINS) :],
            self.read("/var/log/cloud-init-output.log"),
        )

    def shut_down(self) -> float:
        """Press the power button; returns the seconds until the machine is off."""
        pressed = time.monotonic()
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            monitor.sendall(b"system_powerdown\n")
            self._running().wait_until_ended(seconds=DOWN_SECONDS)
        self._program = None
        return time.monotonic() - pressed

    def cut_power(self) -> None:
        """Take the power away, whatever the machine does; a machine that is off stays so."""
        if self._program:
            self._program.kill()
            self._program = None

    def run(self, *command: str) -> Done:
        """Run a command in the machine, as root, to its end."""
        with self._client() as client:
            return run_in(client, self._look(client), "chroot", "/host", *_CLEAN, *command)

    def read(self, path: str) -> str:
        """Return a text file of the machine. Raises TestbedError when there is none."""
        done = self.run("cat", path)
        if done.exit_code:
            raise TestbedError(f"{path}: {done.stderr}")
        return done.stdout

    def containers(self) -> Containers:
        """Return the machine's containers."""
        with self._client() as client:
            listed = {own_name(one["Names"]): one for one in client.containers(all=True)}
        own = {name: one for name, one in listed.items() if name != _LOOKS}
        running = {name: str(one["Id"]) for name, one in own.items() if one["State"] == "running"}
        return Containers(running, frozenset(own))

    def stop_container(self, name: str) -> None:
        """Stop a container behind dockerup's back."""
        with self._client() as client:
            client.stop(name)

    @property
    def _disk(self) -> Path:
        return self._directory / "disk.qcow2"

    @property
    def _seed(self) -> Path:
        return self._directory / "seed.img"

    @property
    def _monitor(self) -> Path:
        return self._directory / "monitor"

    def _wait_for_answer(self, text: str, seconds: float) -> None:
        def answers() -> bool:
            return answer(self.web_port) == text

        try:
            self._running().wait_until_ready(answers, seconds=seconds, every=_EVERY)
        except TestbedError as error:
            raise TestbedError(f"the machine's port 80 does not answer {text!r}: {error}") from None

    def _running(self) -> Program:
        if self._program is None:
            raise TestbedError("the machine is off")
        return self._program

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        url = f"tcp://127.0.0.1:{self._engine_port}"
        with contextlib.closing(docker.APIClient(base_url=url, version="1.41", timeout=300)) as client:
            yield client

    def _look(self, client: Any) -> str:
        """Return the id of the container that looks, which is gone after each boot."""
        filters = {"name": f"^/{_LOOKS}$"}
        for one in client.containers(all=True, filters=filters):
            if one["State"] == "running":
                return str(one["Id"])
            client.remove_container(one["Id"], force=True)
        client.pull(self._eyes)
        settings = client.create_host_config(
            binds=["/:/host"], network_mode="host", pid_mode="host", privileged=True
        )
        labels = {"dockerup.ignore": "true"}
        made = client.create_container(self._eyes, name=_LOOKS, host_config=settings, labels=labels)
        client.start(made["Id"])
        return str(made["Id"])

    def _command(self) -> list[str]:
        ports = {self.web_port: 80, self._engine_port: _ENGINE_PORT}
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in ports.items())
        return [
            "qemu-system-x86_64",
            *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", str(self._base / "vmlinuz"), "-initrd", str(self._base / "initrd.img")),
            *("-append", _KERNEL_LINE),
            *("-drive", f"file={self._disk},format=qcow2,if=virtio"),
            *("-drive", f"file={self._seed},format=raw,if=virtio,readonly=on"),
            *("-nic", f"user,model=virtio-net-pci{forwards}"),
            *("-device", "virtio-rng-pci"),
            *("-serial", "stdio", "-monitor", f"unix:{self._monitor},server=on,wait=off"),
        ]
