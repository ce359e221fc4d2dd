"""The desired state of the whole host: what all sources say together, and whether that is all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter

from dockerup.keys.files import ReadFile
from dockerup.problems import DockerupError, Problem
from dockerup.records import dataclass
from dockerup.replicas import unclear_bonds, with_all_replicas
from dockerup.sources.result import SourceResult
from dockerup.spec import ContainerSpec, Parsed, Port, parse

# The earlier one wins where two sources list one name: deploy time over image time.
RANK = ("user-data", "confdir")


class NoSourceError(DockerupError):
    """Nothing says which containers should run; that is never taken to mean none."""

    exit_code = 2

    def __init__(self, confdir: str, notes: Sequence[str] = ()) -> None:
        """`notes` are what the sources say of themselves: why none of them lists anything."""
        self.fix = (
            f"Make the directory {confdir} (empty: no container of dockerup's stays), "
            "or name another with confdir=."
        )
        self.why = "".join(f": {note}" for note in notes)
        super().__init__(f"nothing says which containers should run{self.why}. {self.fix}")


@dataclass(frozen=True)
class Desired:
    """The containers that have to run, each after those it depends on.

    `complete`: every source was whole; only then may anything go for not being listed.
    `explicit`: somebody wrote a list, be it empty; only then may unmanaged containers go.
    `broken`: the names of the sources that were not whole.
    """

    specs: tuple[ContainerSpec, ...]
    complete: bool = True
    explicit: bool = True
    broken: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def combine(
    results: Sequence[SourceResult],
    health_timeout: int = 0,
    read: ReadFile | None = None,
    confdir: str = "/etc/dockerup/containers.d",
) -> Desired:
    """Return what the sources want together. Raises NoSourceError when there is no source at all.

    `health_timeout` is the setting of that name, in seconds; 0 leaves it to each entry. `read` reads the
    files that entries name; without it what they would say is left out. `confdir` is the setting.
    """
    if not any(result.declared or not result.complete for result in results):
        raise NoSourceError(confdir, [note for result in results for note in result.notes])
    ranked = sorted(results, key=lambda result: RANK.index(result.name))
    parsed = [(result, parse(result.items, result.name, read)) for result in ranked]
    problems = [problem for result, one in parsed for problem in (*result.problems, *one.problems)]
    broken = {result.name for result, one in parsed if one.problems or not result.complete}
    notes = [note for result, one in parsed for note in (*result.notes, *one.notes)]
    chosen, replicas = _ranked(parsed, notes)
    specs = {name: with_all_replicas(spec, replicas) for name, spec in chosen.items()}
    unclear = unclear_bonds(specs.values(), replicas)
    impossible = (
        *_port_clashes(specs.values()),
        *_cycles(specs),
        *_endless_waits(specs),
        *_network_clashes(specs.values()),
        *unclear,
    )
    for problem, spec in (*impossible, *_hurried_checks(specs.values(), health_timeout)):
        problems.append(problem)
        broken.add(spec.source)
        specs.pop(spec.name, None)
    return Desired(
        specs=in_order(specs.values()),
        complete=not broken,
        explicit=any(result.explicit for result in results),
        broken=frozenset(broken),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _ranked(
    parsed: Iterable[tuple[SourceResult, Parsed]], notes: list[str]
) -> tuple[dict[str, ContainerSpec], dict[str, tuple[str, ...]]]:
    """Return the specs by name, and the entries with replicas; a name is that of the first that has it."""
    specs: dict[str, ContainerSpec] = {}
    replicas: dict[str, tuple[str, ...]] = {}
    held: dict[str, str] = {}
    for result, one in parsed:
        mine = dict.fromkeys(one.replicas, result.name)
        for spec in one.specs:
            twice = next((name for name in (spec.replica_of, spec.name) if name in held), "")
            if twice:
                notes.append(f"{twice}: the entry of {held[twice]} is used, not {spec.origin}")
            else:
                specs[spec.name] = spec
            mine[spec.name] = result.name
        replicas.update({name: names for name, names in one.replicas.items() if name not in held})
        held = {**mine, **held}
    return specs, replicas


def in_order(specs: Iterable[ContainerSpec]) -> tuple[ContainerSpec, ...]:
    """Return the specs by name, but each after those it is bound to or depends on."""
    by_name = {spec.name: spec for spec in specs}
    return tuple(by_name[name] for name in TopologicalSorter(_arrows(by_name)).static_order())


def _arrows(specs: Mapping[str, ContainerSpec]) -> dict[str, list[str]]:
    """Return the listed names that come before each name."""
    ordered = sorted(specs.values(), key=lambda spec: (spec.replica_of or spec.name, spec.number))
    return {spec.name: [other for other in spec.after if other in specs] for spec in ordered}


def _port_clashes(specs: Iterable[ContainerSpec]) -> list[tuple[Problem, ContainerSpec]]:
    """Return each spec that wants a host port of an earlier one, with the problem that this is."""
    ordered = sorted(specs, key=lambda spec: (RANK.index(spec.source), spec.name))
    taken: dict[tuple[int, str], list[tuple[Port, ContainerSpec]]] = {}
    found: list[tuple[Problem, ContainerSpec]] = []
    for spec in ordered:
        held = [
            (port, other)
            for port in spec.ports
            for theirs, other in taken.get((port.host_port, port.protocol), ())
            if port.clashes(theirs)
        ]
        if held:
            port, other = held[0]
            what = f'host port {port.host_port} is already that of "{other.name}" ({other.origin})'
            found.append((Problem(spec.origin.at("portMappings"), what, "Give one of them another."), spec))
        else:
            for port in spec.ports:
                taken.setdefault((port.host_port, port.protocol), []).append((port, spec))
    return found


def _network_clashes(specs: Iterable[ContainerSpec]) -> list[tuple[Problem, ContainerSpec]]:
    """Return each spec that wants a network made otherwise than an earlier one does, with the problem."""
    first: dict[str, ContainerSpec] = {}
    found: list[tuple[Problem, ContainerSpec]] = []
    for spec in sorted(specs, key=lambda spec: (RANK.index(spec.source), spec.name)):
        for name, options in spec.network_options.items():
            other = first.setdefault(name, spec)
            if other.network_options[name] != options:
                what = f'the network {name} has other options in "{other.name}" ({other.origin})'
                origin = spec.origin.at("networks").at(name).at("networkOptions")
                found.append((Problem(origin, what, "Write the same, or leave them out in one."), spec))
                break
    return found


def _cycles(specs: Mapping[str, ContainerSpec]) -> list[tuple[Problem, ContainerSpec]]:
    """Return each spec that waits for itself, with the problem that names the way round."""
    graph = _arrows(specs)
    found = []
    for name in _never_ready(graph):
        way = _way_back(name, graph)
        if way:
            what = f"containers depend on each other in a circle: {' -> '.join(way)}"
            fix = "Take one of dependsOn, links, volumes.from or network: container:NAME out."
            found.append((Problem(specs[name].origin, what, fix), specs[name]))
    return found


def _endless_waits(specs: Mapping[str, ContainerSpec]) -> list[tuple[Problem, ContainerSpec]]:
    """Return each spec that waits for the end of one that the engine starts again whenever it ends."""
    found = []
    for spec in specs.values():
        for name, condition in spec.depends_on.items():
            other = specs.get(name)
            if other and condition in {"COMPLETE", "SUCCESS"} and other.restart not in {"no", "on-failure"}:
                what = f'it waits for the {condition} of "{name}", which is started again whenever it ends'
                fix = f'Give "{name}" restart: never or on-failure, or wait for START or HEALTHY.'
                found.append((Problem(spec.origin.at("dependsOn"), what, fix), spec))
    return found


def _hurried_checks(
    specs: Iterable[ContainerSpec], health_timeout: int
) -> list[tuple[Problem, ContainerSpec]]:
    """Return each spec whose own health check may need longer than it is given."""
    found = []
    for spec in specs:
        given, needed = spec.start_timeout or health_timeout, spec.health_seconds
        if 0 < given < needed:
            giver = "its startTimeout" if spec.start_timeout else "the setting health_timeout"
            what = f'"{spec.name}" may need {needed} seconds to be called unhealthy'
            what += f", and {giver} gives it {given}"
            setting = f"startTimeout: {needed}" if spec.start_timeout else f"health_timeout={needed}"
            fix = f"Write {setting} or more, or a quicker healthCheck."
            found.append((Problem(spec.origin.at("healthCheck"), what, fix), spec))
    return found


def _never_ready(graph: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names that are in a circle or wait for one; a host without circles costs one walk."""
    sorter = TopologicalSorter(graph)
    with suppress(CycleError):  # the sorter then still gives all that comes before the circles
        sorter.prepare()
    ready: set[str] = set()
    while batch := sorter.get_ready():
        sorter.done(*batch)
        ready.update(batch)
    return [name for name in graph if name not in ready]


def _way_back(start: str, graph: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names on the shortest way from a name back to itself; [] where there is none."""
    came_from: dict[str, str] = {}
    rest = deque([start])
    while rest:
        here = rest.popleft()
        for name in graph[here]:
            if name == start:
                return [*_way_to(here, start, came_from), start]
            if name not in came_from:
                came_from[name] = here
                rest.append(name)
    return []


def _way_to(end: str, start: str, came_from: Mapping[str, str]) -> list[str]:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]
