"""What a person reads who mistypes a command: a line of usage, not a page of options."""

from __future__ import annotations

import pytest

from dockerup.arguments import parsed


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
        parsed(given)
    assert ended.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == usage
    assert second.startswith("dockerup")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["aply"], 'there is no command "aply". Did you mean "apply"?'),
        (["up"], 'there is no command "up". Write one of: apply, history, import, plan, schema, setup, '),
        (["import", "compse"], 'there is no "compse" to import from. Did you mean "compose"?'),
        (["--confg", "x", "plan"], 'there is no option "--confg". Did you mean "--config"?'),
        (["--confg=x", "plan"], 'there is no option "--confg". Did you mean "--config"?'),
        (["plan", "--dry-runs"], 'there is no option "--dry-runs". Did you mean "--dry-run"?'),
        (["plan", "--frobnicate"], 'there is no option "--frobnicate". dockerup --help names all.'),
        (["plan", "--dry-run"], "unrecognized arguments: --dry-run"),
        (["import", "run", "--", "--nope"], ""),
        (["import", "run", "--rm nginx:1"], ""),
    ],
)
def test_a_mistyped_word_is_told_with_the_nearest(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not told:
        assert parsed(given).given == given[-1:]
        return
    with pytest.raises(SystemExit):
        parsed(given)
    assert f"error: {told}" in capsys.readouterr().err


def test_command_may_be_left_out_and_means_apply() -> None:
    assert parsed([]).command == "apply"
    assert parsed(["--json", "status"]).json
    assert parsed(["status", "--json"]).json
