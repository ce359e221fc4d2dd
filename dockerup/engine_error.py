"""What goes wrong with the engine, in words. Without the SDK, which a run with nothing to do never loads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockerup.output import passed_on
from dockerup.problems import DockerupError

if TYPE_CHECKING:
    import requests

CALL_TIMEOUT = 120  # seconds; a stop has its container's stop time besides
_CUT = ("Connection aborted", "RemoteDisconnected", "ConnectionReset", "BrokenPipe", "IncompleteRead")


class EngineError(DockerupError):
    """The engine refused a call, or cannot be reached.

    `status` is the HTTP status of a refusal, None when there was no answer. `text` is made fit to be shown:
    the engine passes on what a registry or a runtime says.
    """

    def __init__(self, what: str, status: int | None, text: str) -> None:
        self.status = status
        self.text = passed_on(text)
        super().__init__(f"{what}: {self.text}")


def raise_for(response: requests.Response, what: str) -> None:
    """Raise EngineError for an answer of the engine that is a refusal; `what` is what was asked."""
    if response.status_code >= 400:
        raise EngineError(what, response.status_code, message_in(response.text))


def message_in(answer: str) -> str:
    """Return what the engine says in an answer that is a refusal."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.strip()[:500]


def why_unreached(error: Exception, seconds: float) -> str:
    """Return why there was no answer, and what to do; `seconds` is how long there might be none."""
    text = f"{type(error).__name__}: {error}"
    if "Invalid bind address" in text:  # the SDK's word for any URL that it cannot read
        return "this is no address of an engine. Write unix:///var/run/docker.sock or tcp://HOST:PORT"
    if "timed out" in text:
        return f"no answer within {seconds:g} seconds"
    if "FileNotFoundError" in text or "No such file" in text:
        return "there is no such socket. Is docker installed and running? systemctl status docker"
    if "PermissionError" in text or "Permission denied" in text:
        return "this user may not use it. Run dockerup as root"
    if any(one in text for one in _CUT):
        return "it ended while it was asked. Was docker restarted? The next run goes on"
    if "Connection refused" in text or "ConnectionRefused" in text:
        return "nothing answers there. Is docker running? systemctl status docker"
    return str(error)
