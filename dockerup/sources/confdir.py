"""The directory of files that define containers (`containers.d`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

from dockerup import document
from dockerup.document import Document
from dockerup.problems import InvalidInputError, Origin, Problem, instead
from dockerup.sources import listing
from dockerup.sources.result import Item, SourceResult
from dockerup.sources.trust import list_trusted, read_trusted, shown_path

NAME = "confdir"
_READ = re.compile(r".*\.(json|yaml|yml)")
# Hidden files, and those that editors and package managers leave beside what they write.
_PASSED_OVER = re.compile(r"\..*|.*~|#.*#|.*\.(swp|swo|bak|orig|rej|tmp|rpmsave|rpmnew|rpmorig|dpkg-[a-z]+)")
_MEANT = re.compile(r".*\.(json|ya?ml)(\.txt)?|.*\.(jsn|jason|yalm|ymal)", re.IGNORECASE)

# The key by which a file of another tool is known, what that is called, and how `import` calls it.
_OF_OTHER_TOOLS = {
    "services": ("a Compose file", "compose"),
    "containerDefinitions": ("a task definition of Amazon ECS", "ecs"),
    "spec": ("a container declaration of Google's", "konlet"),
}


def read_confdir(path: str) -> SourceResult:
    """Return what the files of a directory list, in name order; nothing declared when there is none.

    A file that cannot be read is a problem and makes the result incomplete; the others give their items.
    """
    result = SourceResult(NAME, declared=True)
    try:
        names = list_trusted(path)
    except InvalidInputError as error:
        return replace(result, complete=False, problems=error.problems)
    except FileNotFoundError:
        return _no_directory(path)
    for name in names:
        if _READ.fullmatch(name) and not _PASSED_OVER.fullmatch(name):
            result = _with_file(result, os.path.join(path, name))
        elif _MEANT.fullmatch(name) and not _PASSED_OVER.fullmatch(name):
            note = f"{shown_path(os.path.join(path, name))} is passed over: names end in .json, .yaml or .yml"
            result = replace(result, notes=(*result.notes, note))
    return result


def _no_directory(path: str) -> SourceResult:
    if not os.path.islink(path):
        return SourceResult(NAME)
    # Not the same as no directory: what it leads to may be a disk that is not mounted yet.
    problem = Problem(Origin(shown_path(path)), "the link leads to nothing", "Correct the link or remove it.")
    return SourceResult(NAME, declared=True, complete=False, problems=(problem,))


def _with_file(result: SourceResult, path: str) -> SourceResult:
    try:
        items = _items_of_file(path)
    except InvalidInputError as error:
        return replace(result, complete=False, problems=(*result.problems, *error.problems))
    if items is None:
        return result
    return replace(result, items=(*result.items, *items), explicit=True)


def _items_of_file(path: str) -> tuple[Item, ...] | None:
    """Return the containers of one file, None when it has gone since the directory was listed."""
    source = shown_path(path)
    try:
        raw = read_trusted(path, document.LIMIT_BYTES)
    except FileNotFoundError:
        if not os.path.islink(path):
            return None
        fix = "Correct the link or remove it."
        raise InvalidInputError(Problem(Origin(source), "the link leads to nothing", fix)) from None
    return items_of_document(document.load(document.decode(raw, source), source))


def items_of_document(read: Document) -> tuple[Item, ...]:
    """Return the containers of a document: one, a list of them, or an object with the key `containers`.

    Raises InvalidInputError when it is none of these.
    """
    value, origin = read.value, read.origin
    if isinstance(value, list):
        return listing.items_of_list(value, origin)
    if not isinstance(value, dict):
        what = "the file is empty" if value is None else "this is neither an object nor a list"
        fix = "Write a container, or [] for none." if value is None else "Write a container: {...}."
        raise InvalidInputError(Problem(origin, what, fix))
    if listing.KEY in value:
        problems = tuple(_beside_the_list(value, origin))
        if problems:
            raise InvalidInputError(*problems)
        return listing.items_of_list(value[listing.KEY], origin.at(listing.KEY))
    return _one_container(value, origin)


def _beside_the_list(value: dict[str, object], origin: Origin) -> Iterator[Problem]:
    for key in value:
        if key != listing.KEY:
            what = f'"{key}" cannot stand beside {listing.KEY}'
            yield Problem(origin.at(key), what, _instead_of(key))


def _instead_of(key: str) -> str:
    guess = instead(key, [listing.KEY])
    return guess if guess.startswith("Did") else "Move it into an entry of the list, or take it out."


def _one_container(value: dict[str, object], origin: Origin) -> tuple[Item, ...]:
    for key, (what, tool) in _OF_OTHER_TOOLS.items():
        if key in value and "image" not in value:
            fix = f"Keep it elsewhere, and put here what this prints: dockerup import {tool} FILE."
            raise InvalidInputError(Problem(origin.at(key), f"this is {what}, no container", fix))
    misspelt = listing.misspelt_key(value)
    if misspelt is not None:
        raise InvalidInputError(listing.misspelling(misspelt, origin))
    return (Item(value, origin),)
