"""What a person reads who mistypes a command: a line of usage, not a page of options."""

from __future__ import annotations

import pytest

from dockerup.arguments import parser


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        (["plann"], "usage: dockerup [OPTIONS] [COMMAND] ..."),
        (["plan", "--nope"], "usage: dockerup [OPTIONS] [COMMAND] ..."),
        (["status", "--timeout", "soon"], "usage: dockerup status [OPTIONS]"),
        (["import"], "usage: dockerup import [OPTIONS] FROM ..."),
        (["import", "ecs"], "usage: dockerup import ecs [OPTIONS] FILE"),
    ],
)
def test_wrong_usage_is_told_in_two_lines(
    given: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(given)
    assert ended.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == usage
    assert second.startswith("dockerup")


def test_command_may_be_left_out_and_means_apply() -> None:
    assert parser().parse_args([]).command == "apply"
    assert parser().parse_args(["--json", "status"]).json
    assert parser().parse_args(["status", "--json"]).json
