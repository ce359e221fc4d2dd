"""What the virtual machine finds at its host's loopback: a registry that speaks TLS, and a place for pip.

The registry's certificate is the tests' own, and user-data tells the machine to trust it, as people with a
private registry do. (An engine with `insecure-registries` would pull without it, but dockerup asks no other
host's registry in clear text.)
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.examples.stock import make_wheel
from tests.testbed.images import Image
from tests.testbed.registry import Registry
from tests.testbed.waiting import Program, free_port
from tests.vm.machine import HOST


@dataclass(frozen=True)
class Offers:
    """`certificate` is what to trust, as PEM; `wheels` the URL of a page with a wheel of this tree."""

    registry: Registry
    tls_host: str
    certificate: str
    wheels: str

    def push(self, image: Image, name: str, tag: str = "1") -> str:
        """Put an image into the registry, and return how the machine calls it."""
        self.registry.push(image, name, tag)
        return f"{self.tls_host}/{name}:{tag}"


@contextlib.contextmanager
def offered(directory: Path) -> Iterator[Offers]:
    """Give what the machine needs, in a directory of its own."""
    registry = Registry(directory / "registry")
    with contextlib.ExitStack() as ends:
        registry.start()
        ends.callback(registry.stop)
        certificate, key = _make_certificate(directory)
        tls_port = _serve_with_tls(directory, certificate, key, ends)
        wheels_port = _serve_wheel(directory, ends)
        yield Offers(
            registry,
            f"{HOST}:{tls_port}",
            certificate.read_text(),
            f"http://{HOST}:{wheels_port}/",
        )


def _make_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate that is its own authority; returns it and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=tests", "-addext", f"subjectAltName=IP:{HOST}", "-days", "2"]
    places = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *places], capture_output=True, check=True)
    return certificate, key


def _serve_with_tls(directory: Path, certificate: Path, key: Path, ends: contextlib.ExitStack) -> int:
    """Start a second registry on the files of the first, which the tests push to in clear text."""
    port = free_port()
    config = directory / "tls.yml"
    document = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(directory / "registry/data")}},
        "http": {"addr": f"127.0.0.1:{port}", "tls": {"certificate": str(certificate), "key": str(key)}},
    }
    config.write_text(json.dumps(document))
    _serve(["docker-registry", "serve", str(config)], directory / "tls.log", port, ends)
    return port


def _serve_wheel(directory: Path, ends: contextlib.ExitStack) -> int:
    port = free_port()
    wheels = directory / "wheels"
    (directory / "made").mkdir()
    wheels.mkdir()
    wheel = make_wheel(directory / "made")
    wheel.rename(wheels / wheel.name)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    _serve([*command, "--directory", str(wheels)], directory / "wheels.log", port, ends)
    return port


def _serve(command: list[str], log: Path, port: int, ends: contextlib.ExitStack) -> None:
    program = Program(command, log)
    ends.callback(program.terminate)
    program.wait_until_ready(lambda: _listens(port))


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
