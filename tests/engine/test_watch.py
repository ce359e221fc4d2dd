"""Proof on the real engine: what is proven, what is not, when that is known, and what is told of it."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import docker.errors
import pytest

import dockerup.engine
import dockerup.watch
from dockerup.engine import Engine
from dockerup.outcome import RefusedError
from dockerup.snapshot import ContainerId
from dockerup.steps import Cause, Existing, Goal, Prove, Why
from dockerup.watch import NotProvenError, Watch
from tests.testbed.engine import Engine as PrivateEngine
from tests.testbed.images import health_check, make_image
from tests.testbed.programs import run_in
from tests.testbed.proxy import Call, EngineProxy, RefusalError
from tests.testbed.waiting import wait_until

IMAGE = "made/here:1"
LONG = 60  # seconds; a test that waits for it has failed
SOON = 20.0  # seconds; far from LONG, on a busy machine as well
SECRET = "correct horse battery staple"
FOREVER = "exec sleep 1000000"
EATS_MEMORY = "dd if=/dev/zero of=/dev/null bs=200M count=1"
# The engine looks for kills in what has started; so nothing is eaten before the start is over.
UNTIL_EATEN = "while [ ! -e /eat ]; do sleep 0.1; done"
HUNGRY = f"{UNTIL_EATEN}; exec {EATS_MEMORY}"
LITTLE_MEMORY = {"mem_limit": "16m", "memswap_limit": "16m"}
UNTIL_TOLD = "while [ ! -e /end ]; do sleep 0.1; done; rm /end"
# docker-py leaves it to the garbage collector to close a socket that could not be connected.
engine_goes_away = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


class Hands:
    """A person at the engine, and a watch over it."""

    def __init__(self, client: Any, private: PrivateEngine, url: str) -> None:
        self.client = client
        self.private = private
        self.engine = Engine(url, {})
        self.watch = Watch(self.engine)
        self.stop = threading.Event()
        self.pool = ThreadPoolExecutor(4)

    def create(self, shell: str, restart: str = "always", **keys: Any) -> ContainerId:
        """Create a container that runs a shell command. `keys` are docker-py's."""
        names = ("mem_limit", "memswap_limit", "log_config")
        host = {name: keys.pop(name) for name in names if name in keys}
        # No test here needs a network, and making one is half of a start.
        config = self.client.create_host_config(restart_policy={"Name": restart}, network_mode="host", **host)
        made = self.client.create_container(IMAGE, ["sh", "-c", shell], host_config=config, **keys)
        return ContainerId(made["Id"])

    def run(self, shell: str, restart: str = "always", **keys: Any) -> ContainerId:
        """Create a container and start it."""
        container_id = self.create(shell, restart, **keys)
        self.client.start(container_id)
        return container_id

    def prove(
        self,
        container_id: ContainerId,
        *,
        stretch: int = 1,
        within: int = LONG,
        job: bool = False,
        goal: Goal = Goal.PROVEN,
        hide: tuple[str, ...] = (),
    ) -> bool:
        """Wait for the proof of a container."""
        cause = Cause(Why.NOT_THERE)
        target = Existing(container_id, "web")
        step = Prove("web", target, goal, stretch, within, job, False, "", cause)
        return self.watch.prove(container_id, step, self.stop, hide)

    def proving(self, container_id: ContainerId, **keys: Any) -> Future[bool]:
        """Wait for the proof of a container in another thread."""
        return self.pool.submit(self.prove, container_id, **keys)

    def watched(self, container_id: ContainerId, **keys: Any) -> Future[bool]:
        """Wait for a proof in another thread; return once that hears of all that happens to the container."""
        proof = self.proving(container_id, **keys)
        wait_until(lambda: self.watch._feed.live, "the events are listened to")
        return proof

    def not_proven(self, container_id: ContainerId, **keys: Any) -> NotProvenError:
        """Wait for a proof that has to fail."""
        with pytest.raises(NotProvenError) as caught:
            self.prove(container_id, **keys)
        return caught.value

    def do(self, container_id: ContainerId, *command: str) -> None:
        """Run a program in a container."""
        run_in(self.client, container_id, *command)

    def state(self, container_id: ContainerId) -> Any:
        """Return the engine's own word on a container's state."""
        return self.client.inspect_container(container_id)["State"]

    def close(self) -> None:
        """End all waits."""
        self.stop.set()
        self.pool.shutdown()
        self.watch.close()
        self.engine.close()
        gc.collect()  # what is left unclosed shows in the test that left it


