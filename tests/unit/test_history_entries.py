"""What a run's results come to in the history: one entry a container, and how long nobody served."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from dockerup import labels
from dockerup.changes import changes_of
from dockerup.history_entries import entries_of
from dockerup.history_lines import Entry
from dockerup.image import parse_reference
from dockerup.outcome import Outcome, Result
from dockerup.problems import Origin
from dockerup.snapshot import Container, ContainerId, Image, ImageId, Snapshot
from dockerup.sources.result import Item
from dockerup.spec import parse
from dockerup.steps import (
    Cause,
    Create,
    Created,
    Existing,
    Goal,
    Keep,
    Node,
    Phase,
    Prove,
    Pull,
    Remove,
    RemoveImage,
    SetRestart,
    Start,
    Step,
    Stop,
    Tag,
    Target,
    Why,
)

ZERO = 1_800_000_000.0  # when the monotonic clock of these tests stood at 0
OLD, NEW = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
NEWER = Cause(Why.IMAGE, "digest a -> b")
BACK = Cause(Why.INTERRUPTED, "the new one was not proven")
DONE, FAILED, UNDONE, NOT_RUN = Outcome.DONE, Outcome.FAILED, Outcome.UNDONE, Outcome.NOT_RUN
(SPEC,) = parse([Item({"name": "web", "image": "web:1"}, Origin("web.yaml"))], "confdir").specs


def box(container_id: str, name: str = "web", digest: str = OLD, state: str = "running") -> Container:
    marks = {labels.NAME: name, **({labels.DIGEST: digest} if digest else {})}
    return Container(
        ContainerId(container_id), name, ImageId(f"id of {container_id}"), "web:1", state, 1, labels=marks
    )


def host(*containers: Container) -> Snapshot:
    return Snapshot(containers, ())


def old(container_id: str = "old") -> Existing:
    return Existing(ContainerId(container_id), "web")


def create(
    digest: str = NEW, entry: str = "web", cause: Cause = NEWER, name: str = "web.dockerup-new"
) -> Create:
    marks = ((labels.DIGEST, digest),) if digest else ()
    return Create(entry, SPEC, SPEC.image.familiar, name, marks, (), (), None, cause)


def start(target: Target, cause: Cause = NEWER, entry: str = "web") -> Start:
    return Start(entry, target, False, "", cause)


def prove(target: Target, *, checked: bool = False, goal: Goal = Goal.PROVEN) -> Prove:
    return Prove("web", target, goal, 10, 60, False, checked, "web.dockerup-failed", NEWER)


@dataclass
class Ran:
    """The results of a run, as they are written down one after the other."""

    results: list[Result] = field(default_factory=list)

    def __call__(
        self,
        step: Step,
        outcome: Outcome = DONE,
        *,
        at: tuple[float, float] = (0.0, 0.0),
        text: str = "",
        undone: float = 0.0,
        phase: Phase = Phase.CONVERGE,
    ) -> None:
        node = Node(len(self.results) + 1, (), phase, step.entry, step)
        self.results.append(Result(node, outcome, text, at[0], at[1] - at[0], undone))

    def entries(self, before: Snapshot, after: Snapshot | None = None) -> tuple[Entry, ...]:
        return entries_of(self.results, before, after or host(), "run", ZERO)

    def entry(self, before: Snapshot, after: Snapshot | None = None) -> Entry:
        (found,) = self.entries(before, after)
        return found


@pytest.fixture
def ran() -> Ran:
    return Ran()


def replacement(ran: Ran, *, checked: bool) -> None:
    new = Created("web")
    ran(create(), at=(1, 2))
    ran(SetRestart("web", old(), "no", "always", NEWER), at=(2, 3))
    ran(Stop("web", old(), None, NEWER), at=(3, 5))
    ran(start(new), at=(5, 6))
    ran(prove(new, checked=checked), at=(6, 16))
    ran(Remove("web", old(), NEWER), at=(16, 17))


def test_replacement_is_one_entry_with_both_digests(ran: Ran) -> None:
    replacement(ran, checked=False)
    assert ran.entry(host(box("old"))) == Entry(
        run="run",
        time=ZERO + 17,
        container="web",
        action="replaced",
        reason="newer image: digest a -> b",
        before=OLD,
        after=NEW,
        down=3.0,  # from the begin of the stop to the end of the start
        proof=10.0,
        outcome="done",
    )


def test_health_check_tells_when_the_new_one_serves(ran: Ran) -> None:
    replacement(ran, checked=True)
    assert ran.entry(host(box("old"))).down == 13.0


def test_waiting_for_the_end_of_a_job_is_no_proof(ran: Ran) -> None:
    ran(create(name="web"), at=(1, 2))
    ran(start(Created("web")), at=(2, 3))
    ran(prove(Created("web"), goal=Goal.ENDED), at=(3, 9))
    assert ran.entry(host()).proof is None


def test_proof_of_what_another_run_started_has_no_length(ran: Ran) -> None:
    ran(prove(old()), at=(3, 9))
    ran(Remove("web", old("older"), NEWER), at=(9, 10))
    assert ran.entry(host(box("old"), box("older"))).proof is None


@pytest.mark.parametrize("back", [False, True])
def test_replacement_that_a_later_run_concludes_has_both_digests(ran: Ran, back: bool) -> None:
    was, new = box("older"), box("old", digest=NEW)
    told = labels.write_replaced({was.container_id: labels.Before("always", True)})
    new = replace(new, labels={**new.labels, labels.REPLACES: told}, state="exited" if back else "running")
    if back:
        cause = Cause(Why.WAY_BACK, "exit code 3")
        ran(Stop("web", old(), None, cause), at=(1, 2))
        ran(start(old("older"), cause), at=(2, 3))
    else:
        ran(prove(old()), at=(3, 9))
        ran(Remove("web", old("older"), NEWER), at=(9, 10))
    entry = ran.entry(host(replace(was, state="exited"), new))
    assert (entry.before, entry.after) == (OLD, NEW)
    assert entry.outcome == ("done", "rolled back")[back]


def test_nobody_waits_where_the_new_one_serves_before_the_old_one_stops(ran: Ran) -> None:
    ran(create(), at=(1, 2))
    ran(start(Created("web")), at=(2, 3))
    ran(prove(Created("web"), checked=True), at=(3, 8))
    ran(Stop("web", old(), None, NEWER), at=(8, 9))
    ran(Remove("web", old(), NEWER), at=(9, 10))
    entry = ran.entry(host(box("old")))
    assert (entry.action, entry.down, entry.proof) == ("replaced", None, 5.0)


def test_first_start_was_never_down(ran: Ran) -> None:
    ran(create(name="web", cause=Cause(Why.NOT_THERE)), at=(1, 2))
    ran(start(Created("web"), Cause(Why.NOT_THERE)), at=(2, 3))
    entry = ran.entry(host())
    assert (entry.action, entry.reason, entry.before, entry.after) == ("created", "not there", "", NEW)
    assert (entry.down, entry.proof, entry.outcome) == (None, None, "done")


def test_container_that_stood_still_before_was_not_stopped_for_another(ran: Ran) -> None:
    ran(create(), at=(1, 2))
    ran(Stop("web", old(), None, NEWER), at=(3, 4))
    ran(start(Created("web")), at=(5, 6))
    assert ran.entry(host(box("old", state="exited"))).down is None


def test_drift_has_one_image(ran: Ran) -> None:
    ran(start(old(), Cause(Why.STOPPED)), at=(1, 2))
    entry = ran.entry(host(box("old", state="exited")))
    assert (entry.action, entry.before, entry.after, entry.down) == ("started", OLD, OLD, None)


# Ways back.


def test_undone_replacement_was_down_until_the_old_one_ran_again(ran: Ran) -> None:
    ran(create(), UNDONE, at=(1, 2), undone=9)
    ran(Stop("web", old(), None, NEWER), UNDONE, at=(3, 5), undone=8)
    ran(start(Created("web")), FAILED, at=(5, 6), text="no such program")
    ran(Remove("web", old(), NEWER), NOT_RUN)
    entry = ran.entry(host(box("old")))
    assert (entry.outcome, entry.down, entry.time) == ("rolled back", 5.0, ZERO + 9)
    assert (entry.action, entry.before, entry.after) == ("replaced", OLD, NEW)
    assert entry.error.startswith("no such program")


def test_what_was_undone_and_then_made_anew_is_replaced(ran: Ran) -> None:
    ran(create(), UNDONE, at=(1, 2), undone=9)
    ran(Stop("web", old(), None, NEWER), UNDONE, at=(3, 5), undone=8.5)
    ran(start(Created("web")), UNDONE, at=(5, 6), undone=7)
    ran(prove(Created("web")), Outcome.REFUSED, at=(6, 7), text="it was removed")
    ran(create(), at=(11, 12))
    ran(Stop("web", old(), None, NEWER), at=(13, 15))
    ran(start(Created("web")), at=(15, 16))
    ran(prove(Created("web")), at=(16, 26))
    entry = ran.entry(host(box("old")))
    assert (entry.action, entry.outcome, entry.down, entry.error) == ("replaced", "done", 13.0, "")


@pytest.mark.parametrize("checked", [False, True])
def test_way_back_in_a_later_round_ends_the_gap_with_the_old_ones_start(ran: Ran, checked: bool) -> None:
    new = Existing(ContainerId("new"), "web")
    ran(create(), at=(1, 2))
    ran(Stop("web", old(), None, NEWER), at=(3, 5))
    ran(start(Created("web")), at=(5, 6))
    ran(prove(Created("web"), checked=checked), FAILED, at=(6, 12), text="exit code 3\npassword=hunter2")
    ran(Stop("web", new, None, BACK), at=(20, 21))
    ran(start(old(), BACK), at=(21, 22))
    entry = ran.entry(host(box("old")), host(box("old"), box("new", digest=NEW, state="exited")))
    assert (entry.outcome, entry.down, entry.proof) == ("rolled back", 19.0, None)
    assert (entry.before, entry.after, entry.error) == (OLD, NEW, "exit code 3")


def test_way_back_to_what_was_never_stopped_is_one(ran: Ran) -> None:
    new, back = Existing(ContainerId("new"), "web.dockerup-new"), Cause(Why.WAY_BACK, "exit code 3")
    ran(create(), at=(1, 2))
    ran(start(Created("web")), at=(5, 6))
    ran(prove(Created("web")), FAILED, at=(6, 12), text="exit code 3")
    ran(SetRestart("web", new, "no", "always", back), at=(20, 21))
    ran(Stop("web", new, None, back), at=(21, 22))
    entry = ran.entry(host(box("old")))
    assert (entry.action, entry.outcome, entry.down) == ("rolled back", "rolled back", None)


def test_what_cannot_be_brought_back_is_down_to_the_end(ran: Ran) -> None:
    ran(create(), UNDONE, at=(1, 2), undone=9)
    ran(Stop("web", old(), None, NEWER), Outcome.UNDO_FAILED, at=(3, 5), text="engine is gone")
    ran(start(Created("web")), FAILED, at=(5, 6), text="no such program")
    entry = ran.entry(host(box("old")))
    assert (entry.outcome, entry.down) == ("failed", 6.0)


def test_old_one_that_does_not_start_again_leaves_the_port_closed(ran: Ran) -> None:
    ran(create(), at=(1, 2))
    ran(Stop("web", old(), None, NEWER), at=(3, 5))
    ran(start(Created("web")), at=(5, 6))
    ran(prove(Created("web")), FAILED, at=(6, 12), text="exit code 3")
    ran(Stop("web", Existing(ContainerId("new"), "web"), None, BACK), at=(20, 21))
    ran(start(old(), BACK), FAILED, at=(21, 25), text="port taken")
    entry = ran.entry(host(box("old")))
    assert (entry.outcome, entry.down) == ("failed", 22.0)


def test_member_of_a_group_that_another_one_took_back_was_down_as_well(ran: Ran) -> None:
    ran(create(), UNDONE, at=(1, 2), undone=9)
    ran(Stop("web", old(), None, NEWER), UNDONE, at=(3, 5), undone=8)
    ran(start(Created("web")), UNDONE, at=(5, 6), undone=7)
    entry = ran.entry(host(box("old")))
    assert (entry.action, entry.outcome, entry.down, entry.error) == ("replaced", "rolled back", 5.0, "")


def test_nothing_is_rolled_back_where_nothing_ran(ran: Ran) -> None:
    ran(create(), UNDONE, at=(1, 2), undone=9)
    ran(start(Created("web")), FAILED, at=(5, 6), text="no such program")
    assert ran.entry(host(box("old", state="exited"))).outcome == "failed"


def test_image_that_cannot_be_fetched_takes_nothing_down(ran: Ran) -> None:
    ran(Pull("web", parse_reference("web:1"), NEWER), FAILED, at=(1, 2), text="not found")
    ran(create(), NOT_RUN)
    ran(Stop("web", old(), None, NEWER), NOT_RUN)
    entry = ran.entry(host(box("old")))
    assert (entry.action, entry.outcome, entry.error) == ("replaced", "failed", "not found")
    assert (entry.before, entry.after, entry.down) == (OLD, NEW, None)


# Whose entry, and which image.


def test_removal_has_an_image_before_and_none_after(ran: Ran) -> None:
    cause = Cause(Why.ORPHAN)
    ran(Stop("web", old(), None, cause), at=(1, 2), phase=Phase.REMOVE)
    ran(Remove("web", old(), cause), at=(2, 3), phase=Phase.REMOVE)
    entry = ran.entry(host(box("old")))
    assert (entry.action, entry.before, entry.after, entry.down) == ("removed", OLD, "", None)


def test_removal_that_failed_leaves_its_image(ran: Ran) -> None:
    ran(Remove("web", old(), Cause(Why.ORPHAN)), FAILED, at=(2, 3), text="busy", phase=Phase.REMOVE)
    entry = ran.entry(host(box("old")))
    assert (entry.outcome, entry.after, entry.error) == ("failed", OLD, "busy")


def test_predecessor_of_another_name_counts(ran: Ran) -> None:
    replacement(ran, checked=False)
    entry = ran.entry(host(box("old", name="shop", digest=NEW)))
    assert (entry.before, entry.down) == (NEW, 3.0)


def test_image_without_a_digest_is_told_by_its_id(ran: Ran) -> None:
    ran(create(digest=""), at=(1, 2))
    ran(Stop("web", old(), None, NEWER), at=(3, 5))
    ran(start(Created("web")), at=(5, 6))
    before = host(box("old", digest=""))
    entry = ran.entry(before, host(*before.containers, box("new", digest="")))
    assert (entry.before, entry.after) == ("id of old", "id of new")


def test_image_that_went_has_an_entry_with_its_digest_and_the_bytes(ran: Ran) -> None:
    image = Image(ImageId("sha256:1"), ("dockerup.invalid/web:abab",), (f"web@{OLD}",), size=5_000_000)
    names = [f"web@{OLD}", "dockerup.invalid/web:abab"]
    for name, frees in zip(names, (0, image.size)):
        ran(RemoveImage("images", name, image.image_id, frees, Cause(Why.UNUSED)), at=(3, 4))
    ran.results[-1] = replace(ran.results[-1], freed=2_000_000)
    entry = ran.entry(Snapshot((), (image,)))
    assert (entry.container, entry.action) == ("image dockerup.invalid/web:abab", "removed")
    assert (entry.before, entry.after, entry.time) == (OLD, "", ZERO + 4)
    assert entry.reason == "no longer used; 2.0 MB free again"


def test_what_changes_no_container_is_no_entry(ran: Ran) -> None:
    cause = Cause(Why.FETCHED)
    ran(Keep("web", cause))
    ran(Pull("web", parse_reference("web:1"), cause), at=(1, 2))
    ran(Tag("web", "web@x", "dockerup.invalid/web:x", None, cause), at=(2, 3))
    name = RemoveImage("images", "web:0", ImageId("sha256:0"), 0, Cause(Why.UNUSED))
    ran(name, at=(3, 4), phase=Phase.CLEAN_UP)
    assert ran.entries(host(box("old"))) == ()
    assert Ran().entries(host()) == ()


def test_way_back_that_waits_for_another_s_start_is_no_change_and_no_entry(ran: Ran) -> None:
    ran(start(old(), Cause(Why.WAY_BACK, "it failed")), NOT_RUN)
    assert changes_of(ran.results, {}) == ()
    assert ran.entries(host(box("old", state="exited"))) == ()


def test_run_that_was_asked_to_stop_before_it_began_has_no_entry(ran: Ran) -> None:
    ran(create(), NOT_RUN)
    ran(start(Created("web")), NOT_RUN)
    assert ran.entries(host()) == ()


def test_entries_come_in_the_order_of_their_ends(ran: Ran) -> None:
    for name, end in (("late", 9), ("early", 3), ("middle", 5)):
        ran(create(entry=name, name=name), at=(1, end))
    assert [(one.container, one.time) for one in ran.entries(host())] == [
        ("early", ZERO + 3),
        ("middle", ZERO + 5),
        ("late", ZERO + 9),
    ]


def test_gap_does_not_depend_on_the_order_of_the_plan(ran: Ran) -> None:
    replacement(ran, checked=True)
    turned = replace(ran, results=list(reversed(ran.results)))
    before = host(box("old"))
    assert (turned.entry(before).down, turned.entry(before).proof) == (13.0, 10.0)
