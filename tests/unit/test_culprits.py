"""Who is blamed when a container cannot start: only what was started with it, and what it holds on to."""

from __future__ import annotations

import pytest

from dockerup.culprits import blamed, suspects
from dockerup.outcome import Outcome, Result
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import ContainerSpec, parse
from dockerup.steps import Cause, Created, Node, Phase, Start, Why


def specs(**hold: object) -> tuple[ContainerSpec, ...]:
    documents = [{"name": "base", "image": "a:1"}, {"name": "member", "image": "a:1", **hold}]
    return tuple(parse([Item(one, Origin("test")) for one in documents], "confdir").specs)


def start(entry: str, outcome: Outcome) -> Result:
    step = Start(entry, Created(entry), False, "", Cause(Why.NOT_THERE))
    return Result(Node(1, (), Phase.CONVERGE, entry, step), outcome)


BASE, MEMBER = start("base", Outcome.DONE), start("member", Outcome.FAILED)


@pytest.mark.parametrize(
    ("hold", "found"),
    [
        ({"network": "container:base"}, {"base"}),
        ({"links": {"base": "alias"}}, {"base"}),
        ({"volumes": [{"from": "base"}]}, set()),
        ({"dependsOn": ["base"]}, set()),
        ({}, set()),
    ],
)
def test_one_is_suspected_that_the_other_cannot_start_without(
    hold: dict[str, object], found: set[str]
) -> None:
    assert suspects([BASE, MEMBER], specs(**hold)) == found


@pytest.mark.parametrize(
    "results",
    [
        [MEMBER],
        [BASE],
        [BASE, start("member", Outcome.DONE)],
        [BASE, start("member", Outcome.NOT_RUN)],
        [start("base", Outcome.FAILED), MEMBER],
    ],
)
def test_nobody_is_suspected_without_a_start_and_a_failure_after_it(results: list[Result]) -> None:
    assert suspects(results, specs(network="container:base")) == frozenset()


def test_only_the_start_of_one_that_did_not_last_becomes_a_failure() -> None:
    base, member = blamed([BASE, MEMBER], {"base": "exit code 3"})
    assert (base.outcome, base.text) == (Outcome.FAILED, "exit code 3")
    assert member == MEMBER
    assert blamed([BASE, MEMBER], {"base": ""}) == (BASE, MEMBER)
