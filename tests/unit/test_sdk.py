"""A Docker SDK that is not there, or cannot be loaded, is said with what to install."""

from __future__ import annotations

import pytest

from dockerup import cli


def test_package_that_cannot_be_loaded_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def needs_it(_options: object) -> int:
        raise ModuleNotFoundError("No module named 'distutils'")

    monkeypatch.setitem(cli._COMMANDS, "plan", needs_it)
    assert cli.main(["plan"]) == 1
    assert capsys.readouterr().err == (
        "dockerup: a Python package that dockerup needs cannot be loaded: No module named 'distutils'. "
        "Install the distribution's python3-docker, or: pip install 'docker>=7.1'\n"
    )
