"""What `status` prints."""

from __future__ import annotations

from dockerup.history import Entry
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
