"""Whatever stands in an entry is read or refused at once: no traceback, and no value that takes long."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from dockerup.keys import CONTAINER_KEYS
from dockerup.keys.elsewhere import SPELLINGS
from dockerup.problems import Origin
from dockerup.sources.result import Item
from dockerup.spec import parse
from tests.plan.test_moving_in import MOST_MEMORY, peak
from tests.unit.test_keys import VALID, VALID_SPELLINGS

DOCUMENTS = 2000
SECONDS = 1.0  # for one of them, at most
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1 << 70,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "\0",
        "\n",
        [],
        {},
        [[]],
        {"": None},
    ),
    *("9" * 100_000, "a:" * 50_000, "/" * 100_000, "a=" * 50_000, "::" * 50_000, "0-8191," * 63 + "0"),
)


def bent(value: Any, chance: random.Random) -> Any:
    """Return a value with a part of it put wrong."""
    if isinstance(value, dict) and value and chance.random() < 0.7:
        key = chance.choice(list(value))
        return {**value, chance.choice([key, "x", *SPELLINGS]): bent(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        index = chance.randrange(len(value))
        return [*value[:index], bent(value[index], chance), *value[index + chance.randrange(2) :]]
    if isinstance(value, str) and chance.random() < 0.5:
        place = chance.randrange(len(value) + 1)
        return value[:place] + chance.choice("\n\0:=-/. 09[\u0663") + value[place:]
    return chance.choice(ODD)


def documents(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Give entries of which a few keys hold something odd."""
    names = {name: VALID[key] for key, row in CONTAINER_KEYS.items() for name in (key, *row.key.aliases)}
    named = {**names, **VALID_SPELLINGS}
    for _ in range(DOCUMENTS):
        some = chance.sample(sorted(named), chance.randrange(1, 6))
        entry = {name: chance.choice(named[name]) for name in some}
        yield {"image": "nginx", **entry, some[0]: bent(entry[some[0]], chance)}


def test_two_thousand_odd_entries_are_each_read_or_refused_at_once() -> None:
    refused, before = 0, peak()
    for document in documents(random.Random(9)):
        begun = time.process_time()
        parsed = parse([Item(document, Origin("x.yaml"))], "confdir")
        assert time.process_time() - begun < SECONDS, str(document)[:500]
        assert bool(parsed.specs or parsed.replicas) == (not parsed.problems)
        refused += bool([str(problem) for problem in parsed.problems])
    assert peak() - before < MOST_MEMORY
    assert DOCUMENTS / 4 < refused < DOCUMENTS
