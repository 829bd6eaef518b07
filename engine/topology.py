"""What follows from the shape of a graph alone: back edges, loops, how rounds are carried, and what can reach what.

Rounds and "can still reach" are the pointstamps and could-result-in of timely dataflow (Murray et al., Naiad, SOSP
2013) on the loops of a workflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from engine._loops import NONE, Chain, Loop, Walk, bits, find_loops, mask_of, search
from engine.model import END, START

if TYPE_CHECKING:
    from engine.graph import Edge

__all__ = ["NONE", "Loop", "Shape", "Topology", "Walk", "bits", "mask_of"]


class Shape(Protocol):
    """What a topology is made of: nodes by name, in document order, and edges between them."""

    @property
    def nodes(self) -> Mapping[str, Any]: ...

    @property
    def edges(self) -> tuple[Edge, ...]: ...


class Topology:
    """The shape of one version. Nodes are numbered as authored, then `__start__`, then `__end__`."""

    def __init__(self, graph: Shape) -> None:
        self.names = (*graph.nodes, START, END)
        self.number = {name: number for number, name in enumerate(self.names)}
        self.edges = graph.edges
        self.sources = tuple(self.number[edge.source] for edge in graph.edges)
        self.targets = tuple(self.number[edge.target] for edge in graph.edges)
        self.handled = tuple(edge.handle is not None for edge in graph.edges)
        self.out: dict[str, dict[str | None, tuple[Edge, ...]]] = _by_source(graph)
        self.leaving: list[list[int]] = [[] for _ in self.names]
        self.entering: list[list[int]] = [[] for _ in self.names]
        for index, (source, target) in enumerate(zip(self.sources, self.targets, strict=True)):
            self.leaving[source].append(index)
            self.entering[target].append(index)
        self.walk: Walk = search(self, (self.number[START], *range(len(self.names))))
        self.loops: tuple[Loop, ...]
        self.loops_of: tuple[Chain, ...]
        self.loops, self.loops_of = find_loops(self, self.walk, self.number[END])
        self._inside = tuple(mask_of(loops) for loops in self.loops_of)
        self.carry = tuple(self._recipe(index) for index in range(len(self.edges)))
        self._reach: dict[tuple[int, int], dict[int, int]] = {}

    def edges_from(self, node: str, handle: str | None = None) -> tuple[Edge, ...]:
        """The edges that leave `node` by `handle`, in document order."""
        return self.out.get(node, {}).get(handle, ())

    def single(self, node: str) -> bool:
        """Whether one edge alone enters the node and drops no round, so that each wave has one arrival."""
        number = self.number[node]
        entering = self.entering[number]
        if len(entering) != 1:
            return not entering
        return self.carry[entering[0]][0] == len(self.loops_of[self.sources[entering[0]]])

    def rounds_over(self, edge: int, rounds: tuple[int, ...]) -> tuple[int, ...]:
        """The rounds at the target of an edge for work that leaves its source in `rounds`."""
        keep, step, fresh = self.carry[edge]
        if step:
            return (*rounds[: keep - 1], rounds[keep - 1] + 1)
        return rounds[:keep] + (0,) * fresh

    def first_rounds(self, node: str) -> tuple[int, ...]:
        """The rounds of a node that is entered from nowhere."""
        return (0,) * len(self.loops_of[self.number[node]])

    def rounds_to(self, work: str, rounds: tuple[int, ...], node: str) -> Iterator[tuple[int, ...]]:
        """The rounds in which work at a node may meet another one, the first first: those it is in, else the next of a
        common loop, from the innermost outwards. Whether edges lead there is another question."""
        target = self.loops_of[self.number[node]]
        shared = self._shared(self.number[work], self.number[node])
        ways = [(shared, rounds[:shared])]
        ways += [(at + 1, (*rounds[:at], rounds[at] + 1)) for at in reversed(range(shared))]
        yield from (kept + (0,) * (len(target) - depth) for depth, kept in ways)

    def _recipe(self, edge: int) -> tuple[int, bool, int]:
        """How many rounds an edge keeps, whether the innermost of these grows, and how many begin."""
        source, target = self.sources[edge], self.targets[edge]
        keep = self._shared(source, target)
        return keep, edge in self.walk.back, len(self.loops_of[target]) - keep

    def _shared(self, one: int, other: int) -> int:
        """How many loops two nodes share, which are the outermost ones of both: loops nest."""
        return (self._inside[one] & self._inside[other]).bit_count()

    def can_reach(self, work: str, rounds: tuple[int, ...], node: str, wave: tuple[int, ...]) -> bool:
        """Whether work at a node in its rounds can still arrive at `node` in exactly the rounds `wave`."""
        source, target = self.number[work], self.number[node]
        common, deeper = NONE, self.loops_of[target]
        for loop, other, now, then in zip(self.loops_of[source], deeper, rounds, wave, strict=False):
            if loop != other:
                break
            if now > then:
                return False
            if now < then:
                return bool(self.reach(common)[source] >> self.loops[loop].head & 1)
            common = loop
        at = 0 if common == NONE else self.loops[common].depth + 1
        return self._enters(common, source, target, deeper[at:], wave[at:])

    def _enters(self, common: int, source: int, target: int, loops: Sequence[int], wave: Sequence[int]) -> bool:
        """Whether a path leads to the target in these rounds of loops that the source is not in.

        Who comes in by the head can reach every round. In a loop with another way in, round 0 is what is reached
        without its back edges, and a later round of it is reached by its head.
        """
        without = common
        for loop, then in zip(loops, wave, strict=True):
            if then:
                target = self.loops[loop].head
                break
            without = loop if self.loops[loop].has_side_entries else without
        return bool(self.reach(common, without)[source] >> target & 1)

    def reach(self, within: int, without: int | None = None) -> dict[int, int]:
        """Per member of loop `within` (NONE: per node) the bit set of members at the end of a path of one edge or more
        inside it, but for the back edges of loop `without` (absent: of `within`) and of the loops around it.

        A path that leaves a loop comes back only over a back edge of a loop around it, so nothing is lost. Computed
        when first asked for."""
        key = (within, within if without is None else without)
        if key not in self._reach:
            edges: set[int] = set()
            loop = key[1]
            while loop != NONE:
                edges |= self.loops[loop].back_edges
                loop = self.loops[loop].parent
            members = (1 << len(self.names)) - 1 if within == NONE else self.loops[within].members
            self._reach[key] = self._closure(members, edges)
        return self._reach[key]

    def _closure(self, within: int, without: set[int]) -> dict[int, int]:
        nodes = sorted(bits(within), key=self.walk.place.__getitem__, reverse=True)
        steps = {node: [self.targets[e] for e in self.leaving[node] if e not in without] for node in nodes}
        after = {node: mask_of(targets) & within for node, targets in steps.items()}
        changed = True
        while changed:
            changed = False
            for node, targets in steps.items():
                found = after[node]
                for target in targets:
                    found |= after.get(target, 0)
                if found != after[node]:
                    after[node], changed = found, True
        return after

    def to_the_end(self, without: str | None = None) -> set[str]:
        """The nodes from which a path of forward edges leads to the end, but for those through one of them."""
        found = {self.number[END]}
        for node in reversed(self.walk.order):
            ahead = (edge for edge in self.leaving[node] if edge not in self.walk.back)
            if self.names[node] != without and any(self.targets[edge] in found for edge in ahead):
                found.add(node)
        return {self.names[node] for node in found}

    def forward(self) -> Iterator[tuple[int, int]]:
        """The forward edges as (source, target) numbers, in document order."""
        for index, ends in enumerate(zip(self.sources, self.targets, strict=True)):
            if index not in self.walk.back:
                yield ends


def _by_source(graph: Shape) -> dict[str, dict[str | None, tuple[Edge, ...]]]:
    found: dict[str, dict[str | None, list[Edge]]] = {}
    for edge in graph.edges:
        found.setdefault(edge.source, {}).setdefault(edge.handle, []).append(edge)
    return {
        source: {handle: tuple(edges) for handle, edges in by_handle.items()} for source, by_handle in found.items()
    }
