"""Platforms: their names, what an index has for one, what a host runs, and which image here is for which."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.image import ImageRef, Known, Unknown, parse_reference
from dockerup.images import LocalImages, WantedImage, absent, of_platform, owner_tag, questions, wanted_image
from dockerup.keeper import same_image
from dockerup.platforms import cannot_run, canonical, entries_of, entry_for, names_of
from dockerup.problems import Origin
from dockerup.snapshot import Container, ContainerId, Image, ImageId
from dockerup.sources.result import Item
from dockerup.spec import ContainerSpec, parse

INDEX, OURS, THEIRS = (f"sha256:{two * 32}" for two in ("1d", "0a", "b2"))
ARM64 = (
    "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: F\nmagic 7f454c460201010000000000000000000200b700\n"
)
S390X = "enabled\ninterpreter /x\nmagic 7f454c4602020100000000000000000000020016\nmask ffffff"


def entry(digest: str, architecture: str, variant: str = "", system: str = "linux") -> dict[str, Any]:
    return {"digest": digest, "platform": {"architecture": architecture, "os": system, "variant": variant}}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("linux/amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("aarch64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm"),
        ("armel", "linux/arm/v6"),
        ("linux/amd64/v3", "linux/amd64/v3"),
    ],
)
def test_platform_has_one_name(written: str, name: str) -> None:
    assert canonical(written) == name == canonical(name)


def test_index_gives_the_best_that_such_a_host_runs() -> None:
    entries = [
        entry("6", "arm", "v6"),
        entry("5", "arm", "v5"),
        entry("7", "arm", "v7"),
        entry("64", "arm64"),
    ]
    assert entry_for("linux/arm", entries) == "7"
    assert entry_for("linux/arm/v6", entries) == "6"
    assert entry_for("linux/arm/v4", entries) == ""
    assert entry_for("linux/arm64", entries) == "64"
    levels = [entry("1", "amd64"), entry("3", "amd64", "v3"), entry("w", "amd64", system="windows")]
    assert [entry_for(f"linux/amd64{v}", levels) for v in ("", "/v2", "/v3")] == ["1", "1", "3"]
    assert names_of(levels) == ["linux/amd64", "linux/amd64/v3"]


@given(
    st.binary()
    | st.recursive(
        st.text() | st.integers(),
        lambda one: (
            st.lists(one) | st.dictionaries(st.sampled_from(["manifests", "platform", "os", "digest"]), one)
        ),
    ).map(lambda one: json.dumps(one).encode())
)
def test_what_is_no_index_has_no_entries_and_raises_nothing(body: bytes) -> None:
    entries = entries_of(body)
    assert entry_for("linux/arm64", entries) == ""
    names_of(entries)


def test_host_runs_its_own_platform_and_what_it_emulates() -> None:
    assert cannot_run("linux/amd64/v3", "x86_64", []) == ""
    assert cannot_run("linux/386", "x86_64", []) == ""
    assert cannot_run("linux/arm/v6", "aarch64", []) == ""
    assert cannot_run("linux/arm64", "x86_64", ["disabled", ARM64]) == ""
    assert cannot_run("linux/s390x", "x86_64", [S390X]) == ""


def test_host_that_emulates_nothing_of_the_kind_says_so() -> None:
    said = "linux/arm64 cannot run here: this host is x86_64, and emulates no arm64 (binfmt_misc)"
    assert (
        cannot_run("linux/arm64", "x86_64", [ARM64.replace("enabled", "disabled"), S390X, "enabled\n"])
        == said
    )
    assert cannot_run("linux/s390x", "aarch64", [ARM64])


def test_what_cannot_be_seen_is_tried() -> None:
    assert cannot_run("linux/arm64", "x86_64", None) == ""
    assert cannot_run("linux/arm64", "", []) == ""


def spec_of(platform: str = "linux/arm64", **keys: Any) -> ContainerSpec:
    item = Item({"name": "app", "image": "app:1", "platform": platform, **keys}, Origin("test"))
    (spec,) = parse([item], "confdir").specs
    return spec


def image(image_id: str, *tags: str, digests: tuple[str, ...] = (), created: int = 0) -> Image:
    return Image(ImageId(image_id), tags, tuple(f"app@{one}" for one in digests), created)


REF = spec_of().image
OWNED = image("theirs", owner_tag("app", REF, THEIRS), digests=(THEIRS,))
TAGGED = image("ours", "app:1", digests=(INDEX,))


def test_platform_is_part_of_the_reference_and_of_the_owner_tag() -> None:
    assert replace(parse_reference("app:1"), platform="linux/arm64") == REF
    assert owner_tag("app", REF, THEIRS) == "dockerup.invalid/app:b2b2b2b2b2b2-linux-arm64"
    assert of_platform(REF, LocalImages.of([OWNED, TAGGED])) == (OWNED,)
    assert of_platform(REF, LocalImages.of([OWNED]), "ap") == ()
    assert of_platform(spec_of("linux/arm").image, LocalImages.of([OWNED])) == ()


def wanted(spec: ContainerSpec, *images: Image, answer: Known | Unknown | None) -> WantedImage:
    answers = {spec.image: answer} if answer else {}
    return wanted_image(spec, LocalImages.of(images), answers)


def test_image_for_a_platform_is_the_one_of_that_digest_whatever_the_tag_means() -> None:
    assert wanted(spec_of(), OWNED, TAGGED, answer=Known(THEIRS)).local is OWNED
    missing = wanted(spec_of(), TAGGED, answer=Known(THEIRS))
    assert (missing.local, missing.fetch) == (None, REF.with_digest(THEIRS))


def test_with_the_registry_away_the_image_that_was_fetched_for_the_platform_stays() -> None:
    found = wanted(spec_of(), OWNED, TAGGED, answer=Unknown("away"))
    assert (found.local, found.digest, found.certain) == (OWNED, THEIRS, False)
    other = Container(ContainerId("1"), "app", ImageId("another"), "app:1", "running", 0)
    assert same_image(other, found)
    assert wanted(spec_of(), answer=Unknown("away")).fetch is None


def test_registry_is_asked_for_a_platform_where_its_image_is_not_known_yet() -> None:
    here, tagged = LocalImages.of([OWNED, TAGGED]), LocalImages.of([TAGGED])
    once = spec_of(pull="missing")
    assert questions([once], tagged, pull=False) == {REF}
    assert questions([once], here, pull=True) == frozenset()
    pinned = spec_of(image=f"app@{INDEX}")
    assert questions([pinned], here, pull=False) == {pinned.image}
    assert absent([REF], tagged) == {REF}
    assert absent([REF, pinned.image], here) == frozenset()


def test_pinned_index_means_its_entry_for_the_platform() -> None:
    pinned = spec_of(image=f"app@{INDEX}")
    assert wanted(pinned, OWNED, TAGGED, answer=Known(THEIRS)).local is OWNED


def test_image_that_was_made_here_is_what_its_tag_means() -> None:
    made = image("made", "app:1")
    assert questions([spec_of()], LocalImages.of([made]), pull=True) == frozenset()
    assert wanted(spec_of(), made, answer=None) == WantedImage(made, None, "", certain=True)


def test_reference_with_a_platform_reads_as_it_is_written() -> None:
    assert str(REF) == "docker.io/library/app:1"
    assert isinstance(REF, ImageRef)
    assert REF.untagged
