"""The engines that users have, each from the Debian release that holds it: which one a test runs on.

Their root file systems are made by engines.sh, once, and kept outside of the checkout.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.testbed.waiting import TestbedError

CHOICE = "DOCKERUP_TESTBED_ENGINE"
CACHE = "DOCKERUP_TESTBED_CACHE"


@dataclass(frozen=True)
class Kind:
    """An engine to start. As text, in `CHOICE`: `forky`, `forky,containerd,api1.44`, `trixie,podman`.

    `suite` is the Debian release that it comes from, "" for this machine's own; `program` is "dockerd" or
    "podman". `containerd`: images are kept in containerd's store. `least_api` is the oldest version of the
    API that it speaks, "" for its own.
    """

    suite: str = ""
    program: str = "dockerd"
    containerd: bool = False
    least_api: str = ""

    @classmethod
    def named(cls, text: str) -> Kind:
        """Return the kind that a text names. Raises TestbedError for what is none."""
        suite, *rest = text.split(",")
        kind = cls(suite)
        for word in rest:
            if word == "podman":
                kind = cls(suite, word, kind.containerd, kind.least_api)
            elif word == "containerd":
                kind = cls(suite, kind.program, True, kind.least_api)
            elif word.startswith("api"):
                kind = cls(suite, kind.program, kind.containerd, word[len("api") :])
            else:
                raise TestbedError(f"{CHOICE}={text}: {word} is neither podman, containerd nor api1.NN")
        return kind

    def root(self, environ: Mapping[str, str]) -> Path | None:
        """Return the root file system that holds the engine, None for this machine's.

        Raises TestbedError when it was not made yet.
        """
        if not self.suite:
            return None
        cache = Path(environ.get(CACHE) or Path.home() / ".cache/dockerup-testbed")
        root = cache / f"{self.suite}-{'podman' if self.program == 'podman' else 'docker'}"
        if not root.is_dir():
            raise TestbedError(f"{root} is missing. Run: tests/testbed/engines.sh {root.name}")
        return root

    @property
    def tells_platforms(self) -> bool:
        """Whether it tells what an index holds for this platform: API 1.48, or the classic store."""
        return not (self.containerd and self.suite == "trixie")

    @property
    def at_ipv6_registries(self) -> tuple[int, str]:
        """The exit code and the words that come of a plain registry at [::1]; no words where all is well.

        Docker has room in a reference for an address of IPv6 since 25.0, podman has none. 26.1 tells only
        127.0.0.0/8 to be insecure, so that TLS is wanted; with containerd's store, it pulls all the same.
        """
        if not self.suite or self.program != "dockerd":
            return 1, "invalid reference format"
        if self.suite != "trixie":
            return 0, ""
        return (0, "does not speak TLS") if self.containerd else (1, "HTTP response to HTTPS client")

    @property
    def environment(self) -> dict[str, str]:
        """What the engine finds in its environment besides."""
        if self.program == "podman":
            return {"NETAVARK_FW": "iptables"}  # as the other engines
        return {"DOCKER_MIN_API_VERSION": self.least_api} if self.least_api else {}

    @property
    def configuration(self) -> dict[str, object]:
        """What dockerd's daemon.json says, from 24.0 on: without it, 29.0's own store is containerd's."""
        return {"features": {"containerd-snapshotter": self.containerd}} if self.suite else {}


def chosen() -> Kind:
    """Return the kind that the person who runs the tests asks for: without a word, this machine's engine."""
    return Kind.named(os.environ.get(CHOICE, ""))
