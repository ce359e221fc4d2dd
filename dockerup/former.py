"""What comes to an entry while its definition is held back, since it failed. Pure.

The rule. A definition that failed with the newest image waits to be tried again, and what served before it
serves. Meanwhile the entry is planned for as if the definition of that were listed, the former one: so newer
images come to it, and prove themselves, as to any other. A newer image is tried with the listed definition
first, since it may be what that waited for, and with the former one once that has failed as well. What fails
with the former one is remembered beside what failed as listed, and tried again after a delay of its own.

A definition that failed in one replica is held back in all of the entry: those that are not as listed are
planned for by their own former definitions, one after another. What is as listed waits, since it would get
what failed.

The former definition is in a label, with digests in the place of secrets. An inspection of the container
tells these, and is made only when there is a newer image for it. What comes of both has to have the very
hashes that the labels tell. What cannot be had like that is not tried, and why is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dockerup import labels
from dockerup.decide import decide_all
from dockerup.decision import Decision
from dockerup.definition import SCHEME, definition_hash, described
from dockerup.desired import Desired
from dockerup.host import Host, Policy
from dockerup.image import parse_reference
from dockerup.in_place import amendment, differs, known_hash, same_make
from dockerup.joined import lost_networks
from dockerup.keeper import bindings, same_bonds, same_image
from dockerup.keys import CONTAINER_KEYS, SECRETS
from dockerup.keys.row import EACH, Change
from dockerup.later import image_now
from dockerup.memory import failed_name
from dockerup.settled import settled
from dockerup.snapshot import Container, ContainerId, Detail, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.transition import Transition
from dockerup.turns import failed_as_listed, memories_of

_CHANGED = "it is not known what of it was changed in place since it was made"


def with_formers(host: Host, opened: Mapping[str, Transition]) -> tuple[Host, frozenset[ContainerId]]:
    """Return the host with the former definitions listed that are due, and the containers to inspect first.

    Without those inspections what is held back stays as it is. `opened` are the replacements that are not
    concluded.
    """
    held_back = list(_held_back(host, opened))
    wanted: set[ContainerId] = set()
    stuck: dict[str, str] = {}
    before: Host | None = None
    while held_back and host is not before:  # what holds on to one that is made anew is made anew, too
        before, made = host, decide_all(host, opened)
        for spec, one in held_back:
            if spec.name in host.formers:
                continue
            former, stuck[spec.name] = _former_or_why_not(spec, one, host, made, begun=spec.name in opened)
            if former is not None and one.detail is None:
                wanted.add(one.container_id)
            elif former is not None:
                host = _as_listed(former, host)
    return replace(host, stuck=stuck), frozenset(wanted)


def former_specs(desired: Desired, observed: Snapshot, now: float) -> tuple[ContainerSpec, ...]:
    """Return the former definitions of what may be held back, with digests in the place of secrets."""
    names = {one.name for one in observed.containers}
    if not any(failed_name(spec.name) in names for spec in desired.specs):
        return ()
    host = Host.of(desired, observed, {}, Policy(), now)
    found: list[ContainerSpec] = []
    for spec, one in _failed_before(host):
        with suppress(AttributeError, KeyError, TypeError, ValueError):  # of labels that a person forged
            found.append(_told(spec, one))
    return tuple(found)


def _failed_before(host: Host) -> Iterator[tuple[ContainerSpec, Container]]:
    """Give the entries that failed, or a replica of theirs, each with what serves and is not as listed."""
    for spec in host.desired.specs if host.memories else ():
        one = host.newest_proven(spec.name) if memories_of(spec, host) else None
        if one is not None and differs(one, spec, host.observed):
            yield spec, one


def _held_back(host: Host, opened: Mapping[str, Transition]) -> Iterator[tuple[ContainerSpec, Container]]:
    """Give those that are not to be tried again yet, each with what tells of its former definition.

    That is the new container where one with the former definition is about to take the place of what serves.
    """
    for spec, one in _failed_before(host):
        new = opened[spec.name].new if spec.name in opened else None
        if failed_as_listed(spec, host) and (new is None or labels.FORMER in new.labels):
            yield spec, new or one


def _former_or_why_not(
    spec: ContainerSpec, one: Container, host: Host, made: Mapping[str, Decision], *, begun: bool
) -> tuple[ContainerSpec | None, str]:
    """Return what is to be listed for an entry instead, None for nothing, and why what serves stays."""
    try:
        told = _told(spec, one)
        due, held = (begun, "") if begun else _is_due(told, one, host, made)
        return _former(told, spec, one, host) if due else (None, held)
    except (AttributeError, KeyError, TypeError, ValueError):  # of labels that a person forged
        return None, "what it was made from cannot be read from its labels"


def _is_due(
    told: ContainerSpec, one: Container, host: Host, made: Mapping[str, Decision]
) -> tuple[bool, str]:
    """Tell whether what serves would be made anew if it was listed, and what keeps a newer image from it.

    What stands still is started as it is, but where what it holds on to is no more.
    """
    image = image_now(told, _as_listed(told, host))
    bound, missing = bindings(told, host, made)
    bonds = same_bonds(one, told, made, bound)
    fits = same_image(one, image) and bonds and not lost_networks(one, told, host)
    due = not fits and (one.running or not (bonds or settled(one, told)))
    failed = failed_as_listed(told, host)
    tried = made[failed].forget is host.memories[failed].one  # in this plan, as it is listed
    return due and missing is None and not tried, image.held


def _former(
    told: ContainerSpec, spec: ContainerSpec, one: Container, host: Host
) -> tuple[ContainerSpec | None, str]:
    """Return a former definition, with its secrets once they are known, or None and why it cannot be had."""
    fit = _fit(told, spec, one, host)
    why = _obstacle(told, spec, one, host)
    if why or not fit:
        return None, why or _CHANGED
    if one.detail is None:
        return told, ""
    for definition in fit:
        former = replace(told, definition=_with_all_secrets(definition, one.detail))
        if not same_make(one, former):
            return None, "the engine does not tell it as its labels do"
        if amendment(one, former, host) is None:
            return former, ""
    return None, _CHANGED


def _told(spec: ContainerSpec, one: Container) -> ContainerSpec:
    """Return an entry as the labels of its container tell it, with digests in the place of secrets.

    What is of no matter to a container once it is made is as it is listed. Raises a KeyError or the like
    where the labels are not as dockerup writes them.
    """
    label = described(one.labels)
    its = {key: value for key, value in label.items() if key in CONTAINER_KEYS}
    now = {k: v for k, v in spec.definition.items() if CONTAINER_KEYS[k].change is Change.NOTHING}
    image = replace(parse_reference(str(its["image"])), platform=str(its.get("platform", "")))
    return replace(spec, image=image, definition={**now, **its})


def _as_listed(spec: ContainerSpec, host: Host) -> Host:
    """Return the host as if a former definition were listed, with the memory of what failed with that one."""
    specs = (spec if one.name == spec.name else one for one in host.desired.specs)
    failed = host.failed_one(spec.name, former=True)
    memory = {} if failed is None else {spec.name: host.memory_in(failed, spec)}
    return replace(
        host,
        desired=replace(host.desired, specs=tuple(specs)),
        beside={**host.beside, **memory},
        formers={**host.formers, spec.name: spec},
    )


def _fit(told: ContainerSpec, spec: ContainerSpec, one: Container, host: Host) -> list[Mapping[str, Any]]:
    """Return what may be a former definition: its container may have been changed in place since it was made.

    Then it may have what is listed. Of several it is the one that the engine tells.
    """
    found: list[Mapping[str, Any]] = []
    for definition in (told.definition, spec.definition):
        rest = {k: v for k, v in told.definition.items() if CONTAINER_KEYS[k].change is not Change.IN_PLACE}
        has = {k: v for k, v in definition.items() if CONTAINER_KEYS[k].change is Change.IN_PLACE}
        if known_hash(one, told, host.observed) in {"", definition_hash(has, Change.IN_PLACE)}:
            found.append({**rest, **has})
    return found


def _obstacle(told: ContainerSpec, spec: ContainerSpec, one: Container, host: Host) -> str:
    """Return why a new container is not made from a former definition, "" when it may be."""
    if not one.labels.get(labels.HASH, "").startswith(f"{SCHEME}:"):
        return "another version of dockerup made it"
    if told.bound_to != spec.bound_to:
        return "it holds on to other containers than are listed for it now"
    if told.definition.get("secrets") != spec.definition.get("secrets"):
        return "the secrets that it has as files are others by now"
    others = [port for other in host.desired.specs if other.name != spec.name for port in other.ports]
    taken = [port for port in told.ports if port.host_port and any(map(port.clashes, others))]
    return f"its host port {taken[0].host_port} is another entry's by now" if taken else ""


def _with_all_secrets(definition: Mapping[str, Any], detail: Detail) -> Mapping[str, Any]:
    for path in SECRETS:
        definition = _with_secrets(definition, path, detail.secrets.get(".".join(path), {}))
    return definition


def _with_secrets(definition: Any, path: tuple[str, ...], values: Mapping[str, str]) -> Any:
    """Return a part of a definition with the values of those secrets that it has at a path."""
    if not path:
        return {name: values.get(name, "") for name in definition}
    key, *inner = path
    if key == EACH:
        return [_with_secrets(one, tuple(inner), values) for one in definition]
    if key not in definition:
        return definition
    return {**definition, key: _with_secrets(definition[key], tuple(inner), values)}
