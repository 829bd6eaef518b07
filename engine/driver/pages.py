"""A line of a run as it is read: its rows page by page, newest first, over all its segments."""

from __future__ import annotations

from collections.abc import Sequence

from engine.lines import Segment
from engine.model import RunHead
from engine.ports import CommitRow, Store
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """The commits of a run that lead to one of them; those of the runs that it was forked from are not among them."""

    store: Store
    head: RunHead
    segments: Sequence[Segment]

    @property
    def newest(self) -> int:
        """The number of its newest commit."""
        return self.segments[-1].last

    def before(self, seq: int) -> int | None:
        """The commit on the line before one of it; None before the run's first."""
        earlier = [min(segment.last, seq - 1) for segment in self.segments if segment.first < seq]
        return max(earlier, default=None)

    async def page(self, before: int, limit: int, node: str | None = None) -> list[CommitRow]:
        """At most `limit` rows with numbers below `before`, newest first, of one node if given."""
        found: list[CommitRow] = []
        for segment in reversed(self.segments):
            until = min(before, segment.last + 1)
            if until > segment.first and len(found) < limit:
                rows = await self.store.commits_before(self.head.key, until, limit - len(found), node)
                found += [row for row in rows if row.seq >= segment.first]
        return found

    async def between(self, first: int, last: int) -> list[CommitRow]:
        """Its rows with numbers from `first` to `last`, oldest first."""
        found: list[CommitRow] = []
        for segment in self.segments:
            start, end = max(first, segment.first), min(last, segment.last)
            if start <= end:
                found += await self.store.commits(self.head.key, start, end)
        return found
