"""What README.md and its pages tell is what the product has: tables, options, examples and files."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dockerup.arguments import parser
from dockerup.keys import CONTAINER_KEYS
from dockerup.logins import parse_docker_config, parse_registry_auth
from dockerup.problems import Origin
from dockerup.settings import SETTINGS, read_settings
from dockerup.sources.result import Item
from dockerup.spec import parse
from tests import reference

ROOT = reference.ROOT
README = reference.README.read_text(encoding="utf-8")
PAGES = sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md"))
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "cloud-config-examples/README.md", *PAGES)
MANUAL = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", *PAGES))


def fenced(language: str, text: str = MANUAL) -> list[str]:
    """Return the code blocks of a language; those with another one have another first line."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def options_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, bool]]:
    """Yield each option, and each command with False beside it, of a parser and its commands."""
    for action in parser._actions:
        yield from ((option, True) for option in action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield name, False
                yield from options_of(inner)


def code_words() -> set[str]:
    """Return the words that README and its pages have between backticks, outside of code blocks."""
    text = re.sub(r"^```.*?^```$", "", MANUAL, flags=re.MULTILINE | re.DOTALL)
    return {word.strip(",") for code in re.findall(r"`([^`]+)`", text) for word in code.split()}


def anchors_of(text: str) -> set[str]:
    """Return the names under which a document's headings can be linked to."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", reference.tables())
def test_tables_in_the_documents_are_in_step_with_the_code(document: Path) -> None:
    name, table = reference.tables()[document]
    text = document.read_text(encoding="utf-8")
    assert reference.with_table(text, name, table) == text, f"run: {reference.COMMAND}"


def test_check_tells_a_table_that_is_out_of_step_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = README.replace("| `keep_images` |", "| `keep_pictures` |")
    copy = tmp_path / "README.md"
    copy.write_text(stale, encoding="utf-8")
    monkeypatch.setattr(reference, "README", copy)

    assert reference.main(["--check"]) == 1
    assert reference.COMMAND in capsys.readouterr().err
    assert copy.read_text(encoding="utf-8") == stale
    assert reference.main([]) == 0
    assert copy.read_text(encoding="utf-8") == README
    assert reference.main(["--check"]) == 0


def test_document_without_a_place_for_a_table_is_refused() -> None:
    without = README.replace("<!-- end of settings -->", "")
    with pytest.raises(reference.MarkerError, match="end of settings"):
        reference.with_table(without, "settings", reference.settings_table())


def test_tables_have_a_row_for_every_setting_and_key_and_for_those_inside() -> None:
    for key in SETTINGS:
        assert f"\n| `{key}` | " in reference.settings_table()
    table = reference.container_table()
    inner = ("portMappings[].hostPort", "volumes[].from", "update.pull")
    for key in (*CONTAINER_KEYS, *inner):
        assert f"\n| `{key}` | " in table


def test_table_tells_which_values_a_setting_takes() -> None:
    table = reference.settings_table()
    assert "\n| `unmanaged` | `--unmanaged` | one of: remove, keep | `remove` |" in table
    assert "\n| `interval` | `--interval` | a whole number from 1 to 86400 | `60` |" in table


def test_password_has_no_flag_in_the_table() -> None:
    assert "\n| `password` |  | text |  |" in reference.settings_table()


def test_documents_name_every_option_and_command() -> None:
    words = {word for word, _ in options_of(parser())}
    assert {"--config", "--no-aws", "plan", "--detailed-exitcode"} <= words
    assert sorted(words - code_words()) == []


def test_usage_tells_of_each_setting_that_has_a_flag() -> None:
    usage = " ".join(parser().format_help().split())
    flags = [setting for setting in SETTINGS.values() if setting.flag]
    assert len(flags) > 10
    assert [setting.key for setting in flags if setting.help not in usage] == []


def test_documents_show_no_option_that_there_is_not() -> None:
    known = {word for word, is_option in options_of(parser()) if is_option}
    shown = "\n".join(block for language in ("sh", "console", "crontab") for block in fenced(language))
    commands = re.findall(r"^(?:[#$@*].*[ /])?dockerup (.*)$", shown, re.MULTILINE)
    used = {word for command in commands for word in command.split() if word.startswith("--")}
    assert "--config" in used
    assert used <= known


@pytest.mark.parametrize("text", [*fenced("json"), *fenced("yaml")])
def test_containers_in_the_documents_are_accepted(text: str) -> None:
    value: Any = yaml.safe_load(text)
    containers = value.get("containers", [value])
    parsed = parse([Item(one, Origin("README.md")) for one in containers], "confdir")
    assert not parsed.problems
    assert len(parsed.specs) == len(containers)


@pytest.mark.parametrize("text", fenced("json"))
def test_json_in_the_documents_is_json(text: str) -> None:
    assert json.loads(text)


def test_settings_file_in_readme_is_accepted() -> None:
    (text,) = re.findall(r"dockerup\.conf <<'END'\n(.*?)^END$", README, re.MULTILINE | re.DOTALL)
    assert read_settings(text, "README.md", {}).unmanaged == "keep"


def test_logins_in_the_documents_are_accepted() -> None:
    in_table = re.findall(r"`(\{\"credHelpers\".*?\}\})`", MANUAL)
    assert [parse_docker_config(text.encode()).faults for text in in_table] == [(), ()]
    blocks = re.findall(r"^```\n((?:dockerup:\n|\{).*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    values = [yaml.safe_load(block) for block in blocks if "password" in block]
    found = [
        parse_registry_auth(one.get("dockerup", {}).get("registryAuth", one), Origin("")) for one in values
    ]
    assert [problems for _logins, problems in found] == [[], []]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_documents_name_are_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:dockerup|tests)/[\w/.-]*)`", text))
    links = {(ROOT / document).parent / link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)}
    assert named | {str(link) for link in links}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
    assert sorted(str(link) for link in links if not link.exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_readme_leads_to_each_page_and_its_make_targets_are_there(page: str) -> None:
    assert f"]({page})" in README
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^)make ([a-z-]+)\b", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_to_a_place_in_a_document_lead_to_a_heading(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        target = (ROOT / document).parent / name if name else ROOT / document
        assert anchor in anchors_of(target.read_text(encoding="utf-8")), f"{name}#{anchor}"
