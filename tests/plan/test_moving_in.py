"""2,000 random documents for each importer: never a traceback, never long, never a file that is refused."""

from __future__ import annotations

import json
import random
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dockerup import document
from dockerup.desired import combine
from dockerup.importers import compose, docker_run, ecs, konlet, running, write
from dockerup.importers.compose_service import _TABLE as COMPOSE_KEYS
from dockerup.importers.draft import Imported
from dockerup.importers.ecs_container import _CONTAINER as ECS_KEYS
from dockerup.importers.fit import fitted
from dockerup.importers.run_flags import BOOLEANS, FLAGS, IGNORED
from dockerup.importers.running_host import _PLAIN, Defaults
from dockerup.keys import CONTAINER_KEYS
from dockerup.problems import DockerupError
from dockerup.sources.confdir import items_of_document
from dockerup.sources.result import SourceResult

DOCUMENTS = 2000
EACH_CHECKED = 10  # the file that comes of each tenth is read again, which takes the longest
LONGEST = 1.0  # seconds
MOST_MEMORY = 64 << 10  # KiB that the most that the process ever had grows by
LEAST_KEYS = 10
WORDS = """x app:1 a:b:c /a:/b:ro 8080:80 1-9 ${A:-b} $$ 512m 30s 1.5 always no on-failure:3 host ~ ü 0x10 1e9
container:x1 service:app A=b [::1]:80:80/udp NONE = : / /dev/a nofile=1:2 2001:db8::1 CMD-SHELL 07"""
NO_WORDS = (None, True, False, 0, 1, -1, 80, 1 << 40, 10**17, "", "\n", "\0", "a b 'c")
ATOMS: Sequence[Any] = (*NO_WORDS, *WORDS.split())
KEYS = """name value source target type condition soft hard test interval driver options limits reservations
memory resources aliases file service hostPath path medium emptyDir gcePersistentDisk pdName partition host
sourcePath Test containerPort hostPort protocol containerPath sourceVolume softLimit command Name Type Config
HostIp HostPort Source Target app db default x1 volume bind"""
INNER = KEYS.split()


def value(rng: random.Random, names: Sequence[str], depth: int = 0) -> Any:
    """Return something that may stand anywhere in a document."""
    kind = rng.random()
    if depth > 3 or kind < 0.5:
        return rng.choice(ATOMS)
    count = rng.randrange(4)
    if kind < 0.75:
        return [value(rng, names, depth + 1) for _ in range(count)]
    return {rng.choice(names): value(rng, names, depth + 1) for _ in range(count)}


def some(rng: random.Random, keys: Sequence[str], **given: Any) -> dict[str, Any]:
    """Return an object with some of the keys that an importer knows, and mostly what `given` says."""
    found = {rng.choice(keys): value(rng, INNER) for _ in range(rng.randrange(7))}
    return {**found, **{key: one for key, one in given.items() if rng.random() < 0.95}}


def from_compose(rng: random.Random) -> Imported:
    keys = [*COMPOSE_KEYS, "depends_on", "links", "volumes_from", "nonsense", "x-y"]
    keys += ["extends"] * (rng.random() < 0.2)
    services = {name: some(rng, keys, image="app:1") for name in ("app", "db", "x1")[: rng.randrange(1, 4)]}
    if rng.random() < 0.1:
        services["app"] = value(rng, [*INNER, "${A", "${A:?}"])
    top = some(
        rng, ["networks", "volumes", "secrets", "configs", "name", "include", "models"], services=services
    )
    texts = {"/srv/shop/c.yaml": json.dumps(top), "/srv/shop/.env": "A=b\n'"}

    def read(path: str) -> str:
        if path not in texts:
            raise DockerupError(f"{path} cannot be read")
        return texts[path]

    return compose.imported(compose.Asked(["/srv/shop/c.yaml"]), {"B": "c"}, read)


def from_ecs(rng: random.Random) -> Imported:
    keys = [*ECS_KEYS, "nonsense"]
    containers = [some(rng, keys, name=name, image="app:1") for name in ("app", "db")[: rng.randrange(1, 3)]]
    task = some(
        rng,
        ["volumes", "networkMode", "pidMode", "cpu", "memory", "family", "runtimePlatform", "x"],
        containerDefinitions=containers,
        networkMode=rng.choice(["awsvpc", "bridge", "host", None]),
    )
    return ecs.imported("task.json", json.dumps({"taskDefinition": task} if rng.random() < 0.3 else task))


