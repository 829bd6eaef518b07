"""What follows from the shape of a graph alone: back edges, loops, how rounds are carried, and what can reach what.

Rounds and "can still reach" are the pointstamps and could-result-in of timely dataflow (Murray et al., Naiad, SOSP
2013) on the loops of a workflow. Loops are nested as in P. Havlak, Nesting of Reducible and Irreducible Loops, 1997.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

from engine.model import END, START

if TYPE_CHECKING:
    from engine.graph import Edge

NONE = -1
FRESH, INCREMENT = -1, 1


class Shape(Protocol):
    """What a topology is made of: nodes by name, in document order, and edges between them."""

    @property
    def nodes(self) -> Mapping[str, Any]: ...

    @property
    def edges(self) -> tuple[Edge, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A cycle closed by back edges to one head; `cycle` and `members` are bit sets over node numbers.

    `side_entries` are the forward edges that come in from outside elsewhere than at the head.
    """

    index: int
    head: int
    depth: int
    parent: int
    cycle: int
    members: int
    back_edges: frozenset[int]
    side_entries: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Walk:
    """A depth-first search: order of discovery, end of each subtree, and the edges that close a cycle.

    `order` is the nodes such that every forward edge goes from an earlier to a later one, `place` its inverse.
    """

    preorder: dict[int, int]
    last: dict[int, int]
    back: frozenset[int]
    order: tuple[int, ...]
    place: dict[int, int]

    def descends(self, node: int, ancestor: int) -> bool:
        return self.preorder[ancestor] <= self.preorder[node] <= self.last[ancestor]


class Topology:
    """The shape of one version. Nodes are numbered as authored, then `__start__`, then `__end__`."""

    def __init__(self, graph: Shape) -> None:
        self.names = (*graph.nodes, START, END)
        self.number = {name: number for number, name in enumerate(self.names)}
        self.edges = graph.edges
        self.sources = tuple(self.number[edge.source] for edge in graph.edges)
        self.targets = tuple(self.number[edge.target] for edge in graph.edges)
        self.out: dict[str, dict[str | None, tuple[Edge, ...]]] = _by_source(graph)
        self.leaving: list[list[int]] = [[] for _ in self.names]
        self.entering: list[list[int]] = [[] for _ in self.names]
        for index, (source, target) in enumerate(zip(self.sources, self.targets, strict=True)):
            self.leaving[source].append(index)
            self.entering[target].append(index)
        self.walk = _search(self)
        self.loops, self.loops_of = _find_loops(self)
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
        return set(self.loops_of[self.sources[entering[0]]]) <= set(self.loops_of[number])

    def rounds_over(self, edge: int, rounds: tuple[int, ...]) -> tuple[int, ...]:
        """The rounds at the target of an edge for work that leaves its source in `rounds`."""
        recipe = self.carry[edge]
        return tuple(0 if at == FRESH else rounds[at] + more for at, more in recipe) if recipe else ()

    def _recipe(self, edge: int) -> tuple[tuple[int, int], ...]:
        source, target = self.loops_of[self.sources[edge]], self.loops_of[self.targets[edge]]
        place = {loop: at for at, loop in enumerate(source)}
        return tuple(
            (place[loop], INCREMENT if edge in self.loops[loop].back_edges else 0) if loop in place else (FRESH, 0)
            for loop in target
        )

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
            without = loop if self.loops[loop].side_entries else without
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


def _search(shape: Topology) -> Walk:
    """Depth first from `__start__`, then from every node not met yet; edges in document order (language 3.2)."""
    preorder: dict[int, int] = {}
    last: dict[int, int] = {}
    postorder: list[int] = []
    back: set[int] = set()
    start = len(shape.names) - 2
    for root in (start, *range(len(shape.names))):
        if root in preorder:
            continue
        preorder[root] = len(preorder)
        stack = [(root, iter(shape.leaving[root]))]
        while stack:
            node, edges = stack[-1]
            for edge in edges:
                target = shape.targets[edge]
                if target not in preorder:
                    preorder[target] = len(preorder)
                    stack.append((target, iter(shape.leaving[target])))
                    break
                if target not in last:
                    back.add(edge)
            else:
                last[node] = len(preorder) - 1
                postorder.append(node)
                stack.pop()
    order = tuple(reversed(postorder))
    place = {node: at for at, node in enumerate(order)}
    return Walk(preorder=preorder, last=last, back=frozenset(back), order=order, place=place)


