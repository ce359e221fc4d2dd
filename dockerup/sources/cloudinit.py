"""What cloud-init knows of the containers: what its module was given in this boot, else its own record.

cloud-init's YAML has lost what was typed by the time anyone can ask: `22:22` is 1342, `1.10` is 1.1, `on` is
true. So the raw user-data is read again with our own parser, and where the two mean the same, ours counts;
where they cannot be compared (a rendered template), a value that may be another than was typed is refused.

Files: https://cloudinit.readthedocs.io/en/latest/reference/faq.html and, for what each version writes,
cloudinit/stages.py and cloudinit/helpers.py.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dockerup.files import write_whole
from dockerup.keys import WRITTEN_SECRETS
from dockerup.problems import InvalidInputError, Origin, Problem
from dockerup.records import dataclass
from dockerup.sources.listing import BLOCK, KEY, items_of_list
from dockerup.sources.result import Item, SourceResult

NAME = "user-data"
_SOURCE = "user-data (cloud-init)"
_GIVEN = ("user-data", "given.json")
_LIMIT_BYTES = 1 << 22
_INSTANCE = "var/lib/cloud/instance"
_BOOTED = "run/cloud-init/.instance-id"
_COMBINED = "run/cloud-init/combined-cloud-config.json"
_DISABLED = ("run/cloud-init/disabled", "etc/cloud/cloud-init.disabled")
_TEMPLATE = b"## template:"
_REDACTED = "Warning: redacted unserializable type"  # what cloud-init writes in the place of a date
_SOME_DATE = {"date": ""}
_MISSING = object()


@dataclass(frozen=True)
class Record:
    """A merged cloud-config, as far as it is ours. `containers` and `block` are None where it has none."""

    containers: object = None
    block: object = None


def keep_given(cache: str, instance_id: str, containers: object, block: object, root: str = "/") -> str:
    """Keep what the module was given, 0600, for cron's runs. Return why it failed, "" when it is kept.

    The list that was kept on better days stays beside it while user-data cannot be read.
    """
    kept: dict[str, Any] = {
        "version": 1,
        "instance": instance_id,
        KEY: plain(containers),
        BLOCK: plain(block),
    }
    if containers is None and _broken_raw(root) is not None:
        before = _kept(cache, instance_id)
        kept.update({"good": before.get("good"), "typed": before.get("typed")})
    elif containers is not None:
        items = _as_typed(kept[KEY], root)
        kept["good"] = [item.value for item in items] if items is not None else kept[KEY]
        kept["typed"] = items is not None
    try:
        write_whole(os.path.join(cache, *_GIVEN), json.dumps(kept).encode())
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def read_cloud_init(cache: str, instance_id: str, root: str = "/") -> SourceResult | None:
    """Return what cloud-init's user-data says of containers and settings, None where it never ran here.

    First what the module was given, unless that was on another instance or user-data is newer; then the
    combined config of this boot (from cloud-init 23.3), then the instance's own cloud-config, user-data's
    before vendor-data's. A record that may be another instance's, in an image made from it, is not used.
    """
    if not _ran(root):
        return None
    record = _given(cache, instance_id, root) or _own_record(root)
    if record is None:
        return _not_yet()
    block = None if record.block is None else Item(record.block, _origin(BLOCK))
    if record.containers is not None:
        return replace(_listed(record.containers, root), block=block)
    broken = _broken_raw(root)
    if broken is not None:
        return replace(_last_good(cache, instance_id, broken) or broken, block=block)
    return replace(left_alone(root) or SourceResult(NAME), block=block)


def left_alone(root: str = "/") -> SourceResult | None:
    """Return the fault of user-data that lists containers where cloud-init has none; None without one.

    It passes over plain JSON, and drops all of a cloud-config in which one value is a date that cannot be.
    """
    from dockerup.sources.userdata import is_plain_json, parse_userdata

    raw = _read(os.path.join(root, _INSTANCE, "user-data.txt"))
    if not raw or not parse_userdata(raw).explicit:
        return None
    what = "cloud-init took no list of containers from this, which has one"
    fix = "See /var/log/cloud-init.log; a value that begins like a date has to be in quotes."
    if is_plain_json(raw):
        what = "this is plain JSON, which cloud-init passes over, and with it the list of containers"
        fix = 'Write "#cloud-config" in the first line, above the JSON.'
    return SourceResult(NAME, declared=True, complete=False, problems=(Problem(Origin(NAME), what, fix),))


def _ran(root: str) -> bool:
    return any(os.path.exists(os.path.join(root, path)) for path in (_INSTANCE, _BOOTED))


def _not_yet() -> SourceResult:
    what = "cloud-init has not said in this boot which instance this is, so its record is not used"
    fix = "It will; if it no longer runs here, run: touch /etc/cloud/cloud-init.disabled"
    return SourceResult(NAME, complete=False, problems=(Problem(Origin(_SOURCE), what, fix),))


def _listed(containers: object, root: str) -> SourceResult:
    result = SourceResult(NAME, declared=True, explicit=True)
    typed = _as_typed(containers, root)
    if typed is not None:
        return replace(result, items=typed)
    try:
        items = items_of_list(containers, _origin(KEY))
    except InvalidInputError as error:
        return replace(result, complete=False, problems=error.problems)
    doubts = tuple(_doubts(containers, _origin(KEY), root))
    doubted = {doubt.where.path[:2] for doubt in doubts}
    sure = tuple(item for item in items if item.origin.path not in doubted)
    return replace(result, items=sure, complete=not doubts, problems=doubts)


def _doubts(containers: object, origin: Origin, root: str) -> Iterator[Problem]:
    """Give a problem for each number that a template does not show: 1342 may have been typed as 22:22.

    Secrets, as the values of env, are left out, since of those every number is refused when it is read.
    """
    raw = _read(os.path.join(root, _INSTANCE, "user-data.txt"))
    if not raw.lstrip().startswith(_TEMPLATE):
        return
    shown = set(re.findall(r"[\w.:+-]+", raw.decode("utf-8", "replace")))
    for where, number in _numbers(containers, origin):
        if str(number) not in shown:
            what = f"{number} is nowhere in the template: something else may have been typed"
            yield Problem(where, what, "Put the value in quotes.")


def _numbers(value: object, origin: Origin) -> Iterator[tuple[Origin, int]]:
    if isinstance(value, dict):
        for key, part in value.items():
            inner = origin.at(str(key))
            if inner.path[2:] not in WRITTEN_SECRETS:
                yield from _numbers(part, inner)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _numbers(part, origin.at(index))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield origin, value


def _broken_raw(root: str) -> SourceResult | None:
    """Return the faults of user-data that cloud-init could not read either: it may have listed containers.

    A template is read by cloud-init alone, and what it rendered to is in its record.
    """
    from dockerup.sources.userdata import parse_userdata

    raw = _read(os.path.join(root, _INSTANCE, "user-data.txt"))
    if not raw or raw.lstrip().startswith(_TEMPLATE):
        return None
    result = parse_userdata(raw, NAME)
    return None if result.complete else result


def _origin(key: str, *, lossy: bool = True) -> Origin:
    return Origin(_SOURCE, (key,), lossy=lossy)


def _given(cache: str, instance_id: str, root: str) -> Record | None:
    newer = os.path.join(root, _INSTANCE, "cloud-config.txt")
    if _changed(newer) > _changed(os.path.join(cache, *_GIVEN)):
        return None
    kept = _kept(cache, instance_id)
    return Record(kept.get(KEY), kept.get(BLOCK)) if kept else None


def _kept(cache: str, instance_id: str) -> dict[str, Any]:
    kept = _object(_read(os.path.join(cache, *_GIVEN)))
    return kept if instance_id and kept.get("version") == 1 and kept.get("instance") == instance_id else {}


def _last_good(cache: str, instance_id: str, fault: SourceResult) -> SourceResult | None:
    """Return what this instance's module was last given before user-data broke, None when there is none."""
    kept = _kept(cache, instance_id)
    if not isinstance(kept.get("good"), list):
        return None
    items = items_of_list(kept["good"], _origin(KEY, lossy=not kept.get("typed")))
    faults = "; ".join(map(str, fault.problems))
    note = f"the last good copy of user-data is used, since what is there now cannot be: {faults}"
    return SourceResult(NAME, items, declared=True, explicit=True, notes=(note,))


