"""Checking files without a host: user-data with settings in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockerup.configuration import Configuration
from dockerup.settings import Settings
from dockerup.sources.confdir import read_confdir
from dockerup.validate import problems_of_files, problems_of_host

USER_DATA = """\
#cloud-config
containers:
- name: web
  image: nginx
  prots: []
dockerup:
  wiat: 3
  registryAuth:
    r.example.com: {username: ada, passwrd: hunter2}
"""


def _host(confdir: Path) -> Configuration:
    return Configuration(Settings(), (read_confdir(str(confdir)),))


def test_faults_of_the_block_are_told_beside_those_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "user-data.yaml"
    path.write_text(USER_DATA)
    messages = [str(problem) for problem in problems_of_files([str(path)])]
    assert [message.partition(". ")[0] for message in messages] == [
        f'{path}:7: dockerup.wiat: there is no setting "wiat"',
        f'{path}:9: dockerup.registryAuth.r.example.com.passwrd: there is no key "passwrd" here',
        f"{path}:9: dockerup.registryAuth.r.example.com: it has no password",
        f'{path}:5: containers[0].prots: there is no key "prots" here',
    ]
    assert "hunter2" not in "".join(messages)


def test_user_data_with_good_settings_has_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "user-data.yaml"
    good = USER_DATA.replace("passwrd", "password").replace("wiat", "wait").replace("  prots: []\n", "")
    path.write_text(good)
    assert problems_of_files([str(path)]) == []


def test_file_of_containers_may_begin_with_a_comment(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("# the shop's\n- name: web\n  image: nginx\n")
    assert problems_of_files([str(path)]) == []


@pytest.mark.parametrize(
    ("name", "fix"), [("databse", 'Did you mean "database"?'), ("queue", "List it, or take it out.")]
)
def test_dependency_that_nobody_lists_is_a_fault_of_a_host_and_of_no_file(
    tmp_path: Path, name: str, fix: str
) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "shop.yaml"
    path.write_text(f"- {{name: database, image: x}}\n- name: web\n  image: x\n  dependsOn: [{name}]\n")
    path.chmod(0o644)
    (problem,) = problems_of_host(_host(tmp_path))
    assert str(problem) == f'{path}:4: [1].dependsOn: "{name}" is not listed. {fix}'
    assert problems_of_files([str(path)]) == []
    (tmp_path / "broken.yaml").write_text("a: b: c")  # may list it
    assert not any("not listed" in one.what for one in problems_of_host(_host(tmp_path)))
