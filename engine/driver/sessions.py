"""Sessions as the outer floors see them: runs begin in them one after another, and those that wait begin by themselves.

What is asked of one session happens one after another. All that is decided here is decided again in the turn that
writes it, and the store keeps two runs from one place: what has changed meanwhile is looked at anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakValueDictionary

import structlog

from engine import control, stopping
from engine.claims import Claim
from engine.driver import queued
from engine.driver.beginnings import Beginnings, Joining, Moved, session_of
from engine.driver.delivery import Delivery
from engine.driver.door import Door
from engine.driver.halting import halt
from engine.driver.loading import Loader
from engine.driver.loop import Loop
from engine.driver.making import make
from engine.driver.turn import Live, Turn
from engine.errors import EngineError, Invalid, StaleCommit, StoreUnavailable
from engine.model import TERMINAL, ErrorInfo, RunHead, RunId, RunStatus, make_ref
from engine.places import Reason
from engine.session import OnBusy, Seat, Way, busy, way_in
from engine.values import replace

log = structlog.get_logger(__name__)
TRIES = 100
ACTOR = "session"
"""Who begins a run that has waited."""
Standing = tuple[RunHead | None, RunHead | None]
"""How a session stands: who waits and goes first, and the run that began last."""


class Sessions:
    """Begins runs in sessions. `draining` says that no run is to begin."""

    def __init__(
        self, loop: Loop, loader: Loader, delivery: Delivery, door: Door, draining: Callable[[], bool]
    ) -> None:
        self.loop, self.loader, self.delivery, self.door, self.draining = loop, loader, delivery, door, draining
        self.store, self.beginnings = loader.store, Beginnings(loop, loader)
        self._at_door: dict[str, RunHead] = {}
        """Who is next in its session, and waits for what is beside it, or is just beginning."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False
        loop.on_session = self.nudge
        door.on_turn, door.on_time = self.go_on, self.come

    def turn(self, session: str) -> asyncio.Lock:
        """What whoever changes a session holds meanwhile."""
        return self._turns.setdefault(session, asyncio.Lock())

    # ---- who asks

    async def start(self, head: RunHead, session: str, on_busy: OnBusy, actor: str, claim: Claim | None) -> RunId:
        """Start a run in a session, or have it wait for its turn; durable on return. Raises Conflict where the session
        is busy and nothing else is to be done, and Invalid."""
        async with self.turn(session):
            for _ in range(TRIES):
                try:
                    return await self._start(head, session, on_busy, actor, claim)
                except (Moved, StaleCommit):
                    await asyncio.sleep(0)
        raise StoreUnavailable(f"session '{session}' did not come to rest; ask again")

    async def _start(self, head: RunHead, session: str, on_busy: OnBusy, actor: str, claim: Claim | None) -> RunId:
        waiting, last = await self._begin_waiting(session)
        live, seat = await self.beginnings.new(head), Seat(session=session, waits=on_busy)
        if head.start_at is not None and head.start_at > self.loop.clock():
            await self._queue(live, seat, Reason.START_AT, claim)
            self.door.expect(head.key, head.start_at, session)
            return head.id
        way = way_in(on_busy, self.beginnings.standing(last), queue=waiting is not None, session=session)
        if way is Way.CANCEL and last is not None:
            await self._require_fits(head, session, last)
        if way is not Way.BEGIN or waiting is not None:
            await self._queue(live, seat, Reason.SESSION, claim)
            await self._begin_waiting(session, (head.id, actor))
        else:
            await self._enter(live, seat, await self.beginnings.joining(head, session, last), actor, claim)
        return head.id

    async def _enter(self, live: Live, seat: Seat, joining: Joining, actor: str, claim: Claim | None) -> None:
        """Begin a run that no other one of its session keeps from it, or have it wait for what else it has to."""
        head = live.head
        reason = self.door.enter_next(head, shares=self.beginnings.shares(head, joining.last))
        try:
            if reason is None:
                await self._begin_at_once(live, joining, seat.waits, actor, claim)
            else:
                waits = OnBusy.ENQUEUE if seat.waits is OnBusy.REJECT else seat.waits
                await self._queue(live, replace(seat, waits=waits), reason, claim)
                self._at_door[seat.session] = live.head
        except (EngineError, asyncio.CancelledError):
            if self.loop.live(head.id) is None:
                self.door.leave(head)
            raise

    async def _begin_at_once(
        self, live: Live, joining: Joining, on_busy: OnBusy | None, actor: str, claim: Claim | None
    ) -> None:
        def begin(turn: Turn, found: Live) -> None:
            self.beginnings.require_unmoved(joining, on_busy)
            first = self.beginnings.first(joining, found, turn.now, actor)
            self.beginnings.sit_down(turn, found, joining, first)
            turn.create(found)
            turn.claim(claim, found.run.id)
            self.delivery.take(turn, found, first)

        await self._adopt(live, begin)

    async def _require_fits(self, head: RunHead, session: str, last: RunHead) -> None:
        """Raise Invalid where the input does not fit what the run would begin with, so that nothing is cancelled for
        it, and Conflict where the run that goes on is held."""
        await self.beginnings.require_live(last)
        joining, live = await self.beginnings.joining(head, session, last), await self.beginnings.new(head)
        self.beginnings.first(joining, live, self.loop.clock(), ACTOR)

    async def _queue(self, live: Live, seat: Seat, reason: Reason, claim: Claim | None) -> None:
        """Have a run wait for its turn. What it was given is checked now as far as that can be said."""
        live.head = replace(live.head, status=RunStatus.QUEUED, seat=seat, reason=reason)
        control.check_input(live.run.graph, live.run.input)
        live.run.head = make_ref(live.run.key, 0)

        def wait(turn: Turn, found: Live) -> None:
            queued.queue(turn, found, reason)
            turn.batch.sessions[seat.session] = turn.now
            turn.claim(claim, found.run.id)

        await self._adopt(live, wait)

    async def _adopt(self, live: Live, act: Callable[[Turn, Live], None]) -> None:
        self.loop.recovery.require_store()
        await make(self.loop, live, act)

    # ---- who waits

    def nudge(self, session: str) -> None:
        """Have those begin that wait in a session and may: something has changed in it."""
        if not self._closed:
            self.loop.start(self.go_on(session))

    def close(self) -> None:
        """Begin nothing more by itself; the next engine does."""
        self._closed = True

    async def open(self) -> None:
        """Have those begin that wait in any session and may."""
        for session in await self.store.waiting_sessions():
            self.nudge(session)

    async def line_up(self) -> None:
        """Have the next one of each session stand at the door, before anybody begins."""
        for session in await self.store.waiting_sessions():
            waiting, last = await self._next(session)
            if waiting is not None and self.beginnings.way_on(waiting, last) is Way.BEGIN:
                self._at_door[session] = waiting
                self.door.enter_next(waiting, shares=self.beginnings.shares(waiting, last))

    async def go_on(self, session: str) -> None:
        """The same, done on return."""
        try:
            async with self.turn(session):
                await self._begin_waiting(session)
        except (StoreUnavailable, StaleCommit):
            asyncio.get_running_loop().call_later(self.loop.options.retry_store_ms / 1000, self.nudge, session)
        except Exception:  # the root of what is begun by itself: one session must not keep others back
            log.exception("session.stuck", session_id=session)
            self._leave_door(session)

    async def come(self, session: str, run_key: int) -> None:
        """The time of a run has come: it begins, or stands in the line of its session."""
        await self.go_on(session)
        with suppress(StoreUnavailable):  # then it says next time that it waits for its session
            head = await self.store.run_by_key(run_key)
            if head is not None and head.reason == Reason.START_AT:
                await self._say_why(head, Reason.SESSION)

    async def _begin_waiting(self, session: str, asked: tuple[RunId, str] | None = None) -> Standing:
        """Have those begin that wait and may, and tell how the session stands then; `asked` is one that was asked for
        just now, and who did."""
        while True:
            waiting, last = await self._next(session)
            if self.draining():
                return waiting, last
            way = self.beginnings.way_on(waiting, last)
            await self._come_back(session, waiting if way is Way.BEGIN else None)
            if waiting is None or way in (Way.WAIT, Way.STOP):
                await self._settle(last, stops=way is Way.STOP)
                return waiting, last
            actor = asked[1] if asked is not None and asked[0] == waiting.id else ACTOR
            try:
                if not await self._move(waiting, way, last, actor):
                    await self._settle(last, stops=False)
                    return waiting, last
            except Moved:
                await asyncio.sleep(0)

    async def _move(self, waiting: RunHead, way: Way, last: RunHead | None, actor: str) -> bool:
        """Do what is to be done for the first of those that wait; False where it has to wait for what is beside its
        session."""
        if way is Way.CANCEL and last is not None:
            await self._cancel(last, actor)
        elif way is Way.REFUSE:
            await self._refuse(waiting)
        elif (reason := self.door.enter_next(waiting, shares=self.beginnings.shares(waiting, last))) is None:
            await self._begin(waiting, last, actor)
        else:
            self._at_door[session_of(waiting)] = waiting
            await self._say_why(waiting, reason)
            return False
        return True

    async def _begin(self, waiting: RunHead, last: RunHead | None, actor: str) -> None:
        """Begin a run that has waited; one whose input does not fit the state that it finds has failed."""
        session = session_of(waiting)
        self._at_door[session] = waiting
        joining = await self.beginnings.joining(waiting, session, last)
        live = await self.beginnings.require_live(waiting)

        def begin(turn: Turn, found: Live) -> None:
            if found.run.status is not RunStatus.QUEUED or found.head.seat is None:
                raise Moved("the run does not wait any more")
            self.beginnings.require_unmoved(joining, found.head.seat.waits)
            try:
                first = self.beginnings.first(joining, found, turn.now, actor)
            except Invalid as invalid:
                found.run.error = ErrorInfo(code=invalid.reason, message=invalid.message, retryable=False)
                return self.give_up(turn, found, RunStatus.FAILED)
            self.beginnings.sit_down(turn, found, joining, first)
            turn.seat(found)
            self.delivery.take(turn, found, first)

        await self.loop.do(live, begin)
        self._at_door.pop(session, None)

    async def _cancel(self, last: RunHead, actor: str) -> None:
        """Cancel the run that goes on, for the next one cancels it."""

        def act(turn: Turn, found: Live) -> None:
            if found.run.status in TERMINAL:
                return
            self.delivery.take(turn, found, control.cancel(found.run, turn.now, actor))
            self.delivery.leave(turn, found.run)

        await self.loop.on_run(last.id, act)

    async def _refuse(self, waiting: RunHead) -> None:
        """End a run whose time has come while another one goes on, for which it does not wait."""
        refused = busy(session_of(waiting))

        def act(turn: Turn, found: Live) -> None:
            if found.run.status is RunStatus.QUEUED:
                found.run.error = ErrorInfo(code=refused.conflict, message=refused.message, retryable=False)
                self.give_up(turn, found, RunStatus.FAILED)

        await self.loop.on_run(waiting.id, act)

    async def _come_back(self, session: str, head: RunHead | None) -> None:
        """Have who stands at the door for a session wait for its session again, unless it is this run."""
        at_door = self._at_door.get(session)
        if at_door is None or (head is not None and head.key == at_door.key):
            return
        self._leave_door(session)
        if (left := await self.store.run_by_key(at_door.key)) is not None:
            await self._say_why(left, Reason.SESSION)

    def _leave_door(self, session: str) -> None:
        if (at_door := self._at_door.pop(session, None)) is not None:
            self.door.leave(at_door)

    async def _say_why(self, waiting: RunHead, reason: Reason) -> None:
        if waiting.reason != reason:
            await self.loop.on_run(waiting.id, lambda turn, found: queued.say(turn, found, reason))

    def give_up(self, turn: Turn, live: Live, status: RunStatus) -> None:
        """End a run that has waited and never begins."""
        before, seat = live.run.status, live.head.seat
        assert seat is not None
        live.head = replace(live.head, seat=replace(seat, waits=None))
        turn.set_status(live, status)
        turn.seat(live)
        self.delivery.announcer.follow(turn, live, before)

    async def _settle(self, last: RunHead | None, *, stops: bool) -> None:
        """Have the run that goes on stop where another one waits for that, or not any more."""
        live = None if last is None else self.loop.live(last.id)
        if last is None or last.hold is not None or (live is None and (not stops or last.status in TERMINAL)):
            return

        def act(turn: Turn, found: Live) -> None:
            if stops and found.run.status is RunStatus.RUNNING:
                halt(turn, found, self.delivery.take)
            elif not stops and stopping.is_stopping(found.run):
                stopping.go_on(found.run)

        if stops or (live is not None and stopping.is_stopping(live.run)):
            await self.loop.on_run(last.id, act)

    async def _next(self, session: str) -> Standing:
        """How a session stands in the store."""
        return await self.store.next_queued(session, self.loop.clock()), await self.store.last_run(session)
