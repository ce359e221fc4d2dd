"""Secrets and env files on the real engine: the program has them, and nobody else is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockerup.secret_files import secrets_directory
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image

OLD, NEW, VARIABLE = "hunter-two-is-old", "correct-horse-is-new", "battery-staple"
MESSAGE = "there is no file"


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    found = tmp_path / "files"
    found.mkdir(mode=0o755)
    return found


def test_secrets_reach_the_program_alone_and_a_change_of_a_file_makes_a_new_container(
    story: Story, files: Path
) -> None:
    image = story.load("app:1", make_image(command=("sh", "-c", "cat /run/secrets/token; sleep 1000000")))
    token, password = put(files / "token", f"{OLD}\n"), put(files / "password", f"{VARIABLE}\n")
    env = put(files / "env", "# of the app\nFROM_FILE=old\nBOTH=file\n")
    story.define(
        "app",
        image,
        stopTimeout=0,
        secrets={
            "token": {"file": str(token), "mode": "0400"},
            "password": {"file": str(password), "env": "PASSWORD"},
        },
        envFiles=[str(env)],
        env={"BOTH": "env"},
    )
    story.define("other", image, entrypoint=["sleep", "1000000"], stopTimeout=0)
    said = [story.run("-v")]

    assert story.do("app", "cat", "/run/secrets/token") == f"{OLD}\n"
    assert story.do("app", "sh", "-c", "echo $PASSWORD $FROM_FILE $BOTH; stat -c %a /run/secrets/token") == (
        f"{VARIABLE} old env\n400\n"
    )
    label_texts = [str(story.labels("app"))]
    story.nothing_to_do()
    directory = Path(secrets_directory(story.engine.url, os.environ))
    assert len(list(directory.iterdir())) == 1
    (kept,) = directory.iterdir()

    put(token, f"{NEW}\n")
    said += [story.run("plan"), story.run("plan", "--json"), story.run("-v", "--json")]
    assert story.do("app", "cat", "/run/secrets/token") == f"{NEW}\n"
    put(env, "FROM_FILE=new\n")
    said += [story.run("-v"), story.run("status"), story.run("history"), story.run("history", "--json")]
    assert "FROM_FILE=new" in story.inspect("app")["Config"]["Env"]
    label_texts.append(str(story.labels("app")))
    story.nothing_to_do()
    assert [one != kept for one in directory.iterdir()] == [True]

    files_kept = [path.read_text() for path in story.dockerup.cache.rglob("*") if path.is_file()]
    everything = "\n".join([*(ran.stdout + ran.stderr for ran in said), *label_texts, *files_kept])
    assert "secrets.token.content" in everything
    assert [one for one in (OLD, NEW, VARIABLE) if one in everything] == []

    # A reboot empties /run: the engine cannot start it by itself, the next run can.
    (kept,) = directory.iterdir()
    kept.unlink()
    story.engine.restart()
    assert story.states() == {"app": "exited", "other": "running"}
    story.run()
    assert story.do("app", "cat", "/run/secrets/token") == f"{NEW}\n"

    # A file that is gone is the fault of its entry alone: what runs is kept.
    before = story.ids()
    token.unlink()
    story.undefine("other")
    ran = story.run(code=2)
    assert f"{MESSAGE} {token}" in ran.stderr
    assert story.ids() == before
    put(token, f"{NEW}\n")
    story.undefine("app")
    story.run()
    assert list(directory.iterdir()) == []