@pytest.fixture
def hands(client: Any, engine: PrivateEngine) -> Iterator[Hands]:
    engine.load(make_image(), IMAGE)
    with contextlib.closing(Hands(client, engine, engine.url)) as ready:
        yield ready


@pytest.fixture
def behind_proxy(client: Any, engine: PrivateEngine, proxy: EngineProxy) -> Iterator[Hands]:
    """A watch whose calls the proxy sees."""
    engine.load(make_image(), IMAGE)
    with contextlib.closing(Hands(client, engine, proxy.url)) as ready:
        yield ready


@contextlib.contextmanager
def took(*, least: float = 0.0, most: float = SOON) -> Iterator[None]:
    """Hold what is inside to a time, in seconds."""
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    assert least <= seconds <= most, f"it took {seconds:.2f} s"


def why_not(proof: Future[bool]) -> str:
    """Return why a container was not proven, without the end of its log."""
    with pytest.raises(NotProvenError) as caught:
        proof.result(LONG)
    return caught.value.why


# Without a health check.


def test_container_that_runs_is_proven_after_the_stretch_and_not_before(hands: Hands) -> None:
    web = hands.run(FOREVER)
    with took(least=2.0):
        assert hands.prove(web, stretch=2)


def test_container_that_ends_at_once_fails_with_its_log_and_at_once(hands: Hands) -> None:
    web = hands.run("echo no such database; exit 3")
    with took():
        failed = hands.not_proven(web, stretch=30)
    assert failed.why.startswith(("exit code 3", "it was restarted"))
    assert failed.lines[-1] == "no such database"
    assert str(failed).startswith(f"{failed.why}\n    no such database")


@pytest.mark.parametrize("restart", ["always", "on-failure"])
def test_container_that_ends_within_the_stretch_fails_when_it_ends(hands: Hands, restart: str) -> None:
    web = hands.run(f"echo hello; {UNTIL_TOLD}; exit 3", restart)
    proof = hands.watched(web, stretch=45)
    assert not proof.done()
    hands.do(web, "touch", "/end")
    with took(), pytest.raises(NotProvenError) as failed:
        proof.result(LONG)
    assert failed.value.why in {"exit code 3", "it was restarted once"}
    assert failed.value.lines[0] == "hello"


def test_container_whose_policy_was_taken_away_fails_by_its_end(hands: Hands) -> None:
    assert hands.not_proven(hands.run("exit 0", "no")).why == "exit code 0"


def test_on_failure_container_that_ended_well_is_complete(hands: Hands) -> None:
    assert hands.prove(hands.run("sleep 1", "on-failure"), stretch=30)


def test_container_stopped_by_hand_is_not_failed_but_late(hands: Hands) -> None:
    web = hands.run(FOREVER)
    hands.client.stop(web)
    assert hands.not_proven(web, stretch=1, within=2).why == "it did not run within 2 seconds: it is exited"


def test_container_started_by_hand_meanwhile_begins_its_stretch_anew(hands: Hands) -> None:
    web = hands.run(FOREVER)
    proof = hands.watched(web, stretch=4)
    time.sleep(1)  # not luck: a part of the stretch, and then it begins again
    with took(least=4.0):
        hands.client.restart(web, timeout=0)
        assert proof.result(LONG)


