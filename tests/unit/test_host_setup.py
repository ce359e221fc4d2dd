"""What `dockerup setup` decides, from facts alone."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from dockerup.cloud_schema import with_our_keys, without_our_keys
from dockerup.host_setup import (
    CRON,
    DIRECTORIES,
    DROP_IN,
    SERVICE,
    TIMER,
    TIMER_LINK,
    Facts,
    File,
    Link,
    MakeDirectory,
    Remove,
    Setup,
    Write,
    default_conf,
    plan_removal,
    plan_setup,
    with_our_module,
)
from dockerup.settings import DEFAULT_CACHE, DEFAULT_CONFIG, SETTINGS, Settings, read_settings

SCHEMA_PATH = "/usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"
SCHEMA = json.dumps({"allOf": [{}], "properties": {"runcmd": {}}, "additionalProperties": False}, indent=2)
BARE = Facts(
    "/usr/bin/dockerup", final_modules=("scripts-user", "final-message"), schemas={SCHEMA_PATH: File(SCHEMA)}
)


def after(facts: Facts, setup: Setup) -> Facts:
    """Return the facts of a host on which a setup was carried out."""
    files, schemas, directories = dict(facts.files), dict(facts.schemas), dict(facts.directories)
    for action in setup.actions:
        if isinstance(action, Write):
            (schemas if action.path in schemas else files)[action.path] = File(action.text, action.mode)
        elif isinstance(action, Link):
            files[action.path] = File(action.target)
        elif isinstance(action, MakeDirectory):
            directories[action.path] = action.mode
        else:
            assert (files if action.path in files else directories).pop(action.path)
    return replace(facts, files=files, schemas=schemas, directories=directories)


def written(setup: Setup, path: str) -> str:
    """Return the text that a setup writes into a file."""
    return next(action.text for action in setup.actions if isinstance(action, Write) and action.path == path)


@pytest.mark.parametrize("timer", [False, True])
def test_second_setup_has_nothing_to_do(timer: bool) -> None:
    ready = after(BARE, plan_setup(BARE, timer=timer))
    assert ready.directories == DIRECTORIES
    assert (CRON in ready.files, TIMER in ready.files) == (not timer, timer)
    assert plan_setup(ready, timer=timer).actions == ()
    assert plan_setup(ready).actions == ()


@pytest.mark.parametrize("timer", [False, True])
def test_removal_leaves_nothing_of_a_setup(timer: bool) -> None:
    ready = after(BARE, plan_setup(BARE, timer=timer))
    assert after(ready, plan_removal(ready)) == BARE


def test_removal_leaves_settings_that_were_changed() -> None:
    ready = after(BARE, plan_setup(BARE))
    changed = replace(ready, files={**ready.files, DEFAULT_CONFIG: File("prune=all\n", 0o600)})
    setup = plan_removal(changed)
    assert DEFAULT_CONFIG not in {action.path for action in setup.actions}
    assert any("was changed here" in note for note in setup.notes)


def test_setup_after_an_upgrade_of_cloud_init_restores_what_it_undid() -> None:
    ready = after(BARE, plan_setup(BARE))
    newer = SCHEMA.replace("runcmd", "bootcmd")
    upgraded = replace(
        ready, schemas={SCHEMA_PATH: File(newer)}, final_modules=("fan", "scripts_user", "final_message")
    )
    setup = plan_setup(upgraded)
    assert {action.path for action in setup.actions} == {SCHEMA_PATH, DROP_IN}
    assert '  - "scripts_user"\n  - ["dockerup", "always"]\n' in written(setup, DROP_IN)


def test_settings_that_are_there_are_never_overwritten() -> None:
    facts = replace(BARE, files={DEFAULT_CONFIG: File("pull=false\n")})
    assert DEFAULT_CONFIG not in {action.path for action in plan_setup(facts).actions}


def test_going_over_to_the_timer_takes_cron_away_and_later_setups_stay_with_it() -> None:
    by_cron = after(BARE, plan_setup(BARE))
    setup = plan_setup(by_cron, timer=True)
    assert [str(action).split(" (")[0] for action in setup.actions] == [
        f"write {SERVICE}",
        f"write {TIMER}",
        f"link {TIMER_LINK} -> {TIMER}",
        f"remove {CRON}",
    ]
    assert plan_setup(after(by_cron, setup)).actions == ()


def test_host_without_cron_and_with_systemd_gets_the_timer() -> None:
    assert TIMER in {action.path for action in plan_setup(replace(BARE, cron=False)).actions}


def test_host_with_neither_is_told_so() -> None:
    setup = plan_setup(replace(BARE, cron=False, systemd=False))
    assert CRON in {action.path for action in setup.actions}
    assert setup.notes[-1].startswith("Within the next minute: nothing, since there is no cron here")


def test_host_without_cloud_init_gets_no_drop_in() -> None:
    setup = plan_setup(replace(BARE, final_modules=None, schemas={}))
    assert DROP_IN not in {action.path for action in setup.actions}
    assert any("no cloud-init here" in note for note in setup.notes)


def test_module_that_cloud_init_would_not_find_is_not_announced_to_it() -> None:
    ready = after(BARE, plan_setup(BARE))
    setup = plan_setup(replace(ready, module_found=False))
    assert setup.actions == (Remove(DROP_IN),)
    assert any("does not find the module cc_dockerup" in note for note in setup.notes)


def test_list_that_has_the_module_already_needs_no_drop_in() -> None:
    setup = plan_setup(replace(BARE, final_modules=("scripts-user", {"name": "dockerup"})))
    assert DROP_IN not in {action.path for action in setup.actions}


@pytest.mark.parametrize(
    ("modules", "position"),
    [
        (["write-files-deferred", "scripts-user", "final-message"], 2),
        (["scripts_user", "final_message"], 1),
        ([["scripts-user", "always"], "final-message"], 1),
        ([{"name": "scripts-user"}, "final-message"], 1),
        (["fan", "phone-home", "final-message"], 1),
        (["fan"], 1),
        ([], 0),
    ],
)
def test_module_comes_after_the_users_scripts_or_before_the_end_is_told(
    modules: list[object], position: int
) -> None:
    assert with_our_module(modules) == [*modules[:position], ["dockerup", "always"], *modules[position:]]


def test_list_that_a_later_file_replaces_is_named() -> None:
    setup = plan_setup(replace(BARE, replaced_by="/etc/cloud/cloud.cfg.d/99.cfg"))
    assert any(
        note.startswith("/etc/cloud/cloud.cfg.d/99.cfg sets cloud_final_modules") for note in setup.notes
    )


def test_written_settings_are_the_defaults_with_each_line_in_effect() -> None:
    text = default_conf(())
    active = "\n".join(
        line.lstrip("#") if line.startswith("#") and line[1] != " " else line for line in text.splitlines()
    )
    assert read_settings(text, "conf", {}) == read_settings(active, "conf", {}) == Settings()
    assert all(f"\n#{key}=" in text or f"\n{key}=" in text for key in SETTINGS if key != "registryAuth")


def test_containers_that_run_already_are_kept_named_and_the_line_to_change_shown() -> None:
    setup = plan_setup(replace(BARE, unmanaged=("db", "proxy")))
    conf = written(setup, DEFAULT_CONFIG)
    assert read_settings(conf, "conf", {}) == Settings(unmanaged="keep")
    assert "# These ran here when dockerup was set up: db, proxy." in conf
    assert any("stay: db, proxy" in note for note in setup.notes)


@pytest.mark.parametrize(
    ("conf", "warned"), [("", True), ("unmanaged=remove", True), ("unmanaged=keep", False), ("?", False)]
)
def test_settings_that_remove_what_runs_now_are_warned_of(conf: str, warned: bool) -> None:
    facts = replace(BARE, unmanaged=("db",), files={DEFAULT_CONFIG: File(conf)})
    assert any("go as soon as a list" in note for note in plan_setup(facts).notes) is warned


def test_setup_ends_with_what_happens_next() -> None:
    notes = plan_setup(BARE).notes
    assert notes[-2].startswith("At the next boot: cloud-init runs the containers of user-data")
    run = f"/usr/bin/dockerup --config {DEFAULT_CONFIG} --cache {DEFAULT_CACHE}"
    assert notes[-1] == f"Within the next minute: cron runs {run}"


def test_schema_is_changed_by_one_line_and_given_back_to_the_byte() -> None:
    ours = with_our_keys(SCHEMA)
    assert ours is not None
    assert [line for line in ours.splitlines() if line not in SCHEMA.splitlines()] == [ours.splitlines()[1]]
    assert without_our_keys(ours) == SCHEMA
    assert with_our_keys(ours) == ours


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", "{}", '{"allOf": []}', '{\n"allOf": [],\n"patternProperties": {}}']
)
def test_schema_of_an_unknown_form_is_left_alone(text: str) -> None:
    assert with_our_keys(text) is None
    facts = replace(BARE, schemas={SCHEMA_PATH: File(text)})
    setup = plan_setup(facts)
    assert SCHEMA_PATH not in {action.path for action in setup.actions}
    assert any("has a form that is not known here" in note for note in setup.notes)


def test_schema_is_one_that_cloud_inits_draft_allows() -> None:
    schema = json.loads(with_our_keys(SCHEMA) or "")
    strict = {**jsonschema.Draft4Validator.META_SCHEMA, "additionalProperties": False}
    jsonschema.Draft4Validator(strict).validate(schema)


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"containers": [{"image": "nginx"}], "dockerup": {"wait": 5, "aws": False, "ignore": ["a"]}}, None),
        ({"containers": None, "dockerup": None}, None),
        ({"containers": [{"image": "nginx", "env": {"VERSION": 1.1, "SECRET": ["s"]}}]}, None),
        (
            {
                "containers": [
                    {"image": "nginx", "logConfiguration": {"logDriver": "x", "options": ["s3cret"]}}
                ]
            },
            None,
        ),
        ({"containers": [{"image": "nginx", "healthCheck": {"command": ["CMD", "true"]}}]}, None),
        ({"containers": [{"image": "nginx", "dependsOn": ["db"], "stopTimeout": "30s"}]}, None),
        ({"containers": [{"image": "nginx", "stopSignal": "FOO"}]}, ["containers", 0, "stopSignal"]),
        ({"containers": [{"image": "nginx", "cpu": "one"}]}, ["containers", 0, "cpu"]),
        ({"containers": [{"image": "nginx", "imag": "x"}]}, ["containers", 0]),
        ({"containers": {}}, ["containers"]),
        ({"dockerup": {"wiat": 5}}, ["dockerup"]),
        ({"dokcerup": {}}, []),
    ],
)
def test_schema_accepts_what_runs_and_names_the_path_of_what_does_not(
    config: dict[str, object], path: list[object] | None
) -> None:
    schema = json.loads(with_our_keys(SCHEMA) or "")
    errors = list(jsonschema.Draft4Validator(schema).iter_errors(config))
    assert [list(error.path) for error in errors] == ([] if path is None else [path])
