"""The engine as the outer floors see it: start, resume, fork, cancel, delete, answer, wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from engine import control, gates, resume, stopping, travel
from engine.checks.document import check_config
from engine.claims import Claim
from engine.commits import Step
from engine.driver import queued, unanswered
from engine.driver.answering import Sent, attempt_of, was_taken
from engine.driver.delivery import Delivery
from engine.driver.door import Door
from engine.driver.loading import Loader, new_run
from engine.driver.loop import Loop
from engine.driver.making import make
from engine.driver.options import EngineOptions
from engine.driver.pushes import Pushes
from engine.driver.rebind import Rebind
from engine.driver.redrive import Redrive
from engine.driver.reports import Reports
from engine.driver.requests import StartRequest, asked_for, forked
from engine.driver.rights import Rights
from engine.driver.sessions import Sessions
from engine.driver.travel import Travel
from engine.driver.turn import RESTING, Live, Turn, is_resting
from engine.driver.works import SecretOf
from engine.errors import Conflict, Draining, EngineError, NotFound
from engine.graph import Graph
from engine.holds import Hold
from engine.limits import ROOM
from engine.model import TERMINAL, Hook, InterruptId, Push, Ref, RunHead, RunId, RunStatus, TaskId, run_key_of
from engine.outbox import Outbox
from engine.ports import InterruptRow, Store
from engine.travel import Wish

Also = Callable[[Turn, RunId], None]
"""Adds to a turn what is to be written in the same transaction as what is done to a run."""


class Engine:
    """Runs workflows. One per process; the store is its only memory.

    `graph` gives the parsed version of a workflow, `clock` milliseconds since the epoch, `new_id` fresh sortable ids,
    `chance` numbers in [0, 1), `secret_of` what authorises the answer to a request of a task, by how many came before
    and by the attempt.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        graph: Callable[[str, int], Awaitable[Graph]],
        *,
        clock: Callable[[], int],
        new_id: Callable[[], str],
        chance: Callable[[], float],
        secret_of: SecretOf,
        options: EngineOptions | None = None,
    ) -> None:
        self.store, self.graph, self.clock, self.new_id = store, graph, clock, new_id
        self.loader = Loader(store, graph)
        self.loop = Loop(store, self.loader, clock, options or EngineOptions())
        self.delivery = Delivery(self.loop, outbox, secret_of, chance)
        self.announcer = self.delivery.announcer
        self.reports = Reports(self.loop, outbox)
        self.door = Door(self.loop, self.delivery, self.loop.options.max_runs)
        self.travel = Travel(self.loop, self.loader, self.delivery, new_id, self.door.reclaim)
        self.redrive = Redrive(self.loop, self.travel)
        self.rebinding = Rebind(self.loop, self.delivery)
        self.pushes = Pushes(self.loop)
        self.rights = Rights(store, outbox, self._given)
        self.loop.on_batch = self.rights.follow
        self.draining = False
        self.sessions = Sessions(self.loop, self.loader, self.delivery, self.door, lambda: self.draining)
        self._next_key = 1
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take up every run that was under way, then work until `close`."""
        self._next_key = await self.store.next_run_key()
        moves = await self.door.restore()
        await self.loop.open()
        await self.sessions.line_up()
        self.door.shut(False)
        self.door.carry_out(moves)
        await self.sessions.open()
        for timer in await self.store.resting_timers():
            if timer.kind == ROOM:
                await self.loop.wake_up(timer.run_key)
            else:
                self.delivery.timers.set(timer.due_at, timer.run_key, timer.task_id, timer.kind)
        self._opening = asyncio.create_task(self._open_limits())
        await self.rights.open()

    async def _open_limits(self) -> None:
        """Have tasks that are limited wait until those count that workers hold, or that have their rooms, already."""
        for live in tuple(self.loop.lives.values()):
            with suppress(EngineError):
                if not live.dropped:
                    await self.loop.do(live, lambda turn, found: None)
        self.delivery.outbox.open()

    async def close(self) -> None:
        """Stop; what is planned already is committed. Close the outbox first, so that nothing new comes in."""
        self.delivery.timers.close()
        if self._opening is not None:
            self._opening.cancel()
        await self.rights.close()
        await self.door.close()
        self.sessions.close()
        await self.delivery.lookup.close()
        await self.loop.close()

    def drain(self, draining: bool = True) -> None:
        """Begin no run and send no task from now on, or do so again; what workers hold already is taken back."""
        self.draining = draining
        self.delivery.hold(draining, "drain")
        self.door.shut(draining)
        if not draining:
            self.loop.start(self.sessions.open())

    def require_beginning(self) -> None:
        """Raises Draining where no run is to begin."""
        if self.draining:
            raise Draining("the server is being drained and begins no runs; ask the next one")

    # ---- starting and forking

    async def start_run(
        self, request: StartRequest, actor: str = "api", claim: Claim | None = None, reason: str | None = None
    ) -> RunId:
        """Start a run; returns its id once the start is durable, with the key it was asked with. It may be queued, and
        begins then when its time has come; with a `reason` it is, and begins by `begin_run`. Raises Invalid."""
        check_config(request.config)
        graph = await self.graph(request.workflow_id, request.version)
        gates.check_stops(graph, (*(request.interrupt_before or ()), *(request.interrupt_after or ())))
        now, key, run_id = self.clock(), self.take_key(), RunId(self.new_id())
        head = asked_for(request, key, run_id, now, actor)
        if request.session is not None:
            self.require_beginning()
            return await self.sessions.start(head, request.session, request.on_busy, actor, claim)
        live = Live(run=new_run(head, graph), head=head)
        first = control.start(live.run, now, actor)
        self.require_beginning()
        reason = reason or self.door.enter(head)
        try:
            return await self._create(live, first if reason is None else reason, claim)
        except (EngineError, asyncio.CancelledError):
            if self.loop.live(run_id) is None:
                self.door.leave(head)
            raise

    async def begin_run(self, run_id: RunId) -> bool:
        """Begin a run that is queued; False where it does not wait any more. Durable on return. Raises NotFound."""
        return await self.loop.on_run(run_id, lambda turn, live: queued.begin(turn, live, self.delivery))

    async def fork(
        self,
        run_id: RunId,
        seq: int,
        wish: Wish,
        config: Mapping[str, Any],
        actor: str = "api",
        claim: Claim | None = None,
        hook: Hook | None = None,
        pushes: tuple[Push, ...] = (),
        also: Also | None = None,
    ) -> RunId:
        """Fork a run from its commit `seq`; returns the new run's id. Nobody is told of a fork but its own `hook` and
        `pushes`; `also` is written with it. Raises NotFound, Conflict or Invalid."""
        check_config(config)
        parent = await self.store.run(run_id)
        if parent is None:
            raise NotFound(f"there is no run '{run_id}'")
        now, run_id = self.clock(), RunId(self.new_id())
        head = forked(parent, seq, self.take_key(), run_id, now, actor, config=config, hook=hook, pushes=pushes)
        live = Live(run=await self.loader.forked(head, parent, seq), head=head)
        if wish.reuse is not None:
            whole = wish.graph is not None
            live.run.recall = await self.loader.recalled(parent, seq, wish.reuse, whole=whole)
        first = travel.fork(live.run, wish, now, actor)
        return await self._create(live, first, claim, also=also, answer_first=also is None)

    async def _create(
        self,
        live: Live,
        first: Step | str,
        claim: Claim | None,
        *,
        also: Also | None = None,
        answer_first: bool = False,
    ) -> RunId:
        """Have a new run begin with its first commit, or wait for a reason."""

        def create(turn: Turn, found: Live) -> RunId:
            turn.claim(claim, found.run.id)
            turn.failures.append(lambda error: self.door.leave(found.head))
            if isinstance(first, str):
                queued.queue(turn, found, first)
            else:
                turn.create(found)
                self.delivery.take(turn, found, first)
            if also is not None:
                also(turn, found.run.id)
            return found.run.id

        self.loop.recovery.require_store()
        self.require_beginning()
        return await make(self.loop, live, create, answer_first=answer_first)

    def take_key(self) -> int:
        """A key for a run that is to be made."""
        key, self._next_key = self._next_key, self._next_key + 1
        return key

    # ---- what is asked of a run

    async def resume(
        self,
        run_id: RunId,
        value: Any,
        updates: Mapping[str, Any],
        actor: str = "api",
        interrupt: str | None = None,
        push: Push | None = None,
        also: Also | None = None,
    ) -> None:
        """Answer open interrupts of a run, or the one named; from then on `push` is told of it too, and `also` is
        written with it. Raises NotFound, Conflict or Invalid."""
        row = await self.store.interrupt(interrupt) if interrupt is not None else None
        left = row is not None and row.status == "suspended"

        def act(turn: Turn, live: Live) -> None:
            run = live.run
            stopping.go_on(run)
            if left and interrupt not in run.interrupts:
                raise Conflict("the interrupt is on a branch that was left; check it out", "interrupt.other_branch")
            chosen = (
                resume.choose_interrupts(run, value)
                if interrupt is None
                else resume.choose_interrupt(run, InterruptId(interrupt), value)
            )
            plans = resume.resume(run, chosen, updates, actor)
            self.pushes.require_room(live, push)
            self.door.reclaim(turn, live)  # a run that was set aside may have its key together with another one
            if push is not None:
                self.pushes.put(turn, live, push)
            for plan in plans:
                self.delivery.take(turn, live, plan(turn.now))
            if also is not None:
                also(turn, live.run.id)

        await self.loop.on_run(run_id, act, answer_first=True)

    async def _given(self, asked: InterruptRow) -> None:
        """Go on where an agent has got the right that it needed. Raises NotFound or Conflict."""
        await self.resume(RunId(asked.run_id), None, {}, "agent", interrupt=asked.id)

    async def cancel(self, run_id: RunId, actor: str = "api", also: Also | None = None) -> None:
        """Cancel a run: final and immediate; `also` is written with it. Raises NotFound or Conflict."""

        def act(turn: Turn, live: Live) -> None:
            if live.run.status is RunStatus.QUEUED and live.head.seat is not None:
                self.sessions.give_up(turn, live, RunStatus.CANCELLED)
            else:
                self.delivery.take(turn, live, control.cancel(live.run, turn.now, actor))
            if also is not None:
                also(turn, live.run.id)
            self.delivery.leave(turn, live.run)

        await self.loop.on_run(run_id, act, answer_first=True)

    async def delete(self, run_id: RunId) -> None:
        """Delete a run that has ended, or is held, with all it owns. Raises NotFound or Conflict."""
        head = await self.store.run(run_id)
        if head is None:
            raise NotFound(f"there is no run '{run_id}'")
        if head.status not in TERMINAL and head.hold is None:
            raise Conflict(f"the run is {head.status}; cancel it before you delete it", "run.active")
        if head.seat is None:
            return await self._delete(head)
        async with self.sessions.turn(head.seat.session):
            await self._delete(head)
        self.sessions.nudge(head.seat.session)

    async def _delete(self, head: RunHead) -> None:
        left = await unanswered.suspended_in(self.store, head)
        if (live := self.loop.live(head.id)) is not None and live.busy:  # it is in a turn with others, who want theirs
            await self.loop.idle()
        self.loop.drop(head.key)
        await self.store.delete_run(head.key)
        unanswered.tell(self.delivery.outbox, left)
        await self._delete_unread(head.parent)

    async def delete_session(self, session: str) -> None:
        """Delete a session with all its runs, which have all ended. Raises NotFound or Conflict."""
        async with self.sessions.turn(session):
            first = await self.store.session_runs(session, 2, 1)
            left = await unanswered.suspended_in_session(self.store, session)
            await self.store.delete_session(session)
            unanswered.tell(self.delivery.outbox, left)
            gone = [live for live in self.loop.lives.values() if live.head.seat and live.head.seat.session == session]
            for live in gone:
                self.loop.drop(live.run.key)
        for head in first:
            await self._delete_unread(head.parent)

    async def _delete_unread(self, parent: Ref | None) -> None:
        """Delete the beginnings of runs that were here for the sake of a fork, which is gone, and of no other."""
        while parent is not None:
            above = await self.store.run_by_key(run_key_of(parent))
            if above is None or above.hold is not Hold.ANCESTOR or await self.store.forks_of(above.key):
                return
            try:
                await self.store.delete_run(above.key)
            except Conflict:  # another fork of it came in just now
                return
            parent = above.parent

    async def result(
        self, run_id: RunId, task_id: TaskId, body: Any, sent: Sent | None = None, raw: bytes | None = None
    ) -> bool:
        """Apply an answer that a worker posted, to what was `sent` (None: to the request that is open); False when it
        came too late. `raw` is its JSON text. Durable on return. Raises NotFound, or Invalid `artifact.missing`."""
        body, output = await self.delivery.incoming.ready(run_id, task_id, body, raw)

        def act(turn: Turn, live: Live) -> bool:
            progress = live.run.progress.get(task_id)
            attempt, taken = attempt_of(sent, progress), was_taken(sent, progress)
            return self.delivery.answer(turn, live, task_id, attempt, body, None, output, taken=taken)

        return await self.loop.on_run(run_id, act)

    # ---- waiting

    async def wait(self, run_id: RunId, timeout_s: float) -> None:
        """Return when the run is terminal or interrupted, durably, or the time is up."""
        live = self.loop.live(run_id)
        head = await self.store.run(run_id) if live is None else live.head
        if head is None or (live is None and (head.status in RESTING or head.hold is not None)):
            return

        def may_rest() -> bool:
            nonlocal live
            live = self.loop.lives.get(head.key, live)  # after a commit that failed, it is another one
            return live is not None and not live.dropped and is_resting(live.run)

        def rests() -> bool:
            return may_rest() and live is not None and not live.undurable and not live.inbox

        await self.loop.changed(head.key, rests, timeout_s, may_be=may_rest)
