"""Objects with known keys, each of which may have more than one name; read under the canonical ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Callable, NoReturn

from dockerup.kinds import Kind, expected, gather, refuse, show, step_of
from dockerup.problems import Origin, instead, nearest
from dockerup.records import dataclass

SAME_AS = "the same as "  # how the description of an alias begins
_MOST_NAMED = 30  # keys that a message can name


@dataclass(frozen=True)
class Key:
    """A key of an object: its kind and what it means. `required` keys must be there.

    `aliases` are other names of the same key, as other tools have it.
    """

    kind: Kind
    help: str
    required: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spelling:
    """A name that is no key of its own: what it holds is said by other keys, as `capabilities` by two.

    `means` takes what was read, where it stands, and what the keys beside it say under their own names; it
    gives the values that it stands for, in canonical form, by the name of their key.
    """

    kind: Kind
    help: str
    means: Callable[[Any, Origin, Mapping[str, Any]], Mapping[str, Any]]


def object_of(keys: Mapping[str, Key], says: str, spellings: Mapping[str, Spelling] | None = None) -> Kind:
    """An object with known keys, each by one of its names; an unknown one is an error that names the nearest.

    It is read as an object of the canonical names. Two spellings of one key are an error that names both.
    """
    further = spellings or {}
    names = {alias: name for name, row in keys.items() for alias in (name, *row.aliases)}

    def read_one(written: Any, value: Any, origin: Origin) -> tuple[str, Any]:
        if written in further:
            return written, further[written].kind.read(value, origin)
        if not isinstance(written, str) or written not in names:
            fix = _other_key(step_of(written), names, further)
            refuse(origin, f"there is no key {show(written)} here", fix)
        return written, keys[names[written]].kind.read(value, origin)

    def missing(key: str, origin: Origin) -> NoReturn:
        refuse(origin, f'the key "{key}" is missing', f"Write {key}: {keys[key].kind.says}.")

    def read(value: Any, origin: Origin) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            expected(value, origin, says)
        absent = [key for key, row in keys.items() if row.required and not value.keys() & {key, *row.aliases}]
        meant = {_meant(step_of(one), names, further) for one in value} if absent else set()
        readings: list[Callable[[], Any]] = [partial(missing, k, origin) for k in absent if k not in meant]
        readings += [partial(read_one, k, v, origin.at(step_of(k))) for k, v in value.items()]
        return _one_spelling_each(gather(readings), names, further, origin)

    return Kind(says, read, _object_schema(keys, further))


def _meant(written: str, names: Mapping[str, str], further: Mapping[str, Spelling]) -> str | None:
    """Return the key that was most likely meant, None when none is near."""
    guess = nearest(written, [*names, *further])
    return names.get(guess, guess) if guess else None


def _other_key(written: str, names: Mapping[str, str], further: Mapping[str, Spelling]) -> str:
    guess = _meant(written, names, further)
    if guess is None and len(names) > _MOST_NAMED:
        return "`dockerup schema` prints all keys that there are."
    return f'Did you mean "{guess}"?' if guess else instead("", set(names.values()))


def _one_spelling_each(
    pairs: Sequence[tuple[str, Any]],
    names: Mapping[str, str],
    further: Mapping[str, Spelling],
    origin: Origin,
) -> dict[str, Any]:
    """Return what was written under canonical names, sorted by them."""
    whole: dict[str, Any] = {}
    writers: dict[str, str] = {}

    def put(name: str, written: str, value: Any) -> None:
        if name in whole:
            what = f'"{writers[name]}" and "{written}" are two spellings of one key'
            refuse(origin.at(written), what, "Keep one of them.")
        whole[name], writers[name] = value, written

    for written, value in pairs:
        if written in names:
            put(names[written], written, value)
    own = dict(whole)
    for written, value in pairs:
        if written in further:
            for name, part in further[written].means(value, origin.at(written), own).items():
                put(name, written, part)
    return dict(sorted(whole.items()))


def _object_schema(keys: Mapping[str, Key], further: Mapping[str, Spelling]) -> dict[str, Any]:
    properties = {key: {**row.kind.schema, "description": row.help} for key, row in keys.items()}
    for key, row in keys.items():
        for alias in row.aliases:
            properties[alias] = {**row.kind.schema, "description": f"{SAME_AS}`{key}`"}
    for name, spelling in further.items():
        properties[name] = {**spelling.kind.schema, "description": spelling.help}
    named = [[key, *row.aliases] for key, row in keys.items() if row.required]
    either = [{"anyOf": [{"required": [name]} for name in one]} for one in named if len(one) > 1]
    return {
        "type": "object",
        "properties": properties,
        "required": [one[0] for one in named if len(one) == 1],
        "additionalProperties": False,
        **({"allOf": either} if either else {}),
    }
