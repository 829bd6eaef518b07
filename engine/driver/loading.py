"""Runs from the store: the line of a checkpoint, read from its last snapshot on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.control import deep_merge
from engine.errors import NotFound
from engine.graph import Graph
from engine.lines import Segment, line_to
from engine.model import Commit, RunHead, TaskId, run_key_of, seq_of
from engine.ports import CommitRow, EventRow, Store
from engine.rebuild import RUN_NOTES, replay, restore_notes, restore_progress, settle_totals, wanted_refs
from engine.record import decode
from engine.run import Run

MANY_TASKS = 50
PAGE = 2000


@dataclass(frozen=True, slots=True)
class Loader:
    """Reads runs. `graph` gives the parsed version of a workflow."""

    store: Store
    graph: Callable[[str, int], Awaitable[Graph]]

    async def at_head(self, head: RunHead) -> Run:
        """A run as it stands, with what happened to its open tasks, ready to go on."""
        turns = await self.turns(head.key)
        run = await self._at(head, seq_of(head.head), turns)
        settle_totals(run, head, turns)
        run.events = await self.store.last_event(run.key)
        restore_progress(run, await self._events(run))
        restore_notes(run, await self.store.task_events(run.key, RUN_NOTES))
        timers = await self.store.timers(run.key)
        run.timed = {timer.task_id for timer in timers}
        run.timeout_at = next((timer.due_at for timer in timers if timer.task_id == TaskId(run.id)), None)
        return run

    async def at(self, head: RunHead, seq: int) -> Run:
        """A run as it was at one of its own commits, on whatever branch. Raises NotFound."""
        return await self._at(head, seq, await self.turns(head.key))

    async def _at(self, head: RunHead, seq: int, turns: Sequence[Commit]) -> Run:
        rows = await self._line(head, seq, turns)
        others = await self.store.commits_at(refs) if (refs := wanted_refs(rows)) else []
        run = new_run(head, await self.graph(head.workflow_id, head.workflow_version))
        return replay(run, rows, others)

    async def forked(self, head: RunHead, parent: RunHead, seq: int) -> Run:
        """The working set of a fork: its parent's line up to a commit, as its own. Raises NotFound."""
        rows = await self.line(parent, seq)
        others = await self.store.commits_at(refs) if (refs := wanted_refs(rows)) else []
        run = replay(new_run(head, await self.graph(head.workflow_id, head.workflow_version)), rows, others)
        run.detach()
        return run

    async def turns(self, run_key: int) -> list[Commit]:
        """The commits at which a run turned, in order."""
        return [decode(row) for row in await self.store.turns(run_key)]

    async def line(self, head: RunHead, seq: int) -> list[CommitRow]:
        """The rows that lead to a commit, from the last snapshot on, oldest first. Raises NotFound."""
        return await self._line(head, seq, await self.turns(head.key))

    async def _line(self, head: RunHead, seq: int, turns: Sequence[Commit]) -> list[CommitRow]:
        base = (await self._row(head, seq)).base
        found: list[CommitRow] = []
        while True:
            own = seq_of(base) if base is not None and run_key_of(base) == head.key else None
            found = [*await self.rows_of(head.key, line_to(turns, seq), own or 1), *found]
            if own is not None or head.parent is None:
                return found
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


def new_run(head: RunHead, graph: Graph) -> Run:
    """An empty working set for a run."""
    return Run(
        graph=graph,
        key=head.key,
        id=head.id,
        origin_id=head.origin_id or head.id,
        input=head.input,
        config=deep_merge(graph.config, head.config),
        created_at=head.created_at,
        branch=head.branch,
        epoch=head.epoch,
    )
