"""The door: has runs begin when they may, and says why others wait. What it knows is found again in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import structlog

from engine.admission import Admission, Moves
from engine.driver import queued
from engine.driver.delivery import Delivery
from engine.driver.loop import Loop
from engine.driver.timers import Timers
from engine.driver.turn import Live, Turn
from engine.errors import EngineError
from engine.model import RunHead, RunStatus, TaskId
from engine.places import Reason, contender_of

log = structlog.get_logger(__name__)
START = "start"


class Door:
    """Stands between the runs that were asked for and the loop. Runs move on once it is durable that others have."""

    def __init__(self, loop: Loop, delivery: Delivery, max_runs: int | None) -> None:
        self.loop, self.delivery = loop, delivery
        self.admission = Admission(max_runs)
        self.timers = Timers(loop.clock, self._due)
        self.on_turn: Callable[[str], Awaitable[None]]
        """Has the next one of a session begin, where it may."""
        self.on_time: Callable[[str, int], Awaitable[None]]
        """The same where the time of a run has come."""
        self._sessions: dict[int, str] = {}
        """The sessions of runs whose time has not come."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        loop.on_moved = self.moved

    # ---- life

    async def restore(self) -> Moves:
        """Find out who runs and who waits, before anything moves; what follows is to be carried out when it can. Shut
        until then: sessions say first who is next in them."""
        running, runs = await self.loop.store.active_runs(), await self.loop.store.contenders()
        now, self.admission.closed = self.loop.clock(), True
        for run in runs:
            if run.status is RunStatus.QUEUED and run.start_at is not None and run.start_at > now:
                self.expect(run.run_key, run.start_at, run.session)
        free = [run for run in runs if run.status is not RunStatus.QUEUED or run.session is None]
        return self.admission.restore(running, free, now)

    async def close(self) -> None:
        """Begin no run any more; idempotent."""
        self._closed = True
        self.timers.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many runs wait for their turn or for their time."""
        return self.admission.waiting

    def shut(self, shut: bool) -> None:
        """Let no run begin that waits, or let them begin again."""
        self.carry_out(self.admission.close(shut))

    # ---- runs that come and go

    def enter(self, head: RunHead) -> Reason | None:
        """Have a new run begin: None where it may at once, else why it is to be queued."""
        reason = self.admission.enter(contender_of(head), self.loop.clock())
        if reason is Reason.START_AT and head.start_at is not None:
            self.expect(head.key, head.start_at)
        return reason

    def enter_next(self, head: RunHead, *, shares: bool) -> Reason | None:
        """The same for the next one of a session, which may have entered before. With `shares` another run of the
        session has its key, and was set aside for it."""
        run = contender_of(head)
        if self.admission.knows(run.run_key) and not self.admission.stands_well(run, shares=shares):
            self.leave(head)
        return self.admission.enter(run, self.loop.clock(), shares=shares)

    def leave(self, head: RunHead) -> None:
        """A run that entered is not there after all."""
        self.carry_out(self.admission.leave(contender_of(head)))

    def claim(self, head: RunHead) -> None:
        """Have a run go on that is over or was held. Raises Conflict where another one has its concurrency key."""
        self.admission.claim(contender_of(head))

    def reclaim(self, turn: Turn, live: Live) -> None:
        """The same for a run that a turn has go on, which may be lost."""
        before = live.head
        self.claim(before)
        turn.failures.append(lambda error: self.moved([before]))

    def moved(self, heads: Iterable[RunHead]) -> None:
        """Runs have come to other statuses, durably."""
        for head in heads:
            self.carry_out(self.admission.moved(contender_of(head)))

    def carry_out(self, moves: Moves) -> None:
        """Have runs begin, and say why others wait."""
        for key in moves.begin:
            self._start(self._try(key, self._begin))
        for key, _ in moves.wait:
            self._start(self._try(key, self._say_why))

    # ---- what is done with them

    def expect(self, run_key: int, at: int, session: str | None = None) -> None:
        """Have a run enter when its time has come, or be looked at in its session."""
        if session is not None:
            self._sessions[run_key] = session
        self.timers.set(at, run_key, TaskId(str(run_key)), START)

    def _due(self, run_key: int, task_id: TaskId, kind: str) -> None:
        session = self._sessions.pop(run_key, None)
        if session is not None:
            self._start(self._come(session, run_key))
        else:
            self.carry_out(self.admission.come(run_key, self.loop.clock()))

    async def _come(self, session: str, run_key: int) -> None:
        await self.on_time(session, run_key)

    async def _begin(self, live: Live) -> None:
        if live.head.seat is not None:
            return await self.on_turn(live.head.seat.session)
        await self.loop.do(live, lambda turn, found: queued.begin(turn, found, self.delivery))

    async def _say_why(self, live: Live) -> None:
        if (reason := self.admission.why(live.run.key)) is not None:
            await self.loop.do(live, lambda turn, found: queued.say(turn, found, reason), patient=True)

    async def _try(self, key: int, act: Callable[[Live], Awaitable[None]]) -> None:
        """Do something with a run that is queued; later, where the store does not take it now."""
        head = None
        try:
            head = await self.loop.store.run_by_key(key)
            live = self.loop.lives.get(key)
            if live is None and head is not None and head.status is RunStatus.QUEUED:
                live = await self.loop.load(head)
            if live is not None:
                await act(live)
        except EngineError as error:
            log.warning("run.begin_put_off", run_key=key, code=error.code)
            pause = self.loop.options.retry_store_ms / 1000
            asyncio.get_running_loop().call_later(pause, self._again, key, act)
        except Exception:  # the root of a run's beginning: one that cannot begin must not keep the others out
            log.exception("run.begin_failed", run_key=key)
            if head is not None:
                self.leave(head)

    def _again(self, key: int, act: Callable[[Live], Awaitable[None]]) -> None:
        if not self._closed:
            self._start(self._try(key, act))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
