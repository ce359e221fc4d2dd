"""The properties of every plan, on hosts whose containers are on networks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dockerup.host import Policy
from tests.model import Killed, Model, ModelError
from tests.plan import test_properties as properties
from tests.plan.conftest import profile
from tests.plan.hosts import Case, Listing
from tests.plan.strategies import RESTARTS, new_model

NETWORKS = ("front", "middle", "back")
NAMES = ("aa", "bb", "cc", "dd")
HELD = (
    properties.test_applied_plan_gives_what_is_listed_for_every_entry_that_is_not_held,
    properties.test_steps_carried_out_at_once_give_the_same_host,
    properties.test_nothing_is_held_where_everything_is_dockerups_to_decide,
    properties.test_protected_containers_and_volumes_are_never_touched,
    properties.test_nothing_goes_for_being_absent_while_the_list_is_not_whole,
    properties.test_plan_from_every_prefix_of_a_plan_is_the_rest_of_it,
    properties.test_run_killed_at_any_call_is_finished_by_the_next,
    properties.test_run_that_is_asked_to_end_leaves_no_new_container_unstarted,
    properties.test_step_that_fails_leaves_every_entry_with_a_container_that_ran,
    properties.test_order_of_what_is_put_in_changes_nothing,
)
REST = properties.test_plan_from_every_prefix_of_a_plan_is_the_rest_of_it
WHOLE = properties.test_nothing_is_held_where_everything_is_dockerups_to_decide
fewer = settings(profile(), max_examples=profile().max_examples * 3 // 8)


@st.composite
def documents(draw: st.DrawFn) -> tuple[Mapping[str, Any], ...]:
    """Draw one to four containers, on up to three networks each."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    return tuple(_document(draw, name, names[:i]) for i, name in enumerate(names))


def _document(draw: st.DrawFn, name: str, earlier: list[str]) -> Mapping[str, Any]:
    one: dict[str, Any] = {"name": name, "image": "host/made:1", "restart": draw(st.sampled_from(RESTARTS))}
    joined = draw(st.lists(st.sampled_from(NETWORKS), max_size=3, unique=True))
    aliases: list[str] = draw(st.lists(st.just("other"), max_size=1))
    if joined:
        one["networks"] = {network: {"aliases": aliases} for network in joined}
    if draw(st.booleans()) and earlier:
        one["links"] = {draw(st.sampled_from(earlier)): "alias"}
    if draw(st.booleans()):
        one["env"] = {"KEY": draw(st.sampled_from("12"))}
    return one


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a host with a past, and what it has to become."""
    listed = draw(documents())
    policy = Policy(api=draw(st.sampled_from(((1, 41), (1, 44)))), salt="salt")
    model = new_model()
    model.api = policy.api
    for name in draw(st.lists(st.sampled_from(NETWORKS), max_size=1)):
        model.create_network(name, {}, ours=False)
    for _ in range(draw(st.integers(0, 2))):
        earlier = draw(st.one_of(st.just(listed), documents()))
        model.calls.clear()
        model.kill_at = draw(st.one_of(st.just(0), st.integers(1, 25)))
        with suppress(Killed):
            Case(Listing(earlier), model, policy).run()
        model.revive()
    for _ in range(draw(st.integers(0, 3))):
        _accident(draw, model)
    model.calls.clear()
    broken = draw(st.sampled_from((frozenset(), frozenset(), frozenset({"user-data"}))))
    return Case(Listing(listed, broken=broken), model, policy)


def _accident(draw: st.DrawFn, model: Model) -> None:
    """Let a person or a reboot change what is there; networks that are in use stay."""
    what = draw(st.sampled_from(("stop", "disconnect", "gone", "network", "network", "reboot")))
    names = [network.name for network in model.networks if network.name in NETWORKS]
    if what == "reboot":
        model.reboot()
    elif what == "network" and names:
        name = draw(st.sampled_from(names))
        with suppress(ModelError):
            model.remove_network(name)
            if draw(st.booleans()):
                model.create_network(name, {}, ours=draw(st.booleans()))
    elif model.boxes:
        box = model.boxes[draw(st.sampled_from(sorted(model.boxes, key=lambda i: model.boxes[i].created)))]
        own = sorted({*box.networks} & {*NETWORKS})
        if what == "stop":
            model.stop(box.container_id)
        elif what == "gone":
            del model.boxes[box.container_id]
        elif what == "disconnect" and own:
            model.disconnect(box.container_id, draw(st.sampled_from(own)))


@pytest.mark.parametrize("held", HELD, ids=lambda held: held.__name__.replace("test_", "", 1))
def test_on_hosts_with_networks(held: Callable[[Case], None]) -> None:
    of_one_case: Callable[[Case], None] = held.hypothesis.inner_test  # type: ignore[attr-defined]

    @fewer
    @given(cases())
    def holds(case: Case) -> None:
        if held is WHOLE:
            case.listing = replace(case.listing, broken=frozenset())
        if held is REST:  # what is mended after a way back, as a network that is lost, is another plan
            assume(not case.plan().urgent)
        of_one_case(case)

    holds()


def test_what_publishes_ports_and_was_disconnected_from_the_engines_own_network_is_made_anew() -> None:
    entry = {"name": "web", "image": "shop/web:1", "portMappings": [{"containerPort": 80, "hostPort": 8080}]}
    case = Case(Listing((entry,)), new_model(), Policy(salt="salt"))
    case.settle()
    before = case.model.by_name("web")
    before.networks.clear()
    before.published = ()

    case.settle()

    (after,) = case.model.boxes.values()
    assert after.container_id != before.container_id
    assert [port.host_port for port in after.published] == [8080]
    assert case.plan().changes == ()
