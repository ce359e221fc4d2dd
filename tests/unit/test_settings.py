"""The settings: file and flags, which of them holds, and what a person is told of their mistakes."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.logins import RegistryLogin
from dockerup.problems import InvalidInputError, Origin
from dockerup.settings import SETTINGS, Settings, read_settings
from dockerup.sources.result import Item

FILE = "/etc/dockerup/dockerup.conf"
EXAMPLE = Path(__file__).parent.parent / "data" / "dockerup.conf"


def told(text: str, **flags: str) -> list[str]:
    with pytest.raises(InvalidInputError) as raised:
        read_settings(text, FILE, flags)
    return [str(problem) for problem in raised.value.problems]


def test_an_empty_file_gives_the_defaults() -> None:
    settings = read_settings("", FILE, {})
    assert settings == Settings()
    assert (settings.confdir, settings.aws, settings.pull) == ("/etc/dockerup/containers.d", True, True)
    assert (settings.unmanaged, settings.ignore, settings.prune) == ("remove", (), "managed")
    assert (settings.keep_images, settings.concurrency, settings.pull_timeout) == (1, 8, 600)
    assert settings.health_timeout == 0


def test_the_example_of_the_original_is_read_as_it_stands() -> None:
    settings = read_settings(EXAMPLE.read_text(), FILE, {})
    assert (settings.confdir, settings.aws) == ("/etc/dockerup/containers.d", True)


# A value of each setting that is not its default, as text and as what it means.
OTHER: dict[str, tuple[str, object]] = {
    "confdir": ("/srv/c.d", "/srv/c.d"),
    "aws": ("false", False),
    "remote": ("tcp://10.0.0.1:2376", "tcp://10.0.0.1:2376"),
    "pull": ("no", False),
    "interval": ("30", 30),
    "username": ("ada", "ada"),
    "password": ("pa=ss #word", "pa=ss #word"),
    "registry_auth": ("/etc/dockerup/auth.json", "/etc/dockerup/auth.json"),
    "unmanaged": ("keep", "keep"),
    "ignore": ("web-*, db", ("web-*", "db")),
    "prune": ("none", "none"),
    "keep_images": ("0", 0),
    "prune_when_full": ("85%", 85),
    "concurrency": ("2", 2),
    "pull_timeout": ("1", 1),
    "splay": ("50", 50),
    "health_timeout": ("90", 90),
    "wait": ("0", 0),
}


def test_every_setting_is_tried() -> None:
    assert OTHER.keys() == {key for key, row in SETTINGS.items() if not row.of_object}


@pytest.mark.parametrize("key", OTHER)
def test_a_setting_is_read_from_the_file_and_from_its_flag(key: str) -> None:
    text, meant = OTHER[key]
    assert meant != SETTINGS[key].default
    expected = {**dataclasses.asdict(Settings()), key: meant}
    assert dataclasses.asdict(read_settings(f"{key}={text}\n", FILE, {})) == expected
    assert dataclasses.asdict(read_settings("", FILE, {key: text})) == expected


def test_a_flag_overrides_the_file_and_leaves_the_rest() -> None:
    settings = read_settings("aws=false\nprune=none\n", FILE, {"aws": "true"})
    assert (settings.aws, settings.prune) == (True, "none")


def test_comments_blank_lines_and_spaces_mean_nothing() -> None:
    text = "# aws=false\n\n; prune=all\r\n  interval =  5  \n"
    assert read_settings(text, FILE, {}) == Settings(interval=5)


@pytest.mark.parametrize(("text", "percent"), [("0", 0), ("0%", 0), ("10", 10), ("85", 85), ("99%", 99)])
def test_percentage_may_have_its_sign(text: str, percent: int) -> None:
    assert read_settings(f"prune_when_full = {text}", FILE, {}).prune_when_full == percent


@pytest.mark.parametrize("word", ["true", "True", "yes", "ON", "1"])
def test_words_for_true(word: str) -> None:
    assert read_settings(f"aws={word}", FILE, {"pull": word}) == Settings()


@pytest.mark.parametrize("word", ["false", "False", "no", "OFF", "0"])
def test_words_for_false(word: str) -> None:
    assert read_settings(f"aws={word}", FILE, {"pull": word}) == Settings(aws=False, pull=False)


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("conf_dir=/a", 'there is no setting "conf_dir"', 'Did you mean "confdir"?'),
        ("Prune=all", 'there is no setting "Prune"', 'Did you mean "prune"?'),
        ("keep-images=2", 'there is no setting "keep-images"', 'Did you mean "keep_images"?'),
        ("xyzzy=1", 'there is no setting "xyzzy"', "Write one of: aws, concurrency, confdir,"),
        ("aws true", '"aws" without a "=" after it is not a setting', "Write key=value."),
        ("[dockerup]", "this line is not a setting", "Write key=value."),
        ("aws=perhaps", '"perhaps" is no value for aws', "Write true or false."),
        ("confdir=etc", '"etc" is no value for confdir', "Write an absolute path."),
        ("prune=some", '"some" is no value for prune', "Write one of: none, managed, all."),
        ("interval=0", '"0" is no value for interval', "Write a whole number from 1 to 86400."),
        ("interval=1.5", '"1.5" is no value for interval', "Write a whole number from 1 to 86400."),
        ("interval=\u0663", '"\u0663" is no value for interval', "Write a whole number from 1 to 86400."),
        ("concurrency=65", '"65" is no value for concurrency', "Write a whole number from 1 to 64."),
        ("keep_images=-1", '"-1" is no value for keep_images', "Write a whole number from 0 to 100."),
        (
            "health_timeout=30s",
            '"30s" is no value for health_timeout',
            "Write a whole number from 0 to 86400.",
        ),
        *(
            (
                f"prune_when_full={text}",
                f'"{text}" is no value for prune_when_full',
                "Write a percentage from 10% to 99%, or 0.",
            )
            for text in ("9%", "100%", "0.85", "85 %", "85%%", "%")
        ),
        ("pull_timeout=", '"" is no value for pull_timeout', "Write a whole number from 1 to 86400."),
    ],
)
def test_a_mistake_is_told_with_file_line_and_remedy(line: str, what: str, fix: str) -> None:
    (message,) = told(f"# settings\n\n{line}\n")
    assert message.startswith(f"{FILE}:3: {what}. {fix}")


def test_a_mistake_in_a_flag_names_the_flag() -> None:
    assert told("", keep_images="many") == [
        '--keep-images: "many" is no value for keep_images. Write a whole number from 0 to 100.'
    ]


def test_all_mistakes_are_told_at_once() -> None:
    messages = told("aws=x\nprunes=all\ninterval\nprune=all\nprune=none\n", concurrency="0")
    places = [message.partition(": ")[0] for message in messages]
    assert sorted(places) == ["--concurrency", f"{FILE}:1", f"{FILE}:2", f"{FILE}:3", f"{FILE}:5"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{\n  "confdir": "/srv",\n  "aws": true\n}\n', 4),
        ("#!/bin/sh\nset -e\nPATH=/bin\nexec dockerup\n", 3),
        ('<!doctype html>\n<html lang="en">\n<title>404</title>\n\n</html>\n', 4),
        ("\0\1\n\2\n\3=\n", 3),
    ],
)
def test_a_file_of_another_kind_is_told_in_a_line(text: str, lines: int) -> None:
    (message,) = told(text, pull="true")
    assert message == (
        f"{FILE}: this is no settings file: none of its {lines} lines is a setting. "
        "Write lines such as confdir=/etc/dockerup/containers.d, or name another file with --config."
    )
    assert len(told(text, pull="perhaps")) == 2


@pytest.mark.parametrize(
    "text", ["confdri=/srv\nasw=no", "confdir: /srv\naws: false\nfoo\nbar", "a=1\nb\nc\naws="]
)
def test_a_settings_file_with_mistakes_is_told_all_of_them(text: str) -> None:
    assert len(told(text)) == len(text.splitlines())


def test_a_key_that_stands_twice_names_both_lines() -> None:
    assert told("aws=true\n#\naws=false") == [f'{FILE}:3: "aws" stands in line 1 too. Keep one of them.']


def test_a_password_is_in_no_repr() -> None:
    settings = read_settings("username=ada\npassword=hunter2", FILE, {})
    assert settings.password == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "ada" in repr(settings)


@pytest.mark.parametrize(
    "line", ["pasword=hunter2", "password hunter2", "password: hunter2", "hunter2", "passwd=hunter2"]
)
def test_no_message_shows_what_may_be_a_password(line: str) -> None:
    assert "hunter2" not in "".join(told(f"{line}\npassword=hunter2\npassword=hunter2\n"))


def test_secrets_have_no_flag() -> None:
    assert [key for key, row in SETTINGS.items() if row.secret and row.flag] == []
    assert [key for key, row in SETTINGS.items() if row.secret] == ["password", "registryAuth"]


# The block of user-data.


def block(value: object) -> Item:
    return Item(value, Origin("user-data").at("dockerup"))


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({}, Settings()),
        ({"aws": False, "interval": 30, "prune": "none"}, Settings(aws=False, interval=30, prune="none")),
        ({"interval": "30", "aws": "no"}, Settings(aws=False, interval=30)),
        ({"ignore": ["web-*", "db"]}, Settings(ignore=("web-*", "db"))),
        ({"ignore": []}, Settings()),
        ({"ignore": "web-*, db"}, Settings(ignore=("web-*", "db"))),
    ],
)
def test_a_block_of_user_data_holds_the_same_settings(value: object, meant: Settings) -> None:
    assert read_settings("", FILE, {}, block(value)) == meant


def test_flags_go_before_the_block_and_the_block_before_the_file() -> None:
    text, given_there = "prune=none\nwait=1\ninterval=1", {"prune": "all", "interval": 2}
    assert read_settings(text, FILE, {"interval": "3"}, block(given_there)) == Settings(
        prune="all", wait=1, interval=3
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "user-data: dockerup: this is no object of settings. Write key: value below it."),
        ({"wiat": {}}, 'user-data: dockerup.wiat: there is no setting "wiat". Did you mean "wait"?'),
        ({"prune": "some"}, 'user-data: dockerup.prune: "some" is no value for prune. Write one of: none,'),
        ({"remote": None}, "user-data: dockerup.remote: the value is not one line of text, a number or"),
        ({"password": {"a": "hunter2"}}, "user-data: dockerup.password: the value is not one line of text"),
        ({"username": ["a", "b"]}, "user-data: dockerup.username: the value is not one line of text"),
        ({"ignore": [["a"]]}, "user-data: dockerup.ignore: the value is not one line of text"),
        ({"confdir": "/a\n"}, "user-data: dockerup.confdir: the value is not one line of text"),
        ({"interval": 1 << 70}, "user-data: dockerup.interval: the value is not one line of text"),
    ],
    ids=repr,
)
def test_a_mistake_in_the_block_is_told_with_its_path(value: object, message: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        read_settings("", FILE, {}, block(value))
    (problem,) = raised.value.problems
    assert str(problem).startswith(message)
    assert "hunter2" not in str(problem)


def test_logins_stand_in_the_block_as_an_object() -> None:
    value = {"registryAuth": {"a.b": {"username": "ada", "password": "hunter2"}}, "registry_auth": "/a.json"}
    settings = read_settings("registry_auth=/b.json", FILE, {}, block(value))
    assert settings.registryAuth == (RegistryLogin("a.b", "ada", "hunter2"),)
    assert settings.registry_auth == "/a.json"
    assert "hunter2" not in repr(settings)


def test_a_mistake_in_the_logins_of_the_block_is_told_with_its_path() -> None:
    value = {"registryAuth": {"a.b": {"username": "ada", "pasword": "hunter2"}}, "aws": "x"}
    with pytest.raises(InvalidInputError) as raised:
        read_settings("", FILE, {}, block(value))
    messages = [str(problem) for problem in raised.value.problems]
    assert messages[1].startswith(
        'user-data: dockerup.registryAuth.a.b.pasword: there is no key "pasword" here.'
    )
    assert len(messages) == 3
    assert "hunter2" not in "".join(messages)


def test_logins_do_not_stand_in_a_line_of_the_file() -> None:
    (message,) = told("registryAuth={hunter2}")
    assert message == (
        f"{FILE}:1: the value is no value for registryAuth. "
        "Write registry_auth=FILE, and what this should hold into that file."
    )


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)


@given(
    st.dictionaries(
        st.sampled_from([*SETTINGS]) | st.text(max_size=4),
        VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.text(max_size=2), VALUES, max_size=2),
    )
)
def test_no_block_raises_anything_but_invalid_input(value: object) -> None:
    with contextlib.suppress(InvalidInputError):
        assert read_settings("", FILE, {}, block(value)) is not None


# Any text.


LINES = st.lists(
    st.builds(
        lambda key, sign, value: f"{key}{sign}{value}",
        st.sampled_from([*SETTINGS, "x", "#", ""]),
        st.sampled_from(["=", " = ", "", ":"]),
        st.sampled_from(["true", "1", "/a", "keep", "none", "9" * 10, "\0"]) | st.text(max_size=5),
    ),
    max_size=4,
)


@given(st.text() | LINES.map("\n".join), st.dictionaries(st.sampled_from([*SETTINGS]), st.text(max_size=4)))
def test_no_text_raises_anything_but_invalid_input(text: str, flags: dict[str, str]) -> None:
    with contextlib.suppress(InvalidInputError):
        assert read_settings(text, FILE, flags) == read_settings(text, FILE, flags)
