"""What a handshake is held to by the standard library alone, and by `requests`: servers on loopback."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Callable

import pytest
import requests

from dockerup.plain_http import PlainSession

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def make_certificate(directory: Path, name: str, *more: str, subject: str = "/CN=registry") -> Path:
    """Return a file with a certificate, which is its own authority, and its key."""
    key, file = directory / f"{name}.key", directory / f"{name}.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", subject, "-keyout", str(key), "-out", str(file), *more]
    subprocess.run(command, capture_output=True, check=True)
    file.write_text(file.read_text() + key.read_text())
    return file


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Certificates by what is right or wrong with them."""
    directory = tmp_path_factory.mktemp("certificates")
    address, other = (
        ("-addext", "subjectAltName=IP:127.0.0.1"),
        ("-addext", "subjectAltName=DNS:other.example"),
    )
    return {
        "right": make_certificate(directory, "right", *address),
        "of another authority": make_certificate(directory, "untrusted", *address),
        "of another host": make_certificate(directory, "other", *other),
        "by its common name only": make_certificate(directory, "common", subject="/CN=127.0.0.1"),
    }


@contextmanager
def serving(certificate: Path, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[str]:
    """Let a server with a certificate answer on loopback; yield its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, most
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _address = listener.accept()
                    threading.Thread(target=answer, args=(client,), daemon=True).start()

        def answer(client: socket.socket) -> None:
            with suppress(OSError), context.wrap_socket(client, server_side=True) as connection:
                while connection.recv(65536):
                    connection.sendall(ANSWER)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/v2/"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def answers(make: Callable[[], Any], url: str, verify: str | bool) -> bool:
    """Tell whether a session takes what the server is."""
    with closing(make()) as session, suppress(OSError):
        response = session.request(
            "GET", url, headers={}, data=None, timeout=(30.0, 30.0), verify=verify, stream=True
        )
        with closing(response):
            return b"".join(response.iter_content(65536)) == b"ok"
    return False


@pytest.mark.parametrize("make", [PlainSession, requests.Session])
@pytest.mark.parametrize(
    ("which", "trusted"),
    [
        ("right", True),
        ("of another authority", False),
        ("of another host", False),
        ("by its common name only", False),
    ],
)
def test_a_certificate_is_trusted_for_its_host_and_from_its_authority_only(
    certificates: dict[str, Path], make: Callable[[], Any], which: str, *, trusted: bool
) -> None:
    roots = certificates["right" if which == "of another authority" else which]
    with serving(certificates[which]) as url:
        assert answers(make, url, str(roots)) == trusted
        if make is PlainSession:
            assert not answers(make, url, verify=True)  # the authorities of this host know none of them
            assert answers(make, url, verify=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that of the server
def test_tls_before_1_2_is_not_spoken(certificates: dict[str, Path]) -> None:
    with serving(certificates["right"], most=ssl.TLSVersion.TLSv1_1) as url:
        assert not answers(PlainSession, url, verify=False)


def test_what_verified_nothing_is_not_used_for_what_verifies(certificates: dict[str, Path]) -> None:
    with serving(certificates["of another host"]) as url, closing(PlainSession()) as session:
        for verify, taken in ((False, True), (str(certificates["of another host"]), False)):
            assert answers(lambda: _Open(session), url, verify) == taken


class _Open:
    """A session that stays open for the next request."""

    def __init__(self, session: PlainSession) -> None:
        self.request = session.request

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("url", ["ftp://registry.example/v2/", "//registry.example/v2/"])
def test_nothing_else_than_http_is_spoken(url: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        PlainSession().request("GET", url, headers={}, data=None, timeout=(1.0, 1.0), verify=False)
