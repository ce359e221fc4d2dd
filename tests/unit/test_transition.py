"""Which stopped container served until somebody stopped it."""

from __future__ import annotations

import pytest

from dockerup import labels
from dockerup.definition import describe
from dockerup.snapshot import Container, ContainerId, Detail, ImageId
from dockerup.transition import was_stopped

KILLED = 137


def exited(exit_code: int, detail: Detail, made_with: str) -> Container:
    made = {labels.DEFINITION: describe({"restart": made_with}, "salt")}
    own = ContainerId("c1"), "web", ImageId("i1"), "nginx", "exited"
    return Container(*own, created=0, exit_code=exit_code, labels=made, detail=detail)


@pytest.mark.parametrize(
    ("made_with", "exit_code", "expected"),
    [
        ("always", KILLED, True),
        ("always", 0, True),
        ("unless-stopped", KILLED, True),
        ("on-failure", KILLED, True),
        ("on-failure", 0, False),  # it did its work
        ("on-failure:3", 1, False),  # the engine gave it up
        ("no", 1, False),
    ],
)
def test_stopped_is_what_the_engine_would_have_started_again(
    made_with: str, exit_code: int, expected: bool
) -> None:
    assert was_stopped(exited(exit_code, Detail(made_with), made_with)) == expected


@pytest.mark.parametrize(("made_with", "expected"), [("always", True), ("on-failure:3", True), ("no", False)])
def test_what_may_not_be_started_any_more_was_stopped_for_a_replacement(
    made_with: str, expected: bool
) -> None:
    assert was_stopped(exited(KILLED, Detail("no"), made_with)) == expected


def test_what_could_not_be_started_was_not_stopped() -> None:
    assert not was_stopped(exited(128, Detail("always", error="port is already allocated"), "always"))
