"""The table that the engine test of all keys goes by leaves none out."""

from __future__ import annotations

from dockerup.keys import CONTAINER_KEYS
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import parse
from tests.engine.key_rows import entries, rows


def test_no_key_is_without_a_row() -> None:
    assert {row.key for row in rows()} == CONTAINER_KEYS.keys()


def test_a_key_of_which_the_engine_is_told_something_is_looked_for_in_what_it_says() -> None:
    unseen = [row.key for row in rows() if not (row.inspect or row.has) and not row.none]
    assert unseen == []
    told = [row.key for row in rows() if row.none and CONTAINER_KEYS[row.key].tell]
    assert told == []


def test_what_the_rows_list_is_accepted() -> None:
    listed = [{"image": "app:1", **entry} for entry in entries(rows()).values()]
    parsed = parse([Item(one, Origin("keys.yaml")) for one in listed], "confdir")
    assert parsed.problems == ()
