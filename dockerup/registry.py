"""Which digest a tag has now: one HEAD for each image, asked of the registries side by side.

Nothing here raises for what a registry does or says: the answer is then `Unknown`, with its reason.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timezone
from typing import Callable

from dockerup.authorization import Authorizer
from dockerup.endpoints import EngineRegistries, Place, places
from dockerup.image import Answer, ImageRef, Known, Unknown
from dockerup.logins import Login, LoginFor
from dockerup.problems import DockerupError
from dockerup.records import dataclass
from dockerup.registry_memory import Met, RegistryMemory, entry_key
from dockerup.registry_site import Site
from dockerup.transport import NoAnswerError, Timeouts, Transport, late


def no_login(_domain: str) -> Login | None:
    """Return no login, whatever the registry."""
    return None


def _forget(_domain: str, _reason: str) -> None:
    """Keep nothing of a login that was refused."""


@dataclass(frozen=True)
class Manner:
    """How registries are asked.

    `login_for` gives the login for a server by its name ("docker.io", "127.0.0.1:5000"); it is asked at most
    once for each, from a thread, and only when the server wants one. `refused` is told, once, the name of a
    server that refuses its login, and the reason. `certificates` is the directory of
    certs.d, "" for none. `chance`, from 0 to 1, spreads a fleet's waits for a registry that is away.
    """

    concurrency: int = 8
    login_for: LoginFor = no_login
    refused: Callable[[str, str], None] = _forget
    timeouts: Timeouts = field(default_factory=Timeouts)
    engine: EngineRegistries = field(default_factory=EngineRegistries)
    certificates: str = ""
    chance: float = 0.5


@dataclass(frozen=True)
class Checked:
    """What the registries said, what is worth remembering of them, and what a person should know."""

    answers: Mapping[ImageRef, Answer]
    memory: RegistryMemory
    notes: tuple[str, ...] = ()


def check(
    refs: Iterable[ImageRef],
    manner: Manner,
    memory: RegistryMemory,
    now: float,
    missing: Collection[ImageRef] = (),
) -> Checked:
    """Ask for each reference which digest its registry has for it now; never raises.

    `missing` are those of which there is no image here: they are asked for though their registry is away, if
    it did not want that itself. Any other with a digest costs no request. `now` is in epoch seconds.
    """
    answers: dict[ImageRef, Answer] = {}
    waiting: dict[str, list[ImageRef]] = {}
    for ref in sorted(set(refs), key=lambda ref: (ref not in missing, str(ref))):
        known = _known(ref, memory, missing)
        if known:
            answers[ref] = Known(known)
        else:
            answers[ref] = Unknown(late(ref.domain, manner.timeouts), of_registry=True)
            waiting.setdefault(ref.domain, []).append(ref)
    if not waiting:
        return Checked(answers, memory)
    deadline = time.monotonic() + manner.timeouts.total
    with contextlib.ExitStack() as stack:
        registries = [_Registry(name, manner, memory, now, deadline, frozenset(missing)) for name in waiting]
        for registry in registries:
            stack.callback(registry.close)
        heard = dict(_ask_side_by_side(registries, dict(waiting), manner.concurrency, deadline))
        answers.update(heard)
        unheard = answers.keys() - heard.keys()
        for domain in {ref.domain for ref in unheard if isinstance(answers[ref], Unknown)}:
            next(one for one in registries if one.domain == domain).late()
        sites = {site.name: site for registry in registries for site in registry.sites}
    away = {name: site.away(manner.chance) for name, site in sites.items()}
    after = RegistryMemory(
        {name: one for name, one in away.items() if one is not None},
        {name: site.met() for name, site in sites.items()},
    )
    return Checked(answers, after, tuple(_notes(memory, after, sites)))


def _known(ref: ImageRef, memory: RegistryMemory, missing: Collection[ImageRef]) -> str:
    """Return the digest of an image that no registry has to be asked for, "" where one has to."""
    if ref.digest is None:
        return ""
    if ref.platform:
        key = entry_key(ref.digest, ref.platform)
        return next((met.entries[key] for met in memory.met.values() if key in met.entries), "")
    return "" if ref in missing else ref.digest


def confirm(
    checked: Checked, doubtful: Mapping[ImageRef, Collection[str]], manner: Manner, now: float
) -> Checked:
    """Return the answers without those that are about somebody else's image; never raises.

    `doubtful` are the digests of local images that may have been made on this host. Where a tag means
    another one, its registry is asked for those of the local image: it has one if the image is its own.
    """
    answers = dict(checked.answers)
    others = {
        ref: [ref.with_digest(digest) for digest in digests]
        for ref, digests in doubtful.items()
        if _differs(answers.get(ref), digests)
    }
    if not others:
        return checked
    exact = [one for ones in others.values() for one in ones]
    again = check(exact, manner, checked.memory, now, exact)
    for ref, ones in others.items():
        told = [again.answers[one] for one in ones]
        answer = told[0]
        if isinstance(answer, Unknown) and not any(isinstance(one, Known) for one in told):
            reason = f"the image here may have been made on this host: {answer.reason}"
            answers[ref] = Unknown(reason, answer.of_registry, answer.wait)
    return Checked(answers, again.memory, (*checked.notes, *again.notes))


def _differs(answer: Answer | None, digests: Collection[str]) -> bool:
    return isinstance(answer, Known) and answer.digest not in digests


def _notes(before: RegistryMemory, after: RegistryMemory, asked: Collection[str]) -> Iterator[str]:
    """Give a line for each server that is away, the same each time, and one for each that is back."""
    for name, one in sorted(after.away.items()):
        yield f"{name} does not say whether there are newer images: {one.reason}"
    for name, one in sorted(before.away.items()):
        if name in asked and name not in after.away:
            since = datetime.fromtimestamp(one.since, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
            yield f"{name} answers again, after it did not since {since}"


_Task = tuple["_Registry", ImageRef]


def _ask_side_by_side(
    registries: Sequence[_Registry], waiting: dict[str, list[ImageRef]], concurrency: int, deadline: float
) -> Iterator[tuple[ImageRef, Answer]]:
    tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[_Registry, ImageRef, Answer]] = queue.SimpleQueue()

    def work() -> None:
        for registry, ref in iter(tasks.get, None):
            done.put((registry, ref, registry.ask(ref)))

    open_answers = sum(map(len, waiting.values()))
    # The first request to a registry goes alone: what it finds out (TLS or not, the kind of login, nobody
    # there) spares all others the same detour, and one dead registry holds up one worker only.
    for registry in registries:
        tasks.put((registry, waiting[registry.domain].pop(0)))
    workers = min(concurrency, open_answers)
    for _ in range(workers):
        # No ThreadPoolExecutor: the interpreter waits at its end for such threads, even for one that hangs.
        threading.Thread(target=work, name="registry check", daemon=True).start()
    while open_answers:
        try:
            registry, ref, answer = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        open_answers -= 1
        yield ref, answer
        for other in waiting.pop(registry.domain, ()):
            tasks.put((registry, other))
    for _ in range(workers):
        tasks.put(None)


class _Registry:
    """One registry during one check: the servers that have its images, mirrors first."""

    def __init__(
        self,
        domain: str,
        manner: Manner,
        memory: RegistryMemory,
        now: float,
        deadline: float,
        missing: frozenset[ImageRef],
    ) -> None:
        self.domain = domain
        self.sites: list[Site] = []
        self._manner = manner
        self._memory = memory
        self._now = now
        self._deadline = deadline
        self._missing = missing
        self._connections: list[Transport] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections that are idle; one that is in use closes when its request ends."""
        for connection in self._connections:
            connection.close()

    def ask(self, ref: ImageRef) -> Answer:
        """Return the digest of a tag now, from the first server that tells it."""
        try:
            *mirrors, registry = self._found()
            for mirror in mirrors:
                with contextlib.suppress(NoAnswerError):
                    return Known(mirror.digest(ref, missing=False))
            return Known(registry.digest(ref, missing=ref in self._missing))
        except NoAnswerError as error:
            return Unknown(str(error), of_registry=error.trouble, wait=error.wait)
        except DockerupError as error:
            return Unknown(str(error))
        except Exception as error:  # whatever a hostile answer sets off; its text may hold a secret
            return Unknown(f"{self.domain} could not be asked ({type(error).__name__})")

    def late(self) -> None:
        """Take it down that not all of its images were told in time."""
        for site in self.sites[-1:]:
            site.late(late(self.domain, self._manner.timeouts))

    def _found(self) -> list[Site]:
        with self._lock:
            if not self.sites:
                manner = self._manner
                # In a thread: what asks for the addresses of a host may take its time.
                found = places(self.domain, manner.engine, manner.certificates, _addresses)
                self.sites = [self._site(place) for place in found]
            return self.sites

    def _site(self, place: Place) -> Site:
        manner = self._manner
        connection = Transport(
            place, manner.timeouts, self._deadline, manner.concurrency, manner.engine.proxies
        )
        self._connections.append(connection)
        met = self._memory.met.get(place.name, Met())
        authorizer = Authorizer(place.name, connection, manner.login_for, manner.refused, met, self._now)
        return Site(place, connection, authorizer, met, self._memory.away.get(place.name), self._now)


def _addresses(host: str) -> list[str]:
    with contextlib.suppress(OSError, UnicodeError):
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    return []
