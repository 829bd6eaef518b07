"""Lines of commits over runs: what led to a checkpoint, through all the runs that its run was forked from."""

from __future__ import annotations

from collections.abc import Sequence

from engine.brief import Brief
from engine.compare import Segment
from engine.driver.loading import Loader
from engine.errors import NotFound
from engine.lines import line_to
from engine.model import Ref, RunHead, RunId, make_ref, run_key_of, seq_of
from engine.ports import CommitRow, Store
from engine.render import checkpoint_id, parse_checkpoint_id
from engine.run import Run
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint: a run, and the number of its commit."""

    head: RunHead
    seq: int

    @property
    def id(self) -> str:
        return checkpoint_id(self.head.id, self.seq)

    @property
    def ref(self) -> Ref:
        return make_ref(self.head.key, self.seq)


class Lines:
    """Finds checkpoints, and reads what led to them."""

    def __init__(self, store: Store, loader: Loader) -> None:
        self.store, self.loader = store, loader
        self._names: dict[int, RunId] = {}

    async def checkpoint(self, text: str, run_id: str | None = None) -> Point:
        """The checkpoint with an id, which is one of `run_id` where that is given. Raises NotFound."""
        named, seq = parse_checkpoint_id(text)
        head = await self.store.run(named)
        if head is None or not 1 <= seq <= seq_of(head.head) or run_id not in (None, head.id):
            where = "there is no" if run_id is None else f"run '{run_id[:80]}' has no"
            raise NotFound(f"{where} checkpoint '{text[:80]}'")
        return Point(head, seq)

    async def newest(self, run_id: str) -> Point:
        """The head of a run. Raises NotFound."""
        head = await self.store.run(RunId(run_id))
        if head is None:
            raise NotFound(f"there is no run '{run_id[:80]}'")
        return _newest(head)

    async def point(self, text: str) -> Point:
        """The checkpoint with an id, or the head of the run with that id. Raises NotFound."""
        head = await self.store.run(RunId(text))
        return _newest(head) if head is not None else await self.checkpoint(text)

    async def at(self, point: Point) -> Run:
        """The run as it was at a checkpoint."""
        return await self.loader.at(point.head, point.seq)

    async def segments(self, point: Point) -> list[Segment]:
        """All that led to a checkpoint, oldest first."""
        return [one for stretch in await self.stretches(point) for one in stretch]

    async def stretches(self, point: Point) -> list[list[Segment]]:
        """The same, apart by the runs of a session: each begins with the state that the one before has come to."""
        head, seq, found = point.head, point.seq, [list[Segment]()]
        while True:
            line = line_to(await self.loader.turns(head.key), seq)
            found[-1] += [Segment(head.key, part.first, part.last) for part in reversed(line)]
            if head.parent is None:
                return [stretch[::-1] for stretch in reversed(found)]
            if head.continues:
                found.append([])
            above, seq = await self.store.run_by_key(run_key_of(head.parent)), seq_of(head.parent)
            if above is None:
                raise NotFound(f"a run that '{point.head.id}' was forked from is gone")
            head = above

    async def rows(self, segments: Sequence[Segment]) -> list[CommitRow]:
        """The rows of segments, oldest first."""
        return [row for one in segments for row in await self.store.commits(one.run_key, one.first, one.last)]

    async def briefs(self, segments: Sequence[Segment], text: bytes | None = None) -> list[Brief]:
        """What the rows of segments say in brief, oldest first; with a text, those whose bodies hold it."""
        return [row for one in segments for row in await self.store.briefs(one.run_key, one.first, one.last, text)]

    async def name(self, ref: Ref) -> str:
        """The checkpoint id of a commit."""
        return checkpoint_id(await self.run_name(run_key_of(ref)), seq_of(ref))

    async def run_name(self, key: int) -> RunId:
        """The id of a run."""
        if key not in self._names:
            head = await self.store.run_by_key(key)
            self._names[key] = head.id if head is not None else RunId(f"deleted-{key}")
        return self._names[key]


def _newest(head: RunHead) -> Point:
    """The head of a run. Raises NotFound where it has not begun."""
    if not seq_of(head.head):
        raise NotFound(f"run '{head.id}' has not begun: it has no checkpoints")
    return Point(head, seq_of(head.head))
