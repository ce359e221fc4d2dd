"""Programs that are run in a container, with all that they print.

docker-py reads that below the buffer through which it read the head of the answer: what comes together with
the head, as it does on a busy machine, is lost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_FRAME = struct.Struct(">BxxxL")  # which stream, and how many bytes of it come: "Stream format" in the API
_STDOUT, _STDERR = 1, 2
_SILENCE = 600  # seconds; whoever says nothing for so long hangs


@dataclass(frozen=True)
class Done:
    """A program's exit code and output."""

    exit_code: int
    stdout: str
    stderr: str


def run_in(client: Any, container: str, *command: str) -> Done:
    """Run a program in a container to its end. `client` is a `docker.APIClient`."""
    made = client.exec_create(container, list(command))["Id"]
    url = f"{client.base_url}/v{client.api_version}/exec/{made}/start"
    told = client.post(url, json={"Detach": False, "Tty": False}, timeout=_SILENCE)
    told.raise_for_status()
    said = {_STDOUT: b"", _STDERR: b""}
    for stream, data in _frames(told.content):
        said[stream] += data
    code = client.exec_inspect(made)["ExitCode"]
    return Done(code, said[_STDOUT].decode(), said[_STDERR].decode())


def _frames(raw: bytes) -> Iterator[tuple[int, bytes]]:
    begin = 0
    while begin < len(raw):
        stream, size = _FRAME.unpack_from(raw, begin)
        begin += _FRAME.size
        yield stream, raw[begin : begin + size]
        begin += size
