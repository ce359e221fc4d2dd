"""What runs as listed is adopted, whoever made it; what is not, or is in doubt, is what it always was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dockerup import labels
from dockerup.adoption import adopt, still_true
from dockerup.host import Policy
from dockerup.snapshot import ContainerId
from dockerup.steps import Keep, Plan
from tests.model import Content, Killed
from tests.plan.adopted import ENTRY, IMAGE, SECRET, Host, asked
from tests.plan.hosts import Case, Listing
from tests.plan.strategies import content_of

KEEP, REMOVE = Policy(unmanaged="keep"), Policy(unmanaged="remove")
UNLISTED = {"name": "other", "image": "shop/web:1"}


def a_case(policy: Policy = KEEP, entry: Mapping[str, Any] | None = None, **found: Any) -> Case:
    """Return a host on which somebody runs a container that is as ENTRY says, but for what is `found`."""
    host = Host()
    host.load(content_of("shop/web:1", 1), "shop/web:1")
    container_id = host.create_from(
        "web", {"Image": "shop/web:1", "HostConfig": {"RestartPolicy": {"Name": "always"}}}
    )
    host.start(container_id)
    host.made_from[container_id] = asked(**found)
    return Case(Listing((ENTRY if entry is None else entry,)), host, policy)


def host_of(case: Case) -> Host:
    assert isinstance(case.model, Host)
    return case.model


def run(case: Case, *, remembers: bool = True) -> Plan:
    """Make a run as dockerup does, and return its first plan; what is adopted is remembered, if it is."""
    host, plan = host_of(case), case.plan()
    host.records = plan.adopted if remembers else {}
    case.run()
    return plan


def listed(case: Case, *entries: Mapping[str, Any]) -> Case:
    return replace(case, listing=Listing(entries))


def ids(case: Case) -> dict[str, ContainerId]:
    return {one.name: one.container_id for one in case.model.snapshot().containers}


@pytest.mark.parametrize("policy", [KEEP, REMOVE])
def test_what_runs_as_listed_is_adopted_and_looked_at_once(policy: Policy) -> None:
    case = a_case(policy)
    before = ids(case)
    plan = run(case)
    assert str(plan) == "#1 web: keep web (as listed: adopted)\n"
    assert plan.notes == ("web: adopted: what runs is as listed, and goes on; dockerup did not make it",)
    assert ids(case) == before
    looked_at = host_of(case).looked_at
    again = run(case)
    assert (str(again), again.notes) == (str(plan), ())
    assert host_of(case).looked_at == looked_at
    assert SECRET not in str(host_of(case).records) + repr(plan)


@pytest.mark.parametrize("policy", [KEEP, REMOVE])
def test_without_the_cache_it_is_compared_again_and_goes_on(policy: Policy) -> None:
    case = a_case(policy)
    before = ids(case)
    for _ in range(3):
        assert str(run(case, remembers=False)) == "#1 web: keep web (as listed: adopted)\n"
    assert ids(case) == before


@pytest.mark.parametrize("remembers", [True, False])
def test_one_that_was_stopped_is_started(remembers: bool) -> None:
    case = a_case()
    run(case, remembers=remembers)
    before = ids(case)
    host_of(case).stop(before["web"])
    plan = run(case, remembers=remembers)
    assert "start web (stopped: exit code 137)" in str(plan)
    assert "create" not in str(plan)
    assert ids(case) == before


def test_limits_of_an_adopted_container_are_changed_in_place() -> None:
    case = a_case()
    run(case)
    host, before = host_of(case), ids(case)
    host.boxes[before["web"]].limits = {"Memory": str(64 << 20), "MemorySwap": str(128 << 20)}
    more = listed(case, {**ENTRY, "memory": "96m"})
    assert "update web in place (definition changed: memory 67108864 -> 100663296)" in str(run(more))
    host.made_from[before["web"]] = asked(host={"Memory": 96 << 20, "MemorySwap": 192 << 20})
    host.in_place = more.plan().in_place
    assert [run(more).changes for _ in range(2)] == [(), ()]
    assert ids(case) == before
    assert host.boxes[before["web"]].limits["Memory"] == str(96 << 20)


def test_what_is_not_as_listed_is_what_it_always_was_and_the_fields_are_named() -> None:
    unlike: dict[str, Any] = {"config": {"User": "root"}, "host": {"Memory": 0, "MemorySwap": 0}}
    taken = str(a_case(REMOVE, **unlike).plan())
    assert "its name is taken over: a container that dockerup did not start" in taken
    assert "and that is not as listed (Memory, MemorySwap, User)" in taken
    held = str(a_case(KEEP, **unlike).plan())
    assert "hold web" in held
    assert "and that is not as listed (Memory, MemorySwap, User), and unmanaged=keep" in held


@pytest.mark.parametrize("state", ["created", "dead", "removing"])
def test_one_that_nobody_started_or_that_goes_is_not_adopted(state: str) -> None:
    case = a_case()
    host_of(case).boxes[ids(case)["web"]].state = state
    assert "hold web" in str(case.plan())


def test_one_that_is_never_touched_is_not_adopted() -> None:
    for case in (a_case(Policy(ignore=("w*",))), a_case()):
        box = host_of(case).boxes[ids(case)["web"]]
        box.labels = {} if case.policy.ignore else {labels.IGNORE: "true"}
        assert case.plan().adopted == {}


def test_once_unlisted_it_is_what_it_was() -> None:
    kept = a_case(KEEP)
    run(kept)
    plan = run(listed(kept))
    assert str(plan) == ""
    assert plan.notes[0].startswith("web is left alone: it was adopted, and no entry lists it any more")
    assert "docker rm -f web" in plan.notes[0]
    assert str(run(kept)) == "#1 web: keep web (as listed: adopted)\n"

    removed = a_case(REMOVE)
    run(removed)
    assert "remove web after #1 (not started by dockerup)" in str(run(listed(removed)))
    assert ids(removed) == {}


@pytest.mark.parametrize("policy", [KEEP, REMOVE])
def test_another_definition_makes_a_container_of_dockerups_own(policy: Policy) -> None:
    case = a_case(policy)
    run(case)
    changed = listed(case, {**ENTRY, "hostname": "box", "env": {"PASSWORD": "other"}})
    text = str(run(changed))
    assert "definition changed: env.PASSWORD (hidden) -> (hidden); hostname (none) -> box" in text
    assert SECRET not in text
    (one,) = case.model.snapshot().containers
    assert (one.name, one.labels[labels.NAME], one.state) == ("web", "web", "running")
    assert host_of(case).records.keys() & {one.container_id} == set()
    assert all(isinstance(node.step, Keep) for node in changed.plan().nodes)


def test_definition_in_other_words_is_compared_and_adopted_again() -> None:
    case = a_case()
    run(case)
    before = ids(case)
    said = listed(case, {**ENTRY, "workingDirectory": IMAGE["Config"]["WorkingDir"]})  # the image's own
    assert str(run(said)) == "#1 web: keep web (as listed: adopted)\n"
    assert ids(case) == before
    looked_at = host_of(case).looked_at
    run(said)
    assert host_of(case).looked_at == looked_at


def test_newer_image_makes_a_container_of_dockerups_own() -> None:
    case = a_case()
    run(case)
    host_of(case).load(Content(content_of("shop/web:1", 2).image_id), "shop/web:1")
    assert "newer image" in str(run(case))
    (one,) = case.model.snapshot().containers
    assert one.labels[labels.NAME] == "web"


def test_what_the_same_run_replaces_is_not_said_to_go_on() -> None:
    case = a_case()
    host_of(case).load(Content(content_of("shop/web:1", 2).image_id), "shop/web:1")
    plan = case.plan()
    assert "newer image" in str(plan)
    assert plan.notes == ()


def test_what_a_later_plan_of_a_run_replaces_was_not_adopted() -> None:
    """The first one is made before the registries are asked, which may know a newer image."""
    case = a_case()
    said = [*case.plan().notes, "another note"]
    host_of(case).load(Content(content_of("shop/web:1", 2).image_id), "shop/web:1")
    assert still_true(said, case.plan()) == ["another note"]


@pytest.mark.parametrize("policy", [KEEP, REMOVE])
@pytest.mark.parametrize("remembers", [True, False])
def test_replacement_that_is_killed_anywhere_is_finished(policy: Policy, remembers: bool) -> None:
    """With its cache lost in the middle, too: from the first step that touches the old one, labels tell."""
    case = a_case(policy)
    run(case)
    changed = listed(case, {**ENTRY, "hostname": "box"})
    whole = changed.fresh()
    whole.run()
    calls = len(whole.model.calls)
    assert calls > 6
    for call in range(2, calls + 1):  # before the first nothing has begun
        killed = changed.fresh()
        killed.model.kill_at = call
        with pytest.raises(Killed):
            killed.run()
        killed.model.revive()
        host_of(killed).records = host_of(killed).records if remembers else {}
        killed.settle()
        (one,) = killed.model.snapshot().containers
        assert (one.name, one.state, one.labels.get(labels.NAME)) == ("web", "running", "web"), call


@pytest.mark.parametrize("policy", [KEEP, REMOVE])
@pytest.mark.parametrize("remembers", [True, False])
def test_when_its_successor_fails_it_serves_again(policy: Policy, remembers: bool) -> None:
    case = a_case(policy)
    run(case)
    before = ids(case)["web"]
    host_of(case).load(replace(content_of("shop/web:1", 2), exits=1), "shop/fails:1")
    changed = listed(case, {**ENTRY, "image": "shop/fails:1"})
    results = changed.run()
    assert any(one.text for one in results)
    host_of(case).records = host_of(case).records if remembers else {}
    changed.settle()
    states = {one.name: one.state for one in case.model.snapshot().containers}
    assert ids(case)["web"] == before
    assert states == {"web": "running", "web.dockerup-failed": "exited"}
    assert "failed, and is not tried again yet" in str(changed.plan())


def test_of_a_record_that_is_no_good_nothing_is_believed() -> None:
    case = a_case(config={"User": "root"})
    for record in ({}, {"x": "y"}, {labels.NAME: "other"}):
        host_of(case).records = {ids(case)["web"]: record}
        assert "hold web" in str(case.plan())


def test_what_dockerup_made_is_not_looked_at() -> None:
    case = a_case()
    run(case)
    changed = listed(case, {**ENTRY, "hostname": "box"})
    run(changed)
    looked_at = host_of(case).looked_at
    changed.run()
    assert host_of(case).looked_at == looked_at
    assert adopt(changed.listing.desired, case.model.snapshot(), KEEP).records == {}


def test_container_that_holds_on_to_another_is_replaced_with_that() -> None:
    case = a_case()
    other = {"name": "beside", "image": "shop/web:1", "network": "container:web", "restart": "no"}
    web = ids(case)["web"]
    beside = host_of(case).create_from(
        "beside", {"Image": "shop/web:1", "HostConfig": {"NetworkMode": f"container:{web}"}}
    )
    host_of(case).start(beside)
    host_of(case).made_from[beside] = replace(
        asked(
            {"Cmd": ["serve"], "Env": ["PATH=/bin"], "ExposedPorts": {"81/tcp": {}}},
            {
                "Binds": None,
                "Memory": 0,
                "MemorySwap": 0,
                "PortBindings": {},
                "NetworkMode": f"container:{web}",
                "RestartPolicy": {"Name": "no"},
            },
            {},
        )
    )
    both = listed(case, ENTRY, other)
    before = ids(case)
    run(both)
    assert ids(case) == before
    assert set(host_of(case).records) == set(before.values())
    run(listed(case, {**ENTRY, "hostname": "box"}, other))
    assert not set(ids(case).values()) & set(before.values())
