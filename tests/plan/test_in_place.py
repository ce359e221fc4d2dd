"""What the engine can change in a living container is changed there, whatever interrupts that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerup import labels
from dockerup.definition import definition_hash
from dockerup.in_place import remembered, unsure
from dockerup.keys import CONTAINER_KEYS, LIMITS
from dockerup.keys.row import Change
from dockerup.outcome import Outcome
from dockerup.steps import Update
from dockerup.updated import begun, made, refusals
from tests.model import Killed
from tests.plan.conftest import profile
from tests.plan.hosts import Case, Listing, carry_out, plan_for, prefix
from tests.plan.strategies import Document, documents, new_model
from tests.plan.test_properties import assert_as_listed, assert_done, by_subject, could_run

MEMORY_USED = 12 << 20  # bytes: too much for the least of these
LIMITED: tuple[Mapping[str, Any], ...] = (
    *({}, {"memory": "8m"}, {"memory": "16m"}, {"memory": "20m", "pidsLimit": 9}, {"pidsLimit": 8}),
    *({"cpus": "0.5"}, {"cpus": "1.5", "cpu": 100}, {"cpuQuota": 1000, "cpuPeriod": 5000}),
)
RESTARTS = ("always", "unless-stopped")  # what others wait for has to run
few = settings(profile(), max_examples=profile().max_examples // 2)
fewer = settings(profile(), max_examples=profile().max_examples // 10)


def limited(draw: st.DrawFn, listed: tuple[Document, ...]) -> tuple[Document, ...]:
    """Draw limits and restart policies for containers."""
    return tuple(
        {**one, **draw(st.sampled_from(LIMITED)), "restart": draw(st.sampled_from(RESTARTS))}
        for one in listed
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a host that runs what was listed with other limits, as whole or interrupted runs left it."""
    alike = tuple({**one, "image": "shop/web:1"} for one in draw(documents()))
    model = new_model()
    model.memory = MEMORY_USED
    Case(Listing(limited(draw, alike)), model).settle()
    for _ in range(draw(st.integers(0, 2))):
        model.calls.clear()
        model.kill_at = draw(st.one_of(st.just(0), st.integers(1, 12)))
        try:
            Case(Listing(limited(draw, alike)), model).run()
        except Killed:
            model.revive()
        model.kill_at = 0
    if draw(st.booleans()):
        model.reboot()
    model.calls.clear()
    return Case(Listing(limited(draw, alike)), model)


@few
@given(cases())
def test_whatever_was_listed_before_the_engine_has_what_is_listed(case: Case) -> None:
    case.settle()
    assert_as_listed(case)
    assert_done(case)


@few
@given(cases())
def test_plan_from_every_prefix_is_the_rest(case: Case) -> None:
    plan = case.plan()
    if plan.urgent or any(box.name.endswith("-failed") for box in case.model.boxes.values()):
        return  # the plans of a way back are those of tests/plan/test_properties.py
    for done in range(len(plan.nodes) + 1):
        halfway = case.fresh()
        results = carry_out(prefix(plan, done), halfway.model)
        if any(one.outcome is Outcome.REFUSED for one in results):
            return
        made_here = halfway.model.made
        rest = by_subject([node.step for node in plan.nodes[done:] if node in plan.changes], made_here)
        again = halfway.plan()
        assert by_subject([node.step for node in again.changes], made_here) == rest, f"{plan}\n{again}"


@fewer
@given(cases())
def test_run_that_is_killed_or_fails_at_any_call_is_finished_by_the_next(case: Case) -> None:
    whole = case.fresh()
    whole.run()
    served = [spec for spec in case.specs if any(could_run(one, case) for one in case.family(spec.name))]
    for call in range(1, len(whole.model.calls) + 1):
        killed, failing = case.fresh(), case.fresh()
        killed.model.kill_at = failing.model.fail_at = call
        with pytest.raises(Killed):
            killed.run()
        killed.model.revive()
        killed.settle()
        assert_as_listed(killed)
        failing.run()
        for spec in served:
            family = failing.family(spec.name)
            assert any(one.state in {"running", "exited"} for one in family), failing.model.calls
        failing.settle()
        # What the engine refuses, and what then has to wait for another to be replaced, is tried in each run.
        changes = failing.plan().changes
        assert [str(node) for node in changes if not isinstance(node.step, Update)] == []


