"""User-data: the formats in which a `containers` list can come to a machine. Pure: bytes in, result out.

The formats are cloud-init's (https://cloudinit.readthedocs.io/en/latest/explanation/format.html), and JSON
without a first line that says so, which cloud-init leaves alone. Parts are told apart and merged as
cloud-init does it (its `user_data.py`, `handlers/__init__.py`, `handlers/cloud_config.py`, `mergers/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from dockerup import document
from dockerup.problems import InvalidInputError, Origin, Problem
from dockerup.records import dataclass
from dockerup.sources import listing
from dockerup.sources.result import Item, SourceResult

NAME = "user-data"
_MAX_WRAPPINGS = 4
_MAX_MULTIPARTS = 20

# What a text begins with, longest first where one begins with another.
_FIRST_WORDS = (
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#part-handler", "text/part-handler"),
    ("#upstart-job", "text/upstart-job"),
    ("#include", "text/x-include-url"),
    ("#!", "text/x-shellscript"),
    ("{", "application/json"),
    ("[", "application/json"),
)
_JINJA = re.compile(r"##\s*template:\s*jinja")
_FOR_SOMEONE_ELSE = {
    "text/cloud-config-jsonp": "a cloud-config JSON patch",
    "text/cloud-boothook": "a boothook",
    "text/part-handler": "a part handler",
    "text/upstart-job": "an upstart job",
    "text/x-include-url": "a list of URLs to include",
    "text/x-include-once-url": "a list of URLs to include",
    "text/x-shellscript": "a script",
    "text/x-shellscript-per-boot": "a script",
    "text/x-shellscript-per-instance": "a script",
    "text/x-shellscript-per-once": "a script",
}
# The types whose parts cloud-init looks into, to see what they are.
_LOOKED_INTO = {"", "text/plain", "text/x-not-multipart", "text/x-shellscript", "application/octet-stream"}


@dataclass(frozen=True)
class _Part:
    """One part of user-data. `media_type` is "" where nothing is said, `merge` the header on merging."""

    body: bytes
    source: str
    media_type: str = ""
    merge: str = ""
    inner: bool = False


def parse_userdata(body: bytes, source: str = NAME) -> SourceResult:
    """Return what user-data says of containers. What is plainly for someone else declares nothing.

    What cannot be read, or is no format of user-data, is a problem and makes the result incomplete.
    Never raises.
    """
    if not body.strip():
        return SourceResult(NAME)
    result = SourceResult(NAME)
    try:
        for part in _unwrapped(_Part(body, source)):
            result = _with_part(result, part)
    except InvalidInputError as error:
        return _broken(result, *error.problems)
    return result


def is_plain_json(body: bytes) -> bool:
    """Tell whether user-data is JSON that nothing says is cloud-config, be it packed. Never raises."""
    try:
        parts = list(_unwrapped(_Part(body, NAME)))
    except InvalidInputError:
        return False
    return [(_media_type(part), part.inner) for part in parts] == [("application/json", False)]


def _broken(result: SourceResult, *problems: Problem) -> SourceResult:
    return replace(result, declared=True, complete=False, problems=result.problems + problems)


def _noted(result: SourceResult, note: str) -> SourceResult:
    return replace(result, notes=(*result.notes, note))


# From bytes to parts


def _unwrapped(part: _Part, depth: int = 0) -> Iterator[_Part]:
    """Yield the parts that are no mere wrapping (gzip, MIME multi-part, archive)."""
    if depth > _MAX_WRAPPINGS:
        raise _refusal(part, f"parts are wrapped more than {_MAX_WRAPPINGS} deep", "Wrap them once.")
    if part.body[:2] == b"\x1f\x8b":
        inside = replace(part, body=_unzipped(part), media_type=_type_if_told(part.media_type))
        yield from _unwrapped(inside, depth + 1)
        return
    if _is_mime(part):
        wrapped = _parts_of_mime(part)
    elif _media_type(part) == "text/cloud-config-archive":
        wrapped = _parts_of_archive(part)
    else:
        yield part
        return
    for one in wrapped:
        yield from _unwrapped(one, depth + 1)


def _type_if_told(media_type: str) -> str:
    return "" if "gzip" in media_type or "gunzip" in media_type or "compress" in media_type else media_type


def _unzipped(part: _Part) -> bytes:
    import zlib

    unzipped, rest = b"", part.body
    while rest:
        stream = zlib.decompressobj(wbits=31)
        try:
            unzipped += stream.decompress(rest, document.LIMIT_BYTES + 1 - len(unzipped))
        except zlib.error:
            raise _refusal(part, "the gzip data is damaged", "Compress the user-data again.") from None
        if len(unzipped) > document.LIMIT_BYTES:
            what = f"the gzip data unpacks to more than {document.LIMIT_BYTES} bytes"
            raise _refusal(part, what, "Write smaller user-data.")
        if not stream.eof:
            raise _refusal(part, "the gzip data breaks off", "Compress the user-data again.")
        # Bytes after the last member are padding, which gzip passes over too.
        rest = stream.unused_data if stream.unused_data[:2] == b"\x1f\x8b" else b""
    return unzipped


def _is_mime(part: _Part) -> bool:
    if part.media_type not in {"", "text/plain"} or part.body.lstrip()[:1] in {b"{", b"[", b"#"}:
        return False
    head = part.body[:4096].lower()
    return b"mime-version:" in head or head.lstrip().startswith(b"content-type: multipart/")


def _parts_of_mime(part: _Part) -> Iterator[_Part]:
    from email import message_from_bytes

    if part.body.lower().count(b"multipart/") > _MAX_MULTIPARTS:
        raise _refusal(part, f"more than {_MAX_MULTIPARTS} multi-parts", "Put all parts into one.")
    message = message_from_bytes(part.body.lstrip())
    if message.get_content_maintype() == "multipart" and not message.is_multipart():
        raise _refusal(part, "the MIME multi-part has no parts", "Check its boundary.")
    leaves = [leaf for leaf in message.walk() if leaf.get_content_maintype() != "multipart"]
    for number, leaf in enumerate(leaves, 1):
        payload = leaf.get_payload(decode=True)
        name = _filename(leaf.get("Content-Disposition", ""))
        yield _Part(
            payload if isinstance(payload, bytes) else b"",
            f"{part.source}, part {number}{name}",
            leaf.get_content_type(),
            str(leaf.get("Merge-Type") or leaf.get("X-Merge-Type") or ""),
            inner=True,
        )


def _filename(disposition: object) -> str:
    found = re.search(r'filename="?([\w.+-]+)', str(disposition))
    return f" ({found.group(1)})" if found else ""


def _parts_of_archive(part: _Part) -> Iterator[_Part]:
    read = document.load(document.decode(part.body, part.source), part.source)
    entries = read.value if isinstance(read.value, list) else []
    if not entries:
        raise _refusal(part, "the archive is no list of parts", "Write a list, one entry for each part.")
    for number, entry in enumerate(entries, 1):
        told: dict[str, object] = entry if isinstance(entry, dict) else {"content": entry}
        headers = {key.lower(): str(value) for key, value in told.items()}
        yield _Part(
            headers.get("content", "").encode(),
            f"{part.source}, entry {number}",
            headers.get("type", "text/cloud-config" if _first_word(headers.get("content", "")) == "" else ""),
            headers.get("merge-type") or headers.get("x-merge-type") or "",
            inner=True,
        )


# From a part to what it says


def _with_part(result: SourceResult, part: _Part) -> SourceResult:
    """Return the result with one more part. A broken part does not keep the others from being read."""
    media_type = _media_type(part)
    try:
        if media_type in {"text/cloud-config", "application/json"}:
            return _with_document(result, part, plain_json=media_type == "application/json")
    except InvalidInputError as error:
        return _broken(result, *error.problems)
    if media_type == "text/jinja2":
        what = "this is a Jinja template, which cloud-init alone can render"
        fix = "Write the containers without a template, or let cloud-init pass them on."
        return _broken(result, Problem(Origin(part.source), what, fix))
    if media_type in _FOR_SOMEONE_ELSE:
        return _noted(result, f"{part.source} is {_FOR_SOMEONE_ELSE[media_type]}: no containers in it")
    if part.inner:
        return _noted(result, f"{part.source} is {media_type or 'of no known type'}: passed over")
    what = "this is no format of user-data"
    return _broken(result, Problem(Origin(part.source), what, _advice(part.body)))


def _advice(body: bytes) -> str:
    if re.match(rb"\s*(?:e[1wy]|I2Nsb3Vk|H4sI)", body):
        return "It looks like base64 of user-data: encode it once, not twice."
    if re.match(rb"\s*containers\s*:", body):
        return 'Write "#cloud-config" in the first line.'
    return 'Write {"containers": [...]}, or YAML with "#cloud-config" in the first line.'


def _media_type(part: _Part) -> str:
    found = _first_word(part.body[:200].decode("utf-8-sig", "replace"))
    if found == "text/jinja2" or part.media_type in _LOOKED_INTO:
        return found or ("" if part.media_type in _LOOKED_INTO else part.media_type)
    return part.media_type


def _first_word(text: str) -> str:
    """Return the type that the beginning of a text says, "" when it says none."""
    beginning = text[:200].lstrip("\ufeff \t\r\n").lower()
    if _JINJA.match(beginning):
        return "text/jinja2"
    return next((media_type for word, media_type in _FIRST_WORDS if beginning.startswith(word)), "")


def _with_document(result: SourceResult, part: _Part, *, plain_json: bool) -> SourceResult:
    only = None if plain_json else listing.KEY
    read = document.load(document.decode(part.body, part.source), part.source, only)
    value = read.value
    if not plain_json and isinstance(value, dict) and value.get(listing.BLOCK) is not None:
        # To be checked before it is used: what a run takes is what cloud-init makes of it.
        result = replace(result, block=Item(value[listing.BLOCK], read.origin.at(listing.BLOCK)))
    if isinstance(value, dict) and value.get(listing.KEY) is not None:
        items = listing.items_of_list(value[listing.KEY], read.origin.at(listing.KEY))
        merged = _merged(result.items if result.explicit else None, items, _mergers(value, part))
        return replace(result, items=merged, declared=True, explicit=True)
    if plain_json:
        return _json_without_list(result, part, value, read.origin)
    return _cloud_config_without_list(result, part, value, read.origin)


def _json_without_list(result: SourceResult, part: _Part, value: object, origin: Origin) -> SourceResult:
    if not isinstance(value, dict) or "image" in value:
        raise InvalidInputError(listing.not_wrapped(value, origin))
    misspelt = None if listing.KEY in value else listing.misspelt_key(value)
    if misspelt is not None:
        raise InvalidInputError(listing.misspelling(misspelt, origin))
    return _noted(result, f"{part.source} is JSON without {listing.KEY}")


def _cloud_config_without_list(
    result: SourceResult, part: _Part, value: object, origin: Origin
) -> SourceResult:
    if value is not None and not isinstance(value, dict):
        raise InvalidInputError(Problem(origin, "cloud-config is no mapping", "Write key: value lines."))
    note = f"{part.source} is cloud-config without {listing.KEY}"
    misspelt = None if not value or listing.KEY in value else listing.misspelt_key(value)
    if misspelt is not None:
        note += f' (did you mean "{listing.KEY}" by "{misspelt}"?)'
    return _noted(result, note)


def _refusal(part: _Part, what: str, fix: str) -> InvalidInputError:
    return InvalidInputError(Problem(Origin(part.source), what, fix))


# Merging, as https://cloudinit.readthedocs.io/en/latest/reference/merging.html has it

_Mergers = dict[str, set[str]]


def _mergers(value: dict[str, object], part: _Part) -> _Mergers:
    """Return the options of each kind of merger that a part asks for; of equal kinds the first counts."""
    asked = value.get("merge_how")
    asked = value.get("merge_type") if asked is None else asked
    found: _Mergers = {}
    for kind, options in [*_asked_mergers(asked), *_asked_mergers(part.merge)]:
        found.setdefault(kind, options)
    return found


def _asked_mergers(asked: object) -> Iterator[tuple[str, set[str]]]:
    if isinstance(asked, str):
        for kind, options in re.findall(r"(\w+)\(([^)]*)\)", asked.lower()):
            yield kind, {option.strip() for option in options.split(",")}
    for entry in asked if isinstance(asked, list) else []:
        if isinstance(entry, dict):
            settings = entry.get("settings")
            yield str(entry.get("name")), set(map(str, settings if isinstance(settings, list) else []))
        elif isinstance(entry, list) and entry:
            yield str(entry[0]), set(map(str, entry[1:]))


def _merged(old: tuple[Item, ...] | None, new: tuple[Item, ...], mergers: _Mergers) -> tuple[Item, ...]:
    """Return the list after a later part's: the later one replaces, unless the part says otherwise."""
    if old is None or not mergers:
        return new
    if "replace" in mergers.get("dict", set()):
        return new
    if not mergers.get("dict", set()) & {"recurse_array", "recurse_list"} or "list" not in mergers:
        return old
    how = mergers["list"]
    if "append" in how:
        return old + new
    if "prepend" in how:
        return new + old
    if "no_replace" in how:
        return old
    return new[: len(old)] + old[len(new) :]  # `list()` replaces by position and adds none
