"""The desired state: what a person wrote, as frozen and checked `ContainerSpec`s.

Parsing is total: whatever was written gives specs and problems, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from functools import partial
from typing import Any

from dockerup import kinds
from dockerup.amounts import LEAST_MEMORY
from dockerup.image import ImageRef, default_name, parse_reference
from dockerup.keys import CONTAINER, CONTAINER_KEYS
from dockerup.keys.elsewhere import MEANINGLESS
from dockerup.keys.files import ReadFile, SecretFile, from_files
from dockerup.keys.network_options import separated
from dockerup.keys.networks import check_networks, joined_networks, one_spelling_of_networks
from dockerup.keys.replicas import replica_definition, replica_names
from dockerup.keys.together import CHECKS
from dockerup.keys.volumes import one_spelling_of_volumes
from dockerup.keys.words import NAME
from dockerup.kinds import Refused, refuse
from dockerup.lifecycle import HEALTH_DEFAULTS
from dockerup.problems import Origin, Problem
from dockerup.records import dataclass
from dockerup.sources.result import Item
from dockerup.window import Window, parse_window

# The keys whose bare numbers are MiB where they are small.
_AMOUNTS = frozenset(
    spelt
    for key in ("memory", "memoryReservation", "memorySwap")
    for spelt in (key, *CONTAINER_KEYS[key].key.aliases)
)
_IN_FILES = frozenset({"envFiles", "labelFiles", "secrets"})  # what they say is in other keys, or digests
_HEALTH_MARGIN = 5  # seconds
_LEAST_HEALTH_TIMEOUT = 60  # seconds
# The keys of `update` that are read as they are, with the field that each gives.
_UPDATE_FIELDS = {
    "pull": "pull",
    "eager": "eager",
    "proveSeconds": "prove_seconds",
    "rollback": "rollback",
    "stopTimeout": "stop_timeout",
    "minAge": "min_age",
}


@dataclass(frozen=True)
class Port:
    """A published port; `host_port` 0 is one that the engine picks, `host_ip` "" is every address."""

    container_port: int
    host_port: int = 0
    protocol: str = "tcp"
    host_ip: str = ""

    def clashes(self, other: Port) -> bool:
        """Tell whether both cannot be published on one host at once."""
        everywhere = {"", "0.0.0.0", "::"}  # noqa: S104  # what a mapping may say, nothing is bound here
        same = self.host_ip == other.host_ip or {self.host_ip, other.host_ip} & everywhere
        return bool(self.host_port and same) and (
            (self.host_port, self.protocol) == (other.host_port, other.protocol)
        )


@dataclass(frozen=True)
class Update:
    """How a container is updated; all times are in seconds.

    `pull`: ask the registry for a newer image. `eager`: start the new container before the old one stops.
    `prove_seconds`: the undisturbed running that proves one without a health check. `rollback`: go back to
    the old one when the new one fails. `stop_timeout`: what the old one has to stop in, None: its own time.
    A newer image replaces a container only inside of `windows` (none: at any time), once it is `min_age` old.
    """

    pull: bool = True
    eager: bool = False
    prove_seconds: int = 10
    rollback: bool = True
    stop_timeout: int | None = None
    windows: tuple[Window, ...] = ()
    min_age: int = 0


@dataclass(frozen=True)
class HealthCheck:
    """How the engine checks a container; times are in seconds. `test` is in the engine's form."""

    test: tuple[str, ...]
    interval: int
    timeout: int
    retries: int
    start_period: int

    @property
    def seconds(self) -> int:
        """The longest that it may take to call a container unhealthy, with a margin for the engine."""
        return self.start_period + self.retries * (self.interval + self.timeout) + _HEALTH_MARGIN


