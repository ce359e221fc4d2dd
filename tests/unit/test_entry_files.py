"""What entries take from files of the host: variables of env files, and secrets."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup import labels
from dockerup.body import create_body
from dockerup.definition import definition_hash, describe
from dockerup.desired import combine
from dockerup.keys.row import Change
from dockerup.problems import InvalidInputError, Origin, Problem
from dockerup.secret_files import clear, place, secrets_directory
from dockerup.sources.result import Item, SourceResult
from dockerup.spec import ContainerSpec, Parsed, parse

SECRET = "correct horse"


def reader(files: Mapping[str, bytes]) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        if path == "/forbidden":
            raise InvalidInputError(Problem(Origin(path), "others may write to it", "Run: chmod go-w it"))
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    return read


def parsed(files: Mapping[str, bytes], **keys: object) -> Parsed:
    return parse([Item({"image": "nginx", **keys}, Origin("c.yaml"))], "confdir", reader(files))


def spec(files: Mapping[str, bytes], **keys: object) -> ContainerSpec:
    found = parsed(files, **keys)
    assert found.problems == ()
    return found.specs[0]


def replace_hash(one: ContainerSpec) -> str:
    return definition_hash(one.definition, Change.REPLACE)


def test_env_files_are_read_as_docker_run_reads_them() -> None:
    text = '\ufeff# a comment\n\n  A=1\nB=" quoted "\r\nC=x=y # no comment\nD=\nA=2\n'
    files = {"/one": text.encode(), "/two": b"D=two\nE=e"}
    one = spec(files, envFiles=["/one", "/two"], env={"E": "mine"})
    expected = {"A": "2", "B": '" quoted "', "C": "x=y # no comment", "D": "two", "E": "mine"}
    assert one.definition["env"] == expected
    assert replace_hash(one) == replace_hash(spec({}, env=expected))


def test_label_files_are_read_as_docker_run_reads_them_and_labels_go_before() -> None:
    files = {"/one": b"# of all\nteam=a\n  bare\nx=1=2\n", "/two": b"team=b\nmine=file\n"}
    one = spec(files, labelFiles=["/one", "/two"], labels={"mine": "entry"})
    expected = {"bare": "", "mine": "entry", "team": "b", "x": "1=2"}
    assert one.definition["labels"] == expected
    assert replace_hash(one) == replace_hash(spec({}, labels=expected))
    assert replace_hash(spec({"/e": b""}, label_file="/e")) == replace_hash(spec({}))


@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Z_]{1,5}\Z"),
        st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0")),
        max_size=4,
    )
)
def test_variables_come_through_an_env_file_as_they_are(env: dict[str, str]) -> None:
    raw = "".join(f"{name}={value}\n" for name, value in env.items()).encode()
    assert spec({"/e": raw}, envFiles="/e").definition.get("env", {}) == env


def test_a_change_of_a_file_is_a_change_of_the_definition() -> None:
    hashes = {
        replace_hash(spec({"/e": raw, "/s": raw}, **keys))
        for raw in (b"A=1", b"A=2")
        for keys in (
            {"envFiles": "/e"},
            {"secrets": {"s": {"file": "/s"}}},
            {"secrets": {"s": {"file": "/s", "env": "S"}}},
        )
    }
    assert len(hashes) == 6


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"envFiles": ["/none"]}, "there is no file /none"),
        ({"envFiles": ["/forbidden"]}, "/forbidden: others may write to it"),
        ({"envFiles": ["/bad"]}, "line 2 of /bad has no value"),
        ({"envFiles": ["/nameless"]}, "line 1 of /nameless has no name before the ="),
        ({"envFiles": ["/binary"]}, "/binary is not UTF-8 text"),
        ({"envFiles": ["/nul"]}, "/nul holds a NUL"),
        ({"labelFiles": ["/none"]}, "there is no file /none"),
        ({"labelFiles": ["/nameless"]}, "line 1 of /nameless has no name before the ="),
        ({"labelFiles": ["/own"]}, '"dockerup.name" is a label that dockerup sets itself'),
        ({"secrets": {"s": {"file": "/none"}}}, "there is no file /none"),
        ({"secrets": {"s": {"file": "/binary", "env": "A"}}}, "what is no UTF-8 text cannot be a variable"),
        ({"secrets": {"s": {"file": "/nul", "env": "A"}}}, "what holds a NUL cannot be a variable"),
        ({"secrets": {"s": {"file": "/bad", "env": "A"}}, "env": {"A": "b"}}, "A is in env, too"),
    ],
)
def test_a_fault_of_a_file_is_that_of_its_entry_and_shows_nothing_of_it(
    keys: dict[str, Any], what: str
) -> None:
    files = {
        "/bad": b"A=1\ncorrect horse\n",
        "/own": b"dockerup.name=other\n",
        "/nameless": b"=correct horse",
        "/binary": b"\xff",
        "/nul": b"A=\0",
    }
    found = parsed(files, **keys)
    assert [one.what for one in found.problems] == [what]
    assert SECRET not in str(found)
    result = SourceResult(
        "confdir",
        (Item({"image": "nginx", **keys}, Origin("c")), Item({"image": "redis"}, Origin("c"))),
        declared=True,
    )
    desired = combine([result], read=reader(files))
    assert ([one.name for one in desired.specs], desired.complete) == (["redis"], False)


def test_a_secret_is_a_variable_without_its_last_newline_or_a_file_as_it_is() -> None:
    files = {"/s": f"{SECRET}\n".encode()}
    one = spec(
        files,
        name="web",
        secrets={"a": {"file": "/s", "env": "PASSWORD"}, "b": {"file": "/s", "mode": "400"}},
    )
    assert one.definition["env"] == {"PASSWORD": SECRET}
    (file,) = one.secret_files
    assert (file.content, file.mode) == (f"{SECRET}\n".encode(), 0o400)
    (mount,) = create_body(one, {}, (), {}, secrets="/run/x")["HostConfig"]["Mounts"]
    assert mount == {
        "Type": "bind",
        "Source": f"/run/x/{file.file_name}",
        "Target": "/run/secrets/b",
        "ReadOnly": True,
    }
    told = [describe(one.definition, "salt"), repr(one), replace_hash(one), str(mount)]
    assert SECRET not in "".join(told)
    assert labels.DEFINITION


def test_one_secret_of_two_entries_has_two_digests() -> None:
    names = {
        spec({"/s": b"x"}, name=name, secrets={"b": {"file": "/s"}}).secret_files[0].file_name
        for name in ("web", "api")
    }
    assert len(names) == 2


def test_the_default_path_and_mode_of_a_secret_are_as_if_they_were_written() -> None:
    short = spec({"/s": b"x"}, secrets={"b": {"file": "/s"}})
    long = spec({"/s": b"x"}, secrets={"b": {"file": "/s", "path": "/run/secrets/b", "mode": "0444"}})
    assert short.definition == long.definition


def test_files_are_placed_for_root_alone_left_as_they_are_and_cleared(tmp_path: Path) -> None:
    directory = str(tmp_path / "secrets")
    files = spec(
        {"/s": b"x"}, secrets={"b": {"file": "/s"}, "c": {"file": "/s", "mode": "0400"}}
    ).secret_files
    assert place(directory, files) == []
    paths = [os.path.join(directory, one.file_name) for one in files]
    before = [os.stat(path).st_ino for path in paths]
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (directory, *paths)] == [0o700, 0o444, 0o400]
    assert place(directory, files) == []
    assert [os.stat(path).st_ino for path in paths] == before
    Path(paths[0]).unlink()
    assert place(directory, files) == []
    clear(directory, {paths[0]})
    assert os.listdir(directory) == [files[0].file_name]
    clear(str(tmp_path / "none"), ())
    assert place("/proc/none/such", files)[0].startswith("secrets cannot be put into /proc/none/such: ")


def test_each_engine_has_a_directory_of_its_own() -> None:
    one, other = (secrets_directory(url, {"XDG_RUNTIME_DIR": "/x"}) for url in ("tcp://a:1", "tcp://b:1"))
    assert one != other
    assert one.endswith(".secrets")


def test_seccomp_profile_in_a_file_is_what_it_holds() -> None:
    files = {"/profile.json": b'{ "syscalls": [],\n "defaultAction": "SCMP_ACT_ALLOW" }'}
    one = spec(files, securityOptions=["seccomp:/profile.json", "no-new-privileges"])
    told = 'seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}'
    assert create_body(one, {}, (), {})["HostConfig"]["SecurityOpt"] == ["no-new-privileges", told]
    other = {"/profile.json": b'{"defaultAction": "SCMP_ACT_ERRNO"}'}
    assert replace_hash(one) != replace_hash(spec(other, securityOptions=["seccomp=/profile.json"]))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({}, "there is no file /profile.json"),
        ({"/profile.json": b"[]"}, "/profile.json is no seccomp profile"),
        ({"/profile.json": b"\xff"}, "/profile.json is no seccomp profile"),
        ({"/profile.json": b"[" * 100_000}, "/profile.json is no seccomp profile"),
    ],
)
def test_seccomp_profile_that_cannot_be_used_is_said(content: Mapping[str, bytes], what: str) -> None:
    (problem,) = parsed(content, securityOptions=["seccomp=/profile.json"]).problems
    assert (problem.what, problem.where.path) == (what, ("securityOptions",))
