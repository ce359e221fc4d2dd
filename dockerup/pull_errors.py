"""Which errors of a pull pass by themselves: a connection that was cut, a registry that stumbled. Pure.

All that the engine tells is a sentence. Those below are of Go's net/http, of distribution's client (20.10 and
the classic image store since) and of containerd's (its own store, 25 and later).
"""

from __future__ import annotations

import re

# What no second try in the same run helps, whatever else the sentence says. A registry that counts pulls
# counts tries too.
_LASTING = (
    "no space left on device",
    "failed to (register|extract) layer",
    "toomanyrequests|too many requests|rate limit",
    "unauthorized|authentication required|no basic auth credentials|denied",
    "manifest unknown|name unknown|blob unknown|not found|no matching manifest",
    "unsupported",
)
# Nothing of "connection refused", "no route to host" and "no such host": nobody is there, and seconds later
# there is nobody still. That is for the next run.
_PASSING = (
    r"\bEOF\b",  # also "unexpected EOF"
    "connection reset by peer",
    "connection timed out",
    "broken pipe",
    "use of closed network connection",
    "server closed idle connection",
    "transport connection broken",
    "TLS handshake timeout",
    "i/o timeout",
    "net/http: request canceled",
    r"Client\.Timeout",
    "timeout awaiting response headers",
    "context deadline exceeded",
    "http2: (client connection lost|server sent GOAWAY|timeout awaiting)",
    r"stream error: stream ID \d+",
    "temporary failure in name resolution",
    "server misbehaving",
    # distribution: "received unexpected HTTP status: 503 ...", "unexpected status resolving reader: 502 ...";
    # containerd: "unexpected status code URL: 503 ...", "unexpected status from GET request to URL: 503 ...".
    r"unexpected (HTTP )?status\b.*: 5\d\d\b",
    "service unavailable",
)
_LASTS = re.compile("|".join(_LASTING), re.IGNORECASE)
_PASSES = re.compile("|".join(_PASSING), re.IGNORECASE)


def passes(text: str) -> bool:
    """Tell whether a pull that ended with this sentence of the engine may succeed a few seconds later."""
    return bool(_PASSES.search(text)) and not _LASTS.search(text)
