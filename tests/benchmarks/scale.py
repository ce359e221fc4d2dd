"""What grows with the list, the document, the history: pure functions, and commands that read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from dockerup.desired import Desired
from dockerup.host import Policy
from dockerup.image import Known
from dockerup.plan import make_plan
from dockerup.problems import Origin
from dockerup.snapshot import Container, ContainerId, Image, ImageId, Snapshot
from dockerup.sources.result import Item
from dockerup.spec import ContainerSpec, parse
from dockerup.steps import Create
from tests.benchmarks.place import Place
from tests.benchmarks.report import Limit, Result
from tests.benchmarks.timing import Contender, Sample, interleaved

NOW = 1_800_000_000.0
SIZES = (1, 10, 50, 200, 500)


def timed(act: Callable[[], object]) -> Sample:
    """Return how long a function takes."""
    began = time.perf_counter()
    act()
    return Sample(time.perf_counter() - began)


def specs_of(count: int) -> tuple[ContainerSpec, ...]:
    """Return so many entries with ports, values of env and distinct images."""
    items = [
        Item(
            {
                "name": f"c{number}",
                "image": f"registry.example/team/app{number}:1",
                "env": {"A": "1", "B": str(number)},
                "portMappings": [{"containerPort": 80, "hostPort": 10000 + number}],
                "update": {"minAge": "1h"},
            },
            Origin("bench"),
        )
        for number in range(count)
    ]
    return tuple(parse(items, "confdir").specs)


def running(specs: Sequence[ContainerSpec]) -> Snapshot:
    """Return the host after these were started: what the plan for an empty host makes of it."""
    digest = "sha256:" + "d" * 64
    images = tuple(
        Image(
            ImageId(f"sha256:{number:064x}"), (one.image.familiar,), (f"{one.image.familiar_name}@{digest}",)
        )
        for number, one in enumerate(specs)
    )
    plan = make_plan(Desired(tuple(specs)), Snapshot((), images), _answers(specs), Policy(), NOW)
    made = [node.step for node in plan.nodes if isinstance(node.step, Create)]
    labels = {step.entry: dict(step.labels) for step in made}
    containers = tuple(
        Container(
            ContainerId(f"{number:064x}"),
            one.name,
            images[number].image_id,
            one.image.familiar,
            "running",
            int(NOW) - 1000,
            status="Up 16 minutes",
            labels=labels[one.name],
        )
        for number, one in enumerate(specs)
    )
    return Snapshot(containers, images)


def _answers(specs: Sequence[ContainerSpec]) -> dict[Any, Any]:
    return {one.image: Known("sha256:" + "d" * 64) for one in specs}


def planning(_place: Place) -> list[Result]:
    """Measure how long plans take, for hosts with nothing to do and for empty ones."""
    contenders = []
    for count in SIZES:
        specs = specs_of(count)
        desired, answers = Desired(specs), _answers(specs)
        for name, host in (("all as listed", running(specs)), ("all to be started", Snapshot((), ()))):
            plan = make_plan(desired, host, answers, Policy(), NOW)
            assert bool(plan.changes) == (not host.containers), plan

            def make(desired: Desired = desired, host: Snapshot = host, answers: Any = answers) -> Sample:
                return timed(lambda: make_plan(desired, host, answers, Policy(), NOW))

            contenders.append(Contender(f"{count}, {name}", make))
    figures = interleaved(contenders, rounds=9)
    limit = Limit("a plan for 500", figures[f"{SIZES[-1]}, all as listed"].wall * 1000, 50, " ms")
    growth = figures["500, all as listed"].wall / figures["50, all as listed"].wall
    return [Result("a plan, in the process", figures, (limit, Limit("500 over 50", growth, 12)))]


def documents(place: Place) -> list[Result]:
    """Measure lists of 100 kB and 1 MB, and a history of 1,000 and 10,000 lines."""
    contenders = []
    for size in (100_000, 1_000_000):
        one = {"image": "registry.example/app:1", "env": {"TEXT": "x" * 800}}
        count = size // len(json.dumps(one))
        for kind in ("json", "yaml"):
            listed = [{"name": f"c{number}", **one} for number in range(count)]
            path = place.directory / f"list-{size}.{kind}"
            text = "\n".join(f"- {json.dumps(each)}" for each in listed)
            path.write_text(json.dumps(listed) if kind == "json" else f"{text}\n")
            path.chmod(0o644)
            run = _validation(place, str(path))
            contenders.append(Contender(f"validate, {size // 1000} kB of {kind.upper()}", run))
    figures = interleaved(contenders, rounds=3)
    growth = [
        figures[f"validate, 1000 kB of {kind}"].wall / figures[f"validate, 100 kB of {kind}"].wall
        for kind in ("JSON", "YAML")
    ]
    limits = (
        Limit("1 MB over 100 kB", max(growth), 11),
        Limit("peak memory", max(one.peak for one in figures.values()), 300, " MiB"),
    )
    return [Result("a large list", figures, limits), _history(place)]


def _validation(place: Place, path: str) -> Callable[[], Sample]:
    return lambda: place.run("validate", path)


def _history(place: Place) -> Result:
    contenders = []
    for count in (1_000, 10_000):
        cache = place.directory / f"history-{count}"
        cache.mkdir(mode=0o700)
        lines = [
            json.dumps(
                {"time": NOW + n, "container": f"c{n % 50}", "action": "replaced", "why": "newer image"}
            )
            for n in range(count)
        ]
        file = cache / "history.jsonl"
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o600)

        def read(cache: str = str(cache)) -> Sample:
            return place.run("--cache", cache, "history")

        contenders.append(Contender(f"history of {count} lines", read))
    figures = interleaved(contenders, rounds=3)
    growth = figures["history of 10000 lines"].wall / figures["history of 1000 lines"].wall
    return Result("a long history", figures, (Limit("10,000 lines over 1,000", growth, 11),))
