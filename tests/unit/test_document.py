from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dockerup import document, yaml_document
from dockerup.problems import InvalidInputError

DATA = Path(__file__).parent.parent / "data"


def value_of(text: str) -> Any:
    return document.load(text, "f").value


def messages(text: str, only: str | None = None) -> str:
    with pytest.raises(InvalidInputError) as raised:
        document.load(text, "f", only)
    return str(raised.value)


PLAIN = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text()
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_json_gives_the_value_it_holds(value: object, indent: Any) -> None:
    assert value_of(json.dumps([value], indent=indent)) == [value]


@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1, max_size=4))
def test_a_json_text_has_a_line_for_each_key(value: dict[str, object]) -> None:
    text = json.dumps(value, indent=1)
    origin = document.load(text, "f").origin
    lines = text.split("\n")
    for key in value:
        assert lines[origin.at(key).line - 1].startswith(f" {json.dumps(key)}:")


YAML_PIECES = [
    *"{}[]:,-?&*!|>'\"%@#~<=ab10\\\n\t. ",
    "\r\n",
    "<<: ",
    "- ",
    ": ",
    "&a ",
    "*a",
    "!!int ",
    "---\n",
    "\0",
]
YAML_TEXT = st.lists(st.sampled_from(YAML_PIECES), max_size=60).map("".join)


def _read_or_refused(text: str) -> str:
    try:
        read = document.load(text, "f")
    except InvalidInputError as error:
        return str(error)
    json.dumps(read.value).encode()
    assert read.origin.at("a", 0).line >= 0
    return "f: read"


@given(st.text() | YAML_TEXT | st.lists(YAML_TEXT).map("\n".join))
def test_no_text_raises_anything_but_invalid_input(text: str) -> None:
    assert _read_or_refused(text).startswith("f:")


@given(YAML_TEXT)
def test_the_parser_written_in_python_takes_what_the_fast_one_takes_without_a_traceback(text: str) -> None:
    fast = yaml_document._LOADER
    try:
        yaml_document._LOADER = yaml.SafeLoader
        said = _read_or_refused(text)
    finally:
        yaml_document._LOADER = fast
    assert said.startswith("f:")


@given(st.binary())
def test_any_bytes_are_text_or_invalid_input(raw: bytes) -> None:
    try:
        expected = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        with pytest.raises(InvalidInputError, match="not UTF-8"):
            document.decode(raw, "f")
    else:
        assert document.decode(raw, "f") == expected


@pytest.mark.parametrize(
    "typed",
    ["22:22", "1.10", "on", "yes", "no", "0644", "2024-01-01", "0x1f", "1_000", "1e3", "True", "+1", ".5"],
)
def test_yaml_keeps_what_was_typed(typed: str) -> None:
    assert value_of(f"a: {typed}") == {"a": typed}


def test_yaml_knows_the_scalars_of_json() -> None:
    read = value_of("[null, ~, true, false, 0, -12, '1', \"true\"]")
    assert read == [None, None, True, False, 0, -12, "1", "true"]
    assert value_of("a:\nb: 5") == {"a": None, "b": 5}


def test_keys_are_always_strings() -> None:
    assert value_of("on: a\n8080: b\ntrue: c") == {"on": "a", "8080": "b", "true": "c"}


def test_numbers_with_a_point_stay_as_typed_in_json_too() -> None:
    assert value_of('{"v": 1.10, "w": 12345678901234567890}') == {"v": "1.10", "w": "12345678901234567890"}


def test_the_paste_with_single_quotes_and_tabs_gives_both_containers() -> None:
    read = document.load((DATA / "two-containers.txt").read_text(), "f")
    assert isinstance(read.value, dict)
    assert [entry["name"] for entry in read.value["containers"]] == ["my-app", "logstash-forwarder"]
    assert read.origin.at("containers", 1, "volumes", 0, "mode").line == 22


def test_tabs_inside_strings_are_kept() -> None:
    assert value_of("{'a':\t'b\tc',}") == {"a": "b\tc"}


