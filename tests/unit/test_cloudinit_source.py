"""What cloud-init knows of the list: which of its records counts, and what was typed."""

from __future__ import annotations

import datetime
import json
import os
import re
import stat
from pathlib import Path

import pytest

from dockerup import sources
from dockerup.document import load
from dockerup.sources import cloudinit, ec2
from dockerup.sources.result import SourceResult
from dockerup.spec import parse

ONE = "iid-one"
INSTANCE = "var/lib/cloud/instance"


class Disk:
    """A machine's disk below a directory, as cloud-init leaves it."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.cache = str(root / "var/cache/dockerup")
        self._path = root
        root.chmod(0o755)

    def write(self, path: str, text: str, *, at: float = 1000.0) -> None:
        """Write a file, changed at a time in seconds."""
        file = self._path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o600)
        os.utime(file, (at, at))

    def boot(self, user_data: str, config: str, *, instance_id: str = ONE, at: float = 1000.0) -> None:
        """Leave what cloud-init 22 leaves of a boot: raw user-data, and what it merged."""
        directory = self._path / "var/lib/cloud/instances" / instance_id
        directory.mkdir(parents=True, exist_ok=True)
        link = self._path / INSTANCE
        link.unlink(missing_ok=True)
        link.symlink_to(directory)
        self.write(f"{INSTANCE}/user-data.txt", user_data, at=at)
        self.write(f"{INSTANCE}/cloud-config.txt", config, at=at)
        self.write("run/cloud-init/.instance-id", f"{instance_id}\n", at=at)

    def give(
        self, containers: object, block: object = None, *, instance_id: str = ONE, at: float = 2000.0
    ) -> None:
        """Let the module keep what it was given."""
        assert cloudinit.keep_given(self.cache, instance_id, containers, block, self.root) == ""
        path = self._path / "var/cache/dockerup/user-data/given.json"
        if path.exists():
            os.utime(path, (at, at))

    def read(self, instance_id: str = ONE) -> SourceResult:
        """Return what is read on an instance."""
        found = cloudinit.read_cloud_init(self.cache, instance_id, self.root)
        assert found is not None
        return found

    def images(self, instance_id: str = ONE) -> list[object]:
        """Return the images that are read as listed."""
        values = [item.value for item in self.read(instance_id).items]
        return [value["image"] for value in values if isinstance(value, dict)]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A disk on which nothing ran yet."""
    return Disk(tmp_path)


def listed(image: str) -> str:
    """Return cloud-config that lists one container."""
    return f"#cloud-config\ncontainers: [{{image: {image}}}]\n"


# Which record counts


def test_machine_without_cloud_init_says_nothing(disk: Disk) -> None:
    assert cloudinit.read_cloud_init(disk.cache, "", disk.root) is None


def test_what_the_module_was_given_counts_before_cloud_inits_record(disk: Disk) -> None:
    disk.boot("## template: jinja\n#cloud-config\n", listed("recorded"))
    disk.give([{"image": "given"}])
    assert disk.images() == ["given"]


def test_user_data_that_is_newer_than_what_the_module_was_given_counts(disk: Disk) -> None:
    disk.boot(listed("old"), listed("old"))
    disk.give([{"image": "old"}])
    disk.boot(listed("new"), listed("new"), at=3000.0)
    assert disk.images() == ["new"]


def test_what_another_instance_was_given_does_not_count(disk: Disk) -> None:
    disk.boot(listed("old"), listed("old"))
    disk.give([{"image": "old"}])
    disk.boot("#cloud-config\n{}", "#cloud-config\n{}", instance_id="iid-two")
    found = disk.read("iid-two")
    assert (found.items, found.declared, found.complete) == ((), False, True)


def test_record_of_the_instance_that_an_image_was_made_from_is_not_used(disk: Disk) -> None:
    disk.boot(listed("old"), listed("old"))
    disk.give([{"image": "old"}])
    disk.write("run/cloud-init/.instance-id", "iid-two")
    assert (disk.read("iid-two").items, disk.read("iid-two").complete) == ((), False)
    os.unlink(f"{disk.root}/run/cloud-init/.instance-id")
    assert (disk.read("").items, disk.read("").complete) == ((), False)


@pytest.mark.parametrize("mark", ["run/cloud-init/disabled", "etc/cloud/cloud-init.disabled"])
def test_last_record_counts_where_cloud_init_was_turned_off(disk: Disk, mark: str) -> None:
    disk.boot(listed("last"), listed("last"))
    os.unlink(f"{disk.root}/run/cloud-init/.instance-id")
    disk.write(mark, "")
    assert disk.images("") == ["last"]