def _own_record(root: str) -> Record | None:
    """Return what cloud-init itself recorded of this very instance."""
    if not _is_of_this_instance(root):
        return None
    found = _object(_read(os.path.join(root, _COMBINED)))
    if not found:
        names = ("vendor-cloud-config.txt", "vendor2-cloud-config.txt", "cloud-config.txt")
        for name in names:
            found.update(_yaml(_read(os.path.join(root, _INSTANCE, name))))
    return Record(plain(found.get(KEY)), plain(found.get(BLOCK)))


def _is_of_this_instance(root: str) -> bool:
    """Tell whether cloud-init's record is that of the machine that runs, not of one whose disk was copied.

    In each boot it says which instance this is; where it was turned off, its last record is all there is.
    """
    booted = _read(os.path.join(root, _BOOTED)).decode("utf-8", "replace").strip()
    if not booted:
        return any(os.path.exists(os.path.join(root, path)) for path in _DISABLED)
    return os.path.basename(os.path.realpath(os.path.join(root, _INSTANCE))) == booted


def _as_typed(containers: object, root: str) -> tuple[Item, ...] | None:
    """Return the containers as a person typed them, None where no raw data means the same as cloud-init's."""
    from dockerup.sources.userdata import parse_userdata

    for name in ("user-data.txt", "vendor-data2.txt", "vendor-data.txt"):
        raw = _read(os.path.join(root, _INSTANCE, name))
        result = parse_userdata(raw, name.partition(".")[0]) if raw else SourceResult(NAME)
        if result.explicit and result.complete and means([item.value for item in result.items], containers):
            return result.items
    return None


