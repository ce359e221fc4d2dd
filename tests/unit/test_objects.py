"""Objects whose keys have more than one name."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dockerup import kinds
from dockerup.kinds import Refused
from dockerup.objects import Key, Spelling, object_of
from dockerup.problems import Origin

ORIGIN = Origin("web.yaml").at("containers", 0)
WORD = kinds.text("a word", "[a-z]+")
PAIR = object_of({"add": Key(WORD, "one"), "drop": Key(WORD, "other")}, "two words")
KIND = object_of(
    {
        "capAdd": Key(WORD, "a right to have", aliases=("cap_add",)),
        "capDrop": Key(WORD, "a right not to have"),
        "size": Key(WORD, "how big", required=True, aliases=("softSize",)),
    },
    "an object",
    {
        "capabilities": Spelling(
            PAIR, "ECS's form", lambda value, _at, _own: {f"cap{k.capitalize()}": v for k, v in value.items()}
        ),
        "more": Spelling(WORD, "goes by the size", lambda value, _at, own: {"capDrop": own["size"] + value}),
    },
)


def problems_of(value: object) -> list[str]:
    try:
        KIND.read(value, ORIGIN)
    except Refused as refused:
        return [str(one) for one in refused.problems]
    return []


@pytest.mark.parametrize(
    "written",
    [
        {"size": "a", "capAdd": "x", "capDrop": "y"},
        {"softSize": "a", "cap_add": "x", "capDrop": "y"},
        {"capabilities": {"add": "x", "drop": "y"}, "size": "a"},
    ],
)
def test_each_spelling_is_read_as_the_canonical_one(written: dict[str, Any]) -> None:
    assert KIND.read(written, ORIGIN) == {"capAdd": "x", "capDrop": "y", "size": "a"}
    assert Draft202012Validator(dict(KIND.schema)).is_valid(written)


def test_a_spelling_may_go_by_what_other_keys_say() -> None:
    assert KIND.read({"more": "y", "softSize": "x"}, ORIGIN) == {"capDrop": "xy", "size": "x"}


@pytest.mark.parametrize(
    ("written", "first", "second"),
    [
        ({"size": "a", "capAdd": "x", "cap_add": "x"}, "capAdd", "cap_add"),
        ({"size": "a", "softSize": "x"}, "size", "softSize"),
        ({"capabilities": {"add": "x"}, "size": "a", "cap_add": "x"}, "cap_add", "capabilities"),
        ({"more": "y", "capabilities": {"drop": "x"}, "size": "a"}, "more", "capabilities"),
    ],
)
def test_two_spellings_of_one_key_are_a_fault_that_names_both(
    written: dict[str, Any], first: str, second: str
) -> None:
    assert problems_of(written) == [
        f'web.yaml: containers[0].{second}: "{first}" and "{second}" are two spellings of one key. '
        "Keep one of them."
    ]


def test_a_required_key_may_have_any_of_its_names() -> None:
    assert problems_of({}) == ['web.yaml: containers[0]: the key "size" is missing. Write size: a word.']
    assert not Draft202012Validator(dict(KIND.schema)).is_valid({})


def test_a_slip_in_another_spelling_leads_to_the_canonical_one() -> None:
    assert problems_of({"size": "a", "cap_ad": "x"})[0].endswith('Did you mean "capAdd"?')
    assert problems_of({"size": "a", "capabilitys": {}})[0].endswith('Did you mean "capabilities"?')


def test_where_there_are_too_many_keys_to_name_the_command_that_names_them_is_told() -> None:
    many = object_of({f"key{n}": Key(WORD, "") for n in range(40)}, "an object")
    with pytest.raises(Refused) as refused:
        many.read({"else": "x"}, ORIGIN)
    assert refused.value.problems[0].fix == "`dockerup schema` prints all keys that there are."


def test_a_key_that_is_misspelt_is_not_missing_as_well() -> None:
    (problem,) = problems_of({"Size": "big"})
    assert problem.endswith('there is no key "Size" here. Did you mean "size"?')
    assert len(problems_of({"capAd": "all"})) == 2
