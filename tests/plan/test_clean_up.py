"""Which images go from a host that has many: none that is needed and, to make room, the oldest that must."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dockerup.host import Policy
from dockerup.image import parse_reference
from dockerup.images import is_owner_tag, owner_tag
from dockerup.snapshot import ImageEvent, ImageId, Lately
from dockerup.steps import RemoveImage
from tests.model import Content, Model, sha256
from tests.plan.conftest import profile
from tests.plan.hosts import Case, Listing
from tests.plan.strategies import new_model

HIGH, LOW = 85, 80
ENTRIES = {"web": "shop/web:1", "db": "shop/db:1"}
many = profile()


@dataclass
class Full:
    """A host that has run some versions of its entries. `spare` are the superseded ones, oldest first."""

    case: Case
    spare: list[ImageId]
    others: list[ImageId]
    protected: set[ImageId]

    @property
    def model(self) -> Model:
        return self.case.model

    def used(self) -> int:
        return sum(content.size for content in self.model.contents.values())

    def without_room(self) -> Full:
        """Return the same host with a copy of the engine, and no setting to make room."""
        case = self.case.fresh()
        return replace(self, case=replace(case, policy=replace(case.policy, prune_when_full=0)))

    def run(self) -> list[ImageId]:
        """Make a run; return the images that went, oldest first."""
        before = dict(self.model.contents)
        self.case.run()
        gone = [image_id for image_id in before if image_id not in self.model.contents]
        return sorted(gone, key=lambda image_id: before[image_id].created)


@st.composite
def full_hosts(draw: st.DrawFn) -> Full:
    """Draw a host with superseded images and a person's, some of them used, pulled lately or named by her."""
    model = new_model()
    policy = Policy(
        prune=draw(st.sampled_from(("managed", "managed", "all", "none"))),
        keep_images=draw(st.sampled_from((9, 9, 2, 1, 0))),
        unmanaged="keep",
        prune_when_full=draw(st.sampled_from((HIGH, HIGH, 0))),
        salt="salt",
    )
    listed = tuple({"name": name, "image": image} for name, image in ENTRIES.items())
    case = Case(Listing(listed), model, policy)
    case.run()
    host = Full(case, [], [], {box.image_id for box in model.boxes.values()})
    events = []
    for number in draw(st.permutations(range(7))):
        entry = draw(st.sampled_from(("web", "web", "db", "")))
        image_id = add_image(model, entry, number, draw(st.integers(1, 500)))
        (host.spare if entry else host.others).append(image_id)
        what = draw(st.sampled_from(("", "", "", "used", "pulled", "named")))
        if what == "used":
            model.create_from(f"by-hand-{number}", {"Image": image_id})
        elif what == "pulled":
            events.append(ImageEvent(model.clock, "pull", image_id))
        elif what == "named":
            model.names[f"mine:{number}"] = image_id
        if what in {"used", "pulled"} or (what == "named" and entry and policy.prune == "managed"):
            host.protected.add(image_id)
    model.lately = Lately(tuple(events), since=0)
    host.spare.sort(key=lambda image_id: model.contents[image_id].created)
    model.disk_size = host.used() * 100 // draw(st.sampled_from((50, 85, 86, 90, 95, 99)))
    model.calls.clear()
    return host


def add_image(model: Model, entry: str, number: int, size: int) -> ImageId:
    image_id = ImageId(sha256(f"version {number}"))
    content = Content(image_id, created=10 + number, size=size)
    if entry:
        model.load(content, owner_tag(entry, parse_reference(ENTRIES[entry]), image_id))
        model.names[f"{ENTRIES[entry].partition(':')[0]}@{image_id}"] = image_id
    else:
        model.load(content, f"old:{number}")
    return image_id


@many
@given(full_hosts())
def test_no_image_goes_that_is_protected(host: Full) -> None:
    gone = host.run()
    assert not host.protected & set(gone)
    assert host.case.policy.prune != "none" or gone == []
    assert host.case.policy.prune == "all" or not set(host.others) & set(gone)


@many
@given(full_hosts())
def test_as_many_superseded_images_stay_as_keep_images_says_unless_the_disk_is_full(host: Full) -> None:
    full = host.used() * 100 > host.model.disk_size * HIGH
    before = {name: tags_of(host.model, name) for name in ENTRIES}
    host.run()
    if full and host.case.policy.prune_when_full:
        return
    for name, tags in before.items():
        newest = tags[-host.case.policy.keep_images :] if host.case.policy.keep_images else []
        assert set(newest) <= set(tags_of(host.model, name))
        if host.case.policy.prune != "none":
            unkept = {tag for tag in tags_of(host.model, name) if host.model.names[tag] not in host.protected}
            assert unkept <= set(newest)


def tags_of(model: Model, name: str) -> list[str]:
    """Return the owner tags of an entry's superseded images, oldest first."""
    current = model.by_name(name).image_id
    tags = [tag for tag in model.names if is_owner_tag(tag) and f"/{name}:" in tag]
    tags = [tag for tag in tags if model.names[tag] != current]
    return sorted(tags, key=lambda tag: model.contents[model.names[tag]].created)


@many
@given(full_hosts())
def test_room_is_made_oldest_first_down_to_the_low_mark_and_no_further(host: Full) -> None:
    before, model = dict(host.model.contents), host.model
    # What goes anyway goes first; then the disk is looked at.
    anyway = set(host.without_room().run())
    full = host.used() * 100 > model.disk_size * HIGH
    gone = [image_id for image_id in host.run() if image_id not in anyway]
    if not full or not host.case.policy.prune_when_full or host.case.policy.prune == "none":
        assert gone == []
        return
    able = [one for one in host.spare if one not in host.protected and one not in anyway]
    assert gone == able[: len(gone)]
    mark = model.disk_size * LOW // 100
    assert host.used() <= mark or gone == able
    if gone:
        assert host.used() + before[gone[-1]].size > mark


# Single sights.


def one_superseded(**policy: Any) -> Full:
    """Return a host whose entry web has one superseded image, of 400 bytes."""
    settings = {"prune": "managed", "keep_images": 0, "salt": "salt", **policy}
    case = Case(Listing(({"name": "web", "image": "shop/web:1"},)), new_model(), Policy(**settings))
    case.run()
    host = Full(case, [], [], {box.image_id for box in case.model.boxes.values()})
    host.spare.append(add_image(case.model, "web", 1, 400))
    return host


def test_nothing_goes_before_it_is_known_what_happened_to_images_lately() -> None:
    host = one_superseded()
    host.model.lately = None
    plan = host.case.plan()
    assert plan.unneeded == {*host.spare}
    assert plan.changes == ()


def test_disk_that_is_full_of_what_is_needed_is_said_whatever_happened_lately() -> None:
    host = one_superseded(prune_when_full=HIGH, making_room=True)
    del host.model.contents[host.spare[0]]
    host.model.names = {name: one for name, one in host.model.names.items() if one not in host.spare}
    host.model.lately, host.model.disk_size = None, host.used()
    assert host.case.plan().notes == (
        "the engine's disk is fuller than prune_when_full allows, and no image may go",
    )


def test_disk_that_is_lost_from_sight_lets_go_of_nothing_that_is_kept() -> None:
    host = one_superseded(keep_images=1, prune_when_full=HIGH, making_room=True)
    host.model.disk_size = 0
    assert host.case.plan().changes == ()


def test_bytes_of_an_image_come_back_with_its_last_name() -> None:
    steps = [node.step for node in one_superseded().case.plan().changes]
    assert [step.frees for step in steps if isinstance(step, RemoveImage)] == [0, 400]
