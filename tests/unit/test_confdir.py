from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockerup import sources
from dockerup.sources.confdir import read_confdir

DATA = Path(__file__).parent.parent / "data"


def write(directory: Path, **texts: str) -> None:
    directory.chmod(0o755)
    for name, text in texts.items():
        stem, _, ending = name.rpartition("_")
        path = directory / f"{stem}.{ending}"
        path.write_text(text)
        path.chmod(0o644)


def names(directory: Path) -> list[object]:
    return [item.value["name"] for item in read_confdir(str(directory)).items if isinstance(item.value, dict)]


def only_problem(directory: Path) -> str:
    result = read_confdir(str(directory))
    assert not result.complete
    (problem,) = result.problems
    return str(problem)


def test_one_container_a_list_and_a_containers_object_are_read_in_name_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        c_json='{"name": "one"}',
        a_yml="- name: two\n- name: three\n",
        b_yaml="containers:\n- name: four\n",
    )
    assert names(tmp_path) == ["two", "three", "four", "one"]


@pytest.mark.parametrize(
    ("text", "key", "what", "origin"),
    [
        ("version: '3'\nservices:\n  web: {image: nginx}\n", "services", "a Compose file", "compose"),
        (
            "containerDefinitions:\n- {name: web}\n",
            "containerDefinitions",
            "a task definition of Amazon ECS",
            "ecs",
        ),
        ("spec:\n  containers:\n  - {name: web}\n", "spec", "a container declaration of Google's", "konlet"),
    ],
)
def test_a_file_of_another_tool_is_told_with_the_command_that_brings_it_over(
    tmp_path: Path, text: str, key: str, what: str, origin: str
) -> None:
    write(tmp_path, a_yml=text)
    line = next(number for number, one in enumerate(text.splitlines(), 1) if one.startswith(key))
    assert only_problem(tmp_path) == (
        f"{tmp_path}/a.yml:{line}: {key}: this is {what}, no container. "
        f"Keep it elsewhere, and put here what this prints: dockerup import {origin} FILE."
    )


def test_each_item_knows_its_file_line_and_path(tmp_path: Path) -> None:
    write(tmp_path, a_json='\n{"name": "one"}', b_yaml="containers:\n- name: two\n- name: three\n")
    result = read_confdir(str(tmp_path))
    assert [str(item.origin) for item in result.items] == [
        f"{tmp_path}/a.json:2",
        f"{tmp_path}/b.yaml:2: containers[0]",
        f"{tmp_path}/b.yaml:3: containers[1]",
    ]
    assert result.complete
    assert result.declared
    assert result.explicit


def test_the_registry_example_is_one_container_with_the_ports_as_typed(tmp_path: Path) -> None:
    write(tmp_path, registry_json=(DATA / "registry.json").read_text())
    (item,) = read_confdir(str(tmp_path)).items
    assert isinstance(item.value, dict)
    assert item.value["portMappings"] == [{"containerPort": "5000", "hostPort": "5000"}]


def test_an_absent_directory_declares_nothing_and_an_empty_one_an_empty_list(tmp_path: Path) -> None:
    absent = read_confdir(str(tmp_path / "x"))
    assert (absent.declared, absent.complete, absent.problems) == (False, True, ())
    empty = read_confdir(str(tmp_path))
    assert (empty.declared, empty.explicit, empty.complete) == (True, False, True)


@pytest.mark.parametrize("text", ["[]", '{"containers": []}'])
def test_an_empty_list_that_is_written_out_is_explicit(tmp_path: Path, text: str) -> None:
    write(tmp_path, a_json=text)
    result = read_confdir(str(tmp_path))
    assert (result.items, result.explicit, result.complete) == ((), True, True)


def test_leftovers_of_editors_and_packages_and_other_files_are_passed_over(tmp_path: Path) -> None:
    left = [
        "a.json~",
        ".a.json.swp",
        "#a.json#",
        "a.json.bak",
        "a.yaml.dpkg-old",
        "a.yml.rpmsave",
        "README",
        "..data",
    ]
    for name in [*left, ".hidden.json"]:
        (tmp_path / name).write_text("{ no")
    result = read_confdir(str(tmp_path))
    assert (result.items, result.problems, result.notes, result.complete) == ((), (), (), True)


@pytest.mark.parametrize("name", ["a.yaml.txt", "A.JSON", "a.yalm"])
def test_a_name_that_looks_like_a_mistake_is_noted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    result = read_confdir(str(tmp_path))
    assert name in result.notes[0]
    assert result.complete


def test_a_broken_file_is_a_problem_and_the_others_still_give_their_containers(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_json='{"name": "one"}',
        b_json='{"name": "two"',
        c_yaml="a: b: c",
        d_json='{"name": "four"}',
    )
    result = read_confdir(str(tmp_path))
    assert names(tmp_path) == ["one", "four"]
    assert not result.complete
    assert [problem.where.source[-6:] for problem in result.problems] == ["b.json", "c.yaml"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("5", "neither an object nor a list"),
        ('{"containers": null}', "containers is null, where a list is expected"),
        ('{"containers": {"a": 1}}', "containers is an object, where a list is expected"),
        ('{"container": []}', 'Did you mean "containers"?'),
        ('{"containers": [],\n"image": "x"}', ':2: image: "image" cannot stand beside containers'),
    ],
)
def test_a_file_of_another_form_is_a_problem(tmp_path: Path, text: str, says: str) -> None:
    write(tmp_path, a_json=text)
    assert says in only_problem(tmp_path)


def test_a_file_that_others_may_write_is_a_problem_and_gives_nothing(tmp_path: Path) -> None:
    write(tmp_path, a_json='{"name": "one"}')
    (tmp_path / "a.json").chmod(0o666)
    assert "chmod go-w" in only_problem(tmp_path)
    assert names(tmp_path) == []


def test_a_directory_that_others_may_write_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert f"chmod go-w {tmp_path}" in only_problem(tmp_path)


def test_a_path_that_is_no_directory_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "not a directory" in only_problem(tmp_path / "file")


def test_links_that_lead_to_nothing_are_problems_not_absence(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to("nowhere")
    assert "leads to nothing" in only_problem(tmp_path)
    assert "leads to nothing" in only_problem(tmp_path / "a.json")


def test_a_file_that_is_no_utf8_is_a_problem_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{\n"a": "\xff"}')
    assert "a.json:2: byte 9 is not UTF-8" in only_problem(tmp_path)


def test_a_file_name_that_is_no_text_can_be_told(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.json"), "w") as file:
        file.write("{")
    assert "\\xff.json:1" in only_problem(tmp_path)


def test_without_cloud_init_and_ec2_user_data_declares_nothing(tmp_path: Path) -> None:
    user_data = sources.read_user_data(True, str(tmp_path / "cache"), {}, root=str(tmp_path))
    assert (user_data.name, user_data.declared, user_data.complete) == ("user-data", False, True)
    assert not (tmp_path / "cache").exists()