def only(*limits: Mapping[str, Any], memory: int = 0, **keys: Any) -> Case:
    """Return a host with one container that was listed with each of these limits, the last of them now."""
    model = new_model()
    model.memory = memory
    for one in limits:
        case = Case(Listing(({"name": "web", "image": "shop/web:1", **one, **keys},)), model)
        if one is not limits[-1]:
            case.settle()
    model.calls.clear()
    return case


def lines(case: Case) -> list[str]:
    return [f"{node.step} ({node.step.cause})" for node in case.plan().changes]


def test_limits_are_changed_without_a_stop_and_told_in_the_words_of_the_entry() -> None:
    case = only({"memory": "8m", "cpus": "0.5"}, {"memory": "16m", "cpus": "1.25", "restart": "on-failure:3"})
    changes = "cpus 0.5 -> 1.25; memory 8388608 -> 16777216; restart always -> on-failure:3"
    assert lines(case) == [f"update web in place (definition changed: {changes})"]
    before = case.family("web")[0].container_id
    case.run()
    assert [verb for verb, _ in case.model.calls] == ["update"]
    box = case.model.by_name("web")
    assert (box.container_id, box.restart) == (before, "on-failure:3")
    assert box.limits == {"Memory": "16777216", "MemorySwap": "33554432", "NanoCpus": "1250000000"}
    assert_done(case)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (({"memory": "8m"}, {}), "the engine takes memory from no living container"),
        (({"cpus": "1"}, {"cpuQuota": 1000}), "the engine takes cpus from no living container"),
        (
            ({"memory": "8m"}, {"memory": "8m", "memorySwap": -1}),
            "the engine takes the limit of swap from no living container",
        ),
    ],
)
def test_what_cannot_be_changed_in_place_is_a_replacement_that_says_why(
    limits: tuple[Mapping[str, Any], ...], why: str
) -> None:
    case = only(*limits)
    assert lines(case)[0].startswith(f"create web.dockerup-new (definition changed: not in place: {why}; ")
    case.settle()
    assert_as_listed(case)


def test_what_the_engine_refuses_is_replaced_in_the_same_run_with_its_reason() -> None:
    case = only({"memory": "16m"}, {"memory": "8m"}, memory=MEMORY_USED)
    results = case.run()
    assert [one.outcome.name for one in results if isinstance(one.node.step, Update)] == ["REFUSED"]
    (created,) = (one.node.step for one in results if str(one.node.step).startswith("create"))
    assert "not in place: it uses 12582912 bytes of memory; memory 16777216 -> 8388608" in str(created.cause)
    assert_as_listed(case)
    assert_done(case)


def test_job_that_has_ended_runs_anew_when_its_limits_change() -> None:
    case = only({"memory": "8m"}, {"memory": "16m"}, image="shop/done:1", restart="on-failure")
    assert "not in place: it has ended" in lines(case)[0]
    case.settle()
    assert case.model.by_name("web").limits["Memory"] == "16777216"


def test_limit_of_processes_is_taken_away_in_place() -> None:
    case = only({"pidsLimit": 9}, {})
    assert lines(case) == ["update web in place (definition changed: pidsLimit 9 -> (none))"]
    case.settle()
    assert_as_listed(case)


def test_stopped_container_gets_its_limits_before_it_starts() -> None:
    case = only({"memory": "8m"}, {"memory": "16m"})
    case.model.stop(case.family("web")[0].container_id)
    assert [str(node.step) for node in case.plan().changes] == ["update web in place", "start web"]


def test_what_the_kernel_has_not_got_is_not_asked_for_again() -> None:
    case = only({"memory": "8m", "blkioWeight": 300}, {"memory": "8m", "blkioWeight": 300})
    box = case.model.by_name("web")
    del box.limits["BlkioWeight"]
    box.limits["MemorySwap"] = "-1"
    assert_done(case)