@dataclass(frozen=True)
class ContainerSpec:
    """One container that has to run, as checked and made canonical.

    `definition` holds the keys that were set, in canonical form (bytes, seconds, one spelling a meaning),
    env values in clear: it is never shown and never put into a label as it is. `secret_files` are the
    secrets that it gets as files, of which the definition knows a digest only. `network_options` say how its
    networks are made. Of an entry that has replicas, `replica_of` is the name, and `number` which one it is.
    """

    name: str
    image: ImageRef
    source: str
    origin: Origin
    definition: Mapping[str, Any] = field(repr=False)
    secret_files: tuple[SecretFile, ...] = field(default=(), repr=False)
    network_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replica_of: str = ""
    number: int = 0

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports to publish."""
        return published(self.definition)

    @property
    def volumes_from(self) -> tuple[str, ...]:
        """Names of the containers whose volumes this one uses."""
        return tuple(one["from"] for one in self.definition.get("volumes", ()) if "from" in one)

    @property
    def network(self) -> str:
        """The network mode: `bridge`, `none`, `host`, `container:NAME` or a network's name."""
        return str(self.definition.get("network", "bridge"))

    @property
    def networks(self) -> Mapping[str, Mapping[str, Any]]:
        """The user-defined networks that this container joins, the first one first, with the keys of each."""
        return joined_networks(self.definition)

    @property
    def joins(self) -> str | None:
        """The name of the container whose network this one shares, if it does."""
        return self.network.partition(":")[2] or None

    @property
    def links(self) -> Mapping[str, str]:
        """Alias of each linked container, by its name."""
        links: Mapping[str, str] = self.definition.get("links", {})
        return links

    @property
    def bound_to(self) -> tuple[str, ...]:
        """Names of the containers that this one holds on to by id: replaced with them, as one group."""
        return tuple(sorted({*self.links, *self.volumes_from, *self.shares}))

    @property
    def shares(self) -> tuple[str, ...]:
        """Names of the containers whose network, processes or shared memory this one has."""
        return shared(self.definition)

    @property
    def restart(self) -> str:
        """The name of the engine's restart policy: `always`, `unless-stopped`, `on-failure` or `no`."""
        return self.restart_policy.partition(":")[0]

    @property
    def restart_policy(self) -> str:
        """The restart policy with its count, if it has one: `on-failure:5`."""
        return str(self.definition.get("restart", "always"))

    @property
    def signals(self) -> Mapping[str, str]:
        """The signal to send to each named container after this one starts."""
        signals: Mapping[str, str] = self.definition.get("signal", {})
        return signals

    @property
    def depends_on(self) -> Mapping[str, str]:
        """What is waited for before a start: `START`, `HEALTHY`, `COMPLETE` or `SUCCESS`, by name."""
        return {one["containerName"]: one["condition"] for one in self.definition.get("dependsOn", ())}

    @property
    def after(self) -> tuple[str, ...]:
        """Names of the containers that come before this one: those it is bound to or depends on."""
        return tuple(sorted({*self.bound_to, *self.depends_on}))

    @property
    def health_check(self) -> HealthCheck | None:
        """Its own health check, one that turns the image's off included; None where the image's counts."""
        written = self.definition.get("healthCheck")
        if written is None:
            return None
        whole = {**HEALTH_DEFAULTS, **written}
        return HealthCheck(
            tuple(whole["command"]),
            whole["interval"],
            whole["timeout"],
            whole["retries"],
            whole["startPeriod"],
        )

    @property
    def checked(self) -> bool:
        """Whether it has a health check of its own that is not `NONE`."""
        check = self.health_check
        return check is not None and check.test != ("NONE",)

    @property
    def health_seconds(self) -> int:
        """Seconds that its own health check may take to call it unhealthy; 0 without one."""
        check = self.health_check
        return check.seconds if check is not None and self.checked else 0

    @property
    def start_timeout(self) -> int:
        """The seconds that its entry gives a new container to prove itself; 0 leaves it to the setting."""
        return int(self.definition.get("startTimeout", 0))

    def health_timeout(self, setting: int) -> int:
        """Return the seconds that a new container has to prove itself; `setting` 0 leaves it to the check."""
        return self.start_timeout or setting or max(_LEAST_HEALTH_TIMEOUT, self.health_seconds)

    @property
    def update(self) -> Update:
        """How it is updated."""
        written = self.definition.get("update", {})
        plain = {name: written[key] for key, name in _UPDATE_FIELDS.items() if key in written}
        if "pull" in self.definition:
            plain["pull"] = self.definition["pull"] == "always"
        return Update(windows=tuple(map(parse_window, written.get("window", ()))), **plain)

    @property
    def follows_registry(self) -> bool:
        """Whether the registry is asked for a newer image."""
        return self.update.pull and not self.image.pinned

    @property
    def eager(self) -> bool:
        """Whether the new container of an update starts before the old one stops."""
        return self.update.eager


