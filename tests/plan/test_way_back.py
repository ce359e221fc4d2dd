"""A newer image that fails: what served serves on, wherever the run that tries it is killed."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import replace
from itertools import islice
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dockerup import labels
from dockerup.changes import changes_of
from dockerup.definition import definition_hash
from dockerup.host import Policy
from dockerup.keys.row import Change
from dockerup.memory import failed_name
from dockerup.outcome import Outcome
from dockerup.snapshot import ContainerId
from dockerup.steps import Prove
from tests.model import Model
from tests.plan.conftest import profile
from tests.plan.hosts import Case, Listing, interrupted
from tests.plan.strategies import PORTS, PUSHED, content_of, documents, new_model

few = profile()
fewer = settings(few, max_examples=few.max_examples * 5 // 8)
Served = dict[str, tuple[str, str]]


@st.composite
def spoiled(draw: st.DrawFn) -> Case:
    """Draw a host that is as listed, and for which the registry has newer images that fail."""
    listed = tuple({**one, "image": _service(one), "restart": "always"} for one in draw(documents()))
    case = Case(Listing(listed), new_model(), Policy(prune="managed", keep_images=0, salt="salt"))
    case.settle()
    for tag in draw(st.lists(st.sampled_from(PUSHED), min_size=1, unique=True)):
        content = replace(content_of(tag, 2), exits=draw(st.sampled_from((None, 0, 1))))
        case.model.registry.push(tag, replace(content, unwell=content.exits is None))
    case.model.calls.clear()
    return case


def _service(one: Any) -> str:
    image = str(one["image"])
    return "shop/web:1" if image == "shop/done:1" else image


def served(case: Case) -> Served:
    """Return the id and restart policy of each entry's running container, under its own name."""
    running = (box for box in case.model.boxes.values() if box.state == "running")
    return {box.name: (box.container_id, box.restart) for box in running}


def assert_nothing_was_lost(case: Case, before: Served) -> None:
    assert served(case) == before
    left = {box.name for box in case.model.boxes.values()} - before.keys()
    assert left <= {failed_name(name) for name in before}
    for name in left:
        assert case.model.by_name(name).restart == "no"
    assert case.plan().changes == (), str(case.plan())


@few
@given(spoiled())
def test_image_that_fails_leaves_every_container_that_served(case: Case) -> None:
    before = served(case)
    case.run()
    assert served(case) == before
    case.settle()  # what waits for one that failed has its try in the next run
    assert_nothing_was_lost(case, before)


