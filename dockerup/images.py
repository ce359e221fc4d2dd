"""Which local image an entry has to run, which registry has to be asked, and which images nobody needs.

Same or different is decided by the digest that a local image carries for that very repository, since an
image's id means different things in different stores.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping

from dockerup.image import Answer, ImageRef, Known, Unknown
from dockerup.records import dataclass
from dockerup.snapshot import Image, ImageId
from dockerup.spec import ContainerSpec

# A tag in a domain that cannot exist (RFC 2606) says which images dockerup fetched; it also keeps them from
# other people's prunes, in every store.
OWNER = "dockerup.invalid"


@dataclass(frozen=True)
class LocalImages:
    """The local images, by what people and registries call them."""

    by_id: Mapping[ImageId, Image]
    by_tag: Mapping[str, Image]
    by_digest: Mapping[str, Image]

    @classmethod
    def of(cls, images: Iterable[Image], answers: Mapping[ImageRef, Answer] | None = None) -> LocalImages:
        """Return the index of some images. `answers` confirm the digests that are only implied."""
        images = tuple(images)
        known = {ref.familiar_name for ref, one in (answers or {}).items() if isinstance(one, Known)}
        return cls(
            {image.image_id: image for image in images},
            {tag: image for image in images for tag in image.tags},
            {digest: image for image in images for digest in _carried(image, known)},
        )

    def digest_of(self, image_id: ImageId, ref: ImageRef) -> str:
        """Return the digest that an image carries for a reference's repository, "" when it carries none."""
        prefix = f"{ref.familiar_name}@"
        found = (name for name, one in self.by_digest.items() if one.image_id == image_id)
        return min((name[len(prefix) :] for name in found if name.startswith(prefix)), default="")


@dataclass(frozen=True)
class WantedImage:
    """The image that an entry has to run.

    `local` is None when it has to be fetched, as `fetch` says. `digest` is "" where no registry told one.
    `certain` is False when nobody could say: then a container's image is neither new nor the same. `held`
    says why a newer image has to wait, `rolled_back` that it failed here; `later` is that image, where it
    may be fetched already.
    """

    local: Image | None
    fetch: ImageRef | None
    digest: str
    certain: bool
    doubt: str = ""
    held: str = ""
    rolled_back: bool = False
    later: WantedImage | None = None


def questions(specs: Iterable[ContainerSpec], local: LocalImages, *, pull: bool) -> frozenset[ImageRef]:
    """Return the references whose digest a registry has to be asked for.

    An image that is here and carries no digest of its repository was made on this host: no registry knows it.
    For a platform of its own, an index has to be looked into at least once.
    """
    refs = {spec.image for spec in specs if (spec.follows_registry and pull) or _unsolved(spec, local)}
    return frozenset(ref for ref in refs if not _made_here(ref, local))


def _unsolved(spec: ContainerSpec, local: LocalImages) -> bool:
    ref = spec.image
    return bool(ref.platform) and (ref.pinned or not of_platform(ref, local, spec.name))


def absent(refs: Iterable[ImageRef], local: LocalImages) -> frozenset[ImageRef]:
    """Return the references of which there is no image here at all."""
    return frozenset(
        ref for ref in refs if not (of_platform(ref, local) if ref.platform else ref.familiar in local.by_tag)
    )


def _carried(image: Image, known: Collection[str]) -> tuple[str, ...]:
    """Return an image's digests, and those implied for repositories that are known to have it."""
    return (*image.digests, *(name for name in image.implied if name.partition("@")[0] in known))


def _made_here(ref: ImageRef, local: LocalImages) -> bool:
    image = local.by_tag.get(ref.familiar)
    return image is not None and not local.digest_of(image.image_id, ref) and not _implied(ref, image)


def _implied(ref: ImageRef, image: Image) -> tuple[str, ...]:
    prefix = f"{ref.familiar_name}@"
    return tuple(name[len(prefix) :] for name in image.implied if name.startswith(prefix))


def doubtful(refs: Iterable[ImageRef], local: LocalImages) -> Mapping[ImageRef, tuple[str, ...]]:
    """Return the references of which nobody knows whether the image here was fetched, with its digests.

    A tag of another digest is a newer image only where the registry knows the one that is here, too.
    """
    here = {ref: local.by_tag[ref.familiar] for ref in refs if ref.familiar in local.by_tag}
    unsure = {ref: image for ref, image in here.items() if not local.digest_of(image.image_id, ref)}
    digests = {ref: _implied(ref, image) for ref, image in unsure.items()}
    return {ref: one for ref, one in digests.items() if one}


def same_for_platform(image: Image, other: Image) -> bool:
    """Tell whether two images are one for this host: the same, or indexes of the same for its platform."""
    return image.image_id == other.image_id or bool(image.parts & other.parts)


