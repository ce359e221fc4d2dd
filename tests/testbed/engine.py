"""A private Docker Engine, for a program that runs in the private namespace."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors

from tests.testbed import namespace
from tests.testbed.command import ROOT
from tests.testbed.images import Image
from tests.testbed.kinds import Kind, chosen
from tests.testbed.waiting import THRIFTY, Program, TestbedError

_NOT_FREED = b"(Unable to complete atomic operation, key modified) deleting object [endpoint"
CALL_TIMEOUT = 300  # seconds; a large image is imported and committed on a busy machine as well
_BUILT_IN_NETWORKS = frozenset({"bridge", "host", "none"})


class Engine:
    """A dockerd with its own data, socket, bridge and control group. One to a namespace."""

    def __init__(self, directory: Path, kind: Kind | None = None) -> None:
        """`kind` is the one to start, without it the one that the person who runs the tests asks for."""
        directory.mkdir(parents=True)
        self.kind = kind or chosen()
        self.socket_path = directory / "docker.sock"
        self.url = f"unix://{self.socket_path}"
        self.registries: tuple[str, ...] = ()  # without TLS; docker needs no word for loopback
        self.options: tuple[str, ...] = ()  # more of dockerd's, from the next start on
        self.data_root = directory / "data"
        self._directory = directory
        self._log = directory / "log"
        self._log_began = 0
        self._program: Program | None = None

    @property
    def runs(self) -> bool:
        """Whether the engine was started and not stopped or killed."""
        return self._program is not None

    @property
    def pid(self) -> int:
        """The process id of the running engine. Raises TestbedError when none runs."""
        if self._program is None:
            raise TestbedError("the engine does not run")
        return self._program.pid

    def start(self) -> None:
        """Start the engine, which answers when this returns.

        Raises NoNamespaceError outside of a private namespace, TestbedError when the engine does not start.
        """
        namespace.require_private()
        # What a killed engine leaves: dockerd would wait 15 seconds for the containerd that is no more.
        for stale in (self._directory / "exec/containerd/containerd.pid", self._directory / "pid"):
            stale.unlink(missing_ok=True)
        more = {**THRIFTY, **self.kind.environment, "PYTHONPATH": str(ROOT)}  # of what enters the other root
        more["CONTAINERS_REGISTRIES_CONF"] = str(self._podmans_registries())
        self._log_began = self._log.stat().st_size if self._log.exists() else 0
        self._program = Program(self._command(), self._log, more)
        self._program.wait_until_ready(self._answers)

    def stop(self) -> None:
        """End the engine as a reboot does: containers stop, and come back with it if their policy says so."""
        if self._program:
            self._program.terminate()
            self._program = None

    def kill(self) -> None:
        """Kill the engine (SIGKILL), and the containerd that it leaves behind."""
        if self._program is None:
            return
        containerd = _number_in(self._directory / "exec/containerd/containerd.pid")
        self._program.kill()
        self._program = None
        if containerd:
            with contextlib.suppress(ProcessLookupError):
                os.kill(containerd, 9)

    def restart(self) -> None:
        """End the engine and start it again on the same data."""
        self.stop()
        self.start()

    def may_keep_a_port_of_nobody(self) -> bool:
        """Tell whether it found, as it came up, a container that it was starting when it was killed.

        Docker 20.10 may then answer "port is already allocated" to all who want that port, until it is
        started once more.
        """
        with self._log.open("rb") as log:
            log.seek(self._log_began)
            return _NOT_FREED in log.read()

    def become(self, kind: Kind) -> None:
        """End the engine and start another on the same data, as an upgrade of the host does."""
        self.stop()
        self.kind = kind
        self.start()

    def client(self) -> Any:
        """Return a new `docker.APIClient` of this engine; the caller closes it."""
        return docker.APIClient(base_url=self.url, version="auto", timeout=CALL_TIMEOUT)

    def happened(self, since: float, *kinds: str) -> list[tuple[str, str]]:
        """Return what happened to containers since a time, oldest first: a name, and one of the `kinds`.

        These are the engine's words: "start", "die", "health_status: healthy". It remembers 256 events.
        """
        wanted = {"type": ["container"], "event": [*kinds]}
        with contextlib.closing(self.client()) as client:
            times = {"since": f"{since:.6f}", "until": f"{time.time():.6f}"}
            events = [*client.events(**times, filters=wanted, decode=True)]
        return [(event["Actor"]["Attributes"]["name"], event["Action"]) for event in events]

    def load(self, image: Image, reference: str) -> None:
        """Put an image into the engine under a reference, without any registry."""
        with contextlib.closing(self.client()) as client:
            for line in client.load_image(image.archive(reference)):
                if "error" in line:
                    raise TestbedError(f"docker load: {line['error']}")

    def clean(self) -> None:
        """Remove every container, network, volume and image. Only ever this private engine's."""
        with contextlib.closing(self.client()) as client:
            _remove_containers(client)
            for network in client.networks():
                if network["Name"] not in _BUILT_IN_NETWORKS:
                    client.remove_network(network["Id"])
            for volume in client.volumes()["Volumes"] or ():
                client.remove_volume(volume["Name"], force=True)
            for image in client.images(all=True):
                with contextlib.suppress(docker.errors.ImageNotFound):
                    client.remove_image(image["Id"], force=True)

    def remove(self) -> None:
        """End the engine and remove all that it had."""
        self.stop()
        for mounted in _mounts_below(self._directory):
            namespace.unmount(mounted)
        shutil.rmtree(self._directory, ignore_errors=True)

    def log_end(self) -> str:
        """Return the end of the engine's log."""
        return self._program.log_end() if self._program else ""

    def _command(self) -> list[str]:
        root = self.kind.root(os.environ)
        inside = [sys.executable, "-m", "tests.testbed.inside", str(root)] if root else []
        return [*inside, *(self._podman() if self.kind.program == "podman" else self._dockerd())]

    def _dockerd(self) -> list[str]:
        return [
            "dockerd",
            f"--data-root={self.data_root}",
            f"--exec-root={self._directory / 'exec'}",
            f"--pidfile={self._directory / 'pid'}",
            f"--host={self.url}",
            # A file of the machine's own engine must not configure this one.
            f"--config-file={self._own_config()}",
            # systemd knows nothing of processes in here, so the engine makes its control groups itself.
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{namespace.cgroup_name()}",
            *self.options,
        ]

    def _podman(self) -> list[str]:
        places = [f"--root={self.data_root}", f"--runroot={self._directory / 'exec'}"]
        return ["podman", *places, "--cgroup-manager=cgroupfs", "system", "service", "--time=0", self.url]

    def _own_config(self) -> Path:
        config = self._directory / "daemon.json"
        config.write_text(json.dumps(self.kind.configuration))
        return config

    def _podmans_registries(self) -> Path:
        """Write what containers-registries.conf(5) is about."""
        config = self._directory / "registries.conf"
        config.write_text(
            "".join(f'[[registry]]\nlocation = "{name}"\ninsecure = true\n' for name in self.registries)
        )
        return config

    def _answers(self) -> bool:
        try:
            with contextlib.closing(_UnixConnection(self.socket_path)) as connection:
                connection.request("GET", "/_ping")
                return connection.getresponse().status == 200
        except OSError:
            return False


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _remove_containers(client: Any) -> None:
    waiting = [container["Id"] for container in client.containers(all=True)]
    while waiting:
        left = [container_id for container_id in waiting if not _is_removed(client, container_id)]
        if len(left) == len(waiting):
            raise TestbedError(f"no container can be removed of {left}")
        waiting = left


def _is_removed(client: Any, container_id: str) -> bool:
    try:
        client.remove_container(container_id, force=True, v=True)
    except docker.errors.NotFound:
        return True  # with `--rm` semantics or a removal under way it may be gone, or going, before we ask
    except docker.errors.APIError as error:
        if "dependent containers" not in str(error):
            raise
        return False  # podman removes those first that hold on to another
    return True


def _number_in(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _mounts_below(directory: Path) -> Iterator[str]:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    yield from (place for place in reversed(mounts) if place.startswith(f"{directory}/"))
