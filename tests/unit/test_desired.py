"""What all sources say together: which entry holds, what is refused, and in which order things come."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.configuration import Configuration
from dockerup.desired import RANK, Desired, NoSourceError, combine
from dockerup.problems import Origin, Problem
from dockerup.settings import Settings, read_settings
from dockerup.sources.result import Item, SourceResult
from dockerup.sources.userdata import parse_userdata
from dockerup.validate import problems_of_host

UNREADABLE = Problem(Origin("containers.d/b.yaml"), "it cannot be read", "Correct it.")


def source(
    name: str, *values: object, complete: bool = True, problems: tuple[Problem, ...] = ()
) -> SourceResult:
    items = tuple(Item(value, Origin(name).at(place)) for place, value in enumerate(values))
    return SourceResult(name, items, declared=True, explicit=True, complete=complete, problems=problems)


def confdir(*values: object) -> SourceResult:
    return source("confdir", *values)


def entry(name: str, *links: str, port: int = 0, **keys: object) -> dict[str, object]:
    made: dict[str, object] = {"name": name, "image": "nginx", **keys}
    if links:
        made["links"] = dict.fromkeys(links, "alias")
    if port:
        made["portMappings"] = [{"containerPort": 80, "hostPort": port}]
    return made


def names(desired: Desired) -> list[str]:
    return [spec.name for spec in desired.specs]


# Sources.


def test_containers_of_all_sources_are_wanted() -> None:
    desired = combine([confdir(entry("web")), source("user-data", entry("db"))])
    assert names(desired) == ["db", "web"]
    assert {spec.name: spec.source for spec in desired.specs} == {"web": "confdir", "db": "user-data"}
    assert (desired.complete, desired.explicit, desired.broken, desired.problems) == (
        True,
        True,
        frozenset(),
        (),
    )


@pytest.mark.parametrize("turned", [False, True])
def test_user_data_holds_over_confdir_and_the_run_says_so(turned: bool) -> None:
    results = [confdir(entry("web", image="redis")), source("user-data", entry("web"))]
    desired = combine(results[::-1] if turned else results)
    assert [(spec.source, spec.image.familiar_name) for spec in desired.specs] == [("user-data", "nginx")]
    assert desired.notes == ("web: the entry of user-data is used, not confdir: [0]",)
    assert desired.complete


def test_every_source_has_a_rank() -> None:
    assert RANK == ("user-data", "confdir")


def test_notes_of_sources_and_entries_are_passed_on() -> None:
    told = SourceResult("user-data", declared=False, notes=("user-data is plainly a shell script",))
    desired = combine([told, confdir(entry("web", memory=512))])
    assert desired.notes == (
        "user-data is plainly a shell script",
        "confdir: [0].memory: 512 is read as 512 MiB; write 512m to say so",
    )


def test_no_source_at_all_is_an_error_and_never_an_empty_list() -> None:
    with pytest.raises(NoSourceError, match=r"containers\.d"):
        combine([SourceResult("confdir"), SourceResult("user-data")])
    with pytest.raises(NoSourceError):
        combine([])


def test_no_source_at_all_names_the_directory_that_the_settings_name() -> None:
    configuration = Configuration(read_settings("confdir=/srv/list\n", "", {}), (SourceResult("confdir"),))
    with pytest.raises(NoSourceError, match="Make the directory /srv/list "):
        configuration.desired()
    (problem,) = problems_of_host(configuration)
    assert str(problem).startswith(
        "/srv/list: there is no such directory, and no user-data with a list. Make the directory"
    )


def test_no_source_at_all_tells_of_a_misspelt_list_in_user_data() -> None:
    user_data = parse_userdata(b"#cloud-config\ncontianers: []\n")
    with pytest.raises(NoSourceError, match='did you mean "containers" by "contianers"'):
        combine([SourceResult("confdir"), user_data])


def test_a_directory_without_files_is_a_source_and_no_explicit_list() -> None:
    desired = combine([SourceResult("confdir", declared=True), SourceResult("user-data")])
    assert (desired.specs, desired.complete, desired.explicit) == ((), True, False)


def test_a_list_that_is_written_out_empty_is_explicit() -> None:
    desired = combine([confdir(), SourceResult("user-data")])
    assert (desired.specs, desired.complete, desired.explicit) == ((), True, True)


def test_a_source_that_cannot_be_read_is_there_and_makes_the_list_incomplete() -> None:
    unread = SourceResult("user-data", complete=False, problems=(UNREADABLE,))
    desired = combine([unread])
    assert (desired.complete, desired.broken, desired.problems) == (
        False,
        frozenset({"user-data"}),
        (UNREADABLE,),
    )
    beside = combine([unread, confdir(entry("web"))])
    assert (names(beside), beside.complete, beside.broken) == (["web"], False, frozenset({"user-data"}))


# Whatever is wrong, the list is not the whole.


@pytest.mark.parametrize(
    ("wrong", "kept"),
    [
        ([entry("web"), entry("db", memory="lots")], ["web"]),
        ([entry("web"), "nginx"], ["web"]),
        ([entry("web"), entry("web")], ["web"]),
        ([entry("web", port=80), entry("xylo", port=80)], ["web"]),
        ([entry("web"), entry("aa", "bb"), entry("bb", "aa")], ["web"]),
    ],
    ids=["bad value", "no object", "name twice", "port twice", "circle"],
)
def test_any_problem_makes_the_list_incomplete_and_keeps_the_rest(
    wrong: Sequence[object], kept: list[str]
) -> None:
    desired = combine([confdir(*wrong), SourceResult("user-data")])
    assert desired.problems
    assert (names(desired), desired.complete, desired.broken) == (kept, False, frozenset({"confdir"}))


def test_problems_of_reading_and_of_parsing_are_told_together() -> None:
    read = source("confdir", entry("web", memory="lots"), complete=False, problems=(UNREADABLE,))
    desired = combine([read, source("user-data", {"image": "Nginx"})])
    assert [str(problem.where) for problem in desired.problems] == [
        "user-data: [0].image",
        "containers.d/b.yaml",
        "confdir: [0].memory",
    ]
    assert desired.broken == {"confdir", "user-data"}


def test_one_host_port_for_two_containers_is_a_problem_that_names_the_other() -> None:
    desired = combine([confdir(entry("web", port=8080), entry("db", port=9090), entry("api", port=8080))])
    assert [str(problem) for problem in desired.problems] == [
        'confdir: [0].portMappings: host port 8080 is already that of "api" (confdir: [2]). '
        "Give one of them another."
    ]
    assert names(desired) == ["api", "db"]


def test_user_data_keeps_the_port_that_confdir_wants_too() -> None:
    desired = combine([confdir(entry("api", port=8080)), source("user-data", entry("web", port=8080))])
    assert names(desired) == ["web"]
    assert desired.broken == {"confdir"}


def test_an_entry_that_is_not_used_takes_no_port() -> None:
    results = [
        confdir(entry("web", port=80)),
        source("user-data", entry("web", port=81), entry("db", port=80)),
    ]
    assert names(combine(results)) == ["db", "web"]
    assert combine(results).problems == ()


def test_two_entries_that_want_one_network_made_differently_are_a_problem_that_names_the_other() -> None:
    def joined(name: str, **options: object) -> dict[str, object]:
        return entry(name, networks={"back": {"networkOptions": options}})

    same = {"ipam": {"config": [{"subnet": "10.5.0.0/24"}]}}
    three = (joined("api", **same), joined("db", **same, internal=False), joined("web"))
    assert combine([confdir(*three)]).problems == ()
    (problem,) = combine([confdir(*three, joined("www", internal=True))]).problems
    assert str(problem) == (
        "confdir: [3].networks.back.networkOptions: the network back has other options in "
        '"api" (confdir: [0]). Write the same, or leave them out in one.'
    )


def test_ports_that_the_engine_picks_never_clash() -> None:
    picked = [entry(f"web{i}", portMappings=[{"containerPort": 80}]) for i in range(3)]
    assert len(combine([confdir(*picked)]).specs) == 3


# Order and circles.


def test_a_circle_names_its_path() -> None:
    circle = [entry("aa", "bb"), entry("bb", network="container:cc"), entry("cc", volumes=[{"from": "aa"}])]
    desired = combine([confdir(*circle, entry("dd", "aa"))])
    assert [str(problem) for problem in desired.problems] == [
        f"confdir: [{place}]: containers depend on each other in a circle: {way}. "
        "Take one of dependsOn, links, volumes.from or network: container:NAME out."
        for place, way in enumerate(["aa -> bb -> cc -> aa", "bb -> cc -> aa -> bb", "cc -> aa -> bb -> cc"])
    ]
    assert names(desired) == ["dd"]


def test_a_circle_through_depends_on_is_one_too() -> None:
    desired = combine([confdir(entry("aa", "bb"), entry("bb", dependsOn=["aa"]), entry("cc"))])
    assert [
        "in a circle: aa -> bb -> aa. Take one of dependsOn," in str(one) for one in desired.problems
    ] == [
        True,
        False,
    ]
    assert names(desired) == ["cc"]


def test_a_container_that_waits_for_itself_is_a_circle() -> None:
    (problem,) = combine([confdir(entry("web", dependsOn=["web"]))]).problems
    assert "in a circle: web -> web." in str(problem)


def test_a_container_comes_after_those_that_it_depends_on() -> None:
    entries = [entry("aa", dependsOn=["bb", "gone"]), entry("bb", "cc"), entry("cc")]
    assert names(combine([confdir(*entries)])) == ["cc", "bb", "aa"]


@pytest.mark.parametrize("condition", ["COMPLETE", "SUCCESS"])
@pytest.mark.parametrize(
    ("restart", "ends"),
    [("always", False), ("unless-stopped", False), ("on-failure", True), ("never", True)],
)
def test_waiting_for_the_end_of_what_never_ends_is_a_problem(
    condition: str, restart: str, ends: bool
) -> None:
    waits = [{"containerName": "job", "condition": condition}]
    desired = combine([confdir(entry("job", restart=restart), entry("web", dependsOn=waits))])
    assert [str(problem) for problem in desired.problems] == (
        []
        if ends
        else [
            f'confdir: [1].dependsOn: it waits for the {condition} of "job", which is started again '
            'whenever it ends. Give "job" restart: never or on-failure, or wait for START or HEALTHY.'
        ]
    )
    assert names(desired) == (["job", "web"] if ends else ["job"])


def test_waiting_for_the_start_of_what_never_ends_is_right() -> None:
    waits = ["db", {"containerName": "mq", "condition": "HEALTHY"}]
    assert combine([confdir(entry("db"), entry("mq"), entry("web", dependsOn=waits))]).problems == ()


# The time for a proof.

SLOW = {"command": "true", "interval": "30s", "timeout": "10s", "retries": 3}


def test_a_health_timeout_that_is_too_short_for_a_check_is_a_problem_of_that_entry() -> None:
    results = [confdir(entry("db", healthCheck=SLOW), entry("web"))]
    desired = combine(results, health_timeout=124)
    assert [str(problem) for problem in desired.problems] == [
        'confdir: [0].healthCheck: "db" may need 125 seconds to be called unhealthy, and the setting '
        "health_timeout gives it 124. Write health_timeout=125 or more, or a quicker healthCheck."
    ]
    assert (names(desired), desired.complete, desired.broken) == (["web"], False, frozenset({"confdir"}))


@pytest.mark.parametrize("setting", [0, 125, 3600])
def test_a_health_timeout_that_is_long_enough_or_left_out_is_right(setting: int) -> None:
    assert combine([confdir(entry("db", healthCheck=SLOW))], health_timeout=setting).problems == ()


def test_a_run_goes_by_the_setting_health_timeout() -> None:
    results = (confdir(entry("db", healthCheck=SLOW)),)
    assert Configuration(Settings(), results).desired().problems == ()
    (problem,) = Configuration(Settings(health_timeout=60), results).desired().problems
    assert "health_timeout gives it 60" in problem.what


def test_a_check_that_is_turned_off_needs_no_time() -> None:
    off = {"command": ["NONE"]}
    assert combine([confdir(entry("db", healthCheck=off))], health_timeout=1).problems == ()


def test_a_container_that_depends_on_itself_is_a_circle() -> None:
    (problem,) = combine([confdir(entry("web", "web"))]).problems
    assert "in a circle: web -> web." in str(problem)


@given(st.integers(0, 2**15 - 1), st.randoms(use_true_random=False))
def test_each_comes_after_those_it_depends_on_whatever_the_order_of_the_files(
    arrows: int, order: random.Random
) -> None:
    pairs = [(low, high) for high in range(6) for low in range(high)]
    on = [pair for bit, pair in enumerate(pairs) if arrows >> bit & 1]
    # Names against the order of dependence, so that sorting them is not enough.
    entries = [entry(f"c{9 - i}", *(f"c{9 - low}" for low, high in on if high == i)) for i in range(6)]
    desired = combine([confdir(*order.sample(entries, 6))])
    assert desired.problems == ()
    came = names(desired)
    assert sorted(came) == sorted(str(one["name"]) for one in entries)
    assert all(came.index(f"c{9 - low}") < came.index(f"c{9 - high}") for low, high in on)
    assert came == names(combine([confdir(*entries)]))


def test_what_does_not_depend_on_another_comes_by_name() -> None:
    assert names(combine([confdir(entry("cc"), entry("aa"), entry("bb"))])) == ["aa", "bb", "cc"]


def test_a_dependency_that_nobody_lists_holds_up_nothing_here() -> None:
    desired = combine([confdir(entry("web", "gone"))])
    assert (names(desired), desired.complete) == (["web"], True)


def test_a_chain_of_thousands_is_put_in_order_within_a_second() -> None:
    chain = [entry(f"c{i:04}", f"c{i + 1:04}") for i in range(2999)] + [entry("c2999")]
    results = [confdir(*chain)]
    began = time.process_time()
    desired = combine(results)
    took = time.process_time() - began
    assert names(desired) == [f"c{i:04}" for i in reversed(range(3000))]
    assert took < 1
