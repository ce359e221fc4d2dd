"""A machine that boots with real cloud-init: a container of a Debian root file system, with dockerup in it.

The four stages are run as systemd runs them (https://cloudinit.readthedocs.io/en/latest/explanation/boot.html).
The machine shares the private host's network and has its engine's socket, so the containers that its dockerup
starts are its neighbours on that engine.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.engine.stories import own_name
from tests.testbed.engine import Engine
from tests.testbed.host import Host
from tests.testbed.images import make_image, make_web_image
from tests.testbed.programs import Done, run_in
from tests.testbed.waiting import TestbedError

SOURCE = Path(__file__).resolve().parents[2]
PACKAGES = "/usr/lib/python3/dist-packages"
SOCKET = "/run/docker.sock"
SUITES = ("bookworm", "trixie")  # cloud-init 22.4 and 25.1
SEED = "/var/lib/cloud/seed/nocloud"

# Root's own environment at boot is nearly empty: no HOME.
_BOOT_ENVIRONMENT = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
_STAGES = """\
rm -rf /run/cloud-init /var/log/cloud-init.log /var/log/cloud-init-output.log
cloud-init init --local; cloud-init init; cloud-init modules --mode=config; cloud-init modules --mode=final
cloud-init status --long; echo "exit code $?"
"""
_TEST_CONFIG = """\
datasource_list: [NoCloud, None]
network: {config: disabled}
# What a container has not: a host name, locales, disks and an ssh server of its own.
preserve_hostname: true
locale: C.UTF-8
growpart: {mode: "off"}
resize_rootfs: false
ssh_deletekeys: false
ssh_genkeytypes: [ed25519]
"""
_LOG_LINE = re.compile(r"^\S+ \S+ - (?P<where>\S+)\[(?P<level>[A-Z]+)\]: (?P<text>.*)$")


def cache_directory() -> Path:
    """Return the directory in which the root file systems are kept from run to run."""
    chosen = os.environ.get("DOCKERUP_TESTBED_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "dockerup-testbed"


@dataclass(frozen=True)
class Booted:
    """What a boot came to. `status` is the text of `cloud-init status --long`, `exit_code` that command's."""

    status: str
    exit_code: int
    result: Mapping[str, Any]
    log: str
    output: str

    @property
    def errors(self) -> Sequence[str]:
        """What result.json has as errors."""
        return list(self.result["v1"]["errors"])

    @property
    def state(self) -> str:
        """The first line of the status: `done`, `error`."""
        return self.status.splitlines()[0].partition(": ")[2]

    @property
    def extended(self) -> str:
        """The state with how well: `done`, `degraded done`; older versions only say the state."""
        found = re.search(r"^extended_status: (.*)$", self.status, re.MULTILINE)
        return found[1] if found else self.state

    @property
    def loud_lines(self) -> Sequence[str]:
        """The lines of cloud-init's log at WARNING and above."""
        return self.lines("WARNING", "ERROR", "CRITICAL", "DEPRECATED")

    def lines(self, *levels: str) -> Sequence[str]:
        """Return the texts of the log's lines of some levels."""
        found = (_LOG_LINE.match(line) for line in self.log.splitlines())
        return [f"{one['where']}: {one['text']}" for one in found if one and one["level"] in levels]


class Cloud(Protocol):
    """What a machine runs on: its hardware, and where its user-data comes from.

    `host_config` is what the machine's container needs for it, in the words of the engine's HostConfig.
    """

    first_instance_id: str
    host_config: Mapping[str, Any]

    def furnish(self, machine: Machine) -> None:
        """Do what has to be done before the first boot."""

    def launch(
        self, machine: Machine, instance_id: str, user_data: str | bytes, vendor_data: str | None
    ) -> None:
        """Let the next boot be that of this instance with these data."""


class NoCloud:
    """A directory of the machine itself, as on a disk that somebody prepared."""

    first_instance_id = "iid-first"
    host_config: Mapping[str, Any] = {}

    def furnish(self, machine: Machine) -> None:
        """Nothing: every machine is told of this datasource."""

    def launch(
        self, machine: Machine, instance_id: str, user_data: str | bytes, vendor_data: str | None
    ) -> None:
        """Write the files of the seed."""
        machine.must("rm", "-f", f"{SEED}/vendor-data")
        machine.write(f"{SEED}/user-data", user_data)
        machine.write(f"{SEED}/meta-data", f"instance-id: {instance_id}\nlocal-hostname: machine\n")
        if vendor_data is not None:
            machine.write(f"{SEED}/vendor-data", vendor_data)


