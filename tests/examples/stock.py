"""A plain Debian 12, for the examples that install everything in the first boot.

apt is real and has the packages in its cache (stock.sh), pip is real and has a wheel of this tree; there is
no network. What cannot be had is Amazon's cfn-signal: a script in its place writes down what it is told.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.boot.machine import SOURCE, Machine, Systems, cache_directory
from tests.testbed.host import Host
from tests.testbed.waiting import TestbedError

_SYSTEM = "bookworm-stock"
_WHEELS = "/opt/wheels"
_SIGNALLED = "/root/signalled"
_CFN_SIGNAL = f'#!/bin/sh\nprintf "%s\\n" "$@" > {_SIGNALLED}\n'
_BUILT_FROM = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "dockerup", "cc_dockerup")


@dataclass(frozen=True)
class Stock:
    """Where machines come from that have neither Docker's packages nor dockerup."""

    systems: Systems

    @contextmanager
    def machine(self) -> Iterator[Machine]:
        """Give a machine before its first boot."""
        with self.systems.machine(_SYSTEM) as plain:
            yield plain


def signalled(machine: Machine) -> dict[str, str]:
    """Return the options that cfn-signal was called with last."""
    words = machine.read(_SIGNALLED).splitlines()
    return dict(zip(words[::2], words[1::2]))


def add_stock_system(systems: Systems, host: Host, directory: Path) -> Stock:
    """Make the system's image on the host's engine. `directory` is for a wheel of this tree."""
    root = cache_directory() / f"{_SYSTEM}.tar"
    if not root.exists():
        raise TestbedError(f"{root} is missing: run tests/examples/stock.sh")
    wheel = make_wheel(directory)
    with contextlib.closing(host.engine.client()) as client:
        client.import_image(src=str(root), repository="boot", tag=f"{_SYSTEM}-bare")
    machine = Machine(host.engine, f"boot:{_SYSTEM}-bare")
    machine.suit_the_tests()
    machine.write("/etc/pip.conf", pip_conf(_WHEELS))
    machine.write(f"{_WHEELS}/{wheel.name}", wheel.read_bytes())
    machine.write("/opt/aws/bin/cfn-signal", _CFN_SIGNAL, 0o755)
    machine.commit("boot", _SYSTEM)
    machine.remove()
    return Stock(systems)


def pip_conf(wheels: str) -> str:
    """Return the configuration of a pip that knows the wheels of one place, a path or a URL, and no other."""
    lines = ("no-index = true", f"find-links = {wheels}", "retries = 0", "disable-pip-version-check = true")
    return "\n".join(("[global]", *lines, ""))


def make_wheel(directory: Path) -> Path:
    """Make a wheel of this tree in a directory, and return its path. Raises TestbedError."""
    source = directory / "source"
    source.mkdir()
    subprocess.run(["cp", "-r", *(str(SOURCE / name) for name in _BUILT_FROM), str(source)], check=True)
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(directory), str(source)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if ended.returncode:
        raise TestbedError(f"pip wheel: {ended.stdout}{ended.stderr}")
    (wheel,) = directory.glob("*.whl")
    return wheel