def _find_loops(shape: Topology) -> tuple[tuple[Loop, ...], tuple[tuple[int, ...], ...]]:
    """The loops, outermost first (forward edges lead from a head to those inside its loop), and those of each node."""
    closing: dict[int, set[int]] = {}
    for edge in shape.walk.back:
        closing.setdefault(shape.targets[edge], set()).add(edge)
    cycles = {head: _cycle(shape, head, closing[head]) for head in sorted(closing, key=shape.walk.place.__getitem__)}
    loops: list[Loop] = []
    chains: list[tuple[int, ...]] = [()] * len(shape.names)
    for head, cycle in cycles.items():
        around = chains[head]
        members = _whole_cycles(shape, head, cycles)
        loop = Loop(
            index=len(loops),
            head=head,
            depth=len(around),
            parent=around[-1] if around else NONE,
            cycle=cycle,
            members=members & loops[around[-1]].members if around else members,
            back_edges=frozenset(closing[head]),
            side_entries=tuple(_side_entries(shape, head, cycle)),
        )
        for node in bits(loop.members):
            chains[node] = (*around, loop.index)
        loops.append(loop)
    return tuple(loops), tuple(chains)


def _cycle(shape: Topology, head: int, closing: set[int]) -> int:
    """The nodes below the head in the search from which a closing edge can be reached without passing the head."""
    found, todo = 1 << head, [shape.sources[edge] for edge in closing]
    while todo:
        node = todo.pop()
        if found >> node & 1:
            continue
        found |= 1 << node
        todo += [s for edge in shape.entering[node] if shape.walk.descends(s := shape.sources[edge], head)]
    return found


def _side_entries(shape: Topology, head: int, cycle: int) -> Iterator[int]:
    for node in bits(cycle & ~(1 << head)):
        yield from (edge for edge in shape.entering[node] if not cycle >> shape.sources[edge] & 1)


def _whole_cycles(shape: Topology, head: int, cycles: Mapping[int, int]) -> int:
    """The members of a loop, of which another cycle that hangs off it is a part wholly or not at all.

    Only a cycle with a second way in can be torn: its head hangs off this loop, another of its nodes does not.
    """
    cycle, heads, banned = cycles[head], mask_of(cycles), 0
    while True:
        members = _members(shape, cycle, banned)
        torn = [other for at in bits(heads & members & ~cycle) if (other := cycles[at]) & ~members]
        if not torn:
            return members
        for other in torn:
            banned |= other


def _members(shape: Topology, cycle: int, banned: int) -> int:
    """The cycle and what hangs off it: every forward way in comes out of it other than by a route edge that leaves."""
    walk, members = shape.walk, cycle
    todo = [place for node in bits(cycle) for place in _next(shape, node)]
    heapify(todo)  # forward edges go up in this order, so a node's sources are decided before it
    while todo:
        node = walk.order[heappop(todo)]
        if (members | banned) >> node & 1 or shape.names[node] == END:
            continue
        if all(_stays(shape, edge, cycle, members) for edge in shape.entering[node] if edge not in walk.back):
            members |= 1 << node
            for place in _next(shape, node):
                heappush(todo, place)
    return members


def _next(shape: Topology, node: int) -> Iterator[int]:
    """The places of the nodes that forward edges lead to."""
    walk = shape.walk
    return (walk.place[shape.targets[edge]] for edge in shape.leaving[node] if edge not in walk.back)


def _stays(shape: Topology, edge: int, cycle: int, members: int) -> bool:
    source = shape.sources[edge]
    return bool(members >> source & 1) and not (cycle >> source & 1 and shape.edges[edge].handle is not None)


def bits(mask: int) -> Iterator[int]:
    """The numbers in a bit set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def mask_of(numbers: Iterable[int]) -> int:
    """The bit set of some numbers."""
    mask = 0
    for number in numbers:
        mask |= 1 << number
    return mask
