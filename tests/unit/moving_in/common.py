"""What the tests of the importers share: the documents, and what becomes of the file that is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dockerup import document
from dockerup.desired import combine
from dockerup.importers import write
from dockerup.importers.draft import Imported
from dockerup.importers.fit import fitted
from dockerup.problems import DockerupError
from dockerup.sources.confdir import items_of_document
from dockerup.sources.result import SourceResult

DATA = Path(__file__).resolve().parents[2] / "data" / "moving-in"


def text_of(name: str) -> str:
    """Return a document as people write it."""
    return (DATA / name).read_text(encoding="utf-8")


def reader(files: Mapping[str, str]) -> Any:
    """Return what reads these files, and no others."""

    def read(path: str) -> str:
        if path not in files:
            raise DockerupError(f"{path} cannot be read: there is no such file")
        return files[path]

    return read


def written(imported: Imported) -> dict[str, dict[str, Any]]:
    """Return the entries of the file that is written, by name, once the parser has found no fault in it."""
    text = write.as_text(fitted(imported))
    read = document.load(text, "imported.yaml")
    items = items_of_document(read)
    desired = combine([SourceResult("confdir", items, declared=True, explicit=True)])
    assert desired.problems == ()
    found = {str(item.value.get("name", "")): item.value for item in items if isinstance(item.value, dict)}
    assert len(found) == len(items)
    return found


def notes(imported: Imported) -> str:
    """Return all notes, a line each."""
    every = [*imported.notes, *(note for entry in imported.entries for note in entry.notes)]
    return "\n".join(map(str, every))


def raw(imported: Imported) -> dict[str, dict[str, Any]]:
    """Return the entries by name as the importer made them, whatever this version takes of it."""
    return {entry.name: dict(entry.value) for entry in imported.entries}


def keys_in(text: str) -> set[str]:
    """Return the keys of the table in container-keys form that a text of Python names as written."""
    return set(re.findall(r'"([a-z][a-zA-Z]+)"', text))
