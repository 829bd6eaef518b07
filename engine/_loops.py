"""The loops of a graph: the depth-first search that finds back edges, the cycles they close, and what hangs off them.

Loops are nested as in P. Havlak, Nesting of Reducible and Irreducible Loops, 1997: they are found from the inside
outwards, and one that is found counts as one node from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Protocol

from engine.values import dataclass, replace

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

    `side_entries` are the edges that come in from outside elsewhere than at the head, but for those that do the same to
    a loop around it; `has_side_entries` counts these as well.
    """

    index: int
    head: int
    depth: int
    parent: int
    cycle: int
    members: int
    back_edges: frozenset[int]
    has_side_entries: bool = False
    side_entries: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Walk:
    """A depth-first search: order of discovery, end of each subtree, and the edges that close a cycle.

    `order` is the nodes such that every forward edge goes from an earlier to a later one, `place` its inverse. `before`
    are per node the sources of its forward edges, as bit sets.
    """

    preorder: dict[int, int]
    last: dict[int, int]
    back: frozenset[int]
    order: tuple[int, ...]
    place: dict[int, int]
    before: tuple[int, ...]

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
    before = tuple(mask_of(wires.sources[edge] for edge in edges if edge not in back) for edges in wires.entering)
    return Walk(preorder=preorder, last=last, back=frozenset(back), order=order, place=place, before=before)


@dataclass(slots=True)
class Cycle:
    """A cycle, or a node that is on none, by bit sets over nodes: those on it, the sources of edges into its head and
    into the others, and the targets of forward edges out of it, without a handle and with one."""

    nodes: int
    into_head: int
    into_others: int
    plain: int
    handled: int
    closing: frozenset[int] = frozenset()

    def take(self, part: Cycle) -> None:
        """Have a part on it as well."""
        self.nodes |= part.nodes
        self.into_others |= part.into_head | part.into_others
        self.plain |= part.plain
        self.handled |= part.handled


def find_loops(wires: Wires, walk: Walk, end: int) -> tuple[tuple[Loop, ...], tuple[Chain, ...]]:
    """The loops, outermost first (forward edges lead from a head to those inside its loop), and those of each node."""
    parts = [_node(wires, walk, node) for node in range(len(wires.leaving))]
    cycles, outer = _cycles(wires, walk, parts)
    heads, order = mask_of(cycles), sorted(cycles, key=walk.place.__getitem__)
    sides, entered = _sides(wires, walk, {head: index for index, head in enumerate(order)}, outer)
    loops: list[Loop] = []
    for head in order:
        members = _whole_cycles(walk, parts, head, cycles, heads, end)
        parent = next((loop.index for loop in reversed(loops) if loop.members >> head & 1), NONE)
        loops.append(
            Loop(
                index=len(loops),
                head=head,
                depth=0 if parent == NONE else loops[parent].depth + 1,
                parent=parent,
                cycle=cycles[head].nodes,
                members=members if parent == NONE else members & loops[parent].members,
                back_edges=cycles[head].closing,
                has_side_entries=bool(entered >> len(loops) & 1),
                side_entries=tuple(sides.get(len(loops), ())),
            )
        )
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


def _node(wires: Wires, walk: Walk, node: int) -> Cycle:
    """A node as a part of cycles."""
    ahead = [edge for edge in wires.leaving[node] if edge not in walk.back]
    return Cycle(
        nodes=1 << node,
        into_head=mask_of(wires.sources[edge] for edge in wires.entering[node]),
        into_others=0,
        plain=mask_of(wires.targets[edge] for edge in ahead if not wires.handled[edge]),
        handled=mask_of(wires.targets[edge] for edge in ahead if wires.handled[edge]),
    )


def _cycles(wires: Wires, walk: Walk, parts: Sequence[Cycle]) -> tuple[dict[int, Cycle], dict[int, int]]:
    """By head the cycle of its back edges, found from the inside outwards; and per node, or head of a cycle, the head
    of the next cycle around it."""
    closing: dict[int, set[int]] = {}
    for edge in walk.back:
        closing.setdefault(wires.targets[edge], set()).add(edge)
    cycles: dict[int, Cycle] = {}
    inside: dict[int, int] = {}
    outer: dict[int, int] = {}
    up_to = _prefixes(walk)
    for head in sorted(closing, key=walk.place.__getitem__, reverse=True):
        found = replace(parts[head], closing=frozenset(closing[head]))
        below = up_to[walk.last[head] + 1] & ~up_to[walk.preorder[head]]
        todo = mask_of(wires.sources[edge] for edge in closing[head]) & ~found.nodes
        while todo:  # the nodes below the head from which it can be reached without passing it
            part = _outermost(inside, (todo & -todo).bit_length() - 1)
            inside[part] = outer[part] = head
            taken = cycles.get(part) or parts[part]
            found.take(taken)
            todo = (todo | (taken.into_head | taken.into_others) & below) & ~found.nodes
        cycles[head] = found
    return cycles, outer