def from_konlet(rng: random.Random) -> Imported:
    keys = ["command", "args", "env", "volumeMounts", "securityContext", "stdin", "tty", "nonsense"]
    kinds = ("hostPath", "emptyDir", "gcePersistentDisk")
    contents = ({"path": "/a"}, {"medium": "Memory"}, {"pdName": "d"}, value(rng, INNER))
    volumes = [{"name": name, rng.choice(kinds): rng.choice(contents)} for name in ("x", "db")]
    mounts = [{"name": rng.choice(("x", "db", "none")), "mountPath": rng.choice(("/m", "/n", 7))}]
    more = {"volumeMounts": mounts, "env": [{"name": "A", "value": value(rng, INNER)}]}
    container = some(rng, keys, name="app", image="app:1", **more)
    policy = rng.choice(("Always", "Never", "OnFailure", value(rng, INNER)))
    spec = some(rng, ["x"], containers=[container], volumes=volumes, restartPolicy=policy)
    return konlet.imported("konlet.yaml", json.dumps({"spec": spec}))


def from_running(rng: random.Random) -> Imported:
    host = some(
        rng,
        [*_PLAIN, "Binds", "Mounts", "PortBindings", "Ulimits", "Devices", "Tmpfs", "NetworkMode", "Links"]
        + ["DeviceRequests", "LogConfig", "RestartPolicy", "VolumesFrom", "MemorySwap", "ShmSize", "IpcMode"],
    )
    config = some(
        rng,
        ["Env", "Cmd", "Entrypoint", "Labels", "Healthcheck", "Volumes", "ExposedPorts", "User", "Hostname"],
        Image="app:1",
    )
    container = some(rng, ["NetworkSettings"], Id="a" * 64, Name="/app", Config=config, HostConfig=host)
    image = {"Config": some(rng, ["Env", "Cmd", "Entrypoint", "Labels", "Healthcheck"])}
    return running.imported([running.Found(container, image)], "here", Defaults())


def from_run(rng: random.Random) -> Imported:
    flags = [f"--{name}" for name in (*BOOLEANS, *FLAGS, *IGNORED, "nonsense")] + [
        "-dit",
        "-p",
        "-v",
        "-e",
        "-Z",
    ]
    words = [rng.choice([*flags, *flags, *map(str, ATOMS)]) for _ in range(rng.randrange(12))]
    glue = [word + rng.choice(["", "=x", "=/a", "=1", " y", "=a:b"]) for word in words]
    return docker_run.imported(" ".join(["docker run", *glue, "app:1", "serve"]))


IMPORTERS: Sequence[Callable[[random.Random], Imported]] = (
    from_compose,
    from_ecs,
    from_konlet,
    from_running,
    from_run,
)


@pytest.mark.parametrize("bring", IMPORTERS, ids=[one.__name__ for one in IMPORTERS])
def test_any_document_gives_a_list_that_is_taken_or_one_error_and_soon(
    bring: Callable[[random.Random], Imported],
) -> None:
    rng = random.Random(20261126)
    good, slowest, keys = 0, 0.0, set[str]()
    before = peak()
    for number in range(DOCUMENTS):
        begun = time.process_time()
        try:
            imported = bring(rng)
            text = write.as_text(fitted(imported)) if number % EACH_CHECKED == 0 else ""
        except DockerupError:
            continue
        finally:
            slowest = max(slowest, time.process_time() - begun)
        good += 1
        keys.update(key for entry in imported.entries for key in entry.value)
        if text:
            check(text)
    assert good > DOCUMENTS // 4
    assert slowest < LONGEST
    assert peak() - before < MOST_MEMORY
    assert keys <= CONTAINER_KEYS.keys()
    assert len(keys) > LEAST_KEYS


def peak() -> int:
    """Return the most memory that this process had so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def check(text: str) -> None:
    items = items_of_document(document.load(text, "imported.yaml"))
    result = SourceResult("confdir", items, declared=True, explicit=True)
    assert combine([result]).problems == ()
