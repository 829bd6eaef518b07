"""The loop: runs in memory, turns of planning, and commits in groups, after which everything else follows."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sized
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeVar

import structlog

from engine.commits import Step
from engine.driver.carrier import Carrier
from engine.driver.company import wait_for_company
from engine.driver.guests import Guests
from engine.driver.loading import Loader
from engine.driver.notes import Notes
from engine.driver.options import EngineOptions
from engine.driver.queue import Queue
from engine.driver.recovery import Recovery
from engine.driver.tally import Tally
from engine.driver.turn import Live, Turn, is_idle
from engine.driver.watched import ALL, Watched
from engine.errors import EngineError, NotFound, StoreUnavailable
from engine.holds import require_free
from engine.model import RunHead, RunId
from engine.planner import step
from engine.ports import Batch, Store

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Loop(Watched):
    """Plans runs in turns of a few milliseconds and writes each turn as one transaction."""

    def __init__(self, store: Store, loader: Loader, clock: Callable[[], int], options: EngineOptions) -> None:
        super().__init__()
        self.store, self.loader, self.clock, self.options = store, loader, clock, options
        self.carrier: Carrier
        self.on_session: Callable[[str], None] = lambda session: None
        """Told of a session in which a run has come to another status."""
        self.lives: OrderedDict[int, Live] = OrderedDict()
        self.keys: dict[RunId, int] = {}
        self._loading, self._queue = dict[RunId, asyncio.Lock](), Queue()
        self.notes = Notes(options.note_ms / 1000, self._flush_now)
        self.guests = Guests()
        self._wake, self._rows = asyncio.Event(), asyncio.Event()
        self._turn: Turn | None = None
        self._overdue = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.tally = Tally()
        self.on_moved: Callable[[list[RunHead]], None] = lambda heads: None
        """Told of the runs that have come to another status, durably."""
        self.on_batch: Callable[[Batch], None] = lambda batch: None
        """Told of what has been written."""
        self.recovery = Recovery(store, self, options.retry_store_ms / 1000)

    # ---- life

    async def open(self) -> None:
        """Take up every run that was under way, then plan and commit until `close`."""
        for work in (self._plan_forever(), self._commit_forever()):
            self._tasks.add(asyncio.create_task(work))
        for key in await self.store.active_runs():
            try:
                await self.revive(key)
            except Exception:  # the root of a run's revival: one that cannot be read must not keep the others down
                log.exception("run.revival_failed", run_key=key)

    async def close(self) -> None:
        """Stop planning; what is planned already is committed."""
        while (self._queue or self.notes or self._turn is not None) and self.recovery.fault is None:
            await self.idle()
        await self.recovery.close()
        self.notes.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def idle(self) -> None:
        """Wait until everything that was asked so far is durable, or has failed."""
        self.notes.hurry()
        with suppress(EngineError):
            await self.write(lambda turn: None)

    async def write(self, add: Callable[[Turn], None]) -> None:
        """Have something written that is of no run in memory; returns once it is durable. Raises StoreUnavailable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn = self._current()
        add(turn)
        turn.effects.append(lambda: None if done.done() else done.set_result(None))
        turn.failures.append(lambda error: _fail(done, error))
        self._rows.set()
        await done

    def wake(self, key: int) -> None:
        """Take up a run that is not in memory: the time of one of its timers has come."""
        self.start(self.wake_up(key))

    async def wake_up(self, key: int) -> None:
        """The same, at once."""
        try:
            await self.revive(key)
        except StoreUnavailable:
            asyncio.get_running_loop().call_later(self.options.retry_store_ms / 1000, self.wake, key)
        except Exception:  # the root of a run's revival: one that cannot be read must not keep the others down
            log.exception("run.revival_failed", run_key=key)

    async def revive(self, key: int) -> None:
        """Take up a run that was under way."""
        head = await self.store.run_by_key(key)
        if head is not None:
            await self.load(head)

    # ---- planning

    async def _plan_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and self.recovery.fault is None:
                turn_ms = self.options.guest_ms if self.guests else self.options.turn_ms
                self._plan_some(perf_counter() + turn_ms / 1000)
                self._flush_soon()
                await asyncio.sleep(0)

    def _plan_some(self, until: float) -> None:
        """Plan those first that somebody asked something, who then does not wait long for what others do. However much
        is asked, the others go on too."""
        turn = self._current()
        turn.now, turn.until = self.clock(), until
        if self._queue.asked:
            self._plan_all(turn, self._queue.asked, self._queue.next_asked)
            turn.until = perf_counter() + self.options.answer_ms / 1000
        self._plan_all(turn, self._queue.others, self._queue.next_other)

    def _plan_all(self, turn: Turn, queue: Sized, take: Callable[[], Live]) -> None:
        while queue:
            self._try_to_advance(turn, take())
            if not self._has_time(turn):
                return

    def _has_time(self, turn: Turn) -> bool:
        return perf_counter() < turn.until and len(turn.batch.commits) <= self.options.max_rows

    def _try_to_advance(self, turn: Turn, live: Live) -> None:
        try:
            if not live.dropped and not self._advance(turn, live):
                self.schedule(live)
        except Exception as error:  # the root of all planning: a mistake costs one run its place in memory, no more
            log.exception("run.planning_failed", run_id=live.run.id)
            self.drop(live.run.key, error)

    def _advance(self, turn: Turn, live: Live) -> bool:
        """Plan a run as far as it goes; False when the time was up before."""
        acts, live.notes, live.inbox, waits = live.notes + live.inbox, [], [], live.answering
        for act in acts:
            act(turn)
        live.waiting.clear()
        while live.run.seq and not waits:  # a run that was refused when it was to begin has nothing to go on with
            found = step(live.run, turn.now)
            if found is None:
                return True
            if isinstance(found, Step):
                self.carrier.take(turn, live, found)
            else:
                self.carrier.begin(turn, live, found)
            if not self._has_time(turn):
                return live.answering
        return True

    def _flush_soon(self) -> None:
        """Have what was planned written: now, or, where nobody waits for it, with whatever comes in the meantime."""
        if self._turn is not None and (self._turn.urgent or self._overdue):
            self._rows.set()
        elif self._turn is not None:
            self.notes.expect()

    def _flush_now(self, noted: list[Live]) -> None:
        """Have written what nobody waits for, once the notes are planned that have waited with it."""
        self._overdue = True
        for live in noted:
            self.schedule(live)
        if not noted:
            self._rows.set()

    def _current(self) -> Turn:
        self._turn = self._turn or Turn(now=self.clock())
        return self._turn

    def schedule(self, live: Live) -> None:
        """Have a run looked at in the next turn."""
        if not live.dropped and self._queue.add(live):
            self._wake.set()

    # ---- committing

    async def _commit_forever(self) -> None:
        while True:
            await self._rows.wait()
            self._rows.clear()
            while (turn := self._turn) is not None and (turn.urgent or self._overdue):
                if not self.guests:
                    await wait_for_company(turn, self.carrier)
                self._turn, self._overdue = None, False
                await self._commit(turn)

    async def _commit(self, turn: Turn) -> None:
        begun = perf_counter()
        try:
            turn.seal()
            if not turn.batch.empty:
                await self.store.commit(turn.batch, turn.make_ready)
        except EngineError as error:
            return self._undo(turn, error)
        except Exception as error:  # the root of all commits: whatever a store does wrong, nothing of the batch holds
            log.exception("commit.broken")
            return self._undo(turn, StoreUnavailable(f"the store failed: {type(error).__name__}"))
        self.tally.take(turn, perf_counter() - begun)
        turn.carry_out()
        self.on_moved(turn.arrived)
        self.on_batch(turn.batch)
        for session in dict.fromkeys(turn.sessions):
            self.on_session(session)
        aloud = turn.aloud()
        for key, live in turn.touched.items():
            live.undurable -= 1
            self._notify(key, aloud=key in aloud)
        self.tell_all()
        self._forget_idle()

    def _undo(self, turn: Turn, error: EngineError) -> None:
        """Nothing of the batch was written: forget its runs, and what was planned on top, and read them again."""
        turns = [turn] if self._turn is None else [turn, self._turn]
        self._turn = None
        self.tally.lost += 1
        log.error("commit.failed", error=error.message, code=error.code, runs=len(turn.touched))
        keys = {key for failed in turns for key in failed.touched}
        for key in keys:
            self.drop(key, error)
        for failed in turns:
            for tell in failed.failures:
                tell(error)
        self.recovery.lost(keys, error)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done beside, until it is done or the loop is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop_work(self, error: StoreUnavailable) -> None:
        """Plan nothing and send nothing more; whoever waits is told why, and nothing that was asked is done later."""
        self.carrier.hold(True)
        for live in tuple(self.lives.values()):
            live.refuse(error)

    def go_on_with_work(self) -> None:
        """Plan and send again."""
        self.carrier.hold(False)
        self._wake.set()

    # ---- the cache

    def adopt(self, live: Live) -> None:
        """Hold a run in memory."""
        self.lives[live.run.key] = live
        self.keys[live.run.id] = live.run.key

    def live(self, run_id: RunId) -> Live | None:
        """The run in memory, if it is held."""
        return self.lives.get(self.keys.get(run_id, -1))

    def drop(self, key: int, why: BaseException | None = None) -> None:
        """Forget a run that is in memory: what is durable can be read again. Whoever waits for it is told why."""
        live = self.lives.pop(key, None)
        if live is None:
            return
        live.dropped = True
        live.refuse(why or StoreUnavailable("the run was dropped from memory; ask again"))
        self.keys.pop(live.run.id, None)
        self.carrier.let_go(live)
        self._notify(key)

    def tell_all(self) -> None:
        """Tell who watches all runs that something has become durable."""
        if ALL in self.watchers:
            self.notify(ALL, kept=False)

    def _notify(self, key: int, *, aloud: bool = True) -> None:
        self.notify(key, kept=key in self.lives, aloud=aloud)

    def _forget_idle(self) -> None:
        """Give back the memory of runs that wait for nothing this process holds, the oldest first."""
        if len(self.lives) <= 2 * self.options.keep_idle:
            return
        resting = [live for live in self.lives.values() if is_idle(live)]
        for live in resting[: -self.options.keep_idle or None]:
            self.lives.pop(live.run.key)
            self.forget_changes(live.run.key)
            self.keys.pop(live.run.id, None)

    async def load(self, head: RunHead) -> Live | None:
        """The run in memory, read from the store if need be; then its open work is taken up again. Raises Conflict
        where it is held."""
        lock = self._loading.setdefault(head.id, asyncio.Lock())
        async with lock:
            if (known := self.live(head.id)) is not None:
                return known
            if (newest := await self.store.run(head.id)) is None:
                return None
            require_free(newest)
            live = Live(run=await self.loader.at_head(newest), head=newest, served=await self.loader.served(newest))
            await self.loader.recall(live.run, newest)
            await self.loader.hold_back(live.run, newest, self.clock())
            self.adopt(live)
            self.ask(live, self._take_up)
        self._loading.pop(head.id, None)
        return live

    def _take_up(self, turn: Turn, live: Live) -> None:
        """Whoever watched the run when it was dropped may have missed what was written then."""
        self.carrier.go_on(turn, live)
        turn.effects.append(lambda: self._notify(live.run.key))
        if (seat := live.head.seat) is not None:
            turn.effects.append(lambda: self.on_session(seat.session))

    # ---- asking a run

    def ask(self, live: Live, act: Callable[[Turn, Live], Any]) -> None:
        """Have something done with a run in the next turn."""
        live.inbox.append(lambda turn: act(turn, live))
        self.schedule(live)

    async def on_run(
        self, run_id: RunId, act: Callable[[Turn, Live], T], *, patient: bool = False, answer_first: bool = False
    ) -> T:
        """Have something done with a run; returns once it is durable. Raises NotFound, and what `act` raises."""
        self.recovery.require_store()
        live = self.live(run_id)
        if live is None:
            head = await self.store.run(run_id)
            live = await self.load(head) if head is not None else None
        if live is None:
            raise NotFound(f"there is no run '{run_id}'")
        return await self.do(live, act, patient=patient, answer_first=answer_first)

    async def do(
        self, live: Live, act: Callable[[Turn, Live], T],
        *, patient: bool = False, answer_first: bool = False, soon: bool = False,
    ) -> T:  # fmt: skip
        """Have something done in the next turn; returns once it is durable, raises what it raised.

        Who is `patient` waits a little for company, so that many who note something share a transaction. With `soon`
        the turn ends soon, whatever there is to plan. With `answer_first` it does, and the run goes on only when
        whoever asked has the answer, and may read the run as it was left.
        """
        self.recovery.require_store()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def attempt(turn: Turn, found: Live) -> None:
            if done.done():
                return  # it was refused meanwhile, or nobody waits any more
            try:
                value = act(turn, found)
            except EngineError as error:
                _fail(done, error)
                return
            effects = turn.patient if patient else turn.effects
            effects.append(lambda: None if done.done() else done.set_result(value))
            turn.failures.append(lambda error: _fail(done, error))
            if answer_first and not found.answering:
                found.answering = True
                effects.append(lambda: self._let_go_on(found))
            if soon or answer_first:
                turn.end_within(self.options.answer_ms / 1000)

        live.waiting.append(lambda error: _fail(done, error))
        self.ask(live, attempt)
        return await done

    def _let_go_on(self, live: Live) -> None:
        """Plan a run again, after those who wait for it have had their turn."""

        def go_on() -> None:
            live.answering = False
            self.schedule(live)

        asyncio.get_running_loop().call_soon(go_on)


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
