"""How a container stands by what its entry says of the end: it runs, did its work, or failed. Pure."""

from __future__ import annotations

from dockerup.snapshot import Container
from dockerup.spec import ContainerSpec
from dockerup.steady import gave_up, unwell


def settled(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container runs, or ended as its entry allows: no start is due."""
    return one.state in {"running", "restarting"} or complete(one, spec) or failed(one, spec)


def serves(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container runs well, or did its work."""
    return (one.running and not unwell(one)) or complete(one, spec)


def complete(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container did its work and is not meant to run again."""
    return one.state == "exited" and one.exit_code == 0 and spec.restart in {"on-failure", "no"}


def failed(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container ended badly, and is not started again: a job, or what the engine gave up."""
    if spec.restart == "no":
        return one.state == "exited" and one.exit_code not in {0, None}
    return gave_up(one, spec.restart_policy)
