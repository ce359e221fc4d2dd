"""What `status` calls each container, of all the states in which a run, or a kill, can leave it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given

from dockerup.decide import decide_all
from dockerup.host import Host
from dockerup.snapshot import ContainerId, Snapshot
from dockerup.status import Row, Word, rows_of
from dockerup.transition import transitions
from tests.plan.conftest import profile
from tests.plan.hosts import Case, Listing, interrupted
from tests.plan.strategies import cases, content_of, new_model

WEB = {"name": "web", "image": "shop/web:1"}
CHECKED = {**WEB, "healthCheck": {"command": "true"}}


def host_of(case: Case, observed: Snapshot) -> Host:
    """Return the host as somebody sees it who asks no registry."""
    return Host.of(case.listing.desired, observed, {}, case.policy, case.model.clock)


def rows(case: Case, inspected: frozenset[ContainerId] = frozenset()) -> dict[str, Row]:
    """Return the rows of `status`, by name."""
    observed = case.model.snapshot()
    _, wanted = transitions(host_of(case, observed))
    observed = case.model.with_details(observed, wanted | inspected)
    opened, _ = transitions(host_of(case, observed))
    found = rows_of(decide_all(host_of(case, observed), opened), observed, opened)
    return {row.name: row for row in found}


def seen_of(case: Case, name: str = "web") -> list[tuple[str, str]]:
    """Return what is seen of an entry while a run is at it: its state and sentence, as they change."""
    whole = case.fresh()
    whole.run()
    found: list[tuple[str, str]] = []
    for killed in interrupted(case):
        row = rows(killed)[name]
        found += [(row.state, row.says)] if found[-1:] != [(row.state, row.says)] else []
    row = rows(whole)[name]
    return [*found, (row.state, row.says)]


def new_case(*documents: dict[str, Any]) -> Case:
    return Case(Listing(documents), new_model())


def box_of(case: Case, name: str = "web") -> Any:
    return case.model.by_name(name)


def updated(document: dict[str, Any], **content: Any) -> Case:
    """Return a host that runs an entry, for which the registry has a newer image."""
    case = new_case(document)
    case.settle()
    case.model.registry.push("shop/web:1", replace(content_of("shop/web:1", 2), **content))
    case.model.calls.clear()
    return case


def test_first_start_is_pending_and_then_runs() -> None:
    assert seen_of(new_case(WEB)) == [
        ("pending", "not there"),
        ("pending", "never started"),
        ("running", "as listed"),
    ]


def test_replacement_is_seen_as_pending_and_proving() -> None:
    proof = "it has to prove itself; what ran before stands by until then"
    between = "its replacement has begun, and is not finished yet"
    seen = seen_of(updated(WEB))
    assert [state for state, _ in seen] == ["running", "running", "pending", "proving", "running"]
    assert [says for _, says in seen[2:]] == [between, proof, "as listed"]
    assert seen[1][1].startswith("newer image: digest")


@pytest.mark.parametrize("content", [{"exits": 1}, {"unwell": True}])
def test_way_back_is_seen_until_what_was_proven_serves_again(content: dict[str, Any]) -> None:
    seen = seen_of(updated(WEB, **content))
    states = [state for state, _ in seen]
    back = states.index("rollingBack")
    assert seen[back][1].startswith("goes back to the last that was proven: ")
    assert {*states[back:]} == {"rollingBack", "rolledBack"}
    assert states[-1] == "rolledBack"
    assert all("tried again after" in says for state, says in seen[back:] if state == "rolledBack")
    assert ("proving" in states[:back]) == ("unwell" in content)


def test_container_without_rollback_proves_nothing() -> None:
    case = updated({**WEB, "update": {"rollback": False}})
    assert "proving" not in dict(seen_of(case))


def test_health_check_that_has_not_succeeded_yet_is_starting() -> None:
    case = new_case(CHECKED)
    case.settle()
    box_of(case).health = "starting"
    row = rows(case)["web"]
    assert (row.state, row.well, row.says) == ("starting", True, "its health check has not succeeded yet")
    box_of(case).health = "unhealthy"
    row = rows(case)["web"]
    assert (row.state, row.well) == ("running", False)
    assert row.says == "runs, but not well: its health check fails"


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("START", "waits for web, which does not run yet"),
        ("HEALTHY", "waits for web, which does not run yet"),
        ("SUCCESS", "waits for web, which has not ended yet"),
        ("COMPLETE", "waits for web, which has not ended yet"),
    ],
)
def test_first_start_waits_for_what_it_depends_on(condition: str, says: str) -> None:
    after = {
        "name": "after",
        "image": "shop/db:1",
        "dependsOn": [{"containerName": "web", "condition": condition}],
    }
    case = new_case({**CHECKED, "restart": "never"}, after)
    assert (rows(case)["after"].state, rows(case)["after"].says) == ("waiting", says)


def test_first_start_waits_until_what_it_depends_on_is_healthy() -> None:
    after = {
        "name": "after",
        "image": "shop/db:1",
        "dependsOn": [{"containerName": "web", "condition": "HEALTHY"}],
    }
    alone = new_case(CHECKED)
    alone.settle()
    case = replace(alone, listing=Listing((CHECKED, after)))
    for health, state in (("starting", "waiting"), ("healthy", "pending")):
        box_of(case).health = health
        assert rows(case)["after"].state == state
    box_of(case).health = "starting"
    assert rows(case)["after"].says == "waits for web, which is not healthy yet"


def test_entry_that_can_never_start_waits_and_says_for_what() -> None:
    row = rows(new_case({**WEB, "links": {"absent": "alias"}}))["web"]
    assert (row.state, row.well) == ("waiting", False)
    assert row.says == row.waits == "held back: it depends on absent, which is not listed"


@pytest.mark.parametrize(("exits", "state"), [(0, "complete"), (3, "failed")])
def test_job_that_ended_is_complete_or_failed_and_nothing_becomes_of_it(exits: int, state: str) -> None:
    case = new_case({**WEB, "restart": "never"})
    case.model.registry.push("shop/web:1", replace(content_of("shop/web:1", 1), exits=exits))
    case.settle()
    row = rows(case)["web"]
    assert (row.state, row.well, row.over) == (state, exits == 0, True)


def test_container_that_the_engine_starts_again_and_again_has_failed_but_may_yet_come() -> None:
    case = new_case(WEB)
    case.model.registry.push("shop/web:1", replace(content_of("shop/web:1", 1), exits=3))
    case.settle()
    row = rows(case)["web"]
    assert (row.state, row.well, row.over) == ("failed", False, False)
    assert "keeps exiting" in row.says


def test_what_serves_in_the_place_of_a_failed_one_and_is_stopped_is_brought_back_again() -> None:
    case = updated(WEB, exits=1)
    case.settle()
    assert rows(case)["web"].well
    case.model.stop(box_of(case).container_id)
    assert (rows(case)["web"].state, rows(case)["web"].well) == ("rollingBack", False)


@pytest.mark.parametrize(
    ("state", "exit_code", "says"),
    [("created", None, "never started"), ("exited", 137, "stopped: exit code 137")],
)
def test_container_that_the_engine_could_not_start_says_why_and_no_option_of_its_log(
    state: str, exit_code: int | None, says: str
) -> None:
    log = {"logDriver": "syslog", "options": {"syslog-address": "udp://hunter2:1"}}
    case = new_case({**WEB, "logConfiguration": log})
    case.settle()
    web = box_of(case)
    web.state, web.exit_code, web.error = state, exit_code, "no route to udp://hunter2:1\nport is taken"
    row = rows(case, frozenset({web.container_id}))["web"]
    assert (row.state, row.well) == ("pending", False)
    assert row.says == f"{says}; the engine could not start it: no route to (hidden) port is taken"
    assert rows(case)["web"].says == says  # where nobody asked


def test_what_is_replaced_for_another_reason_does_not_tell_of_an_old_failure() -> None:
    case = new_case(WEB)
    case.settle()
    web = box_of(case)
    web.state, web.exit_code, web.error = "exited", 1, "port is taken"
    changed = replace(case, listing=Listing(({**WEB, "env": {"A": "1"}},)))
    assert "port is taken" not in rows(changed, frozenset({web.container_id}))["web"].says


@profile()
@given(cases())
def test_every_entry_of_every_host_has_a_state_with_a_sentence(case: Case) -> None:
    for row in rows(case).values():
        assert row.state in get_args(Word)
        assert row.says
        assert not (row.over and row.state not in {"complete", "failed"})
