"""Runs from the store: the line of a checkpoint, read from its last snapshot on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field

from engine import stopping
from engine.driver.known import Known
from engine.driver.pace import Pace
from engine.errors import NotFound
from engine.gates import stops_of
from engine.graph import Graph, deep_merge
from engine.limits import ROOM
from engine.lines import Segment, branch_at, branches_of, jumps_of, line_to, version_at
from engine.migration import adopt
from engine.model import Commit, Reuse, RunHead, RunStatus, TaskId, make_ref, run_key_of, seq_of
from engine.ports import CommitRow, EventRow, Store
from engine.rebuild import (
    NOTHING,
    RUN_NOTES,
    begin,
    restore_notes,
    restore_progress,
    restore_turns,
    settle_totals,
    take_up,
    versions_in,
)
from engine.recall import Recall
from engine.record import decode
from engine.run import Run
from engine.served import COMMITS, NAMED, RUNS, Served
from engine.session import OnBusy
from engine.values import dataclass

MANY_TASKS = 50
PAGE = 2000


@dataclass(frozen=True, slots=True)
class Loader:
    """Reads runs. `graph` gives the parsed version of a workflow."""

    store: Store
    graph: Callable[[str, int], Awaitable[Graph]]
    known: Known = field(default_factory=Known)

    async def at_head(self, head: RunHead) -> Run:
        """A run as it stands, with what happened to its open tasks, ready to go on."""
        if head.status is RunStatus.QUEUED or not seq_of(head.head):
            return await self._queued(head)
        turns = await self.turns(head.key)
        run = await self._at(head, seq_of(head.head), turns)
        settle_totals(run, head, turns)
        run.events = await self.store.last_event(run.key)
        restore_progress(run, await self._events(run))
        restore_notes(run, await self.store.task_events(run.key, RUN_NOTES))
        timers = await self.store.timers(run.key)
        run.timed = {timer.task_id for timer in timers}
        for timer in timers:
            if timer.kind == ROOM and timer.task_id in run.progress:
                run.progress[timer.task_id].has_room = True
        run.timeout_at = next((timer.due_at for timer in timers if timer.task_id == TaskId(run.id)), None)
        return run

    async def _queued(self, head: RunHead) -> Run:
        """A run that has not begun, and so has no commit."""
        run = queued_run(head, await self.graph(head.workflow_id, head.workflow_version))
        settle_totals(run, head)
        run.events = await self.store.last_event(run.key)
        restore_notes(run, await self.store.task_events(run.key, RUN_NOTES))
        return run

    async def at(self, head: RunHead, seq: int) -> Run:
        """A run as it was at one of its own commits, on whatever branch. Raises NotFound."""
        return await self._at(head, seq, await self.turns(head.key))

    async def left_at(self, head: RunHead, seq: int) -> Run:
        """The same, to be gone on with: the turns count that its agents have had."""
        run = await self.at(head, seq)
        restore_turns(run, await self._events(run))
        return run

    async def _at(self, head: RunHead, seq: int, turns: Sequence[Commit]) -> Run:
        return await self._replayed(head, *await self._line(head, seq, turns))

    async def forked(self, head: RunHead, parent: RunHead, seq: int) -> Run:
        """The working set of a fork: its parent's line up to a commit, as its own. Raises NotFound."""
        run = await self._replayed(head, *await self._line(parent, seq, await self.turns(parent.key)))
        run.detach()
        return run

    async def _replayed(self, head: RunHead, rows: Sequence[CommitRow], version: int) -> Run:
        """A run from the rows of a line, which begins with this version of its workflow."""
        snapshot = self.known.snapshot(rows[0]) if rows[0].snapshot is not None else None
        run = new_run(head, await self.graph(head.workflow_id, version))
        referred = await self.known.referred(self.store, snapshot, run.graph) if snapshot is not None else NOTHING
        graphs = {to: await self.graph(head.workflow_id, to) for to in versions_in(rows)}
        pace, following = Pace(), begin(run, rows, snapshot, referred)
        if snapshot is not None:
            self.known.keep(snapshot, run.graph, run.history.entries[snapshot.ref].state, referred)
        for row in following:
            take_up(run, row, graphs)
            await pace.rest()
        return run

    async def follow(self, run: Run, commit: Commit) -> None:
        """Have a run that is read commit by commit take up the next one of its line."""
        if commit.versions is not None and commit.versions[1] != run.graph.version:
            adopt(run, await self.graph(run.graph.workflow_id, commit.versions[1]))
        run.take(commit)

    async def hold_back(self, run: Run, head: RunHead, now: int) -> None:
        """Have nothing more begin in a run that another one of its session waits for to stop."""
        if head.seat is None or head.status is not RunStatus.RUNNING:
            return
        waiting, last = (
            await self.store.next_queued(head.seat.session, now),
            await self.store.last_run(head.seat.session),
        )
        seat = None if waiting is None else waiting.seat
        if seat is not None and seat.waits is OnBusy.INTERRUPT and last is not None and last.key == head.key:
            stopping.begin(run)

    async def served(self, head: RunHead) -> Served | None:
        """Who has served the session of a run; None where it has none, or has no place in it yet."""
        if head.seat is None or head.seat.place is None:
            return None
        return await self.served_in(head.seat.session)

    async def served_in(self, session: str) -> Served:
        """Who has served a session, as its last runs say."""
        found = Served()
        for head in reversed(await self.store.session_runs(session, None, RUNS)):
            newest = seq_of(head.head)
            for row in await self.store.briefs(head.key, max(newest - COMMITS + 1, 1), newest, NAMED):
                found.recall(row)
        return found

    async def recall(self, run: Run, head: RunHead) -> None:
        """Read what a run that was forked or replayed may take over from the line that it came from."""
        begun = await self.begun_by(head)
        if begun is None or begun.reuse is None or begun.parent is None:
            return
        source = await self.store.run_by_key(run_key_of(begun.parent))
        if source is not None:
            whole = begun.versions is not None
            run.recall = await self.recalled(source, seq_of(begun.parent), begun.reuse, whole=whole)

    async def begun_by(self, head: RunHead) -> Commit | None:
        """The fork or replay that the line of a run began with."""
        jumps = jumps_of(await self.turns(head.key))
        if jumps:
            return jumps[-1]
        rows = await self.store.commits(head.key, 1, 1) if head.parent is not None else []
        return decode(rows[0]) if rows else None

    async def recalled(self, source: RunHead, seq: int, reuse: Reuse, *, whole: bool = False) -> Recall:
        """The answers on the line of a run that goes on after commit `seq`; of the `whole` line where what had begun
        before may begin anew, in another version."""
        seq = 1 if whole else seq
        run, found, pace = await self.at(source, seq), Recall(interrupts=reuse.interrupts), Pace()
        found.begin(run)
        line = line_to(await self.turns(source.key), seq_of(reuse.until))
        for row in await self.rows_of(source.key, line, seq + 1):
            commit = decode(row)
            found.note(run, commit)
            await self.follow(run, commit)
            await pace.rest()
        return found

    async def reusable(self, head: RunHead, seq: int, *, interrupts: bool) -> Reuse:
        """What may be reused from a checkpoint on: the current line where it lies on it, else that of its branch."""
        turns, newest = await self.turns(head.key), seq_of(head.head)
        on_it = any(part.first <= seq <= part.last for part in line_to(turns, newest))
        heads = {branch.number: branch.head for branch in branches_of(turns, newest)}
        until = newest if on_it else heads[branch_at(turns, seq)]
        return Reuse(until=make_ref(head.key, until), interrupts=interrupts)

    async def turns(self, run_key: int) -> list[Commit]:
        """The commits at which a run turned, in order."""
        return [decode(row) for row in await self.store.turns(run_key)]

    async def line(self, head: RunHead, seq: int) -> list[CommitRow]:
        """The rows that lead to a commit, from the last snapshot on, oldest first. Raises NotFound."""
        return (await self._line(head, seq, await self.turns(head.key)))[0]

    async def _line(self, head: RunHead, seq: int, turns: Sequence[Commit]) -> tuple[list[CommitRow], int]:
        """The rows that lead to a commit, and the version of the workflow that they begin with."""
        base = (await self._row(head, seq)).base
        found: list[CommitRow] = []
        while True:
            own = seq_of(base) if base is not None and run_key_of(base) == head.key else None
            found = [*await self.rows_of(head.key, line_to(turns, seq), own or 1), *found]
            if own is not None or head.parent is None:
                return found, version_at(turns, own or 1, head.workflow_version)
            above, seq = await self.store.run_by_key(run_key_of(head.parent)), seq_of(head.parent)
            if above is None:
                raise NotFound(f"the run that '{head.id}' was forked from is gone")
            head, turns = above, await self.turns(above.key)

    async def rows_of(self, run_key: int, line: Sequence[Segment], first: int) -> list[CommitRow]:
        """The rows of a line of one run from commit `first` on, oldest first."""
        found: list[CommitRow] = []
        for segment in reversed(line):
            found = [*await self.store.commits(run_key, max(first, segment.first), segment.last), *found]
            if segment.first <= first:
                break
        return found

    async def _row(self, head: RunHead, seq: int) -> CommitRow:
        rows = await self.store.commits(head.key, seq, seq)
        if not rows:
            raise NotFound(f"run '{head.id}' has no checkpoint {seq}")
        return rows[0]

    async def _events(self, run: Run) -> list[EventRow]:
        if len(run.progress) <= MANY_TASKS:
            return [event for task in run.progress for event in await self.store.task_events(run.key, task)]
        found: list[EventRow] = []
        while page := await self.store.events(run.key, found[-1].n if found else 0, PAGE):
            found += page
        return found


def queued_run(head: RunHead, graph: Graph) -> Run:
    """The working set of a run that has not begun."""
    run = new_run(head, graph)
    run.status = RunStatus.QUEUED
    return run


def new_run(head: RunHead, graph: Graph) -> Run:
    """An empty working set for a run."""
    return Run(
        graph=graph,
        key=head.key,
        id=head.id,
        origin_id=head.origin_id or head.id,
        input=head.input,
        config=deep_merge(graph.config, head.config),
        overrides=head.config,
        breakpoints=(head.interrupt_before, head.interrupt_after),
        stops=stops_of(graph, head.interrupt_before, head.interrupt_after),
        created_at=head.created_at,
        branch=head.branch,
        epoch=head.epoch,
    )
