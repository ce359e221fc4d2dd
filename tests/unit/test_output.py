"""What containers print, made fit to be shown."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.output import cut, frames, harmless, hidden, last_lines, passed_on

# None of what stands in "(hidden)": what replaces a value must not be the beginning of another.
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="()hiden.\r\n"), min_size=4, max_size=12)


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07end", "red end"),
        ("bell\x07 and \u202eback", "bell? and ?back"),
        ("a\ttab\r", "a tab"),
        ("  indented", "  indented"),
        ("two\n  lines\n", "two lines"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text())
def test_harmless_text_is_one_printable_line(text: str) -> None:
    assert harmless(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('Get "https://s3.example.com/b?X-Sig=abc&t=1": EOF', 'Get "https://s3.example.com/b?(hidden)": EOF'),
        ("two\nlines", "two lines"),
        ("why? http://a/b and why?", "why? http://a/b and why?"),
        ("x" * 2000, "x" * 997 + "..."),
    ],
)
def test_what_is_passed_on_is_one_line_without_what_gives_a_right(text: str, shown: str) -> None:
    assert passed_on(text) == shown


@given(st.text(max_size=600), st.integers(3, 600))
def test_cut_text_is_no_longer_than_asked_for(text: str, most: int) -> None:
    assert len(cut(text, most)) == min(len(text), most)
    assert text.startswith(cut(text, most)) or cut(text, most).endswith("...")


@given(st.lists(SECRETS, min_size=1, max_size=4), st.lists(st.text(max_size=8), min_size=1), st.randoms())
def test_no_value_to_hide_is_in_a_hidden_text(
    secrets: Sequence[str], words: Sequence[str], random: object
) -> None:
    mixed = [*secrets, *words]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    text = hidden("".join(mixed), secrets)
    assert [one for one in secrets if one in text] == []


@given(SECRETS, st.integers(4, 12))
def test_beginning_of_a_value_before_a_cut_is_hidden(secret: str, kept: int) -> None:
    text = hidden(f"it is {secret[:kept]}...", [secret])
    assert secret[:4] not in text


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("abc abcd", ["abc"], "abc abcd"),
        ("abcd abc", ["abcd"], "(hidden) abc"),
        ("longer than long", ["long", "longer"], "(hidden) than (hidden)"),
        ("a.c+d", ["a.c+"], "(hidden)d"),
        ("key: second line", ["first line\nsecond line\n"], "key: (hidden)"),
        ("to be continued...", ["secret"], "to be continued..."),
        ("nothing", [], "nothing"),
        ("nothing", [""], "nothing"),
    ],
)
def test_values_of_4_characters_and_their_lines_are_hidden(text: str, values: list[str], shown: str) -> None:
    assert hidden(text, values) == shown


@given(
    st.lists(st.tuples(st.integers(1, 2), st.binary(min_size=1, max_size=40)), max_size=20),
    st.integers(1, 50),
)
def test_frames_are_the_same_however_they_are_cut_on_the_way(
    pieces: list[tuple[int, bytes]], size: int
) -> None:
    wire = b"".join(frame(*piece) for piece in pieces)
    chunks = [wire[start : start + size] for start in range(0, len(wire), size)]
    assert list(frames(chunks)) == pieces


def test_half_a_frame_is_none() -> None:
    assert list(frames([frame(1, b"whole"), frame(1, b"half")[:-1]])) == [(1, b"whole")]


def test_lines_keep_the_order_of_their_ends_and_streams_do_not_mix() -> None:
    pieces = [(1, b"out"), (2, b"err\nmore "), (1, b"put\nend"), (2, b"err\n")]
    assert last_lines(pieces, 20) == ["err", "output", "more err", "end"]
    assert last_lines(pieces, 2) == ["more err", "end"]


def test_value_to_hide_shows_neither_in_pieces_nor_where_a_line_is_cut() -> None:
    pieces = [(1, b"x" * 16_380), (1, b"hunter22hunter22\n"), (1, b"my hun"), (1, b"ter22\n")]
    first, second = last_lines(pieces, 20, ["hunter22"])
    assert (len(first), second) == (500, "my (hidden)")
    (line,) = last_lines([(1, b"x" * 490 + b"hunter22")], 20, ["hunter22"])
    assert line == "x" * 490 + "(hidden)"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert last_lines([(1, b"\xff\xfe ok\n")], 20) == ["\ufffd\ufffd ok"]
