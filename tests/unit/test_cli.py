"""What a server does with a run that breaks off."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockerup.arguments import parsed
from dockerup.cli import _going_on
from dockerup.problems import DockerupError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DockerupError("no answer"), "no answer"),
        (RuntimeError("no thread"), "this run broke off: RuntimeError('no thread')"),
        (MemoryError(), "this run broke off: MemoryError()"),
    ],
    ids=["told", "no threads", "no memory"],
)
def test_run_that_breaks_off_is_told_once_and_ends_no_server(
    error: Exception, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = parsed(["--server", "--cache", str(tmp_path)])
    for _ in range(2):
        with _going_on(server):
            raise error
    assert capsys.readouterr().err == f"dockerup: {said}\n"


def test_fault_in_a_single_run_is_not_kept_from_whoever_started_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), _going_on(parsed(["--cache", str(tmp_path)])):
        raise RuntimeError("a fault")
