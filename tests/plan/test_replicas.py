"""Replicas: one is replaced at a time, and only after the one before is proven, wherever a run is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dockerup import labels
from dockerup.changes import changes_of
from dockerup.host import Policy
from dockerup.memory import failed_name, failed_names
from dockerup.snapshot import ContainerId
from dockerup.steps import Prove
from tests.model import Box, Model, ModelError
from tests.plan.hosts import Case, Listing, interrupted
from tests.plan.strategies import content_of, new_model
from tests.plan.test_former import Remembered
from tests.plan.test_status import rows

WEB: dict[str, Any] = {"name": "web", "image": "shop/web:1", "replicas": 3}
REPLICAS = {"web-1", "web-2", "web-3"}
OTHERS = {"db", "proxy", "side"}
FRIENDS: tuple[dict[str, Any], ...] = (
    {"name": "db", "image": "shop/db:1"},
    {
        "name": "proxy",
        "image": "host/made:1",
        "dependsOn": [{"containerName": "web", "condition": "HEALTHY"}],
    },
    {"name": "side", "image": "host/made:1", "network": "container:web-2"},
)


def running(case: Case) -> dict[str, str]:
    """Return the id of each running container, by name."""
    boxes = case.model.boxes.values()
    return {box.name: box.container_id for box in boxes if box.state in {"running", "restarting"}}


class Fussy(Model):
    """An engine on which what is redefined does badly in the second replica."""

    def prove(self, container_id: ContainerId, step: Prove, stop: threading.Event) -> bool:
        if step.entry == "web-2" and self._is_bad(self.boxes[container_id]):
            raise ModelError(None, "it does badly here")
        return super().prove(container_id, step, stop)

    def _is_bad(self, box: Box) -> bool:
        return "KEY" in box.env


class FussyOfImages(Fussy):
    """An engine on which a newer image does badly in the second replica."""

    def _is_bad(self, box: Box) -> bool:
        return box.image_id == content_of("shop/web:1", 2).image_id


def host(model: Callable[[], Model] = Model, **keys: Any) -> Case:
    """Return a host that is as listed, of three replicas and others."""
    listing = Listing(({**WEB, **keys, "dependsOn": ["db"]}, *FRIENDS))
    case = Case(listing, new_model(model), Policy(prune="managed", keep_images=0, salt="salt"))
    case.settle()
    case.model.calls.clear()
    assert running(case).keys() == REPLICAS | OTHERS
    return case


def pushed(case: Case, exits: int | None = None, version: int = 2) -> Case:
    """Return the case with a newer image in the registry, whose program ends at once with an exit code."""
    case.model.registry.push("shop/web:1", replace(content_of("shop/web:1", version), exits=exits))
    return case


def settled_after_each_kill(case: Case) -> Iterator[Case]:
    """Give what comes of a run that is killed at each call, once it is finished; two of three always run."""
    assert case.plan().changes
    for killed in interrupted(case):
        assert len(running(killed).keys() & REPLICAS) >= 2
        killed.settle()
        yield killed


def redefined(case: Case, **env: str) -> Case:
    """Return the case with another definition."""
    first, *others = case.listing.confdir
    return replace(case, listing=Listing(({**first, "env": {"KEY": "new", **env}}, *others)))


@pytest.mark.parametrize(
    ("change", "eager", "rollback"),
    [(pushed, False, True), (redefined, True, True), (redefined, False, False)],
)
def test_two_of_three_run_at_each_moment_of_a_change(change: Any, eager: bool, rollback: bool) -> None:
    case = change(host(update={"eager": eager, "rollback": rollback}))
    before = running(case)
    for killed in settled_after_each_kill(case):
        after = running(killed)
        assert after.keys() == before.keys()
        assert {name for name in after if after[name] == before[name]} == {"db", "proxy"}
        assert killed.plan().changes == ()


def test_image_that_fails_in_the_first_is_not_tried_in_the_others() -> None:
    case = pushed(host(), exits=1)
    before = running(case)
    for killed in settled_after_each_kill(case):
        assert running(killed) == before
        left = {box.name for box in killed.model.boxes.values()} - before.keys()
        assert left == {failed_name("web-1")}
        assert killed.plan().changes == (), str(killed.plan())


def failing(case: Case) -> Case:
    """Return the case with a still newer image, which fails."""
    return pushed(case, exits=1, version=3)


def lost(case: Case) -> Case:
    """Return the case with a still newer image, which the registry tells of and does not have."""
    digest = case.model.registry.push("shop/web:1", content_of("shop/web:1", 3))
    del case.model.registry.contents[f"shop/web@{digest}"]
    return case


@pytest.mark.parametrize("newer", [failing, lost])
def test_what_a_killed_run_began_is_undone_where_a_still_newer_image_does_not_come(newer: Any) -> None:
    for killed in interrupted(pushed(host(Remembered))):
        newer(killed).settle()
        boxes = [killed.model.boxes[ContainerId(one)] for one in running(killed).values()]
        assert {box.name: box.restart for box in boxes} == dict.fromkeys(running(killed), "always")


def test_what_failed_is_tried_again_in_the_first_and_the_others_follow_when_it_is_mended() -> None:
    case = pushed(host(), exits=1)
    before = running(case)
    case.settle()
    case.model.clock += 3600
    case.run()
    assert running(case) == before
    pushed(case, version=3)
    case.settle()
    assert running(case).keys() == before.keys()
    assert not {*running(case).values()} & {before[name] for name in REPLICAS}
    assert failed_name("web-1") not in {box.name for box in case.model.boxes.values()}


def test_definition_that_fails_in_the_middle_leaves_the_host_well_and_quiet() -> None:
    case = redefined(host(Fussy))
    before = running(case)
    for killed in settled_after_each_kill(case):
        after = running(killed)
        assert after.keys() == before.keys()
        assert {name for name in after if after[name] == before[name]} == {*before} - {"web-1"}
        assert_rests(killed)


def assert_rests(case: Case) -> None:
    """Look that nothing is to do, and that what waits for what failed is as well as that."""
    assert case.plan().changes == (), str(case.plan())
    assert {name: row.well for name, row in rows(case).items()} == dict.fromkeys(running(case), True)


def test_replica_that_waits_for_one_that_failed_is_started_again_as_it_is() -> None:
    case = redefined(host(Fussy))
    case.settle()
    before = running(case)
    case.model.stop(case.model.by_name("web-3").container_id)
    case.settle()
    assert running(case) == before
    assert_rests(case)


def broken(case: Case, exits: int | None = None) -> Case:
    """Return the case with a definition that failed in the first replica, with a newer image as well."""
    case = redefined(case, EXITS="1")
    case.settle()
    pushed(case, exits).run()
    case.model.calls.clear()
    return case


def images(case: Case) -> dict[str, bool]:
    """Return of each replica that runs whether it has the newer image."""
    newer = content_of("shop/web:1", 2).image_id
    return {name: case.model.by_name(name).image_id == newer for name in running(case).keys() - OTHERS}


def test_newer_image_comes_to_each_in_turn_while_the_definition_is_held_back() -> None:
    case = broken(host())
    before = running(case)
    for killed in settled_after_each_kill(case):
        after = running(killed)
        assert after.keys() == before.keys()
        assert {name for name in after if after[name] == before[name]} == {"db", "proxy"}
        assert images(killed) == dict.fromkeys(REPLICAS, True)
        assert all("EXITS" not in killed.model.by_name(name).env for name in REPLICAS)
        assert {box.name for box in killed.model.boxes.values()} - before.keys() == {failed_name("web-1")}
        assert_rests(killed)


def test_newer_image_that_fails_with_the_former_definition_is_tried_in_the_first_alone() -> None:
    case = broken(host(), exits=1)
    before = running(case)
    for killed in settled_after_each_kill(case):
        assert running(killed) == before
        left = {box.name for box in killed.model.boxes.values()} - before.keys()
        assert left == {*failed_names("web-1")}
        assert_rests(killed)


def test_newer_image_that_fails_with_the_former_definition_in_the_second_comes_to_none_after_it() -> None:
    case = broken(host(FussyOfImages))
    for killed in settled_after_each_kill(case):
        assert images(killed) == {"web-1": True, "web-2": False, "web-3": False}
        left = {box.name for box in killed.model.boxes.values()} - running(killed).keys()
        assert left == {failed_name("web-1"), failed_name("web-2", former=True)}
        assert_rests(killed)


def test_newer_image_comes_to_those_as_listed_and_to_those_that_are_not() -> None:
    case = redefined(host(Fussy))
    case.settle()
    before = running(case)
    for killed in settled_after_each_kill(pushed(case)):
        after = running(killed)
        assert after.keys() == before.keys()
        assert not {*after.values()} & {before[name] for name in REPLICAS}
        assert {name for name in REPLICAS if "KEY" in killed.model.by_name(name).env} == {"web-1"}
        assert_rests(killed)


def test_definition_that_fails_in_the_second_and_an_image_that_fails_in_the_first_both_rest() -> None:
    case = pushed(redefined(host(Fussy)), exits=1)
    case.settle()
    assert {name for name in REPLICAS if "KEY" in case.model.by_name(name).env} == {"web-1"}
    assert images(case) == dict.fromkeys(REPLICAS, False)
    assert_rests(case)


def test_newer_image_that_came_to_all_is_followed_by_the_mended_definition() -> None:
    case = broken(host())
    case.settle()
    case = redefined(case)
    case.settle()
    assert {box.name for box in case.model.boxes.values()} == {*running(case)}
    assert all("KEY" in case.model.by_name(name).env for name in REPLICAS)
    assert_rests(case)


@pytest.mark.parametrize("count", [2, 5])
def test_another_number_while_the_definition_is_held_back_holds_up_no_image(count: int) -> None:
    case = redefined(host(Fussy))
    case.settle()
    pushed(case).run()
    first, *others = case.listing.confdir
    case.listing = Listing(({**first, "replicas": count}, *others))
    case.settle()
    assert images(case) == {f"web-{number}": True for number in range(1, count + 1)}
    as_listed = {name for name in images(case) if "KEY" in case.model.by_name(name).env}
    assert as_listed == {"web-1", "web-4", "web-5"} & images(case).keys()
    assert_rests(case)


@pytest.mark.parametrize("name", ["web-1", "web-2", "web-3"])
def test_replica_that_is_stopped_while_the_definition_is_held_back_gets_the_newer_image(name: str) -> None:
    case = broken(host())
    case.model.stop(case.model.by_name(name).container_id)
    case.settle()
    assert images(case) == dict.fromkeys(REPLICAS, True)
    assert_rests(case)


def test_replica_that_is_missing_is_made_as_listed_and_holds_up_no_image_of_those_before() -> None:
    case = broken(host())
    gone = case.model.by_name("web-3").container_id
    case.model.stop(gone)
    case.model.remove(gone)
    case.settle()
    assert images(case) == dict.fromkeys(REPLICAS, True)
    assert {name for name in REPLICAS if "EXITS" in case.model.by_name(name).env} == {"web-3"}


def test_replica_that_cannot_be_made_anew_stays_and_says_so_and_the_others_do_not() -> None:
    case = broken(host())
    box = case.model.by_name("web-2")
    box.labels = {**box.labels, labels.HASH: box.labels[labels.HASH].replace("1:", "0:")}
    case.settle()
    assert images(case) == {"web-1": True, "web-2": False, "web-3": True}
    assert case.plan().changes == ()
    causes = {node.step.entry: str(node.step.cause) for node in case.plan().nodes}
    why = "; what serves stays as it is: another version of dockerup made it"
    assert [name for name, cause in causes.items() if why in cause] == ["web-2"]
    assert causes["web-2"].startswith("waits for one that failed: web-1; it is tried again after ")


def test_run_tells_which_replicas_were_not_replaced_and_why() -> None:
    case = pushed(host(), exits=1)
    case.listing = Listing(case.listing.confdir[:-1])

    results = case.run()

    said = {change.subject: str(change) for change in changes_of(results, {})}
    assert said["web-2"].startswith("web-2: not replaced (newer image")
    assert said["web-2"].endswith("waits for web-1")
    assert said["web-3"].endswith("waits for web-2")


def test_number_of_replicas_changes_nothing_else() -> None:
    case = host()
    before = running(case)
    first, *others = case.listing.confdir
    for count in (5, 3):
        case.listing = Listing(({**first, "replicas": count}, *others))
        case.settle()
        assert len(running(case)) == count + 3
        assert before.items() <= running(case).items()
        assert case.plan().changes == ()
