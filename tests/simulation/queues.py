"""Sessions under the real loop: people start runs in them at random, workers answer, and the engine crashes. Runs have
priorities and keys, others of no session have the same keys, and only so many run at once.

Everything is chosen from what is durable, so that a seed is the same story with and without crashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from engine.driver import Engine, EngineOptions, StartRequest
from engine.errors import Conflict, StoreUnavailable
from engine.graph import Graph
from engine.model import TERMINAL, RunHead, RunId, RunStatus, seq_of
from engine.outbox import Answered, Work
from engine.places import Reason
from engine.ports import Batch, RunFilter
from engine.session import Last, OnBusy, Way, way_on
from engine.sessions import turn_of
from engine.verify import verify_run
from store.memory import MemoryStore
from tests.builders import chain, document, graph_of, task
from tests.fakes import HeldOutbox
from tests.simulation.fate import Violation

STATE = {"log": {"type": "array", "reducer": "append"}, "n": {"type": "integer", "reducer": "add"}}
CHAT = document(
    {"say": task(output_key="log"), "again": task(output_key="log")}, chain("say", "again"), STATE, id="chat"
)
ASK = document({"ask": {"type": "interrupt", "message": "?", "output_key": "log"}}, chain("ask"), STATE, id="ask")
PART = {"state_schema": STATE, "nodes": {"first": ASK["nodes"]["ask"], "then": ASK["nodes"]["ask"]}}
ROOM = document(
    {
        "part": {
            "type": "subgraph", "concurrency_key": "r", "output_key": "log",
            "definition": {**PART, "output": ["log"], "edges": [*map(list, chain("first", "then"))]},
        }
    },
    chain("part"), {**STATE, "log": {}}, id="room",
)  # fmt: skip
"""One graph at a time runs, over all runs."""
GRAPHS = {"chat": graph_of(CHAT), "ask": graph_of(ASK), "room": graph_of(ROOM)}
SESSIONS = ("a", "b")
KEYS = (None, "k", "k", "l")
STEPS = 40


class FragileStore(MemoryStore):
    """A store that may lose its next batch."""

    loses = False

    async def commit(self, batch: Batch, *rest: Any) -> None:
        if self.loses:
            self.loses = False
            raise StoreUnavailable("the batch is lost")
        await super().commit(batch, *rest)


async def _graph(workflow_id: str, version: int) -> Graph:
    return GRAPHS[workflow_id]


@dataclass
class Story:
    """One seed: what happens, and how the sessions stand after it. `crashes`, `losses` and `abrupt` are chances per
    step: an abrupt crash comes while what was asked last still has consequences."""

    seed: int
    crashes: float = 0.0
    losses: float = 0.0
    abrupt: float = 0.0
    max_runs: int | None = None
    turns: bool = False
    """Whether runs have keys and priorities, and there are some of no session."""
    rooms: bool = False
    """Whether there are runs with graphs that take turns, too."""
    store: FragileStore = field(default_factory=FragileStore)
    outbox: HeldOutbox = field(default_factory=HeldOutbox)
    told: list[str] = field(default_factory=list)
    """What happened."""

    def __post_init__(self) -> None:
        ids, ticks = count(1), count(1_000_000)
        self.new_id, self.clock = (lambda: f"run-{next(ids):03d}"), (lambda: next(ticks))
        self.engine = self._engine()
        self.order: dict[str, list[str]] = {session: [] for session in SESSIONS}
        self.waited: dict[str, dict[RunId, Any]] = {session: {} for session in SESSIONS}
        """Who waited after the step before, with their turns."""

    def _engine(self) -> Engine:
        self.outbox = HeldOutbox()
        return Engine(
            self.store, self.outbox, _graph, clock=self.clock, new_id=self.new_id, chance=lambda: 0.5,
            secret_of=lambda *made_for: "",
            options=EngineOptions(retry_store_ms=1, keep_idle=2, max_runs=self.max_runs),
        )  # fmt: skip

    async def play(self) -> list[tuple[Any, ...]]:
        """Let it all happen; how each run stands in the end."""
        chance, mishaps = Random(self.seed), Random(f"mishaps {self.seed}")
        await self.engine.open()
        for _ in range(STEPS):
            if mishaps.random() < self.crashes:
                await self._crash()
            self.store.loses = mishaps.random() < self.losses
            await self._happen(chance)
            self.store.loses = False
            if mishaps.random() < self.abrupt:
                await self._crash()
            await self._settle()
            await self._check()
        if self.turns:
            await self.finish()
        found = [await self._end(head) for head in await self._runs()]
        await self.engine.close()
        return found

    async def _crash(self) -> None:
        """Lose all that is in memory, and take the store up again."""
        for work in self.engine.loop._tasks | self.engine.door._tasks:
            work.cancel()
        self.engine.delivery.timers.close()
        self.engine = self._engine()
        await self.engine.open()
        await self._settle()

    async def _settle(self) -> None:
        """Wait until nothing happens by itself any more."""
        loop = self.engine.loop
        for _ in range(1000):
            await asyncio.sleep(0.001 if loop.recovery.fault or loop.recovery._lost else 0)
            beside = [one for one in loop._tasks if one.get_coro().__name__ not in ("_plan_forever", "_commit_forever")]  # type: ignore[union-attr]
            opening = [] if self.engine._opening is None else [self.engine._opening]
            await asyncio.gather(*beside, *opening, *self.engine.door._tasks, return_exceptions=True)
            if not (loop.recovery.fault or loop.recovery._lost or loop._queue):
                await loop.idle()
                if not (loop._queue or self.engine.door._tasks) and len(loop._tasks) == 2:
                    return
        raise Violation(f"the engine does not come to rest: {self.told[-5:]}")

    # ---- what happens

    async def _happen(self, chance: Random) -> None:
        acts: list[tuple[str, Callable[[Random], Awaitable[object]]]] = [
            ("start", self._start), ("start", self._start), ("answer", self._answer), ("answer", self._answer),
            ("resume", self._resume), ("cancel", self._cancel), ("delete", self._delete), ("two", self._two),
        ]  # fmt: skip
        acts += [("loose", self._loose)] if self.turns else []
        name, act = chance.choice(acts)
        try:
            self.told.append(f"{name} {await act(chance)}")
        except (Conflict, StoreUnavailable) as refused:
            self.told.append(f"{name} refused: {getattr(refused, 'conflict', refused.code)}")

    async def _start(self, chance: Random, session: str | None = None) -> object:
        workflow, on_busy = chance.choice(("chat", "chat", "ask")), chance.choice([*OnBusy])
        session = session or chance.choice(SESSIONS)
        number = chance.randrange(1, 100)
        asked = StartRequest(workflow_id=workflow, version=1, input={"n": number}, session=session, on_busy=on_busy)
        asked = self._with_turns(asked, chance)
        run = await self.engine.start_run(asked)
        return f"{workflow} {run} in {session} {on_busy} {asked.concurrency_key} {asked.priority}"

    async def _loose(self, chance: Random) -> object:
        """A run of no session."""
        known = ("room", "room", "ask") if self.rooms else ("chat", "ask")
        asked = self._with_turns(StartRequest(workflow_id=chance.choice(known), version=1), chance)
        return f"{asked.workflow_id} {await self.engine.start_run(asked)} {asked.concurrency_key} {asked.priority}"

    def _with_turns(self, asked: StartRequest, chance: Random) -> StartRequest:
        if not self.turns:
            return asked
        return replace(asked, concurrency_key=chance.choice(KEYS), priority=chance.choice((0, 0, 1)))

    async def _two(self, chance: Random) -> object:
        """Two starts at one moment."""
        session = chance.choice(SESSIONS)
        one, other = Random(chance.random()), Random(chance.random())
        found = await asyncio.gather(self._start(one, session), self._start(other, session), return_exceptions=True)
        return [one if isinstance(one, str) else getattr(one, "conflict", one) for one in found]

    async def _answer(self, chance: Random) -> object:
        works = sorted(self.outbox.works.values(), key=lambda work: work.task_id)
        if not works:
            return "nobody"
        work: Work = chance.choice(works)
        self.outbox.given[work.task_id] = work
        self.engine.delivery.dispatched(work, "w", self.clock(), 10**9)
        if chance.random() < 0.4:
            return f"{work.node} is held"
        self.outbox.release(work.task_id)
        self.engine.delivery.replied(work, "w", Answered(body=f"{work.node} of {work.run_id}"))
        return work.node

    async def _resume(self, chance: Random) -> object:
        asked = (await self.store.interrupts("open", None, 50, None)).items
        if not asked:
            return "nobody"
        row = chance.choice(sorted(asked, key=lambda row: row.id))
        value = None if row.kind == "breakpoint" else "yes"
        await self.engine.resume(RunId(row.run_id), value, {}, interrupt=row.id)
        return row.run_id

    async def _cancel(self, chance: Random) -> object:
        runs = [head for head in await self._runs() if head.status not in TERMINAL]
        if not runs or chance.random() < 0.5:
            return "nobody"
        head = chance.choice(runs)
        await self.engine.cancel(head.id)
        return head.id

    async def _delete(self, chance: Random) -> object:
        runs = [head for head in await self._runs() if head.status in TERMINAL]
        if not runs or chance.random() < 0.7:
            return "nobody"
        head = chance.choice(runs)
        await self.engine.delete(head.id)
        return head.id

    # ---- what must hold

    async def _runs(self) -> list[RunHead]:
        return sorted((await self.store.runs(RunFilter(), 1000, None)).items, key=lambda head: head.key)

    async def _check(self) -> None:
        for session in SESSIONS:
            await self._check_queue(session)
            await self._check_order(session)
        await self._check_turns()
        await self._check_rooms()

    async def _check_queue(self, session: str) -> None:
        """Nobody waits who may begin, and what waits has not begun."""
        waiting, last = await self.store.next_queued(session, self.clock()), await self.store.last_run(session)
        heads = [head for head in await self._runs() if head.seat and head.seat.session == session]
        for head in heads:
            waits = head.status is RunStatus.QUEUED
            begun = head.seat is not None and head.seat.place is not None
            if waits != bool(head.seat and head.seat.waits) or begun != bool(seq_of(head.head)) or (waits and begun):
                self._fail(f"{head.id} is {head.status}, with {seq_of(head.head)} commits in {head.seat}")
        if waiting is None or waiting.seat is None:
            return
        here = way_on(waiting.seat.waits, None if last is None else Last(status=last.status)) is Way.BEGIN
        if here == (waiting.reason == Reason.SESSION):
            self._fail(f"{waiting.id} waits for {waiting.reason}, and {last and last.id} is {last and last.status}")
        beside = [head.id for head in heads if head.status is RunStatus.QUEUED and head.reason != Reason.SESSION]
        if beside and beside != [waiting.id]:
            self._fail(f"{beside} do not wait for their session, where {waiting.id} is next")

    async def _check_turns(self) -> None:
        """Nobody waits for a key or for room that is there, and nobody has a key that another one has."""
        runs = await self._runs()
        begun = [head for head in runs if head.status not in TERMINAL and head.status is not RunStatus.QUEUED]
        running = [head for head in begun if head.status is RunStatus.RUNNING]
        have = {key: [head for head in begun if head.concurrency_key == key] for key in KEYS if key is not None}
        for key, heads in have.items():
            sessions = {head.seat.session if head.seat else head.id for head in heads}
            if len(sessions) > 1 or len([head for head in heads if head in running]) > 1:
                self._fail(f"{[head.id for head in heads]} have the key {key} at once")
        full = self.max_runs is not None and len(running) >= self.max_runs
        for head in runs:
            if head.status is not RunStatus.QUEUED or head.reason == Reason.SESSION:
                continue
            why = self.engine.door.admission.why(head.key)
            taken = bool(have.get(head.concurrency_key or ""))
            if why is None or not (full or (taken and why is Reason.CONCURRENCY_KEY)):
                self._fail(f"{head.id} waits for {why}, which is there")

    async def _check_rooms(self) -> None:
        """One graph at a time has its place, of a run that goes on, and nobody waits for a place that is there."""
        heads = [head for head in await self._runs() if head.workflow_id == "room"]
        begun = [head for head in heads if head.status not in TERMINAL and head.status is not RunStatus.QUEUED]
        have = [head for head in heads if any(row.kind == "room" for row in await self.store.timers(head.key))]
        if len(have) != bool(begun) or any(head not in begun for head in have):
            self._fail(f"{[head.id for head in have]} of {[head.id for head in begun]} have the one place")
        asked = (await self.store.interrupts("open", None, 50, None)).items
        if strangers := [row for row in asked if row.node in ("first", "then") and row.run_key != have[0].key]:
            self._fail(f"{strangers} ask without a place")

    async def finish(self) -> None:
        """Have all be answered, one after another: in the end nobody waits any more."""
        for _ in range(1000):
            runs = await self._runs()
            if all(head.status in TERMINAL for head in runs):
                return
            works = sorted(self.outbox.works.values(), key=lambda work: work.task_id)
            asked = sorted((await self.store.interrupts("open", None, 50, None)).items, key=lambda row: row.id)
            if not works and not await self._resume_one(asked):
                self._fail(f"nothing goes on: {[(head.id, head.status, head.reason, head.seat) for head in runs]}")
            for work in works[:1]:
                self.engine.delivery.dispatched(work, "w", self.clock(), 10**9)
                self.outbox.release(work.task_id)
                self.engine.delivery.replied(work, "w", Answered(body="at last"))
            await self._settle()
            await self._check()
        self._fail("it does not end")

    async def _resume_one(self, asked: list[Any]) -> bool:
        for row in asked:
            try:
                await self.engine.resume(
                    RunId(row.run_id), None if row.kind == "breakpoint" else "yes", {}, interrupt=row.id
                )
            except Conflict:
                continue
            return True
        return False

    async def _check_order(self, session: str) -> None:
        """Runs begin in the order in which they came, each from where the one before of its workflow stands."""
        begun = (await self.store.session_runs(session, None, 1000))[::-1]
        waits = {h.id: turn_of(h) for h in await self._runs() if h.seat and h.seat.waits and h.seat.session == session}
        known, before_them = self.order[session], self.waited[session]
        known[:] = [name for name in known if any(head.id == name for head in begun)]
        fresh = [head for head in begun if head.id not in known]
        if [head.id for head in begun[: len(known)]] != known:
            self._fail(f"the order of session {session} has changed: {[head.id for head in begun]} after {known}")
        known += [head.id for head in fresh]
        for name in (head.id for head in fresh if head.id in before_them):
            if overtaken := [one for one in before_them if one in waits and before_them[one] < before_them[name]]:
                self._fail(f"{name} has overtaken {overtaken}")
        self.waited[session] = waits
        for place, head in enumerate(begun):
            before = [one for one in begun[:place] if one.workflow_id == head.workflow_id]
            if (head.parent_id is None) != (not before) or (before and head.parent_id != before[-1].id):
                self._fail(f"{head.id} goes on from {head.parent_id}, and not from {before and before[-1].id}")
        if waits.keys() & set(known):
            self._fail(f"{waits.keys() & set(known)} wait, and have begun")

    async def _end(self, head: RunHead) -> tuple[Any, ...]:
        """How a run stands, which the checker finds right."""
        seat = head.seat and (head.seat.session, head.seat.place)
        if not seq_of(head.head):
            return head.id, head.status, seat, None
        report = await verify_run(self.store, head.id, _graph)
        if report.problems:
            self._fail(f"verify of {head.id}: {'; '.join(report.problems)}")
        run = await self.engine.loader.at_head(head)
        if run.history.shown() != report.state:
            self._fail(f"{head.id} shows {run.history.shown()}, folded anew it is {report.state}")
        return head.id, head.status, seat, report.state

    def _fail(self, message: str) -> None:
        raise Violation(f"seed {self.seed}: {message}\n" + "\n".join(self.told[-12:]))
