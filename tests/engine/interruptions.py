"""What can come over a run in the middle of a call, as data, and what has to hold when it is over.

The call is one that the engine has not seen yet, or one that it has done and that nobody has heard of yet.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable
from urllib.parse import parse_qs

from tests.engine.scenes import Scene
from tests.engine.stories import Ran, Story
from tests.testbed.namespace import RUN
from tests.testbed.proxy import Call, CutError, EngineProxy, kill_client
from tests.testbed.waiting import send_signal

BOUND = 100.0  # seconds in which a run ends that was interrupted: less than a call that hangs may take
PROOF = 15  # seconds: a wait for an engine that is gone is a proof's, and ends with that
LOST_ENGINE = "it ended while it was asked. Was docker restarted? The next run goes on"

# What a call is about: a container by its name or id, an image that is fetched or removed. A tag is about
# nothing, since it alone changes nothing. Some steps look before they change something.
SUBJECTS = (
    re.compile(r"POST /containers/(create)"),
    re.compile(r"POST /containers/([0-9a-f]+)/(?:update|stop|rename|start)"),
    re.compile(r"DELETE /containers/(.+)"),
    re.compile(r"POST /images/(create)"),
    re.compile(r"DELETE /images/(.+)"),
)
LOOKS = (
    re.compile(r"GET /containers/([0-9a-f]+)/json"),
    re.compile(r"GET /images/(.+)/(?:json|history)"),
)


@dataclass(frozen=True)
class Interrupted:
    """A run that was interrupted: what it printed, at which of its calls it was, and all that it made."""

    ran: Ran
    at: Call
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Interruption:
    """`strike` is what happens at the call, `code` how the run then ends. `holds` looks at what it left
    behind, before `afterwards` brings the machine to where the next run begins. `settings` are
    dockerup's for both."""

    strike: Callable[[Story, Call], None]
    code: int
    holds: Callable[[Story, Scene, Interrupted], object]
    afterwards: Callable[[Story], object]
    settings: dict[str, object] = field(default_factory=dict)


def interrupt(
    story: Story, proxy: EngineProxy, moment: str, at: Callable[[Call], object], interruption: Interruption
) -> Interrupted | None:
    """Run `dockerup`, and interrupt it `before` or `after` the engine has the first call that is `at`.

    Returns None when the run made no such call.
    """
    struck: list[Call] = []

    def hook(call: Call) -> None:
        if not struck and at(call):
            struck.append(call)
            interruption.strike(story, call)

    proxy.forget()
    setattr(proxy, moment, hook)
    ran = story.dockerup.run(env={"DOCKER_HOST": proxy.url}, timeout=BOUND)
    proxy.before = proxy.after = lambda _call: None
    if not struck:
        return None
    assert ran.returncode == interruption.code, f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return Interrupted(ran, struck[0], tuple(proxy.calls))


# The run is killed.


def kill_run(_story: Story, call: Call) -> None:
    kill_client(call)


def nothing(*_arguments: object) -> None:
    """Nothing has to hold, or is to do."""


# The run is asked to end.


def ask_to_end(_story: Story, call: Call) -> None:
    """Send SIGTERM, and let the call go on once that was heard."""
    send_signal(call.client_pid, signal.SIGTERM)


def ended_cleanly(story: Story, scene: Scene, run: Interrupted) -> None:
    """Look that nothing is half done but proofs, that no change was begun, and that what served does."""
    assert "Traceback" not in run.ran.stderr
    states = story.states()
    assert "created" not in states.values(), states
    assert not [name for name in states if name.endswith(".dockerup-new")], states
    for name in scene.served:
        on_its_proof = f"{name}.dockerup-old" in states
        assert name in states if on_its_proof else states.get(name) == "running", states
    names = {container_id: name for name, container_id in story.ids().items()}
    begun = {changed(call, scene, names) for call in run.calls[: run.at.number]}
    begun.add(changed(run.at, scene, names, (*SUBJECTS, *LOOKS)))
    later = {changed(call, scene, names) for call in run.calls[run.at.number :]}
    assert later <= begun | {""}, [str(call) for call in run.calls]


def changed(
    call: Call, scene: Scene, names: dict[str, str], patterns: Iterable[re.Pattern[str]] = SUBJECTS
) -> str:
    """Return what a call changes, "" for nothing: all containers are one where they change together."""
    found = next((match[1] for match in (one.fullmatch(str(call)) for one in patterns) if match), "")
    if not found or (call.path.startswith("/images") and not call.path.endswith("/json")):
        return found and f"image {found}"
    if scene.one_change:
        return "the change"
    return parse_qs(call.query)["name"][0] if found == "create" else names.get(found, found)


# The engine dies, the run lives on.


def kill_engine(story: Story, _call: Call) -> None:
    story.engine.kill()
    raise CutError


def said_that_the_engine_is_gone(_story: Story, _scene: Scene, run: Interrupted) -> None:
    assert LOST_ENGINE in run.ran.stderr
    assert "Traceback" not in run.ran.stderr


def start_engine(story: Story) -> None:
    story.engine.start()


# The machine dies, and boots again.


def end_machine(story: Story, call: Call) -> None:
    """End everything at once, as a power cut does: the engine, its containers and dockerup."""
    running = [
        story.inspect(one)["State"]["Pid"] for one, state in story.states().items() if state == "running"
    ]
    story.engine.kill()
    shims = [int(one.parent.name) for one in Path("/proc").glob("[0-9]*/cmdline") if _is_shim(one)]
    for pid in filter(None, [*shims, *running]):  # 0, of one that ended just now, would be this test itself
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    kill_client(call)


def _is_shim(cmdline: Path) -> bool:
    with contextlib.suppress(OSError):
        return b"containerd-shim" in cmdline.read_bytes().partition(b"\0")[0]
    return False


def boot(story: Story) -> None:
    """Start the engine on a machine whose /run is empty."""
    shutil.rmtree(RUN / "dockerup", ignore_errors=True)
    story.engine.start()


INTERRUPTIONS = {
    "SIGKILL": Interruption(kill_run, -signal.SIGKILL, nothing, nothing),
    # One step at a time: what is begun beside the call that is interrupted would be no new change.
    "SIGTERM": Interruption(ask_to_end, 128 + signal.SIGTERM, ended_cleanly, nothing, {"concurrency": 1}),
    "engine": Interruption(
        kill_engine, 1, said_that_the_engine_is_gone, start_engine, {"health_timeout": PROOF}
    ),
    "machine": Interruption(end_machine, -signal.SIGKILL, nothing, boot),
}
