"""What keys of one container do not go together; each check refuses with what is wrong and what to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from dockerup.keys.replicas import check_replicas
from dockerup.kinds import refuse
from dockerup.problems import Origin

# What the engine refuses for a container that has the network of another.
_OWN_NETWORK_ONLY = (
    "links",
    "hostname",
    "dnsServers",
    "extraHosts",
    "expose",
    "publishAllPorts",
)
Check = Callable[[Mapping[str, Any], Origin], None]


def network(written: Mapping[str, Any], origin: Origin) -> None:
    """Check what does not go with the network of another, of the host, or with none."""
    mode = written.get("network", "")
    if written.get("portMappings") and (mode == "none" or mode.startswith("container:")):
        what = f"ports cannot be published with network: {mode}"
        refuse(origin.at("portMappings"), what, "Leave one out.")
    if mode == "host" and any(name.startswith("net") for name in written.get("sysctls", ())):
        what = "the parameters of a network that is the host's are not a container's"
        refuse(origin.at("sysctls"), what, "Set them on the host: man 5 sysctl.d.")


def joined(written: Mapping[str, Any], origin: Origin) -> None:
    """Check what is of another network: links, and all names when a container's is joined."""
    mode = str(written.get("network", ""))
    if mode in {"none", "host"} and written.get("links"):
        refuse(origin.at("links"), f"links do not go with network: {mode}", "Leave one out.")
    for key in _OWN_NETWORK_ONLY if mode.startswith("container:") else ():
        if written.get(key):
            verb = "does" if key == "hostname" else "do"
            refuse(origin.at(key), f"{key} {verb} not go with network: {mode}", "Leave one out.")


def host_name(written: Mapping[str, Any], origin: Origin) -> None:
    """Check that a host name is not that of the host."""
    if "hostname" in written and "uts" in written:
        refuse(origin.at("hostname"), "with uts: host it has the host's name", "Leave one out.")


def cpu(written: Mapping[str, Any], origin: Origin) -> None:
    """Check that one of two limits to CPU time is given."""
    for key in ("cpuPeriod", "cpuQuota"):
        if "cpus" in written and key in written:
            refuse(origin.at(key), f"cpus and {key} are two ways to say one thing", "Keep cpus.")


def memory(written: Mapping[str, Any], origin: Origin) -> None:
    """Check that limits to memory are in their order."""
    most, swap = written.get("memory"), written.get("memorySwap")
    if most is not None and written.get("memoryReservation", 0) > most:
        what = "more memory is reserved than it may have"
        refuse(origin.at("memoryReservation"), what, "Write less than memory, or leave it out.")
    if swap is not None and most is None:
        refuse(origin.at("memorySwap"), "a limit to the swap needs one to the memory", "Write memory, too.")
    if swap is not None and most is not None and -1 < swap < most:
        what = "memorySwap is memory and swap together, and less than memory"
        refuse(origin.at("memorySwap"), what, "Write as much as memory, or more, or -1.")


def paths(written: Mapping[str, Any], origin: Origin) -> None:
    """Check that the paths of the system are said once."""
    for key in ("maskedPaths", "readonlyPaths"):
        if key in written and "systempaths=unconfined" in written.get("securityOptions", ()):
            what = f'"{key}" and "systempaths=unconfined" are two spellings of one key'
            refuse(origin.at(key), what, "Keep one of them.")


def pull(written: Mapping[str, Any], origin: Origin) -> None:
    """Check that it is said once whether newer images are looked for."""
    if "pull" in written and "pull" in written.get("update", {}):
        what = '"pull" and "update.pull" are two spellings of one key'
        refuse(origin.at("pull"), what, "Keep one of them.")


CHECKS: tuple[Check, ...] = (network, joined, host_name, cpu, memory, paths, pull, check_replicas)
