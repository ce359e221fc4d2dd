"""What the engine can change in a living container, and whether one has it as listed. Pure.

The labels of a living container cannot be changed: once it was changed in place, they tell what it was made
with and no longer what it has. The latter is remembered; where it is not, the engine is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal

from dockerup import labels
from dockerup.decision import Amendment, Decision
from dockerup.definition import SCHEME, Difference, definition_hash, differences
from dockerup.host import Host, entry_of, is_failed, managed, protection
from dockerup.keys import CONTAINER_KEYS, LIMITS
from dockerup.keys.row import NO_DEFAULT, Bonds, Change
from dockerup.settled import settled
from dockerup.snapshot import Container, ContainerId, Snapshot
from dockerup.spec import ContainerSpec
from dockerup.steps import Cause, Why

# What the engine, or the kernel beneath it, needs to hear of together: it looks at no value that it has.
_TOGETHER = (frozenset({"Memory", "MemorySwap"}), frozenset({"CpuPeriod", "CpuQuota"}))
_NO_PIDS_LIMIT = -1
_NO_SWAP_LIMIT = -1


def same_make(one: Container, spec: ContainerSpec) -> bool:
    """Tell whether a container was made from what its entry says, but for what can be changed in place."""
    label = one.labels.get(labels.HASH, "")
    if label.startswith(f"{SCHEME}:"):
        return label == definition_hash(spec.definition, Change.REPLACE)
    # Another version of dockerup made it: its hashes say nothing here, its definition does. Where that cannot
    # be read, nothing is known to differ, and what runs is kept.
    return not _told_differences(one, spec, Change.REPLACE)


def same_definition(one: Container, spec: ContainerSpec, host: Host) -> bool:
    """Tell whether a container has all that its entry says now."""
    return same_make(one, spec) and amendment(one, spec, host) is None


def differs(one: Container, spec: ContainerSpec, observed: Snapshot) -> bool:
    """Tell whether a container is known to have something else than its entry says now."""
    return not same_make(one, spec) or known_hash(one, spec, observed) not in {"", _wanted_hash(spec)}


def differences_of(one: Container, spec: ContainerSpec, observed: Snapshot) -> tuple[Difference, ...]:
    """Return what differs between an entry and what its container was made from or has by now."""
    in_place = _told_differences(one, spec, Change.IN_PLACE)
    if known_hash(one, spec, observed) == _wanted_hash(spec):
        in_place = ()
    return tuple(sorted((*_told_differences(one, spec, Change.REPLACE), *in_place), key=lambda one: one.key))


def _told_differences(one: Container, spec: ContainerSpec, change: Change) -> tuple[Difference, ...]:
    found = differences(one.labels.get(labels.DEFINITION, ""), spec.definition) or ()
    return tuple(difference for difference in found if _asks_for(difference) is change)


def _asks_for(difference: Difference) -> Change:
    row = CONTAINER_KEYS.get(difference.key.partition(".")[0])
    return row.change if row is not None else Change.REPLACE  # a key of another version's


def _wanted_hash(spec: ContainerSpec) -> str:
    return definition_hash(spec.definition, Change.IN_PLACE)


def _made_with(one: Container, spec: ContainerSpec) -> str:
    """Return the in-place hash that a container was made with, "" where that cannot be told."""
    label = one.labels.get(labels.IN_PLACE_HASH, "")
    if label.startswith(f"{SCHEME}:"):
        return label
    return "" if _told_differences(one, spec, Change.IN_PLACE) else _wanted_hash(spec)


def known_hash(one: Container, spec: ContainerSpec, observed: Snapshot) -> str:
    """Return the in-place hash that a container has by now, "" where nobody knows."""
    if observed.in_place is None:
        return ""
    return observed.in_place.get(one.container_id, _made_with(one, spec))


def unsure(host: Host) -> frozenset[ContainerId]:
    """Return the containers to inspect: it is not known that they have what is listed."""
    return frozenset(
        one.container_id
        for spec in host.desired.specs
        for one in host.families.get(spec.name, ())
        if one.detail is None and _may_be_changed(one, spec, host)
    )


def _may_be_changed(one: Container, spec: ContainerSpec, host: Host) -> bool:
    return (
        managed(one)
        and not protection(one, host)
        and not is_failed(one)
        and known_hash(one, spec, host.observed) != _wanted_hash(spec)
        and same_make(one, spec)
    )


def amendment(one: Container, spec: ContainerSpec, host: Host) -> Amendment | None:
    """Return what has to change in a container that was made alike, None when nothing is known to."""
    if one.detail is None or not _may_be_changed(one, spec, host):
        return None
    as_made = _made_with(one, spec) == _wanted_hash(spec)
    has, wanted = one.detail.limits, _limits(spec)
    if has is None:
        told = _told_differences(one, spec, Change.IN_PLACE)
        return None if as_made else Amendment((), "", told, "not in place: this engine cannot")
    lacking = _lacking(has, wanted, as_made=as_made)
    policy = _policy(one, spec, host)
    restart = spec.restart_policy if policy != spec.restart_policy else ""
    if not lacking and not restart:
        return None
    changes = [Difference(LIMITS[field], _shown(field, has), _shown(field, wanted)) for field in lacking]
    changes += [Difference("restart", policy, restart)] if restart else []
    return Amendment(
        limits=_told(lacking, wanted),
        restart=restart,
        changes=tuple(sorted(changes, key=lambda one: one.key)),
        refused=_refusal(one, spec, host, _impossible(lacking, wanted), as_made),
        room=int(wanted["Memory"]) if _shrinks(has, wanted) else 0,
    )


def amended(decision: Decision, host: Host) -> Decision:
    """Return the decision with what has to change in its keeper in place."""
    spec, keeper = decision.spec, decision.keeper
    if keeper is None or decision.held or not same_make(keeper, spec):
        return decision
    amend = amendment(keeper, spec, host)
    if amend is None or amend.refused:
        return decision
    plain = decision.cause.why in {Why.CURRENT, Why.STOPPED, Why.NEVER_STARTED}
    cause = Cause(Why.DEFINITION, changes=amend.changes) if plain else decision.cause
    return replace(decision, amend=amend, cause=cause)


def _limits(spec: ContainerSpec) -> dict[str, int | str]:
    """Return the limits that a new container of an entry would have, none of them empty."""
    found: dict[str, int | str] = {}
    for field, name in LIMITS.items():
        row = CONTAINER_KEYS[name]
        value = spec.definition.get(name, row.default)
        if row.tell is not None and value is not NO_DEFAULT:
            found[field] = row.tell(value, Bonds(spec.definition))["HostConfig"][field]
    if found.get("Memory") and not found.get("MemorySwap"):
        found["MemorySwap"] = 2 * int(found["Memory"])  # adaptContainerSettings in moby's daemon_unix.go
    return {
        field: value
        for field, value in found.items()
        if value and (field, value) != ("PidsLimit", _NO_PIDS_LIMIT)
    }


def _lacking(has: Mapping[str, str], wanted: Mapping[str, int | str], *, as_made: bool) -> list[str]:
    """Return the limits that a container has not as they are wanted.

    One that was made with what is listed may be without: what the kernel has not got, the engine leaves out,
    and nothing is taken away in place but the limit of processes.
    """
    found = [field for field in LIMITS if has.get(field, "") != str(wanted.get(field, ""))]
    if as_made:
        found = [field for field in found if field == "PidsLimit" or not _left_out(field, has)]
    # Who says nothing of swap gets twice the memory, and hears of the memory alone.
    alone = "MemorySwap" in found and "Memory" in found and _follows(wanted)
    return [field for field in found if field != "MemorySwap" or not alone]


def _left_out(field: str, has: Mapping[str, str]) -> bool:
    return has.get(field, "") in {"", str(_NO_SWAP_LIMIT) if field == "MemorySwap" else ""}


def _follows(wanted: Mapping[str, int | str]) -> bool:
    return wanted.get("MemorySwap", 0) == 2 * int(wanted.get("Memory", 0))


def _impossible(lacking: Collection[str], wanted: Mapping[str, int | str]) -> str:
    """Return what the engine changes in no living container, "" when there is nothing of the kind."""
    lost = [LIMITS[field] for field in lacking if field not in wanted and field != "PidsLimit"]
    if lost:
        return f"the engine takes {' and '.join(lost)} from no living container"
    if "MemorySwap" in lacking and wanted["MemorySwap"] == _NO_SWAP_LIMIT:
        # It says that it does, and tells the runtime nothing (toContainerdResources in moby).
        return "the engine takes the limit of swap from no living container"
    return ""


def _shrinks(has: Mapping[str, str], wanted: Mapping[str, int | str]) -> bool:
    most = int(wanted.get("Memory", 0))
    return bool(most) and ("Memory" not in has or int(has["Memory"]) > most)


def _told(lacking: Collection[str], wanted: Mapping[str, int | str]) -> tuple[tuple[str, int | str], ...]:
    """Return the fields of the update call; in it, what is empty is left as it is."""
    told = {*lacking}
    for fields in _TOGETHER:
        told |= fields if fields & told else frozenset()
    found = {field: wanted.get(field, 0) for field in LIMITS if field in told}
    if "PidsLimit" in found:
        found["PidsLimit"] = found["PidsLimit"] or _NO_PIDS_LIMIT
    return tuple((field, value) for field, value in found.items() if value)


def _policy(one: Container, spec: ContainerSpec, host: Host) -> str:
    """Return the restart policy that a container has, or had before another was to take its place."""
    for other in host.families.get(spec.name, ()):
        before = labels.read_replaced(other.labels).get(one.container_id)
        if before is not None and not is_failed(other):
            return before.restart
    return one.detail.restart if one.detail is not None else ""


def _refusal(one: Container, spec: ContainerSpec, host: Host, impossible: str, as_made: bool) -> str:
    """Return why a container is not changed in place, "" when it is."""
    said, failed = host.policy.refused.get(one.container_id, impossible), host.memory(spec.name)
    if said:
        return f"not in place: {said}"
    if settled(one, spec) and not one.running and not as_made:
        return "not in place: it has ended"
    if failed is not None and not failed.of_image:
        return "it failed like that"
    return ""


def _shown(field: str, limits: Mapping[str, int | str] | Mapping[str, str]) -> str:
    """Return a limit as a person writes it."""
    value = str(limits.get(field, ""))
    if field != "NanoCpus" or not value:
        return value
    return format((Decimal(value) / 10**9).normalize(), "f")


def remembered(host: Host) -> dict[ContainerId, str]:
    """Return what is known of those containers that have, or may have, something else than their label tells.

    It is their in-place hash, "" where the engine has to be asked.
    """
    specs = {spec.name: spec for spec in host.desired.specs}
    known = host.observed.in_place
    found: dict[ContainerId, str] = {}
    for one in filter(managed, host.observed.containers):
        label = one.labels.get(labels.IN_PLACE_HASH, "")
        has = "" if known is None else known.get(one.container_id, label)
        spec = specs.get(entry_of(one))
        if spec is not None and one.detail is not None and _may_be_changed(one, spec, host):
            has = has if amendment(one, spec, host) else _wanted_hash(spec)
        if has != label:
            found[one.container_id] = has
    return found
