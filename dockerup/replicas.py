"""What other entries say of one with replicas: `dependsOn` and `signal` mean all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dockerup.problems import Problem
from dockerup.spec import ContainerSpec

# The names of the containers of each entry that has the key `replicas`.
Replicas = Mapping[str, tuple[str, ...]]


def with_all_replicas(spec: ContainerSpec, replicas: Replicas) -> ContainerSpec:
    """Return a spec that names containers where it named an entry with replicas."""
    awaited, signals = _each(spec.depends_on, replicas), _each(spec.signals, replicas)
    if (awaited, signals) == (spec.depends_on, spec.signals):
        return spec
    conditions = [{"condition": awaited[name], "containerName": name} for name in sorted(awaited)]
    return replace(spec, definition={**spec.definition, "dependsOn": conditions, "signal": signals})


def _each(named: Mapping[str, str], replicas: Replicas) -> dict[str, str]:
    """Return what is said of some names, container by container; of one's own name it goes first."""
    found = {one: said for name, said in named.items() for one in replicas.get(name, ())}
    return {**found, **{name: said for name, said in named.items() if name not in replicas}}


def unclear_bonds(specs: Iterable[ContainerSpec], replicas: Replicas) -> list[tuple[Problem, ContainerSpec]]:
    """Return each spec that holds on to an entry with replicas, where it can only be one container."""
    found = []
    for spec in specs:
        for name in spec.bound_to:
            if name in replicas:
                what = f'"{name}" is an entry with replicas, and this needs one container'
                fix = f"Write one of them: {name}-1."
                found.append((Problem(spec.origin.at(_key(spec, name)), what, fix), spec))
    return found


def _key(spec: ContainerSpec, name: str) -> str:
    """Return the key by which a spec holds on to a container."""
    if name in spec.links:
        return "links"
    joined = f"container:{name}"
    return next((key for key in ("network", "pid", "ipc") if spec.definition.get(key) == joined), "volumes")