def test_what_the_module_was_given_counts_after_cloud_inits_own_record_was_cleaned(disk: Disk) -> None:
    disk.boot(listed("web"), listed("web"))
    disk.give([{"image": "web"}])
    os.unlink(f"{disk.root}/{INSTANCE}")
    assert disk.images() == ["web"]


def test_combined_config_counts_before_the_instances_files(disk: Disk) -> None:
    disk.boot("", listed("file"))
    disk.write("run/cloud-init/combined-cloud-config.json", '{"containers": [{"image": "combined"}]}')
    assert disk.images() == ["combined"]


def test_user_data_counts_before_vendor_data(disk: Disk) -> None:
    disk.boot("", "#cloud-config\n{}")
    disk.write(f"{INSTANCE}/vendor-cloud-config.txt", listed("vendor"))
    assert disk.images() == ["vendor"]
    disk.write(f"{INSTANCE}/vendor2-cloud-config.txt", listed("vendor2"))
    assert disk.images() == ["vendor2"]
    disk.boot("", listed("user"))
    assert disk.images() == ["user"]


def test_block_of_settings_comes_along_without_a_list(disk: Disk) -> None:
    disk.boot("#cloud-config\n{}", "#cloud-config\ndockerup: {wait: 5}\n")
    found = disk.read()
    assert found.block is not None
    assert (found.block.value, found.declared) == ({"wait": 5}, False)


def test_copy_is_roots_alone(disk: Disk) -> None:
    disk.give([{"image": "web", "env": {"SECRET": "s"}}])
    file = Path(disk.cache) / "user-data/given.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


# Where cloud-init took nothing from user-data


def test_broken_user_data_leaves_the_last_good_list_as_it_was_typed(disk: Disk) -> None:
    good = "#cloud-config\ncontainers: [{image: web, env: {VERSION: 1.10}}]\n"
    disk.boot(good, good)
    disk.give([{"image": "web", "env": {"VERSION": 1.1}}])
    disk.boot("#cloud-config\ncontainers: [{\n", "#cloud-config\n{}", at=3000.0)
    disk.give(None, {"wait": 5}, at=4000.0)
    found = disk.read()
    assert found.block is not None
    assert found.block.value == {"wait": 5}
    assert [item.value for item in found.items] == [{"image": "web", "env": {"VERSION": "1.10"}}]
    assert found.complete
    assert "last good copy" in found.notes[0]


def test_broken_user_data_without_a_good_copy_is_not_whole(disk: Disk) -> None:
    disk.boot("#cloud-config\ncontainers: [{\n", "#cloud-config\n{}")
    disk.give(None)
    found = disk.read()
    assert (found.complete, found.items) == (False, ())
    assert found.problems


def test_list_that_cloud_init_dropped_is_an_error_and_not_an_empty_one(disk: Disk) -> None:
    disk.boot("#cloud-config\ncontainers: [{image: web, env: {DAY: 2020-02-30}}]\n", "#cloud-config\n{}")
    found = disk.read()
    assert not found.complete
    assert "in quotes" in found.problems[0].fix


@pytest.mark.parametrize(
    ("user_data", "asked"),
    [
        ('{"containers": []}', True),
        ('{"other": "program"}', False),
        ("#cloud-config\nruncmd: []\n", False),
        ("## template: jinja\n#cloud-config\n{}\n", False),
        ("#!/bin/sh\n", False),
        ("#cloud-config\na: [\n", False),
    ],
)
def test_ec2_is_asked_only_for_lists_that_cloud_init_passes_over(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, user_data: str, asked: bool
) -> None:
    answer = SourceResult("user-data", declared=True, notes=("EC2 was asked",))
    monkeypatch.setattr(ec2, "read_user_data", lambda *_arguments: answer)
    disk.boot(user_data, "#cloud-config\n{}")
    environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1"}
    found = sources.read_user_data(True, disk.cache, environ, disk.root)
    assert (found.notes == answer.notes) is asked
    without = sources.read_user_data(False, disk.cache, environ, disk.root)
    assert (without.notes, without.complete) == ((), not (asked or user_data.endswith("[\n")))


