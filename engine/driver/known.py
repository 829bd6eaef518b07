"""What rows say that never changes, of those that were read lately: the values that states are made of.

States that come from the same rows share them, so that a second one costs its own lists and no more, and what two
states have in common is seen without comparing it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any, Generic, TypeVar

from engine.driver.pace import Pace
from engine.graph import Graph
from engine.model import Ref, Updates, make_ref
from engine.ports import CommitRow, Store
from engine.record import writes_of
from engine.snapshots import Referred, Snapshot, Stage, read_snapshot
from engine.sources import Source
from engine.state import State

KEPT_BYTES = 64 * 1024 * 1024
OVERHEAD = 300
"""About what an entry takes up beside the text that it was read from."""

FEW, OFTEN = 64, 16
"""What so few commits make is not kept, nor what one in so many of them has added."""

V = TypeVar("V")
Whose = tuple[str, int, str, Ref | None, Ref | None]
"""The workflow, its version, the key, and where the value begins."""


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


class Stages:
    """Values that were folded lately, by whose keys they are: one that the same commits and more have made begins
    there. `most` is how many bytes the values may have, without what they are made of, which is kept elsewhere."""

    def __init__(self, most: int) -> None:
        self._most, self._weight = most, 0
        self._kept: OrderedDict[Whose, list[Stage]] = OrderedDict()

    def find(self, whose: Whose, source: Source) -> Stage | None:
        """The latest stage of a source."""
        found = self._kept.get(whose, ())
        fitting = (stage for stage in found if source.begins_with(stage.source))
        return max(fitting, key=lambda stage: stage.length, default=None)

    def keep(self, whose: Whose, source: Source, value: Any, begun: Stage | None) -> None:
        """Keep a value that was folded from a stage on, where that was much work."""
        length = source.length
        if length - (0 if begun is None else begun.length) < max(FEW, length // OFTEN):
            return
        self._kept.setdefault(whose, []).append(Stage(source.copy(), length, value))
        self._kept.move_to_end(whose)
        self._weight += getsizeof(value)
        while self._weight > self._most:
            self._weight -= sum(getsizeof(stage.value) for stage in self._kept.popitem(last=False)[1])

    def clear(self) -> None:
        self._kept.clear()
        self._weight = 0


class Known:
    """Reads what snapshots refer to. What is too much to keep is read each time."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._writes: Lately[Updates] = Lately(most // 2)
        self._snapshots: Lately[Snapshot] = Lately(most // 2)
        self._stages = Stages(most // 4)

    def clear(self) -> None:
        """Forget everything."""
        self._writes.clear()
        self._snapshots.clear()
        self._stages.clear()

    def snapshot(self, row: CommitRow) -> Snapshot:
        """The snapshot of a row that has one."""
        assert row.snapshot is not None
        ref = make_ref(row.run_key, row.seq)
        found = self._snapshots.get(ref)
        if found is None:
            found = read_snapshot(row)
            self._snapshots.keep(ref, found, len(row.snapshot) + OVERHEAD)
        return found

    async def referred(self, store: Store, snapshot: Snapshot, graph: Graph) -> Referred:
        """What a snapshot refers to, of a run of this version of its workflow."""
        pace, stages = Pace(), dict[str, Stage]()
        for name, source in snapshot.named():
            if (stage := self._stages.find(_whose(graph, name, source), source)) is not None:
                stages[name] = stage
        bases, writers = snapshot.refers_to(stages)
        snapshots, missing = self._snapshots.many(bases)
        for row in await store.commits_at(missing) if missing else ():
            snapshots[make_ref(row.run_key, row.seq)] = self.snapshot(row)
        writes, missing = self._writes.many(writers)
        for row in await store.commits_at(missing) if missing else ():
            ref = make_ref(row.run_key, row.seq)
            writes[ref] = found = writes_of(row)
            self._writes.keep(ref, found, len(row.body) + OVERHEAD)
            await pace.rest()
        return Referred(snapshots, writes, stages)

    def keep(self, snapshot: Snapshot, graph: Graph, state: State, referred: Referred) -> None:
        """Keep what the values of a snapshot were folded to, for those that begin as they do."""
        for name, source in snapshot.named():
            if name in state:
                self._stages.keep(_whose(graph, name, source), source, state[name], referred.stages.get(name))


def _whose(graph: Graph, name: str, source: Source) -> Whose:
    return graph.workflow_id, graph.version, name, source.base, source.spans[0].first if source.spans else None
