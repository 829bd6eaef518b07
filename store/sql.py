"""The store in a SQLite file: what one server needs, durable at every commit."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from engine.brief import Brief
from engine.cache import Kept
from engine.claims import Claim, ClaimRow
from engine.dead_letters import DeadLetter
from engine.driver.pace import Pace
from engine.jobs import Job, JobItem, Target
from engine.model import Ref, RunHead, RunId, TaskId
from engine.places import Contender
from engine.ports import (
    EVERY_INTERRUPT,
    Batch,
    CommitRow,
    EventRow,
    InterruptFilter,
    InterruptRow,
    LoggedCommit,
    LoggedEvent,
    Moment,
    Page,
    RunFilter,
    TimerRow,
    WorkerRow,
    WorkflowRow,
)
from engine.session import SessionRow
from engine.sessions import SessionPage
from store import _changes as changes
from store import _claims as claims
from store import _cursor as cursors
from store import _dead_letters as letters
from store import _jobs as work
from store import _kept as kept
from store import _lists as lists
from store import _log as log
from store import _places as places
from store import _porting as porting
from store import _rows as rows
from store import _sessions as talks
from store import _statements as sql
from store._cursor import Place
from store._json import to_text
from store._recent import SqliteRecent
from store._sqlite import SLICE, in_slices
from store._sqlite_notices import SqliteNotices

_FIRST: Place = (-(2**63), 0)
"""Before the first place of any list of runs."""


class SqliteStore(SqliteRecent, SqliteNotices):
    """Implements `engine.ports.Store` on a file, which one process at a time can open to write."""

    scheme: ClassVar[str] = "sqlite"
    keeps: ClassVar[bool] = True

    # ---- runs

    async def next_run_key(self) -> int:
        found = self._read(sql.LAST_RUN_KEY)
        return int(found[0][0]) + 1 if found else 1

    async def commit(self, batch: Batch, meanwhile: Callable[[], None] | None = None) -> None:
        await self._write().commit(batch, meanwhile)

    async def commit_all(self, batches: Iterable[Batch]) -> None:
        await self._write().commit_all(batches)

    async def moment(self, run_key: int) -> Moment | None:
        return porting.moment_of(self._read_at_once(porting.READS, run_key=run_key))

    async def run(self, run_id: RunId) -> RunHead | None:
        return self._one(rows.run_head, sql.RUN_BY_ID, id=run_id)

    async def run_by_key(self, run_key: int) -> RunHead | None:
        return self._one(rows.run_head, sql.RUN_BY_KEY, run_key=run_key)

    async def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page[RunHead]:
        after = cursors.read("runs", cursor, int, int)

        def read(number: int, last: RunHead | None) -> list[RunHead]:
            text, given = lists.list_runs(where, number, _place(last) if last else after)
            return [rows.run_head(row) for row in self._read(text, **given)]

        if lists.needs_scan(where):
            found = await self._scan(where, limit + 1, after)
        else:
            found = await in_slices(limit + 1, read)
        return cursors.page("runs", found, limit, _place)

    async def _scan(self, where: RunFilter, limit: int, after: Place | None) -> list[RunHead]:
        """Window by window, until enough is found or nothing is left."""
        found: list[RunHead] = []
        while True:
            text, given = lists.window_end(where, after)
            until = next(iter(self._read(text, **given)), None)
            text, given = lists.list_runs(where, limit - len(found), after, until or _FIRST)
            found += [rows.run_head(row) for row in self._read(text, **given)]
            if until is None or len(found) == limit:
                return found
            after = until
            await asyncio.sleep(0)

    async def active_runs(self) -> list[int]:
        return [key for (key,) in self._read(sql.ACTIVE_RUNS)]

    async def contenders(self) -> list[Contender]:
        return [places.contender(row) for row in self._read(places.CONTENDERS)]

    async def delete_run(self, run_key: int) -> None:
        await self._write().change(changes.delete_run(run_key))

    async def forks_of(self, run_key: int) -> list[RunHead]:
        def read(number: int, last: RunHead | None) -> list[RunHead]:
            given = {**changes.refs_of(run_key), "after": last.key if last else 0, "limit": number}
            return [rows.run_head(row) for row in self._read(sql.FORKS, **given)]

        return await in_slices(sys.maxsize, read)

    # ---- sessions

    async def session(self, session_id: str) -> SessionRow | None:
        return self._one(talks.row_of, talks.ONE, session=session_id)

    async def sessions(self, limit: int, cursor: str | None) -> SessionPage:
        after = cursors.read("sessions", cursor, int, str)

        def read(number: int, last: SessionRow | None) -> list[SessionRow]:
            place = (last.updated_at, last.id) if last else after
            given = {} if place is None else {"after_0": place[0], "after_1": place[1]}
            text = talks.FIRST_PAGE if place is None else talks.NEXT_PAGE
            return [talks.row_of(row) for row in self._read(text, **given, limit=number)]

        found = await in_slices(limit + 1, read)
        page = cursors.page("sessions", found, limit, lambda row: (row.updated_at, row.id))
        return page.items, page.next_cursor

    async def next_place(self, session_id: str) -> int:
        return int(self._read(talks.TOP, session=session_id)[0][0]) + 1

    async def has_place(self, session_id: str, place: int) -> bool:
        return bool(self._read(talks.AT, session=session_id, place=place))

    async def last_run(self, session_id: str, workflow_id: str | None = None) -> RunHead | None:
        if workflow_id is None:
            return self._one(rows.run_head, talks.LAST, session=session_id, limit=1)
        return self._one(rows.run_head, talks.LAST_OF, session=session_id, workflow=workflow_id, limit=1)

    async def session_runs(self, session_id: str, before: int | None, limit: int) -> list[RunHead]:
        given = {"session": session_id, "before": before or sys.maxsize, "limit": limit}
        return [rows.run_head(row) for row in self._read(talks.BEFORE, **given)]

    async def next_queued(self, session_id: str, now: int) -> RunHead | None:
        return self._one(rows.run_head, talks.QUEUED, session=session_id, now=now, limit=1)

    async def waiting_sessions(self) -> list[str]:
        return [name for (name,) in self._read(talks.WAITING)]

    async def delete_session(self, session_id: str) -> None:
        await self._write().change(talks.delete_session(session_id, changes.delete_run))

    # ---- history

    async def commits(self, run_key: int, first: int, last: int) -> list[CommitRow]:
        def read(number: int, before: CommitRow | None) -> list[CommitRow]:
            start = before.seq + 1 if before else first
            given = {"run_key": run_key, "first": start, "last": min(last, start + number - 1)}
            return rows.commit_rows(self._read(sql.COMMITS, **given))

        return await in_slices(last - first + 1, read)

    async def commits_at(self, refs: Sequence[Ref]) -> list[CommitRow]:
        pace, found = Pace(), list[CommitRow]()
        for start in range(0, len(refs), SLICE):
            some = to_text(refs[start : start + SLICE])
            found += rows.commit_rows(self._read(sql.COMMITS_AT, refs=some))
            await pace.rest()
        return found

    async def commits_before(self, run_key: int, before: int, limit: int, node: str | None) -> list[CommitRow]:
        if node is not None:
            return await self._commits_of_node(run_key, before, limit, node)

        def read(number: int, last: CommitRow | None) -> list[CommitRow]:
            given = {"run_key": run_key, "before": last.seq if last else before, "limit": number}
            return rows.commit_rows(self._read(sql.COMMITS_BEFORE, **given))

        return await in_slices(limit, read)

    async def _commits_of_node(self, run_key: int, before: int, limit: int, node: str) -> list[CommitRow]:
        """Window by window: there is no index by node, which each commit would have to pay for."""
        found: list[CommitRow] = []
        newest = self._read(sql.COMMITS_BEFORE, run_key=run_key, before=before, limit=1)
        last = rows.commit_rows(newest)[0].seq if newest else 0
        while last > 0 and len(found) < limit:
            first = max(last - lists.WINDOW + 1, 1)
            given = {"run_key": run_key, "first": first, "last": last, "node": node, "limit": limit - len(found)}
            found += rows.commit_rows(self._read(sql.COMMITS_OF_NODE, **given))
            last = first - 1
            await asyncio.sleep(0)
        return found

    async def briefs(self, run_key: int, first: int, last: int, text: bytes | None = None) -> list[Brief]:
        pace, found = Pace(), list[Brief]()
        for start in range(first, last + 1, lists.WINDOW):
            given = {"run_key": run_key, "first": start, "last": min(last, start + lists.WINDOW - 1), "text": text}
            found += rows.briefs(self._read(sql.BRIEFS if text is None else sql.BRIEFS_HOLDING, **given))
            await pace.rest()
        return found

    async def turns(self, run_key: int) -> list[CommitRow]:
        def read(number: int, last: CommitRow | None) -> list[CommitRow]:
            given = {"run_key": run_key, "after": last.seq if last else 0, "limit": number}
            return rows.commit_rows(self._read(sql.TURNS, **given))

        return await in_slices(sys.maxsize, read)

    async def events(self, run_key: int, after: int, limit: int) -> list[EventRow]:
        return await self._events(sql.EVENTS, limit, after, run_key=run_key)

    async def task_events(self, run_key: int, task_id: TaskId) -> list[EventRow]:
        return await self._events(sql.TASK_EVENTS, sys.maxsize, 0, run_key=run_key, task_id=task_id)

    async def _events(self, statement: str, limit: int, after: int, **of: Any) -> list[EventRow]:
        def read(number: int, last: EventRow | None) -> list[EventRow]:
            given = {**of, "after": last.n if last else after, "limit": number}
            return [rows.event_row(row) for row in self._read(statement, **given)]

        return await in_slices(limit, read)

    async def last_event(self, run_key: int) -> int:
        return int(self._read(sql.LAST_EVENT, run_key=run_key)[0][0] or 0)

    async def log_commits(self, after: int, limit: int) -> list[LoggedCommit]:
        return [log.commit_of(row) for row in self._read(log.COMMITS, after=after, limit=limit)]

    async def log_events(self, after: int, limit: int) -> list[LoggedEvent]:
        return [log.event_of(row) for row in self._read(log.EVENTS, after=after, limit=limit)]

    async def log_end(self) -> tuple[int, int]:
        return log.end(self._read)

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        return self._one(letters.letter_of, letters.ONE, letter=letter_id)

    async def dead_letters(
        self, status: str | None, limit: int, cursor: str | None, run_key: int | None = None
    ) -> tuple[tuple[DeadLetter, ...], str | None]:
        text, given = letters.query(status, run_key, limit + 1, cursors.read("dead_letters", cursor, int))
        return letters.page([(row[-1], letters.letter_of(row)) for row in self._read(text, **given)], limit)

    async def create_job(self, job: Job, targets: Sequence[Target], claim: Claim | None = None) -> None:
        await self._write().change(work.create(job, targets, claim))

    async def job(self, job_id: str) -> Job | None:
        return self._one(work.job_of, work.ONE, job=job_id)

    async def jobs(self, status: str | None, limit: int, cursor: str | None) -> tuple[tuple[Job, ...], str | None]:
        text, given = work.query(status, limit + 1, cursors.read("jobs", cursor, int))
        return work.page(self._read(text, **given), limit)

    async def job_items(
        self, job_id: str, status: str | None, limit: int, cursor: str | None
    ) -> tuple[tuple[JobItem, ...], str | None]:
        text, given = work.item_query(job_id, status, limit + 1, cursors.read("job_items", cursor, int))
        return work.item_page(self._read(text, **given), limit)

    async def cancel_job(self, job_id: str, at: int) -> bool:
        done: list[bool] = []
        await self._write().change(work.cancel(job_id, at, done.append))
        return done[0]

    # ---- interrupts, timers

    async def interrupt(self, interrupt_id: str) -> InterruptRow | None:
        return self._one(rows.interrupt_row, sql.INTERRUPT, id=interrupt_id)

    async def interrupts(
        self,
        status: str | None,
        run_key: int | None,
        limit: int,
        cursor: str | None,
        where: InterruptFilter = EVERY_INTERRUPT,
    ) -> Page[InterruptRow]:
        after = cursors.read("interrupts", cursor, int)

        def read(number: int, last: tuple[InterruptRow, int] | None) -> list[tuple[InterruptRow, int]]:
            text, given = lists.list_interrupts(status, run_key, where, number, (last[1],) if last else after)
            return [(rows.interrupt_row(row[:-1]), row[-1]) for row in self._read(text, **given)]

        page = cursors.page("interrupts", await in_slices(limit + 1, read), limit, lambda item: (item[1],))
        return Page(items=tuple(row for row, _ in page.items), next_cursor=page.next_cursor)

    async def assign(self, interrupt_id: str, assignee: str, at: int) -> None:
        await self._write().change(changes.assign(interrupt_id, assignee, at))

    async def unassign(self, interrupt_id: str) -> None:
        await self._write().change(changes.unassign(interrupt_id))

    async def timers(self, run_key: int) -> list[TimerRow]:
        return [rows.timer_row(row) for row in self._read(sql.TIMERS, run_key=run_key)]

    async def resting_timers(self) -> list[TimerRow]:
        def read(number: int, last: TimerRow | None) -> list[TimerRow]:
            after = (last.run_key, last.task_id, last.kind) if last else (0, "", "")
            given = {**{f"after_{i}": part for i, part in enumerate(after)}, "limit": number}
            return [rows.timer_row(row) for row in self._read(sql.RESTING_TIMERS, **given)]

        return await in_slices(sys.maxsize, read)

    # ---- workflows

    async def put_workflow(self, row: WorkflowRow, claim: Claim | None = None) -> None:
        await self._write().change(changes.put_workflow(row, claim))

    async def workflow(self, workflow_id: str, version: int | None = None) -> WorkflowRow | None:
        if version is None:
            return self._one(rows.workflow_row, sql.NEWEST_WORKFLOW, id=workflow_id)
        return self._one(rows.workflow_row, sql.WORKFLOW_VERSION, id=workflow_id, version=version)

    async def workflow_versions(self, workflow_id: str) -> list[WorkflowRow]:
        return [rows.workflow_row(row) for row in self._read(sql.WORKFLOW_VERSIONS, id=workflow_id)]

    async def last_version(self, workflow_id: str) -> int:
        return int(self._read(porting.LAST_VERSION, id=workflow_id)[0][0])

    async def workflows(
        self, q: str | None, tag: str | None, status: str | None, limit: int, cursor: str | None
    ) -> Page[WorkflowRow]:
        after = cursors.read("workflows", cursor, int, str)

        def read(number: int, last: WorkflowRow | None) -> list[WorkflowRow]:
            text, given = lists.list_workflows(q, tag, status, number, (last.updated_at, last.id) if last else after)
            return [rows.workflow_row(row) for row in self._read(text, **given)]

        found = await in_slices(limit + 1, read)
        return cursors.page("workflows", found, limit, lambda row: (row.updated_at, row.id))

    async def set_workflow_status(self, workflow_id: str, status: str, at: int) -> None:
        await self._write().change(changes.set_workflow_status(workflow_id, status, at))

    # ---- the server

    async def server_secret(self, fresh: bytes) -> bytes:
        await self._write().change(changes.keep_server_secret(fresh))
        return bytes(self._read(sql.SERVER_SECRET)[0][0])

    async def claim(self, scope: str, key: str) -> ClaimRow | None:
        return self._one(rows.claim_row, sql.CLAIM, in_scope=scope, of_key=key)

    async def keep_answer(self, row: ClaimRow) -> None:
        await self._write().change(claims.keep_answer(row))

    async def kept_answer(self, key: str, now: int) -> Kept | None:
        return self._one(kept.kept, kept.ONE, of_key=key, now=now)

    # ---- workers

    async def put_worker(self, row: WorkerRow, *, create: bool, claim: Claim | None = None) -> None:
        await self._write().change(changes.add_worker(row, claim) if create else changes.replace_worker(row))

    async def worker(self, worker_id: str) -> WorkerRow | None:
        return self._one(rows.worker_row, sql.WORKER, id=worker_id)

    async def workers(self) -> list[WorkerRow]:
        return [rows.worker_row(row) for row in self._read(sql.WORKERS)]

    async def delete_worker(self, worker_id: str) -> None:
        await self._write().change(changes.delete_worker(worker_id))


def _place(head: RunHead) -> Place:
    return head.created_at, head.key
