from __future__ import annotations

import gzip
import json
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.sources import kept
from dockerup.sources.result import SourceResult
from dockerup.sources.userdata import parse_userdata

DATA = Path(__file__).parent.parent / "data"
JSON = b'{"containers": [{"image": "a"}, {"image": "b"}]}'
YAML = b"#cloud-config\npackages: [x]\ncontainers:\n- image: a\n- image: b\n"
APPEND = "list(append)+dict(no_replace,recurse_list)"


def images(result: SourceResult) -> list[Any]:
    return [item.value["image"] if isinstance(item.value, dict) else item.value for item in result.items]


def config(*names: str, more: str = "") -> MIMEText:
    return MIMEText(
        f"#cloud-config\n{more}\ncontainers: {json.dumps([{'image': n} for n in names])}\n", "cloud-config"
    )


def mime(*parts: Any) -> bytes:
    message = MIMEMultipart()
    for part in parts:
        message.attach(part)
    return message.as_bytes()


@pytest.mark.parametrize(
    "body", [JSON, YAML, b"\n" + JSON, b"\xef\xbb\xbf" + JSON, YAML.replace(b"\n", b"\r\n")]
)
@pytest.mark.parametrize("wrap", [bytes, gzip.compress, lambda body: gzip.compress(gzip.compress(body))])
def test_json_and_cloud_config_list_containers_be_they_gzipped_or_not(body: bytes, wrap: Any) -> None:
    result = parse_userdata(wrap(body))
    assert images(result) == ["a", "b"]
    assert (result.declared, result.explicit, result.complete) == (True, True, True)


def test_the_paste_with_single_quotes_and_tabs_is_taken() -> None:
    result = parse_userdata((DATA / "two-containers.txt").read_bytes())
    assert images(result) == ["example/my-app", "example/logstash-forwarder"]
    assert str(result.items[1].origin) == "user-data:14: containers[1]"


@pytest.mark.parametrize("body", [b"", b"\n \n"])
def test_no_user_data_declares_nothing(body: bytes) -> None:
    assert parse_userdata(body) == SourceResult("user-data")


@pytest.mark.parametrize(
    "body",
    [
        b"#!/bin/sh\ncontainers:",
        b"#include http://x/y",
        b"#include-once\nhttp://x/y",
        b"#cloud-boothook\nx",
        b"#part-handler\nx",
        b"#upstart-job\nx",
        b"#cloud-config\n",
        b"#cloud-config\npackages: [x]\n",
        b"#cloud-config\ncontainers:\n",
        b"#cloud-config\nruncmd: [a]\nruncmd: [b]\nx: !Custom y\n",
        b'{"containers": null}',
        b'{"ignition": {"version": "3.0.0"}}',
    ],
)
def test_what_is_for_someone_else_declares_nothing_and_is_noted(body: bytes) -> None:
    result = parse_userdata(body)
    assert (result.items, result.declared, result.complete, result.problems) == ((), False, True, ())
    assert result.notes


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"## template: jinja\n#cloud-config\n{{ x }}", "cloud-init alone can render"),
        (b"hello", "no format of user-data"),
        (b"containers: []\n", 'Write "#cloud-config" in the first line'),
        (b"eyJjb250YWluZXJzIjogW119", "encode it once"),
        (b"\x00\x01\xff", "no format of user-data"),
        (b'{"container": []}', 'Did you mean "containers"?'),
        (b'{"Containers": []}', 'Did you mean "containers"?'),
        (b'[{"image": "a"}]', 'Write {"containers": [...]}'),
        (b'{"image": "a"}', 'Write {"containers": [...]}'),
        (b'{"containers": {"image": "a"}}', "containers is an object, where a list is expected"),
        (b"#cloud-config\ncontainers: web\n", "user-data:2: containers: containers is a single value"),
        (b"#cloud-config\ncontainers: [{a: 1, a: 2}]\n", "stands twice"),
        (b"#cloud-config\na: b: c\n", "user-data:2: column 5"),
        (b"#cloud-config\n- a\n", "cloud-config is no mapping"),
        (b'{"containers": [', "user-data:1: column"),
        (b"#cloud-config\n\xff", "not UTF-8"),
        (gzip.compress(JSON)[:-9], "gzip data breaks off"),
        (b"\x1f\x8bnot gzip", "gzip data is damaged"),
        (gzip.compress(b"a" * 50_000_000), "unpacks to more than 1048576 bytes"),
        (b"Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n\nnothing", "has no parts"),
        (b"#cloud-config-archive\n{}", "no list of parts"),
    ],
)
def test_what_cannot_be_read_makes_the_result_incomplete_and_says_why(body: bytes, says: str) -> None:
    result = parse_userdata(body)
    assert (result.items, result.declared, result.complete) == ((), True, False)
    assert says in str(result.problems[0])


def test_a_key_that_is_nearly_ours_in_cloud_config_is_noted() -> None:
    result = parse_userdata(b"#cloud-config\ncontainer: []\n")
    assert result.complete
    assert 'did you mean "containers" by "container"' in result.notes[0]


def test_an_explicit_empty_list_is_explicit() -> None:
    result = parse_userdata(b"#cloud-config\ncontainers: []\n")
    assert (result.items, result.explicit, result.declared, result.complete) == ((), True, True, True)


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_parts_of_any_kind_are_found_in_a_multi_part(wrap: Any) -> None:
    script = MIMEText("#!/bin/sh\n", "x-shellscript")
    packed = MIMEApplication(gzip.compress(YAML), "x-gzip")
    result = parse_userdata(wrap(mime(script, packed)))
    assert images(result) == ["a", "b"]
    assert result.items[0].origin.source == "user-data, part 2"
    assert images(parse_userdata(mime(MIMEText(JSON.decode(), "plain")))) == ["a", "b"]
    assert images(parse_userdata(mime(MIMEApplication(JSON, "json"), script))) == ["a", "b"]
    assert images(parse_userdata(mime(MIMEText(YAML.decode(), "x-shellscript", "utf-8")))) == ["a", "b"]