def wanted_image(spec: ContainerSpec, local: LocalImages, answers: Mapping[ImageRef, Answer]) -> WantedImage:
    """Return the image that an entry has to run."""
    ref = spec.image
    answer = answers.get(ref)
    told = answer.digest if isinstance(answer, Known) else ""
    if ref.platform and not told and not _made_here(ref, local):
        return _unsure(spec, local, answer.reason if isinstance(answer, Unknown) else "")
    digest = told or ref.digest
    if digest:
        exact = ref.with_digest(digest)
        found = local.by_digest.get(exact.familiar)
        return WantedImage(found, None if found else exact, digest, certain=True)
    tagged = local.by_tag.get(ref.familiar)
    doubt = answer.reason if isinstance(answer, Unknown) else ""
    if tagged is None:
        return WantedImage(None, ref, "", certain=False, doubt=doubt)
    return WantedImage(tagged, None, local.digest_of(tagged.image_id, ref), certain=True, doubt=doubt)


def _unsure(spec: ContainerSpec, local: LocalImages, doubt: str) -> WantedImage:
    """Return the image for a platform of which no registry told the digest: an index has one for each."""
    fetched = of_platform(spec.image, local, spec.name)
    here = max(fetched, key=lambda image: image.created, default=local.by_tag.get(spec.image.familiar))
    digest = local.digest_of(here.image_id, spec.image) if here is not None else ""
    return WantedImage(here, None, digest, certain=False, doubt=doubt)


def told_by_a_registry(spec: ContainerSpec, answers: Mapping[ImageRef, Answer]) -> bool:
    """Tell whether an entry's digest is known from a registry, or from a person, and not from this host."""
    return bool(spec.image.digest) or isinstance(answers.get(spec.image), Known)


def owner_tag(name: str, ref: ImageRef, digest: str) -> str:
    """Return the tag that marks an image as fetched by dockerup for an entry, and for which platform."""
    return f"{owner_repository(name)}:{digest.partition(':')[2][:12]}{_platform_mark(ref)}"


def _platform_mark(ref: ImageRef) -> str:
    return ref.platform and f"-{ref.platform.replace('/', '-')}"


def of_platform(ref: ImageRef, local: LocalImages, name: str = "") -> tuple[Image, ...]:
    """Return the images that dockerup fetched of a reference's repository for its platform, and an entry.

    The engine's list does not tell what an image is for; the owner tags do.
    """
    repository = re.escape(owner_repository(name)) if name else rf"{re.escape(OWNER)}/[^:]+"
    marked = re.compile(rf"{repository}:[0-9a-f]{{12}}{re.escape(_platform_mark(ref))}")
    return tuple(
        image
        for image in local.by_id.values()
        if any(map(marked.fullmatch, image.tags)) and local.digest_of(image.image_id, ref)
    )


def owner_repository(name: str) -> str:
    """Return the repository of an entry's owner tags; repositories allow less than container names do."""
    if re.fullmatch(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*", name):
        return f"{OWNER}/{name}"
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{OWNER}/{plain or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def is_owner_tag(tag: str) -> bool:
    """Tell whether a tag is one of dockerup's."""
    return tag.startswith(f"{OWNER}/")


def needs_owner_tag(image: Image, tag: str) -> bool:
    """Tell whether a local image is dockerup's and does not say yet that this entry has it.

    It is dockerup's when it has an owner tag, or no tag at all: a run fetched it and was killed before it
    could say so. An image under nothing but names that a person gave is theirs.
    """
    return tag not in image.tags and (not image.tags or any(is_owner_tag(one) for one in image.tags))


def superseded(name: str, images: Iterable[Image], keep: int) -> list[str]:
    """Return the owner tags that an entry has on some images, but for those of the newest `keep`."""
    repository = f"{owner_repository(name)}:"
    tags = [(-image.created, tag) for image in images for tag in image.tags if tag.startswith(repository)]
    return [tag for _, tag in sorted(tags)[keep:]]


def lost_names(image: Image, gone: Collection[str], *, everything: bool) -> tuple[str, ...]:
    """Return the names to take away so that an unused image goes, or what nobody needs of it; () for none.

    Owner tags go last: a run that was killed in between must leave the image to the next as dockerup's own.
    `gone` are owner tags nobody needs any more; with `everything`, whatever has no other owner tag goes too.
    """
    kept = tuple(tag for tag in image.tags if tag not in gone)
    lost = tuple(tag for tag in image.tags if tag in gone)
    if any(is_owner_tag(tag) for tag in kept) or not (lost or everything):
        return lost
    if everything or all(has_fetched_name(tag, image) for tag in kept):
        return (*kept, *image.digests, *lost) or (image.image_id,)
    return lost


def goes_whole(image: Image, lost: Collection[str]) -> bool:
    """Tell whether an image goes when these names are taken away, and not only some of its names."""
    return bool(lost) and {*image.tags, *image.digests} <= {*lost}


def has_fetched_name(tag: str, image: Image) -> bool:
    """Tell whether a tag is of a repository that an image was fetched from; any other is a person's."""
    return tag.rpartition(":")[0] in {name.partition("@")[0] for name in image.digests}
