"""The loops of a graph: the depth-first search that finds back edges, the cycles they close, and what hangs off them.

Loops are nested as in P. Havlak, Nesting of Reducible and Irreducible Loops, 1997: they are found from the inside
outwards, and one that is found counts as one node from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Protocol

NONE = -1
Chain = tuple[int, ...]
"""Indexes of nested loops, outermost first."""


class Wires(Protocol):
    """Nodes and edges by number: per edge its ends and whether it has a handle, per node its edges in order."""

    @property
    def sources(self) -> Sequence[int]: ...

    @property
    def targets(self) -> Sequence[int]: ...

    @property
    def handled(self) -> Sequence[bool]: ...

    @property
    def leaving(self) -> Sequence[Sequence[int]]: ...

    @property
    def entering(self) -> Sequence[Sequence[int]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A cycle closed by back edges to one head; `cycle` and `members` are bit sets over node numbers.

    `side_entries` are the edges that come in from outside elsewhere than at the head.
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


def search(wires: Wires, roots: Iterable[int]) -> Walk:
    """Depth first from each root that was not met yet; edges in document order (language 3.2)."""
    preorder: dict[int, int] = {}
    last: dict[int, int] = {}
    postorder: list[int] = []
    back: set[int] = set()
    for root in roots:
        if root in preorder:
            continue
        preorder[root] = len(preorder)
        stack = [(root, iter(wires.leaving[root]))]
        while stack:
            node, edges = stack[-1]
            for edge in edges:
                target = wires.targets[edge]
                if target not in preorder:
                    preorder[target] = len(preorder)
                    stack.append((target, iter(wires.leaving[target])))
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


@dataclass(slots=True)
class Cycle:
    """The nodes of a cycle, the edges that come into it from outside (those at the head first), and that leave it."""

    nodes: int
    closing: frozenset[int]
    head_entries: list[int]
    side_entries: list[int] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)


def find_loops(wires: Wires, walk: Walk, end: int) -> tuple[tuple[Loop, ...], tuple[Chain, ...]]:
    """The loops, outermost first (forward edges lead from a head to those inside its loop), and those of each node."""
    cycles = _cycles(wires, walk)
    heads = mask_of(cycles)
    loops: list[Loop] = []
    around: dict[int, int] = {}
    for head in sorted(cycles, key=walk.place.__getitem__):
        members = _whole_cycles(wires, walk, head, cycles, heads, end)
        parent = around.get(head, NONE)
        loop = Loop(
            index=len(loops),
            head=head,
            depth=0 if parent == NONE else loops[parent].depth + 1,
            parent=parent,
            cycle=cycles[head].nodes,
            members=members if parent == NONE else members & loops[parent].members,
            back_edges=cycles[head].closing,
            side_entries=tuple(cycles[head].side_entries),
        )
        around.update(dict.fromkeys(bits(heads & loop.members & ~(1 << head)), loop.index))
        loops.append(loop)
    return tuple(loops), _chains(loops, len(wires.leaving))


def _chains(loops: Sequence[Loop], count: int) -> tuple[Chain, ...]:
    """Per node the loops that it belongs to."""
    chains: list[Chain] = []
    for loop in loops:
        chains.append((*(chains[loop.parent] if loop.parent != NONE else ()), loop.index))
    found: list[Chain] = [()] * count
    done = 0
    for loop in reversed(loops):
        for node in bits(loop.members & ~done):
            found[node] = chains[loop.index]
        done |= loop.members
    return tuple(found)


# ---- cycles


def _cycles(wires: Wires, walk: Walk) -> dict[int, Cycle]:
    """By head the cycle of its back edges, found from the inside outwards."""
    closing: dict[int, set[int]] = {}
    for edge in walk.back:
        closing.setdefault(wires.targets[edge], set()).add(edge)
    cycles: dict[int, Cycle] = {}
    inside: dict[int, int] = {}
    for head in sorted(closing, key=walk.place.__getitem__, reverse=True):
        cycles[head] = _cycle(wires, walk, head, frozenset(closing[head]), cycles, inside)
    return cycles


def _cycle(
    wires: Wires, walk: Walk, head: int, closing: frozenset[int], cycles: Mapping[int, Cycle], inside: dict[int, int]
) -> Cycle:
    """The nodes below the head in the search from which a closing edge can be reached without passing the head."""
    body = {head}
    sides: list[int] = []
    todo = [_outermost(inside, wires.sources[edge]) for edge in closing]
    while todo:
        part = todo.pop()
        if part in body:
            continue
        body.add(part)
        for edge in _entries(wires, cycles, part):
            if walk.descends(wires.sources[edge], head):
                todo.append(_outermost(inside, wires.sources[edge]))
            else:
                sides.append(edge)
    nodes = mask_of(body)
    for part in body - {head}:
        nodes |= cycles[part].nodes if part in cycles else 0
        inside[part] = head
    exits = [e for p in sorted(body) for e in _exits(wires, cycles, p) if not nodes >> wires.targets[e] & 1]
    entries = [edge for edge in wires.entering[head] if edge not in closing]
    return Cycle(nodes=nodes, closing=closing, head_entries=entries, side_entries=sorted(sides), exits=exits)


def _entries(wires: Wires, cycles: Mapping[int, Cycle], part: int) -> Sequence[int]:
    found = cycles.get(part)
    return wires.entering[part] if found is None else [*found.head_entries, *found.side_entries]


def _exits(wires: Wires, cycles: Mapping[int, Cycle], part: int) -> Sequence[int]:
    return cycles[part].exits if part in cycles else wires.leaving[part]


def _outermost(inside: dict[int, int], node: int) -> int:
    """The head of the outermost cycle found so far that the node lies on, or the node; shortens the way to it."""
    way = []
    while node in inside:
        way.append(node)
        node = inside[node]
    inside.update(dict.fromkeys(way, node))
    return node


# ---- what hangs off


def _whole_cycles(wires: Wires, walk: Walk, head: int, cycles: Mapping[int, Cycle], heads: int, end: int) -> int:
    """The members of a loop, of which another cycle that hangs off it is a part wholly or not at all.

    Only a cycle with a second way in can be torn: its head hangs off this loop, another of its nodes does not.
    """
    nodes, banned = cycles[head].nodes, 1 << end
    while True:
        members = _members(wires, walk, cycles[head], banned)
        torn = [other for at in bits(heads & members & ~nodes) if (other := cycles[at].nodes) & ~members]
        if not torn:
            return members
        for other in torn:
            banned |= other


def _members(wires: Wires, walk: Walk, cycle: Cycle, banned: int) -> int:
    """The cycle and what hangs off it: every forward way in comes out of it other than by a route edge that leaves."""
    members = cycle.nodes
    todo = [walk.place[wires.targets[edge]] for edge in cycle.exits if edge not in walk.back]
    heapify(todo)  # forward edges go up in this order, so a node's sources are decided before it
    while todo:
        node = walk.order[heappop(todo)]
        if (members | banned) >> node & 1:
            continue
        ways = (edge for edge in wires.entering[node] if edge not in walk.back)
        if all(_stays(wires, edge, cycle.nodes, members) for edge in ways):
            members |= 1 << node
            for edge in wires.leaving[node]:
                if edge not in walk.back:
                    heappush(todo, walk.place[wires.targets[edge]])
    return members


def _stays(wires: Wires, edge: int, cycle: int, members: int) -> bool:
    source = wires.sources[edge]
    return bool(members >> source & 1) and not (cycle >> source & 1 and wires.handled[edge])


# ---- bit sets


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
