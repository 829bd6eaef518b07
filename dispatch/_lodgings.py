"""Rooms without workers: what an outbox keeps of them that asks nobody, or that has room for every attempt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import count

from dispatch._beats import call_later
from dispatch._gates import Gates
from dispatch._stays import Lodger, Stays
from engine.model import RunId, TaskId
from engine.outbox import Listener, Stay


class Lodgings:
    """The part of an `engine.outbox.Outbox` that keeps rooms. `clock` gives milliseconds since the epoch."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._listener: Listener
        self._gates: Gates[Lodger] = Gates(lambda who, reason: self._stays.keep_out(who, reason))
        self._stays: Stays[Lodger] = Stays(self._gates, clock, count(), lambda: self._listener, call_later)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def open(self) -> None:
        self._stays.settle(self._gates.open())

    def move_in(self, stay: Stay, *, here: bool = False) -> None:
        self._stays.move_in(stay, here=here)

    def move_out(self, task_ids: Iterable[TaskId]) -> None:
        self._stays.move_out(task_ids)

    def move_out_of(self, run_id: RunId, but: Collection[TaskId] = ()) -> None:
        self._stays.move_out_of(run_id, but)

    async def close(self, grace_s: float) -> None:
        self._stays.close()