@pytest.mark.parametrize("user_data", [listed("old"), '{"containers": [{"image": "old"}]}'])
def test_ec2_is_not_asked_before_cloud_init_said_which_instance_this_is(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, user_data: str
) -> None:
    answer = SourceResult("user-data", declared=True, notes=("EC2 was asked",))
    monkeypatch.setattr(ec2, "read_user_data", lambda *_arguments: answer)
    disk.boot(user_data, "#cloud-config\n{}")
    os.unlink(f"{disk.root}/run/cloud-init/.instance-id")
    environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1"}
    found = sources.read_user_data(True, disk.cache, environ, disk.root)
    assert (found.items, found.complete, found.notes) == ((), False, ())
    assert "which instance this is" in str(found.problems[0])


# What was typed


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("22:22", 1342),
        ("1.10", 1.1),
        ("on", True),
        ("0644", 420),
        ("1_000", 1000),
        ("~", None),
        ("2020-02-03", datetime.date(2020, 2, 3)),
        ("2020-02-03 10:11:12", datetime.datetime(2020, 2, 3, 10, 11, 12)),
        ("2020-02-03", "Warning: redacted unserializable type <class 'datetime.date'>"),
        (".nan", float("nan")),
        ("text", "text"),
        (80, 80),
        ({"on": "off", "22:22": [1]}, {True: False, 1342: [1]}),
        ([{"a": "1.10"}], [{"a": 1.1}]),
    ],
)
def test_what_was_typed_is_known_again(typed: object, read: object) -> None:
    assert cloudinit.means(typed, cloudinit.plain(read))
    json.dumps(cloudinit.plain(read), allow_nan=False)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("22:22", 1341),
        ("1.10", "1.1"),
        ("1.10", 1.2),
        (1, True),
        (0, False),
        ("on", "off"),
        ("2020-02-03", datetime.date(2020, 2, 4)),
        ("text", "Warning: redacted unserializable type <class 'datetime.date'>"),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ([1], [1, 1]),
        ([], {}),
        ({}, None),
        ("[", None),
    ],
)
def test_another_value_is_not_taken_for_what_was_typed(typed: object, read: object) -> None:
    assert not cloudinit.means(typed, cloudinit.plain(read))


def test_list_is_taken_as_it_was_typed_with_its_lines(disk: Disk) -> None:
    text = "#cloud-config\ncontainers:\n- image: web\n  env: {VERSION: 1.10}\n  imag: x\n"
    disk.boot(text, text)
    parsed = parse(disk.read().items, "user-data")
    assert [str(problem.where) for problem in parsed.problems] == ["user-data:5: containers[0].imag"]
    assert load(text, "text").value == {"containers": [item.value for item in disk.read().items]}


def test_numbers_of_a_rendered_template_that_it_does_not_show_are_refused_alone(disk: Disk) -> None:
    template = (
        "## template: jinja\n#cloud-config\ncontainers:\n"
        "- {image: '{{ a }}', portMappings: [{containerPort: 80}]}\n"
        "- {image: b, portMappings: [{containerPort: 22:22}]}\n"
    )
    disk.boot(template, template.replace("{{ a }}", "a").replace("## template: jinja\n", ""))
    found = disk.read()
    assert disk.images() == ["a"]
    assert not found.complete
    assert [str(problem.where) for problem in found.problems] == [
        "user-data (cloud-init): containers[1].portMappings[0].containerPort"
    ]


def test_env_of_a_rendered_template_has_to_be_quoted(disk: Disk) -> None:
    template = "## template: jinja\n#cloud-config\ncontainers: [{image: a, env: {A: 1.10, B: 5, C: 'x'}}]\n"
    disk.boot(template, template.replace("## template: jinja\n", ""))
    parsed = parse(disk.read().items, "user-data")
    assert [problem.where.path[-1] for problem in parsed.problems] == ["A", "B"]
    assert all(problem.fix == "Put the value in quotes." for problem in parsed.problems)


def test_number_that_is_a_secret_is_in_no_message_of_a_template(disk: Disk) -> None:
    log = "logConfiguration: {logDriver: splunk, options: {splunk-token: 12:34:56}}"  # 45296 to YAML 1.1
    template = f"## template: jinja\n#cloud-config\ncontainers: [{{image: a, env: {{A: 22:22}}, {log}}}]\n"
    disk.boot(template, template.replace("## template: jinja\n", ""))
    found = disk.read()
    problems = [*found.problems, *parse(found.items, "user-data").problems]
    assert [problem.where.path[-1] for problem in problems] == ["A", "splunk-token"]
    assert not [str(one) for one in problems if re.search("1342|45296|22:22|12:34", str(one))]