def test_container_that_the_engine_could_not_start_fails_with_the_engines_word(hands: Hands) -> None:
    web = hands.create(FOREVER, entrypoint="/none/such")
    with pytest.raises(docker.errors.APIError):
        hands.client.start(web)
    why = hands.not_proven(web).why
    assert why.startswith("the engine could not start it: ")
    assert "/none/such" in why


def test_container_that_nobody_started_is_late(hands: Hands) -> None:
    why = hands.not_proven(hands.create(FOREVER), within=1, stretch=0).why
    assert why == "it did not run within 1 second: it is created"


def test_paused_container_proves_nothing_until_it_goes_on(hands: Hands) -> None:
    web = hands.run(FOREVER)
    hands.client.pause(web)
    proof = hands.proving(web, stretch=1)
    time.sleep(2.5)  # what must not happen: a proof by a process that does nothing
    assert not proof.done()
    with took(least=1.0):
        hands.client.unpause(web)
        assert proof.result(LONG)


def test_wait_for_a_container_that_is_removed_meanwhile_ends_once_its_name_is_free(hands: Hands) -> None:
    web = hands.run(FOREVER)
    proof = hands.watched(web, stretch=45)
    hands.client.remove_container(web, force=True)
    with took(), pytest.raises(RefusedError, match="it was removed"):
        proof.result(LONG)


def test_wait_for_a_container_that_is_gone_before_ends_at_once(hands: Hands) -> None:
    web = hands.create(FOREVER)
    hands.client.remove_container(web)
    with took(), pytest.raises(RefusedError, match="it was removed"):
        hands.prove(web)


# With a health check.


def checked(command: str, **times: float) -> Any:
    """Return docker-py's form of a health check."""
    raw = health_check(command, **times)  # type: ignore[arg-type]
    names = {
        "Test": "test",
        "Interval": "interval",
        "Timeout": "timeout",
        "Retries": "retries",
        "StartPeriod": "start_period",
    }
    return {names[key]: value for key, value in raw.items()}


def test_container_is_proven_when_it_becomes_healthy_and_waits_for_no_stretch(hands: Hands) -> None:
    web = hands.run(FOREVER, healthcheck=checked("test -e /ready", retries=1000))
    proof = hands.watched(web, stretch=45)
    assert not proof.done()
    hands.do(web, "touch", "/ready")
    with took():
        assert proof.result(LONG)


def test_container_that_becomes_unhealthy_fails_with_what_its_check_printed(hands: Hands) -> None:
    check = checked("printf 'no\\033[31m db\\n at 10.0.0.1\\n'; exit 1")
    with took():
        failed = hands.not_proven(hands.run(FOREVER, healthcheck=check))
    assert failed.why == "its health check fails: no db at 10.0.0.1"


def test_container_that_is_not_healthy_by_its_deadline_is_late(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerup.watch, "CHECK_SLACK", -1_000_000.0)
    check = checked("echo not yet; exit 1", retries=1000)
    web = hands.run("echo hello; sleep 1000000", healthcheck=check)
    with took(least=2.9):
        failed = hands.not_proven(web, within=3)
    assert str(failed) == "it was not healthy within 3 seconds: not yet\n    hello"


def test_check_of_an_image_lengthens_the_deadline(hands: Hands) -> None:
    slow = make_image("slow", health=health_check("test -e /ready", retries=1000))
    hands.private.load(slow, IMAGE)
    web = hands.run(FOREVER)
    proof = hands.watched(web, within=1, stretch=0)
    time.sleep(2)  # what must not happen: an end by the deadline of the entry
    assert not proof.done()
    hands.do(web, "touch", "/ready")
    assert proof.result(LONG)


def test_healthy_container_that_was_restarted_is_not_proven(hands: Hands) -> None:
    web = hands.run("[ -e /ran ] || { touch /ran; exit 3; }; exec sleep 1000000", healthcheck=checked("true"))
    wait_until(lambda: hands.state(web)["Health"]["Status"] == "healthy", "it is healthy")
    assert hands.not_proven(web).why == "it was restarted once"


