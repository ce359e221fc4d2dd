"""Play every cell and write docs/compatibility.md: `python -m tests.matrix`, as root.

`python -m tests.matrix 3 podman` plays the third cell and those of podman, and writes their lines anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.cells import CELLS, Cell, Packages
from tests.testbed.kinds import CACHE, CHOICE
from tests.testbed.waiting import TestbedError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
AT_ONCE = 2
SECONDS = 900  # for a cell
A_DAY = 86400  # seconds in which the newest packages count as the newest

HEAD = """# Compatibility

Written by `make test-matrix`, which plays the core story (`tests/core`) on each engine and with each version
of the packages that dockerup uses. Images are in Docker's classic store or containerd's, the default of 29.
It also plays an upgrade: Docker 20.10 with the classic store becomes 28 with containerd's, on the same data,
and goes back to the classic one (`tests/matrix/test_upgrade.py`).

Docker 20.10 and podman take no registry at an address of IPv6 (`[::1]:5000/app`): the entry is not created,
and the run says so. Docker 26 takes one over TLS only, unless `insecure-registries` names it; with
containerd's store it pulls from a plain one all the same, and the run says that newer images are not known.

| engine | store | least API | Python | docker SDK | requests | urllib3 | core story |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Row:
    """A cell and what came of it. `versions` are of its packages; `failed` are names of tests."""

    cell: Cell
    engine: str
    versions: dict[str, str]
    passed: int
    failed: tuple[str, ...]

    def __str__(self) -> str:
        kind, says = self.cell.kind, f"{self.passed} passed"
        if self.failed:
            says = f"**failed**: {', '.join(self.failed)}"
        elif self.cell.why:
            says += f"; {self.cell.why}"
        store = "containerd" if kind.containerd else "podman's" if kind.program == "podman" else "classic"
        parts = (self.engine, store, kind.least_api or "-", self.versions["python"])
        names = ("docker", "requests", "urllib3")
        return f"| {' | '.join([*parts, *(self.versions[name] for name in names), says])} |"


def python_of(packages: Packages) -> Path:
    """Return a Python that has the packages, in a virtual environment in the cache; it is made if missing."""
    cache = Path(os.environ.get(CACHE) or Path.home() / ".cache/dockerup-testbed")
    named = "-".join([packages.python, packages.docker, packages.requests, packages.urllib3])
    place = (
        cache / "pythons" / (re.sub("-+", "-", named).rstrip("-") + ("" if packages.docker else "-newest"))
    )
    python = place / "bin/python"
    ready = place / "ready"
    if not ready.exists():
        subprocess.run([_interpreter(packages.python), "-m", "venv", "--clear", str(place)], check=True)
    if not ready.exists() or time.time() - ready.stat().st_mtime > A_DAY:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        subprocess.run([*pip, *packages.requirements], check=True)
        ready.touch()
    return python


def _interpreter(version: str) -> str:
    found = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"))
    if found:
        return str(found[-1])
    if subprocess.run(["which", f"python{version}"], capture_output=True, check=False).returncode == 0:
        return f"python{version}"
    raise TestbedError(f"there is no Python {version}: install it with pyenv or from the system's packages")


def versions_of(python: Path) -> dict[str, str]:
    """Return the versions of a Python and of its packages."""
    listing = subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    version = subprocess.run([python, "--version"], capture_output=True, check=True, text=True).stdout
    packages = {one["name"].lower(): one["version"] for one in json.loads(listing.stdout)}
    return {**packages, "python": version.split()[1]}


def engine_of(cell: Cell) -> str:
    """Return the name and the version of a cell's engine."""
    program, package = cell.kind.program, "podman" if cell.kind.program == "podman" else "docker.io"
    root = cell.kind.root(os.environ)
    # podman does not even tell its version where there is no /proc.
    asked = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", "--showformat=${Version}", package]
    command = asked if root else [program, "--version"]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    found = re.search(r"\d+(?:\.\d+)+", told)
    return f"{'podman' if program == 'podman' else 'Docker'} {found[0] if found else told.strip()}"


def play(cell: Cell) -> Row:
    """Play the core story on a cell."""
    python = python_of(cell.packages)
    command = [sys.executable, "-m", "tests.testbed.namespace", sys.executable, "-m", "pytest"]
    command += ["-p", "no:cacheprovider", "-q", "tests/core"]
    command += ["-k", f"not {cell.left_out}"] if cell.left_out else []
    more = {CHOICE: cell.engine, "DOCKERUP_TESTBED_PYTHON": str(python), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", ran.stdout, re.MULTILINE)
    if ran.returncode and not failed:
        failed = ["it did not begin"]
    passed = re.search(r"(\d+) passed", ran.stdout)
    row = Row(cell, engine_of(cell), versions_of(python), int(passed[1]) if passed else 0, tuple(failed))
    print(row, flush=True)
    if failed:
        sys.stderr.write(ran.stdout[-6000:] + ran.stderr[-2000:])
    return row


def chosen(arguments: Sequence[str]) -> list[int]:
    """Return the places in CELLS of those that the arguments mean: by number, from 1, or by a word."""
    words = [set(one.engine.split(",")) for one in CELLS]
    return [
        place
        for place, known in enumerate(words)
        if not arguments or any(one == str(place + 1) or one in known for one in arguments)
    ]


def not_played(cell: Cell) -> str:
    """Return the line of a cell of which nothing is known but what it asks for."""
    wanted = (cell.packages.docker, cell.packages.requests, cell.packages.urllib3)
    parts = (cell.engine or "bookworm", "", "", cell.packages.python, *(one or "newest" for one in wanted))
    return f"| {' | '.join(parts)} | not played yet |"


def write_line(place: int, row: Row) -> None:
    """Write a cell's line of the page anew, and leave the others as they are."""
    lines = PAGE.read_text().removeprefix(HEAD).splitlines() if PAGE.exists() else []
    if len(lines) != len(CELLS):
        lines = [*map(not_played, CELLS)]
    lines[place] = str(row)
    PAGE.write_text(HEAD + "".join(f"{line}\n" for line in lines))


def main(arguments: Sequence[str]) -> int:
    """Play all cells, or those that the arguments mean; 1 when one of them is red."""
    places = chosen(arguments)
    for packages in dict.fromkeys(CELLS[place].packages for place in places):
        python_of(packages)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = []
        for place, row in zip(places, pool.map(play, (CELLS[place] for place in places))):
            write_line(place, row)
            rows.append(row)
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
