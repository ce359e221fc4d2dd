"""The example files, and what each lists by our own parsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from dockerup import document
from dockerup.sources.confdir import items_of_document
from dockerup.sources.result import Item
from dockerup.sources.userdata import parse_userdata
from dockerup.spec import parse

DIRECTORY = Path(__file__).resolve().parents[2] / "cloud-config-examples"
CONFDIR = "/etc/dockerup/containers.d/"

# A listed container: its image as it is written, and host port: container port.
Listed = tuple[str, dict[int, int]]


def text_of(name: str) -> str:
    """Return the text of an example."""
    return (DIRECTORY / name).read_text(encoding="utf-8")


def cloud_config(text: str) -> dict[str, Any]:
    """Return a cloud-config as cloud-init's own YAML has it; of a MIME multi-part, its last part."""
    found: dict[str, Any] = yaml.safe_load(text[text.rindex("#cloud-config") :].partition("\n--=")[0])
    return found


def in_user_data(text: str) -> dict[str, Listed]:
    """Return what the `containers` list of user-data says, which has to be free of faults."""
    result = parse_userdata(text.encode(), "user-data")
    assert (result.complete, result.problems) == (True, ())
    return _listed(result.items)


def in_files(text: str) -> dict[str, Listed]:
    """Return what the files that `write_files` puts into `confdir` say, which have to be free of faults."""
    items: list[Item] = []
    for path, content in written_files(text).items():
        if path.startswith(CONFDIR):
            items += items_of_document(document.load(content, path))
    return _listed(items)


def written_files(text: str) -> Mapping[str, str]:
    """Return the files that `write_files` makes."""
    return {one["path"]: one["content"] for one in cloud_config(text).get("write_files", ())}


def scripts(text: str) -> list[str]:
    """Return the commands of `runcmd`, which are all strings here."""
    return list(cloud_config(text).get("runcmd", ()))


def _listed(items: Iterable[Item]) -> dict[str, Listed]:
    parsed = parse(items, "user-data")
    assert (parsed.problems, parsed.notes) == ((), ())
    return {
        spec.name: (
            str(spec.definition["image"]),
            {port.host_port: port.container_port for port in spec.ports},
        )
        for spec in parsed.specs
    }
