"""What goes wrong with the engine, in words. Without the SDK, which a run with nothing to do never loads."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from dockerup.output import passed_on
from dockerup.problems import DockerupError

if TYPE_CHECKING:
    import requests

CALL_TIMEOUT = 120  # seconds; a stop has its container's stop time besides
_CUT = ("Connection aborted", "RemoteDisconnected", "ConnectionReset", "BrokenPipe", "IncompleteRead")

# An engine over TCP, in urllib3's words; those of the SDK for a socket have a longer name.
_REMOTE = re.compile(r"\bHTTPS?ConnectionPool\(host='([^']*)', port=([0-9]+)\)")
_NO_NAME = ("Failed to resolve", "Name or service not known", "name resolution", "No address associated")
# What reading an answer raises that is not as the API says.
ODD = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
_API = "the Docker Engine API has"
_ADVICE = "Does a Docker Engine answer there, with nothing in between? docker version tells"

T = TypeVar("T")


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


def meant(meaning: Callable[[Any], T], raw: object, what: str, which: str = "the answer") -> T:
    """Return what an object means that the engine answered to `what`, of which it is `which`.

    Raises EngineError for what is not as the API says, whatever it is. It says what came, but no value of it.
    """
    try:
        return meaning(raw)
    except ODD as error:
        if not isinstance(raw, dict):
            raise of_another_kind(raw, what, which, "an object") from error
        lacks = f' without "{error.args[0]}"' if isinstance(error, KeyError) else ""
        fault = f"an object{lacks or ' with a value of a wrong kind'}, which {_API} not"
        raise EngineError(what, None, f"{which} is {fault}. {_ADVICE}") from error


def of_another_kind(raw: object, what: str, which: str, kind: str) -> EngineError:
    """Return the error that something of an answer is not of the kind that it has in the API."""
    return EngineError(what, None, f"{which} is {_kind_of(raw)}, where {_API} {kind}. {_ADVICE}")


def no_json(what: str) -> EngineError:
    """Return the error that the answer to `what` cannot be parsed."""
    return EngineError(what, None, f"the answer is no JSON. {_ADVICE}")


def _kind_of(raw: object) -> str:
    kinds = {type(None): "null", bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(raw), "a number")


def message_in(answer: str) -> str:
    """Return what the engine says in an answer that is a refusal."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text = answer.strip()[:500]  # such as "404 page not found"
    if text[:1] in {"", "<", "{", "["}:
        return f"it was refused, and not in the way of an engine. {_ADVICE}"
    return text


def why_unreached(error: Exception, seconds: float) -> str:
    """Return why there was no answer, and what to do; `seconds` is how long there might be none."""
    text = f"{type(error).__name__}: {error}"
    if "timed out" in text:
        return f"no answer within {seconds:g} seconds"
    remote = _why_remote(text)
    if remote:
        return remote
    if "FileNotFoundError" in text or "No such file" in text:
        return "there is no such socket. Is docker installed and running? systemctl status docker"
    if "PermissionError" in text or "Permission denied" in text:
        return "this user may not use it. Run dockerup as root"
    if any(one in text for one in _CUT):
        return "it ended while it was asked. Was docker restarted? The next run goes on"
    if "Connection refused" in text or "ConnectionRefused" in text:
        return "nothing answers there. Is docker running? systemctl status docker"
    return str(error)


def _why_remote(text: str) -> str:
    """Return why there was no connection over TCP, from what urllib3 says of it; "" for what is not known."""
    found = _REMOTE.search(text)
    if found is None:
        return ""
    host, port = found.groups()
    if "Connection refused" in text:
        return (
            f"nothing listens on port {port} of {host}. Was dockerd started there with -H tcp://, and is "
            "that the host and port that remote or DOCKER_HOST should name?"
        )
    if any(one in text for one in _NO_NAME):
        return f"no address is known of {host}. Is the name in remote or DOCKER_HOST right, and DNS at work?"
    if "No route to host" in text or "Network is unreachable" in text:
        return f"{host} cannot be reached: no way leads there. Is it up, and the network of this host?"
    return ""
