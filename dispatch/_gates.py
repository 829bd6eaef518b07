"""Gates: what bounds how many attempts of a node, or with a key, are under way, wherever they are.

An attempt passes its gates one after another, always in the same order, and then waits for a worker. It has a place
behind each gate that it has passed until it is over: whoever comes first goes first, also where another one would find
a worker sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from engine.limits import LimitReason
from engine.line import Line, Order
from engine.outbox import Work


@dataclass(frozen=True, slots=True)
class Gate:
    """So many may be behind it; gates with the same reason and name are one."""

    reason: LimitReason
    name: str
    limit: int

    @property
    def id(self) -> tuple[LimitReason, str]:
        return self.reason, self.name


def gates_of(work: Work) -> tuple[Gate, ...]:
    """The gates of an attempt, in the order in which all pass them."""
    found = []
    if work.limits.key is not None:
        found.append(Gate(LimitReason.CONCURRENCY_KEY, work.limits.key, 1))
    if work.limits.max_concurrency is not None:
        found.append(Gate(LimitReason.MAX_CONCURRENCY, work.limits.node, work.limits.max_concurrency))
    return tuple(found)


class Passing(Protocol):
    """What passes gates; `passed` is how many of them."""

    passed: int

    @property
    def order(self) -> Order: ...

    @property
    def gates(self) -> tuple[Gate, ...]: ...


P = TypeVar("P", bound=Passing)


class Gates(Generic[P]):
    """Who is behind which gate, and who waits before it. `tell` hears why somebody waits.

    All gates are shut until `open`: those who were behind them before a restart come first.
    """

    def __init__(self, tell: Callable[[P, LimitReason], None]) -> None:
        self._tell = tell
        self._open = False
        self._behind: dict[tuple[LimitReason, str], int] = {}
        self._lines: dict[tuple[LimitReason, str], Line[P]] = {}

    @property
    def waiting(self) -> int:
        """How many wait before a gate."""
        return sum(map(len, self._lines.values()))

    def open(self) -> list[P]:
        """Let those through who may pass; those who have passed all of their gates. Idempotent."""
        if self._open:
            return []
        self._open = True
        through = [found for gate in tuple(self._lines) for found in self._serve(gate)]
        for (reason, _), line in tuple(self._lines.items()):
            for waiting in line:
                self._tell(waiting, reason)
        return through

    def allow(self, gates: Iterable[Gate]) -> bool:
        """Whether somebody with these gates would pass all of them now."""
        return all(gate.id not in self._lines and self._has_room(gate) for gate in gates)

    def enter(self, coming: P) -> bool:
        """Whether somebody has passed all of their gates; else they wait before one, and are told so."""
        while coming.passed < len(coming.gates):
            gate = coming.gates[coming.passed]
            if gate.id in self._lines or not self._has_room(gate):
                self._lines.setdefault(gate.id, Line()).add(coming)
                if self._open:
                    self._tell(coming, gate.reason)
                return False
            self._pass(coming, gate)
        return True

    def force(self, coming: P) -> None:
        """Somebody is behind all of their gates already, whatever these allow."""
        for gate in coming.gates[coming.passed :]:
            self._pass(coming, gate)

    def leave(self, leaving: P) -> list[P]:
        """Somebody is not behind their gates any more, or does not wait any more; those who have passed all of theirs
        with that."""
        if leaving.passed < len(leaving.gates):
            self._leave_line(leaving, leaving.gates[leaving.passed])
        passed, leaving.passed = leaving.gates[: leaving.passed], 0
        for gate in passed:
            self._behind[gate.id] -= 1
            if not self._behind[gate.id]:
                del self._behind[gate.id]
        return [found for gate in passed for found in self._serve(gate.id)]

    def _has_room(self, gate: Gate) -> bool:
        return self._open and self._behind.get(gate.id, 0) < gate.limit

    def _pass(self, coming: P, gate: Gate) -> None:
        self._behind[gate.id] = self._behind.get(gate.id, 0) + 1
        coming.passed += 1

    def _leave_line(self, leaving: P, gate: Gate) -> None:
        if (line := self._lines.get(gate.id)) is not None:
            line.discard(leaving)
            if not line:
                del self._lines[gate.id]

    def _serve(self, gate_id: tuple[LimitReason, str]) -> list[P]:
        """Let the first before a gate pass, as long as there is room behind it."""
        through = []
        while (line := self._lines.get(gate_id)) is not None:
            first = line.first
            gate = first.gates[first.passed]
            if not self._has_room(gate):
                break
            self._leave_line(first, gate)
            self._pass(first, gate)
            if self.enter(first):
                through.append(first)
        return through
