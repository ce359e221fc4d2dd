"""Whole processes, measured: wall time, CPU and peak memory, as medians of interleaved rounds."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from tests.testbed.waiting import TestbedError

RUNNER = Path(__file__).with_name("runner.py")
TIMEOUT = 300.0  # seconds for one process


@dataclass(frozen=True)
class Sample:
    """What one process took: seconds, seconds of user and system CPU with its children, MiB at most."""

    wall: float
    cpu: float = 0.0
    peak: float = 0.0


@dataclass(frozen=True)
class Figure:
    """The medians of some rounds, in the units of `Sample`, with the shortest and the longest wall time."""

    wall: float
    cpu: float
    peak: float
    least: float
    most: float
    rounds: int


@dataclass(frozen=True)
class Contender:
    """One of those that are compared: `prepare`, untimed, `run`, and the most `rounds` for it."""

    name: str
    run: Callable[[], Sample]
    prepare: Callable[[], object] = lambda: None
    rounds: int = 1000


def process(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Sample:
    """Run a command to its end. Raises TestbedError when it fails."""
    line = [sys.executable, "-I", "-S", str(RUNNER), *command]
    ran = subprocess.run(
        line, env=dict(environment), cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    took = json.loads(ran.stdout) if ran.returncode == 0 else {"code": ran.returncode}
    if took["code"] != 0:
        raise TestbedError(f"{command[0]} ended with {took['code']}\n{ran.stderr[-2000:]}")
    return Sample(took["wall"], took["cpu"], took["peak"] / 1024)


def interleaved(contenders: Sequence[Contender], rounds: int) -> dict[str, Figure]:
    """Let all run in turn, round after round, so that what else the machine does hits them alike."""
    found: dict[str, list[Sample]] = {one.name: [] for one in contenders}
    for number in range(rounds):
        for one in contenders:
            if number < one.rounds:
                one.prepare()
                found[one.name].append(one.run())
    return {name: figure_of(samples) for name, samples in found.items()}


def figure_of(samples: Sequence[Sample]) -> Figure:
    """Return the medians of some samples."""
    walls = [one.wall for one in samples]
    return Figure(
        wall=statistics.median(walls),
        cpu=statistics.median(one.cpu for one in samples),
        peak=statistics.median(one.peak for one in samples),
        least=min(walls),
        most=max(walls),
        rounds=len(samples),
    )
