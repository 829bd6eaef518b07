"""Which nodes can run in parallel.

Two nodes can when a fork sends work to both on paths that do not meet. A sweep over the forward edges finds them: work
moves on in the order of the places (forward edges lead to later ones), and each place remembers the later places where
other work can stand while work stands there. Who can be reached from another's place waits for it (join `all`), and
does not run beside it, but for what lies behind a node that does not wait (`any`, `first`, a quorum).
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from engine.topology import Topology, bits, mask_of


class Parallel:
    """The pairs of nodes that can run in parallel in one pass over the graph, without its back edges.

    `forks` are groups of nodes that one node's completion sends work to at once, `eager` the nodes that do not wait.
    Sets of places are bit sets.
    """

    def __init__(self, shape: Topology, forks: Iterable[Iterable[int]], eager: Iterable[int] = ()) -> None:
        self.order, self.place = shape.walk.order, shape.walk.place
        self.steps = [
            [self.place[shape.targets[edge]] for edge in shape.leaving[node] if edge not in shape.walk.back]
            for node in self.order
        ]
        self.after = self._ahead()
        closed = {self.place[node] for node in eager}
        self.waiting = self._ahead(closed) if closed else self.after
        self.beside = [0] * len(self.order)
        self._met = [0] * len(self.order)
        self._later: dict[int, int] = {}
        for targets in forks:
            self._fork(mask_of(self.place[target] for target in targets))
        for place, steps in enumerate(self.steps):
            if others := self.beside[place]:
                for to in steps:
                    self._meet(to, others)

    def _ahead(self, closed: Container[int] = ()) -> list[int]:
        """Per place the places that forward edges lead to, none of them into one that is closed."""
        after = [0] * len(self.order)
        for place in reversed(range(len(after))):
            for to in (to for to in self.steps[place] if to not in closed):
                after[place] |= after[to] | 1 << to
        return after

    def _fork(self, rest: int) -> None:
        while rest:
            low = rest & -rest
            rest ^= low
            self.beside[low.bit_length() - 1] |= rest

    def _meet(self, to: int, others: int) -> None:
        """Work can stand at `to` while other work stands at each of `others`; the earlier of two places knows it."""
        self.beside[to] |= others >> to + 1 << to + 1
        earlier = others & ((1 << to) - 1) & ~self._met[to]
        self._met[to] |= earlier
        for other in bits(earlier):
            self.beside[other] |= 1 << to

    def later(self, place: int) -> int:
        """The later places of nodes that can run in parallel with the one here."""
        if place not in self._later:
            self._later[place] = self._onwards(self.beside[place]) & ~self.waiting[place]
        return self._later[place]

    def _onwards(self, places: int) -> int:
        """The places, and those that forward edges lead to from them."""
        todo, found = places, 0
        while todo:
            low = todo & -todo
            found |= self.after[low.bit_length() - 1] | low
            todo &= ~found  # what follows from those is there already
        return found

    def both(self, one: int, other: int) -> bool:
        """Whether two nodes can run in parallel."""
        first, second = self.place[one], self.place[other]
        if first > second:
            first, second = second, first
        return bool(self.later(first) >> second & 1)

    def among(self, nodes: Iterable[int]) -> list[int]:
        """Those of the nodes that can run in parallel with another one of them."""
        mask, found = mask_of(self.place[node] for node in nodes), 0
        for place in reversed(list(bits(mask))):
            if later := self.later(place) & mask:
                found |= later | 1 << place
        return [self.order[place] for place in bits(found)]
