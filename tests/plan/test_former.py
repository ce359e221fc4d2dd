"""While a definition is held back since it failed, newer images come to what serves in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from dockerup import labels
from dockerup.changes import changes_of
from dockerup.history_entries import entries_of
from dockerup.host import Policy
from dockerup.keys.replicas import replica_names
from dockerup.memory import failed_names
from dockerup.outcome import Result
from dockerup.plan import make_plan
from dockerup.snapshot import Snapshot
from dockerup.steps import Create
from tests.model import Box, Model, sha256
from tests.plan.conftest import profile
from tests.plan.hosts import Case, Listing, interrupted
from tests.plan.strategies import PUSHED, content_of, documents, new_model

few = profile()
fewer = settings(few, max_examples=few.max_examples * 5 // 8)
FAULTS = ({"EXITS": "1"}, {"UNWELL": "1"})
MOST_TRIES = 3  # as listed with each of two images, and with what serves and the newer one


@dataclass
class Broken:
    """A host of which some entries have a definition that fails, and then a newer image of some tags.

    `before` are the entries as they were, `faulty` the names of those that fail, `bad` the tags of which the
    newer image fails whatever the definition is.
    """

    case: Case
    before: tuple[Mapping[str, Any], ...]
    faulty: frozenset[str]
    bad: frozenset[str]


@st.composite
def broken(draw: st.DrawFn) -> Broken:
    before = tuple({**one, "image": _service(one), "restart": "always"} for one in draw(documents()))
    case = Case(Listing(before), new_model(), Policy(prune="managed", keep_images=0, salt="salt"))
    case.settle()
    faulty = draw(st.sets(st.sampled_from([one["name"] for one in before]), min_size=1))
    fault = draw(st.sampled_from(FAULTS))
    now = (
        {**one, "env": {**one.get("env", {}), **fault}} if one["name"] in faulty else one for one in before
    )
    case.listing = Listing(tuple(now))
    if draw(st.booleans()):
        case.settle()
    bad = draw(st.sets(st.sampled_from(PUSHED)))
    push(case, 2, bad)
    case.model.calls.clear()
    return Broken(case, before, frozenset(faulty), frozenset(bad))


def push(case: Case, version: int, bad: set[str] | frozenset[str] = frozenset()) -> None:
    for tag in PUSHED:
        content = content_of(tag, version)
        case.model.registry.push(tag, replace(content, exits=1) if tag in bad else content)


def _service(one: Any) -> str:
    image = str(one["image"])
    return "shop/web:1" if image == "shop/done:1" else image


def alone(name: str, listed: tuple[Mapping[str, Any], ...]) -> bool:
    """Tell whether no other entry has to do with one."""
    own = next(one for one in listed if one["name"] == name)
    bonds = {"links", "network", "dependsOn"} & {*own} or {"from"} & {
        key for volume in own["volumes"] for key in volume
    }
    others = str([one for one in listed if one is not own])
    return not bonds and f"'{name}'" not in others and f"container:{name}" not in others


def names_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of an entry's containers."""
    return replica_names(document["name"], document) or (document["name"],)


def assert_few_tries(host: Broken, results: list[Result]) -> None:
    tries = [one.node.step.entry for one in results if isinstance(one.node.step, Create)]
    for document in host.before:
        if alone(document["name"], host.before):
            assert all(tries.count(name) <= MOST_TRIES for name in names_of(document)), tries


def serving(case: Case) -> dict[str, Box]:
    """Return the running container of each entry, under its own name."""
    return {box.name: box for box in case.model.boxes.values() if box.state == "running"}


def assert_all_serve_and_rest(host: Broken, case: Case) -> None:
    names = {spec.name for spec in case.specs}
    found = serving(case)
    assert found.keys() == names, f"{case.model}\n{case.plan()}"
    assert {box.restart for box in found.values()} == {"always"}
    left = {box.name for box in case.model.boxes.values()} - names
    assert left <= {failed for name in names for failed in failed_names(name)}
    assert case.plan().changes == (), str(case.plan())


def assert_newest_that_is_good(host: Broken, case: Case) -> None:
    """Look that each broken entry that is alone has what it had, with the newest image that is good."""
    for document in host.before:
        name = document["name"]
        pulls = document.get("update", {}).get("pull", True)  # else it has what the others' pulls leave here
        if name not in host.faulty or not alone(name, host.before) or not pulls:
            continue
        tag, env = document["image"], {"PATH": "/bin", **document.get("env", {})}
        version = 2 if tag in PUSHED and tag not in host.bad else 1
        for box in (serving(case)[name] for name in names_of(document)):
            assert (box.env, box.image_id) == (env, content_of(tag, version).image_id), case.model
            assert (labels.FORMER in box.labels) == (version == 2)


