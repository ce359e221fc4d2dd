"""A started container is known to the kernel at once: a port that was called too early opens with it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.command import ROOT

BRIDGE = "br-near"
SUBNET = {"Config": [{"Subnet": "fd00:d0c:1::/64", "Gateway": "fd00:d0c:1::1"}]}


def bridges(story: Story) -> dict[str, str]:
    """Make two networks, one with IPv6 and a name for its bridge; return the bridges of all, by network."""
    options = {"com.docker.network.bridge.name": BRIDGE}
    story.client.create_network("near", options=options, ipam=SUBNET, enable_ipv6=True)
    far = story.client.create_network("far")["Id"]
    return {"bridge": "docker0", "near": BRIDGE, "far": f"br-{far[:12]}"}


def entries(bridge: str) -> dict[str, tuple[str, str]]:
    """Return the kernel's neighbours on a bridge: hardware address and state, by address."""
    shown = subprocess.run(["ip", "-j", "neigh", "show", "dev", bridge], capture_output=True, check=True)
    return {one["dst"]: (one.get("lladdr", ""), one["state"][0]) for one in json.loads(shown.stdout or "[]")}


def addresses(network: Any) -> set[str]:
    """Return the addresses of a container on a network, as the engine tells them."""
    return {network[key] for key in ("IPAddress", "GlobalIPv6Address") if network[key]}


def test_kernel_knows_each_started_container_on_the_engines_bridges(story: Story) -> None:
    image, networks = story.load("app:1"), bridges(story)
    for network in (*networks, "host", "none"):
        story.define(f"on-{network}", image, network=network)
    story.define("joins", image, network="container:on-bridge")

    story.run()

    assert set(story.states().values()) == {"running"}
    for network, bridge in networks.items():
        found = story.inspect(f"on-{network}")["NetworkSettings"]["Networks"][network]
        assert len(addresses(found)) == (2 if network == "near" else 1)
        expected = dict.fromkeys(addresses(found), (found["MacAddress"], "STALE"))
        assert {**entries(bridge), **expected} == entries(bridge)


def test_run_without_the_right_to_tell_the_kernel_starts_containers_all_the_same(story: Story) -> None:
    story.define("app", story.load("app:1"))
    less = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    environment = story.dockerup.environment()
    subprocess.run([*less, *story.dockerup.command()], env=environment, cwd=ROOT, check=True, timeout=60)
    assert story.states() == {"app": "running"}
    assert entries("docker0") == {}