def plain(value: object) -> Any:
    """Return a value of cloud-init's as JSON can hold it. What JSON has no word for becomes an object.

    So it stays different from each text that could have been typed.
    """
    if isinstance(value, dict):
        return {_key(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(part) for part in value]
    if isinstance(value, str) and value.startswith(_REDACTED):
        return _SOME_DATE
    if isinstance(value, (datetime.date, bytes)):
        return {type(value).__name__: str(value)}
    if isinstance(value, float):
        return {"float": repr(value)}
    return value


def _key(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key, default=str)


def means(typed: object, read: object) -> bool:
    """Tell whether what was typed, as our parser has it, is what cloud-init's YAML 1.1 made of it.

    `read` is as `plain` gives it.
    """
    if isinstance(typed, dict):
        return isinstance(read, dict) and len(typed) == len(read) and _all_mean(typed, read)
    if isinstance(typed, list):
        return isinstance(read, list) and len(typed) == len(read) and all(map(means, typed, read))
    if isinstance(typed, str) and not isinstance(read, str):
        return _same(plain(_yaml_value(typed)), read)
    return _same(typed, read)


def _all_mean(typed: dict[Any, Any], read: dict[Any, Any]) -> bool:
    for key, value in typed.items():
        other = key if key in read else _key(plain(_yaml_value(key)))
        if other not in read or not means(value, read[other]):
            return False
    return True


def _same(one: object, other: object) -> bool:
    if other == _SOME_DATE:
        return isinstance(one, dict) and one.keys() <= {"date", "datetime"}
    return type(one) is type(other) and one == other


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