@settings(fewer, max_examples=fewer.max_examples // 2)  # each is a run for each of its calls
@given(spoiled())
def test_run_killed_while_an_image_fails_loses_nothing(case: Case) -> None:
    before = served(case)
    for call, killed in enumerate(interrupted(case), 1):
        if call % 2:
            killed.model.reboot()
        killed.settle()
        assert_nothing_was_lost(killed, before)


@fewer
@given(spoiled())
def test_good_image_after_one_that_failed_is_taken_and_the_memory_goes(case: Case) -> None:
    case.run()
    for tag in PUSHED:
        case.model.registry.push(tag, content_of(tag, 3))
    case.settle()
    assert {box.name for box in case.model.boxes.values()} == {spec.name for spec in case.specs}
    assert {box.state for box in case.model.boxes.values()} == {"running"}
    assert case.plan().changes == ()


@fewer
@given(spoiled())
def test_what_failed_is_tried_again_after_a_delay_that_doubles(case: Case) -> None:
    before = served(case)
    case.settle()
    failed = [box for box in case.model.boxes.values() if box.name not in before]
    for delay in (300, 600):
        created = [box.created for box in failed] or [case.model.clock]
        case.model.clock = min(created) + 60 + delay - 1
        assert case.plan().changes == ()
        case.model.clock = max(created) + 60 + delay + 1
        assert bool(case.plan().changes) == bool(failed)
        case.settle()
        assert_nothing_was_lost(case, before)
        failed = [box for box in case.model.boxes.values() if box.name not in before]


@few
@given(spoiled())
def test_image_that_fails_keeps_no_other_definition_from_coming(case: Case) -> None:
    case.settle()
    changed = tuple({**one, "env": {"ANOTHER": "one"}} for one in case.listing.confdir)
    case.listing = Listing(changed)
    case.settle()
    for spec in case.specs:
        box = case.model.by_name(spec.name)
        assert box.state == "running"
        assert box.labels[labels.HASH] == definition_hash(spec.definition, Change.REPLACE)
    assert case.plan().changes == (), str(case.plan())


def test_group_goes_back_when_one_in_its_middle_does_not_get_well() -> None:
    plain = {"restart": "always", "image": "shop/web:1"}
    served_before = ({**plain, "name": "cc"}, {**plain, "name": "bb", "links": {"cc": "alias"}})
    case = Case(Listing(served_before), new_model(), Policy(salt="salt"))
    case.settle()
    before = served(case)
    case.model.registry.push("shop/db:1", replace(content_of("shop/db:1", 1), unwell=True))
    middle = {**plain, "image": "shop/db:1", "name": "aa", "dependsOn": ["cc"]}
    last = {
        **served_before[1],
        "env": {"KEY": "2"},
        "dependsOn": [{"containerName": "aa", "condition": "HEALTHY"}],
    }
    case.listing = Listing(({**served_before[0], "env": {"KEY": "2"}}, middle, last))
    case.run()
    assert served(case).items() >= before.items(), case.model
    case.settle()
    assert served(case).items() >= before.items(), case.model


def test_job_that_fails_after_one_that_did_its_work_is_not_said_to_have_that_run_again() -> None:
    plain = {"restart": "never", "image": "shop/done:1", "name": "job"}
    case = Case(Listing((plain,)), new_model(), Policy(salt="salt"))
    case.settle()
    case.model.registry.push("shop/done:1", replace(content_of("shop/done:1", 2), exits=1))

    (change,) = changes_of(case.run(), {})

    assert change.error == "exit code 1; what was before stays"
    assert case.model.by_name("job").exit_code == 0


def test_new_one_that_a_person_removes_in_its_proof_is_made_anew_within_the_run() -> None:
    plain = {"restart": "always", "image": "shop/web:1", "name": "web"}
    case = Case(Listing((plain,)), new_model(), Policy(salt="salt"))
    case.settle()
    case.model.registry.push("shop/web:1", content_of("shop/web:1", 2))
    removed: list[str] = []

    class Removing(Model):
        def prove(self, container_id: ContainerId, step: Prove, stop: threading.Event) -> bool:
            if not removed:
                removed.append(self.boxes.pop(container_id).container_id)
            return super().prove(container_id, step, stop)

    case.model.__class__ = Removing
    said = [one.text for one in case.run() if one.outcome in {Outcome.FAILED, Outcome.UNDO_FAILED}]

    (box,) = case.model.boxes.values()
    assert (box.name, box.state, box.restart) == ("web", "running", "always")
    assert box.image_id == content_of("shop/web:1", 2).image_id
    assert removed
    assert said == []


@st.composite
def bereft(draw: st.DrawFn) -> Case:
    """Draw such a host of which a person removed a container."""
    case = draw(spoiled())
    del case.model.boxes[draw(st.sampled_from(sorted(case.model.boxes)))]
    return case


def assert_all_serve(case: Case, names: Collection[str]) -> None:
    lost = set(names) - served(case).keys()
    assert lost == set(), f"{lost} served\n{case.model}\n{case.plan()}"


@few
@given(bereft())
def test_container_that_a_person_removed_takes_no_other_down(case: Case) -> None:
    before = served(case)
    case.settle()
    assert_all_serve(case, before)


@settings(fewer, max_examples=fewer.max_examples // 5)  # each is a run for each of its calls
@given(spoiled(), st.data())
def test_container_removed_after_a_kill_takes_no_other_down(case: Case, data: st.DataObject) -> None:
    before = served(case)
    for killed in interrupted(case):
        box = killed.model.boxes[data.draw(st.sampled_from(sorted(killed.model.boxes)))]
        del killed.model.boxes[box.container_id]
        lost = lost_with(box.labels[labels.NAME], killed)
        killed.settle()
        assert_all_serve(killed, before.keys() - lost)


@settings(fewer, max_examples=fewer.max_examples // 5)
@given(spoiled(), st.data())
def test_run_killed_before_a_source_breaks_takes_nothing_down(case: Case, data: st.DataObject) -> None:
    before = served(case)
    for killed in interrupted(case):
        lost = data.draw(st.sampled_from(case.specs)).name
        left = tuple(one for one in case.listing.confdir if one["name"] != lost)
        killed.listing = Listing(left if data.draw(st.booleans()) else (), broken=frozenset({"confdir"}))
        killed.settle()
        assert_all_serve(killed, before)
        assert killed.plan().changes == (), str(killed.plan())


def lost_with(name: str, case: Case) -> set[str]:
    """Return an entry with those whose containers stand still, and cannot be started without its own."""
    lost = {name}
    for spec in case.specs:  # each after those that it holds on to
        runs = any(one.running for one in case.family(spec.name))
        if not runs and lost & {*spec.links, *spec.shares}:
            lost.add(spec.name)
    return lost


def handing_over(port: int, **more: object) -> Case:
    """Return a host on which a port of one that serves is about to be another's, which a third lives in."""
    plain = {"image": "shop/web:1", "restart": "always"}
    web = {**plain, "name": "web", "portMappings": [{"containerPort": 80, "hostPort": 8001}]}
    case = Case(Listing((web,)), new_model(), Policy(salt="salt"))
    case.settle()
    green = {**web, "name": "green"}
    side = {**plain, "name": "side", "network": "container:green"}
    moved = {**web, "portMappings": [{"containerPort": 80, "hostPort": port}], **more}
    return replace(case, listing=Listing((green, side, moved)))


def test_host_port_goes_back_with_what_served_wherever_the_run_is_killed() -> None:
    case = handing_over(8002, env={"EXITS": "1"})
    assert_served_after_each_kill(case, served(case))


def test_host_port_goes_back_again_after_another_try() -> None:
    case = handing_over(8002, env={"EXITS": "1"})
    before = served(case)
    case.settle()
    case.model.clock += 1000
    green, side, web = case.listing.confdir
    case.listing = Listing((green, {**side, "env": {"KEY": "1"}}, web))
    assert_served_after_each_kill(case, before)


def assert_served_after_each_kill(case: Case, before: Served) -> None:
    for call, killed in enumerate(interrupted(case), 1):
        if call % 2:
            killed.model.reboot()
        killed.settle()
        assert served(killed) == before, f"killed at {call}: {killed.model}"
        assert killed.plan().changes == (), str(killed.plan())


def test_host_port_is_handed_over_though_the_list_changes_wherever_the_run_is_killed() -> None:
    changed = handing_over(8003).listing
    for call, killed in enumerate(interrupted(handing_over(8002)), 1):
        if call % 2:
            killed.model.reboot()
        killed.listing = changed
        results = killed.settle()
        assert [str(one) for one in results if one.outcome is Outcome.FAILED] == [], f"killed at {call}"
        assert served(killed).keys() == {"green", "side", "web"}, f"killed at {call}: {killed.model}"
        assert killed.plan().changes == (), str(killed.plan())


def test_list_that_changes_between_mates_closes_nobody_wherever_the_run_is_killed() -> None:
    plain = {"image": "shop/web:1", "restart": "always"}
    db = {**plain, "name": "db", "portMappings": [{"containerPort": 80, "hostPort": 8001}]}
    web = {**plain, "name": "web", "network": "container:db"}
    case = Case(Listing((db, web)), new_model(), Policy(salt="salt"))
    case.settle()
    case.listing = Listing(({**db, "env": {"KEY": "1"}}, {**web, "env": {"KEY": "1"}}))
    for call, killed in enumerate(interrupted(case), 1):
        killed.listing = Listing(({**db, "env": {"KEY": "1"}}, {**web, "env": {"KEY": "2"}}))
        if call % 2:
            killed.model.reboot()
        results = killed.run()
        assert [str(one) for one in results if one.outcome is Outcome.FAILED] == [], f"killed at {call}"
        assert served(killed).keys() == {"db", "web"}, f"killed at {call}: {killed.model}"


def test_job_that_was_done_is_not_done_again_by_the_way_back() -> None:
    job = {"name": "job", "image": "shop/done:1", "restart": "on-failure"}
    case = Case(Listing((job,)), new_model(), Policy(salt="salt"))
    case.settle()
    done = case.model.by_name("job").container_id
    case.listing = Listing(({**job, "env": {"EXITS": "1"}},))
    case.model.calls.clear()
    case.settle()
    assert case.model.by_name("job").container_id == done
    assert ("start", done) not in case.model.calls


def test_what_lost_its_hold_runs_on_until_that_is_well_though_another_waits_for_it() -> None:
    plain = {"image": "host/made:1", "restart": "always"}
    held = {**plain, "name": "aa", "image": "shop/web:1"}
    linked = {**plain, "name": "cc", "links": {"aa": "alias"}}
    waiting = {**plain, "name": "ee", "volumes": [{"from": "aa"}], "dependsOn": ["cc"]}
    case = Case(Listing((held, linked, waiting)), new_model(), Policy(salt="salt"))
    case.settle()
    del case.model.boxes[case.model.by_name("aa").container_id]
    case.model.registry.push("shop/web:1", replace(content_of("shop/web:1", 2), exits=1))
    case.settle()
    assert served(case).keys() == {"cc", "ee"}, case.model
    case.model.registry.push("shop/web:1", content_of("shop/web:1", 3))
    case.settle()
    assert served(case).keys() == {"aa", "cc", "ee"}
    assert case.plan().changes == ()


@settings(fewer, max_examples=fewer.max_examples // 2)
@given(spoiled(), st.data())
def test_way_back_that_cannot_start_takes_nothing_down_and_comes_once_it_can(
    case: Case, data: st.DataObject
) -> None:
    before = served(case)
    held = data.draw(st.sampled_from(case.specs)).name
    env = data.draw(st.sampled_from(({}, {"EXITS": "0"})))
    own = {"image": "host/made:1", "restart": "on-failure", "env": env}
    late = {**own, "name": "zz", "volumes": [{"from": held}]}
    case.listing = Listing((*case.listing.confdir, late))
    for call, killed in islice(enumerate(interrupted(case), 1), data.draw(st.integers(0, 4)), None, 5):
        killed.model.taken = frozenset(PORTS)
        killed.settle()
        serving = served(killed)
        assert before.keys() - serving.keys() <= waiting(killed), f"killed at {call}: {killed.model}"
        killed.model.calls.clear()
        said = changes_of(killed.run(), {})
        assert len(said) == len(set(said)), said
        touched = [one for one in killed.model.calls if one[0] not in {"start", "prove"}]
        assert (served(killed), touched) == (serving, []), f"killed at {call}: {killed.model}"
        killed.model.taken = frozenset()
        killed.settle()
        assert before.items() <= served(killed).items(), f"killed at {call}: {killed.model}"
        assert killed.plan().changes == (), str(killed.plan())


def waiting(case: Case) -> set[str]:
    """Return the entries that need a host port which is taken, and those that need one of them to run."""
    found: set[str] = set()
    for spec in case.specs:  # each after those that it waits for
        needs = {*spec.links, *spec.shares, *spec.depends_on}
        if case.model.taken & {port.host_port for port in spec.ports} or needs & found:
            found.add(spec.name)
    return found


def test_what_fails_as_it_is_made_anew_for_its_bonds_is_tried_less_and_less_often() -> None:
    plain = {"image": "shop/web:1", "restart": "always"}
    side = {**plain, "name": "side", "image": "host/made:1", "volumes": [{"from": "web"}]}
    case = Case(Listing(({**plain, "name": "web"}, side)), new_model(), Policy(salt="salt"))
    case.settle()
    serving = case.model.by_name("side").container_id
    made = content_of("host/made:1", 1)
    case.model.contents[made.image_id] = replace(made, unwell=True)  # it ran well before
    del case.model.boxes[case.model.by_name("web").container_id]
    tries = 0
    for _ in range(20):
        case.model.clock += 60
        tries += sum(isinstance(one.node.step, Prove) for one in case.run())
        assert served(case)["side"][0] == serving
    assert tries == 3  # at once, after 5 minutes, and after 10
    case.model.contents[made.image_id] = made
    case.model.clock += 3600
    case.settle()
    assert {box.name: box.state for box in case.model.boxes.values()} == {"web": "running", "side": "running"}
    assert case.model.by_name("side").container_id != serving
