"""A line that goes on with another version of its workflow, as the checker sees it (language 3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.graph import Graph
from engine.lines import version_at
from engine.model import GOTO, Arrival, Commit, Task, Wave
from engine.ports import CommitRow
from engine.reach import Reach
from engine.rebuild import changes_version
from engine.record import decode
from engine.values import dataclass, replace


def begins_with(turns: Sequence[CommitRow], newest: int) -> int:
    """The version that the first commit of a run belongs to."""
    return version_at([decode(row) for row in turns], 1, newest)


def versions_of(rows: Iterable[CommitRow]) -> set[int]:
    """All versions that rows change from or to."""
    changes = (decode(row).versions for row in rows if changes_version(row))
    return {version for versions in changes if versions is not None for version in versions}


@dataclass(frozen=True, slots=True)
class Change:
    """From one version to another."""

    old: Graph
    new: Graph
    seq: int
    """The commit that changes it."""

    def writes(self, commits: Iterable[Commit]) -> list[Commit]:
        """The commits with the writes that count from now on: those of keys that both versions define alike."""
        same = self.kept
        return [replace(one, writes=tuple(write for write in one.writes if write[0] in same)) for one in commits]

    @property
    def kept(self) -> set[str]:
        """The keys that both versions define alike."""
        return {key for key in self.new.state if _meaning(self.old, key) == _meaning(self.new, key)}

    def open(self, tasks: Mapping[str, Task]) -> dict[str, Task]:
        """The open tasks with their places in the new version; those of nodes that are gone keep theirs."""
        return {
            name: task
            if task.node not in self.new.nodes or task.call
            else replace(task, wave=self.wave(task.wave), place=self._place(task))
            for name, task in tasks.items()
        }

    def _place(self, task: Task) -> str:
        """In a new era open tasks stand apart; the rounds that are gone go on telling them from each other."""
        place, left = task.place or self.era, _loops(self.new, task.node)
        rounds = dict(zip(_loops(self.old, task.node), task.wave.rounds, strict=True))
        gone = [number for loop, number in rounds.items() if loop not in left]
        return f"{place}.{'.'.join(map(str, gone))}" if place.startswith("@") and any(gone) else place

    @property
    def era(self) -> str:
        """What tells all places from those before, where the edges, the loops or the deferred nodes are others."""
        both = self.old.nodes.keys() & self.new.nodes.keys()
        one, other = ({(e.source, e.handle, e.target) for e in graph.edges} for graph in (self.old, self.new))
        same = one == other and all(_loops(self.old, n) == _loops(self.new, n) for n in both)
        same = same and all((n in self.old.deferred) == (n in self.new.deferred) for n in both)
        return "" if same else f"@{self.seq}"

    def closed(self, waves: set[Wave], work: Sequence[Wave]) -> set[Wave]:
        """Of the waves that take no more arrivals those that work could have come to still. Others are forgotten: in
        the new version something may lead there for the first time."""
        reach = Reach(self.old.topology, waves)
        reached = (wave for wave in waves if any(one != wave and reach(one, wave) for one in work))
        return {self.wave(wave) for wave in reached if wave.node in self.new.nodes}

    def waiting(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        """The arrivals whose edges are there."""
        found: list[Arrival] = []
        for one in arrivals:
            if one.edge == GOTO:
                found += [replace(one, wave=self.wave(one.wave))] if one.wave.node in self.new.nodes else []
                continue
            edge = self.old.edges[one.edge]
            ends = (edge.source, edge.handle, edge.target)
            there = [other.index for other in self.new.edges if (other.source, other.handle, other.target) == ends]
            found += [replace(one, edge=index, wave=self.wave(one.wave)) for index in there]
        return found

    def wave(self, wave: Wave) -> Wave:
        """A wave with the rounds of the loops that are there, and 0 for new ones; in a new era where any differ."""
        rounds = dict(zip(_loops(self.old, wave.node), wave.rounds, strict=True))
        kept = tuple(rounds.get(loop, 0) for loop in _loops(self.new, wave.node))
        return replace(wave, rounds=kept, generation=wave.generation + self.era)


def _meaning(graph: Graph, key: str) -> object:
    said = graph.state[key].schema if key in graph.state else None
    return said and {name: value for name, value in said.items() if name not in ("title", "description")}


def _loops(graph: Graph, node: str) -> list[str]:
    shape = graph.topology
    return [shape.names[shape.loops[loop].head] for loop in shape.loops_of[shape.number[node]]]
