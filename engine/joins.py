"""When a wave activates its node: `all` fires when no other active work can still reach it, `each` with every arrival
(language 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.frontier import Frontier
from engine.model import Arrival, Task, Wave
from engine.topology import Topology

Fired = tuple[Wave, tuple[Arrival, ...]]
"""A wave that activates its node, and what arrived there."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What arrivals lead to: waves that fire, with all their arrivals; new arrivals that wait; the new counts."""

    fired: tuple[Fired, ...]
    waiting: tuple[Arrival, ...]
    blockers: dict[Wave, int]


def settle(shape: Topology, front: Frontier, leaving: Task | None, arrivals: Sequence[Arrival]) -> Settled:
    """Decide which waves fire once `leaving` is done and `arrivals` have come; changes nothing."""
    if not (front.waves or front.apart) and len(arrivals) == 1 and shape.single(arrivals[0].wave.node):
        return Settled(((arrivals[0].wave, (arrivals[0],)),), (), {})
    new: dict[Wave, list[Arrival]] = {}
    for arrival in arrivals:
        if not arrival.place:
            new.setdefault(arrival.wave, []).append(arrival)
    fired: list[Fired] = [(arrival.wave, (arrival,)) for arrival in arrivals if arrival.place]
    apart = [wave for wave, _ in fired]
    at_once = {wave for wave in new if wave not in front.waves and _at_once(shape, front, leaving, new, apart, wave)}
    counts = _counts(shape, front, leaving, new, apart, at_once)
    fired += [(wave, tuple(new[wave])) for wave in new if wave in at_once]
    for wave, count in counts.items():
        if count == 0:
            fired.append((wave, (*front.waves.get(wave, ()), *new.get(wave, ()))))
    still = {wave: count for wave, count in counts.items() if count}
    waiting = tuple(arrival for arrival in arrivals if arrival.wave in still and not arrival.place)
    return Settled(tuple(fired), waiting, still)


def _at_once(
    shape: Topology,
    front: Frontier,
    leaving: Task | None,
    new: dict[Wave, list[Arrival]],
    apart: Sequence[Wave],
    wave: Wave,
) -> bool:
    """Cases that need no counting: nothing else can arrive there, or nothing else is active.

    Where a node was activated several times in one wave, so may be what one edge alone leads to.
    """
    if not front.apart and shape.single(wave.node):
        return True
    if len(new) > 1 or apart or front.waves or front.held:
        return False
    left = len(front.tasks) - (leaving is not None and leaving.id in front.tasks)
    return left == 0


def _counts(
    shape: Topology,
    front: Frontier,
    leaving: Task | None,
    new: dict[Wave, list[Arrival]],
    apart: Sequence[Wave],
    at_once: set[Wave],
) -> dict[Wave, int]:
    """Per waiting wave (old and new) how much other work can still reach it after this commit."""
    fresh = [*(wave for wave in new if wave not in front.waves), *apart]
    counts: dict[Wave, int] = {}
    if front.waves:
        known = front.blockers if front.blockers is not None else recount(shape, front)
        for wave in front.waves:
            gone = 1 if leaving is not None and leaving.call is None and reaches(shape, leaving.wave, wave) else 0
            counts[wave] = known[wave] - gone + _reaching(shape, fresh, wave)
    for wave in new:
        if wave not in at_once and wave not in front.waves:
            others = front.work(leaving.id if leaving else None)
            counts[wave] = _reaching(shape, (*others, *(w for w in fresh if w != wave)), wave)
    return counts


def recount(shape: Topology, front: Frontier) -> dict[Wave, int]:
    """The counts of all waiting waves from nothing: what is kept up to date is checked against this."""
    return {wave: _reaching(shape, (work for work in front.work() if work != wave), wave) for wave in front.waves}


def _reaching(shape: Topology, work: Iterable[Wave], wave: Wave) -> int:
    return sum(reaches(shape, one, wave) for one in work)


def reaches(shape: Topology, work: Wave, wave: Wave) -> bool:
    """Whether work at one wave can still arrive at another."""
    if work.frame != wave.frame or work.generation != wave.generation:
        return False
    return shape.can_reach(work.node, work.rounds, wave.node, wave.rounds)
