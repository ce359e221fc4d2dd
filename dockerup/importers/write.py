"""The file that `dockerup import` writes: YAML for `containers.d`, with what has to be known as comments."""

from __future__ import annotations

import errno
import json
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dockerup import __version__, files
from dockerup.importers.draft import Entry, Imported, Note, Weight
from dockerup.keys import CONTAINER_KEYS
from dockerup.output import harmless
from dockerup.problems import DockerupError

_WIDTH = 110


class NothingImportedError(DockerupError):
    """Nothing of the document can be an entry; the text says why. An empty list would remove containers."""


def as_text(imported: Imported) -> str:
    """Return the file. Raises NothingImportedError when it would list no container."""
    if all(entry.refused for entry in imported.entries):
        raise NothingImportedError(_why_nothing(imported))
    lines = [
        *_comment(f"From {imported.origin}, by dockerup {__version__}. It may hold secrets: keep it 0600."),
        *_comment(_next_step(imported)),
        *(["#"] if imported.notes else []),
        *_comments(imported.notes),
        "containers:",
    ]
    for entry in imported.entries:
        lines += ["", *_entry(entry)]
    return "\n".join(lines) + "\n"


def summary(imported: Imported) -> str:
    """Return the sentence that tells what was written."""
    count = sum(not entry.refused for entry in imported.entries)
    notes = [*imported.notes, *(note for entry in imported.entries for note in entry.notes)]
    by_weight = {weight: sum(note.weight is weight for note in notes) for weight in Weight}
    return (
        f"{count} container{'s' * (count != 1)}; to decide: {by_weight[Weight.DECIDE]}, "
        f"not carried over: {by_weight[Weight.LEFT]}, notes: {by_weight[Weight.SAID]}"
    )


def put(path: str, text: str, *, overwrite: bool) -> None:
    """Write the file, 0600. Raises DockerupError when it is there and may not be overwritten."""
    path = os.path.abspath(path)
    try:
        if overwrite:
            files.replace_file(path, text.encode(), 0o600)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(text.encode())
    except OSError as error:
        if error.errno == errno.EEXIST and not overwrite:
            raise DockerupError(f"{path} is there already. Name another file, or add --overwrite.") from None
        raise DockerupError(f"{path} cannot be written: {error.strerror}") from None


def _next_step(imported: Imported) -> str:
    notes = [*imported.notes, *(note for entry in imported.entries for note in entry.notes)]
    if any(note.weight is Weight.DECIDE for note in notes):
        return 'Look at each line with "Decide", put the file into containers.d, and look at `dockerup plan`.'
    return "Put the file into containers.d, and look at `dockerup plan`."


def _why_nothing(imported: Imported) -> str:
    notes = [*imported.notes, *(note for entry in imported.entries for note in entry.notes)]
    told = "\n".join(harmless(str(note)) for note in notes)
    return f"{harmless(imported.origin)} gives no container" + (f":\n{told}" if told else ".")


def _entry(entry: Entry) -> Iterator[str]:
    yield from _comments(entry.notes)
    if entry.refused:
        yield from ("# " + line for line in _yaml([_ordered({**entry.value, **entry.aside})]))
        return
    yield from _yaml([_ordered(entry.value)])
    if entry.aside:
        yield from ("#   " + line for line in ["what this version does not take:", *_yaml(entry.aside)])


def _comments(notes: Iterable[Note]) -> Iterator[str]:
    for note in notes:
        yield from _comment(str(note))


def _comment(text: str) -> Iterator[str]:
    shown = harmless(text)
    yield from textwrap.wrap(
        shown, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )


def _ordered(value: Mapping[str, Any]) -> dict[str, Any]:
    first = [key for key in ("name", "image") if key in value]
    known = [key for key in CONTAINER_KEYS if key in value and key not in first]
    rest = [key for key in value if key not in CONTAINER_KEYS and key not in first]
    return {key: value[key] for key in (*first, *known, *rest)}


def _yaml(value: Any) -> list[str]:
    import yaml

    # Through JSON, so that nothing in it is one object twice: it would be written as an alias.
    plain = json.loads(json.dumps(value))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text.splitlines()