NO_CLOUD = NoCloud()


class Systems:
    """The Debian systems as images on the private engine, and the images that the machines' lists name."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: set[str] = set()
        registry = host.registry
        for name, image in (("web", make_web_image()), ("job", make_image("job"))):
            registry.push(image, name, "1")
        self.web = registry.reference("web", "1")
        self.job = registry.reference("job", "1")
        self.absent = registry.reference("no-such", "1")

    @contextmanager
    def machine(self, image: str, cloud: Cloud = NO_CLOUD, socket: Path | None = None) -> Iterator[Machine]:
        """Give a machine: `bookworm` before `dockerup setup`, `bookworm-ready` after it, or a baked image.

        `socket` is what the machine has for the engine's, such as a proxy's (None: the engine's own). The
        containers that it starts end with it. Raises TestbedError when a root file system is missing.
        """
        self._provide(image)
        machine = Machine(self._host.engine, f"boot:{image}", cloud, socket)
        try:
            yield machine
        finally:
            self.remove_containers()
            machine.remove()

    def remove_containers(self) -> None:
        """Remove all containers but the machines."""
        client = self._host.engine.client()
        for one in client.containers(all=True):
            if "dockerup.ignore" not in one["Labels"]:
                client.remove_container(one["Id"], force=True, v=True)
        client.close()

    def remove_container(self, name: str) -> None:
        """Remove one container behind dockerup's back."""
        client = self._host.engine.client()
        client.remove_container(name, force=True, v=True)
        client.close()

    def start_unmanaged(self, name: str) -> None:
        """Start a container as a person does, without dockerup."""
        client = self._host.engine.client()
        client.pull(self.web)
        client.start(client.create_container(self.web, name=name)["Id"])
        client.close()

    def running(self) -> dict[str, str]:
        """Return the ids of the running containers that are no machines, by name."""
        client = self._host.engine.client()
        try:
            found = client.containers()
        finally:
            client.close()
        return {own_name(one["Names"]): one["Id"] for one in found if "dockerup.ignore" not in one["Labels"]}

    def env_of(self, name: str) -> dict[str, str]:
        """Return the environment that a container was made with."""
        client = self._host.engine.client()
        try:
            lines = client.inspect_container(name)["Config"]["Env"]
        finally:
            client.close()
        return dict(line.split("=", 1) for line in lines)

    def _provide(self, image: str) -> None:
        suite, _, kind = image.partition("-")
        if image in self._known or kind not in {"", "ready"}:
            return
        self._known.add(image)
        if kind:
            with self.machine(suite) as machine:
                machine.must("python3", "-m", "dockerup", "setup")
                machine.commit("boot", image)
            return
        root = cache_directory() / f"{suite}.tar"
        if not root.exists():
            raise TestbedError(f"{root} is missing: run tests/testbed/systems.sh")
        client = self._host.engine.client()
        client.import_image(src=str(root), repository="boot", tag=f"{suite}-bare")
        client.close()
        machine = Machine(self._host.engine, f"boot:{suite}-bare")
        machine.install_dockerup()
        machine.suit_the_tests()
        machine.commit("boot", suite)
        machine.remove()


class Machine:
    """A running machine. Make it with `Systems.machine`."""

    def __init__(
        self, engine: Engine, image: str, cloud: Cloud = NO_CLOUD, socket: Path | None = None
    ) -> None:
        self._client = engine.client()
        self._cloud = cloud
        config = self._client.create_host_config(
            network_mode="host",
            binds=[f"{socket or engine.socket_path}:{SOCKET}"],
            tmpfs={"/run": "mode=0755"},
        )
        made = self._client.create_container(
            image,
            ["sleep", "infinity"],
            host_config={**config, **cloud.host_config},
            labels={"dockerup.ignore": "true"},
        )
        self.container_id = str(made["Id"])
        self._client.start(self.container_id)
        cloud.furnish(self)

    def remove(self) -> None:
        """End the machine."""
        self._client.remove_container(self.container_id, force=True, v=True)
        self._client.close()

    def boot(
        self,
        user_data: str | bytes | None = None,
        *,
        instance_id: str | None = None,
        vendor_data: str | None = None,
    ) -> Booted:
        """Boot with this user-data (None: as before, all of it) to the end of the last stage."""
        if user_data is not None:
            self._cloud.launch(self, instance_id or self._cloud.first_instance_id, user_data, vendor_data)
        done = self.run(*_BOOT_ENVIRONMENT, "sh", "-c", _STAGES)
        status, _, code = done.stdout[done.stdout.rindex("status: ") :].rpartition("exit code ")
        return Booted(
            status,
            int(code),
            json.loads(self.read("/run/cloud-init/result.json")),
            self.read("/var/log/cloud-init.log"),
            self.read("/var/log/cloud-init-output.log"),
        )

    def cron(self, env: Mapping[str, str] | None = None, within: Sequence[str] = ()) -> Done:
        """Run the very command of the file in cron.d, with cron's environment, `within` another command."""
        line = self.read("/etc/cron.d/dockerup").splitlines()[-1]
        command = line.partition(" root ")[2]
        more = [f"{key}={value}" for key, value in (env or {}).items()]
        return self.run(*_BOOT_ENVIRONMENT, "HOME=/root", *more, *within, "sh", "-c", command)

    def dockerup(self, *arguments: str) -> Done:
        """Run the command as a person does."""
        return self.run("python3", "-m", "dockerup", *arguments)

    def run(self, *command: str) -> Done:
        """Run a command to its end."""
        return run_in(self._client, self.container_id, *command)

    def must(self, *command: str) -> str:
        """Run a command that has to succeed, and return what it printed. Raises TestbedError."""
        done = self.run(*command)
        if done.exit_code:
            raise TestbedError(f"{' '.join(command)}: {done.exit_code}\n{done.stdout}{done.stderr}")
        return done.stdout

    def read(self, path: str) -> str:
        """Return a text file. Raises TestbedError when there is none."""
        return self.must("cat", "--", path)

    def exists(self, path: str) -> bool:
        """Tell whether there is such a path."""
        return self.run("test", "-e", path).exit_code == 0

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file, and the directories that it needs."""
        raw = content.encode() if isinstance(content, str) else content
        self.must("mkdir", "-p", str(Path(path).parent))
        entry = tarfile.TarInfo(Path(path).name)
        entry.size, entry.mode = len(raw), mode
        self._put(str(Path(path).parent), [(entry, raw)])

    def suit_the_tests(self) -> None:
        """Configure what comes of being a container without a network."""
        self.write("/etc/cloud/cloud.cfg.d/95_test.cfg", _TEST_CONFIG)
        self.write("/etc/ssh/ssh_host_ed25519_key", "none", 0o600)
        # apt asks thrice for what is away, seconds apart.
        self.write("/etc/apt/apt.conf.d/95test", 'Acquire::Retries "0";\n')

    def install_dockerup(self) -> None:
        """Copy our two packages to where the system's Python, and so cloud-init's, finds them."""
        files = []
        for package in ("dockerup", "cc_dockerup"):
            for path in sorted((SOURCE / package).rglob("*.py")):
                entry = tarfile.TarInfo(str(path.relative_to(SOURCE)))
                entry.size, entry.mode = path.stat().st_size, 0o644
                files.append((entry, path.read_bytes()))
        self._put(PACKAGES, files)
        self.must("python3", "-m", "compileall", "-q", f"{PACKAGES}/dockerup", f"{PACKAGES}/cc_dockerup")

    def commit(self, repository: str, tag: str) -> None:
        """Make an image of the machine as it is: what a person bakes."""
        self._client.commit(self.container_id, repository, tag)

    def _put(self, directory: str, files: Sequence[tuple[tarfile.TarInfo, bytes]]) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for entry, raw in files:
                archive.addfile(entry, io.BytesIO(raw))
        self._client.put_archive(self.container_id, directory, buffer.getvalue())
