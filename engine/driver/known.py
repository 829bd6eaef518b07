"""What rows say that never changes, of those that were read lately: the values that states are made of.

States that come from the same rows share them, so that a second one costs its own lists and no more, and what two
states have in common is seen without comparing it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engine.driver.pace import Pace
from engine.model import Ref, Updates, make_ref
from engine.ports import CommitRow, Store
from engine.record import writes_of
from engine.snapshots import Referred, Snapshot, read_snapshot

KEPT_BYTES = 64 * 1024 * 1024
OVERHEAD = 300
"""About what an entry takes up beside the text that it was read from."""

V = TypeVar("V")


@dataclass(slots=True)
class Lately(Generic[V]):
    """Things by the commits that they are of; those that were not asked for longest go, so that the texts that they
    were read from have no more bytes than `most`."""

    most: int
    weight: int = 0
    _kept: OrderedDict[Ref, tuple[V, int]] = field(default_factory=OrderedDict)

    def get(self, ref: Ref) -> V | None:
        found = self._kept.get(ref)
        if found is None:
            return None
        self._kept.move_to_end(ref)
        return found[0]

    def many(self, refs: Collection[Ref]) -> tuple[dict[Ref, V], list[Ref]]:
        """What is kept of several, and the rest of them."""
        kept = self._kept
        found = {ref: entry[0] for ref in refs if (entry := kept.get(ref)) is not None}
        for ref in found:
            kept.move_to_end(ref)
        return found, [] if len(found) == len(refs) else [ref for ref in refs if ref not in found]

    def keep(self, ref: Ref, value: V, size: int) -> None:
        if ref in self._kept:
            return
        self._kept[ref] = value, size
        self.weight += size
        while self.weight > self.most:
            self.weight -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        self._kept.clear()
        self.weight = 0


class Known:
    """Reads what snapshots refer to. What is too much to keep is read each time."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._writes: Lately[Updates] = Lately(most // 2)
        self._snapshots: Lately[Snapshot] = Lately(most // 2)

    def clear(self) -> None:
        """Forget everything."""
        self._writes.clear()
        self._snapshots.clear()

    def snapshot(self, row: CommitRow) -> Snapshot:
        """The snapshot of a row that has one."""
        assert row.snapshot is not None
        ref = make_ref(row.run_key, row.seq)
        found = self._snapshots.get(ref)
        if found is None:
            found = read_snapshot(row)
            self._snapshots.keep(ref, found, len(row.snapshot) + OVERHEAD)
        return found

    async def referred(self, store: Store, snapshot: Snapshot) -> Referred:
        """What a snapshot refers to."""
        pace = Pace()
        bases, writers = snapshot.refers_to()
        snapshots, missing = self._snapshots.many(bases)
        for row in await store.commits_at(missing) if missing else ():
            snapshots[make_ref(row.run_key, row.seq)] = self.snapshot(row)
        writes, missing = self._writes.many(writers)
        for row in await store.commits_at(missing) if missing else ():
            ref = make_ref(row.run_key, row.seq)
            writes[ref] = found = writes_of(row)
            self._writes.keep(ref, found, len(row.body) + OVERHEAD)
            await pace.rest()
        return Referred(snapshots, writes)
