"""How long the private host takes to start: the fixed cost of every engine test run and of the demo."""

from __future__ import annotations

import time

from tests.testbed.host import private_host


def test_private_host_starts_and_ends() -> None:
    began = time.perf_counter()
    with private_host():
        started = time.perf_counter()
    ended = time.perf_counter()

    print(f"\nprivate host: up in {started - began:.2f} s, gone in {ended - started:.2f} s")
    assert started - began < 30
