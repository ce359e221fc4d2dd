"""EC2 user-data over real sockets, against a stand-in on loopback. No engine is needed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerup import sources
from dockerup.sources import ec2, imds, variables
from dockerup.sources.result import SourceResult
from tests.testbed.metadata import Metadata

BODY = '{"containers": [{"name": "a", "image": "x"}]}'
EC2_UUID = "ec2e1916-9099-7caf-fd21-012345abcdef"
TOKEN_AND_DATA = ["PUT /latest/api/token", "GET /latest/meta-data/instance-id", "GET /latest/user-data"]


@pytest.fixture(params=[False, True], ids=["ipv4", "ipv6"])
def service(request: pytest.FixtureRequest) -> Iterator[Metadata]:
    running = Metadata(BODY, ipv6=request.param)
    running.start()
    yield running
    with contextlib.suppress(OSError):
        running.stop()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Metadata]:
    running = Metadata(BODY)
    running.start()
    yield running
    running.stop()


def read(tmp_path: Path, url: str, **more: str) -> SourceResult:
    environ = {variables.ENDPOINT_VARIABLE: url, **more}
    return sources.read_user_data(True, str(tmp_path / "cache"), environ, root=str(tmp_path / "root"))


def machine(tmp_path: Path, **facts: str) -> str:
    places = {"hypervisor": "sys/hypervisor/uuid", "cloud_id": "run/cloud-init/cloud-id"}
    places.update(instance_id="run/cloud-init/.instance-id", record="run/cloud-init/instance-data.json")
    for name, text in facts.items():
        path = tmp_path / "root" / places.get(name, f"sys/class/dmi/id/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return str(tmp_path / "root")


def test_user_data_is_read_with_a_token(service: Metadata, tmp_path: Path) -> None:
    result = read(tmp_path, service.url)
    assert [item.value for item in result.items] == [{"name": "a", "image": "x"}]
    assert result.complete
    assert service.requests == TOKEN_AND_DATA


@pytest.mark.parametrize("refusal", [403, 404, 405, 501])
def test_without_tokens_version_1_is_spoken(plain: Metadata, tmp_path: Path, refusal: int) -> None:
    plain.answers.speaks_tokens = False
    plain.answers.token_refusal = refusal
    assert len(read(tmp_path, plain.url).items) == 1


def test_no_user_data_declares_nothing(plain: Metadata, tmp_path: Path) -> None:
    plain.answers.user_data = None
    result = read(tmp_path, plain.url)
    assert (result.declared, result.complete, result.problems) == (False, True, ())


def test_an_outage_uses_the_last_good_copy_and_says_so(plain: Metadata, tmp_path: Path) -> None:
    machine(tmp_path, board_asset_tag="i-0123456789abcdef0")
    read(tmp_path, plain.url)
    plain.answers.status = 503
    result = read(tmp_path, plain.url)
    assert len(result.items) == 1
    assert result.complete
    assert "503" in result.notes[0]


def test_a_copy_of_another_machine_is_not_used(plain: Metadata, tmp_path: Path) -> None:
    machine(tmp_path, board_asset_tag="i-0123456789abcdef0")
    read(tmp_path, plain.url)
    machine(tmp_path, board_asset_tag="i-11111111111111111")
    plain.answers.status = 503
    result = read(tmp_path, plain.url)
    assert (result.items, result.declared, result.complete) == ((), True, False)


def test_an_outage_on_an_unknown_machine_is_incomplete(plain: Metadata, tmp_path: Path) -> None:
    read(tmp_path, plain.url)
    plain.answers.status = 500
    result = read(tmp_path, plain.url)
    assert not result.complete
    assert "answered 500" in str(result.problems[0])


def test_broken_user_data_uses_the_last_good_copy(plain: Metadata, tmp_path: Path) -> None:
    read(tmp_path, plain.url)
    plain.answers.user_data = b'{"containers": ['
    result = read(tmp_path, plain.url)
    assert len(result.items) == 1
    assert result.complete
    assert "user-data (EC2):1: column" in result.notes[0]
    plain.answers.instance_id = "i-11111111111111111"
    assert not read(tmp_path, plain.url).complete


def test_user_data_that_was_taken_away_does_not_come_back_in_an_outage(
    plain: Metadata, tmp_path: Path
) -> None:
    machine(tmp_path, board_asset_tag="i-0123456789abcdef0")
    read(tmp_path, plain.url)
    plain.answers.user_data = None
    read(tmp_path, plain.url)
    plain.answers.status = 503
    result = read(tmp_path, plain.url)
    assert (result.items, result.declared, result.complete) == ((), False, True)


def test_more_than_the_limit_is_refused(plain: Metadata, tmp_path: Path) -> None:
    plain.answers.user_data = b"#" * (imds.LIMIT_BYTES + 1)
    assert "larger than 65536 bytes" in str(read(tmp_path, plain.url).problems[0])


def test_proxies_of_the_environment_are_not_asked(
    plain: Metadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert read(tmp_path, plain.url, http_proxy="http://127.0.0.1:9").complete


@contextlib.contextmanager
def raw_service(answers: Any) -> Iterator[str]:
    """Answer each connection by `answers(connection, request)`, for what no decent server does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                answers(connection, connection.recv(65536))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_an_answer_that_breaks_off_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    def half(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n#cloud-config\ncontainers: []\n")

    with raw_service(half) as url:
        result = read(tmp_path, url)
    assert not result.complete
    assert "IncompleteRead" in str(result.problems[0])


def test_redirects_are_not_followed(plain: Metadata, tmp_path: Path) -> None:
    def redirect(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(
            f"HTTP/1.1 302 Found\r\nLocation: {plain.url}\r\nContent-Length: 0\r\n\r\n".encode()
        )

    with raw_service(redirect) as url:
        assert "answered 302" in str(read(tmp_path, url).problems[0])
    assert plain.requests == []


def test_a_service_that_drips_its_answer_is_left_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imds, "_ANSWER_SECONDS", 0.3)

    def drip(connection: socket.socket, _request: bytes) -> None:
        connection.settimeout(0.1)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while True:
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError, socket.timeout):
                if not connection.recv(1):
                    return

    before = time.monotonic()
    with raw_service(drip) as url:
        assert not read(tmp_path, url).complete
    assert time.monotonic() - before < 7


