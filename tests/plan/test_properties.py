"""What holds for every plan, whatever is listed and whatever the host went through."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, note, settings

from dockerup import labels
from dockerup.body import create_body
from dockerup.definition import definition_hash
from dockerup.keys.networks import endpoint
from dockerup.keys.row import Change
from dockerup.outcome import Outcome, Result
from dockerup.plan import make_plan
from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec, clash
from dockerup.steps import (
    ConnectNetwork,
    Create,
    Created,
    CreateNetwork,
    Existing,
    Keep,
    Node,
    Plan,
    Prove,
    Pull,
    RemoveImage,
    RemoveNetwork,
    Signal,
    Start,
    Step,
    Tag,
    Why,
)
from tests.model import Model, limits_of
from tests.plan.conftest import profile
from tests.plan.hosts import Case, Listing, carry_out, interrupted, plan_for, prefix
from tests.plan.strategies import cases, new_model, whole_cases

HOLDS = {Why.HELD_BACK, Why.SOURCE_BROKEN, Why.FAILED_BEFORE, Why.AFTER_FAILED}
NETWORK_STEPS = (CreateNetwork, RemoveNetwork)
few = profile()
# These make a run of each call of an example.
fewer = settings(few, max_examples=few.max_examples * 5 // 8)


def held(case: Case) -> set[str]:
    """Return the entries for which nothing can be done, or that failed as they are listed."""
    keeps = (node.step for node in case.plan().nodes if isinstance(node.step, Keep))
    failed = {spec.name for spec in case.specs if case.host().memory(spec.name)}
    return {step.entry for step in keeps if step.cause.why in HOLDS} | failed


def faults(results: list[Result]) -> list[tuple[str, str]]:
    """Return the steps that failed, but for those of an image that fails: they lead back."""
    return [
        (str(one.node.step), one.text)
        for one in results
        if one.outcome is Outcome.FAILED and not one.asks_for_a_way_back
    ]


def ran(one: Container) -> bool:
    return one.state in {"running", "restarting"}


def fits(one: Container, spec: ContainerSpec, case: Case) -> bool:
    """Tell whether a container is what an entry lists, by the engine's own facts and not by the plan's."""
    box = case.model.boxes[one.container_id]
    bound = labels.read_map(one.labels, labels.BOUND)
    ids = {name: current(name, bound.get(name, ""), case) for name in spec.bound_to}
    for name in spec.networks:
        assert not ran(one) or box.endpoints.get(name) == endpoint(spec.definition, name), (name, box)
    published = {(port.container_port, port.host_port) for port in box.ports}
    return (
        one.name == spec.name
        and one.labels[labels.HASH] == definition_hash(spec.definition, Change.REPLACE)
        and box.restart == spec.restart_policy
        and box.limits == limits_of(create_body(spec, {}, (), ids)["HostConfig"])
        and bound == ids
        and (not spec.joins or box.joins == ids[spec.joins])
        and (not ran(one) or {*spec.networks} <= {*box.networks})
        and set(box.links) == {ids[name] for name in spec.links if not spec.networks}
        and published == {(port.container_port, port.host_port) for port in spec.ports}
        and right_image(one, spec, case)
        and (ran(one) or ended_as_it_may(one, spec))
    )


def current(name: str, held_on_to: str, case: Case) -> str:
    """Return the id of an entry's container; one that is held back may have several, or none of its name."""
    family = {one.container_id: one.name for one in case.family(name)}
    return held_on_to if held_on_to in family else next((i for i in family if family[i] == name), "")


def ended_as_it_may(one: Container, spec: ContainerSpec) -> bool:
    if one.state != "exited" or spec.restart not in {"on-failure", "no"}:
        return False
    return one.exit_code == 0 or spec.restart == "no"


def right_image(one: Container, spec: ContainerSpec, case: Case) -> bool:
    newest = case.model.registry.tags.get(spec.image.familiar)
    exact = f"{spec.image.familiar_name}@{newest}"
    if newest is None or not spec.follows_registry or spec.image.familiar in case.away:
        return one.image_id == case.model.names.get(spec.image.familiar, one.image_id)
    return one.image_id == case.model.registry.contents[exact].image_id


