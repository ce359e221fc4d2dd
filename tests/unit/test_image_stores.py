"""What the engine's list of images means, with either of its stores; the answers are real, but shortened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.engine_json import container_from, image_from
from dockerup.image import Known, Unknown, parse_reference
from dockerup.images import (
    LocalImages,
    WantedImage,
    doubtful,
    goes_whole,
    lost_names,
    questions,
    same_for_platform,
)
from dockerup.keeper import same_image
from dockerup.problems import Origin
from dockerup.snapshot import Container, Image, ImageId
from dockerup.sources.result import Item
from dockerup.spec import ContainerSpec, parse

X, Y = f"sha256:{'e7' * 32}", f"sha256:{'24' * 32}"
HOST = "127.0.0.1:5000"
REF = parse_reference(f"{HOST}/app:latest")


def containerd(*names: str, shown: str = "", **more: Any) -> Image:
    raw = {"Id": X, "RepoTags": list(names), "RepoDigests": [shown or f"dockerup.invalid/app@{X}"], **more}
    return image_from(raw)


def test_classic_store_keeps_digests_apart_from_its_ids() -> None:
    raw = {"Id": Y, "RepoTags": [f"{HOST}/app:latest", "mine:1"], "RepoDigests": [f"{HOST}/app@{X}"]}
    one = image_from(raw)
    assert (one.tags, one.digests, one.implied) == (
        (f"{HOST}/app:latest", "mine:1"),
        (f"{HOST}/app@{X}",),
        (),
    )


def test_containerds_store_lists_names_by_digest_among_the_tags() -> None:
    one = containerd(f"{HOST}/app:latest", f"{HOST}/app@{X}", "dockerup.invalid/app:e7")
    assert one.tags == (f"{HOST}/app:latest", "dockerup.invalid/app:e7")
    assert one.digests == (f"{HOST}/app@{X}",)
    assert one.implied == ()


@pytest.mark.parametrize("shown", [f"mine@{X}", f"{HOST}/app@{X}", X])
def test_containerds_store_shows_a_digest_of_one_name_and_means_all(shown: str) -> None:
    one = containerd(f"{HOST}/app:latest", "mine:1", "dockerup.invalid/app:e7", shown=shown)
    assert one.digests == ()
    assert one.implied == (f"{HOST}/app@{X}", f"mine@{X}")


def podman(*names: str, shown: Sequence[str]) -> Image:
    return image_from({"Id": Y, "RepoTags": list(names), "RepoDigests": list(shown)}, podman=True)


def test_podman_makes_up_a_digest_for_each_name_and_lists_the_true_ones_among_the_tags() -> None:
    shown = (f"{HOST}/app@{X}", f"localhost/mine@{X}", f"dockerup.invalid/app@{X}")
    names = (f"{HOST}/app:latest", "localhost/mine:1", "dockerup.invalid/app:e7")
    fetched = podman(*names, f"{HOST}/app@{X}", shown=shown)
    assert fetched.tags == tuple(sorted(names))
    assert fetched.digests == (f"{HOST}/app@{X}",)
    assert fetched.implied == (f"localhost/mine@{X}",)
    perhaps = podman(*names, shown=shown)
    assert perhaps.digests == ()
    assert perhaps.implied == (f"{HOST}/app@{X}", f"localhost/mine@{X}")


def test_image_that_podman_knows_by_more_digests_may_have_any_of_them_from_a_registry() -> None:
    """It makes them up from all that it was fetched by: its own, and that of each index."""
    shown = (f"{HOST}/app@{X}", f"{HOST}/app@{Y}")
    assert doubtful([REF], LocalImages.of([podman(f"{HOST}/app:latest", shown=shown)])) == {REF: (Y, X)}
    sure = podman(f"{HOST}/app:latest", f"{HOST}/app@{X}", shown=shown)
    assert doubtful([REF], LocalImages.of([sure])) == {}


def test_image_out_of_an_archive_has_no_digest_of_a_registry() -> None:
    note = {"annotations": {"io.containerd.image.name": f"{HOST}/app:latest"}}
    assert containerd(f"{HOST}/app:latest", Descriptor=note).implied == ()


def test_image_without_a_name_has_no_digest() -> None:
    one = image_from({"Id": X, "RepoTags": [], "RepoDigests": []})
    assert (one.tags, one.digests, one.implied) == ((), (), ())


def test_only_what_is_here_of_an_index_is_a_part_of_it() -> None:
    told = [
        {"ID": "sha256:ours", "Kind": "image", "Available": True},
        {"ID": "sha256:theirs", "Kind": "image", "Available": False},
        {"ID": "sha256:about", "Kind": "attestation", "Available": True},
    ]
    assert containerd("app:1", Manifests=told).parts == {"sha256:ours"}


def test_container_tells_which_part_of_an_index_it_has() -> None:
    raw = {"Id": "1", "ImageManifestDescriptor": {"digest": "sha256:ours"}}
    assert (container_from(raw).part, container_from({"Id": "1"}).part) == ("sha256:ours", "")


def test_digest_that_is_implied_counts_once_the_registry_knows_it() -> None:
    images = [containerd(f"{HOST}/app:latest")]
    assert LocalImages.of(images).digest_of(ImageId(X), REF) == ""
    assert LocalImages.of(images, {REF: Unknown("away")}).digest_of(ImageId(X), REF) == ""
    assert LocalImages.of(images, {REF: Known(Y)}).digest_of(ImageId(X), REF) == X


def spec_of(image: str) -> ContainerSpec:
    return parse([Item({"name": "app", "image": image}, Origin("test"))], "confdir").specs[0]


def test_registry_is_asked_for_what_it_may_have_and_not_for_what_was_made_here() -> None:
    specs = [spec_of(f"{HOST}/app:latest")]
    maybe = LocalImages.of([containerd(f"{HOST}/app:latest")])
    assert questions(specs, maybe, pull=True) == {REF}
    assert doubtful([REF], maybe) == {REF: (X,)}
    sure = LocalImages.of([containerd(f"{HOST}/app:latest", f"{HOST}/app@{X}")])
    assert questions(specs, sure, pull=True) == {REF}
    assert doubtful([REF], sure) == {}
    made = LocalImages.of([Image(ImageId(Y), (f"{HOST}/app:latest",))])
    assert questions(specs, made, pull=True) == frozenset()


def test_name_that_a_person_gave_an_image_of_dockerups_holds_it() -> None:
    one = containerd("mine:1", f"{HOST}/app@{X}", "dockerup.invalid/app:e7")
    assert lost_names(one, {"dockerup.invalid/app:e7"}, everything=False) == ("dockerup.invalid/app:e7",)


def test_image_goes_by_the_names_that_it_has_and_by_no_implied_one() -> None:
    one = containerd(f"{HOST}/app:latest", f"{HOST}/app@{X}", "dockerup.invalid/app:e7")
    lost = lost_names(one, {"dockerup.invalid/app:e7"}, everything=False)
    assert lost == (f"{HOST}/app:latest", f"{HOST}/app@{X}", "dockerup.invalid/app:e7")
    assert goes_whole(one, lost)


def test_container_whose_image_the_engine_does_not_list_has_the_digest_that_it_should() -> None:
    one = container_from({"Id": "1", "ImageID": X})
    assert same_image(one, WantedImage(None, REF.with_digest(X), X, certain=True))
    assert not same_image(one, WantedImage(None, REF.with_digest(Y), Y, certain=True))


PARTS = st.frozensets(st.sampled_from(["a", "b", "c"]))
IDS = st.sampled_from([ImageId("1"), ImageId("2")])


@given(IDS, PARTS, IDS, PARTS)
def test_two_images_are_the_same_for_a_host_both_ways_round(
    one_id: ImageId, one: frozenset[str], other_id: ImageId, other: frozenset[str]
) -> None:
    first, second = Image(one_id, parts=one), Image(other_id, parts=other)
    assert same_for_platform(first, second) == same_for_platform(second, first)
    assert same_for_platform(first, second) == (one_id == other_id or bool(one & other))


def test_container_without_a_part_is_never_the_same_by_its_part() -> None:
    one = Container(container_from({"Id": "1"}).container_id, "app", ImageId(X), "app:1", "running", 0)
    assert not same_image(one, WantedImage(Image(ImageId(Y)), None, "", certain=True))
