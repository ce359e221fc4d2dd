"""Our `dataclass(frozen=True)` does what the standard library's does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

import pytest

from dockerup import records


class One:
    """What both are made of."""

    name: str
    count: int = 3
    more: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="s", repr=False, compare=False)

    @property
    def doubled(self) -> int:
        return self.count * 2


def made(by: Any) -> Any:
    body = {key: value for key, value in vars(One).items() if key not in {"__dict__", "__weakref__"}}
    return by(frozen=True)(type("One", (), body))


@records.dataclass(frozen=True)
class Kept:
    """One that can be pickled, as it is a module's."""

    numbers: tuple[int, ...] = ()


OURS, THEIRS = made(records.dataclass), made(dataclasses.dataclass)


@pytest.mark.parametrize("given", [{}, {"count": 4}, {"more": {"a": "b"}}, {"secret": "t", "count": 0}])
def test_an_instance_has_what_it_was_given_and_the_defaults(given: dict[str, Any]) -> None:
    ours, theirs = OURS("web", **given), THEIRS("web", **given)
    assert vars(ours) == vars(theirs) == dataclasses.asdict(ours)
    assert repr(ours) == repr(theirs)
    assert ours.doubled == theirs.doubled
    assert (ours == OURS("web"), ours != OURS("web")) == (theirs == THEIRS("web"), theirs != THEIRS("web"))
    assert vars(replace(ours, count=9)) == vars(replace(theirs, count=9))


def test_defaults_that_can_change_are_not_shared() -> None:
    assert OURS("web").more is not OURS("web").more


@pytest.mark.parametrize("arguments", [(), ("a", 1, {}, "s", "too many")])
def test_what_cannot_be_made_is_refused(arguments: tuple[object, ...]) -> None:
    for one in (OURS, THEIRS):
        with pytest.raises(TypeError):
            one(*arguments)


def test_an_instance_never_changes() -> None:
    one = OURS("web")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.count = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.name
    assert one == OURS("web")


def test_instances_are_compared_and_hashed_by_their_fields_and_class() -> None:
    assert {Kept((1,)): "found"}[Kept((1,))] == "found"
    assert Kept() != Kept((1,))
    assert OURS("web") != THEIRS("web")
    for one in (copy.copy(Kept((2,))), pickle.loads(pickle.dumps(Kept((2,))))):
        assert one == Kept((2,))
