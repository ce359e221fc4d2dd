"""Where the steps of a plan are written down: the sheet for all of them, a chain for those of one group."""

from __future__ import annotations

from collections.abc import Iterable

from dockerup.decision import Decision
from dockerup.host import Host
from dockerup.snapshot import Container, ContainerId, ImageId
from dockerup.steps import Cause, Existing, Keep, Node, Phase, Plan, SetRestart, Step


class Sheet:
    """Where steps are written down in order; it numbers them and knows which ones wait for which."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.started: dict[str, int] = {}
        self.reached: dict[tuple[str, str], int] = {}
        self.decisions: dict[str, Decision] = {}
        self.named: dict[str, int] = {}
        self.networks: dict[str, int] = {}
        self.wanted: set[ContainerId] = set()
        self.unneeded: frozenset[ImageId] = frozenset()
        self.notes: list[str] = []
        self._fetched: dict[str, int] = {}
        self._undoable: set[str] = set()
        self._urgent: set[str] = set()

    def add(self, group: str, step: Step, after: Iterable[int], phase: Phase = Phase.CONVERGE) -> int:
        """Write a step down and return its number."""
        number = len(self.nodes) + 1
        self.nodes.append(Node(number, tuple(sorted(set(after))), phase, group, step))
        return number

    def once(self, key: str, group: str, step: Step, after: Iterable[int]) -> int:
        """Write a step that several entries need down for the first of them, and return its number."""
        if key not in self._fetched:
            self._fetched[key] = self.add(group, step, after)
        return self._fetched[key]

    def mark_undoable(self, group: str) -> None:
        """Say that a group has a way back."""
        self._undoable.add(group)

    def mark_urgent(self, group: str) -> None:
        """Say that a group is a way back."""
        self._urgent.add(group)

    def plan(self, notes: tuple[str, ...]) -> Plan:
        """Return the plan."""
        undoable, urgent = frozenset(self._undoable), frozenset(self._urgent)
        wanted = frozenset(self.wanted)
        return Plan(tuple(self.nodes), undoable, urgent, wanted, self.unneeded, notes=notes)


class Chain:
    """The steps of one group, each after the one before. `mates` are the entries that are replaced in it."""

    def __init__(self, group: str, host: Host, sheet: Sheet, after: tuple[int, ...]) -> None:
        self.group = group
        self.host = host
        self.sheet = sheet
        self._last = after
        self.mates: list[str] = []
        self._entries: set[str] = set()

    def add(self, step: Step, *also_after: int) -> int:
        """Write a step down, after the one before it and others."""
        number = self.sheet.add(self.group, step, (*self._last, *also_after))
        self._last = (number,)
        self._entries.add(step.entry)
        return number

    def apart(self, step: Step) -> None:
        """Write a step down that is of no group, so that nothing takes it back; the next waits for it."""
        self._last = (self.sheet.add(f"{self.group}, apart", step, self._last),)
        self._entries.add(step.entry)

    def branch(self, *ends: tuple[int, ...]) -> Chain:
        """Return a chain that goes on, beside others, from the ends of such ones, or from here."""
        after = {number for end in ends for number in end}
        return Chain(self.group, self.host, self.sheet, tuple(sorted(after)) or self._last)

    @property
    def end(self) -> tuple[int, ...]:
        """What the next step waits for."""
        return self._last

    def wait_for(self, numbers: Iterable[int]) -> None:
        """Let the next step wait for others as well."""
        self._last = tuple(sorted({*self._last, *numbers}))

    def together(self, steps: Iterable[Step]) -> list[int]:
        """Write steps down that go side by side after the last one; the next waits for all of them."""
        before = self._last
        numbers = [self.sheet.add(self.group, step, before) for step in steps]
        self._last = tuple(numbers) or before
        return numbers

    def beside(self, step: Step) -> None:
        """Write down a step after the last one, whose failure undoes nothing and holds nothing up."""
        self.sheet.add(f"{self.group}, beside", step, self._last)
        self._entries.add(step.entry)

    def last(self, step: Step) -> None:
        """Write down a removal that follows when all is well; from there no way leads back."""
        self._last = (self.sheet.add(f"{self.group}, olds", step, self._last),)
        self._entries.add(step.entry)

    def keep(self, step: Keep) -> None:
        """Write down that nothing is done for an entry."""
        self.sheet.add(self.group, step, ())

    def touched(self, entry: str) -> bool:
        """Tell whether a step for an entry has been written."""
        return entry in self._entries


def existing(one: Container) -> Existing:
    """Return a container as the target of a step."""
    return Existing(one.container_id, one.name)


def set_restart(name: str, one: Container, restart: str, cause: Cause, chain: Chain) -> None:
    """Write down what gives a container a restart policy; the list does not show which one it has."""
    if one.detail is None:
        chain.sheet.wanted.add(one.container_id)
    elif one.detail.restart != restart:
        chain.add(SetRestart(name, existing(one), restart, one.detail.restart, cause))