# Jobs, and ends.


def test_job_is_proven_by_exit_0(hands: Hands) -> None:
    job = hands.run(UNTIL_TOLD, "no")
    proof = hands.watched(job, job=True)
    assert not proof.done()
    hands.do(job, "touch", "/end")
    assert proof.result(LONG)


def test_job_is_proven_by_its_end_and_not_by_its_health(hands: Hands) -> None:
    job = hands.run("sleep 2; exit 3", "no", healthcheck=checked("true"))
    assert hands.not_proven(job, job=True).why == "exit code 3"


def test_job_that_failed_says_its_exit_code_and_its_log(hands: Hands) -> None:
    failed = hands.not_proven(hands.run("echo bad input >&2; exit 3", "no"), job=True)
    assert (failed.why, failed.lines) == ("exit code 3", ("bad input",))


@pytest.mark.parametrize(("job", "goal"), [(True, Goal.PROVEN), (False, Goal.ENDED)])
def test_what_has_to_end_and_still_runs_at_its_deadline_goes_on(hands: Hands, job: bool, goal: Goal) -> None:
    container_id = hands.run(FOREVER, "no")
    with took(least=2.0):
        assert not hands.prove(container_id, job=job, goal=goal, within=2)
    assert hands.state(container_id)["Status"] == "running"


def test_end_is_reached_whatever_its_exit_code(hands: Hands) -> None:
    assert hands.prove(hands.run("sleep 1; exit 3", "no"), goal=Goal.ENDED)


# Memory.


def test_container_that_runs_out_of_memory_says_so(hands: Hands) -> None:
    web = hands.run(HUNGRY, **LITTLE_MEMORY)
    proof = hands.watched(web, stretch=45)
    hands.do(web, "touch", "/eat")
    assert why_not(proof) == "it ran out of memory"


def test_job_that_runs_out_of_memory_says_so(hands: Hands) -> None:
    job = hands.run(HUNGRY, "no", **LITTLE_MEMORY)
    hands.do(job, "touch", "/eat")
    assert hands.not_proven(job, job=True).why == "it ran out of memory"


def test_killed_container_that_had_memory_says_its_exit_code(hands: Hands) -> None:
    job = hands.run(FOREVER, "no")
    hands.client.kill(job)
    assert hands.not_proven(job, job=True).why == "exit code 137"


def test_container_that_goes_on_after_a_kill_for_memory_is_not_proven(hands: Hands) -> None:
    web = hands.run(f"{UNTIL_EATEN}; {EATS_MEMORY}; {FOREVER}", **LITTLE_MEMORY)
    proof = hands.watched(web, stretch=45)
    hands.do(web, "touch", "/eat")
    assert why_not(proof) == "it ran out of memory"
    assert hands.state(web)["Status"] == "running"


def test_older_kill_for_memory_does_not_count_after_a_new_start(hands: Hands) -> None:
    web = hands.run(f"[ -e /eat ] && {FOREVER}; {HUNGRY}", "no", **LITTLE_MEMORY)
    hands.do(web, "touch", "/eat")
    wait_until(
        lambda: hands.state(web)["OOMKilled"] and not hands.state(web)["Running"], "it was killed", seconds=60
    )
    hands.client.start(web)
    assert hands.prove(web, stretch=1)


# Waiting.


def test_wait_ends_soon_after_it_is_told_to(hands: Hands) -> None:
    proof = hands.watched(hands.run(FOREVER), stretch=45)
    hands.stop.set()
    with took():
        assert proof.result(LONG) is False


def test_two_waits_at_once_take_no_longer_than_one(hands: Hands) -> None:
    containers = [hands.run(FOREVER) for _number in range(2)]
    with took(least=5.0, most=9.9):
        proofs = [hands.proving(one, stretch=5) for one in containers]
        assert [proof.result(LONG) for proof in proofs] == [True, True]