def test_comments_may_stand_before_a_pasted_json_text() -> None:
    assert value_of("#cloud-config\n{\n\t'a':\t1\n}") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{\n "a": 1\n "b": 2}', 'f:3: column 2: expected "," or the closing bracket'),
        ('{"a":1\n"b":2}', 'f:2: column 1: expected ","'),
        ('{"a": "x\n}', "f:1: column 9: expected the closing quote"),
        ("{'a': 1,\n 'b' 2}", "f:2: column 6"),
        ('{"a" 1}', 'expected ":"'),
        ('{"a": 1}\n{"b": 2}', "Write several containers as a list"),
        ("a: b: c", "f:1: column 5"),
        ("a:\n\t- b", "not tabs"),
        ("a: 1\nb: 2\na: 3", 'f:3: a: the key "a" stands twice, in lines 1 and 3'),
        ('{"x": {"a": 1,\n"a": 2}}', 'f:2: x.a: the key "a" stands twice, in lines 1 and 2'),
        ("--- a\n--- b", "f:2: a second document begins here"),
        ("a: &a [*a]", "stands inside what it names"),
        ("a: *b", "nothing is named &b above"),
        ("a: !Ref b", 'f:1: a: the tag "!Ref"'),
        ("a: !!python/object:os.system x", "means nothing here"),
        ("a: b\x00", "column 5: the character U+0000"),
        ("a: {{ x }}", "f:1: a: a key is a list or a mapping"),
        ("a: {b: {[x]: 1}}", "f:1: a.b: a key is a list or a mapping"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("a: \ud800", "surrogate"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text: str, says: str) -> None:
    assert says in messages(text)


def test_every_duplicate_is_told_not_the_first_only() -> None:
    assert messages("a: 1\na: 2\nb: {c: 1, c: 2}").count("stands twice") == 2


def test_faults_outside_of_our_key_are_left_to_the_other_reader() -> None:
    text = "runcmd: [a]\nruncmd: !Sub b\ncontainers: [{image: a}]"
    assert document.load(text, "f", "containers").value == {"runcmd": "b", "containers": [{"image": "a"}]}
    assert "stands twice" in messages("containers: [{a: 1, a: 2}]", "containers")
    assert "stands twice" in messages("containers: []\ncontainers: []", "containers")


def test_anchors_and_merges_work_and_own_keys_win() -> None:
    text = "x: &x {a: 1, b: 2}\nz: &z {b: 4, c: 5}\ny:\n  <<: [*x, *z]\n  a: 3"
    read = document.load(text, "f")
    assert isinstance(read.value, dict)
    assert read.value["y"] == {"a": 3, "b": 2, "c": 5}
    assert [read.origin.at("y", key).line for key in "abc"] == [5, 1, 2]
    assert "takes in what is no mapping" in messages("a:\n  <<: 5")


def test_a_missing_key_has_the_line_of_what_lacks_it() -> None:
    for text in ("a:\n- b: 1\n- c: 2", '{"a": [\n{"b": 1},\n{"c": 2}]}'):
        assert document.load(text, "f").origin.at("a", 1, "image").line == 3


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    raw = b"\xef\xbb\xbfa: 1\r\nb:\r\n- c\r\n"
    read = document.load(document.decode(raw, "f"), "f")
    assert read.value == {"a": 1, "b": ["c"]}
    assert read.origin.at("b", 0).line == 3


LAUGHS = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]" for n in range(20))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested more than 100 deep"),
        ('{"a":' * 100_000, "nested more than 100 deep"),
        ("- " * 50_000, "nested more than 100 deep"),
        ("[" * 101 + "]" * 101, "nested more than 100 deep"),
        ("a: &a [" + "[" * 98 + "]" * 98 + "]\nb: [[[*a]]]", "nested more than 100 deep"),
        (LAUGHS, "more than 100000 values"),
        ("[" + "1," * 200_000 + "1]", "more than 100000 values"),
        ("- a\n" * 100_001, "more than 100000 values"),
        ("a" * 1_048_577, "more than 1048576"),
    ],
)
def test_bombs_are_refused_in_no_time(text: str, says: str) -> None:
    before = time.process_time()
    assert says in messages(text)
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    "text", ['"' * 100_000, '{"' + '\\"' * 400_000, "{" + '\\"' * 400_000, "{'" + "[," * 50_000]
)
def test_quotes_without_an_end_take_no_time(text: str) -> None:
    before = time.process_time()
    assert messages(text)
    assert time.process_time() - before < 5


def test_as_deep_as_allowed_is_allowed() -> None:
    assert value_of("[" * 100 + "]" * 100)
    assert value_of("a:\n  " + "[" * 99 + "]" * 99)
