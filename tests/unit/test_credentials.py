"""Which login is for a registry: the order of settings, docker's file and helpers, and each asked once."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Callable

import pytest

from dockerup import credential_helper
from dockerup.configuration import load
from dockerup.credentials import Logins, home_of, problems_of_passwords, read_registry_auth
from dockerup.logins import Login, NoLoginError, RegistryLogin
from dockerup.problems import Origin
from dockerup.settings import Settings

SECRET = "hunter2"
ADA = Login("ada", SECRET)
STORED = {"auth": "Ym9iOmh1bnRlcjI="}
BOB = Login("bob", SECRET)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / ".docker").mkdir(mode=0o755, parents=True)
    made.chmod(0o755)
    return made


@pytest.fixture
def docker_config(home: Path) -> Callable[..., Path]:
    def write(raw: str = "", **document: Any) -> Path:
        return private(home / ".docker" / "config.json", raw or json.dumps(document))

    return write


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Helpers by name: "good" knows carol, "empty" nobody, all others fail. The list is who was asked."""
    calls: list[tuple[str, str]] = []

    def ask_helper(name: str, domain: str, *_more: object) -> Login | None:
        calls.append((name, domain))
        if name == "empty":
            return None
        if name != "good":
            raise NoLoginError(f"{name} failed for {domain}")
        return Login("carol", SECRET)

    monkeypatch.setattr(credential_helper, "ask_helper", ask_helper)
    return calls


def logins(home: Path, *entries: RegistryLogin, **settings: str) -> Logins:
    return Logins(Settings(registryAuth=entries, **settings), {"HOME": str(home)})  # type: ignore[arg-type]


# The order.


def test_the_settings_go_before_docker(home: Path, docker_config: Callable[..., Path]) -> None:
    docker_config(auths={"a.b": STORED, "c.d": STORED})
    found = logins(home, RegistryLogin("a.b", "ada", SECRET))
    assert (found.find("a.b"), found.find("c.d"), found.find("e.f")) == (ADA, BOB, None)
    assert found.notes == ()


def test_username_and_password_are_docker_hubs_and_nobody_elses(
    home: Path, docker_config: Callable[..., Path]
) -> None:
    docker_config(auths={"a.b": STORED, "docker.io": STORED})
    found = logins(home, username="ada", password=SECRET)
    assert (found.find("docker.io"), found.find("a.b"), found.find("c.d")) == (ADA, BOB, None)


def test_an_entry_for_docker_hub_goes_before_username_and_password(home: Path) -> None:
    found = logins(home, RegistryLogin("docker.io", "ada", SECRET), username="eve", password="x")
    assert found.find("docker.io") == ADA


def test_a_registry_is_found_however_its_host_is_written(home: Path) -> None:
    assert logins(home, RegistryLogin("a.b:5000", "ada", SECRET)).find("A.b:5000") == ADA


def test_a_helper_goes_before_what_is_stored(
    home: Path, docker_config: Callable[..., Path], asked: list[tuple[str, str]]
) -> None:
    docker_config(credHelpers={"a.b": "good", "plain.example.com": ""}, credsStore="empty", auths={
        "a.b": STORED, "c.d": STORED, "plain.example.com": STORED,
    })  # fmt: skip
    found = logins(home)
    assert found.find("a.b") == Login("carol", SECRET)
    assert found.find("c.d") == BOB
    assert found.find("plain.example.com") == BOB
    assert found.find("e.f") is None
    assert asked == [("good", "a.b"), ("empty", "c.d"), ("empty", "e.f")]
    assert found.notes == ()


def test_no_helper_is_asked_for_what_the_settings_know(
    home: Path, docker_config: Callable[..., Path], asked: list[tuple[str, str]]
) -> None:
    docker_config(credsStore="good")
    found = logins(home, RegistryLogin("a.b", "ada", SECRET), username="ada", password=SECRET)
    assert (found.find("a.b"), found.find("docker.io")) == (ADA, ADA)
    assert asked == []


