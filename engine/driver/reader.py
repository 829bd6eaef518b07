"""What people see of runs: JSON shapes made from what is durable, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from engine import render
from engine.announcement import webhook_json
from engine.driver.cursors import numbers_in
from engine.driver.loading import Loader
from engine.driver.loop import Loop
from engine.driver.pace import Pace
from engine.driver.pages import Line
from engine.driver.turn import Live, head_of
from engine.errors import NodeFailure, NotFound, StoreUnavailable
from engine.lines import branches_of, line_to
from engine.model import Commit, Kind, Ref, RunHead, RunId, RunStatus, TaskId, TaskStatus, run_key_of, seq_of
from engine.notices import Notice, NoticeFilter
from engine.output import output_of
from engine.planner import ask_of
from engine.ports import CommitRow, Page, RunFilter, Store
from engine.record import decode
from engine.render import parse_checkpoint_id
from engine.render_interrupts import opened_json
from engine.run import RECENT_TASKS, Run
from engine.telling import attempts_json, log_json

CHUNK = 1000
A_FEW_MORE = 8
"""Rows that end no task: the start, sends, forks, edits."""
FEW_ROWS = 50
T = TypeVar("T")

__all__ = ["Reader", "parse_checkpoint_id"]


class Reader:
    """Reads runs from the store; one that is held in memory and wholly durable is read from there."""

    def __init__(self, store: Store, loader: Loader, loop: Loop) -> None:
        self.store, self.loader, self.loop = store, loader, loop
        self._names: dict[int, RunId] = {}

    async def head(self, run_id: str) -> RunHead:
        """The row of a run. Raises NotFound."""
        head = await self.store.run(RunId(run_id))
        if head is None:
            raise NotFound(f"there is no run '{run_id[:80]}'")
        return head

    async def _look(self, head: RunHead, see: Callable[[RunHead, Run], T]) -> T:
        """What is seen of a run as it durably stands, which may be later than `head`. One that goes on is read from its
        rows where these are few; else it is looked at between two steps, and that is told once they are durable."""
        live = self.loop.live(head.id)
        if live is not None and _is_durable(live, head):
            return see(head, live.run)
        if live is not None and live.run.rows > FEW_ROWS:
            with suppress(StoreUnavailable):  # it takes no commits now; what is durable can be read
                return await self.loop.do(live, lambda turn, found: see(head_of(found, turn.now), found.run), soon=True)
            head = await self.head(head.id)
        return see(head, await self.loader.at_head(head))

    async def at_head(self, head: RunHead) -> Run:
        """A run as it durably stands; not to be changed."""
        live = self.loop.live(head.id)
        return live.run if live is not None and _is_durable(live, head) else await self.loader.at_head(head)

    async def as_seen(self, head: RunHead) -> Run:
        """The states of a run as it durably stands, and its open tasks without what happened to them."""
        live = self.loop.live(head.id)
        if live is not None and _is_durable(live, head):
            return live.run
        return await self.loader.at(head, seq_of(head.head))

    # ---- runs

    async def begun(self, run_id: str) -> dict[str, Any]:
        """A run, and what the fork or replay that its line began with has dropped. Raises NotFound."""
        first = await self.loader.begun_by(await self.head(run_id))
        return {**await self.run(run_id), "dropped": list(first.dropped) if first is not None else []}

    async def run(self, run_id: str) -> dict[str, Any]:
        """A run with its state, open and recent tasks, and open interrupts. Raises NotFound."""
        head, shape, recent = await self._look(await self.head(run_id), _seen)
        for commit in recent if recent is not None else await self._recent(head):
            shape["tasks"] += render.done_tasks_json(commit)
        turns = [turn for turn in await self.loader.turns(head.key) if turn.ref <= head.head]
        shape["branches"] = render.branches_json(head, turns)
        shape["webhook"] = webhook_json(head.hook, await self._last_notice(head))
        shape["artifacts"] = await self._artifacts(head)
        return shape

    async def _artifacts(self, head: RunHead) -> dict[str, Any]:
        """What the commits of a run refer to, the newest first."""
        totals = await self.store.artifact_totals(head.key)
        items = (await self.store.artifacts(RECENT_TASKS, None, head.key))[0] if totals.count else ()
        return {"count": totals.count, "size": totals.size, "items": [found.reference() for found in items]}

    async def _last_notice(self, head: RunHead) -> Notice | None:
        if head.hook is None:
            return None
        found, _ = await self.store.notices(NoticeFilter(run_key=head.key, push=""), 1, None)
        return found[0] if found else None

    async def _recent(self, head: RunHead) -> list[Commit]:
        """The commits that ended the run's last tasks, newest first."""
        rows = await (await self.line(head)).page(seq_of(head.head) + 1, RECENT_TASKS + 2)
        found = [commit for commit in map(decode, rows) if render.ends_tasks(commit)]
        return found[:RECENT_TASKS]

    async def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page[dict[str, Any]]:
        """Runs, newest first."""
        page = await self.store.runs(where, limit, cursor)
        items = tuple(render.run_summary(head, render.forked_checkpoint(head)) for head in page.items)
        return Page(items=items, next_cursor=page.next_cursor)

    # ---- tasks

    async def tasks(self, run_id: str, limit: int, cursor: str | None) -> Page[dict[str, Any]]:
        """Tasks, newest first: the open ones, then those that are done by the time of their end."""
        head, items = await self.head(run_id), list[dict[str, Any]]()
        if cursor is None:
            head, items = await self._look(head, _open_tasks)
        before, line = _before(cursor, seq_of(head.head) + 1), await self.line(head)
        while len(items) < limit and before > 1:
            rows = await line.page(before, min(CHUNK, limit - len(items) + A_FEW_MORE))
            if not rows:
                break
            for done in reversed(await self._done(line, rows)):
                if len(items) < limit:
                    items.append(done[1])
                    before = done[0]
            else:
                if len(items) < limit:
                    before = rows[-1].seq
        return Page(items=tuple(items), next_cursor=str(before) if before > 1 and len(items) >= limit else None)

    async def _done(self, line: Line, rows: list[CommitRow]) -> list[tuple[int, dict[str, Any]]]:
        """The tasks that these rows of a line (newest first) finished, oldest first, with inputs and numbers."""
        pace, commits, found = Pace(), list[Commit](), list[tuple[int, dict[str, Any]]]()
        for row in reversed(rows):
            commits.append(decode(row))
            await pace.rest()
        run, before = None, line.before(rows[-1].seq)
        if any(map(_may_have_asked, commits)):
            run = await self.loader.at(line.head, before or rows[-1].seq)
        for commit in commits if before is not None else commits[1:]:  # the first of a run ends no task
            for shape in render.done_tasks_json(commit):
                found.append((commit.seq, _with_input(run, shape, TaskId(shape["id"]))))
            if run is not None:
                await self.loader.follow(run, commit)
            await pace.rest()
        return found

    async def task(self, run_id: str, task_id: str) -> dict[str, Any]:
        """One task with input, output, attempts and log lines. Raises NotFound."""
        head, task = await self._look(await self.head(run_id), partial(_open_task, task_id=TaskId(task_id)))
        events = await self.store.task_events(head.key, TaskId(task_id))
        if task is not None:
            turns = await self._turns(head, task_id, task["node"])
            asks = task["status"] is TaskStatus.INTERRUPTED and turns and turns[-1].kind is Kind.INTERRUPT
            answer = {"answer": turns[-1].answer} if asks else {}
            return {**task, **answer, "attempts": attempts_json(events, turns), "log": log_json(events)}
        before = seq_of(head.head) + 1
        while rows := await self.store.commits_before(head.key, before, CHUNK, None):
            before = rows[-1].seq
            for ended in (row for row in rows if _may_end(row, task_id)):
                for _, shape in await self._done(await self.line(head, ended.seq), [ended]):
                    if shape["id"] == task_id:
                        end, turns = decode(ended), await self._turns(head, task_id, shape["node"])
                        turns += [end] if end.error is not None and shape["error"] is not None else []
                        return {**shape, "attempts": attempts_json(events, turns), "log": log_json(events, end)}
        raise NotFound(f"run '{run_id}' has no task '{task_id[:80]}'")

    async def _turns(self, head: RunHead, task_id: str, node: str) -> list[Commit]:
        """The commits with which a task has failed its run, or its worker has asked something, oldest first."""
        found, before = list[CommitRow](), seq_of(head.head) + 1
        while rows := await self.store.commits_before(head.key, before, CHUNK, node):
            found += [row for row in rows if row.task_id == task_id and row.kind in (Kind.FAILURE, Kind.INTERRUPT)]
            before = rows[-1].seq
        return [commit for commit in map(decode, reversed(found)) if commit.error is not None or commit.worker_asks]

    # ---- checkpoints

    async def checkpoints(
        self, run_id: str, *, node: str | None, branch: str | None, state: bool, limit: int, cursor: str | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Checkpoints, newest first, at most `limit`; the last item is `{"next_cursor": …}`."""
        head = await self.head(run_id)
        line = await (self.line(head) if branch is None else self.branch(head, branch))
        before, left = _before(cursor, line.newest + 1), limit
        while left and (rows := await line.page(before, min(CHUNK, left), node)):
            for shape in await self._shapes(line, rows, state):
                yield shape
            before, left = rows[-1].seq, left - len(rows)
        more = before > 1 and not left and await line.page(before, 1, node)
        yield {"next_cursor": str(before) if more else None}

    async def line(self, head: RunHead, seq: int | None = None) -> Line:
        """The line that leads to a commit of a run; the current one to its head."""
        turns = await self.loader.turns(head.key)
        return Line(self.store, head, line_to(turns, seq or seq_of(head.head)))

    async def branch(self, head: RunHead, name: str) -> Line:
        """The line of a branch, by its public id. Raises NotFound."""
        turns = await self.loader.turns(head.key)
        for branch in branches_of(turns, seq_of(head.head)):
            if render.branch_name(branch.number) == name:
                return Line(self.store, head, line_to(turns, branch.head))
        raise NotFound(f"run '{head.id}' has no branch '{name[:80]}'")

    async def _shapes(self, line: Line, rows: list[CommitRow], state: bool) -> list[dict[str, Any]]:
        """The checkpoints of rows (newest first), newest first; the rows between them are read too."""
        wanted = {row.seq for row in rows}
        head = line.head
        run = await self.loader.at(head, rows[-1].seq)
        found: list[dict[str, Any]] = []
        rest = await line.between(rows[-1].seq, rows[0].seq)
        for row in rest:
            commit = decode(row)
            if row.seq != rows[-1].seq:
                await self.loader.follow(run, commit)
            if row.seq in wanted:
                names = await self._name_refs(commit)
                found.append(render.checkpoint_json(run, head.id, commit, names.__getitem__, state=state))
        return found[::-1]

    async def _name_refs(self, commit: Commit) -> dict[Ref, str]:
        refs = (*commit.causes, *((commit.parent,) if commit.parent is not None else ()))
        return {ref: render.checkpoint_id(await self._run_name(run_key_of(ref)), seq_of(ref)) for ref in refs}

    async def _run_name(self, key: int) -> RunId:
        if key not in self._names:
            head = await self.store.run_by_key(key)
            self._names[key] = head.id if head is not None else RunId(f"deleted-{key}")
        return self._names[key]

    async def checkpoint(self, run_id: str, checkpoint_id: str) -> dict[str, Any]:
        """One checkpoint with its state. Raises NotFound."""
        head, seq = await self._find(run_id, checkpoint_id)
        rows = await self.store.commits(head.key, seq, seq)
        return (await self._shapes(await self.line(head, seq), rows, True))[0]

    async def checkpoint_state(self, run_id: str, checkpoint_id: str) -> dict[str, Any]:
        """The state shown at a checkpoint. Raises NotFound."""
        head, seq = await self._find(run_id, checkpoint_id)
        return (await self.loader.at(head, seq)).history.shown()

    async def _find(self, run_id: str, checkpoint_id: str) -> tuple[RunHead, int]:
        named, seq = parse_checkpoint_id(checkpoint_id)
        head = await self.head(run_id)
        if named != head.id or not 1 <= seq <= seq_of(head.head):
            raise NotFound(f"run '{run_id}' has no checkpoint '{checkpoint_id[:80]}'")
        return head, seq


def _is_durable(live: Live, head: RunHead) -> bool:
    return not live.undurable and not live.dropped and live.run.head == head.head and live.run.status is head.status


def _may_end(row: CommitRow, task_id: str) -> bool:
    """Whether a row may be the one that ended a task: it finished it, or names it among others."""
    return (row.task_id == task_id and row.kind in (Kind.NODE, Kind.ITEM)) or b'"cancelled":[[["' in row.body


def _before(cursor: str | None, newest: int) -> int:
    return newest if cursor is None else numbers_in(cursor, 1)[0]


def _seen(head: RunHead, run: Run) -> tuple[RunHead, dict[str, Any], list[Commit] | None]:
    """What a run is shown with, without what has to be read for it; and its last tasks where they are known."""
    state = run.history.shown()
    given = {"input": run.input, "config": run.config}
    shape = {
        **render.run_summary(head, render.forked_checkpoint(head)),
        "input": head.input,
        "config": run.config,
        "state": state,
        "output": output_of(run.graph, given, state) if head.status is RunStatus.COMPLETED else None,
        "interrupts": [opened_json(run, head.id, opened) for opened in run.interrupts.values()],
        "tasks": [render.open_task_json(run, task) for task in run.open_tasks()],
    }
    if run.recent is None:
        return head, shape, None
    return head, shape, [commit for commit in reversed(run.recent) if render.ends_tasks(commit)]


def _may_have_asked(commit: Commit) -> bool:
    """Whether a task that ended with a commit may have had a request for a worker."""
    said = (commit.input_hash, commit.answer, commit.worker, commit.error)
    return bool(commit.cancelled or commit.resolved) or any(part is not None for part in said)


def _open_tasks(head: RunHead, run: Run) -> tuple[RunHead, list[dict[str, Any]]]:
    return head, [_with_input(run, render.open_task_json(run, task), task.id) for task in run.open_tasks()]


def _open_task(head: RunHead, run: Run, task_id: TaskId) -> tuple[RunHead, dict[str, Any] | None]:
    task = run.open_task(task_id)
    return head, None if task is None else _with_input(run, render.open_task_json(run, task), task_id)


def _with_input(run: Run | None, shape: dict[str, Any], task_id: TaskId) -> dict[str, Any]:
    """A task with what it asks its worker, derived from its view; None for a node that asks nobody."""
    task, shape["input"] = None if run is None else run.open_task(task_id), None
    if run is None or task is None:
        return shape
    try:
        asked = ask_of(run, task)
    except NodeFailure:
        return shape
    if asked is not None:
        shape["input"] = {key: found for key, found in asked.request.as_json().items() if key != "config"}
    return shape
