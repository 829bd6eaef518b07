"""Gates: what bounds how many attempts or tasks of a node, or with a key, are under way, wherever they are.

An attempt passes its gates one after another, always in the same order, and then waits for a worker. It has a place
behind each gate that it has passed until it is over: whoever comes first goes first, also where another one would find
a worker sooner. A task that no worker has passes them once, and is behind them until it is over.

What is inside of such a task may have to pass gates as well. Where tasks that are behind gates wait, inside, for the
places of one another, nobody would ever go on: of such a ring the first one passes, as if there were more room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Generic, Protocol, TypeVar

from engine.limits import Gate, LimitReason
from engine.line import Line, Order


class Passing(Protocol):
    """What passes gates; `passed` is how many of them. Who `holds` is a task that others are `within`, by its name."""

    passed: int

    @property
    def name(self) -> str: ...

    @property
    def within(self) -> tuple[str, ...]: ...

    @property
    def holds(self) -> bool: ...

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
        self._behind: dict[tuple[LimitReason, str], set[P]] = {}
        self._lines: dict[tuple[LimitReason, str], Line[P]] = {}
        self._before: dict[P, Gate] = {}
        self._inside: dict[str, set[P]] = {}
        """Who waits that is within a task, by its name."""
        self.rings = 0
        """How many rings there were."""

    @property
    def waiting(self) -> int:
        """How many wait before a gate."""
        return sum(map(len, self._lines.values()))

    def open(self) -> list[P]:
        """Let those through who may pass; those who have passed all of their gates. Idempotent."""
        if self._open:
            return []
        self._open = True
        through = list[P]()
        for waiting in self._in_order():
            if (gate := self._before.get(waiting)) is not None:
                through += self._serve(gate.id, 1)
        through += [found for gate_id in tuple(self._lines) for found in self._serve(gate_id)]
        through += [found for waiting in self._in_order() for found in self.unknot(waiting)]
        for (reason, _), line in tuple(self._lines.items()):
            for waiting in line:
                self._tell(waiting, reason)
        return through

    def _in_order(self) -> list[P]:
        """Those who wait: first come, first served, over all gates."""
        return sorted(self._before, key=lambda one: one.order)

    def allow(self, gates: Iterable[Gate]) -> bool:
        """Whether somebody with these gates would pass all of them now."""
        return all(gate.id not in self._lines and self._has_room(gate) for gate in gates)

    def enter(self, coming: P) -> bool:
        """Whether somebody has passed all of their gates; else they wait before one, and are told so."""
        while coming.passed < len(coming.gates):
            gate = coming.gates[coming.passed]
            if gate.id in self._lines or not self._has_room(gate):
                self._wait(coming, gate)
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
            self._behind[gate.id].discard(leaving)
            if not self._behind[gate.id]:
                del self._behind[gate.id]
        return [found for gate in passed for found in self._left(gate.id)]

    def _has_room(self, gate: Gate) -> bool:
        return self._open and len(self._behind.get(gate.id, ())) < gate.limit

    def _pass(self, coming: P, gate: Gate) -> None:
        self._behind.setdefault(gate.id, set()).add(coming)
        coming.passed += 1

    def _wait(self, coming: P, gate: Gate) -> None:
        self._lines.setdefault(gate.id, Line()).add(coming)
        self._before[coming] = gate
        for name in coming.within:
            self._inside.setdefault(name, set()).add(coming)

    def _leave_line(self, leaving: P, gate: Gate) -> None:
        self._before.pop(leaving, None)
        for name in leaving.within:
            if (waiting := self._inside.get(name)) is not None:
                waiting.discard(leaving)
                if not waiting:
                    del self._inside[name]
        if (line := self._lines.get(gate.id)) is not None:
            line.discard(leaving)
            if not line:
                del self._lines[gate.id]

    def _left(self, gate_id: tuple[LimitReason, str]) -> list[P]:
        """Somebody has left a gate: those who may go on. Where more were behind it than there is room, none may, but
        who waited for the one that left may be in a ring now."""
        line = self._lines.get(gate_id)
        if not self._open or line is None or self._has_room(line.first.gates[line.first.passed]):
            return self._serve(gate_id)
        return [found for waiting in tuple(line) for found in self.unknot(waiting)]

    def _serve(self, gate_id: tuple[LimitReason, str], most: int | None = None) -> list[P]:
        """Let the first before a gate pass, as long as there is room behind it, and no more than so many."""
        through: list[P] = []
        while (line := self._lines.get(gate_id)) is not None and most != 0:
            most = None if most is None else most - 1
            first = line.first
            gate = first.gates[first.passed]
            if not self._has_room(gate):
                break
            self._leave_line(first, gate)
            self._pass(first, gate)
            through += [first] if self.enter(first) else self.unknot(first)
        return through

    # ---- rings

    def unknot(self, waiting: P) -> list[P]:
        """Break the ring that somebody is in who waits before a gate, where there is one; those who have passed all of
        their gates with that. To be called whenever somebody has begun to wait."""
        through: list[P] = []
        while self._open and (waiting.within or waiting.passed) and (ring := self._ring(waiting)):
            first = min((one for one in ring if one in self._before), key=lambda one: one.order)
            gate = self._before[first]
            self.rings += 1
            self._leave_line(first, gate)
            self._pass(first, gate)
            through += [first] if self.enter(first) else []
        return through

    def _ring(self, start: P) -> set[P]:
        """Of somebody who waits and of all that they wait for, those that wait for nothing but one another."""
        found, todo = {start}, [start]
        while todo:
            fresh = [one for one in self._needed(todo.pop()) if one not in found]
            found.update(fresh)
            todo += fresh
        while free := {one for one in found if not self._is_held_up(one, found)}:
            found -= free
        return found

    def _needed(self, one: P) -> Collection[P]:
        """Who somebody waits for: those behind the gate that they are before, or those that wait within them."""
        if (gate := self._before.get(one)) is not None:
            return self._behind.get(gate.id, ())
        return self._inside.get(one.name, ()) if one.holds else ()

    def _is_held_up(self, one: P, by: Collection[P]) -> bool:
        needed = self._needed(one)
        if one in self._before:
            return bool(needed) and all(other in by for other in needed)
        return any(other in by for other in needed)
