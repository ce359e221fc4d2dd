"""Credential helpers, as real programs that do what helpers do on good days and on bad ones."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dockerup.credential_helper import ask_helper, search_path
from dockerup.logins import Login, NoLoginError
from tests.testbed.waiting import wait_until

SECRET = "hunter2"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(directory: Path, body: str, name: str = "docker-credential-test") -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def ask(directory: Path, domain: str = "r.example.com", timeout: float = 30.0) -> Login | None:
    return ask_helper("test", domain, {"PATH": f"{directory}:/usr/bin:/bin"}, "/root", timeout)


def refusal(directory: Path, timeout: float = 30.0) -> str:
    with pytest.raises(NoLoginError) as raised:
        ask(directory, timeout=timeout)
    assert SECRET not in str(raised.value)
    return str(raised.value)


def test_a_helper_is_told_the_server_and_gives_a_login(directory: Path, tmp_path: Path) -> None:
    said = f'{{"ServerURL": "x", "Username": "ada", "Secret": "{SECRET}"}}'
    program(directory, f"echo \"$1 $(cat) $HOME\" > {tmp_path}/asked; echo '{said}'")
    assert ask(directory) == Login("ada", SECRET)
    assert (tmp_path / "asked").read_text() == "get r.example.com /root\n"


def test_docker_hub_is_asked_for_by_its_old_address(directory: Path, tmp_path: Path) -> None:
    program(directory, f"cat > {tmp_path}/asked; echo '{{}}'")
    assert ask(directory, "docker.io") is None
    assert (tmp_path / "asked").read_text() == "https://index.docker.io/v1/"


def test_a_user_called_token_stands_for_an_identity_token(directory: Path) -> None:
    program(directory, f'echo \'{{"Username": "<token>", "Secret": "{SECRET}"}}\'')
    assert ask(directory) == Login("", identity_token=SECRET)


@pytest.mark.parametrize(
    "body",
    [
        "echo credentials not found in native keychain; exit 1",
        "printf '  credentials not found in native keychain\\r\\n'; exit 3",
        """echo '{"ServerURL": "", "Username": "", "Secret": ""}'""",
    ],
)
def test_a_helper_that_has_no_login_says_so(directory: Path, body: str) -> None:
    program(directory, body)
    assert ask(directory) is None


def test_a_helper_need_not_read_what_it_is_asked(directory: Path) -> None:
    program(directory, f'exec <&-; echo \'{{"Username": "ada", "Secret": "{SECRET}"}}\'')
    assert ask(directory) == Login("ada", SECRET)


def test_a_helper_that_fails_is_named_with_the_command_to_see_why(directory: Path) -> None:
    program(directory, f"echo {SECRET}; echo {SECRET} >&2; exit 7")
    assert refusal(directory) == (
        "docker-credential-test gave no login for r.example.com (exit code 7). "
        "To see why: echo r.example.com | docker-credential-test get"
    )


@pytest.mark.parametrize(
    "body",
    [
        f"echo {SECRET}",
        "true",
        f"echo '[\"{SECRET}\"]'",
        f'echo \'{{"Username": 1, "Secret": "{SECRET}"}}\'',
        f'echo \'{{"Username": "ada", "Secret": ["{SECRET}"]}}\'',
        f"yes {SECRET}",
    ],
)
def test_an_answer_that_is_no_login_is_not_shown(directory: Path, body: str) -> None:
    program(directory, body)
    assert refusal(directory) == "docker-credential-test gave an answer for r.example.com that is no login"


def test_a_helper_that_is_not_there_is_told_with_the_package_that_has_it(directory: Path) -> None:
    with pytest.raises(NoLoginError) as raised:
        ask_helper("ecr-login", "1.dkr.ecr.eu-west-1.amazonaws.com", {"PATH": str(directory)}, "/root")
    assert str(raised.value) == (
        "1.dkr.ecr.eu-west-1.amazonaws.com wants the credential helper docker-credential-ecr-login, "
        "which is not installed: apt-get install amazon-ecr-credential-helper"
    )
    assert refusal(directory).endswith("which is not installed: put it into /usr/local/bin")


def test_a_file_that_is_no_program_cannot_be_run(directory: Path) -> None:
    path = directory / "docker-credential-test"
    path.write_bytes(b"\x7fELF\0\0\0")
    path.chmod(0o755)
    assert refusal(directory) == "docker-credential-test cannot be run for r.example.com: Exec format error"


def test_a_helper_that_is_late_ends_with_all_that_it_started(directory: Path, tmp_path: Path) -> None:
    program(directory, f"echo $$ > {tmp_path}/pids; sleep 1000 & echo $! >> {tmp_path}/pids; wait")
    assert refusal(directory, 8.0).endswith("test gave no login for r.example.com within 8 seconds")
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    wait_until(lambda: not any(map(runs, pids)), "the helper and its child have ended")


def test_a_helper_that_closes_its_output_and_stays_is_late(directory: Path) -> None:
    program(directory, "exec >&-; exec sleep 1000")
    begun = time.monotonic()
    assert "within 1 seconds" in refusal(directory, 1.0)
    assert time.monotonic() - begun < 500


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_helpers_are_looked_for_beyond_the_path_of_cron_and_never_in_the_directory_of_the_day() -> None:
    assert search_path("/usr/bin:/bin") == "/usr/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"
    assert search_path(".:bin::/opt/bin").startswith("/opt/bin:/usr/local/sbin:")


def test_no_shell_reads_the_name_of_a_registry(directory: Path, tmp_path: Path) -> None:
    program(directory, "cat >&2; echo '{}'")
    assert ask(directory, f"x; touch {tmp_path}/made") is None
    assert os.listdir(tmp_path) == ["bin"]
