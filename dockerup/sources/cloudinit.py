"""What cloud-init knows of the containers: what its module was given in this boot, else its own record.

cloud-init's YAML has lost what was typed by the time anyone can ask: `22:22` is 1342, `1.10` is 1.1, `on` is
true. So the raw user-data is read again with our own parser, and where the two mean the same, ours counts;
where they cannot be compared (a rendered template), a value that may be another than was typed is refused.

Files: https://cloudinit.readthedocs.io/en/latest/reference/faq.html and, for what each version writes,
cloudinit/stages.py and cloudinit/helpers.py.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any

from dockerup.files import write_whole
from dockerup.problems import InvalidInputError, Origin
from dockerup.sources.listing import items_of_list
from dockerup.sources.result import Item, SourceResult

NAME = "user-data"
BLOCK = "dockerup"  # the key of cloud-config that holds settings
_GIVEN = ("user-data", "given.json")
_LIMIT_BYTES = 1 << 22
_INSTANCE = "var/lib/cloud/instance"
_COMBINED = "run/cloud-init/combined-cloud-config.json"
_MISSING = object()


@dataclass(frozen=True)
class Record:
    """A merged cloud-config, as far as it is ours. `containers` and `block` are None where it has none."""

    source: str
    containers: object = None
    block: object = None


def keep_given(cache: str, instance_id: str, containers: object, block: object) -> str:
    """Keep what the module was given, 0600, for cron's runs. Return why it failed, "" when it is kept."""
    kept = {"version": 1, "instance": instance_id, "containers": containers, BLOCK: block}
    try:
        write_whole(os.path.join(cache, *_GIVEN), json.dumps(kept, default=str).encode())
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def ran(root: str = "/") -> bool:
    """Tell whether cloud-init has run on this machine."""
    return os.path.isdir(os.path.join(root, _INSTANCE))


def read_record(cache: str, instance_id: str, root: str = "/") -> Record | None:
    """Return what cloud-init says, from the first place that has it; None where it never ran here.

    First what the module was given, unless that was on another instance or user-data is newer; then the
    combined config of this boot (from cloud-init 23.3), then the instance's own cloud-config, user-data's
    before vendor-data's.
    """
    return _given(cache, instance_id, root) or _combined(root) or _instance(root)


def read_cloud_init(cache: str, instance_id: str, root: str = "/") -> SourceResult | None:
    """Return what cloud-init's user-data says of containers and settings, None where it never ran here."""
    record = read_record(cache, instance_id, root)
    if record is None:
        return None
    block = None if record.block is None else Item(record.block, _origin(record, BLOCK))
    if record.containers is None:
        return replace(_broken_raw(root) or SourceResult(NAME), block=block)
    result = SourceResult(NAME, declared=True, explicit=True, block=block)
    typed = _as_typed(record.containers, root)
    if typed is not None:
        return replace(result, items=typed)
    try:
        return replace(result, items=items_of_list(record.containers, _origin(record, "containers")))
    except InvalidInputError as error:
        return replace(result, complete=False, problems=error.problems)


def _broken_raw(root: str) -> SourceResult | None:
    """Return the faults of user-data that cloud-init could not read either: it may have listed containers.

    A template is read by cloud-init alone, and what it rendered to is in its record.
    """
    from dockerup.sources.userdata import parse_userdata

    raw = _read(os.path.join(root, _INSTANCE, "user-data.txt"))
    if not raw or raw.lstrip().startswith(b"## template:"):
        return None
    result = parse_userdata(raw, "user-data.txt")
    return None if result.complete else result


def _origin(record: Record, key: str) -> Origin:
    return Origin(record.source, (key,), lossy=True)


def _given(cache: str, instance_id: str, root: str) -> Record | None:
    path = os.path.join(cache, *_GIVEN)
    newer = os.path.join(root, _INSTANCE, "cloud-config.txt")
    if not instance_id or _changed(newer) > _changed(path):
        return None
    kept = _object(_read(path))
    if kept.get("version") != 1 or kept.get("instance") != instance_id:
        return None
    return Record("user-data (cloud-init)", kept.get("containers"), kept.get(BLOCK))


def _combined(root: str) -> Record | None:
    found = _object(_read(os.path.join(root, _COMBINED)))
    if not found:
        return None
    return Record("user-data (cloud-init)", found.get("containers"), found.get(BLOCK))


def _instance(root: str) -> Record | None:
    names = ("cloud-config.txt", "vendor-cloud-config.txt")
    configs = [_yaml(_read(os.path.join(root, _INSTANCE, name))) for name in names]
    if not any(configs):
        return None
    merged: dict[str, Any] = {**configs[1], **configs[0]}
    return Record("user-data (cloud-init)", merged.get("containers"), merged.get(BLOCK))


def _as_typed(containers: object, root: str) -> tuple[Item, ...] | None:
    """Return the containers as a person typed them, None where no raw data means the same as cloud-init's."""
    from dockerup.sources.userdata import parse_userdata

    for name in ("user-data.txt", "vendor-data.txt"):
        raw = _read(os.path.join(root, _INSTANCE, name))
        result = parse_userdata(raw, name.partition(".")[0]) if raw else SourceResult(NAME)
        if result.explicit and result.complete and means([item.value for item in result.items], containers):
            return result.items
    return None


def means(typed: object, read: object) -> bool:
    """Tell whether what was typed, as our parser has it, is what cloud-init's YAML 1.1 made of it."""
    if isinstance(typed, dict) and isinstance(read, dict):
        return typed.keys() == {str(key) for key in read} and all(
            means(typed[str(key)], value) for key, value in read.items()
        )
    if isinstance(typed, list) and isinstance(read, list):
        return len(typed) == len(read) and all(map(means, typed, read))
    if isinstance(typed, str) and not isinstance(read, str):
        return _yaml_value(typed) in (read, str(read)) or str(_yaml_value(typed)) == str(read)
    return typed == read and type(typed) is type(read)


def _yaml_value(text: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return _MISSING


def _yaml(raw: bytes) -> dict[str, Any]:
    """Return a mapping as cloud-init itself would read it, {} where there is none."""
    found = _yaml_value(raw.decode("utf-8", "replace")) if raw else None
    return found if isinstance(found, dict) else {}


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(path: str) -> bytes:
    from dockerup.sources.trust import read_trusted

    try:
        return read_trusted(path, _LIMIT_BYTES)
    except (OSError, InvalidInputError):
        return b""


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