@few
@given(broken())
def test_newer_image_comes_to_what_serves_and_then_all_is_quiet(host: Broken) -> None:
    case = host.case
    before = serving(case).keys()
    results = case.settle()
    note(f"{case.model}")
    assert serving(case).keys() >= before
    assert_all_serve_and_rest(host, case)
    assert_newest_that_is_good(host, case)
    assert_few_tries(host, results)


@settings(fewer, max_examples=fewer.max_examples // 3)  # each is a run for each of its calls
@given(broken())
def test_run_killed_at_any_call_is_finished_by_those_after_it(host: Broken) -> None:
    case = host.case
    case.run()  # as listed, with the newest image: its kills are another test's
    case.model.calls.clear()
    for call, killed in enumerate(interrupted(case), 1):
        if call % 2:
            killed.model.reboot()
        killed.settle()
        assert_all_serve_and_rest(host, killed)
        assert_newest_that_is_good(host, killed)


@fewer
@given(broken())
def test_mended_definition_is_taken_and_nothing_is_left_of_what_failed(host: Broken) -> None:
    case = host.case
    case.settle()
    mended = ({**one, "env": {"MENDED": "yes"}} for one in host.before)
    case.listing = Listing(tuple(mended))
    push(case, 3)
    case.settle()
    assert {box.env.get("MENDED") for box in serving(case).values()} == {"yes"}
    assert {box.name for box in case.model.boxes.values()} == {spec.name for spec in case.specs}
    assert case.plan().changes == (), str(case.plan())


@fewer
@given(broken())
def test_what_failed_is_tried_again_when_its_time_comes_and_never_more_often(host: Broken) -> None:
    case = host.case
    case.settle()
    for _ in range(3):
        failed = [box for box in case.model.boxes.values() if box.state != "running"]
        case.model.clock = max([case.model.clock, *(box.created + 24 * 3600 for box in failed)])
        results = case.settle()
        assert_all_serve_and_rest(host, case)
        assert_few_tries(host, results)


@pytest.mark.parametrize("fault", FAULTS)
def test_second_try_that_a_kill_cut_short_goes_back_as_the_first_did(fault: Mapping[str, str]) -> None:
    case = Case(Listing((FORMER,)), new_model(), Policy(salt="salt"))
    case.settle()
    case.listing = Listing(({**FORMER, "env": fault},))
    case.settle()
    before = serving(case)["web"].container_id
    case.model.clock += 24 * 3600
    for killed in interrupted(case):
        killed.settle()
        assert serving(killed)["web"].container_id == before
        assert killed.plan().changes == (), str(killed.plan())


class Remembered(Model):
    """An engine of which it is remembered that nothing was changed in place."""

    def snapshot(self) -> Snapshot:
        return replace(super().snapshot(), in_place={})


LISTED = {"name": "web", "image": "shop/web:1", "env": {"EXITS": "1"}}
FORMER = {"name": "web", "image": "shop/web:1", "env": {"TOKEN": "hunter2"}, "memory": "64m"}


def held_back(former: Mapping[str, Any] = FORMER, listed: Mapping[str, Any] = LISTED, *more: Any) -> Case:
    """Return a host on which a definition failed and is held back, and then as well with a newer image."""
    case = Case(Listing((former, *more)), new_model(), Policy(salt="salt"))
    case.settle()
    case.listing = Listing((listed, *more))
    case.run()
    push(case, 2)
    case.run()
    return case


def said(case: Case) -> str:
    return next(str(node.step.cause) for node in case.plan().nodes if node.step.entry == "web")


def test_container_is_inspected_for_its_secrets_only_when_there_is_a_newer_image_for_it() -> None:
    case = held_back()
    assert first_wanted(case) == {case.model.by_name("web").container_id}
    case.settle()
    assert first_wanted(case) == frozenset()


def first_wanted(case: Case) -> frozenset[str]:
    """Return what is to be inspected where nothing was yet, and all that was changed in place is known."""
    observed = replace(case.model.snapshot(), in_place={})
    desired, answers = case.listing.desired, case.answers(observed)
    return frozenset(make_plan(desired, observed, answers, case.policy, case.model.clock).wanted)


def test_former_definition_is_made_anew_to_the_letter() -> None:
    case = held_back({**FORMER, "logConfiguration": {"logDriver": "syslog", "options": {"tag": "hunter2"}}})
    before = replace(case.model.by_name("web"))
    case.settle()
    after = case.model.by_name("web")
    assert (after.secrets, after.limits, after.restart) == (before.secrets, before.limits, before.restart)
    same = (labels.HASH, labels.IN_PLACE_HASH, labels.DEFINITION, labels.NAME, labels.SOURCE)
    assert [after.labels[key] for key in same] == [before.labels[key] for key in same]
    assert after.container_id != before.container_id


def test_former_definition_has_what_was_changed_in_place_since() -> None:
    case = Case(Listing((FORMER,)), new_model(), Policy(salt="salt"))
    case.settle()
    case.listing = Listing(({**FORMER, "memory": "128m"},))
    case.settle()
    case.listing = Listing(({**LISTED, "memory": "128m"},))
    case.run()
    push(case, 2)
    case.settle()
    box = case.model.by_name("web")
    assert (box.limits["Memory"], box.image_id) == (str(128 << 20), content_of("shop/web:1", 2).image_id)


def relabelled(key: str, before: str, after: str) -> Callable[[Case], None]:
    """Return what changes a label of what serves."""

    def change(case: Case) -> None:
        box = case.model.by_name("web")
        assert before in box.labels[key]
        box.labels = {**box.labels, key: box.labels[key].replace(before, after)}

    return change


def nothing(_case: Case) -> None:
    """Leave all as it is."""


OTHER = {"name": "other", "image": "shop/db:1"}
PORT = {"portMappings": [{"containerPort": 80, "hostPort": 8001}]}
IN_DEFINITION = '"image":"shop/web:1"'
UNREADABLE = "what it was made from cannot be read from its labels"
OBSTACLES: dict[str, tuple[Any, Any, Callable[[Case], None], str]] = {
    "bonds": (
        ({**FORMER, "links": {"other": "it"}}, OTHER),
        (LISTED, OTHER),
        nothing,
        "it holds on to other containers than are listed for it now",
    ),
    "port": (
        (FORMER, {**OTHER, **PORT}),
        (LISTED, {**OTHER, **PORT}),
        relabelled(labels.DEFINITION, IN_DEFINITION, f"{IN_DEFINITION},{json.dumps(PORT)[1:-1]}"),
        "its host port 8001 is another entry's by now",
    ),
    "secrets": (
        (FORMER,),
        (LISTED,),
        relabelled(labels.DEFINITION, IN_DEFINITION, f'{IN_DEFINITION},"secrets":{{"key":{{}}}}'),
        "the secrets that it has as files are others by now",
    ),
    "version": (
        (FORMER,),
        (LISTED,),
        relabelled(labels.HASH, "1:", "0:"),
        "another version of dockerup made it",
    ),
    "in place": (
        (FORMER,),
        (LISTED,),
        relabelled(labels.IN_PLACE_HASH, "1:", "1:0"),
        "it is not known what of it was changed in place since it was made",
    ),
    "definition": (
        (FORMER,),
        (LISTED,),
        relabelled(labels.DEFINITION, IN_DEFINITION, f'{IN_DEFINITION},"privileged":true'),
        "the engine does not tell it as its labels do",
    ),
    "no image": ((FORMER,), (LISTED,), relabelled(labels.DEFINITION, '"image"', '"mirage"'), UNREADABLE),
    "no object": (
        (FORMER,),
        (LISTED,),
        relabelled(labels.DEFINITION, '{"TOKEN"', '7,"x":{"TOKEN"'),
        UNREADABLE,
    ),
}


@pytest.mark.parametrize(("before", "listed", "spoil", "why"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_cannot_be_made_anew_stays_and_why_is_said(
    before: tuple[Any, ...], listed: tuple[Any, ...], spoil: Callable[[Case], None], why: str
) -> None:
    case = Case(Listing(before), Remembered(), Policy(salt="salt"))
    push(case, 1)
    case.settle()
    case.listing = Listing(listed)
    case.run()
    spoil(case)
    push(case, 2)
    served = case.model.by_name("web").container_id
    case.settle()
    assert case.model.by_name("web").container_id == served
    assert said(case).endswith(f"; what serves stays as it is: {why}")


def test_definition_that_failed_and_image_that_came_after_it_in_one_run_are_told_apart() -> None:
    case = Case(Listing((FORMER,)), new_model(), Policy(salt="salt"))
    case.settle()
    case.listing = Listing((LISTED,))
    push(case, 2)
    before = case.model.snapshot()
    results = [*case.run(), *case.run()]  # a run goes on like this where a failure cut it short
    former, newer = changes_of(results, {})
    assert str(former).startswith("web: not replaced (definition changed: ")
    assert former.error.endswith("; what ran before runs again")
    assert str(newer).startswith("web: replaced (newer image: with the definition that serves; digest ")
    assert newer.error == ""
    entries = entries_of(results, before, case.model.snapshot(), "run", 0.0)
    assert [one.outcome for one in entries] == ["rolled back", "done"]


def test_new_definition_that_serves_is_told_though_a_newer_image_fails_after_it_in_one_run() -> None:
    case = Case(Listing((FORMER,)), new_model(), Policy(prune="none", salt="salt"))
    case.settle()
    push(case, 2, {"shop/web:1"})
    case.run()
    case.listing = Listing(({**FORMER, "env": {"KEY": "new"}},))
    before = case.model.snapshot()
    results = case.run()
    defined, newer = changes_of(results, {})
    assert str(defined).startswith("web: replaced (definition changed: ")
    assert str(newer).startswith("web: not replaced (newer image: digest ")
    assert newer.error.endswith("; what ran before runs again")
    entries = entries_of(results, before, case.model.snapshot(), "run", 0.0)
    assert [(one.reason.partition(":")[0], one.outcome) for one in entries] == [
        ("definition changed", "done"),
        ("newer image", "rolled back"),
    ]
    assert all(one.down is not None for one in entries)
    assert entries[0].after == entries[1].before == entries[0].before != entries[1].after


def tries(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Return the value of KEY and the image's version of each new container, in their order."""
    made = [one.node.step for one in results if isinstance(one.node.step, Create)]
    return [(step.spec.definition.get("env", {}).get("KEY", ""), version_of(step)) for step in made]


def version_of(step: Create) -> str:
    digests = {f"manifest of {content_of('shop/web:1', n).image_id}": n for n in (1, 2)}
    told = dict(step.labels)[labels.DIGEST]
    return next(str(n) for text, n in digests.items() if sha256(text) == told)


def with_a_bad_image(**env: str) -> Case:
    """Return a host for which a new definition and a newer image, which fails, came together."""
    case = Case(Listing((FORMER,)), new_model(), Policy(salt="salt"))
    case.settle()
    case.listing = Listing(({**FORMER, "env": {"KEY": "new", **env}},))
    push(case, 2, {"shop/web:1"})
    case.model.calls.clear()
    return case


def assert_new_definition_serves(case: Case) -> None:
    box = case.model.by_name("web")
    assert (box.env.get("KEY"), box.image_id) == ("new", content_of("shop/web:1", 1).image_id), case.model
    assert {box.name for box in case.model.boxes.values()} == {"web", "web.dockerup-failed-image"}
    assert case.plan().changes == (), str(case.plan())


def test_new_definition_that_came_with_a_bad_image_is_made_with_the_image_that_serves_at_once() -> None:
    case = with_a_bad_image()
    assert tries(case.settle()) == [("new", "2"), ("", "2"), ("new", "1")]
    assert_new_definition_serves(case)


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_new_definition_that_came_with_a_bad_image_serves_wherever_one_of_its_runs_is_killed(
    runs: int,
) -> None:
    case = with_a_bad_image()
    for _ in range(runs):
        case.run()
        case.model.calls.clear()
    for call, killed in enumerate(interrupted(case), 1):
        if call % 2:
            killed.model.reboot()
        assert len(tries(killed.settle())) <= MOST_TRIES
        assert_new_definition_serves(killed)


def test_definition_that_failed_with_either_image_is_not_made_again_with_the_first() -> None:
    case = Case(Listing((FORMER,)), new_model(), Policy(salt="salt"))
    case.settle()
    case.listing = Listing(({**FORMER, "env": {"KEY": "new", "EXITS": "1"}},))
    assert tries(case.settle()) == [("new", "1")]
    push(case, 2, {"shop/web:1"})
    assert tries(case.settle()) == [("new", "2"), ("", "2")]
    assert case.plan().changes == ()


def test_definition_and_image_that_both_fail_are_tried_less_and_less_often() -> None:
    case = with_a_bad_image(EXITS="1")
    assert tries(case.settle()) == [("new", "2"), ("", "2"), ("new", "1")]
    made: list[tuple[int, tuple[str, str]]] = []
    for minute in range(0, 24 * 60, 4):
        case.model.clock += 240
        made += [(minute, one) for one in tries(case.run())]
    assert len(made) <= 2 * 8, made  # of either, after 5 minutes, 10, 20 and so on
