"""What a change costs: a first start, pulls, and how long a port is closed in an update."""

from __future__ import annotations

import itertools
import random
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any, Callable

from dockerup import neighbour
from tests.benchmarks.peers import LOOP, NAMES, Entry
from tests.benchmarks.place import Place
from tests.benchmarks.report import Limit, Result
from tests.benchmarks.timing import Contender, Sample, interleaved
from tests.testbed.images import Image, make_image
from tests.testbed.waiting import wait_until

FLOOR = "floor: bare calls"
MANY, PULLED, MEBIBYTES = 50, 10, 20
PORT = 8080
UNTOLD = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")


def first_starts(place: Place) -> list[Result]:
    """Measure how nothing becomes 50 containers, whose images are here."""
    entries = place.entries(MANY, "start")
    place.list(entries)
    place.bare_pull(entries)
    peers = [LOOP, *(peer for peer in ("compose1", "compose2") if place.peers.has(peer))]
    contenders = [
        Contender(FLOOR, lambda: place.bare_start(entries), place.remove_containers),
        Contender("dockerup", place.run, place.remove_containers),
        *_as_contenders(place, peers, entries, place.remove_containers),
    ]
    figures = interleaved(contenders, rounds=5)
    place.remove_containers()
    place.remove_images()
    limit = Limit("over the floor", figures["dockerup"].wall / figures[FLOOR].wall, 1.1)
    return [Result(f"nothing becomes {MANY} running containers, images present", figures, (limit,))]


