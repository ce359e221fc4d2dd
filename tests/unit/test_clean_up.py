"""Which images make room, and which were touched lately: what holds for all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.clean_up import FRESH, is_fresh, is_full, oldest_to_reach
from dockerup.snapshot import Disk, Image, ImageEvent, ImageId, Lately

NOW = 1_000_000.0
IMAGES = st.lists(
    st.builds(
        Image,
        image_id=st.uuids().map(lambda number: ImageId(f"sha256:{number.hex}")),
        created=st.integers(0, 5),
        size=st.integers(0, 100),
    ),
    unique_by=lambda image: image.image_id,
    max_size=8,
)
AMOUNTS = st.integers(-50, 900)


def by_age(images: list[Image]) -> list[Image]:
    return sorted(images, key=lambda image: (image.created, image.image_id))


@given(AMOUNTS, IMAGES)
def test_oldest_go_first(least: int, images: list[Image]) -> None:
    chosen = oldest_to_reach(least, images)
    assert chosen == by_age(images)[: len(chosen)]


@given(AMOUNTS, IMAGES)
def test_no_more_go_than_are_needed(least: int, images: list[Image]) -> None:
    chosen = oldest_to_reach(least, images)
    assert sum(image.size for image in chosen[:-1]) < least or not chosen
    assert sum(image.size for image in chosen) >= least or chosen == by_age(images)


def test_what_is_reached_exactly_is_enough() -> None:
    images = [Image(ImageId(name), created=i, size=4) for i, name in enumerate("abc")]
    assert [len(oldest_to_reach(least, images)) for least in (0, 4, 5, 8)] == [0, 1, 2, 2]


@given(AMOUNTS, st.integers(0, 100), IMAGES)
def test_who_needs_more_room_loses_no_fewer(least: int, more: int, images: list[Image]) -> None:
    chosen = oldest_to_reach(least, images)
    assert oldest_to_reach(least + more, images)[: len(chosen)] == chosen


@given(AMOUNTS, IMAGES, st.randoms(use_true_random=False))
def test_order_in_which_they_are_listed_changes_nothing(
    least: int, images: list[Image], mixed: object
) -> None:
    other = list(images)
    mixed.shuffle(other)  # type: ignore[attr-defined]
    assert oldest_to_reach(least, other) == oldest_to_reach(least, images)


@pytest.mark.parametrize(
    ("used", "total", "percent", "full"),
    [
        (86, 100, 85, True),
        (85, 100, 85, False),
        (100, 100, 0, False),
        (0, 0, 85, False),
        (851, 1000, 85, True),
    ],
)
def test_disk_is_full_when_more_than_so_much_is_used(used: int, total: int, percent: int, full: bool) -> None:
    assert is_full(Disk(used, total), percent) is full


def test_disk_that_cannot_be_seen_is_not_full() -> None:
    assert not is_full(None, 85)


MINE = Image(ImageId("sha256:a1"), ("mine:1",))
OURS = Image(ImageId("sha256:a1"), ("dockerup.invalid/web:a1", "web:1"), ("web@sha256:d1",))
KNOWN = Lately((), since=NOW - FRESH)
PULLED = ImageEvent(NOW - FRESH + 1, "pull", "mine:1", "mine")


def test_image_that_nobody_touched_is_not_fresh() -> None:
    assert not is_fresh(MINE, KNOWN, NOW)


@pytest.mark.parametrize("ago", [0.0, 1.0, FRESH - 1.0, FRESH, FRESH + 1.0])
def test_image_is_fresh_for_ten_minutes_after_it_was_pulled(ago: float) -> None:
    lately = replace(KNOWN, events=(replace(PULLED, time=NOW - ago),))
    assert is_fresh(MINE, lately, NOW) is (ago < FRESH)


def test_pull_of_another_image_makes_none_fresh() -> None:
    assert not is_fresh(MINE, replace(KNOWN, events=(replace(PULLED, subject="other:1"),)), NOW)


@pytest.mark.parametrize("ahead", [0.0, 30.0])
def test_image_that_was_built_just_now_is_fresh_and_one_of_the_future_is_not(ahead: float) -> None:
    built = replace(MINE, created=int(NOW + ahead))
    assert is_fresh(built, KNOWN, NOW) is (ahead == 0)


def test_image_of_which_too_little_is_known_is_fresh() -> None:
    short = Lately((), since=NOW - FRESH + 1)
    assert is_fresh(MINE, short, NOW)
    assert not is_fresh(OURS, short, NOW)
    assert not is_fresh(MINE, replace(short, unneeded={MINE.image_id: NOW - FRESH}), NOW)
    assert is_fresh(MINE, replace(short, unneeded={MINE.image_id: NOW - FRESH + 1}), NOW)


@pytest.mark.parametrize(
    ("events", "fresh"),
    [
        ([("pull", "web@sha256:d1", "web"), ("tag", "sha256:a1", "dockerup.invalid/web:a1")], False),
        ([("tag", "sha256:a1", "dockerup.invalid/web:a1"), ("tag", "sha256:a1", "web:1")], False),
        ([("tag", "sha256:a1", "dockerup.invalid/web:a1"), ("pull", "web:1", "web")], True),
        ([("tag", "sha256:a1", "mine:1")], True),
        ([("tag", "sha256:a1", "web:old")], False),  # as a way back does it
        ([("tag", "sha256:a1", "dockerup.invalid/shop:a1")], False),  # for an entry that is gone
        ([("load", "sha256:a1", "web:1")], True),
        ([("untag", "sha256:a1", "web:1")], False),
        # A clean-up was killed when it had taken the name, and the digest with it.
        ([("tag", "sha256:a1", "shop:1"), ("untag", "sha256:a1", "sha256:a1")], False),
        ([("untag", "sha256:a1", "sha256:a1"), ("tag", "sha256:a1", "mine:1")], True),
    ],
)
def test_what_dockerup_does_itself_makes_no_image_fresh(
    events: list[tuple[str, str, str]], fresh: bool
) -> None:
    done = tuple(ImageEvent(NOW - 60 + i, *event) for i, event in enumerate(events))
    assert is_fresh(OURS, replace(KNOWN, events=done), NOW) is fresh


@pytest.mark.parametrize(
    ("tag", "fresh"),
    [
        ("dockerup.invalid/web:a1", False),  # which is no more: its entry is gone
        ("web:old", True),
        ("mine:1", True),
    ],
)
def test_tag_that_dockerup_gives_is_told_from_a_persons_on_an_image_that_is_not_dockerups(
    tag: str, fresh: bool
) -> None:
    theirs = replace(OURS, tags=("web:1",))
    lately = replace(KNOWN, events=(ImageEvent(NOW - 60, "tag", "sha256:a1", tag),))
    assert is_fresh(theirs, lately, NOW) is fresh
