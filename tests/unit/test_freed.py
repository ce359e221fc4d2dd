"""What is said of images that went, and how the engine's answers tell how many bytes came back."""

from __future__ import annotations

import pytest

from dockerup.changes import changes_of
from dockerup.engine_json import event_from, freed_by, lately_from
from dockerup.freed import amount
from dockerup.outcome import Outcome, Result
from dockerup.snapshot import ImageEvent, ImageId
from dockerup.steps import Cause, Node, Phase, RemoveImage, Why


def gone(
    name: str,
    frees: int,
    freed: int | None,
    outcome: Outcome = Outcome.DONE,
    why: Why = Why.UNUSED,
    text: str = "",
    image_id: str = "",
) -> Result:
    step = RemoveImage("images", name, ImageId(image_id or name), frees, Cause(why))
    return Result(Node(1, (), Phase.CLEAN_UP, f"image {name}", step), outcome, text, freed=freed)


def told(*results: Result) -> list[str]:
    return [str(change) for change in changes_of(results, {})]


def test_one_image_is_told_by_its_name() -> None:
    assert told(gone("a:1", 5_000_000, 1_500)) == ["image a:1: removed (no longer used; 1.5 kB free again)"]


def test_many_images_are_one_line_with_the_sum() -> None:
    results = [gone("a:1", 900, 100), gone("b:1", 900, 200), gone("c:1", 900, 900, why=Why.FULL)]
    assert told(*results) == [
        "images: 3 removed (no longer used, makes room on a full disk; 1.2 kB free again)"
    ]


def test_sum_of_which_a_part_is_not_known_is_a_limit() -> None:
    assert told(gone("a:1", 500, 100), gone("b:1", 900, None)) == [
        "images: 2 removed (no longer used; up to 1.0 kB free again)"
    ]


def test_image_that_only_lost_a_name_is_not_told_of() -> None:
    assert told(gone("a:1", 0, 0), gone("b:1", 500, 0)) == []


def test_image_that_goes_before_the_last_of_its_names_counts_once() -> None:
    names = [gone("a:1", 0, 70, image_id="a"), gone("a@sha256:1", 90, 0, image_id="a")]
    assert told(*names) == ["image a@sha256:1: removed (no longer used; 70 B free again)"]


def test_image_that_could_not_be_removed_is_told_of_by_itself() -> None:
    failed = gone("b:1", 500, 0, Outcome.FAILED, text="a container uses it")
    assert told(gone("a:1", 500, 500), failed) == [
        "image b:1: not removed (no longer used): a container uses it",
        "image a:1: removed (no longer used; 500 B free again)",
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (7, "7 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (412_345_678, "412 MB"),
        (999_500_000, "1.0 GB"),
        (1_300_000_000, "1.3 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_amount_has_two_digits_at_least(size: int, text: str) -> None:
    assert amount(size) == text


# What the engine answers. The form is that of 20.10.24.

HISTORY = [
    {"Id": "sha256:image", "Size": 0},  # CMD, of which there is no layer
    {"Id": "<missing>", "Size": 30},
    {"Id": "<missing>", "Size": 200},
    {"Id": "sha256:parent", "Size": 1000},
]


def deleted(*ids: str) -> list[dict[str, str]]:
    return [{"Untagged": "a:1"}, *({"Deleted": one} for one in ids)]


def test_layers_that_went_are_the_newest_ones() -> None:
    assert freed_by(deleted("sha256:image", "sha256:layer1"), HISTORY) == 30
    assert freed_by(deleted("sha256:image", "sha256:layer1", "sha256:layer2"), HISTORY) == 230


def test_parent_of_an_image_that_was_built_here_is_no_layer() -> None:
    assert freed_by(deleted("sha256:image", "sha256:layer1", "sha256:parent"), HISTORY) == 30


def test_name_alone_frees_nothing() -> None:
    assert freed_by(deleted(), HISTORY) == 0


def test_without_layers_nobody_knows() -> None:
    assert freed_by(deleted("sha256:image"), HISTORY) is None
    assert freed_by(deleted("sha256:image", "sha256:layer1"), []) is None


def event(kind: str, action: str, seconds: int, subject: str, **attributes: str) -> dict[str, object]:
    return {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": subject, "Attributes": attributes},
        "time": seconds,
        "timeNano": seconds * 10**9,
    }


def test_events_of_images_are_told_apart_and_all_say_how_far_back_they_go() -> None:
    events = [
        event("container", "die", 100, "c1", image="a:1"),
        event("image", "pull", 200, "a:1", name="a"),
        event("image", "tag", 300, "sha256:image", name="b:1"),
    ]
    lately = lately_from(map(event_from, events), {"sha256:image": 50.0})
    assert lately.since == 100
    assert lately.events == (
        ImageEvent(200, "pull", "a:1", "a"),
        ImageEvent(300, "tag", "sha256:image", "b:1"),
    )
    assert lately.unneeded == {"sha256:image": 50.0}


def test_without_an_event_nothing_is_known_of_the_past() -> None:
    assert lately_from([], {}).since > 10**12