def pulls(place: Place) -> list[Result]:
    """Measure how ten images of 20 MB come and run."""
    entries = place.entries(PULLED, "pull", make_large)
    place.list(entries)
    firsts: list[float] = []

    def empty() -> None:
        place.remove_containers()
        place.remove_images()

    def run() -> Sample:
        began = time.time()
        took = place.run()
        firsts.append((_first_start(place) - began) / took.wall)
        return took

    peers = [LOOP, *(peer for peer in ("compose1", "compose2") if place.peers.has(peer))]
    contenders = [
        Contender("floor: the engine pulls all at once", lambda: place.bare_pull(entries), empty),
        Contender("the same, and starts each", lambda: place.bare_pull(entries, start=True), empty),
        Contender("dockerup", run, empty),
        *_as_contenders(place, peers, entries, empty),
    ]
    figures = interleaved(contenders, rounds=5)
    empty()
    own, floor = figures["dockerup"].wall, figures["floor: the engine pulls all at once"].wall
    first = Limit(
        "the first container runs after this share of the run", sorted(firsts)[len(firsts) // 2], 0.9
    )
    started = Limit(
        "over the bare calls that start each", own / figures["the same, and starts each"].wall, 1.15
    )
    limits = (Limit("over the floor", own / floor, 1.15), started, first)
    return [Result(f"{PULLED} images of {MEBIBYTES} MB, pulled and started", figures, limits)]


def make_large(version: str) -> Image:
    """Return an image with a layer of random bytes, which cannot be packed."""
    text = random.Random(version).randbytes(MEBIBYTES << 20).decode("latin-1")
    # As UTF-8 it is half as long again; only the first part is kept.
    return make_image(version, files={"/ballast": text[: (MEBIBYTES << 20) * 2 // 3]})


def _first_start(place: Place) -> float:
    """Return when the first of the containers was started, in seconds since the epoch."""
    ids = [one["Id"] for one in place.client.containers()]
    texts = [place.client.inspect_container(one)["State"]["StartedAt"][:26].rstrip("Z") for one in ids]
    parsed = [time.strptime(text.partition(".")[0], "%Y-%m-%dT%H:%M:%S") for text in texts]
    import calendar

    return min(
        calendar.timegm(when) + float(f"0.{text.partition('.')[2] or 0}") for when, text in zip(parsed, texts)
    )


def _as_contenders(
    place: Place, peers: Sequence[str], entries: Sequence[Entry], prepare: Callable[[], object]
) -> list[Contender]:
    def contender(peer: str) -> Contender:
        return Contender(
            NAMES.get(peer, peer), lambda: place.peers.up(peer, entries, pull=True), prepare, rounds=2
        )

    return [contender(peer) for peer in peers]


def updates(place: Place) -> list[Result]:
    """Measure for how long a published port is closed while its container is replaced by a newer image."""
    versions = itertools.count()
    image = place.push("web", make_web("0"))
    entry = Entry("web", image, PORT)

    def push() -> None:
        place.push("web", make_web(str(next(versions) + 1)))

    def contender(
        name: str, start: Callable[[], object], update: Callable[[], object], rounds: int = 5
    ) -> Contender:
        def prepare() -> None:
            place.remove_containers()
            start()
            wait_until(_answers, "the port answers")
            push()

        return Contender(name, lambda: Sample(_closed_while(update)), prepare, rounds)

    place.list([entry], update={"proveSeconds": 1})
    untold = [*UNTOLD]
    contenders = [
        contender(
            "floor: stop, start, tell the kernel",
            lambda: _bare(place, image),
            lambda: _swap(place, image, told=True),
        ),
        contender("dockerup", place.run, place.run),
        contender(
            "dockerup, without the right to tell the kernel", place.run, lambda: place.run(before=untold)
        ),
        contender("best order by hand", lambda: _bare(place, image), lambda: _swap(place, image, told=False)),
    ]
    for peer in (LOOP, *(peer for peer in NAMES if place.peers.has(peer))):
        first = LOOP if peer == "ouroboros" else peer
        contenders.append(
            contender(
                NAMES.get(peer, peer),
                lambda first=first: place.peers.up(first, [entry], pull=True),  # type: ignore[misc]
                lambda peer=peer: place.peers.up(peer, [entry], pull=True),  # type: ignore[misc]
                rounds=3,
            )
        )
    figures = interleaved(contenders, rounds=7)
    place.remove_containers()
    place.remove_images()
    limit = Limit("seconds closed", figures["dockerup"].wall, 0.45, " s")
    notes = ("wall is how long the port was closed", "dockerup changes no setting of the kernel")
    return [Result("a port in an update, called each millisecond", figures, (limit,), notes)]


def make_web(version: str) -> Image:
    """Return an image with a server that stops at once."""
    files = {"/www/index.html": f"{version}\n"}
    return make_image(version, command=("httpd", "-f", "-p", "8080", "-h", "/www"), files=files)


def _answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return bool(connection.recv(100))
    except OSError:
        return False


def _closed_while(update: Callable[[], object]) -> float:
    """Return the longest time without an answer while something is done, in seconds."""
    heard: list[float] = []
    over = threading.Event()

    def poll() -> None:
        while not over.wait(0.001):
            if _answers():
                heard.append(time.monotonic())

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        update()
        done = time.monotonic()
        wait_until(lambda: heard and heard[-1] > done, "the port is open again")
    finally:
        over.set()
        poller.join()
    return max(later - earlier for earlier, later in zip(heard, heard[1:]))


def _bare(place: Place, image: str) -> dict[str, Any]:
    place.client.pull(*image.rsplit(":", 1))
    made = _created(place, image, "bare")
    place.client.start(made["Id"])
    return made


def _created(place: Place, image: str, name: str) -> dict[str, Any]:
    settings = place.client.create_host_config(port_bindings={8080: ("127.0.0.1", PORT)})
    made: dict[str, Any] = place.client.create_container(image, name=name, ports=[8080], host_config=settings)
    return made


def _swap(place: Place, image: str, *, told: bool) -> None:
    """Pull, create the new one beside the old, stop that, start the new: the best order there is."""
    place.client.pull(*image.rsplit(":", 1))
    made = _created(place, image, "bare-new")
    place.client.stop("bare", timeout=1)
    place.client.start(made["Id"])
    if told:
        neighbour.settle(place.client.inspect_container(made["Id"]))


def versions_of(programs: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the first line that each program says of its version."""
    found = {}
    for command in programs:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        found[command[0].rpartition("/")[2]] = (ran.stdout or ran.stderr).strip().partition("\n")[0]
    return found
