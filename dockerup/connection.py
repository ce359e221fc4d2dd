"""The outside of a run: one engine and the registries, as the settings say to reach them."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Callable

from dockerup.credentials import Logins
from dockerup.desired import Desired
from dockerup.endpoints import CERTIFICATES, EngineRegistries
from dockerup.engine import Engine
from dockerup.engine_error import EngineError
from dockerup.host import managed
from dockerup.image import ImageRef
from dockerup.joined import any_to_care_for
from dockerup.listener import Pulling
from dockerup.logins import Login, NoLoginError
from dockerup.platforms import cannot_run
from dockerup.records import dataclass
from dockerup.registry import Checked, Manner, check, confirm
from dockerup.registry_memory import RegistryMemory
from dockerup.secret_files import clear, place
from dockerup.settings import Settings
from dockerup.snapshot import ContainerId, Disk, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.state import Cache
from dockerup.steps import Prove
from dockerup.watch import Watch

if TYPE_CHECKING:
    from dockerup.streams import Stream

DEFAULT_URL = "unix:///var/run/docker.sock"
REGISTRIES, NETWORKS = "registries.json", "networks.json"  # in the cache


def engine_url(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the URL of the engine: the setting `remote`, else DOCKER_HOST, else the local socket."""
    return settings.remote or environ.get("DOCKER_HOST") or DEFAULT_URL


