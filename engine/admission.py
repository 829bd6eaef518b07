"""Which runs may begin: one at a time with each concurrency key, and so many at once on the whole.

Decisions alone: who asks says what time it is, and begins what may begin. A run that waits for its key stands in the
line of the key. The first of such a line stands, while the key is free, in the line of all as well, where runs wait
until there is room; it takes the key when it begins, and not before. Runs of a session may have a key together: one
that was set aside keeps it, and the one that it was set aside for does not wait for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from itertools import count

from engine.errors import Conflict
from engine.kinds import TERMINAL, RunStatus
from engine.line import Line, Order, order_of
from engine.places import Contender, Reason
from engine.values import dataclass

REASONS = frozenset(Reason)


@dataclass(frozen=True, slots=True)
class _Entrant:
    """A run in line."""

    run: Contender
    order: Order
    shares: bool = False
    """Whether it stands in the line of all although its key is taken: it begins beside the one that has it."""


@dataclass(frozen=True, slots=True)
class _Ticket:
    """Stands in the line of all for the first of the line of a key that is free."""

    key: str
    order: Order


@dataclass(slots=True)
class Moves:
    """What follows from something: the runs that may begin now, and those that wait for something else than before."""

    begin: list[int] = field(default_factory=list)
    wait: list[tuple[int, Reason]] = field(default_factory=list)


class Admission:
    """Who runs, who waits, and for what; runs by their keys in the store. `max_runs` bounds how many are running."""

    def __init__(self, max_runs: int | None = None) -> None:
        self.max_runs = max_runs
        self.closed = False
        """Whether no run may begin."""
        self._running: set[int] = set()
        self._holders: dict[str, set[int]] = {}
        self._entrants: dict[int, _Entrant] = {}
        self._early: dict[int, Contender] = {}
        self._keyed: dict[str, Line[_Entrant]] = {}
        self._tickets: dict[str, _Ticket] = {}
        self._line: Line[_Entrant | _Ticket] = Line()
        self._numbers = count()

    # ---- who comes

    def restore(self, running: Iterable[int], runs: Iterable[Contender], now: int) -> Moves:
        """Take up what was before a restart. All are in line before the first of them begins; those that wait for
        something else than is decided here are left alone."""
        self._running.update(running)
        waiting = []
        for run in runs:
            if run.status is RunStatus.QUEUED:
                waiting += [run] if run.reason in REASONS else []
            elif run.concurrency_key is not None:
                self._holders.setdefault(run.concurrency_key, set()).add(run.run_key)
        for run in waiting:
            self._add(run, now)
        late = [run.run_key for run in waiting if run.reason == Reason.START_AT and run.run_key in self._entrants]
        moves = Moves(begin=self._serve())
        moves.wait = [(key, reason) for key in late if (reason := self.why(key)) is not None]
        return moves

    def enter(self, run: Contender, now: int, *, shares: bool = False) -> Reason | None:
        """Have a run begin: None where it may at once, else why it waits. One that has come before its time has to
        enter again when that has come. With `shares` it has its key together with the one that has it now. Nothing
        changes where it has entered already."""
        if not self.knows(run.run_key):
            self._add(run, now, shares)
            begun = self._serve()
            assert set(begun) <= {run.run_key}, "somebody waited who might have begun"
        return self.why(run.run_key)

    def knows(self, run_key: int) -> bool:
        """Whether a run is in line, or runs, or may."""
        return run_key in self._entrants or run_key in self._running

    def stands_well(self, run: Contender, *, shares: bool) -> bool:
        """Whether a run that has entered would stand where it does if it entered now."""
        if (entrant := self._entrants.get(run.run_key)) is not None:
            return entrant.shares == shares
        return shares or run.concurrency_key is None or self._holders.get(run.concurrency_key) == {run.run_key}

    def come(self, run_key: int, now: int) -> Moves:
        """The time of a run has come, unless it was cancelled."""
        run = self._early.get(run_key)
        reason = self.enter(run, now) if run is not None else None
        if run is None or reason is Reason.START_AT:
            return Moves()
        return Moves(begin=[run_key]) if reason is None else Moves(wait=[(run_key, reason)])

    def claim(self, run: Contender) -> None:
        """Have a run go on, or go on again, that does not wait in line. Raises Conflict where another one has its
        key."""
        key = run.concurrency_key
        if key is not None:
            have = self._holders.get(key, set())
            others = have - {run.run_key}
            if others and (run.run_key not in have or others & self._running):
                message = f"another run with the concurrency key '{key[:80]}' is under way; this one goes on after it"
                raise Conflict(message, "run.key_taken")
            self._hold(key, run.run_key)
        if run.status is RunStatus.RUNNING:
            self._running.add(run.run_key)

    # ---- who moves

    def moved(self, run: Contender) -> Moves:
        """Learn which status a run has come to."""
        if run.status in TERMINAL:
            return self.leave(run)
        if run.status is RunStatus.RUNNING:
            self._running.add(run.run_key)
        elif run.status is RunStatus.INTERRUPTED:
            self._running.discard(run.run_key)
        if run.status is not RunStatus.QUEUED and run.concurrency_key is not None:
            self._holders.setdefault(run.concurrency_key, {run.run_key})
            self._retract(run.concurrency_key)
        return Moves(begin=self._serve())

    def leave(self, run: Contender) -> Moves:
        """A run is over, or does not want to begin any more."""
        self._early.pop(run.run_key, None)
        self._running.discard(run.run_key)
        key = run.concurrency_key
        if (entrant := self._entrants.pop(run.run_key, None)) is not None:
            self._take_out(entrant)
        if key is not None:
            self._release(key, run.run_key)
        moves = Moves(begin=self._serve())
        if key is not None and key in self._tickets:
            moves.wait.append((self._keyed[key].first.run.run_key, Reason.MAX_RUNS))
        return moves

    def close(self, closed: bool) -> Moves:
        """Let no run begin from now on, or let them begin again."""
        self.closed = closed
        return Moves(begin=self._serve())

    @property
    def waiting(self) -> int:
        """How many runs wait, for whatever."""
        return len(self._entrants) + len(self._early)

    # ---- lines

    def _add(self, run: Contender, now: int, shares: bool = False) -> None:
        if run.start_at is not None and run.start_at > now:
            self._early[run.run_key] = run
            return
        self._early.pop(run.run_key, None)
        since = max(run.created_at, run.start_at or run.created_at)
        entrant = _Entrant(run, order_of(run.priority, since, next(self._numbers)), shares)
        self._entrants[run.run_key] = entrant
        if run.concurrency_key is None or shares:
            self._line.add(entrant)
        else:
            self._keyed.setdefault(run.concurrency_key, Line()).add(entrant)
            self._offer(run.concurrency_key)

    def _take_out(self, entrant: _Entrant) -> None:
        key = entrant.run.concurrency_key
        if key is None or entrant.shares:
            self._line.discard(entrant)
            return
        line = self._keyed[key]
        line.discard(entrant)
        if not line:
            del self._keyed[key]
        self._offer(key)

    def _offer(self, key: str) -> None:
        """Have the first of a key's line stand in the line of all, if the key is free."""
        first = self._keyed[key].first if key in self._keyed and key not in self._holders else None
        ticket = self._tickets.get(key)
        if first is not None and ticket is not None and ticket.order == first.order:
            return
        self._retract(key)
        if first is not None:
            self._tickets[key] = _Ticket(key, first.order)
            self._line.add(self._tickets[key])

    def _hold(self, key: str, run_key: int) -> None:
        self._holders.setdefault(key, set()).add(run_key)
        self._retract(key)

    def _release(self, key: str, run_key: int) -> None:
        have = self._holders.get(key, set())
        have.discard(run_key)
        if not have:
            self._holders.pop(key, None)
            self._offer(key)

    def _retract(self, key: str) -> None:
        if (ticket := self._tickets.pop(key, None)) is not None:
            self._line.discard(ticket)

    def _serve(self) -> list[int]:
        """Those who may begin now, in their order."""
        begun = []
        while self._line and not self.closed and (self.max_runs is None or len(self._running) < self.max_runs):
            found = self._line.take()
            run = self._take_key(found.key) if isinstance(found, _Ticket) else found.run
            if run.concurrency_key is not None:
                self._hold(run.concurrency_key, run.run_key)
            del self._entrants[run.run_key]
            self._running.add(run.run_key)
            begun.append(run.run_key)
        return begun

    def _take_key(self, key: str) -> Contender:
        del self._tickets[key]
        line = self._keyed[key]
        run = line.take().run
        if not line:
            del self._keyed[key]
        return run

    def why(self, run_key: int) -> Reason | None:
        """Why a run waits; None where it does not."""
        if run_key in self._early:
            return Reason.START_AT
        if (entrant := self._entrants.get(run_key)) is None:
            return None
        key = entrant.run.concurrency_key
        waits = key is not None and key in self._holders and not entrant.shares
        return Reason.CONCURRENCY_KEY if waits else Reason.MAX_RUNS
