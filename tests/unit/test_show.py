"""What `status` prints."""

from __future__ import annotations

from dataclasses import replace

from dockerup.history_lines import Entry
from dockerup.show import table
from dockerup.status import Row


def last_change(action: str, outcome: str) -> str:
    entry = Entry("run", 0.0, "web", action, "newer image", "", "", outcome=outcome)
    heading, line = table([Row("web", "running", True, "as listed")], {"web": entry}).splitlines()
    return line[heading.index("LAST CHANGE") :]


def test_last_change_names_an_outcome_that_is_not_plain() -> None:
    assert last_change("replaced", "done") == "1970-01-01 00:00 replaced"
    assert last_change("replaced", "failed") == "1970-01-01 00:00 replaced, failed"


def test_last_change_says_no_word_twice() -> None:
    assert last_change("rolled back", "rolled back") == "1970-01-01 00:00 rolled back"


def test_one_that_could_not_be_made_says_why() -> None:
    failed = Entry(
        "run", 0.0, "web", "created", "not there", outcome="failed", error="pull web:1: no such image"
    )
    said = "web: not there; the last try failed: pull web:1: no such image"
    assert table([Row("web", "pending", False, "not there")], {"web": failed}).splitlines()[-1] == said
    there = Row("web", "pending", False, "stopped: exit code 3", since="Exited (3) 5 minutes ago")
    assert table([there], {"web": failed}).splitlines()[-1] == "web: stopped: exit code 3"


def test_one_whose_change_failed_says_why_and_of_another_change_nothing() -> None:
    changed = "definition changed: image app:1 -> app:2"
    failed = Entry(
        "run", 0.0, "web", "replaced", changed, outcome="failed", error="pull app:2: no such image"
    )
    row = Row("web", "running", False, changed, since="Up 2 minutes")
    assert (
        table([row], {"web": failed})
        .splitlines()[-1]
        .endswith("; the last try failed: pull app:2: no such image")
    )
    other = replace(row, says="runs, but not well: its health check fails")
    assert table([other], {"web": failed}).splitlines()[-1] == f"web: {other.says}"


def test_one_that_went_back_says_why() -> None:
    back = Entry("run", 0.0, "web", "replaced", "newer image", outcome="rolled back", error="exit code 3")
    row = Row("web", "rolledBack", True, "tried again after noon", since="Up 2 minutes")
    assert (
        table([row], {"web": back}).splitlines()[-1]
        == "web: tried again after noon; the last try failed: exit code 3"
    )
    proven = replace(back, outcome="done", error="")
    assert table([row], {"web": proven}).splitlines()[-1] == "web: tried again after noon"