@dataclass(frozen=True)
class Connection:
    """An engine and the registries, for the length of a run."""

    engine: Engine
    settings: Settings
    cache: Cache
    watch: Watch
    logins: Logins
    _proven: set[str] = field(default_factory=set)  # registries that were sent their login in this run
    _proving: dict[str, Lock] = field(default_factory=dict)
    _keeping: Lock = field(default_factory=Lock)

    def observe(self, desired: Desired) -> Snapshot:
        """Return the host as it is, with what is remembered of adopted containers."""
        observed = self._with_records(self._with_networks(desired))
        if not self.settings.prune_when_full or self.settings.prune == "none":
            return observed
        root = self.info(time.time()).get("DockerRootDir")
        return replace(observed, disk=disk_of(self.engine.url, str(root or "")))

    def _with_networks(self, desired: Desired) -> Snapshot:
        """Return the host with its networks where there are any to care for.

        A run that was killed may have left one that no container tells of: that there may be such ones is
        remembered from before anything is done until they are seen to be gone.
        """
        known = self.cache.read(NETWORKS).get(self.engine.url) is True
        named = any(spec.networks for spec in desired.specs)
        observed = self.engine.observe(networks=known or named, own_id=_own_id())
        if observed.networks is not None:
            left = any_to_care_for(observed, desired.specs)
            self.cache.write(NETWORKS, {self.engine.url: True} if left else {})
        return observed

    def _with_records(self, observed: Snapshot) -> Snapshot:
        known = self.cache.adopted(self.engine.url)
        if not known:
            return observed
        containers = (replace(one, record=known.get(one.container_id, {})) for one in observed.containers)
        return replace(observed, containers=tuple(containers))

    def remember_adopted(self, records: Mapping[ContainerId, Mapping[str, str]]) -> None:
        """Remember under which labels the adopted containers of this engine are seen, and no others."""
        self.cache.keep_adopted(self.engine.url, records)

    def in_place(self) -> Mapping[ContainerId, str] | None:
        """Return what is remembered of containers that were changed in place: see `Snapshot.in_place`."""
        known = self.cache.in_place()
        return None if known is None else {ContainerId(key): value for key, value in known.items()}

    def keep_in_place(self, known: Mapping[ContainerId, str]) -> None:
        """Remember what is known of containers that were changed in place."""
        self.cache.keep_in_place({str(key): value for key, value in known.items()})

    def place_secrets(self, desired: Desired) -> list[str]:
        """Put the secrets that are files where containers get them from; returns notes on what went wrong."""
        return place(self.engine.secrets, (one for spec in desired.specs for one in spec.secret_files))

    def clear_secrets(self, desired: Desired, observed: Snapshot) -> None:
        """Take away the secrets that neither an entry nor a container has need of."""
        needed = {path for one in observed.containers for path in one.host_paths}
        files = (one for spec in desired.specs for one in spec.secret_files)
        clear(
            self.engine.secrets, needed | {os.path.join(self.engine.secrets, one.file_name) for one in files}
        )

    def lately(self, observed: Snapshot, unneeded: Collection[str]) -> Snapshot:
        """Return the snapshot with what has happened lately to the images that nobody needs."""
        now = time.time()
        return replace(observed, lately=self.engine.lately(now, self.cache.unneeded_since(unneeded, now)))

    def forget_unneeded(self) -> None:
        """Forget since when images have been without a use: all are needed, or gone."""
        self.cache.unneeded_since((), time.time())

    def detailed(self, observed: Snapshot, wanted: frozenset[ContainerId]) -> Snapshot:
        """Return the snapshot with the wanted containers inspected."""
        return self.engine.with_details(observed, wanted, self.settings.concurrency)

    def compared(self, observed: Snapshot, wanted: frozenset[ContainerId]) -> Snapshot:
        """Return the same with what those were made from that dockerup did not make, to compare it."""
        others = frozenset(one.container_id for one in observed.containers if not managed(one))
        return self.engine.with_details(observed, wanted, self.settings.concurrency, others)

    def ask(
        self,
        refs: Collection[ImageRef],
        missing: Collection[ImageRef],
        doubtful: Mapping[ImageRef, Collection[str]] | None = None,
        *,
        keep: bool,
    ) -> Checked:
        """Return what the registries say of some references; one that is away says Unknown.

        `missing` are those without an image here, `doubtful` those whose image may have been made here, with
        the digests of it. `keep`: what the registries taught is for the next run.
        """
        if not refs:
            return Checked({}, RegistryMemory())
        now = time.time()
        before = RegistryMemory.of(self.cache.read(REGISTRIES), now)
        manner = Manner(
            concurrency=self.settings.concurrency,
            login_for=self._wanted_login,
            refused=self.logins.refuse,
            engine=EngineRegistries.of(self.info(now)),
            certificates=CERTIFICATES if self.engine.url.startswith("unix://") else "",
            chance=os.urandom(1)[0] / 255,
        )
        checked = confirm(check(refs, manner, before, now, missing), doubtful or {}, manner, now)
        if keep:
            with self._keeping:
                kept = RegistryMemory.of(self.cache.read(REGISTRIES), now)
                self.cache.write(REGISTRIES, kept.after(checked.memory).as_json())
            if checked.memory.away.keys() - before.away.keys():
                self.cache.forget_engine()  # which may know another way to that registry by now
        return checked

    def splay(self) -> float:
        """Return the seconds by which this host of a fleet asks the registries later: always the same."""
        return share_of(_host_id(), self.settings.splay)

    def info(self, now: float) -> Mapping[str, Any]:
        """Return what the engine tells of itself and registries, as it was within the last hour."""
        known = self.cache.engine_info(self.engine.url, now)
        if known is None:
            known = self.engine.info()
            self.cache.keep_engine_info(self.engine.url, known, now)
        return known

    def cannot_run(self, desired: Desired) -> dict[str, str]:
        """Return why the host cannot run a platform that an entry asks for, by platform."""
        asked = {spec.image.platform for spec in desired.specs if spec.image.platform}
        if not asked:
            return {}
        told = self.info(time.time())
        machine = str(told.get("Architecture") or "")
        # A socket here may lead to an engine in a virtual machine.
        here = self.engine.url.startswith("unix://") and told.get("KernelVersion") == os.uname().release
        handlers = _emulations() if here and not _own_id() else None
        found = {platform: cannot_run(platform, machine, handlers) for platform in sorted(asked)}
        return {platform: why for platform, why in found.items() if why}

    def prover(self, specs: Iterable[ContainerSpec]) -> Callable[[ContainerId, Prove, Event], bool]:
        """Return what waits for containers of some entries; their env values show in no message."""
        env = _secrets(specs)

        def prove(container_id: ContainerId, step: Prove, stop: Event) -> bool:
            return self.watch.prove(container_id, step, stop, env.get(step.entry, ()))

        return prove

    def ends_of(
        self, names: Collection[str], observed: Snapshot, specs: Iterable[ContainerSpec]
    ) -> dict[str, str]:
        """Return why the containers of some entries, started lately, did not last; "" for one that did."""
        env = _secrets(specs)
        return {
            one.name: self.watch.why_not_well(one.container_id, env.get(one.name, ()))
            for one in observed.containers
            if one.name in names
        }

    def puller(self, pulling: Pulling) -> Callable[[ImageRef, Event], bool]:
        """Return what fetches an image, or returns False when it was stopped, and tells `pulling` of it."""
        return functools.partial(self._pull, pulling)

    def _pull(self, pulling: Pulling, image: ImageRef, stop: Event) -> bool:
        """Fetch an image, with the login that its registry has; without one where that cannot be had."""
        from dockerup.pull import pull

        login: Login | None = None
        doubt = ""
        try:
            login = self._login_for(image)
        except NoLoginError as error:
            doubt = str(error)

        def begin(seconds: float) -> Stream:
            return self.engine.begin_pull(image, login, seconds)

        try:
            with pulling(image) as told:
                return pull(image.familiar, begin, self.settings.pull_timeout, stop, told)
        except EngineError as error:
            if login is not None and _is_denial(error):
                doubt = f"{image.domain} was asked as {login.whose}"
            if not doubt:
                raise
            raise EngineError(str(error), error.status, doubt) from error

    def _login_for(self, image: ImageRef) -> Login | None:
        """Return the login for a pull, None where there is none. Raises NoLoginError.

        A registry that this run has not sent it to, as for images by digest, is asked for the first of them:
        the engine would send a wrong one twice for each image, each minute, which locks its user out.
        """
        domain = image.domain
        with self._proving.setdefault(domain, Lock()):  # setdefault of a dict is atomic
            if self.logins.find(domain) is not None and domain not in self._proven:
                self._proven.add(domain)
                self.ask((image,), (image,), keep=True)
        return self.logins.find(domain)

    def _wanted_login(self, domain: str) -> Login | None:
        self._proven.add(domain)
        return self.logins.find(domain)


