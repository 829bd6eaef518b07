"""Sessions as the outer floors see them: runs begin in them one after another, and those that wait begin by themselves.

What is asked of one session happens one after another. All that is decided here is decided again in the turn that
writes it, and the store keeps two runs from one place: what has changed meanwhile is looked at anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import structlog

from engine import control, stopping
from engine.claims import Claim
from engine.commits import Step
from engine.driver.delivery import Delivery
from engine.driver.halting import halt
from engine.driver.loading import Loader, new_run
from engine.driver.loop import Loop
from engine.driver.turn import Live, Turn
from engine.errors import EngineError, Invalid, StaleCommit, StoreUnavailable
from engine.model import TERMINAL, ErrorInfo, RunHead, RunId, RunStatus, make_ref, seq_of
from engine.ports import Expected
from engine.run import Run
from engine.session import Last, OnBusy, Seat, Way, may_begin, way_in
from engine.succession import start_after

log = structlog.get_logger(__name__)
TRIES = 100
ACTOR = "session"
"""Who begins a run that has waited."""


class _Moved(EngineError):
    """A run that was looked at has gone on since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A run that is to begin: the one that began last, the last one of its workflow as it is stored, and the place."""

    last: RunHead | None
    before: RunHead | None
    stored: Run | None
    seat: Seat


class Sessions:
    """Begins runs in sessions. `draining` says that no run is to begin."""

    def __init__(self, loop: Loop, loader: Loader, delivery: Delivery, draining: Callable[[], bool]) -> None:
        self.loop, self.loader, self.delivery, self.draining = loop, loader, delivery, draining
        self.store = loader.store
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False
        loop.on_session = self.nudge

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
                except (_Moved, StaleCommit):
                    await asyncio.sleep(0)
        raise StoreUnavailable(f"session '{session}' did not come to rest; ask again")

    async def _start(self, head: RunHead, session: str, on_busy: OnBusy, actor: str, claim: Claim | None) -> RunId:
        await self._begin_waiting(session)
        last = await self.store.last_run(session)
        queue = await self.store.next_queued(session) is not None
        way = way_in(on_busy, self._standing(last), queue=queue, session=session)
        live = Live(run=new_run(head, await self.loader.graph(head.workflow_id, head.workflow_version)), head=head)
        if way is Way.WAIT:
            await self._queue(live, Seat(session=session, waits=on_busy), claim)
            await self._begin_waiting(session)
            return head.id
        joining = await self._joining(head, session, last)
        gone = await self._require_live(last) if way is Way.CANCEL and last is not None else None

        def begin(turn: Turn, found: Live) -> None:
            self._require_unmoved(joining, way, on_busy)
            first = self._first(joining, found, turn.now, actor)
            if gone is not None:
                first = self._in_place_of(turn, gone, joining, first, actor)
            self._sit_down(turn, found, joining, first)
            turn.create(found)
            if claim is not None:
                turn.batch.claims.append(claim.on(found.run.id, turn.now))
            self.delivery.take(turn, found, first)

        await self._adopt(live, begin)
        return head.id

    async def _queue(self, live: Live, seat: Seat, claim: Claim | None) -> None:
        """Have a run wait for its turn. What it was given is checked now as far as that can be said."""
        control.check_input(live.run.graph, live.run.input)
        live.head = replace(live.head, status=RunStatus.QUEUED, seat=seat)
        live.run.head = make_ref(live.run.key, 0)

        def wait(turn: Turn, found: Live) -> None:
            turn.create(found)
            turn.set_status(found, RunStatus.QUEUED)
            turn.batch.sessions[seat.session] = turn.now
            if claim is not None:
                turn.batch.claims.append(claim.on(found.run.id, turn.now))

        await self._adopt(live, wait)

    async def _adopt(self, live: Live, act: Callable[[Turn, Live], None]) -> None:
        self.loop.recovery.require_store()
        self.loop.adopt(live)
        try:
            await self.loop.do(live, act)
        except EngineError:
            self.loop.drop(live.run.key)
            raise

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

    async def go_on(self, session: str) -> None:
        """The same, done on return."""
        try:
            async with self.turn(session):
                await self._begin_waiting(session)
        except (StoreUnavailable, StaleCommit):
            asyncio.get_running_loop().call_later(self.loop.options.retry_store_ms / 1000, self.nudge, session)
        except Exception:  # the root of what is begun by itself: one session must not keep others back
            log.exception("session.stuck", session_id=session)

    async def _begin_waiting(self, session: str) -> None:
        while not self.draining():
            waiting, last = await self.store.next_queued(session), await self.store.last_run(session)
            seat = None if waiting is None else waiting.seat
            if waiting is None or seat is None or not may_begin(seat, self._standing(last)):
                await self._settle(last, stops=seat is not None and seat.waits is OnBusy.INTERRUPT)
                return
            try:
                await self._begin(waiting, seat, last)
            except _Moved:
                await asyncio.sleep(0)

    async def _begin(self, waiting: RunHead, seat: Seat, last: RunHead | None) -> None:
        """Begin a run that has waited; one whose input does not fit the state that it finds has failed."""
        joining = await self._joining(waiting, seat.session, last)
        live = await self._require_live(waiting)

        def begin(turn: Turn, found: Live) -> None:
            if found.run.status is not RunStatus.QUEUED:
                raise _Moved("the run does not wait any more")
            self._require_unmoved(joining, Way.BEGIN, seat.waits)
            try:
                first = self._first(joining, found, turn.now, ACTOR)
            except Invalid as invalid:
                found.run.error = ErrorInfo(code=invalid.reason, message=invalid.message, retryable=False)
                return self.give_up(turn, found, RunStatus.FAILED)
            self._sit_down(turn, found, joining, first)
            turn.seat(found)
            self.delivery.take(turn, found, first)

        await self.loop.do(live, begin)

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

    # ---- how a run begins

    async def _joining(self, head: RunHead, session: str, last: RunHead | None) -> Joining:
        before = await self.store.last_run(session, head.workflow_id)
        known = before is None or self.loop.live(before.id) is not None
        stored = None if before is None or known else await self.loader.at(before, seq_of(before.head))
        seat = Seat(session=session, place=await self.store.next_place(session))
        return Joining(last=last, before=before, stored=stored, seat=seat)

    def _standing(self, head: RunHead | None) -> Last | None:
        """How a run stands, as it is in memory where it is held there."""
        if head is None:
            return None
        live = self.loop.live(head.id)
        return Last(status=head.status if live is None else live.run.status, held=head.hold is not None)

    def _require_unmoved(self, joining: Joining, way: Way, on_busy: OnBusy | None) -> None:
        """Raise _Moved where the run that began last does not let another one begin any more."""
        last = self._standing(joining.last)
        rests = last is None or last.over or (on_busy is OnBusy.INTERRUPT and last.rests)
        if way is not Way.CANCEL and not rests:
            raise _Moved("the session is busy again")

    def _first(self, joining: Joining, live: Live, now: int, actor: str) -> Step:
        """The first commit of a run. Raises Invalid, or _Moved."""
        if joining.before is None:
            return control.start(live.run, now, actor)
        known = self.loop.live(joining.before.id)
        before = joining.stored if known is None else known.run
        if before is None:
            raise _Moved("the run before is not in memory any more")
        return start_after(live.run, before, now, actor)

    def _in_place_of(self, turn: Turn, gone: Live, joining: Joining, first: Step, actor: str) -> Step:
        """Cancel the run that goes on, in the same transaction."""
        if gone.dropped:
            raise _Moved("the run that goes on was read again")
        if gone.run.status not in TERMINAL:
            tasks = tuple(gone.run.progress)
            self.delivery.take(turn, gone, control.cancel(gone.run, turn.now, actor))
            turn.effects.append(lambda: self.delivery.cancel(tasks))
        if joining.before is None or joining.before.key != gone.run.key:
            return first
        return replace(first, commit=replace(first.commit, parent=gone.run.head))

    def _sit_down(self, turn: Turn, live: Live, joining: Joining, first: Step) -> None:
        """Give a run its place, and have nothing written unless the others stand as they do now. One that has stopped
        for its sake is free to go on, on a line of its own."""
        before, parent = joining.before, first.commit.parent
        parent_id = None if before is None else before.id
        live.head = replace(live.head, seat=joining.seat, parent=parent, parent_id=parent_id)
        turn.batch.sessions[joining.seat.session] = turn.now
        for head in filter(None, (joining.last, joining.before)):
            known = self.loop.live(head.id)
            version, epoch = (seq_of(head.head), head.epoch) if known is None else (known.run.seq, known.run.epoch)
            turn.batch.expected.setdefault(head.key, Expected(version=version, epoch=epoch))
            if known is not None and stopping.is_stopping(known.run):
                stopping.go_on(known.run)

    async def _require_live(self, head: RunHead) -> Live:
        live = self.loop.live(head.id) or await self.loop.load(head)
        if live is None:
            raise _Moved("the run is gone")
        return live
