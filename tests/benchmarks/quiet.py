"""What a run with nothing to do costs: 1,440 times a day on every host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.peers import LOOP, NAMES, Entry
from tests.benchmarks.place import Place
from tests.benchmarks.report import Limit, Result
from tests.benchmarks.timing import Contender, Figure, interleaved
from tests.testbed.images import make_image
from tests.testbed.proxy import EngineProxy

ROUNDS = {1: 9, 10: 5, 50: 5, 200: 3}
PEER_ROUNDS = {1: 5, 10: 0, 50: 2, 200: 0}
MOST_CALLS = 4


def quiet_runs(place: Place) -> list[Result]:
    """Measure runs with nothing to do for growing lists."""
    results: list[Result] = []
    alone: Figure | None = None
    for count in ROUNDS:
        entries = place.entries(count, f"quiet{count}-")
        place.list(entries)
        peers = _peers(place) if PEER_ROUNDS[count] else []
        place.run()
        for peer in peers:
            if peer != "ouroboros":  # which updates only, those of the loop
                place.peers.up(peer, entries, pull=False)
        place.settle()
        result = _measured(place, count, entries, peers, alone)
        alone = alone or result.figures["dockerup"]
        results.append(result)
        place.remove_containers()
        place.remove_images()
    return results


def _peers(place: Place) -> list[str]:
    return [LOOP, *(peer for peer in NAMES if place.peers.has(peer))]


def _measured(
    place: Place, count: int, entries: Sequence[Entry], peers: Sequence[str], alone: Figure | None
) -> Result:
    contenders = [
        Contender("floor: import docker, yaml", place.floor),
        Contender("dockerup", place.run),
        Contender("dockerup --no-pull", lambda: place.run("--no-pull")),
        *(
            Contender(
                NAMES.get(peer, peer),
                lambda peer=peer: place.peers.up(peer, entries, pull=True),  # type: ignore[misc]
                rounds=PEER_ROUNDS[count],
            )
            for peer in peers
        ),
        Contender("floor: the engine's two lists", place.bare_lists),
        Contender(f"floor: {count} HEADs, 8 at once", lambda: place.bare_heads(entries)),
    ]
    figures = interleaved(contenders, ROUNDS[count])
    calls = {name: _calls(place, name, entries) for name in ("dockerup", *peers)}
    told = ", ".join(f"{NAMES.get(name, name)} {number}" for name, number in calls.items())
    limits = (*_limits(figures, alone, count), Limit("engine calls", calls["dockerup"], MOST_CALLS))
    notes = (f"engine calls in one run: {told}", *place.peers.missing())
    return Result(f"a run with nothing to do, {count} containers", figures, limits, notes)


def _limits(figures: dict[str, Figure], alone: Figure | None, count: int) -> list[Limit]:
    own = figures["dockerup"]
    if alone is None:
        floor = figures["floor: import docker, yaml"]
        return [
            Limit("wall time over the floor", own.wall / floor.wall, 1.3),
            Limit("peak memory", own.peak, 40, " MiB"),
        ]
    rest = sum(one.wall for name, one in figures.items() if name in _added(figures))
    found = [Limit("wall time over the run with 1 and the bare calls", own.wall / (alone.wall + rest), 1.25)]
    if NAMES["compose1"] in figures:
        found.append(Limit("CPU over that of compose 1.29", own.cpu / figures[NAMES["compose1"]].cpu, 0.2))
    found.append(
        Limit("wall time for each container over that of the run with 1", own.wall / count / alone.wall, 1)
    )
    return found


def _added(figures: dict[str, Figure]) -> list[str]:
    return [name for name in figures if name.startswith("floor: ") and "import" not in name]


def _calls(place: Place, name: str, entries: Sequence[Entry]) -> int:
    """Return how many calls to the engine one run takes."""
    directory = place.directory / f"calls-{len(list(Path(place.directory).glob('calls-*')))}"
    directory.mkdir()
    proxy = EngineProxy(place.host.engine.socket_path, directory)
    proxy.start()
    try:
        if name == "dockerup":
            place.run(env={"DOCKER_HOST": proxy.url})  # learns the engine's version, once in an hour
            proxy.forget()
            place.run(env={"DOCKER_HOST": proxy.url})
        else:
            place.at(proxy.url).peers.up(name, entries, pull=True)
        return len(proxy.calls)
    finally:
        proxy.stop()


def images_in_the_store(place: Place) -> list[Result]:
    """Measure what 100 and 200 images cost that are to be looked through, and of which none has to go."""
    place.list(place.entries(1, "one"))
    place.settle()
    found: dict[str, Figure] = {}
    loaded = 0
    lists: dict[int, float] = {}
    for count in (0, 100, 200):
        for number in range(loaded, count):
            place.host.engine.load(make_image(f"stored{number}"), f"stored:{number}")
        loaded = count
        place.run()
        figures = interleaved([Contender("run", place.run), Contender("lists", place.bare_lists)], rounds=7)
        found[f"dockerup, {count} images more"] = figures["run"]
        found[f"floor: the engine's two lists, {count} images more"] = figures["lists"]
        lists[count] = figures["lists"].wall
    none, hundred = (found[f"dockerup, {count} images more"].wall for count in (0, 100))
    over = 1000 * (hundred - none - (lists[100] - lists[0]))
    place.remove_containers()
    place.remove_images()
    limit = Limit("over a run without them and the list of them", over, 20, " ms")
    return [Result("images in the store, nothing to prune", found, (limit,))]