def assert_as_listed(case: Case, without: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    for spec in case.specs:
        if spec.name not in without:
            family = case.family(spec.name)
            assert [one.name for one in family] == [spec.name], (spec.name, family)
            assert fits(family[0], spec, case), (spec, case.model.boxes[family[0].container_id])


def assert_done(case: Case) -> None:
    """Assert that nothing is left to do."""
    assert case.plan().changes == (), str(case.plan())


@few
@given(cases())
def test_applied_plan_gives_what_is_listed_for_every_entry_that_is_not_held(case: Case) -> None:
    without = held(case)
    results = case.settle()
    assert faults(results) == []
    assert_as_listed(case, without | held(case))
    assert_done(case)


@few
@given(cases())
def test_steps_carried_out_at_once_give_the_same_host(case: Case) -> None:
    without = held(case)
    results = case.settle(concurrency=4)
    assert faults(results) == []
    assert_as_listed(case, without | held(case))
    assert_done(case)


@few
@given(whole_cases())
def test_nothing_is_held_where_everything_is_dockerups_to_decide(case: Case) -> None:
    assert held(case) == set()
    case.settle()
    assert_as_listed(case)
    assert {box.name for box in case.model.boxes.values()} == {spec.name for spec in case.specs}
    listed = {name for spec in case.specs for name in spec.networks}
    ours = {network.name for network in case.model.networks if labels.NETWORK in network.labels}
    assert ours <= listed


@few
@given(cases())
def test_protected_containers_and_volumes_are_never_touched(case: Case) -> None:
    protected = {one.container_id for one in case.protected()}
    theirs = [network for network in case.model.networks if labels.NETWORK not in network.labels]
    before = {container_id: repr(case.model.boxes[container_id]) for container_id in protected}
    volumes = set(case.model.volumes)
    case.run()
    assert {one: repr(case.model.boxes.get(one)) for one in protected} == before
    assert not {subject for _, subject in case.model.calls} & protected
    assert volumes <= case.model.volumes
    assert [one for one in theirs if one not in case.model.networks] == []


@few
@given(cases())
def test_nothing_goes_for_being_absent_while_the_list_is_not_whole(case: Case) -> None:
    desired = case.listing.desired
    listed = {spec.name for spec in desired.specs}
    unlisted = {
        one.container_id
        for one in case.model.snapshot().containers
        if one.labels.get(labels.NAME, one.name) not in listed
    }
    images = dict(case.model.contents)
    strangers = {
        one.container_id
        for one in case.model.snapshot().containers
        if labels.NAME not in one.labels and one.container_id in unlisted
    }
    stay = set()
    if not desired.complete:
        stay |= unlisted
    if case.policy.unmanaged == "keep" or not desired.explicit:
        stay |= strangers
    before = {container_id: repr(case.model.boxes[container_id]) for container_id in stay}
    case.run()
    assert {one: repr(case.model.boxes.get(one)) for one in stay} == before
    if not desired.complete:
        assert images.keys() <= case.model.contents.keys()


@few
@given(cases())
def test_replaced_container_leaves_its_anonymous_volumes_to_the_new_one(case: Case) -> None:
    before = {spec.name: case.family(spec.name) for spec in case.specs}
    case.run()
    for spec in case.specs:
        olds, now = before[spec.name], case.family(spec.name)
        if len(olds) == len(now) == 1 and labels.NAME in olds[0].labels and not spec.volumes_from:
            had = {mount.path: mount.volume for mount in olds[0].mounts}
            has = {mount.path: mount.volume for mount in now[0].mounts}
            assert {path: had[path] for path in had.keys() & has.keys()} == {
                path: has[path] for path in had.keys() & has.keys()
            }


def essence(step: Step, made: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what a step does to what, whatever its cause and however the containers are called by now."""
    kind = type(step).__name__
    if isinstance(step, (Pull, Tag, RemoveImage)):
        return kind, str(step)
    if isinstance(step, Signal):
        return kind, step.name, step.signal
    if isinstance(step, Create):
        bound = tuple((name, identity(target, made)) for name, target in step.bound)
        return kind, step.entry, step.name, step.volumes, bound
    if isinstance(step, (Keep, CreateNetwork, RemoveNetwork)):
        return kind, step.entry
    if isinstance(step, ConnectNetwork):
        return kind, identity(step.target, made), step.network
    parts = tuple(getattr(step, key, "") for key in ("restart", "name", "paused", "limits"))
    return (kind, identity(step.target, made), *parts)


def identity(target: object, made: Mapping[str, Any]) -> object:
    if isinstance(target, Existing):
        return target.container_id
    assert isinstance(target, Created)
    return made.get(target.entry, f"new {target.entry}")


def still_due(step: Step, model: Model) -> bool:
    """Tell whether a step has something to do; the names of an image go together with the last tag."""
    return not isinstance(step, RemoveImage) or step.image in {*model.names, *model.contents}


def by_subject(steps: Sequence[Step], made: Mapping[str, Any]) -> dict[object, list[tuple[object, ...]]]:
    """Return the steps that each container goes through, in order; groups part once half of them is done.

    But for proofs: one that was made and is not concluded is made again.
    """
    found: dict[object, list[tuple[object, ...]]] = {}
    for step in (step for step in steps if not isinstance(step, Prove)):
        found.setdefault(subject_of(step, made), []).append(essence(step, made))
    return {subject: sorted(them) if subject == "images" else them for subject, them in found.items()}


def subject_of(step: Step, made: Mapping[str, Any]) -> object:
    if isinstance(step, (Pull, Tag)):
        return "images"
    if isinstance(step, Create):
        return identity(Created(step.entry), made)
    return (
        step.entry
        if isinstance(step, (RemoveImage, Signal, Keep, *NETWORK_STEPS))
        else identity(step.target, made)
    )


def again_steps(plan: Plan) -> list[Step]:
    return [node.step for node in plan.changes]


def without_left_over(
    steps: Sequence[Step], made: Mapping[str, Any]
) -> dict[object, list[tuple[object, ...]]]:
    return by_subject([step for step in steps if step.cause.why is not Why.LEFT_OVER], made)


@few
@given(cases())
def test_plan_from_every_prefix_of_a_plan_is_the_rest_of_it(case: Case) -> None:
    plan = case.plan()
    # Which image a tag means is known only once it is here, and then which others nobody needs.
    by_tag = any(isinstance(node.step, Pull) and not node.step.image.digest for node in plan.nodes)
    for done in range(len(plan.nodes) + 1):
        halfway = case.fresh()
        results = carry_out(prefix(plan, done), halfway.model)
        wrong = [str(one) for one in results if one.outcome not in {Outcome.DONE, Outcome.NOT_RUN}]
        assert wrong == [], str(plan)
        made = halfway.model.made
        waiting = [one.node for one in results if one.outcome is Outcome.NOT_RUN]  # for a job that goes on
        rest = [node.step for node in (*waiting, *plan.nodes[done:]) if not isinstance(node.step, Keep)]
        again = halfway.plan()
        expected = by_subject([step for step in rest if still_due(step, halfway.model)], made)
        found = by_subject([node.step for node in again.changes], made)
        if plan.urgent:  # what a way back leaves over goes then, or in the plan after
            expected, found = without_left_over(rest, made), without_left_over(again_steps(again), made)
        if by_tag:
            found.pop("images", None)
            expected.pop("images", None)
        assert found == expected, f"{plan}\nafter {done}:\n{again}"


@settings(fewer, max_examples=fewer.max_examples // 2)  # each is a run for each of its calls
@given(cases())
def test_run_killed_at_any_call_is_finished_by_the_next(case: Case) -> None:
    for call, killed in enumerate(interrupted(case), 1):
        if call % 2:
            killed.model.reboot()
        found, plan = repr(killed.model), killed.plan()
        without = held(killed)
        results = [f"{one.node.step}: {one.outcome.name} {one.text}" for one in killed.settle()]
        try:
            assert_as_listed(killed, without | held(killed))
            assert_done(killed)
        except AssertionError:
            note(f"killed at {call}, then\n{found}\n{plan}\n{results}")
            raise
        assert case.model.volumes <= killed.model.volumes


@fewer
@given(cases())
def test_run_that_is_asked_to_end_leaves_no_new_container_unstarted(case: Case) -> None:
    whole = case.fresh()
    whole.run()
    for call in range(1, len(whole.model.calls) + 1):
        asked = case.fresh()
        asked.model.ask_at = call
        plan = asked.plan()
        carry_out(plan, asked.model, stop=asked.model.asked)
        waits = {node.step.entry for node in plan.nodes if isinstance(node.step, Start) and gated(node, plan)}
        new = [asked.model.boxes[one] for one in asked.model.made.values() if one in asked.model.boxes]
        left = [box for box in new if box.state == "created" and box.labels[labels.NAME] not in waits]
        assert left == [], f"asked at {asked.model.calls[call - 1]}:\n{plan}\n{asked.model}"


def gated(node: Node, plan: Plan) -> bool:
    """Tell whether a step waits for a proof, which a run that is asked to end leaves to the next."""
    before = [other for other in plan.nodes if other.number in node.after]
    return any(isinstance(other.step, Prove) or gated(other, plan) for other in before)


@fewer
@given(cases())
def test_step_that_fails_leaves_every_entry_with_a_container_that_ran(case: Case) -> None:
    whole = case.fresh()
    whole.run()
    served = [spec for spec in case.specs if any(could_run(one, case) for one in case.family(spec.name))]
    for call in range(1, len(whole.model.calls) + 1):
        failing = case.fresh()
        failing.model.fail_at = call
        failing.run()
        for spec in served:
            family = failing.family(spec.name)
            lives = any(ran(one) or ended_as_it_may(one, spec) for one in family)
            said = f"{spec.name}, call {call}: {failing.model.calls}\n{case.plan()}"
            assert lives or gave_its_port_back(spec, failing), said
        failing.run()
        failing.settle()
        assert_done(failing)


def gave_its_port_back(spec: ContainerSpec, case: Case) -> bool:
    """Tell whether one that was there before has the host port of an entry, or of one that it lives in."""
    since = min((one.created for one in case.family(spec.name)), default=0)
    running = (one for one in case.model.snapshot().containers if ran(one) and one.created < since)
    mates = (other for other in case.specs if other.name in spec.shares)
    return any(clash(spec.ports, one.ports) for one in running) or any(
        gave_its_port_back(mate, case) for mate in mates
    )


def could_run(one: Container, case: Case) -> bool:
    """Tell whether a container runs, and could be started again: what it holds on to lives."""
    box = case.model.boxes[one.container_id]
    held_on_to = [case.model.boxes.get(other) for other in (*box.links, *([box.joins] if box.joins else []))]  # type: ignore[call-overload]
    return one.state == "running" and all(
        other is not None and could_run(case.model.listed(other), case) for other in held_on_to
    )


@few
@given(cases())
def test_order_of_what_is_put_in_changes_nothing(case: Case) -> None:
    observed = case.model.snapshot()
    answers = case.answers(observed)
    text = str(plan_for(case, observed, answers))
    for seed in range(3):
        mixed = random.Random(seed)
        containers = mixed.sample(observed.containers, len(observed.containers))
        images = mixed.sample(observed.images, len(observed.images))
        listing = replace(
            case.listing,
            confdir=tuple(mixed.sample(case.listing.confdir, len(case.listing.confdir))),
        )
        other = replace(observed, containers=tuple(containers), images=tuple(images))
        pairs = mixed.sample(sorted(answers.items(), key=str), len(answers))
        assert str(plan_for(replace(case, listing=listing), other, dict(pairs))) == text


def count_calls(amount: int) -> int:
    """Return how many Python functions the plan for that many current containers calls."""
    documents = tuple({"name": f"web{i}", "image": "shop/web:1", "env": {"N": i}} for i in range(amount))
    case = Case(Listing(documents), new_model())
    case.run()
    observed = case.model.snapshot()
    answers, desired = case.answers(observed), case.listing.desired
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        plan = make_plan(desired, observed, answers, case.policy, case.model.clock)
    finally:
        sys.setprofile(None)
    assert plan.changes == ()
    return calls


def test_work_of_a_plan_grows_with_the_number_of_containers_and_no_faster() -> None:
    assert count_calls(200) < 2.5 * count_calls(100)