def test_all_waits_share_one_stream_and_look_only_when_there_is_something_to_see(
    behind_proxy: Hands, proxy: EngineProxy
) -> None:
    containers = [behind_proxy.run(FOREVER) for _number in range(2)]
    proofs = [behind_proxy.proving(one, stretch=6) for one in containers]
    assert [proof.result(LONG) for proof in proofs] == [True, True]

    paths = [call.path for call in proxy.calls]
    assert paths.count("/events") == 1
    # At first, after the news that the stream is open, once more, and at the end of the stretch.
    assert max(paths.count(f"/containers/{one}/json") for one in containers) <= 4


def test_watch_that_is_closed_listens_to_nothing(hands: Hands) -> None:
    assert hands.prove(hands.run(FOREVER))
    thread = hands.watch._feed._thread
    assert thread is not None
    hands.watch.close()
    assert not thread.is_alive()
    hands.watch.close()


def test_engine_that_refuses_its_events_is_looked_at_instead(behind_proxy: Hands, proxy: EngineProxy) -> None:
    def refuse(call: Call) -> None:
        if call.path == "/events":
            raise RefusalError(403, "no events here")

    proxy.before = refuse
    bad, good = behind_proxy.run("sleep 2; exit 3"), behind_proxy.run(FOREVER)
    proof = behind_proxy.proving(bad, stretch=45)
    assert behind_proxy.prove(good, stretch=3)
    with took(), pytest.raises(NotProvenError):
        proof.result(LONG)


@engine_goes_away
def test_engine_killed_and_started_meanwhile_is_waited_for(hands: Hands) -> None:
    web = hands.run(FOREVER)
    proof = hands.watched(web, stretch=4)
    hands.private.kill()
    wait_until(lambda: not hands.watch._feed.live, "the stream is known to be broken")
    with took(least=4.0):
        hands.private.start()
        assert proof.result(LONG)


@engine_goes_away
def test_failure_after_the_engine_came_back_is_seen(hands: Hands) -> None:
    web = hands.run(f"{UNTIL_TOLD}; exit 3")
    proof = hands.watched(web, stretch=45)
    hands.private.kill()
    wait_until(lambda: not hands.watch._feed.live, "the stream is known to be broken")
    hands.private.start()
    wait_until(lambda: hands.watch._feed.live, "the stream is there again")
    hands.do(web, "touch", "/end")
    with took(), pytest.raises(NotProvenError, match=r"exit code 3|restarted"):
        proof.result(LONG)


@engine_goes_away
def test_engine_that_stays_away_counts_against_the_deadline(hands: Hands) -> None:
    proof = hands.watched(hands.run(FOREVER), stretch=3, within=4)
    hands.private.kill()
    with (
        took(),
        pytest.raises(NotProvenError, match="the engine could not tell within 4 seconds how it is: "),
    ):
        proof.result(LONG)


# What is told.


@pytest.mark.parametrize("tty", [False, True])
def test_end_of_the_log_is_told_in_order_and_without_what_a_terminal_obeys(hands: Hands, tty: bool) -> None:
    shell = (
        "for n in $(seq 1 30); do echo line $n; done; sleep 0.3; printf '\\033[31mred\\033[0m\\a\\n' >&2; "
        "sleep 0.3; printf 'no end of line'; exit 3"
    )
    lines = hands.not_proven(hands.run(shell, "no", tty=tty), job=True).lines
    assert lines == (*(f"line {number}" for number in range(13, 31)), "red?", "no end of line")


