"""What a person is told when the engine gives no answer, whichever library asked it."""

from __future__ import annotations

import http.client
import socket

import pytest
import requests

from dockerup.engine_error import EngineError, message_in, why_unreached
from dockerup.local_engine import LocalEngine
from dockerup.sdk import client_of

POOL = (
    "HTTPConnectionPool(host='10.0.0.9', port=2375): Max retries exceeded with url: /version (Caused by {})"
)
REMOTE = "nothing listens on port 2375 of 10.0.0.9. Was dockerd started there with -H tcp://, and is "
NO_WORD = "it was refused, and not in the way of an engine. Does a Docker Engine answer there, "
ENDED = "it ended while it was asked. Was docker restarted? The next run goes on"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (socket.timeout("timed out"), "no answer within 10 seconds"),
        (requests.ConnectionError("Read timed out."), "no answer within 10 seconds"),
        (FileNotFoundError(2, "No such file or directory"), "there is no such socket. "),
        (PermissionError(13, "Permission denied"), "this user may not use it. Run dockerup as root"),
        (http.client.RemoteDisconnected("Remote end closed connection"), ENDED),
        (ConnectionResetError(104, "Connection reset by peer"), ENDED),
        (http.client.IncompleteRead(b"half", 4), ENDED),
        (requests.ConnectionError("('Connection aborted.', BrokenPipeError())"), ENDED),
        (ConnectionRefusedError(111, "Connection refused"), "nothing answers there. Is docker running? syst"),
        (requests.ConnectionError(POOL.format("[Errno 111] Connection refused")), REMOTE),
        (
            requests.ConnectionError(POOL.format("Failed to resolve '10.0.0.9'")),
            "no address is known of 10.0.0.9. ",
        ),
        (
            requests.ConnectionError(POOL.format("[Errno -3] Temporary failure in name resolution")),
            "no address is ",
        ),
        (
            requests.ConnectionError(POOL.format("[Errno 113] No route to host")),
            "10.0.0.9 cannot be reached: no w",
        ),
        (requests.ConnectionError(POOL.format("Read timed out.")), "no answer within 10 seconds"),
        (OSError("something new"), "something new"),
    ],
)
def test_an_engine_that_does_not_answer_is_told_of_with_what_to_do(error: Exception, told: str) -> None:
    assert why_unreached(error, 10).startswith(told)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ('{"message": "no such image"}', "no such image"),
        (" plain words\n", "plain words"),
        *(
            (other, NO_WORD)
            for other in ("[1]", "[" * 100_000, "{}", "", "<!doctype html>\n<title>Not found</title>")
        ),
    ],
)
def test_a_refusal_is_told_in_the_engines_words(answer: str, told: str) -> None:
    assert message_in(answer).startswith(told)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("unix:///var/run/docker.sock", True),
        ("unix://run/docker.sock", False),
        ("http+unix:///var/run/docker.sock", False),
        ("tcp://127.0.0.1:2375", False),
        ("ssh://host", False),
    ],
)
def test_only_an_engine_on_a_plain_socket_is_asked_without_the_sdk(url: str, *, local: bool) -> None:
    assert (LocalEngine.at(url) is not None) == local


@pytest.mark.parametrize("url", ["foo", "tcp://", "http://a b", "tcp://[::1", "tcp://a:b", "tcp://a:99999"])
def test_what_is_no_address_of_an_engine_is_told_with_what_to_write(url: str) -> None:
    with pytest.raises(EngineError, match=r"no address of an engine\. Write unix://"):
        client_of(url, "1.44", {})


def test_an_engine_error_says_what_was_tried() -> None:
    assert str(EngineError("list containers", None, "why")) == "list containers: why"
