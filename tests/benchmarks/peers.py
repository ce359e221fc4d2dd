"""What people would run in place of dockerup: each told to keep a list of containers running, and new."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.timing import Sample, process

CACHE = Path(os.environ.get("DOCKERUP_TESTBED_CACHE") or Path.home() / ".cache/dockerup-testbed") / "peers"
# Who they are in the table, by the name of their program in the cache.
NAMES = {
    "compose1": "docker-compose 1.29",
    "compose2": "Compose v2",
    "ouroboros": "ouroboros",
    "ansible": "Ansible community.docker",
}
LOOP = "shell loop"


@dataclass(frozen=True)
class Entry:
    """A container that is wanted. `port`: published on loopback, where something serves on 8080."""

    name: str
    image: str
    port: int = 0


@dataclass(frozen=True)
class Peers:
    """The peers on one engine, with files of their own below `directory`."""

    url: str
    directory: Path

    def missing(self) -> list[str]:
        """Return who cannot be had, each with the reason."""
        reasons = {name: CACHE / f"{name}.missing" for name in NAMES if not (CACHE / name).exists()}
        return [
            f"{NAMES[name]} cannot be had: {file.read_text().strip() if file.exists() else 'run peers.sh'}"
            for name, file in reasons.items()
        ]

    def has(self, peer: str) -> bool:
        """Tell whether a peer is there."""
        return (CACHE / peer).exists()

    def up(self, peer: str, entries: Sequence[Entry], *, pull: bool) -> Sample:
        """Let a peer start what is listed and does not run, after looking for newer images if so told."""
        return self._run(self._command(peer, entries, pull=pull))

    def down(self, peer: str, entries: Sequence[Entry]) -> Sample:
        """Let the entries of a peer go, at once."""
        names = " ".join(self.names(peer, entries))
        return self._run(["sh", "-c", f"docker rm -f {names} >/dev/null 2>&1 || true"])

    def names(self, peer: str, entries: Sequence[Entry]) -> list[str]:
        """Return how a peer's containers are called."""
        return [f"{peer}-{one.name}" for one in entries]

    def _command(self, peer: str, entries: Sequence[Entry], *, pull: bool) -> list[str]:
        if peer in ("compose1", "compose2"):
            begin = f"{CACHE / peer} -p {peer} -f {self._compose_file(peer, entries)}"
            pulls = f"{begin} pull -q && " if pull else ""
            return ["sh", "-c", f"{pulls}{begin} up -d"]
        if peer == "ansible":
            return [str(CACHE / peer), "-i", "localhost,", str(self._play(entries, pull=pull))]
        if peer == "ouroboros":
            quiet = ["--run-once", "--log-level", "error", "--skip-startup-notifications"]
            names = self.names("loop", entries)
            return [str(CACHE / peer), "--docker-sockets", self.url, *quiet, "--monitor", *names]
        return ["sh", str(self._script(entries, pull=pull))]

    def _compose_file(self, peer: str, entries: Sequence[Entry]) -> Path:
        services = {
            one.name: {
                "image": one.image,
                "container_name": f"{peer}-{one.name}",
                "restart": "always",
                **({"ports": [f"127.0.0.1:{one.port}:8080"]} if one.port else {}),
            }
            for one in entries
        }
        # The version is for 1.29, which takes a file without one for the first.
        version = {"version": "3"} if peer == "compose1" else {}
        file = self.directory / f"{peer}.json"
        file.write_text(json.dumps({**version, "services": services}))
        return file

    def _play(self, entries: Sequence[Entry], *, pull: bool) -> Path:
        tasks = [
            {
                "community.docker.docker_container": {
                    "docker_host": self.url,
                    "name": f"ansible-{one.name}",
                    "image": one.image,
                    "pull": "always" if pull else "missing",
                    "restart_policy": "always",
                    **({"published_ports": [f"127.0.0.1:{one.port}:8080"]} if one.port else {}),
                }
            }
            for one in entries
        ]
        python = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        }
        play = {"hosts": "localhost", "gather_facts": False, "vars": python, "tasks": tasks}
        file = self.directory / "play.json"
        file.write_text(json.dumps([play]))
        return file

    def _script(self, entries: Sequence[Entry], *, pull: bool) -> Path:
        lines = ["set -e"]
        for one in entries:
            name, image = shlex.quote(f"loop-{one.name}"), shlex.quote(one.image)
            ports = f"-p 127.0.0.1:{one.port}:8080 " if one.port else ""
            run = f"docker run -d --restart=always --name {name} {ports}{image}"
            same = f'"$(docker image inspect -f {{{{.Id}}}} {image})"'
            if pull:
                lines.append(f"docker pull -q {image}")
            lines += [
                f"now=$(docker inspect -f '{{{{.Image}}}}' {name} 2>/dev/null || true)",
                f'if [ -z "$now" ]; then {run}',
                f'elif [ "$now" != {same} ]; then docker rm -f {name}; {run}; fi',
            ]
        file = self.directory / "loop.sh"
        file.write_text("\n".join(lines) + "\n")
        return file

    def _run(self, command: Sequence[str]) -> Sample:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "DOCKER_HOST": self.url,
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        return process(command, environment, self.directory)
