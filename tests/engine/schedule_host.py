"""A real host that goes through a schedule, and what is remembered of it, to tell whether all is well."""

from __future__ import annotations

import contextlib
import shutil
import signal
from dataclasses import replace
from typing import Any, Callable

import docker.errors

from dockerup import labels
from dockerup.memory import failed_names
from tests.engine.schedules import (
    EXITS,
    IMAGE_VOLUME,
    JOBS,
    SERVICES,
    SHARE_LIFE,
    Broken,
    Cache,
    Edit,
    Engine,
    Entry,
    Hand,
    List,
    Operation,
    Push,
    Registry,
    Run,
    Stranger,
    Unlist,
    as_listed,
    document,
)
from tests.engine.stories import Ran, Story, own_name
from tests.testbed.images import Image, health_check, make_image
from tests.testbed.proxy import Call, CutError, EngineProxy, Hook, kill_client
from tests.testbed.registry import Pushed
from tests.testbed.waiting import send_signal

BROKEN_FILE = "zz-broken.yaml"
RESTS, ENDS = ("sleep", "1000000"), ("true",)
ENDED_BY = {"kill": {-signal.SIGKILL}, "term": {128 + signal.SIGTERM}}


class ScheduledHost:
    """The host, and what was told to it.

    `listed` is the right list that is in `confdir`, `latest` the newest version of each image, `kinds` says
    what each of those is. `volumes` are all that were ever seen. `served` are the entries whose container ran
    well when all was looked at, and was not stopped or removed by a person since. `rows` are what was written
    into the volumes, by entry and path. `ties` are entries that may have been changed together since then.
    `upset` says that something may have failed by no fault of what is listed.
    """

    def __init__(self, story: Story, proxy: EngineProxy) -> None:
        self.story = story
        self.listed: dict[str, Entry] = {}
        self.latest: dict[str, Pushed] = {}
        self.kinds: dict[str, str] = {}
        self.volumes: set[str] = set()
        self.served: set[str] = set()
        self.rows: dict[tuple[str, str], str] = {}
        self.ties: set[frozenset[str]] = set()
        self.upset = False
        self.log: list[str] = []
        self._proxy = proxy
        self._entries: dict[str, Entry] = {}
        self._versions = 0
        story.load("stranger:1", make_image("stranger", volumes=("/own",)))
        for image in (*SERVICES, *JOBS):
            self.push(Push(image, "good"))

    def do(self, operation: Operation) -> None:
        """Let something happen."""
        self.log.append(str(operation))
        verbs: dict[type[Any], Callable[[Any], object]] = {
            List: lambda one: self._write({**self._entries, one.name: one.entry}),
            Edit: self._edit,
            Unlist: self._unlist,
            Push: self.push,
            Run: self._run,
            Hand: self._hand,
            Stranger: self._stranger,
            Registry: self._registry,
            Broken: self._broken,
            Cache: self._cache,
            Engine: self._engine,
        }
        verbs[type(operation)](operation)
        self.see()

    def see(self) -> None:
        """Remember the volumes that there are."""
        now = self.story.volumes()
        assert self.volumes <= now, f"volumes are lost: {self.volumes - now}"
        self.volumes = now

    def mend(self) -> None:
        """Mend what is broken around the host, and let the minute pass in which no lost registry is asked."""
        self._registry(Registry(up=True))
        self._broken(Broken(there=False))
        with contextlib.suppress(OSError, ValueError):  # the cache is gone, or holds rubbish
            self.story.no_registry_is_left_in_peace()

    def dockerup(self, *arguments: str) -> Ran:
        """Run dockerup to its end; returns what it said."""
        ran = self.story.dockerup.run(*arguments, env={"DOCKER_HOST": self._proxy.url})
        self.log.append(
            f"  dockerup {' '.join(arguments)}: {ran.returncode}\n{ran.stdout}{ran.stderr}".rstrip()
        )
        for fault in ("Traceback", "a fault in dockerup", "PlanError"):
            assert fault not in ran.stderr
        return ran

    def failing(self) -> set[str]:
        """Return the entries that cannot run as they are listed, by fault of their own or of another."""
        found: set[str] = set()
        for name, one in self.listed.items():  # what an entry holds on to comes before it
            kind = self.kinds[one.image]
            good = one.sound and (kind == "good" or (kind == "ill" and one.check == "good"))
            if not good or (one.bond in (*SHARE_LIFE, "after") and one.to in found):
                found.add(name)
        return found

    # What a person lists.

    def _edit(self, edit: Edit) -> None:
        one = self._entries.get(edit.name)
        if one is None:
            return
        entries = {**self._entries, edit.name: replace(one, **{edit.key: edit.value})}
        if edit.key == "port" and edit.value:
            for name, other in self._entries.items():
                if other.port == edit.value and name != edit.name:
                    entries[name] = replace(other, port=one.port)
        self._write(entries)

    def _unlist(self, gone: Unlist) -> None:
        self._write({name: one for name, one in self._entries.items() if name != gone.name})

    def _write(self, entries: dict[str, Entry]) -> None:
        before, self._entries = self.listed, entries
        self.listed = as_listed(entries)
        for name in before.keys() - self.listed.keys():
            self.story.undefine(name)
            self._forget(name)
        for name, one in self.listed.items():
            reference = self.latest[one.image].reference
            self.story.dockerup.define(f"{name}.yaml", document(name, self.listed, reference))
            if name in before:
                for path in {*before[name].volumes} - {*one.volumes}:
                    self.rows.pop((name, path), None)
        self._tie(before)

    def _tie(self, before: dict[str, Entry]) -> None:
        by_port: dict[int, set[str]] = {}
        for name, one in (*before.items(), *self.listed.items()):
            by_port.setdefault(one.port, set()).add(name)
        self.ties |= {frozenset(names) for port, names in by_port.items() if port}
        self.ties |= self.bonds()

    def bonds(self) -> set[frozenset[str]]:
        """Return the pairs of entries of which one holds on to the other, or waits for it."""
        return {frozenset({name, one.to}) for name, one in self.listed.items() if one.bond}

    def _forget(self, name: str) -> None:
        self.served.discard(name)
        self.rows = {key: text for key, text in self.rows.items() if key[0] != name}

    # What comes from elsewhere.

    def push(self, pushed: Push) -> None:
        """Put a new version of an image into the registry."""
        if not self.story.registry.runs:
            return
        self._versions += 1
        image = make_version(str(self._versions), pushed)
        self.latest[pushed.image] = self.story.registry.push(image, pushed.image)
        self.kinds[pushed.image] = pushed.kind

    def _registry(self, registry: Registry) -> None:
        if registry.up != self.story.registry.runs:
            self.story.registry.start() if registry.up else self.story.registry.stop()

    def _broken(self, broken: Broken) -> None:
        if broken.there:
            self.story.dockerup.define(BROKEN_FILE, "name: [zz\n")
        elif (self.story.dockerup.confdir / BROKEN_FILE).exists():
            self.story.dockerup.undefine(BROKEN_FILE)

    def _cache(self, cache: Cache) -> None:
        directory = self.story.dockerup.cache
        if cache.what == "gone":
            shutil.rmtree(directory, ignore_errors=True)
            return
        for path in directory.rglob("*"):
            if path.is_file():
                path.write_bytes(b"\xff\x00{rubbish")

    def _engine(self, engine: Engine) -> None:
        self.story.engine.kill() if engine.how == "kill" else self.story.engine.stop()
        self._engine_again()

    def _engine_again(self) -> None:
        self.story.engine.start()
        if self.story.engine.may_keep_a_port_of_nobody():
            self.story.engine.restart()
        self.upset = True
        # What the engine does not bring back may be taken for what never ran well.
        self.served = {name for name in self.served if self._lives(name)}

    def _lives(self, name: str) -> bool:
        family = [one for one in self.story.listed().values() if entry_of(one) == name]
        return any(own(one) != name or one["State"] in {"running", "paused"} for one in family)

    # What a person does to containers.

    def _hand(self, hand: Hand) -> None:
        there = sorted(self.story.listed().items())
        if not there:
            return
        called, one = there[hand.which % len(there)]
        self.log[-1] += f": {called}"
        if called not in failed_names(entry_of(one)):
            self._touched(hand.what, entry_of(one))
        self.upset |= called not in self.listed or hand.what == "pause"
        verbs = {
            "stop": lambda: self.story.client.stop(one["Id"]),
            "pause": lambda: self.story.client.pause(one["Id"]),
            "remove": lambda: self.story.client.remove_container(one["Id"], force=True),
            "rename": lambda: self.story.client.rename(one["Id"], hand.name),
        }
        with contextlib.suppress(docker.errors.APIError):  # not in a state for that, or the name is taken
            verbs[hand.what]()

    def _touched(self, what: str, name: str) -> None:
        if what == "remove":
            self._forget(name)
        elif what == "stop":
            self.served.discard(name)

    def _stranger(self, stranger: Stranger) -> None:
        binding: dict[str, Any] = {"port_bindings": {"8080/tcp": stranger.port}} if stranger.port else {}
        with contextlib.suppress(docker.errors.APIError):  # the name or the port is taken
            self.story.by_hand(stranger.name, "stranger:1", **binding)

    # dockerup, and what happens to it.

    def _run(self, run: Run) -> None:
        self.upset |= bool(self.failing())
        self._proxy.forget()
        hook = self._hook(run) if run.fault else lambda _call: None
        setattr(self._proxy, run.moment, hook)
        code = self.dockerup().returncode
        self._proxy.before = self._proxy.after = lambda _call: None
        if not self.story.engine.runs:
            self._engine_again()
        assert code in {0, 1, 2} | ENDED_BY.get(run.fault, set())

    def _hook(self, run: Run) -> Hook:
        faults = {"kill": kill_client, "term": ask_to_end, "engine": self._kill_engine}
        act = faults[run.fault]

        def hook(call: Call) -> None:
            if call.number == run.at:
                self.log.append(f"  at {call}")
                act(call)

        return hook

    def _kill_engine(self, _call: Call) -> None:
        self.story.engine.kill()
        raise CutError


def ask_to_end(call: Call) -> None:
    """Send SIGTERM to the client."""
    send_signal(call.client_pid, signal.SIGTERM)


def make_version(version: str, pushed: Push) -> Image:
    """Return a version of an image: good ones of services run, those of jobs end with 0."""
    good = ENDS if pushed.image in JOBS else RESTS
    commands = {"exits": EXITS, "late": ("sh", "-c", "sleep 0.3; exit 3")}
    return make_image(
        version,
        command=commands.get(pushed.kind, good),
        volumes=(IMAGE_VOLUME,) if pushed.image == "db" else (),
        ports=("8080/tcp",),
        health=health_check("exit 1") if pushed.kind == "ill" else None,
    )


def own(listed: dict[str, Any]) -> str:
    """Return the name of a container of the engine's list."""
    return own_name(listed["Names"])


def entry_of(listed: dict[str, Any]) -> str:
    """Return the name of the entry that a container of the engine's list belongs to."""
    return str(listed["Labels"].get(labels.NAME, own(listed)))
