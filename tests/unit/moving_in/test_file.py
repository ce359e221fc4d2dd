"""The file that `dockerup import` writes, and the command."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from dockerup import cli
from dockerup.importers import write
from dockerup.importers.draft import Entry, Imported, Note, Weight
from dockerup.importers.fit import fitted
from tests.unit.moving_in.common import DATA, written

HERE = "a document"


def imported(*entries: dict[str, object]) -> Imported:
    return Imported(HERE, tuple(Entry(one) for one in entries))


def test_notes_and_what_is_not_taken_stand_as_comments_above_and_below_an_entry() -> None:
    note = Note(Weight.DECIDE, "services.app", "choose\nwell \x1b[31m")
    entry = Entry({"name": "app", "image": "app:1", "frobnicate": {"deep": [1]}}, (note,))
    assert write.as_text(fitted(Imported(HERE, (entry,)))).splitlines()[2:] == [
        "containers:",
        "",
        "# Decide: services.app: choose well",
        "# Not carried over: frobnicate: this version of dockerup has no such key",
        "- name: app",
        "  image: app:1",
        "#   what this version does not take:",
        "#   frobnicate:",
        "#     deep:",
        "#     - 1",
    ]


def test_entry_that_cannot_be_taken_as_a_whole_is_a_comment() -> None:
    text = write.as_text(fitted(imported({"name": "app", "image": "app:1"}, {"name": "bad", "image": "A B"})))
    assert "# - name: bad\n#   image: A B\n" in text
    assert "\n- name: app\n" in text


def test_nothing_to_list_is_an_error_since_an_empty_list_removes_containers() -> None:
    with pytest.raises(write.NothingImportedError, match="a document gives no container"):
        write.as_text(fitted(imported({"name": "bad"})))


@pytest.mark.parametrize(
    ("entries", "kept", "aside"),
    [
        (
            [{"volumes": [{"containerPath": "/a"}, {"containerPath": "b"}]}],
            {"volumes": [{"containerPath": "/a"}]},
            {"volumes": [{"containerPath": "b"}]},
        ),
        (
            [{"volumes": [{"containerPath": "b", "mode": "x"}, {"containerPath": "/a"}]}],
            {"volumes": [{"containerPath": "/a"}]},
            {"volumes": [{"containerPath": "b", "mode": "x"}]},
        ),
        (
            [{"healthCheck": {"command": "true", "interval": "never"}}],
            {"healthCheck": {"command": "true"}},
            {"healthCheck": {"interval": "never"}},
        ),
        ([{"env": {"A": {"b": 1}}}], {}, {"env": {"A": {"b": 1}}}),
        ([{"dependsOn": ["two"]}, {"name": "two", "dependsOn": ["one"]}], {}, {"dependsOn": ["two"]}),
    ],
)
def test_the_smallest_part_that_is_not_taken_goes(
    entries: list[dict[str, object]], kept: dict[str, object], aside: dict[str, object]
) -> None:
    first, *more = ({"name": "one", "image": "app:1", **one} for one in entries)
    entry = fitted(imported(first, *more)).entries[0]
    assert entry.value == {"name": "one", "image": "app:1", **kept}
    assert entry.aside == aside


def test_two_entries_of_one_host_port_lose_that_of_the_second() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}]
    found = written(
        imported(
            {"name": "one", "image": "app:1", "portMappings": ports},
            {"name": "two", "image": "app:1", "portMappings": ports},
        )
    )
    assert "portMappings" in found["one"]
    assert "portMappings" not in found["two"]


@pytest.fixture(name="task")
def task_fixture(tmp_path: Path) -> Path:
    path = tmp_path / "task.json"
    path.write_text((DATA / "wordpress.task.json").read_text())
    return path


def test_file_is_written_for_its_owner_alone_and_never_over_another(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "wordpress.yaml"
    assert cli.main(["import", "ecs", str(task), "-o", str(out)]) == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "2 containers; to decide: 0, not carried over: 0, notes: 2" in capsys.readouterr().out
    before = out.read_text()
    out.write_text("mine")
    assert cli.main(["import", "ecs", str(task), "-o", str(out)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert cli.main(["import", "ecs", str(task), "-o", str(out), "--overwrite"]) == 0
    assert out.read_text() == before
    assert cli.main(["validate", str(out)]) == 0


def test_without_a_file_it_goes_to_standard_output(task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "ecs", str(task)]) == 0
    assert "\n- name: wordpress\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["ecs", "/nowhere/task.json"],
        ["konlet", "/nowhere/k.yaml"],
        ["compose", "/nowhere/compose.yaml"],
        ["run", "docker ps"],
    ],
)
def test_what_cannot_be_read_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", *arguments]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_line_of_docker_run_and_compose_files_come_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["import", "run", "docker run -d --name web nginx:1.27"]) == 0
    assert "image: nginx:1.27" in capsys.readouterr().out
    path = tmp_path / "compose.yaml"
    path.write_text(json.dumps({"services": {"web": {"image": "nginx:$TAG"}}}))
    (tmp_path / "tag.env").write_text("TAG=1.27")
    arguments = ["import", "compose", str(path), "--env-file", str(tmp_path / "tag.env")]
    assert cli.main(arguments) == 0
    assert "image: nginx:1.27" in capsys.readouterr().out


def test_compose_files_are_found_where_compose_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["import", "compose"]) == 1
    assert "there is no compose.yaml, compose.yml" in capsys.readouterr().err
    (tmp_path / "docker-compose.yml").write_text("services: {web: {image: 'nginx:1'}}")
    (tmp_path / "docker-compose.override.yml").write_text("services: {web: {image: 'nginx:2'}}")
    assert cli.main(["import", "compose"]) == 0
    assert "image: nginx:2" in capsys.readouterr().out
