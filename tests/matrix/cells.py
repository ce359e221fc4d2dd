"""The cells of the matrix: an engine to start, and the Python and packages that dockerup runs with."""

from __future__ import annotations

from dataclasses import dataclass

from tests.testbed.kinds import Kind

DOCKER_29 = "forky,containerd,api1.44"


@dataclass(frozen=True)
class Packages:
    """A Python, and versions of packages; "" is the newest that pip finds."""

    python: str = "3.11"
    docker: str = ""
    requests: str = ""
    urllib3: str = ""

    @property
    def requirements(self) -> list[str]:
        """What pip is asked for."""
        wanted = {"docker": self.docker, "requests": self.requests, "urllib3": self.urllib3, "PyYAML": ""}
        return [f"{name}=={version}" if version else name for name, version in wanted.items()]


@dataclass(frozen=True)
class Cell:
    """One run of the core story. `left_out` are tests that cannot be, `why` says so in a sentence."""

    engine: str
    packages: Packages
    left_out: str = ""
    why: str = ""

    @property
    def kind(self) -> Kind:
        """The engine."""
        return Kind.named(self.engine)


NEWEST = Packages()
ENGINES = ("", "trixie", "trixie,containerd", "forky", "forky,containerd", DOCKER_29)
SDKS = (
    Packages("3.9", "5.0.3", "2.25.1", "1.26.5"),  # Ubuntu 22.04's, and the oldest Python
    Packages("3.11", "5.0.3", "2.28.1", "1.26.12"),  # Debian 12's
    Packages("3.11", "6.1.3", "2.31.0", ""),
    Packages("3.11", "6.1.3", "", ""),  # which broke before dockerup taught the SDK the newer requests
    Packages("3.11", "7.1.0", "", ""),
    Packages("3.9"),
    Packages("3.13"),
)
PODMAN_WHY = (
    "podman has no engine that could be restarted, and no links: such an entry is not created, "
    "and the run says so; an image made here is listed as localhost/NAME"
)
INDEX_WHY = (
    "this engine does not tell what an index holds for this platform: an index with anything new in it "
    "replaces the container once"
)
CELLS = (
    *(Cell(engine, NEWEST, why=INDEX_WHY if engine == "trixie,containerd" else "") for engine in ENGINES),
    *(Cell(engine, packages) for engine in ("", DOCKER_29) for packages in SDKS),
    *(Cell(f"{suite},podman", NEWEST, "restart_of_the_engine", PODMAN_WHY) for suite in ("trixie", "forky")),
)
