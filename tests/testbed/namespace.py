"""Run a command in a world of its own: `python -m tests.testbed.namespace COMMAND [ARGUMENT ...]`.

Two engines in one network namespace tear down each other's bridge and packet filter, so the command gets a
network namespace with nothing but loopback. It also gets its own process ids and mounts, with an empty
/run in memory: whatever happens to the command, its processes, mounts and sockets end with it, and the
machine's own /run/docker.sock and locks cannot even be seen.

`--possible` in place of a command tells whether that can be had by this user, on this machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

POSSIBLE = "--possible"
MARK = "DOCKERUP_TESTBED_NAMESPACE"
WITHOUT = "What needs neither: make lint, and .venv/bin/python -m pytest tests/unit tests/plan"
RUN = Path("/run")
# The user-data of the machine that the tests run on is none of their business, nor is that of other tests.
USER_DATA = Path("/var/lib/cloud")
# An engine reads certificates of registries there, whatever its own directories are.
ENGINES = Path("/etc/docker")
PROGRAMS = {
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "busybox": "busybox-static",
    "iptables": "iptables",
    "ip": "iproute2",
}

# linux/sched.h, linux/prctl.h, linux/mount.h
_CLONE_NEWNS, _CLONE_NEWPID, _CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class NoNamespaceError(Exception):
    """The private world cannot be had here; the text says what is missing and what to run."""


def is_private() -> bool:
    """Return whether this process runs in a namespace that this module made."""
    return os.environ.get(MARK) == _network_namespace()


def require_private() -> None:
    """Raise NoNamespaceError unless this process runs in a namespace that this module made."""
    if not is_private():
        raise NoNamespaceError(
            "a private engine must not share the machine's network namespace. Run: make test "
            f"(or: {Path(sys.executable).name} -m tests.testbed.namespace COMMAND, as root)"
        )


def require_programs(environment: Mapping[str, str]) -> None:
    """Raise NoNamespaceError when one of the programs that the private host is made of is missing."""
    path = search_path(environment)
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None]
    if missing:
        raise NoNamespaceError(
            f"missing on this machine: {', '.join(missing)}. "
            f"Run: apt-get install -y --no-install-recommends {' '.join(missing)}"
        )


def search_path(environment: Mapping[str, str]) -> str:
    """Return PATH with the directories of system programs, which the PATH of a plain user lacks."""
    return os.pathsep.join((environment.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/bin", "/bin"))


def cgroup_name() -> str:
    """Return the control group under which the engine of this namespace puts its containers."""
    return f"dockerup-testbed-{_namespace_number(os.environ[MARK])}"


def run(command: Sequence[str]) -> int:
    """Run a command in a private world and return its exit code (128 + N: ended by signal N).

    Raises NoNamespaceError when this machine or user cannot have one.
    """
    leave()
    require_programs(os.environ)
    mark = _network_namespace()
    first = os.fork()
    if first == 0:
        os._exit(_guarded_first_process(command, mark))
    try:
        return _wait_and_forward(first)
    finally:
        _remove_cgroups(f"dockerup-testbed-{_namespace_number(mark)}")


def leave() -> None:
    """Leave the machine's namespaces. Raises NoNamespaceError when this machine or user cannot."""
    if os.geteuid() != 0:
        raise NoNamespaceError(
            f"a private network namespace and engine need root. Run it as root, or with sudo. {WITHOUT}"
        )
    _unshare(_CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID)


def unmount(place: str) -> None:
    """Detach what is mounted at a place, if anything is."""
    _LIBC.umount2(place.encode(), _MNT_DETACH)


def unshare_mounts() -> None:
    """Give this process mounts of its own, of which the others see nothing."""
    _unshare(_CLONE_NEWNS)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def bind(source: str, place: str) -> None:
    """Let a directory, with all that is mounted below it, be seen at a place as well."""
    _mount(source, place, None, _MS_BIND | _MS_REC)


def make_read_only(place: str) -> None:
    """Let nothing be written to a file system through this place of it."""
    _mount("none", place, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def mount_memory(place: str) -> None:
    """Mount an empty file system in memory."""
    _mount("dockerup-testbed", place, "tmpfs", options="mode=0755")


def mount_sysfs(place: str) -> None:
    """Mount what tells of this network namespace's devices."""
    _mount("sysfs", place, "sysfs")


def change_root(place: str) -> None:
    """Make what is mounted at a place the root of this process's mounts, and let go of the old one."""
    os.chdir(place)
    # pivot_root(2): of two dots, the old root lies over the new one, and is unmounted from there.
    if _LIBC.pivot_root(b".", b".") != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)
    unmount(".")
    os.chdir("/")


def _unshare(flags: int) -> None:
    if _LIBC.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise NoNamespaceError(
            f"this machine gives no private namespaces ({reason}). "
            "Run it as root on a machine of its own, or in a container started with --privileged. "
            f"{WITHOUT}"
        )


def _guarded_first_process(command: Sequence[str], mark: str) -> int:
    try:
        return _first_process(command, mark)
    except (OSError, subprocess.SubprocessError) as fault:
        sys.stderr.write(f"testbed: the private namespace cannot be set up: {fault}\n")
        return 1


def _first_process(command: Sequence[str], mark: str) -> int:
    """Be process 1 of the new world: when it ends, the kernel ends every process in it."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    environment = {**os.environ, MARK: mark, "PATH": search_path(os.environ)}
    environment.pop("XDG_RUNTIME_DIR", None)
    _furnish()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, env=environment, stdin=subprocess.DEVNULL)
    main = subprocess.Popen(command, env=environment)
    return _wait_and_forward(main.pid)


def _furnish() -> None:
    # The program mount(8) would leave its own notes in the machine's /run.
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc")
    for directory in (RUN, ENGINES, USER_DATA):
        directory.mkdir(exist_ok=True)  # else the first test that makes it makes it for all namespaces
        mount_memory(str(directory))


def _mount(source: str, place: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    words = (source.encode(), place.encode(), kind.encode() if kind else None)
    if _LIBC.mount(*words, ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)


def _wait_and_forward(main: int) -> int:
    """Wait for the main child, reaping whatever else ends, and hand it the signals that come for us."""

    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(main, number)

    for number in _FORWARDED:
        signal.signal(number, forward)
    if os.isatty(0):
        # A terminal sends it to the command itself; twice would cut short the command's own clean-up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ended, status = os.wait()
        if ended == main:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _network_namespace() -> str:
    return os.readlink("/proc/self/ns/net")


def _namespace_number(mark: str) -> str:
    return mark.partition("[")[2].rstrip("]")


def _remove_cgroups(name: str) -> None:
    # The kernel ends the processes but keeps their control groups, on version 1 in each hierarchy.
    for top in _cgroup_tops(name):
        for directory, _inner, _files in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def _cgroup_tops(name: str) -> Iterator[Path]:
    root = Path("/sys/fs/cgroup")
    yield from (place for place in (root / name, *root.glob(f"*/{name}")) if place.is_dir())


def main(arguments: Sequence[str]) -> int:
    """Run the command of the command line; return its exit code, or 1 after a sentence of what is missing."""
    if not arguments:
        sys.stderr.write("usage: python -m tests.testbed.namespace COMMAND [ARGUMENT ...] | --possible\n")
        return 2
    try:
        if arguments == [POSSIBLE]:
            leave()
            return 0
        return run(arguments)
    except NoNamespaceError as missing:
        sys.stderr.write(f"testbed: {missing}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
