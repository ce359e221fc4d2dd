"""The real `dockerup` command, with a configuration, a cache and a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.testbed.namespace import RUN

ROOT = Path(__file__).resolve().parents[2]
# The command as it is in any tree, installed or not.
INTERPRETED = (os.environ.get("DOCKERUP_TESTBED_PYTHON") or sys.executable, "-m", "dockerup")
LONGEST_RUN = 300.0  # seconds, on a machine that is busy


class Dockerup:
    """The command for one engine. Its directories lie below `directory`, its `confdir` begins empty."""

    def __init__(self, engine_url: str, directory: Path) -> None:
        self.engine_url = engine_url
        self.metadata_url = ""  # empty: `aws=false`
        self.confdir = directory / "containers.d"
        self.config = directory / "dockerup.conf"
        self.cache = directory / "cache"
        self._home = directory / "home"
        for made in (self.confdir, self._home):
            made.mkdir(parents=True)
            made.chmod(0o755)
        self.configure()

    def configure(self, **settings: object) -> None:
        """Write `dockerup.conf` anew with these settings and the test's own `confdir`."""
        lines = [f"confdir={self.confdir}", *(f"{key}={value}" for key, value in settings.items())]
        self._put(self.config, "\n".join(lines) + "\n")

    def define(self, file_name: str, content: object) -> Path:
        """Write a file in `confdir`: text as it is, anything else as YAML (which JSON is a part of)."""
        path = self.confdir / file_name
        self._put(path, content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    def _put(self, path: Path, text: str) -> None:
        """Write a file at once: whoever reads it meanwhile reads all of it, or of what was there before."""
        draft = self._home / "draft"
        draft.write_text(text)
        draft.chmod(0o644)
        draft.replace(path)

    def undefine(self, file_name: str) -> None:
        """Remove a file from `confdir`."""
        (self.confdir / file_name).unlink()

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = LONGEST_RUN
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; returns its exit code and all that it printed. `timeout` in seconds."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(env),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the command and return at once, for what a test does while it runs."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(env),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str) -> list[str]:
        """Return the whole command line."""
        source = [] if self.metadata_url else ["--no-aws"]
        places = ["--config", str(self.config), "--cache", str(self.cache)]
        return [*INTERPRETED, *places, *source, *arguments]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of the command: none of the person's who runs the tests."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "DOCKER_HOST": self.engine_url,
            # As an installed one, it is compiled once; what that leaves is gone with the namespace.
            "PYTHONPYCACHEPREFIX": str(RUN / "pycache"),
        }
        if self.metadata_url:
            environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = self.metadata_url
        return {**environment, **(more or {})}
