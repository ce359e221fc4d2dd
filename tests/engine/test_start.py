"""What the command loads: a run pays only for what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed.command import ROOT

HEAVY = ("yaml", "docker", "requests", "urllib3")
LOADED = f"\nprint(sorted(set(sys.modules) & {set(HEAVY)!r}))"


def run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", f"import sys\n{program}{LOADED}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout


def test_the_command_loads_no_package() -> None:
    assert run("import dockerup.cli") == "[]\n"


@pytest.mark.parametrize("arguments", [["validate"], ["schema"]])
def test_a_command_without_an_engine_and_yaml_loads_no_package(arguments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "web.json"
    path.write_text(json.dumps({"image": "nginx"}))
    files = [str(path)] if arguments == ["validate"] else []
    output = run("from dockerup.cli import main\nassert main(sys.argv[1:]) == 0", *arguments, *files)
    assert output.splitlines()[-1] == "[]"


def test_yaml_is_loaded_for_yaml_and_nothing_else_with_it(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("image: nginx\n")
    output = run("from dockerup.cli import main\nassert main(sys.argv[1:]) == 0", "validate", str(path))
    assert output.splitlines() == ["No faults found.", "['yaml']"]
