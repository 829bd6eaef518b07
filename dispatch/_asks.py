"""Who asks for tasks: the open requests of workers that come for their work, and what each of them is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from dispatch._envelope import Envelope
from engine.model import TaskId
from engine.ports import WorkerRow

HANDING_S = 5.0
"""A task that was promised to an ask comes within a few turns of the event loop; this bounds the wait for it."""


@dataclass(slots=True, eq=False)
class Ask:
    """A request for up to `room` more tasks, each on a lease of so many milliseconds; `promised` are on their way."""

    worker_id: str
    room: int
    lease_ms: int
    promised: int = 0
    taken: list[Envelope] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    over: bool = False
    """Whether there is nothing to wait for any more."""

    def change(self) -> None:
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Return when it has been given what there is, or the time is up and nothing is on its way any more."""
        await self._until(lambda: bool(self.over or self.taken or self.promised), seconds)
        await self._until(lambda: not self.promised, HANDING_S)

    async def _until(self, holds: Callable[[], bool], seconds: float) -> None:
        if holds() or seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return


class Server(Protocol):
    """Who gives tasks to those that ask: the outbox."""

    def asked(self, worker: WorkerRow, *, visits: bool) -> None:
        """A worker has room for tasks; one that `visits` is not registered."""

    def lost(self, task_id: TaskId) -> None:
        """What a worker was given did not reach it: it goes to the next."""


class Asks:
    """The open asks by worker, those first that came first."""

    def __init__(self) -> None:
        self._open: dict[str, list[Ask]] = {}
        self._server: Server | None = None

    def serve(self, server: Server) -> None:
        """Have a server told of every ask."""
        self._server = server

    @contextmanager
    def open(self, worker: WorkerRow, most: int, lease_ms: int, *, visits: bool = False) -> Iterator[Ask]:
        """Ask for up to `most` tasks as long as the block lasts; what has not come by then goes elsewhere."""
        ask = Ask(worker.id, most, lease_ms)
        self._open.setdefault(worker.id, []).append(ask)
        try:
            if self._server is not None:
                self._server.asked(worker, visits=visits)
            yield ask
        finally:
            asks = self._open[worker.id]
            asks.remove(ask)
            if not asks:
                del self._open[worker.id]

    def give_back(self, ask: Ask) -> None:
        """What an ask was given did not reach its worker, who has hung up."""
        given, ask.taken = ask.taken, []
        for task in given:
            if self._server is not None:
                self._server.lost(task.task_id)

    def end_waiting(self) -> None:
        """Have nobody wait any more for what does not come."""
        for ask in (ask for asks in self._open.values() for ask in asks):
            ask.over = True
            ask.change()

    def has_room(self, worker_id: str) -> bool:
        """Whether a worker asks for another task."""
        return any(ask.room > 0 for ask in self._open.get(worker_id, ()))

    def promise(self, worker_id: str) -> None:
        """A task is on its way to a worker that asks."""
        for ask in self._open.get(worker_id, ()):
            if ask.room > 0:
                ask.room, ask.promised = ask.room - 1, ask.promised + 1
                ask.change()
                return

    def break_promise(self, worker_id: str) -> None:
        """A task that was on its way does not come."""
        for ask in self._open.get(worker_id, ()):
            if ask.promised > 0:
                ask.room, ask.promised = ask.room + 1, ask.promised - 1
                ask.change()
                return

    def hand(self, worker_id: str, task: Envelope) -> int | None:
        """Give a task to a worker: how long its lease is, in milliseconds; None where the worker does not ask."""
        asks = self._open.get(worker_id, ())
        ask = next((ask for ask in asks if ask.promised > 0), None) or next((ask for ask in asks if ask.room > 0), None)
        if ask is None:
            return None
        if ask.promised > 0:
            ask.promised -= 1
        else:
            ask.room -= 1
        ask.taken.append(task)
        ask.change()
        return ask.lease_ms
