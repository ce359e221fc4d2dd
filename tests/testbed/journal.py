"""A private journal: the real systemd-journald, for the engine's log driver of that name.

It runs without systemd, in the private namespace: its sockets are in /run/systemd/journal, where the engine
looks for them, and its files in /run/log/journal, both of the namespace's own /run.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.testbed import namespace
from tests.testbed.waiting import Program, TestbedError

_PROGRAM = Path("/lib/systemd/systemd-journald")
_SOCKET = namespace.RUN / "systemd/journal/socket"
_CONFIG = namespace.RUN / "systemd/journald.conf.d/testbed.conf"
# The kernel's own messages, its audit and the terminals of those who are logged in are the machine's.
_SETTINGS = """\
[Journal]
Storage=volatile
Audit=no
ReadKMsg=no
ForwardToSyslog=no
ForwardToWall=no
"""

Entry = Mapping[str, object]


@contextmanager
def private_journal(directory: Path) -> Iterator[None]:
    """Run a journal, whose own messages are kept in a directory.

    Raises NoNamespaceError outside of a private namespace, TestbedError when it does not start.
    """
    namespace.require_private()
    if not _PROGRAM.exists():
        raise TestbedError(f"there is no {_PROGRAM}. Run: apt-get install -y --no-install-recommends systemd")
    _CONFIG.parent.mkdir(parents=True, exist_ok=True)
    _CONFIG.write_text(_SETTINGS)
    program = Program([str(_PROGRAM)], directory / "journald.log")
    try:
        program.wait_until_ready(_SOCKET.is_socket)
        yield
    finally:
        program.terminate()
        _SOCKET.unlink(missing_ok=True)


def entries(**fields: str) -> list[Entry]:
    """Return the entries with these values in their fields (systemd.journal-fields(7)), oldest first."""
    matches = [f"{name}={value}" for name, value in fields.items()]
    command = ["journalctl", "--quiet", "--no-pager", "--output=json", *matches]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return [json.loads(line) for line in printed.splitlines()]
