"""Stays: tasks that no worker has, in line before their rooms, or in them until they are over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from dispatch._gates import Gates, Passing
from dispatch._rate import Later, Rates
from engine.limits import Gate, LimitReason, RateRule
from engine.line import Line, Order, order_of
from engine.model import RunId, TaskId
from engine.outbox import Stay

P = TypeVar("P", bound=Passing)


class Told(Protocol):
    """Who hears what becomes of stays: the listener of an outbox."""

    def moved_in(self, stay: Stay) -> None: ...
    def kept_out(self, stay: Stay, reason: str, passed: int) -> None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Lodger:
    """A task that takes its turn for its room, or has it."""

    stay: Stay
    order: Order
    passed: int = 0
    inside: bool = False
    reason: LimitReason | None = None
    holds: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.stay.task_id

    @property
    def within(self) -> tuple[str, ...]:
        return self.stay.room.within

    @property
    def gates(self) -> tuple[Gate, ...]:
        return self.stay.room.gates


class Stays(Generic[P]):
    """Who has a room, and who waits for one: before its gates, which are those of attempts too, or for its rate.

    `told` hears of it at once, and may come back with more. Whoever lets somebody leave the gates hands those who may
    go on to `settle`.
    """

    def __init__(
        self,
        gates: Gates[P | Lodger],
        clock: Callable[[], int],
        numbers: Iterator[int],
        told: Callable[[], Told],
        later: Later,
    ) -> None:
        self._gates, self._clock, self._numbers, self._told = gates, clock, numbers, told
        self._rates = Rates(later, self._rates_allow)
        self._lodgers: dict[TaskId, Lodger] = {}
        self._rated: dict[tuple[str, RateRule], Line[Lodger]] = {}

    @property
    def inside(self) -> Collection[TaskId]:
        """The tasks that have their rooms."""
        return {name for name, lodger in self._lodgers.items() if lodger.inside}

    def move_in(self, stay: Stay, *, here: bool = False) -> list[P]:
        """Have a task take its turn, or its room at once where it has been there before; the attempts that may go on
        with that, since they were in a ring with it."""
        lodger = self._lodgers.get(stay.task_id)
        if lodger is None:
            order = order_of(stay.priority, stay.since, next(self._numbers))
            lodger = self._lodgers[stay.task_id] = Lodger(stay=stay, order=order)
            if here:
                self._gates.force(lodger)
                lodger.inside = True
            else:
                return self.settle([lodger] if self._gates.enter(lodger) else self._gates.unknot(lodger))
        elif not here and lodger.inside:
            self._told().moved_in(lodger.stay)
        elif not here and lodger.reason is not None:
            self._told().kept_out(lodger.stay, lodger.reason.value, lodger.passed)
        return []

    def move_out(self, task_ids: Iterable[TaskId]) -> list[P]:
        """Have tasks give up their rooms, or their turns; others have them now. The attempts that may go on."""
        through: list[P | Lodger] = []
        for task_id in task_ids:
            if (lodger := self._lodgers.pop(task_id, None)) is not None:
                self._leave_lines(lodger)
                through += self._gates.leave(lodger)
        return self.settle(through)

    def move_out_of(self, run_id: RunId, but: Collection[TaskId]) -> list[P]:
        """The same of all tasks of a run but these."""
        own = [name for name, lodger in self._lodgers.items() if lodger.stay.run_id == run_id]
        return self.move_out([name for name in own if name not in but])

    def settle(self, through: Iterable[P | Lodger]) -> list[P]:
        """Have those find their rooms who have passed all of their gates; the attempts among them."""
        attempts: list[P] = []
        for one in through:
            if not isinstance(one, Lodger):
                attempts.append(one)
            elif self._lodgers.get(one.stay.task_id) is one:
                self._find_room(one)
        return attempts

    def keep_out(self, lodger: Lodger, reason: LimitReason) -> None:
        """Somebody has to wait, and is told why."""
        lodger.reason = reason
        self._told().kept_out(lodger.stay, reason.value, lodger.passed)

    def close(self) -> None:
        """Stop all timers."""
        self._rates.close()

    def _find_room(self, lodger: Lodger, first_for: tuple[str, RateRule] | None = None) -> None:
        """Have somebody have their room who is behind all gates, unless that would be too often; `first_for` is the
        rate for which they were first in line."""
        now = self._clock()
        for name, rule in lodger.stay.room.rates:
            others = (name, rule) != first_for and (name, rule) in self._rated
            if others or not self._rates.allow(name, rule, now):
                self._rated.setdefault((name, rule), Line()).add(lodger)
                return self.keep_out(lodger, LimitReason.NODE_RATE_LIMIT)
        for name, rule in lodger.stay.room.rates:
            self._rates.note(name, rule, now)
        lodger.inside, lodger.reason = True, None
        self._told().moved_in(lodger.stay)

    def _rates_allow(self) -> None:
        for name, rule in tuple(self._rated):
            while (line := self._rated.get((name, rule))) and self._rates.allow(name, rule, self._clock()):
                first = line.first
                self._leave_lines(first)
                self._find_room(first, (name, rule))

    def _leave_lines(self, lodger: Lodger) -> None:
        for rate in lodger.stay.room.rates:
            if (line := self._rated.get(rate)) is not None:
                line.discard(lodger)
                if not line:
                    del self._rated[rate]