def test_nothing_is_inspected_while_what_is_remembered_agrees() -> None:
    case = only({"memory": "8m"}, {"memory": "16m"}, {"memory": "8m"})
    host, web = case.host(), case.family("web")[0]
    (spec,) = case.specs
    now = definition_hash(spec.definition, Change.IN_PLACE)

    def asked(in_place: Mapping[Any, str] | None) -> bool:
        return unsure(replace(host, observed=replace(host.observed, in_place=in_place))) != frozenset()

    # It was changed and is listed as it was made: only who remembers that it was changed asks.
    assert web.labels[labels.IN_PLACE_HASH] == now
    assert asked(None)
    assert asked({web.container_id: ""})
    assert asked({web.container_id: "1:another"})
    assert not asked({web.container_id: now})
    assert not asked({})


def test_what_is_remembered_tells_of_changed_containers_and_of_those_that_nobody_knows() -> None:
    case = only({"memory": "8m"}, {"memory": "16m"}, {"memory": "20m"})
    observed, answers = case.model.snapshot(), case.answers(case.model.snapshot())
    (web,), (spec,) = case.family("web"), case.specs
    plan = plan_for(case, observed, answers)
    assert plan.in_place == {web.container_id: ""}
    results = carry_out(plan, case.model)
    now = definition_hash(spec.definition, Change.IN_PLACE)
    assert begun(plan) == {web.container_id: ""}
    assert {**begun(plan), **made(results)} == {web.container_id: now}
    assert case.plan().in_place == {web.container_id: now}
    assert remembered(case.host()) == {web.container_id: ""}
    assert refusals(results) == {}


@pytest.mark.parametrize(
    ("gone", "scheme"),
    [
        ((), None),
        ((labels.IN_PLACE_HASH,), None),
        ((labels.IN_PLACE_HASH, labels.DEFINITION), None),
        ((), "0"),
        ((labels.DEFINITION,), "0"),
    ],
)
def test_what_a_former_version_made_is_asked_for_once_and_stays_as_it_is(
    gone: tuple[str, ...], scheme: str | None
) -> None:
    case = only({"memory": "8m", "cpus": "0.5", "restart": "on-failure:3", "pidsLimit": 9})
    case.settle()
    box = case.model.by_name("web")
    box.limits["MemorySwap"] = "-1"  # as where the kernel has no limit of swap
    told = {key: value for key, value in box.labels.items() if key not in gone}
    for key in {labels.HASH, labels.IN_PLACE_HASH} & told.keys():
        told[key] = f"{scheme}:0123" if scheme is not None else told[key]
    box.labels = told
    host = case.host()
    assert host.observed.in_place is None  # no former version remembered anything
    assert unsure(host) == {box.container_id}
    assert_done(case)
    known = case.plan().in_place
    assert unsure(replace(host, observed=replace(host.observed, in_place=known))) == frozenset()

    # From then on it is changed in place as any other.
    other = {**case.listing.confdir[0], "memory": "16m"}
    changed = replace(case, listing=Listing((other,)))
    if scheme is None or labels.DEFINITION not in gone:
        assert lines(changed) == ["update web in place (definition changed: memory 8388608 -> 16777216)"]


def test_container_that_failed_as_it_is_listed_is_not_changed_to_that() -> None:
    case = only({"memory": "16m"}, {"memory": "8m"}, memory=MEMORY_USED)
    case.model.contents[case.family("web")[0].image_id] = replace(
        case.model.contents[case.family("web")[0].image_id], unwell=True
    )
    before = case.family("web")[0].container_id
    case.run()
    assert case.model.by_name("web").container_id == before
    assert case.model.by_name("web.dockerup-failed").limits["Memory"] == "8388608"
    assert_done(case)


def test_protected_container_is_not_changed() -> None:
    case = only({"memory": "8m"}, {"memory": "16m"})
    ignored = replace(case, policy=replace(case.policy, ignore=("web",)))
    assert ignored.plan().changes == ()


def test_every_key_that_the_engine_can_change_in_place_is_a_limit_but_for_the_restart_policy() -> None:
    in_place = {name for name, row in CONTAINER_KEYS.items() if row.change is Change.IN_PLACE}
    assert {*LIMITS.values(), "restart"} == in_place
