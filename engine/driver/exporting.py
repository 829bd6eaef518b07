"""A run written as a file, from what is durable: page by page, at any time, beside whatever the run does meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator

from engine.driver.loading import Loader
from engine.errors import Conflict, NotFound
from engine.holds import require_whole
from engine.lines import version_at
from engine.model import Commit, Reuse, RunHead, RunId, run_key_of, seq_of
from engine.porting import writing
from engine.porting.refs import Move, renumbered
from engine.ports import CommitRow, EventRow, Moment, Store
from engine.record import decode
from engine.values import dataclass

PAGE = 200


@dataclass(frozen=True, slots=True)
class Part:
    """As much of a run as a file has: its first `commits`, and the version of the workflow after them."""

    head: RunHead
    commits: int
    version: int
    first: Commit
    turns: tuple[Commit, ...]


class Export:
    """Writes runs as lines. What goes on changing is read at one moment, before the first line; history up to there
    never changes."""

    def __init__(self, store: Store, loader: Loader) -> None:
        self.store, self.loader = store, loader

    async def lines(self, run_id: str) -> AsyncIterator[bytes]:
        """The lines of a run, with their ends. Raises NotFound, or Conflict where only its beginning is here."""
        moment = await self._moment(run_id)
        parts = await self._parts(moment.head)
        move = renumbered({part.head.key: number for number, part in enumerate(parts, 1)})
        out, alone = writing.Lines(), len(parts) == 1
        first = version_at(parts[0].turns, 1, parts[0].head.workflow_version)
        yield out.bare(writing.header(moment.head, first, len(parts)))
        for version in sorted({first, *(version for part in parts for version in versions_of(part))}):
            yield out.line("workflow", writing.workflow(version, await self._document(moment.head, version)))
        for part in parts[:-1]:
            yield out.line("ancestor", writing.ancestor(part.head, part.version, part.commits, move))
            async for row in self._commits(part):
                yield out.line("commit", writing.commit(row, move, alone=alone))
        for kind, value in _ahead(moment, parts[-1], move):
            yield out.line(kind, value)
        async for row in self._commits(parts[-1]):
            yield out.line("commit", writing.commit(row, move, alone=alone))
        async for event in self._events(moment):
            yield out.line("event", writing.event(event))
        yield out.end()

    async def _moment(self, run_id: str) -> Moment:
        head = await self.store.run(RunId(run_id))
        moment = None if head is None else await self.store.moment(head.key)
        if moment is None:
            raise NotFound(f"there is no run '{run_id[:80]}'")
        require_whole(moment.head)
        if not seq_of(moment.head.head):
            raise Conflict(f"run '{run_id[:80]}' has not begun; there is nothing of it to be moved", "run.queued")
        return moment

    async def _parts(self, head: RunHead) -> list[Part]:
        """The run and those that it was forked from, the oldest first."""
        found = [await self._part(head, seq_of(head.head))]
        while (parent := found[0].head.parent) is not None:
            above = await self.store.run_by_key(run_key_of(parent))
            if above is None:
                raise NotFound(f"the run that '{found[0].head.id}' was forked from is gone")
            found.insert(0, await self._part(above, needed(seq_of(parent), above, found[0].first.reuse)))
        return found

    async def _part(self, head: RunHead, commits: int) -> Part:
        turns = tuple(await self.loader.turns(head.key))
        (first,) = await self._rows(head, 1, 1)
        version = version_at(turns, commits, head.workflow_version)
        kept = tuple(turn for turn in turns if turn.seq <= commits)
        return Part(head, commits, version, decode(first), kept)

    async def _rows(self, head: RunHead, first: int, last: int) -> list[CommitRow]:
        rows = await self.store.commits(head.key, first, last)
        if len(rows) != last - first + 1:
            raise Conflict(f"run '{head.id}' was deleted meanwhile", "run.gone")
        return rows

    async def _commits(self, part: Part) -> AsyncIterator[CommitRow]:
        for first in range(1, part.commits + 1, PAGE):
            for row in await self._rows(part.head, first, min(first + PAGE - 1, part.commits)):
                yield row

    async def _events(self, moment: Moment) -> AsyncIterator[EventRow]:
        after = 0
        while after < moment.last_event:
            page = await self.store.events(moment.head.key, after, PAGE)
            if not page:
                raise Conflict(f"run '{moment.head.id}' was deleted meanwhile", "run.gone")
            for event in page:
                if event.n <= moment.last_event:
                    yield event
            after = page[-1].n

    async def _document(self, head: RunHead, version: int) -> object:
        row = await self.store.workflow(head.workflow_id, version)
        if row is None:
            raise NotFound(f"there is no workflow '{head.workflow_id}' with a version {version}")
        return row.document


def needed(seq: int, above: RunHead, reuse: Reuse | None) -> int:
    """How many commits of a run a fork at commit `seq` reads: those up to there, and those whose answers it may take
    over."""
    if reuse is None or run_key_of(reuse.until) != above.key:
        return seq
    return max(seq, seq_of(reuse.until))


def versions_of(part: Part) -> set[int]:
    """The versions that a run's commits name, and the one after the last of them."""
    changes = (commit.versions for commit in (part.first, *part.turns))
    return {part.version, *(version for change in changes if change is not None for version in change)}


def _ahead(moment: Moment, part: Part, move: Move) -> list[tuple[str, dict[str, object]]]:
    """What comes between the ancestors of a run and its commits."""
    return [
        ("run", writing.run(moment, part.commits, move)),
        *(("interrupt", writing.interrupt(fate)) for fate in moment.interrupts),
        *(("dead_letter", writing.dead_letter(fate)) for fate in moment.dead_letters),
        *(("timer", writing.timer(row)) for row in moment.timers),
    ]
