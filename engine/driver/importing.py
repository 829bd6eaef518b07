"""A file read into a store: line by line into batches that wait beside it, then all of them in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from engine.artifacts import HOLD_MS, references_in
from engine.claims import Claim
from engine.codec import write
from engine.driver.exporting import Export
from engine.driver.incoming import artifacts_missing
from engine.driver.spool import BatchSpool, Spool
from engine.errors import Conflict
from engine.holds import Hold
from engine.model import TERMINAL, RunHead, RunId, RunStatus, seq_of
from engine.porting.items import Begun, Brought, Committed, Ended, Item, Opened
from engine.porting.reading import GraphOf, Reading
from engine.porting.writing import FIXED, PLACE
from engine.ports import Batch, CommitRow, EventRow, Expected, InterruptRow, Store, TimerRow, WorkflowRow
from engine.values import replace

ROWS = 100
WEIGHT = 1024 * 1024
"""A batch is put aside when it has so many rows, or bodies of so many bytes: so long nobody else goes on when it is
written."""
SLICE = 20
PAGE = 200


@dataclass(slots=True)
class There:
    """A run of the file as far as it is in the store already: how many commits, and a page of them."""

    head: RunHead
    commits: int
    page: list[CommitRow] = field(default_factory=list)

    async def row(self, store: Store, seq: int) -> CommitRow | None:
        """A commit of it; they are asked for in their order."""
        if not self.page or not self.page[0].seq <= seq <= self.page[-1].seq:
            self.page = await store.commits(self.head.key, seq, min(seq + PAGE - 1, self.commits))
        return self.page[seq - self.page[0].seq] if self.page else None


class Import:
    """Takes one file in. `graph_of` makes graphs of documents, `take_key` gives keys to runs, `clock` milliseconds
    since the epoch."""

    def __init__(
        self,
        store: Store,
        graph_of: GraphOf,
        take_key: Callable[[], int],
        clock: Callable[[], int],
        max_depth: int,
    ) -> None:
        self.store, self.take_key, self.clock = store, take_key, clock
        self.reading = Reading(graph_of, max_depth)
        self.batch, self.rows, self.weight = Batch(), 0, 0
        self.named: set[str] = set()
        """The artifacts that the file refers to."""
        self.there: There | None = None
        self.head: RunHead | None = None
        """The run whose commits are being read, as it will stand in the store."""

    async def take(self, spool: Spool, export: Export, claim: Claim | None) -> tuple[RunId, bool]:
        """Take in what a spool holds; the run, and whether it is new here. Durable on return. Raises CodecError,
        Invalid, Conflict, StaleCommit or StoreUnavailable, and then nothing was changed."""
        with BatchSpool() as batches:
            for count, text in enumerate(spool.lines(), 1):
                self.named |= references_in(text)
                item = self.reading.take(text)
                if isinstance(item, Opened) and await self._is_here(item):
                    await self._require_same(item.run_id, spool, export)
                    return item.run_id, False
                if item is not None:
                    await self._note(item)
                if self.rows >= ROWS or self.weight >= WEIGHT:
                    self._put_aside(batches)
                if count % SLICE == 0:
                    await asyncio.sleep(0)
            self.reading.close()
            assert self.head is not None
            if claim is not None:
                self.batch.claims.append(claim.on(self.head.id, self.clock()))
            self._put_aside(batches)
            await self._require_artifacts()
            await self.store.commit_all(batches)
            return self.head.id, True

    async def _require_artifacts(self) -> None:
        """Have the artifacts stay that the file refers to. Raises Invalid where some are not here."""
        if self.named and (missing := await self.store.hold_artifacts(self.named, self.clock() + HOLD_MS)):
            raise artifacts_missing("the file", sorted(missing))

    async def _is_here(self, opened: Opened) -> bool:
        head = await self.store.run(opened.run_id)
        return head is not None and head.hold is not Hold.ANCESTOR

    async def _require_same(self, run_id: RunId, spool: Spool, export: Export) -> None:
        """Raise Conflict unless the file is what the run that is here would be written as."""
        given = spool.lines()
        same = True
        async for line in export.lines(run_id):
            if not (same := next(given, b"") == line):
                break
        if not same or next(given, None) is not None:
            raise Conflict(f"there is a run '{run_id}' already, and it is not as the file says", "run.exists")

    # ---- what lines say

    async def _note(self, item: Item) -> None:
        match item:
            case Brought():
                await self._bring(item)
            case Begun():
                await self._begin(item)
            case Committed():
                await self._commit(item)
            case TimerRow():
                self.batch.timers.append(item)
            case EventRow():
                self.batch.events.append(item)
                self.rows += 1
            case Opened() | Ended():
                pass
            case _:
                assert_never(item)

    async def _bring(self, item: Brought) -> None:
        workflow_id, now = self.reading.workflow_id, self.clock()
        there = await self.store.workflow(workflow_id, item.version)
        if there is not None and write(there.document) == write(item.document):
            return
        name, tags = item.document.get("name"), tuple(item.document.get("tags", ()))
        row = WorkflowRow(
            id=workflow_id, version=item.version, document=item.document, status="paused", source="api",
            created_at=now, updated_at=now, name=name, tags=tags,
        )  # fmt: skip
        self.batch.workflows.append(row)  # one that says something else is refused with the batch

    async def _begin(self, item: Begun) -> None:
        """Find the run in the store, or have it made."""
        there = await self.store.run(item.head.id)
        head = self.head = self.reading.place(self.take_key() if there is None else there.key)
        self.there = None if there is None else There(there, seq_of(there.head))
        if there is None:
            await self._require_free_seat(head)
            self.batch.created.append(head)
            if not item.last:
                self.batch.holds[head.key] = Hold.ANCESTOR
        else:
            self._require_fitting(there, head, item)
            self.batch.needed.append(head.key)
        if item.last and there is not None:
            self._expect(there)
            self.batch.heads[head.key] = head
        if item.last and head.seat is not None:
            self.batch.sessions[head.seat.session] = self.clock()
        if item.last and (there is not None or head.status not in TERMINAL):
            self.batch.holds[head.key] = None if head.status in TERMINAL else Hold.IMPORTED

    async def _require_free_seat(self, head: RunHead) -> None:
        """Raise Conflict where its session has gone on otherwise here."""
        seat = head.seat
        if seat is not None and await self.store.has_place(seat.session, seat.place or 0):
            message = f"session '{seat.session[:80]}' has another run here in the place of run '{head.id}'"
            raise Conflict(message, "session.differs")

    def _require_fitting(self, there: RunHead, head: RunHead, item: Begun) -> None:
        """Raise Conflict unless a run that is here can be the beginning of one in the file, or have it as its own."""
        names = (*FIXED, *PLACE, "workflow_id", "parent", "parent_id", "seat")
        if any(getattr(there, name) != getattr(head, name) for name in names):
            raise _differs(head)
        if item.commits > seq_of(there.head) and there.hold is not Hold.ANCESTOR:
            raise Conflict(f"run '{head.id}' is here, and has fewer commits than the file needs of it", "import.behind")
        if item.last and item.commits < seq_of(there.head):
            raise Conflict(f"more of run '{head.id}' is here than the file has", "run.exists")

    async def _commit(self, item: Committed) -> None:
        row, head, there = item.row, self.head, self.there
        assert head is not None
        if there is not None and row.seq <= there.commits:
            if await there.row(self.store, row.seq) != row:
                raise _differs(head, row.seq)
        else:
            if there is not None and row.seq == there.commits + 1:
                self._expect(there.head)
            self.batch.commits.append(row)
            self.batch.heads[head.key] = self._standing(head, row)
            self.rows, self.weight = self.rows + 1, self.weight + len(row.body) + len(row.snapshot or b"")
        if (asked := item.interrupt) is not None:
            await self._require_unasked(asked)
            self.batch.interrupts.append(asked)
        if item.dead_letter is not None:
            self.batch.dead_letters.append(item.dead_letter)

    async def _require_unasked(self, asked: InterruptRow) -> None:
        """Raise Conflict where another run here has asked the same: the file is that run's, under another id."""
        if (there := await self.store.interrupt(asked.id)) is not None:
            raise Conflict(f"interrupt '{asked.id}' is here already, as one of run '{there.run_id}'", "import.taken")

    def _expect(self, there: RunHead) -> None:
        """Have nothing written unless a run still has the commits that it has now."""
        self.batch.expected[there.key] = Expected(version=seq_of(there.head), epoch=there.epoch)

    def _standing(self, head: RunHead, row: CommitRow) -> RunHead:
        """The row of a run that is written with a commit of it: of an ancestor the last commit says all there is."""
        if self.reading.is_last:
            return head
        return replace(head, status=RunStatus(row.status), branch=row.branch, epoch=row.epoch, updated_at=row.at)

    def _put_aside(self, batches: BatchSpool) -> None:
        batches.put(self.batch)
        self.batch, self.rows, self.weight = Batch(), 0, 0


def _differs(head: RunHead, seq: int | None = None) -> Conflict:
    where = "its beginning" if seq is None else f"its commit {seq}"
    return Conflict(f"run '{head.id}' is here already, and {where} is another one than in the file", "import.differs")
