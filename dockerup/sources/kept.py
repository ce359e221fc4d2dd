"""The last good user-data, kept for runs in which the service is away: a convenience, never the truth.

The form of the copy: one line `dockerup-user-data 1 INSTANCE-ID SHA256`, then the bytes as they came. A copy
of another form, version or machine, or a damaged one, is as if absent.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from dockerup.files import write_whole
from dockerup.problems import InvalidInputError

NAME = "user-data"
_FORMAT = "dockerup-user-data 1"
_LIMIT_BYTES = (1 << 16) + 1024
_INSTANCE_ID = re.compile(r"[\x21-\x7e]{1,255}")


def encode(instance_id: str, body: bytes) -> bytes:
    """Return the bytes of a copy. Raises ValueError for an instance-id that is not one printable word."""
    if not _INSTANCE_ID.fullmatch(instance_id):
        raise ValueError("an instance-id is one printable word")
    import hashlib

    return f"{_FORMAT} {instance_id} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def decode(raw: bytes, instance_id: str) -> bytes | None:
    """Return the user-data of a copy, None when it is not a whole one of this instance's."""
    _head, _newline, body = raw.partition(b"\n")
    with suppress(ValueError):
        return body if raw == encode(instance_id, body) else None
    return None


def read_copy(cache: str, instance_id: str) -> bytes | None:
    """Return the user-data kept for this instance, None when there is none that can be trusted."""
    from dockerup.sources.trust import read_trusted

    try:
        return decode(read_trusted(_path(cache), _LIMIT_BYTES), instance_id)
    except (FileNotFoundError, InvalidInputError):
        return None


def write_copy(cache: str, instance_id: str, body: bytes) -> str:
    """Keep user-data for this instance, 0600 in a 0700 directory. Return "", or why that failed."""
    try:
        raw = encode(instance_id, body)
        if read_copy(cache, instance_id) != body:
            write_whole(_path(cache), raw)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _path(cache: str) -> str:
    return os.path.join(cache, NAME, "last-good")
