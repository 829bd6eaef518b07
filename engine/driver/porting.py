"""Runs moved between stores, as the outer floors see it: written as files, taken in from them, and released."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from engine.claims import Claim
from engine.driver.exporting import Export
from engine.driver.importing import Import
from engine.driver.loading import Loader
from engine.driver.loop import Loop
from engine.driver.spool import Spool
from engine.errors import NotFound
from engine.holds import require_held
from engine.model import RunHead, RunId
from engine.porting.reading import GraphOf
from engine.ports import Batch, EventRow, Expected, Store
from engine.run import Run

MOVED = "imported"
"""Why tasks wait again that a worker had accepted: it answers where the run came from."""


class Porting:
    """Writes runs as files and takes them in. `graph_of` makes graphs of documents that come along, `take_key` gives
    keys to runs that are new here, `claim` raises Conflict where a run has to wait for another one."""

    def __init__(
        self,
        loop: Loop,
        loader: Loader,
        graph_of: GraphOf,
        take_key: Callable[[], int],
        claim: Callable[[RunHead], None] = lambda head: None,
    ) -> None:
        self.loop, self.loader, self.graph_of, self.take_key = loop, loader, graph_of, take_key
        self.claim = claim
        self.store: Store = loader.store
        self.exports = Export(self.store, loader)

    def export(self, run_id: str) -> AsyncIterator[bytes]:
        """The lines of a run, with their ends. The first of them raises NotFound or Conflict."""
        return self.exports.lines(run_id)

    async def take_in(self, spool: Spool, max_depth: int, claim: Claim | None = None) -> tuple[RunId, bool]:
        """Take in the run of a file; it, and whether it is new here. One that has not ended is held. Raises CodecError,
        Invalid, Conflict or StoreUnavailable, and then nothing was changed."""
        if claim is not None and claim.made is not None:
            return RunId(claim.made), True
        self.loop.recovery.require_store()
        work = Import(self.store, self.graph_of, self.take_key, self.loop.clock, max_depth)
        taken = await work.take(spool, self.exports, claim)
        self.loop.tell_all()
        return taken

    async def release_if_held(self, run_id: RunId) -> None:
        """Have a run go on that has just come in, where it has not ended. Raises NotFound or Conflict."""
        head = await self.store.run(run_id)
        if head is None or head.hold is not None:
            await self.release(run_id)

    async def release(self, run_id: str) -> None:
        """Have a run that is held go on, as after a restart. Raises NotFound or Conflict."""
        head = await self.store.run(RunId(run_id))
        if head is None:
            raise NotFound(f"there is no run '{run_id[:80]}'")
        require_held(head)
        self.loop.recovery.require_store()
        run = await self.loader.at_head(head)
        expected, events = {head.key: Expected(version=run.seq, epoch=run.epoch)}, _sent_again(run, self.loop.clock())
        self.claim(head)
        await self.store.commit(Batch(expected=expected, events=events, holds={head.key: None}))
        await self.loop.revive(head.key)


def _sent_again(run: Run, now: int) -> list[EventRow]:
    """The events that have the tasks wait again which a worker has accepted."""
    found = list[EventRow]()
    for task in run.open_tasks():
        progress = run.progress[task.id]
        if progress.accepted:
            index = {} if task.index is None else {"index": task.index}
            body = {"attempt": progress.attempt, "node": task.node, **index, "reason": MOVED}
            n = run.events + len(found) + 1
            found.append(
                EventRow(run_key=run.key, n=n, seq=run.seq, at=now, kind="waiting", task_id=task.id, body=body)
            )
    return found
