"""Image references: what a person writes after `image:`, and what the engine and the registries make of it.

The grammar is that of github.com/distribution/reference (regexp.go, normalize.go), which the engine uses.
"""

from __future__ import annotations

import dataclasses
import re
from typing import NoReturn, Union

from dockerup.records import dataclass

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"

_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"
_LONGEST_NAME = 255
_LONGEST_TAG = 128
# No reference that is valid is longer: name, tag, "sha512:" with its 128 digits, and the signs between them.
_LONGEST_TEXT = 600

_HOST_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::([0-9]+))?")
_PATH_PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")
_IMAGE_ID = re.compile(r"[a-f0-9]{64}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+-]*:/+")

_EXAMPLES = 'Write it like "nginx:1.27" or "registry.example.com/team/app:1.27".'


class InvalidReferenceError(ValueError):
    """A text names no image: `what` says why, without a full stop; `fix` is a sentence, what to write."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}. {fix}")
        self.what = what
        self.fix = fix


@dataclass(frozen=True)
class ImageRef:
    """One image by its full name; `parse_reference` makes it. At least one of tag and digest is there.

    `str()` is the full form ("docker.io/library/nginx:1.27"), which parses to the same reference. `platform`
    is "linux/arm64" where another than the host's own may be meant.
    """

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None
    platform: str = ""

    def __str__(self) -> str:
        return f"{self.domain}/{self.path}{self._suffix}"

    @property
    def familiar_name(self) -> str:
        """The name without tag and digest as the engine shows it, in RepoDigests too: "nginx"."""
        if self.domain != DEFAULT_DOMAIN:
            return f"{self.domain}/{self.path}"
        bare = self.path[len(_OFFICIAL) :] if self.path.startswith(_OFFICIAL) else "/"
        return self.path if "/" in bare else bare

    @property
    def familiar(self) -> str:
        """The reference as the engine shows it in RepoTags: "nginx:1.27", "127.0.0.1:5000/web:1"."""
        return f"{self.familiar_name}{self._suffix}"

    @property
    def pinned(self) -> bool:
        """Whether a digest says which image it is, so that a registry has nothing newer to tell."""
        return self.digest is not None

    @property
    def untagged(self) -> bool:
        """Whether no local tag is to mean it: a tag can mean the image for one platform only."""
        return self.pinned or bool(self.platform)

    def with_digest(self, digest: str) -> ImageRef:
        """Return the reference to this repository's image of that digest, without a tag.

        Its `familiar` is what the engine lists in RepoDigests ("nginx@sha256:..."), and what it takes
        to pull exactly this image.
        """
        return dataclasses.replace(self, tag=None, digest=digest)

    @property
    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{tag}@{self.digest}" if self.digest is not None else tag


@dataclass(frozen=True)
class Known:
    """A registry said which digest a tag has now."""

    digest: str


@dataclass(frozen=True)
class Unknown:
    """A registry did not say which digest a tag has; `reason` is a sentence without a full stop.

    It means neither that the image changed nor that it is the same. `of_registry`: the reason holds for all
    images of the registry. `wait`: the seconds for which the registry asked to be left in peace.
    """

    reason: str
    of_registry: bool = dataclasses.field(default=False, compare=False)
    wait: int = dataclasses.field(default=0, compare=False)


Answer = Union[Known, Unknown]


def is_digest(text: str) -> bool:
    """Return whether the text is a digest that the engine takes: "sha256:" and 64 digits (0-9, a-f), say."""
    return _DIGEST.fullmatch(text) is not None


def parse_reference(text: str) -> ImageRef:
    """Return the image that a person's text names, with what they may leave out filled in as the engine does.

    Raises InvalidReferenceError (a ValueError), whose text says what is wrong and what to write instead.
    """
    _refuse_plain_mistakes(text)
    named, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise InvalidReferenceError(
            f'"{_shown(digest)}" is not a digest',
            'After the "@" write "sha256:" and 64 digits (0-9, a-f), or leave out the "@" and what follows.',
        )
    name, tag = _split_tag(named)
    domain, path = _split_domain(name)
    if tag is None and not at:
        tag = DEFAULT_TAG
    return ImageRef(domain, path, tag, digest if at else None)


def default_name(ref: ImageRef) -> str:
    """Return the name for a container whose entry gives none: the last part of the image's path.

    It has only characters that a container's name may have, and may be a single one, which is too short.
    """
    return ref.path.rpartition("/")[2]


def _refuse_plain_mistakes(text: str) -> None:
    if not text.strip():
        raise InvalidReferenceError("the image is empty", _EXAMPLES)
    if len(text) > _LONGEST_TEXT:
        raise InvalidReferenceError(f"no image name has {len(text)} characters", _EXAMPLES)
    scheme = _SCHEME.match(text)
    if scheme:
        rest = text[scheme.end() :]
        host, slash, path = rest.partition("/")
        # What stands before an "@" in a URL's host may be a password.
        rest = host.rpartition("@")[2] + slash + path
        _refuse(f'an image is named without "{scheme.group()}"', rest.strip().rstrip("/"))
    if any(character.isspace() for character in text):
        _refuse("an image name has no spaces in it", "".join(text.split()))
    if _IMAGE_ID.fullmatch(text):
        raise InvalidReferenceError("this is the id of an image, not its name", _EXAMPLES)


def _split_tag(named: str) -> tuple[str, str | None]:
    # A colon before the last slash belongs to the registry's port.
    last = named[named.rfind("/") + 1 :]
    if ":" not in last or last.startswith("["):
        return named, None
    name, _, tag = named.rpartition(":")
    if not tag:
        fix = f'Write "{name}:{DEFAULT_TAG}" or "{name}".' if _names_an_image(name) else _EXAMPLES
        raise InvalidReferenceError('there is no tag after the ":" at the end', fix)
    if len(tag) > _LONGEST_TAG:
        raise InvalidReferenceError(
            f"the tag has {len(tag)} characters", f"Write a tag of at most {_LONGEST_TAG}."
        )
    if not _TAG.fullmatch(tag):
        raise InvalidReferenceError(
            f'"{_shown(tag)}" is not a tag',
            'Write a tag of letters, digits, "_", "." and "-" that begins with a letter, a digit or "_".',
        )
    return name, tag


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not (first == "localhost" or re.search("[.:]", first)):
        domain, path = DEFAULT_DOMAIN, name
    else:
        domain, path = first, rest
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    _check_domain(domain, path)
    _check_path(domain, path)
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    if len(f"{domain}/{path}") > _LONGEST_NAME:
        raise InvalidReferenceError(
            "the image name is too long", f"Write one of at most {_LONGEST_NAME} characters."
        )
    return domain, path


def _check_domain(domain: str, path: str) -> None:
    found = _DOMAIN.fullmatch(domain)
    if not found:
        raise InvalidReferenceError(
            f'"{_shown(domain)}" is not the address of a registry',
            'Write the registry as "registry.example.com", "registry.example.com:5000" or "[::1]:5000".',
        )
    if found.group(1) and not 0 < int(found.group(1)) < 65536:
        raise InvalidReferenceError(f"there is no port {found.group(1)}", "Write a port from 1 to 65535.")
    if not path:
        raise InvalidReferenceError(
            f'"{_shown(domain)}/" names a registry and no image in it', f'Write "{_shown(domain)}/IMAGE:TAG".'
        )


def _check_path(domain: str, path: str) -> None:
    parts = path.split("/")
    wrong = [part for part in parts if not _PATH_PART.fullmatch(part)]
    if not wrong:
        return
    if path != path.lower():
        # Engines before 24 refuse "Team/app"; later ones take "Team" for the host of a registry.
        lowered = path.lower() if domain == DEFAULT_DOMAIN else f"{domain}/{path.lower()}"
        _refuse("the name of an image is in lower case", lowered)
    if "" in wrong:
        squeezed = "/".join(part for part in parts if part)
        _refuse(
            'there is nothing before, after or between a "/"',
            squeezed if domain == DEFAULT_DOMAIN else f"{domain}/{squeezed}",
        )
    if wrong[0].startswith("["):
        raise InvalidReferenceError(
            f'"{_shown(path)}" names a registry and no image in it', f'Write "{_shown(path)}/IMAGE:TAG".'
        )
    raise InvalidReferenceError(
        f'"{_shown(wrong[0])}" cannot be part of an image name',
        'Write lower-case letters and digits, with single "." or "_", "__" or "-" only between them.',
    )


def _refuse(what: str, better: str) -> NoReturn:
    raise InvalidReferenceError(what, f'Write "{better}".' if _names_an_image(better) else _EXAMPLES)


def _names_an_image(text: str) -> bool:
    try:
        parse_reference(text)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    readable = text if text.isprintable() else ascii(text)[1:-1]
    return readable if len(readable) <= 60 else f"{readable[:57]}..."
