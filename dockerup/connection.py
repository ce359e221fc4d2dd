"""The outside of a run: one engine and the registries, as the settings say to reach them."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Callable

from dockerup.desired import Desired
from dockerup.engine import Engine, EngineError, login_from_docker_config, own_container_id
from dockerup.image import Answer, ImageRef
from dockerup.registry import Login, check
from dockerup.settings import Settings
from dockerup.snapshot import ContainerId, Snapshot
from dockerup.state import Cache
from dockerup.steps import Prove
from dockerup.watch import Watch

DEFAULT_URL = "unix:///var/run/docker.sock"


def engine_url(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the URL of the engine: the setting `remote`, else DOCKER_HOST, else the local socket."""
    return settings.remote or environ.get("DOCKER_HOST") or DEFAULT_URL


@dataclass(frozen=True)
class Connection:
    """An engine and the registries, for the length of a run."""

    engine: Engine
    settings: Settings
    watch: Watch

    def observe(self, desired: Desired) -> Snapshot:
        """Return the host as it is."""
        networks = any(spec.own_network for spec in desired.specs)
        return self.engine.observe(networks=networks, own_id=_own_id())

    def detailed(self, observed: Snapshot, wanted: frozenset[ContainerId]) -> Snapshot:
        """Return the snapshot with the wanted containers inspected."""
        return self.engine.with_details(observed, wanted)

    def ask(self, refs: Collection[ImageRef]) -> dict[ImageRef, Answer]:
        """Return what the registries say of some references; one that is away says Unknown."""
        if not refs:
            return {}
        return check(refs, concurrency=self.settings.concurrency, login_for=self.login_for)

    def prover(self, desired: Desired) -> Callable[[ContainerId, Prove, Event], bool]:
        """Return what waits for containers of the listed entries; their env values show in no message."""
        env = {spec.name: tuple(spec.definition.get("env", {}).values()) for spec in desired.specs}

        def prove(container_id: ContainerId, step: Prove, stop: Event) -> bool:
            return self.watch.prove(container_id, step, stop, env.get(step.entry, ()))

        return prove

    def pull(self, image: ImageRef) -> None:
        """Fetch an image."""
        self.engine.pull(image, self.login_for(image.domain), self.settings.pull_timeout)

    def login_for(self, domain: str) -> Login | None:
        """Return the login for a registry: the one in the settings, else the one of `docker login`."""
        if self.settings.username:
            return Login(self.settings.username, self.settings.password)
        return login_from_docker_config(domain)


@contextmanager
def connect(settings: Settings, cache: Cache, environ: Mapping[str, str]) -> Iterator[Connection]:
    """Connect to the engine for the length of a run. Raises EngineError when it cannot be used."""
    url, now = engine_url(settings, environ), time.time()
    known = cache.api_version(url, now)
    try:
        engine = Engine(url, environ, known)
        if known is None:
            cache.keep_api_version(url, engine.api_version, now)
        watch = Watch(engine)
        try:
            yield Connection(engine, settings, watch)
        finally:
            watch.close()
            engine.close()
    except EngineError:
        cache.forget_api_version()
        raise


def _own_id() -> str:
    if not os.path.exists("/.dockerenv"):
        return ""
    try:
        with open("/proc/self/mountinfo", encoding="ascii", errors="replace") as file:
            return own_container_id(file.read())
    except OSError:
        return ""