def test_a_helper_for_one_registry_that_knows_no_login_is_worth_a_note(
    home: Path, docker_config: Callable[..., Path], asked: list[tuple[str, str]]
) -> None:
    docker_config(credHelpers={"a.b": "empty"})
    found = logins(home)
    assert found.find("a.b") is None
    assert found.find("a.b") is None
    assert found.notes == ("docker-credential-empty knows no login for a.b, which is asked without one",)


# Once.


def test_a_helper_is_asked_once_for_each_registry_whatever_it_says(
    home: Path, docker_config: Callable[..., Path], asked: list[tuple[str, str]]
) -> None:
    docker_config(credHelpers={"a.b": "bad", "c.d": "good"})
    found = logins(home)
    for _ in range(3):
        with pytest.raises(NoLoginError, match=r"bad failed for a\.b"):
            found.find("a.b")
        assert found.find("c.d") == Login("carol", SECRET)
    assert asked == [("bad", "a.b"), ("good", "c.d")]


def test_threads_that_want_one_login_ask_once_for_it(
    home: Path, docker_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_config(credsStore="good")
    begun, go = threading.Event(), threading.Event()
    asked: list[str] = []

    def ask_helper(name: str, _domain: str, *_more: object) -> Login:
        asked.append(name)
        begun.set()
        assert go.wait(30)
        return ADA

    monkeypatch.setattr(credential_helper, "ask_helper", ask_helper)
    found = logins(home)
    threads = [threading.Thread(target=found.find, args=("a.b",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    go.set()
    for thread in threads:
        thread.join()
    assert asked == ["good"]


def test_a_login_that_was_refused_is_not_given_again(home: Path) -> None:
    found = logins(home, RegistryLogin("a.b", "ada", SECRET), RegistryLogin("c.d", "ada", SECRET))
    assert found.find("a.b") == ADA
    found.refuse("a.b", 'a.b refuses the login of user "ada"')
    with pytest.raises(NoLoginError, match=r'^a\.b refuses the login of user "ada"$'):
        found.find("a.b")
    assert found.find("c.d") == ADA


# docker's file.


def test_a_file_that_is_not_there_is_no_fault(home: Path) -> None:
    found = logins(home / "nowhere")
    assert (found.find("a.b"), found.notes) == (None, ())


def test_docker_config_names_another_directory(home: Path, tmp_path: Path) -> None:
    directory = tmp_path / "other"
    directory.mkdir(mode=0o755)
    private(directory / "config.json", json.dumps({"auths": {"a.b": STORED}}))
    environ = {"HOME": str(home), "DOCKER_CONFIG": str(directory)}
    assert Logins(Settings(), environ).find("a.b") == BOB


def test_without_home_it_is_that_of_the_user_and_of_nobody_the_root_directory() -> None:
    assert home_of({"HOME": "/home/ada"}, 0) == "/home/ada"
    assert home_of({}, 0) == home_of({"HOME": ""}, 0) == "/root"
    assert home_of({}, 4_000_000_000) == "/"


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        ("{", "{path}: line 1, column 2: this is no JSON."),
        (
            '{"auths": {"a.b": {"auth": "hunter2"}}}',
            '{path}: auths: "a.b": "auth" is not the base64 of USER:PASSWORD.',
        ),
    ],
)
def test_a_broken_file_is_told_once_with_its_fault_and_gives_no_login(
    home: Path, docker_config: Callable[..., Path], raw: str, note: str
) -> None:
    path = docker_config(raw)
    found = logins(home)
    assert [found.find(domain) for domain in ("a.b", "c.d", "docker.io")] == [None, None, None]
    (told,) = found.notes
    assert told.startswith(note.replace("{path}", str(path)))
    assert told.endswith("Registries are asked without it")


def test_a_file_that_others_can_write_to_names_no_program_for_root(
    home: Path, docker_config: Callable[..., Path], asked: list[tuple[str, str]]
) -> None:
    path = docker_config(credsStore="good")
    path.chmod(0o622)
    found = logins(home)
    assert found.find("a.b") is None
    (note,) = found.notes
    assert f"Run: chmod go-w {path}" in note
    assert asked == []


# The file of registry_auth, and files of passwords.


GOOD = json.dumps({"a.b": {"username": "ada", "password": SECRET}})


def test_the_file_of_the_settings_holds_what_the_block_does(tmp_path: Path) -> None:
    logins, problems = read_registry_auth(str(private(tmp_path / "auth.json", GOOD)))
    assert (logins, problems) == ((RegistryLogin("a.b", "ada", SECRET),), [])


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (
            GOOD,
            0o640,
            "{path}: others may read this secret (mode 0640). Run: chmod 0600 {path}",
        ),
        (
            GOOD,
            0o604,
            "{path}: others may read this secret (mode 0604). Run: chmod 0600 {path}",
        ),
        (GOOD, 0o622, "{path}: others may write to {path} (mode 0622). Run: chmod go-w {path}"),
        ('{"a.b"\n: hunter2', 0o600, "{path}:"),
        ('{\n"a.b":\n{"username": "ada"}}', 0o600, "{path}:2: a.b: it has no password. Write password: PASS"),
        ("", 0o600, "{path}: this is no object of registries. Write {HOST: {username: USER, password: PASSW"),
    ],
)
def test_a_fault_in_the_file_is_told_with_its_line_and_remedy(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    path = private(tmp_path / "auth.json", text, mode)
    logins, problems = read_registry_auth(str(path))
    assert logins == ()
    assert str(problems[0]).startswith(message.replace("{path}", str(path)))
    assert SECRET not in str(problems)


def test_a_file_that_is_not_there_is_a_fault_when_it_is_named(tmp_path: Path) -> None:
    _logins, (problem,) = read_registry_auth(str(tmp_path / "auth.json"))
    assert str(problem).startswith(f"{tmp_path}/auth.json: there is no such file. Make it, 0600, or take")


@pytest.mark.parametrize("text", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n"])
def test_a_password_may_be_in_a_file_with_the_end_of_a_line(home: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(text.encode())
    path.chmod(0o600)
    entry = RegistryLogin("a.b", "ada", password_file=str(path))
    assert logins(home, entry).find("a.b") == ADA
    assert list(problems_of_passwords([entry])) == []


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (
            SECRET,
            0o644,
            "{path}: others may read this secret (mode 0644). Run: chmod 0600 {path}",
        ),
        (
            "",
            0o600,
            "here: {path} holds not one line of text. Write the password, and nothing else",
        ),
        (f"{SECRET}\nx\n", 0o600, "here: {path} holds not one line of text."),
        (None, 0, "here: there is no file {path}. Write the password into it, 0600."),
    ],
)
def test_a_password_that_cannot_be_had_is_a_reason_and_a_fault(
    home: Path, tmp_path: Path, text: str | None, mode: int, message: str
) -> None:
    path = tmp_path / "password"
    if text is not None:
        private(path, text, mode)
    entry = RegistryLogin("a.b", "ada", password_file=str(path), origin=Origin("here"))
    message = message.replace("{path}", str(path))
    with pytest.raises(NoLoginError) as raised:
        logins(home, entry).find("a.b")
    assert str(raised.value).startswith(f"the password for a.b cannot be had: {message}")
    (problem,) = problems_of_passwords([entry])
    assert str(problem).startswith(message)
    assert SECRET not in str(problem)


# What a run is told.


def configured(tmp_path: Path, text: str) -> Any:
    confdir = tmp_path / "containers.d"
    confdir.mkdir(mode=0o755)
    auth = private(tmp_path / "auth.json", text)
    conf = private(tmp_path / "conf", f"confdir={confdir}\naws=false\nregistry_auth={auth}\n")
    return load(str(conf), {}, str(tmp_path / "cache"), {})


def test_the_logins_of_the_file_are_in_the_settings_of_a_run(tmp_path: Path) -> None:
    configuration = configured(tmp_path, GOOD)
    assert configuration.settings.registryAuth == (RegistryLogin("a.b", "ada", SECRET),)
    assert configuration.desired().problems == ()


def test_a_fault_in_the_file_ends_no_run_and_is_among_its_problems(tmp_path: Path) -> None:
    configuration = configured(tmp_path, '{"a.b": 1}')
    desired = configuration.desired()
    (problem,) = desired.problems
    assert "a.b: this is no login" in str(problem)
    assert desired.complete
