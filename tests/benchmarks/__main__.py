"""Run the measurements: `python -m tests.benchmarks [--json FILE] [PART ...]`, in a private namespace."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from tests.benchmarks import changes, quiet, scale
from tests.benchmarks.peers import CACHE, NAMES
from tests.benchmarks.place import Place, place
from tests.benchmarks.report import as_json, table

PARTS = {
    "quiet": quiet.quiet_runs,
    "images": quiet.images_in_the_store,
    "start": changes.first_starts,
    "pull": changes.pulls,
    "update": changes.updates,
    "plan": scale.planning,
    "documents": scale.documents,
}


def about(at: Place) -> dict[str, str]:
    """Return what the figures hold for: the machine and the versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    programs = [[str(CACHE / name), "--version"] for name in NAMES if at.peers.has(name)]
    return {
        "machine": f"{os.cpu_count()} x {(model or ['?'])[0].partition(':')[2].strip()}, {memory} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "engine": at.client.version()["Version"],
        "load before": " ".join(f"{one:.1f}" for one in os.getloadavg()),
        **changes.versions_of([["docker", "--version"], *programs]),
    }


def main() -> int:
    """Measure, print the table, and write the JSON."""
    parser = argparse.ArgumentParser("tests.benchmarks")
    parser.add_argument("--json", metavar="FILE", default="bench.json")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    began = time.monotonic()
    results = []
    with place() as at:
        found = about(at)
        print("\n".join(f"{name}: {text}" for name, text in found.items()), end="\n\n", flush=True)
        for name in options.parts or PARTS:
            made = PARTS[name](at)
            print(table(made), flush=True)
            results += made
    Path(options.json).write_text(json.dumps(as_json(results, found), indent=1) + "\n")
    print(f"{time.monotonic() - began:.0f} s in all; as JSON in {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
