"""What strangers wrote, made fit to be shown: log lines, the output of health checks, errors of registries.

It may hold secrets, control characters, and more than anybody reads.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator

LINE_CHARACTERS = 500
HIDDEN = "(hidden)"
SHORTEST_HIDDEN = 4  # characters; a shorter value is in too many words to hide anything
CUT = "..."

_LINE_BYTES = 16384  # of a line, before anything is hidden in it
_HEADER_BYTES = 8
# Colours and cursor moves (ECMA-48, CSI), and titles of windows (OSC).
_SENTENCE_CHARACTERS = 1000
# Registries send who fetches a layer to URLs that are signed: whoever has one may fetch it too.
_QUERY = re.compile(r"(https?://[^\s\"?]+)\?[^\s\"]+")
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\].*?(?:\x07|\x1b\\)")


def cut(text: str, most: int = LINE_CHARACTERS) -> str:
    """Return a text of `most` characters at most; what was cut off is shown by dots."""
    return text if len(text) <= most else text[: most - len(CUT)] + CUT


def harmless(text: str) -> str:
    """Return a text as one line without anything that a terminal would obey."""
    plain = _TERMINAL.sub("", text)
    shown = "".join(one if one.isprintable() else " " if one.isspace() else "?" for one in plain)
    return " ".join(shown.split()) if "\n" in text else shown.rstrip()


def passed_on(text: str) -> str:
    """Return what the engine says, in words of its own or of others, as one line; no URL shows its query."""
    return cut(_QUERY.sub(rf"\1?{HIDDEN}", harmless(text)), _SENTENCE_CHARACTERS)


def hidden(text: str, values: Collection[str]) -> str:
    """Return a text in which no value shows that has 4 characters or more, nor any such line of a value.

    Where a text was cut, what it ends with may be the beginning of a value: that is hidden as well.
    """
    parts = {line for value in values for line in [value, *value.splitlines()]}
    parts = {part for part in parts if len(part) >= SHORTEST_HIDDEN}
    if not parts:
        return text
    longest_first = sorted(parts, key=len, reverse=True)
    text = re.sub("|".join(map(re.escape, longest_first)), HIDDEN, text)
    return _without_beginning(text, parts) if text.endswith(CUT) else text


def _without_beginning(text: str, parts: Collection[str]) -> str:
    kept = text[: -len(CUT)]
    sizes = [
        size for part in parts for size in range(SHORTEST_HIDDEN, len(part)) if kept.endswith(part[:size])
    ]
    return kept[: -max(sizes)] + HIDDEN + CUT if sizes else text


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield what a container without a TTY printed, as pairs of stream (1: stdout, 2: stderr) and bytes.

    The format is that of GET /containers/{id}/attach: a byte for the stream, three of nothing, four of size.
    """
    rest = b""
    for chunk in chunks:
        rest += chunk
        while len(rest) >= _HEADER_BYTES:
            end = _HEADER_BYTES + int.from_bytes(rest[4:_HEADER_BYTES], "big")
            if len(rest) < end:
                break
            yield rest[0], rest[_HEADER_BYTES:end]
            rest = rest[end:]


def last_lines(pieces: Iterable[tuple[int, bytes]], count: int, hide: Collection[str] = ()) -> list[str]:
    """Return the last `count` lines that were printed, in the order in which they ended, fit to be shown."""
    lines: deque[bytes] = deque(maxlen=count)
    begun: dict[int, bytes] = {}  # the engine splits long lines, and lines of two streams may mix
    for stream, piece in pieces:
        *ended, rest = piece.split(b"\n")
        for line in ended:
            lines.append(_longer(begun.pop(stream, b""), line))
        begun[stream] = _longer(begun.get(stream, b""), rest)
    lines.extend(line for line in begun.values() if line)
    return [_shown(line, hide) for line in lines]


def _longer(line: bytes, more: bytes) -> bytes:
    """Return a line with more of it, one byte longer than what is looked at, so that a cut is known."""
    return (line + more)[: _LINE_BYTES + 1]


def _shown(line: bytes, hide: Collection[str]) -> str:
    text = line[:_LINE_BYTES].decode(errors="replace") + CUT * (len(line) > _LINE_BYTES)
    # Twice: once as it was printed, once as it will be read.
    return cut(hidden(harmless(hidden(text, hide)), hide))
