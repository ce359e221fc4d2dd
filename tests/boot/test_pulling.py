"""A boot whose images come at different speeds: none waits for another, and the console shows how far."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor

from tests.boot.machine import PACKAGES, Systems
from tests.testbed.host import Host
from tests.testbed.images import make_image
from tests.testbed.waiting import wait_until
from tests.testbed.wire import Wire

MIB = 1 << 20
LASTS = 15.0  # seconds


def test_container_starts_when_its_own_image_is_there_and_the_console_tells_of_the_others(
    host: Host, systems: Systems, suite: str
) -> None:
    ballast = {"/ballast": random.Random(suite).randbytes(MIB).hex()}
    host.registry.push(make_image(files=ballast), f"late-{suite}", "1")
    with (
        Wire(host.registry.host) as wire,
        systems.machine(f"{suite}-ready") as machine,
        ThreadPoolExecutor() as beside,
    ):
        wire.speed = MIB / LASTS
        machine.must(
            "sed", "-i", "s/^_PULL_SAID_EVERY = .*/_PULL_SAID_EVERY = 1/", f"{PACKAGES}/dockerup/boot.py"
        )
        listed = (
            f"[{{name: late, image: '{wire.host}/late-{suite}:1'}}, {{name: web, image: '{systems.web}'}}]"
        )
        boot = beside.submit(machine.boot, f"#cloud-config\ncontainers: {listed}\n")

        wait_until(lambda: boot.done() or systems.running(), "a container runs", seconds=60)

        assert not boot.done()
        assert set(systems.running()) == {"web"}
        booted = boot.result(120)
        assert (booted.extended, booted.exit_code, booted.loud_lines) == ("done", 0, [])
        assert set(systems.running()) == {"late", "web"}
    said = rf"pull {wire.host}/late-{suite}@sha256:\w{{12}}: [\d.]+ [kM]?B of [\d.]+ MB, [\d.]+ k?B/s"
    assert re.search(f"^dockerup: {said}", booted.output, re.MULTILINE)
    assert any(re.search(said, line) for line in booted.lines("INFO"))