def shared(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the containers whose network, processes or shared memory a definition asks for."""
    modes = (str(definition.get(key, "")) for key in ("network", "pid", "ipc"))
    found = (mode.partition(":") for mode in modes)
    return tuple(sorted({name for kind, _, name in found if kind == "container"}))


def clash(ports: Iterable[Port], others: Collection[Port]) -> bool:
    """Tell whether some of these ports cannot be published while the others are."""
    return any(port.clashes(other) for port in ports for other in others)


def published(definition: Mapping[str, Any]) -> tuple[Port, ...]:
    """Return the ports that a definition publishes."""
    return tuple(
        Port(one["containerPort"], one.get("hostPort", 0), one.get("protocol", "tcp"), one.get("hostIp", ""))
        for one in definition.get("portMappings", ())
    )


@dataclass(frozen=True)
class Parsed:
    """What a source's items mean: the containers that are right, all that is wrong, what is worth saying.

    `replicas` are the names of the containers of each entry that says how many it is.
    """

    specs: tuple[ContainerSpec, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    replicas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse(items: Iterable[Item], source: str, read: ReadFile | None = None) -> Parsed:
    """Return the specs, problems and notes of a source's items. Never raises on what a person wrote.

    `read` reads the files that entries name; without it what they would say is left out.
    """
    specs: list[ContainerSpec] = []
    problems: list[Problem] = []
    notes: list[str] = []
    replicas: dict[str, tuple[str, ...]] = {}
    taken: dict[str, Origin] = {}
    for item in items:
        try:
            spec = _spec(item, source, read)
        except Refused as refused:
            problems += refused.problems
            continue
        notes += _notes(item)
        names = replica_names(spec.name, spec.definition)
        twice = [name for name in (spec.name, *(names or ())) if name in taken]
        if twice:
            problems.append(_twice(spec, twice[0], taken[twice[0]]))
            continue
        taken.update(dict.fromkeys((spec.name, *(names or ())), spec.origin))
        if names is None:
            specs.append(spec)
        else:
            replicas[spec.name] = names
            specs += _each_replica(spec, names)
    return Parsed(tuple(specs), tuple(problems), tuple(notes), replicas)


def _each_replica(spec: ContainerSpec, names: Iterable[str]) -> Iterable[ContainerSpec]:
    definition = replica_definition(spec.name, spec.definition)
    for number, name in enumerate(names, 1):
        yield replace(spec, name=name, definition=definition, replica_of=spec.name, number=number)


def _spec(item: Item, source: str, read: ReadFile | None) -> ContainerSpec:
    written = CONTAINER.read(item.value, item.origin)
    checks = (*CHECKS, _check_ports, check_networks, one_spelling_of_volumes)
    kinds.gather(partial(check, written, item.origin) for check in checks)
    networks, options = separated(written.get("networks", {}))
    written = {**written, **({"networks": networks} if networks else {})}
    written = one_spelling_of_volumes(one_spelling_of_networks(written), item.origin)
    image = replace(parse_reference(written["image"]), platform=written.get("platform", ""))
    name = written.get("name") or _derived_name(image, item.origin)
    found = from_files(name, written, item.origin, read)
    written = {key: value for key, value in written.items() if key not in _IN_FILES}
    written.update({"env": found.env or written.get("env", {}), "secrets": found.secrets})
    written["labels"] = found.labels or written.get("labels", {})
    if found.options:
        written["securityOptions"] = found.options
    definition = {key: value for key, value in written.items() if value != CONTAINER_KEYS[key].default}
    return ContainerSpec(name, image, source, item.origin, definition, found.files, options)


def _derived_name(image: ImageRef, origin: Origin) -> str:
    name = default_name(image)
    if not re.fullmatch(NAME, name):
        what = f'the image gives the container the name "{name}", and a name has two characters at least'
        refuse(origin, what, "Write a name: for this container.")
    return name


def _check_ports(written: Mapping[str, Any], origin: Origin) -> None:
    ports = published(written)
    for i, port in enumerate(ports):
        if any(port.clashes(other) for other in ports[:i]):
            refuse(
                origin.at("portMappings"), f"host port {port.host_port} is listed twice", "Keep one of them."
            )


def _twice(spec: ContainerSpec, name: str, first: Origin) -> Problem:
    fix = "Keep one of them, or give each a name of its own."
    return Problem(spec.origin, f'the name "{name}" is already that of {first}', fix)


def _notes(item: Item) -> list[str]:
    """Return what is worth saying of an entry that is right: numbers without unit, keys without meaning."""
    written = item.value if isinstance(item.value, Mapping) else {}
    notes = [
        f"{item.origin.at(key)}: {amount} is read as {amount} MiB; write {amount}m to say so"
        for key, amount in written.items()
        if key in _AMOUNTS and str(amount).isdigit() and int(str(amount)) < LEAST_MEMORY
    ]
    ignored = [key for key in written if MEANINGLESS.get(key)]
    return notes + [f"{item.origin.at(key)}: this means nothing here; {MEANINGLESS[key]}" for key in ignored]