def _prefixes(walk: Walk) -> list[int]:
    """Per number the bit set of so many nodes that were met first."""
    found = [0]
    for node in sorted(walk.preorder, key=walk.preorder.__getitem__):
        found.append(found[-1] | 1 << node)
    return found


def _outermost(inside: dict[int, int], node: int) -> int:
    """The head of the outermost cycle found so far that the node lies on, or the node; shortens the way to it."""
    way = []
    while node in inside:
        way.append(node)
        node = inside[node]
    inside.update(dict.fromkeys(way, node))
    return node


def _sides(
    wires: Wires, walk: Walk, loops: Mapping[int, int], outer: Mapping[int, int]
) -> tuple[dict[int, list[int]], int]:
    """Which edges come into cycles elsewhere than at the head, each with the outermost loop that it does so to, and the
    bit set of all loops with such edges. `loops` are the numbers of loops by their heads, outermost first.

    A loop has an edge for a side entry where its target is on the cycle and its source is not below the head.
    """
    if not loops:
        return {}, 0
    on, above = _loops_around(walk, loops, outer), _heads_above(walk, loops)
    sides: dict[int, list[int]] = {}
    entered = 0
    for edge, (source, target) in enumerate(zip(wires.sources, wires.targets, strict=True)):
        if found := on[target] & ~above[source]:
            entered |= found
            sides.setdefault((found & -found).bit_length() - 1, []).append(edge)
    return sides, entered


def _loops_around(walk: Walk, loops: Mapping[int, int], outer: Mapping[int, int]) -> dict[int, int]:
    """Per node the loops whose cycle it lies on, but for one of which it is the head."""
    found: dict[int, int] = {}
    for node in walk.order:
        head = outer.get(node)
        found[node] = 0 if head is None else found[head] | 1 << loops[head]
    return found


def _heads_above(walk: Walk, loops: Mapping[int, int]) -> dict[int, int]:
    """Per node the loops whose head it is, or is below in the search."""
    found: dict[int, int] = {}
    way: list[int] = []
    for node in sorted(walk.preorder, key=walk.preorder.__getitem__):
        while way and not walk.descends(node, way[-1]):
            way.pop()
        own = 1 << loops[node] if node in loops else 0
        found[node] = own | (found[way[-1]] if way else 0)
        way.append(node)
    return found


# ---- what hangs off


def _whole_cycles(
    walk: Walk, parts: Sequence[Cycle], head: int, cycles: Mapping[int, Cycle], heads: int, end: int
) -> int:
    """The members of a loop, of which another cycle that hangs off it is a part wholly or not at all.

    Only a cycle with a second way in can be torn: its head hangs off this loop, another of its nodes does not.
    """
    nodes, banned = cycles[head].nodes, 1 << end
    while True:
        members = _members(walk, parts, cycles[head], banned)
        torn = [other for at in bits(heads & members & ~nodes) if (other := cycles[at].nodes) & ~members]
        if not torn:
            return members
        for other in torn:
            banned |= other


def _members(walk: Walk, parts: Sequence[Cycle], cycle: Cycle, banned: int) -> int:
    """The cycle and what hangs off it: every forward way in comes out of it other than by a route edge that leaves."""
    members, banned = cycle.nodes, banned | cycle.handled & ~cycle.nodes
    todo = [walk.place[node] for node in bits(cycle.plain & ~(members | banned))]
    heapify(todo)  # forward edges go up in this order, so a node's sources are decided before it
    while todo:
        node = walk.order[heappop(todo)]
        if members >> node & 1 or walk.before[node] & ~members:
            continue
        members |= 1 << node
        ahead = parts[node].plain | parts[node].handled
        for target in bits(ahead & ~(members | banned)):
            heappush(todo, walk.place[target])
    return members


# ---- bit sets


def bits(mask: int) -> Iterator[int]:
    """The numbers in a bit set, ascending."""
    text = bin(mask)[:1:-1]  # to look for digits costs less than to take large numbers apart
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


def mask_of(numbers: Iterable[int]) -> int:
    """The bit set of some numbers."""
    mask = 0
    for number in numbers:
        mask |= 1 << number
    return mask
