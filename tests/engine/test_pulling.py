"""Pulls on the real engine, from a real registry at the end of a wire that is cut, hangs or is slow."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.stories import Story, wait_for_answer
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.wires import AT_ONCE, IN_A_LAYER, MIB, SOON, at_pulls, far, one_serves, pulls, started
from tests.engine.wires import wire_fixture as wire_fixture
from tests.testbed.command import ROOT
from tests.testbed.images import make_image
from tests.testbed.proxy import EngineProxy
from tests.testbed.waiting import wait_until
from tests.testbed.wire import Fault, Wire

FAR_ENOUGH = r"[\d.]+ [kM]B of [\d.]+ MB, [\d.]+ kB/s, \d+ s left"


def test_cut_in_the_middle_of_a_layer_is_resumed_and_no_second_try(
    story: Story, wire: Wire, proxy: EngineProxy
) -> None:
    story.define("web", far(story, wire, "cut-once"))
    wire.fault = Fault(IN_A_LAYER, cut=True, times=1)

    ran = story.run(env={"DOCKER_HOST": proxy.url})

    assert (wire.faults, pulls(proxy)) == (1, 1)
    assert (ran.stdout, ran.stderr) == ("web: created (not there)\n", "")
    assert story.states() == {"web": "running"}


def test_cut_that_the_engine_gives_up_at_is_tried_again_and_nothing_is_said(
    story: Story, wire: Wire, proxy: EngineProxy
) -> None:
    one_serves(story, wire, "cut-manifest")
    at_pulls(
        proxy,
        lambda: setattr(wire, "fault", Fault(AT_ONCE, cut=True)),
        lambda: setattr(wire, "fault", None),
    )

    ran = story.run(env={"DOCKER_HOST": proxy.url})

    assert pulls(proxy) == 2
    assert ran.stderr == ""
    wait_for_answer("two")


def test_two_entries_with_one_image_make_one_pull(story: Story, wire: Wire, proxy: EngineProxy) -> None:
    image = far(story, wire, "shared")
    for name in ("blue", "green", "red"):
        story.define(name, image)
    story.run(env={"DOCKER_HOST": proxy.url})
    assert pulls(proxy) == 1
    assert story.states() == dict.fromkeys(("blue", "green", "red"), "running")


def test_many_images_are_fetched_at_once_without_a_word(story: Story, proxy: EngineProxy) -> None:
    """The SDK keeps fewer connections than that, and its library warns of those that it throws away."""
    story.dockerup.configure(concurrency=24)
    names = [f"many-{number}" for number in range(24)]
    for name in names:
        story.define(name, story.push(name, name).reference, restart="never", command=["true"])
    ran = story.run(env={"DOCKER_HOST": proxy.url})
    assert ran.stderr == ""
    assert pulls(proxy) == len(names)


def test_container_starts_while_the_pulls_of_others_hang(story: Story, wire: Wire) -> None:
    """Also one that is not to be fetched, where hanging pulls are as many as may be made at once."""
    story.dockerup.configure(concurrency=2)
    story.define("fetched", story.push("fetched").reference)
    story.define("loaded", story.load("loaded:1", make_image("loaded")))
    for name in ("slow", "slower"):
        story.define(name, far(story, wire, name, name))
    wire.fault = Fault(IN_A_LAYER, cut=False)
    with started(story) as running:
        story.wait_for_state("fetched", "running")
        story.wait_for_state("loaded", "running")
        wait_until(lambda: wire.faults == 2, "both pulls hang")

        assert running.poll() is None
        assert set(story.states()) == {"fetched", "loaded"}
        running.terminate()
        running.communicate(timeout=SOON)
        assert running.returncode == 143


# What a person sees of it.


@dataclass(frozen=True)
class Seen:
    """What was on a terminal, control sequences and all, and the exit code."""

    text: str
    exit_code: int


def at_a_terminal(story: Story, *arguments: str, path: Path | None = None) -> Seen:
    """Run the command as a person does, `path` in front of what Python finds modules in."""
    mine, its = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "120", "LINES": "30", "PYTHONPATH": str(path or "")}
    with subprocess.Popen(
        story.dockerup.command(*arguments),
        env=story.dockerup.environment(environment),
        cwd=ROOT,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    ) as running:
        os.close(its)
        text = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end open any more
            while piece := os.read(mine, 65536):
                text += piece
        os.close(mine)
        return Seen(text.decode(), running.wait(timeout=SOON))


def lasts_a_while(story: Story, wire: Wire, name: str, seconds: float = 5.0) -> None:
    story.define("web", far(story, wire, name))
    wire.speed = MIB / seconds


def without_rich(tmp_path: Path) -> Path:
    """Return a directory that makes the package `rich` one that cannot be imported."""
    (tmp_path / "rich.py").write_text("raise ImportError('not here')\n")
    return tmp_path


def test_person_at_a_terminal_sees_a_bar_for_each_pull_and_then_the_change(story: Story, wire: Wire) -> None:
    lasts_a_while(story, wire, "bars")
    seen = at_a_terminal(story)
    assert seen.exit_code == 0
    assert "━" in seen.text
    assert re.search(FAR_ENOUGH, seen.text)
    assert seen.text.endswith("web: created (not there)\r\n")
    assert seen.text.rindex("\x1b[?25h") > seen.text.rindex("\x1b[?25l"), "the cursor is there again"


def test_without_rich_a_person_sees_a_line_every_few_seconds(
    story: Story, wire: Wire, tmp_path: Path
) -> None:
    lasts_a_while(story, wire, "lines")
    seen = at_a_terminal(story, path=without_rich(tmp_path))
    assert seen.exit_code == 0
    *lines, last = seen.text.splitlines()
    assert last == "web: created (not there)"
    of_the_image = rf"pull {wire.host}/lines@sha256:[0-9a-f]{{12}}: "
    assert any(re.fullmatch(f"{of_the_image}{FAR_ENOUGH}", line) for line in lines)
    assert all(re.match(of_the_image, line) for line in lines)


def test_verbose_run_at_a_terminal_has_lines_since_others_are_written_meanwhile(
    story: Story, wire: Wire
) -> None:
    lasts_a_while(story, wire, "verbose")
    seen = at_a_terminal(story, "-v")
    assert re.search(rf"^pull .*: {FAR_ENOUGH}\r$", seen.text, re.MULTILINE)
    assert "\x1b" not in seen.text


@pytest.mark.parametrize("silent", ["-q", "--json"])
def test_person_who_asked_for_silence_or_a_document_sees_no_progress(
    story: Story, wire: Wire, silent: str
) -> None:
    lasts_a_while(story, wire, f"silent{silent}", seconds=2)
    seen = at_a_terminal(story, silent)
    assert seen.exit_code == 0
    assert "pull " not in seen.text
    assert not re.search(FAR_ENOUGH, seen.text)
    assert "\x1b" not in seen.text


def test_cron_sees_no_progress(story: Story, wire: Wire) -> None:
    lasts_a_while(story, wire, "cron")
    ran = story.run()
    assert (ran.stdout, ran.stderr) == ("web: created (not there)\n", "")
