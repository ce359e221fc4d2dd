"""The definition of a container as labels hold it: two hashes to compare, and a form to tell what differs.

The definition hash is over what needs a new container, the in-place hash over what the engine can change in
a living one. Both are under a numbered scheme. The described definition has the values of env, and all else
that the table of keys calls a secret, as salted digests, so that none reaches a label, and a later scheme can
still compare definitions instead of hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dockerup import labels
from dockerup.keys import CONTAINER_KEYS, SECRETS
from dockerup.keys.row import EACH, Change
from dockerup.records import dataclass

SCHEME = 1
_SECRET_KEYS = tuple(".".join((*path, "")) for path in SECRETS)


@dataclass(frozen=True)
class Difference:
    """One key whose value changed; `old` and `new` are fit to be shown, "" is a key that is not there."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key} {self.old or '(none)'} -> {self.new or '(none)'}"


def definition_hash(definition: Mapping[str, Any], change: Change) -> str:
    """Return the hash, as `SCHEME:HEX`, over the keys of which a change asks for `change`."""
    part = {key: value for key, value in definition.items() if CONTAINER_KEYS[key].change is change}
    return f"{SCHEME}:{hashlib.sha256(_json(part).encode()).hexdigest()[:32]}"


def describe(definition: Mapping[str, Any], salt: str) -> str:
    """Return the text of the definition label: canonical JSON, secrets as digests under `salt`."""
    hashed = {
        key: value for key, value in definition.items() if CONTAINER_KEYS[key].change is not Change.NOTHING
    }
    return _json({"scheme": SCHEME, "salt": salt, "definition": _hidden(hashed, salt, ())})


def differences(described: str, definition: Mapping[str, Any]) -> tuple[Difference, ...] | None:
    """Return what differs between a definition label and a definition, sorted by key.

    None when the label cannot be read: then nothing is known, and nothing may be concluded.
    """
    try:
        label = json.loads(described)
        flat_old, salt = _flat(dict(label["definition"])), str(label["salt"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    new = json.loads(describe(definition, salt))["definition"]
    flat_new = _flat(new)
    keys = sorted(flat_old.keys() | flat_new.keys())
    return tuple(
        _difference(key, flat_old.get(key), flat_new.get(key))
        for key in keys
        if flat_old.get(key) != flat_new.get(key)
    )


def described(found: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the definition that a container's labels describe, {} when they do not or it cannot be read."""
    try:
        return dict(json.loads(found[labels.DEFINITION])["definition"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def secret_options(definition: Mapping[str, Any]) -> list[str]:
    """Return the options of log and volumes, of those that are lists with commas each part as well.

    What the table of keys calls a secret, but for env: engines do not repeat that, and it may hold what they
    do say, such as a port.
    """
    of_volumes = (one.get("volumeOptions", {}).get("driverOpts", {}) for one in definition.get("volumes", ()))
    options = [definition.get("logConfiguration", {}).get("options", {}), *of_volumes]
    values = [value for one in options for name, value in one.items() if name not in {"type", "device"}]
    return [part for value in values for part in (value, *value.split(","))]


def _difference(key: str, old: str | None, new: str | None) -> Difference:
    if key.startswith(_SECRET_KEYS):
        return Difference(key, "(hidden)" if old is not None else "", "(hidden)" if new is not None else "")
    return Difference(key, old or "", new or "")


def _hidden(value: Any, salt: str, path: tuple[str, ...]) -> Any:
    """Return a value with a digest in place of each secret inside of it; `path` is its own."""
    if isinstance(value, list):
        return [_hidden(one, salt, (*path, EACH)) for one in value]
    if not isinstance(value, Mapping):
        return value
    if path in SECRETS:
        return {name: _digest(secret, salt) for name, secret in value.items()}
    return {key: _hidden(part, salt, (*path, key)) for key, part in value.items()}


def _digest(value: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}\0{value}".encode()).hexdigest()[:16]


def _flat(definition: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return maps as one entry a key (`env.NAME`), everything else as its JSON."""
    flat: dict[str, str] = {}
    for key, value in definition.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = _shown(value)
    return flat


def _shown(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
