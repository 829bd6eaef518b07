"""Which work can still reach which wave, also past waves that take no more arrivals (language 3.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from engine.model import Wave
from engine.topology import Topology


class Reach:
    """Whether work at one wave can still arrive at another without passing one of those that absorb what arrives.

    Only where such a wave stands between the two is a walk needed.
    """

    def __init__(self, shape: Topology, absorbed: Collection[Wave]) -> None:
        self.shape, self.absorbed = shape, absorbed

    def __call__(self, work: Wave, wave: Wave) -> bool:
        if work.frame != wave.frame or work.generation != wave.generation:
            return False
        if not self.shape.can_reach(work.node, work.rounds, wave.node, wave.rounds):
            return False
        if not self.absorbed:
            return True
        between = [
            one for one in self.absorbed if one != wave and self._plainly(work, one) and self._plainly(one, wave)
        ]
        return not between or self._walk(work, wave, frozenset((one.node, one.rounds) for one in between))

    def _plainly(self, work: Wave, wave: Wave) -> bool:
        if work.frame != wave.frame or work.generation != wave.generation:
            return False
        return self.shape.can_reach(work.node, work.rounds, wave.node, wave.rounds)

    def _walk(self, work: Wave, wave: Wave, closed: Collection[tuple[str, tuple[int, ...]]]) -> bool:
        """Whether a path leads there. Rounds beyond all that are spoken of here are no different from each other."""
        most = 1 + max((0, *work.rounds, *wave.rounds, *(number for _, rounds in closed for number in rounds)))
        todo, seen = list(self._next(work.node, work.rounds)), set[tuple[str, tuple[int, ...]]]()
        while todo:
            node, rounds = at = todo.pop()
            if at == (wave.node, wave.rounds):
                return True
            if at in seen or at in closed or max(rounds, default=0) > most:
                continue
            seen.add(at)
            if self.shape.can_reach(node, rounds, wave.node, wave.rounds):
                todo += self._next(node, rounds)
        return False

    def _next(self, node: str, rounds: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
        shape = self.shape
        for edge in shape.leaving[shape.number[node]]:
            yield shape.names[shape.targets[edge]], shape.rounds_over(edge, rounds)
