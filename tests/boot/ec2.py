"""Machines that find themselves on EC2: its marks in their DMI, DHCP on eth0, and its metadata service.

cloud-init looks for Ec2 in `init --local` already, and gets itself an address by DHCP for that
(cloudinit/sources/DataSourceEc2.py). So a pair of interfaces is a wire within the private network namespace:
the machines, which share that network, have the one end, and the cloud has the other.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.boot.machine import Machine
from tests.testbed.metadata import MAC, Metadata
from tests.testbed.namespace import require_private
from tests.testbed.waiting import Program, TestbedError

METADATA_ADDRESS = "169.254.169.254"

_FAR_END = "cloud"
_ROUTER = "10.0.0.1"
_DHCP_PORT = ":0043 "  # 67, as /proc/net/udp writes it
_DHCP_SETTINGS = f"""\
interface {_FAR_END}
start 10.0.0.7
end 10.0.0.99
max_leases 93
option subnet 255.255.255.0
option lease 3600
"""
_CONFIG = """\
datasource_list: [Ec2, None]
# Before it looks whether it may set the network up, 25.1 asks for a program that would do it.
datasource: {Ec2: {apply_full_imds_network_config: false}}
"""
# In /sys/class a machine has its own DMI, and the network that it shares. The marks are those of Nitro (the
# vendor) and of Xen (the identity), since cloud-init itself goes by the latter.
_HARDWARE = """\
cd /sys/class && ln -s ../devices/virtual/net net && mkdir -p dmi/id && cd dmi/id
echo "Amazon EC2" > sys_vendor
echo ec2e1916-9099-7caf-fd21-012345abcdef | tee product_uuid > product_serial
"""


class Ec2:
    """EC2 as its instances see it. Make it with `ec2_cloud`."""

    first_instance_id = "i-0123456789abcdef0"
    # What a DHCP client takes (dhcpcd wants to write below /proc/sys/net), and a DMI that is not the host's.
    host_config: Mapping[str, Any] = {
        "CapAdd": ["NET_ADMIN"],
        "ReadonlyPaths": [],
        "Mounts": [{"Type": "tmpfs", "Target": "/sys/class"}],
    }

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata

    def furnish(self, machine: Machine) -> None:
        """Make the machine an EC2 instance's hardware, with cloud-init told as EC2's images tell it."""
        machine.must("sh", "-c", _HARDWARE)
        machine.write("/etc/cloud/cloud.cfg.d/96_ec2.cfg", _CONFIG)

    def launch(
        self, machine: Machine, instance_id: str, user_data: str | bytes, vendor_data: str | None
    ) -> None:
        """Let the machine be this instance. Raises TestbedError for vendor-data, which EC2 has not."""
        if vendor_data is not None:
            raise TestbedError("EC2 has no vendor-data")
        machine.must("sh", "-c", f"echo {instance_id} > /sys/class/dmi/id/board_asset_tag")
        self.metadata.answers.instance_id = instance_id
        self.metadata.answers.user_data = user_data.encode() if isinstance(user_data, str) else user_data


@contextmanager
def ec2_cloud(directory: Path) -> Iterator[Ec2]:
    """Give EC2, whose metadata service demands tokens, in the private network namespace.

    Raises NoNamespaceError outside of one.
    """
    require_private()
    with _wire(), _dhcp(directory):
        metadata = Metadata(address=METADATA_ADDRESS, port=80)
        metadata.start()
        try:
            yield Ec2(metadata)
        finally:
            metadata.stop()


@contextmanager
def _wire() -> Iterator[None]:
    _ip("link", "add", "eth0", "address", MAC, "type", "veth", "peer", "name", _FAR_END)
    try:
        for address in (f"{METADATA_ADDRESS}/32", f"{_ROUTER}/24"):
            _ip("address", "add", address, "dev", _FAR_END)
        for end in ("eth0", _FAR_END):
            _ip("link", "set", end, "up")
        yield
    finally:
        _ip("link", "delete", "eth0")


@contextmanager
def _dhcp(directory: Path) -> Iterator[None]:
    settings, leases = directory / "udhcpd.conf", directory / "udhcpd.leases"
    leases.touch()
    settings.write_text(f"{_DHCP_SETTINGS}lease_file {leases}\npidfile {directory / 'udhcpd.pid'}\n")
    # It asks first whether somebody has the address that it is about to give: 100 ms will do on this wire.
    command = ["busybox", "udhcpd", "-f", "-I", _ROUTER, "-a", "100", str(settings)]
    program = Program(command, directory / "udhcpd.log")
    try:
        program.wait_until_ready(lambda: _DHCP_PORT in Path("/proc/net/udp").read_text())
        yield
    finally:
        program.terminate()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
