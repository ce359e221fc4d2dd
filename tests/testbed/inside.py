"""Run a program in another root file system: `python -m tests.testbed.inside DIRECTORY COMMAND ...`.

It keeps the network, the processes and the /run of the private namespace, so that sockets and data have the
same paths on both sides. The directory itself is only read, so that many can use one at a time. In a plain
chroot runc cannot start a container: this is a mount namespace with a root of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.testbed import namespace

# /etc/docker and /tmp: tests put certificates and volumes there.
SHARED = ("/dev", "/proc", "/sys/fs/cgroup", "/run", "/tmp", "/etc/docker")
HYBRID = ("/sys/fs/cgroup/unified",)  # podman's crun refuses a machine with both versions of control groups
OWN = ("/var/tmp", "/var/lib/containers", "/var/lib/docker")


def enter(root: Path) -> None:
    """Make a directory the root of this process and of its children. Raises OSError, NoNamespaceError."""
    namespace.require_private()
    namespace.unshare_mounts()
    place = str(root)
    namespace.bind(place, place)
    namespace.make_read_only(place)
    namespace.mount_sysfs(f"{place}/sys")  # which shows the bridges of this network namespace
    for shared in SHARED:
        namespace.bind(shared, place + shared)
    for own in OWN + (HYBRID if root.name.endswith("podman") else ()):
        if Path(place + own).is_dir():
            namespace.mount_memory(place + own)
    namespace.change_root(place)


def main(arguments: Sequence[str]) -> int:
    """Become the command of the command line; returns only after a sentence of why that cannot be."""
    directory, *command = arguments
    try:
        enter(Path(directory))
        os.execvp(command[0], command)
    except (OSError, namespace.NoNamespaceError) as fault:
        sys.stderr.write(f"testbed: {command[0]} cannot be run in {directory}: {fault}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