@contextmanager
def connect(settings: Settings, cache: Cache, environ: Mapping[str, str]) -> Iterator[Connection]:
    """Connect to the engine for the length of a run. Raises EngineError when it cannot be used."""
    url, now = engine_url(settings, environ), time.time()
    try:
        engine = Engine(
            url,
            environ,
            cache.api_version(url, now),
            lambda version: cache.keep_api_version(url, version, now),
        )
        watch = Watch(engine)
        try:
            yield Connection(engine, settings, cache, watch, Logins(settings, environ))
        finally:
            watch.close()
            engine.close()
    except EngineError:
        cache.forget_engine()
        raise


def disk_of(url: str, root: str) -> Disk | None:
    """Return how full the file system is where the engine at `url` has its data, None when not here."""
    if not url.startswith("unix://"):
        return None
    try:
        now = os.statvfs(root)
    except (OSError, ValueError):
        return None
    used = (now.f_blocks - now.f_bfree) * now.f_frsize
    return Disk(used, used + now.f_bavail * now.f_frsize)


def _secrets(specs: Iterable[ContainerSpec]) -> dict[str, tuple[str, ...]]:
    """Return the values that no log may show, by entry; there may be several specs of one."""
    found: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        files = (one.content.decode("utf-8", "replace").splitlines() for one in spec.secret_files)
        env = spec.definition.get("env", {}).values()
        found[spec.name] = (*found.get(spec.name, ()), *env, *(line for lines in files for line in lines))
    return found


def share_of(host_id: str, most: int) -> float:
    """Return a number of seconds up to `most` that is the same for a host each time, and even over many."""
    drawn = hashlib.sha256(f"dockerup splay {host_id}".encode()).digest()[:4]
    return most * int.from_bytes(drawn, "big") / 0xFFFFFFFF


def _host_id() -> str:
    try:
        with open("/etc/machine-id", encoding="ascii", errors="replace") as file:
            return file.read(64).strip()
    except OSError:
        return os.uname().nodename


def _is_denial(error: EngineError) -> bool:
    """Tell whether a registry refused a pull. The engine passes its words on, with a status of any kind."""
    return re.search(r"unauthorized|denied|forbidden|no basic auth", error.text, re.IGNORECASE) is not None


def _emulations() -> list[str]:
    """Return the files of this kernel's binfmt_misc: what programs of other machines are run by."""
    found = []
    for path in glob.glob("/proc/sys/fs/binfmt_misc/*"):
        with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
            found.append(file.read(4096))
    return found


def _own_id() -> str:
    if not os.path.exists("/.dockerenv"):
        return ""
    try:
        with open("/proc/self/mountinfo", encoding="ascii", errors="replace") as file:
            return _own_container_id(file.read())
    except OSError:
        return ""


def _own_container_id(mountinfo: str) -> str:
    """Return the id of the container whose /proc/self/mountinfo this is, "" outside of one.

    The engine mounts a container's hostname file from its own directory of that container.
    """
    found = re.search(r"/containers/([0-9a-f]{64})/hostname ", mountinfo)
    return found.group(1) if found else ""
