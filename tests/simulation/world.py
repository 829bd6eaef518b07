"""The world of a simulated run: the rows that are durable, the run in memory, and what workers and timers hold.

It stands where the event loop stands in production, with the same turns, loader and delivery. Nothing happens by
itself: a test, or `schedule`, says what comes next, how far a turn plans, and whether its batch is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

from engine import control, resume, stopping, travel
from engine.codec import read
from engine.commits import Step
from engine.driver.delivery import Delivery
from engine.driver.loading import Loader, new_run
from engine.driver.options import EngineOptions
from engine.driver.travel import Travel
from engine.driver.turn import Live, Turn
from engine.gates import NO_STOPS, Stops
from engine.graph import Graph, deep_merge
from engine.joins import recount
from engine.model import TERMINAL, Commit, Hook, InterruptId, RunHead, RunId, RunStatus, TaskId, make_ref, seq_of
from engine.outbox import Accepted, Answered, Reply, Work
from engine.planner import step
from engine.ports import CommitRow
from engine.record import decode
from engine.render import branch_name
from engine.run import Run
from engine.session import Seat
from engine.succession import start_after
from engine.verify import line_of
from tests.fakes import HeldOutbox, HeldTimers, RowStore, ready
from tests.simulation.fate import Fate, Violation
from tests.simulation.notes import Notes

START_OF_TIME = 1_000_000
WORKER = "worker"
SESSION = "talk"
"""The session of the runs that go on from others."""
HOOK = Hook(url="http://told.test", events=(*TERMINAL, RunStatus.INTERRUPTED))
"""Every run tells whenever it ends or waits."""
T = TypeVar("T")

Act = Callable[[Turn, Live], Any]


@dataclass
class World:
    """Runs of one graph in one store; one of them is in memory at a time."""

    graph: Graph
    others: Mapping[int, Graph] = field(default_factory=dict)
    """The other versions of the workflow."""
    first_version: int = 1
    """The version that runs begin with."""
    store: RowStore = field(default_factory=RowStore)
    outbox: HeldOutbox = field(default_factory=HeldOutbox)
    timers: HeldTimers = field(default_factory=HeldTimers)
    options: EngineOptions = field(default_factory=EngineOptions)
    now: int = START_OF_TIME
    fate: Fate = field(default_factory=Fate)
    lives: dict[int, Live] = field(default_factory=dict)
    idle: bool = True
    seen: list[Work] = field(default_factory=list)
    """Every attempt that was sent."""
    deadlines: dict[tuple[str, int], int] = field(default_factory=dict)
    """When each is given up; what is sent again after a crash has no more time than it had."""
    later: list[Act] = field(default_factory=list)
    """What is to be done in the next turns, since something that followed a turn has asked for it."""
    carrying_out: bool = False
    rings: bool = False
    """Whether tasks have waited for one another in a ring: since then more may have a place than there are."""
    read: dict[int, dict[int, Commit]] = field(default_factory=dict)
    """Commits that were decoded, by run."""

    def __post_init__(self) -> None:
        self.notes = Notes(self.turn, lambda: self.fate.keeps)
        self.loader = Loader(self.store, self._graph)  # type: ignore[arg-type]  # the part of a store that it reads
        self.delivery = Delivery(self, self.outbox, lambda *_: "", lambda: 0.5)  # type: ignore[arg-type]
        self.outbox.now = self.clock
        self.delivery.timers = self.timers  # type: ignore[assignment]
        names = map(str, count(1))
        self.travel = Travel(self, self.loader, self.delivery, lambda: next(names))  # type: ignore[arg-type]

    async def _graph(self, workflow_id: str, version: int) -> Graph:
        return self.graphs[version]

    @property
    def graphs(self) -> dict[int, Graph]:
        """All versions of the workflow."""
        return {self.graph.version: self.graph, **self.others}

    # ---- what the delivery takes for the loop

    def clock(self) -> int:
        return self.now

    def live(self, run_id: RunId) -> Live | None:
        return next((live for live in self.lives.values() if live.run.id == run_id), None)

    def wake(self, key: int) -> None:
        """A run that is not in memory is to be taken up: it is a stranger's."""

    def ask(self, live: Live, act: Act) -> None:
        if self.carrying_out:
            self.later.append(act)
        else:
            self.turn(act)

    async def on_run(self, run_id: RunId, act: Callable[[Turn, Live], T], *, answer_first: bool = False) -> T:
        """Have something done with the run in memory, durably."""
        found: list[T] = []
        self.turn(lambda turn, live: found.append(act(turn, live)), kept=True)
        return found[0]

    # ---- the run in memory

    @property
    def here(self) -> Live:
        return next(iter(self.lives.values()))

    @property
    def run(self) -> Run:
        return self.here.run

    @property
    def head(self) -> RunHead:
        """The run's row, as it was written last."""
        return self.store.heads[self.here.run.key]

    def rows(self) -> list[CommitRow]:
        """The rows of the run's whole line, those of the runs that it was forked from first."""
        stored = {make_ref(row.run_key, row.seq): row for rows in self.store.rows.values() for row in rows}
        return line_of(stored, self.store.rows[self.head.key][-1])

    def commits(self) -> list[Commit]:
        """The commits of the run's whole line, from its rows."""
        found: list[Commit] = []
        for row in self.rows():
            known = self.read.setdefault(row.run_key, {})
            if row.seq not in known:
                known[row.seq] = decode(row)
            found.append(known[row.seq])
        return found

    def start(
        self, given: Mapping[str, Any] | None = None, config: Mapping[str, Any] | None = None, stops: Stops = NO_STOPS
    ) -> None:
        """Start a run; it is planned as far as `fate` says."""
        key = len(self.store.heads) + 1
        asked = zip((stops.before, stops.after), stops.inside, strict=True)
        before, after = (tuple(sorted((*own, *inside))) for own, inside in asked)
        head = _head(
            key, self.now, RunId(f"run-{key}"), input=dict(given or {}), config=dict(config or {}),
            interrupt_before=before, interrupt_after=after,
        )  # fmt: skip
        head = replace(head, workflow_version=self.first_version)
        run = new_run(head, self.graphs[self.first_version])
        self._begin(Live(run=run, head=head), control.start(run, self.now, "test"))

    def fork(
        self,
        seq: int,
        updates: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        version: int | None = None,
        goto: tuple[str, ...] | None = None,
    ) -> None:
        """Fork the run in memory from one of its commits; the fork is in memory from then on."""
        parent, key = self.head, len(self.store.heads) + 1
        at = make_ref(parent.key, seq)
        head = replace(
            _head(key, self.now, RunId(f"run-{key}"), input=parent.input),
            head=at,
            parent=at,
            parent_id=parent.id,
            origin_id=parent.origin_id,
            interrupt_before=parent.interrupt_before,
            interrupt_after=parent.interrupt_after,
            config=deep_merge(parent.config, config or {}),
        )
        run = ready(self.loader.forked(head, parent, seq))
        wish = travel.Wish(updates=updates or {}, goto=goto, graph=self.graphs[version] if version else None)
        first = travel.fork(run, wish, self.now, "test")
        self._begin(Live(run=run, head=head), first)

    def go_on(self, given: Mapping[str, Any] | None = None, version: int | None = None) -> None:
        """Start a run that goes on from the one in memory, in the session of both; it is in memory from then on."""
        parent, key = self.head, len(self.store.heads) + 1
        graph = self.graphs[version or parent.workflow_version]
        head = replace(
            _head(key, self.now, RunId(f"run-{key}"), input=dict(given or {}), config=parent.config),
            parent=parent.head,
            parent_id=parent.id,
            seat=Seat(session=SESSION, place=(parent.seat.place or 0) + 1 if parent.seat else 2),
            interrupt_before=parent.interrupt_before,
            interrupt_after=parent.interrupt_after,
            workflow_version=graph.version,
        )
        run = new_run(head, graph)
        before = ready(self.loader.at(parent, seq_of(parent.head)))
        self._begin(Live(run=run, head=head), start_after(run, before, self.now, "test"))

    def _begin(self, live: Live, first: Step) -> None:
        self._forget()
        self.lives = {live.run.key: live}

        def begin(turn: Turn, found: Live) -> None:
            turn.create(found)
            self.delivery.take(turn, found, first)

        self.turn(begin, kept=True)

    def crash(self) -> None:
        """Drop everything that is in memory and read the run again; workers keep what they had accepted."""
        self.open(self.head.id)

    def open(self, run_id: RunId) -> None:
        """Take a run of the store into memory."""
        head = self.store.heads[self.store.keys[run_id]]
        self._forget()
        self.lives = {head.key: Live(run=ready(self.loader.at_head(head)), head=head)}
        ready(self.loader.recall(self.run, head))
        self.idle = False
        self.turn(self.delivery.go_on, kept=True, steps=0)

    def forget(self) -> None:
        """Delete the run in memory, the newest of the store, as if it had never been."""
        key = self.here.run.key
        self._forget()
        self.loader.known.clear()  # the number of the run will be that of another one
        for kept in (self.store.rows, self.store.noted, self.store.due):
            del kept[key]
        gone = self.store.heads.pop(key).id
        del self.store.keys[gone]
        self.read.pop(key, None)
        self.seen = [work for work in self.seen if work.run_id != gone]
        self.store.told = {name: told for name, told in self.store.told.items() if told.run_key != key}

    def look_for_rings(self) -> None:
        """Note whether there were rings, which what holds the gates forgets with all else."""
        self.rings |= self.outbox.gates.rings > 0

    def _forget(self) -> None:
        self.look_for_rings()
        for live in self.lives.values():
            live.dropped = True
        self.lives = {}
        self.outbox.forget()
        self.timers.close()
        self.later.clear()

    # ---- turns

    def turn(self, act: Act | None = None, *, kept: bool = False, steps: int | None = None) -> None:
        """One turn: act, plan, write, and then do what follows; or lose it all."""
        live, turn = self.here, Turn(now=self.now)
        notes, live.notes = live.notes, []
        for note in notes:
            note(turn)
        if act is not None:
            act(turn, live)
            self.check(live.run)
        self._plan(turn, live, self.fate.steps if steps is None else steps)
        turn.seal()
        if self.fate.lost and not kept:
            self.crash()
            return
        if not turn.batch.empty:
            ready(self.store.commit(turn.batch))
            self.check_notices()
        self._carry_out(turn)

    def _carry_out(self, turn: Turn) -> None:
        """Do what follows, and then, in turns of their own, what that has led to."""
        self.carrying_out, first = True, not self.carrying_out
        for effect in (*turn.effects, *turn.patient):
            effect()
        self.carrying_out = not first
        while first and self.later:
            self.turn(self.later.pop(0), kept=True)

    def _plan(self, turn: Turn, live: Live, steps: int) -> None:
        self.idle = False
        for _ in range(steps):
            found = step(live.run, turn.now)
            if found is None:
                self.idle = True
                turn.effects.append(self.outbox.open)
                return
            if isinstance(found, Step):
                self.delivery.take(turn, live, found)
                self.check(live.run)
            else:
                self.delivery.begin(turn, live, found)

    def check(self, run: Run) -> None:
        """The counts that are kept up to date are those that counting anew gives, and nothing is entered twice."""
        for waiting in (run.ready, *run.parked.values()):
            if len(open_now := [name for name in waiting if name in run.tasks]) != len(set(open_now)):
                raise Violation(f"tasks are to be entered more than once: {open_now}")
        for frame in run.frames.by_id.values():
            if frame.frontier.apart != (apart := sum(bool(task.place) for task in frame.frontier.tasks.values())):
                raise Violation(f"{frame.frontier.apart} tasks stand apart in frame {frame.id}, counted anew {apart}")
            kept = frame.frontier.blockers
            if kept is None or kept == recount(frame.graph, frame.frontier):
                continue
            raise Violation(f"the counts of waiting waves are {kept} after commit {run.seq}")

    def check_notices(self) -> None:
        """What is to be told of a run is that it stands where it does, and nothing else."""
        head, told = self.head, [notice for notice in self.store.told.values() if notice.run_key == self.head.key]
        found = [(notice.event, read(notice.body)["data"]["branch"]) for notice in told]
        wanted = [(head.status.value, branch_name(head.branch))] if head.status in HOOK.events else []
        if found != wanted:
            raise Violation(f"what is to be told of the run is {found}, where it is {wanted}")

    # ---- what happens outside

    def send(self, task_id: TaskId) -> None:
        """A worker gets an attempt."""
        work = self.outbox.works[task_id]
        self.outbox.given[task_id] = work
        self.seen.append(work)
        deadline = self.deadlines.setdefault((work.message_id, work.attempt), self.now + work.timeout_ms)
        self.delivery.dispatched(work, WORKER, self.now, deadline)

    def reply(self, work: Work, reply: Reply) -> None:
        """Something comes back for an attempt; unless it was accepted, the worker is free."""
        if not isinstance(reply, Accepted) and self.outbox.holds(work):
            self.outbox.release(work.task_id)
        self.delivery.replied(work, WORKER, reply)

    def post(self, task_id: TaskId, body: Any, steps: int | None = None) -> None:
        """A worker answers at the address it was given."""
        self.turn(lambda turn, live: self.delivery.answer(turn, live, task_id, None, body, None), steps=steps)

    def fire(self, task_id: TaskId, kind: str) -> None:
        """The time of a timer has come."""
        due_at, key = self.timers.held.pop((task_id, kind))
        self.now = max(self.now, due_at)
        self.delivery._timer_due(key, task_id, kind)

    def resume(self, interrupt: InterruptId, value: Any, updates: Mapping[str, Any] | None = None) -> None:
        """An interrupt is answered."""

        def act(turn: Turn, live: Live) -> None:
            stopping.go_on(live.run)
            chosen = resume.choose_interrupt(live.run, interrupt, value)
            for plan in resume.resume(live.run, chosen, updates or {}, "test"):
                self.delivery.take(turn, live, plan(turn.now))

        self.turn(act)

    def stop(self) -> None:
        """The run is to stop at its next checkpoint, as if another one of its session were to begin."""

        def act(turn: Turn, live: Live) -> None:
            live.head = replace(live.head, seat=live.head.seat or Seat(session=SESSION, place=1))
            found = stopping.stop(live.run, turn.now, "test")
            if found is not None:
                self.delivery.take(turn, live, found)

        self.turn(act, kept=True)

    def cancel(self) -> None:
        """The run is cancelled."""
        self.turn(lambda turn, live: self.delivery.take(turn, live, control.cancel(live.run, turn.now, "test")))

    # ---- by hand, for tests that say each step themselves

    def waiting(self) -> list[tuple[str, int | None]]:
        """The nodes (and item indexes) of the attempts that were submitted and not answered."""
        return [(work.node, work.request.index) for work in self.outbox.works.values()]

    def answer(self, node: str, body: Any, index: int | None = None) -> None:
        """A worker answers the attempt of a node at once."""
        work = next(w for w in self.outbox.works.values() if (w.node, w.request.index) == (node, index))
        if not self.outbox.holds(work):
            self.send(work.task_id)
        self.reply(work, Answered(body=body))

    @property
    def status(self) -> RunStatus:
        return self.run.status

    @property
    def state(self) -> dict[str, Any]:
        """The state shown."""
        return self.run.history.shown()


def _head(key: int, now: int, run_id: RunId, **more: Any) -> RunHead:
    return RunHead(
        key=key, id=run_id, workflow_id="simulated", workflow_version=1, status=RunStatus.RUNNING,
        head=make_ref(key, 0), created_at=now, updated_at=now, origin_id=run_id, hook=HOOK, **more,
    )  # fmt: skip