def test_no_value_to_hide_shows_in_log_or_health_output(hands: Hands) -> None:
    shell = f"echo 'I know: {SECRET}, and abc'; {FOREVER}"
    check = checked(f"echo '{'x' * 480} {SECRET}'; exit 1")
    text = str(hands.not_proven(hands.run(shell, healthcheck=check), hide=(SECRET, "abc")))
    assert "I know: (hidden), and abc" in text
    assert "correct" not in text
    assert f"{'x' * 480} (hidden)..." in text


def test_huge_log_lines_are_cut(hands: Hands) -> None:
    shell = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 3"
    lines = hands.not_proven(hands.run(shell, "no"), job=True).lines
    assert lines[-1] == "the end"
    assert [len(line) for line in lines] == [500, 7]


def test_log_that_cannot_be_read_leaves_the_reason_alone(hands: Hands) -> None:
    job = hands.run("echo hello; exit 3", "no", log_config={"Type": "none"})
    assert str(hands.not_proven(job, job=True)) == "exit code 3"


# The engine's verbs that this needs.


@pytest.mark.parametrize(
    ("check", "seconds"),
    [
        ({}, 0),
        ({"test": ["NONE"]}, 0),
        ({"test": ["CMD", "true"]}, 180),
        (checked("true", interval=1.5, timeout=2, retries=4, start_period=7), 21),
    ],
)
def test_detail_knows_how_long_a_health_check_may_take(hands: Hands, check: Any, seconds: int) -> None:
    detail = hands.engine.detail(hands.create(FOREVER, healthcheck=check))
    assert detail is not None
    assert (detail.check_seconds, detail.state, detail.restart) == (seconds, "created", "always")


def test_detail_tells_ends_and_restarts(hands: Hands) -> None:
    web = hands.run("exit 7", "on-failure")

    def detail() -> Any:
        return hands.engine.detail(web)

    # The pause before the fifth start is long enough to look at it.
    wait_until(lambda: detail().restarts >= 4 and detail().state == "restarting", "it was restarted often")
    assert (detail().restart, detail().health, detail().error) == ("on-failure", "", "")
    hands.client.stop(web)
    assert (detail().state, detail().exit_code, detail().out_of_memory) == ("exited", 7, False)


def test_stop_waits_for_the_containers_own_stop_time(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dockerup.engine, "CALL_TIMEOUT", 2)
    monkeypatch.setattr(dockerup.engine, "STOP_SECONDS", 0)
    shell = "trap 'sleep 4; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    web = hands.run(shell, stop_signal="SIGTERM", stop_timeout=30)
    wait_until(lambda: b"ready" in hands.client.logs(web), "it hears signals")
    with took(least=4.0):
        hands.engine.stop(web)
    assert hands.state(web)["ExitCode"] == 5


def test_stop_with_seconds_of_its_own_kills_after_them(hands: Hands) -> None:
    shell = "trap 'echo heard' TERM; echo ready; while :; do sleep 0.1; done"
    web = hands.run(shell, stop_signal="SIGTERM", stop_timeout=30)
    wait_until(lambda: b"ready" in hands.client.logs(web), "it hears signals")
    with took(least=1.0):
        hands.engine.stop(web, 1)
    assert hands.state(web)["ExitCode"] == 137


def test_events_come_after_a_longer_silence_than_any_call_may_have_and_end_when_closed(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dockerup.engine, "CALL_TIMEOUT", 2)
    with contextlib.closing(Engine(hands.private.url, {})) as engine:
        stream = engine.events({"start", "die"})
        seen: list[tuple[str, str]] = []

        def read() -> None:
            seen.extend((event.container_id, event.kind) for event in _noted(stream, arrived))

        arrived = threading.Event()
        reading = hands.pool.submit(read)
        time.sleep(3.5)  # the silence
        assert not reading.done()
        web = hands.run(FOREVER)
        assert arrived.wait(SOON)
        stream.close()
        with took():
            reading.result(LONG)
    assert seen == [(web, "start")]


def _noted(stream: Any, arrived: threading.Event) -> Iterator[Any]:
    for event in stream:
        arrived.set()
        yield event
