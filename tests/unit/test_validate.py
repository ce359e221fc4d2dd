"""Checking files without a host: user-data with settings in it."""

from __future__ import annotations

from pathlib import Path

from dockerup.validate import problems_of_files

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