def test_the_last_list_replaces_unless_its_part_appends() -> None:
    assert images(parse_userdata(mime(config("a"), config("b")))) == ["b"]
    assert images(parse_userdata(mime(config("a"), config("b", more=f"merge_how: {APPEND}")))) == ["a", "b"]
    asked = (
        "merge_how: [{name: list, settings: [append]}, {name: dict, settings: [no_replace, recurse_list]}]"
    )
    assert images(parse_userdata(mime(config("a"), config("b", more=asked)))) == ["a", "b"]
    asked = "merge_type: list(prepend)+dict(recurse_array)+str()"
    assert images(parse_userdata(mime(config("a"), config("b", more=asked)))) == ["b", "a"]


@pytest.mark.parametrize("header", ["Merge-Type", "X-Merge-Type"])
def test_a_header_asks_for_appending_too(header: str) -> None:
    later = config("b")
    later[header] = APPEND
    assert images(parse_userdata(mime(config("a"), later))) == ["a", "b"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("list(append)+dict(replace)", ["c"]),
        ("list(append)+dict()", ["a", "b"]),
        ("list(append)", ["a", "b"]),
        ("list()+dict(recurse_list)", ["c", "b"]),
        ("list(no_replace)+dict(recurse_list)", ["a", "b"]),
        ("dict(recurse_list)", ["a", "b"]),
    ],
)
def test_merging_is_that_of_cloud_init(asked: str, expected: list[str]) -> None:
    assert images(parse_userdata(mime(config("a", "b"), config("c", more=f"merge_how: {asked}")))) == expected


def test_a_broken_part_leaves_the_others_and_makes_the_result_incomplete() -> None:
    result = parse_userdata(mime(config("a"), MIMEText("#cloud-config\na: b: c", "cloud-config")))
    assert images(result) == ["a"]
    assert not result.complete
    assert str(result.problems[0]).startswith("user-data, part 2:2: column 5")


def test_an_archive_is_unpacked() -> None:
    entry = "{type: text/cloud-config, content: 'containers: [{image: a}]'}"
    archive = f"#cloud-config-archive\n- '#!/bin/sh'\n- {entry}\n"
    result = parse_userdata(archive.encode())
    assert images(result) == ["a"]
    assert result.complete


def test_wrappings_without_end_are_refused() -> None:
    body = JSON
    for _ in range(8):
        body = gzip.compress(body)
    assert "deep" in str(parse_userdata(body).problems[0])
    assert "multi-parts" in str(parse_userdata(mime(*[MIMEMultipart() for _ in range(30)])).problems[0])


PIECES = [
    *[b"MIME-Version: 1.0\n", b"Content-Type: multipart/mixed; boundary=x\n", b"--x\n", b"--x--\n", b"\n"],
    *[b"Content-Type: text/cloud-config; charset=nope\n", b"Content-Transfer-Encoding: base64\n"],
    *[b"Content-Transfer-Encoding: x-uuencode\n", b"Content-Type: \xff/\x00\n", b"Merge-Type: list(\n"],
    *[
        b"#cloud-config\n",
        b"#cloud-config-archive\n",
        b"- ",
        b"{",
        b"containers: ",
        b"[",
        b"\xff",
        b"\x1f\x8b",
    ],
    *[b"content: ", b"merge_how: 5\n", b"type: x\n", b"a"],
]


@given(st.binary() | st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join))
def test_no_bytes_raise(body: bytes) -> None:
    for wrapped in (body, gzip.compress(body)):
        result = parse_userdata(wrapped)
        assert result.complete == (not result.problems)
        assert str(result.problems) is not None


@given(st.binary(), st.text("abci-0123", min_size=1))
def test_a_copy_gives_back_what_was_kept_for_its_own_instance(body: bytes, instance_id: str) -> None:
    raw = kept.encode(instance_id, body)
    assert kept.decode(raw, instance_id) == body
    assert kept.decode(raw, instance_id + "x") is None
    assert kept.decode(raw[:-1], instance_id) is None
    assert kept.decode(raw.replace(b" 1 ", b" 2 ", 1), instance_id) is None


@given(st.binary(), st.text())
def test_a_foreign_copy_is_as_if_absent(raw: bytes, instance_id: str) -> None:
    assert kept.decode(raw, instance_id) is None


def test_copies_lie_in_a_directory_of_their_own_that_nobody_else_may_enter(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert kept.read_copy(str(cache), "i-1") is None
    assert kept.write_copy(str(cache), "i-1", b"body") == ""
    (directory,) = cache.iterdir()
    (file,) = directory.iterdir()
    assert (directory.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert kept.read_copy(str(cache), "i-1") == b"body"
    first = file.stat().st_ino
    assert kept.write_copy(str(cache), "i-1", b"body") == ""
    assert file.stat().st_ino == first
    file.chmod(0o666)
    assert kept.read_copy(str(cache), "i-1") is None


def test_a_copy_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    assert kept.write_copy(str(tmp_path / "cache"), "i-1", b"body")
    assert kept.write_copy(str(tmp_path / "other"), "two words", b"body")