@pytest.mark.parametrize(
    "junk", [b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\n\x00", b""]
)
def test_what_is_no_metadata_service_is_a_problem_not_a_traceback(tmp_path: Path, junk: bytes) -> None:
    with raw_service(lambda connection, _request: connection.sendall(junk)) as url:
        assert not read(tmp_path, url).complete


def test_nobody_there_is_told_at_once(tmp_path: Path) -> None:
    before = time.monotonic()
    result = read(tmp_path, "http://127.0.0.1:1")
    assert "http://127.0.0.1:1: " in str(result.problems[0])
    assert time.monotonic() - before < 2


@pytest.mark.parametrize(
    "url", ["https://x", "127.0.0.1", "http://", "http://[x", "http://a b", "http://x:99999"]
)
def test_an_endpoint_that_is_no_address_is_a_problem(tmp_path: Path, url: str) -> None:
    result = read(tmp_path, url)
    assert not result.complete
    assert "write http://HOST" in str(result.problems[0])


def test_the_endpoint_variables_of_the_sdks_are_followed() -> None:
    assert imds.endpoints({}) == ("http://169.254.169.254", "http://[fd00:ec2::254]")
    assert imds.endpoints({imds.MODE_VARIABLE: "IPv6"}) == ("http://[fd00:ec2::254]",)
    assert imds.endpoints({imds.MODE_VARIABLE: "IPv4"}) == ("http://169.254.169.254",)
    both = {imds.MODE_VARIABLE: "IPv6", variables.ENDPOINT_VARIABLE: "http://h:1/base/"}
    assert imds.endpoints(both) == ("http://h:1/base",)


@pytest.mark.parametrize(
    "facts",
    [
        {"sys_vendor": "Amazon EC2"},
        {"chassis_asset_tag": "Amazon EC2"},
        {"bios_version": "4.11.amazon"},
        {"product_uuid": EC2_UUID.upper(), "product_serial": EC2_UUID},
        {"hypervisor": EC2_UUID},
        {"cloud_id": "aws"},
    ],
)
def test_an_ec2_instance_knows_itself(tmp_path: Path, facts: dict[str, str]) -> None:
    assert ec2.is_ec2(machine(tmp_path, **facts))


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"sys_vendor": "QEMU"},
        {"product_uuid": EC2_UUID},
        {"cloud_id": "gce"},
    ],
)
def test_another_machine_is_not_taken_for_one(tmp_path: Path, facts: dict[str, str]) -> None:
    root = machine(tmp_path, **facts)
    assert not ec2.wanted({}, root)
    assert ec2.wanted({variables.ENDPOINT_VARIABLE: "http://x"}, root)
    assert not ec2.wanted(
        {variables.ENDPOINT_VARIABLE: "http://x", "AWS_EC2_METADATA_DISABLED": "true"}, root
    )


def test_the_instance_id_comes_from_this_boots_record_then_from_dmi(tmp_path: Path) -> None:
    root = machine(tmp_path, board_asset_tag="i-0123456789abcdef0")
    assert ec2.local_instance_id(root) == "i-0123456789abcdef0"
    machine(tmp_path, record='{"v1": {"instance_id": "i-22222222"}}')
    assert ec2.local_instance_id(root) == "i-22222222"
    machine(tmp_path, instance_id="iid-datasource-none", record="no json")
    assert ec2.local_instance_id(root) == "i-0123456789abcdef0"
    machine(tmp_path, instance_id="i-33333333")
    assert ec2.local_instance_id(root) == "i-33333333"
    assert ec2.local_instance_id(machine(tmp_path / "other", board_asset_tag="Default string")) == ""


def test_without_aws_the_service_is_not_asked(plain: Metadata, tmp_path: Path) -> None:
    environ = {variables.ENDPOINT_VARIABLE: plain.url}
    assert not sources.read_user_data(False, str(tmp_path), environ, root=str(tmp_path)).declared
    assert plain.requests == []


def test_a_run_with_json_files_alone_loads_nothing_it_does_not_need(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"image": "x"}')
    (tmp_path / "a.json").chmod(0o644)
    program = (
        "import sys\nfrom dockerup import sources\nfrom dockerup.sources.confdir import read_confdir\n"
        f"sources.read_user_data(True, {str(tmp_path)!r}, {{}}, root={str(tmp_path)!r})\n"
        f"found = read_confdir({str(tmp_path)!r})\n"
        "assert len(found.items) == 1 and found.complete, found\n"
        "heavy = {'yaml', 'http', 'email', 'gzip', 'zlib', 'hashlib', 'socket', 'requests'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("\n", "")
