"""When a wave activates its node: `all` when no other active work can still reach it, `each` with every arrival, and
`any`, `first` and a quorum with the arrival that makes it enough, after which what comes is absorbed (language 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.errors import NodeFailure
from engine.frontier import Frontier
from engine.graph import Graph
from engine.model import Arrival, Task, TaskId, Wave
from engine.reach import Reach
from engine.values import dataclass

Fired = tuple[Wave, tuple[Arrival, ...]]
"""A wave that activates its node, and what arrived there."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What arrivals lead to: waves that fire, with all their arrivals; new arrivals that wait; the new counts.

    `absorbed` are the waves that take no more arrivals from now on; `ended` and `emptied` the open tasks and the
    waiting waves that a `first` has no use for any more.
    """

    fired: tuple[Fired, ...]
    waiting: tuple[Arrival, ...]
    blockers: dict[Wave, int]
    absorbed: tuple[Wave, ...] = ()
    ended: tuple[TaskId, ...] = ()
    emptied: tuple[Wave, ...] = ()


def settle(graph: Graph, front: Frontier, leaving: Task | None, arrivals: Sequence[Arrival]) -> Settled:
    """Decide which waves fire once `leaving` is done and `arrivals` have come; changes nothing."""
    if len(arrivals) == 1 and not (front.waves or front.apart or front.absorbed):
        node = arrivals[0].wave.node
        if graph.topology.single(node) and node not in graph.needed:
            return Settled(((arrivals[0].wave, (arrivals[0],)),), (), {})
    case = _Case(graph, front, leaving)
    if front.blockers is None:
        case.take_what_is_held_back()
    for arrival in arrivals:
        case.arrive(arrival)
    if case.absorbed:
        case.end_what_is_in_vain()
    return case.settled()


class _Case:
    """What becomes of the arrivals of one commit."""

    __slots__ = ("absorbed", "apart", "emptied", "ended", "fired", "front", "graph", "leaving", "new", "reach")

    def __init__(self, graph: Graph, front: Frontier, leaving: Task | None) -> None:
        self.graph, self.front, self.leaving = graph, front, leaving
        self.new: dict[Wave, list[Arrival]] = {}
        self.fired: list[Fired] = []
        self.apart: list[Wave] = []
        self.absorbed: list[Wave] = []
        self.ended: dict[TaskId, Wave] = {}
        self.emptied: list[Wave] = []
        self.reach = Reach(graph.topology, front.absorbed)

    @property
    def closed(self) -> set[Wave]:
        """The waves that take no more arrivals."""
        return {*self.front.absorbed, *self.absorbed}

    def arrive(self, arrival: Arrival) -> None:
        """Take an arrival: it activates its node by itself, is one of a wave, or comes too late for one."""
        wave, front = arrival.wave, self.front
        if arrival.place:
            self.fired.append((wave, (arrival,)))
            self.apart.append(wave)
        elif wave not in front.absorbed and wave not in self.absorbed:
            self.new.setdefault(wave, []).append(arrival)
            came = (*front.waves.get(wave, ()), *self.new[wave])
            if is_enough(self.graph, wave, came):
                self.fired.append((wave, came))
                self.absorbed.append(wave)
                del self.new[wave]

    def take_what_is_held_back(self) -> None:
        """Take the waves that have enough already: a limit of the run did not let them activate their nodes."""
        for wave, came in self.front.waves.items():
            if is_enough(self.graph, wave, came):
                self.fired.append((wave, up_to_enough(self.graph, wave, came)))
                self.absorbed.append(wave)

    def end_what_is_in_vain(self) -> None:
        """End what can only lead to a `first` that has fired; and what that had fired or brought in the same moment."""
        self.reach = Reach(self.graph.topology, self.closed)
        for wave in self.absorbed:
            vain = self.graph.in_vain_after(wave.node)
            if not vain or wave not in (one for one, _ in self.fired):
                continue
            doomed = {one for one in self._work() if one.node in vain and one != wave and self.reach(one, wave)}
            self.ended.update(
                (task.id, task.wave) for task in self._tasks() if task.call is None and task.wave in doomed
            )
            self.emptied += [one for one in self.front.waves if one in doomed]
            self.fired = [one for one in self.fired if one[0] not in doomed]
            self.apart = [one for one in self.apart if one not in doomed]
            self.new = {one: some for one, some in self.new.items() if one not in doomed}
        fired = {wave for wave, _ in self.fired}
        if len(kept := [wave for wave in self.absorbed if wave in fired]) < len(self.absorbed):
            self.absorbed = kept
            self.reach = Reach(self.graph.topology, self.closed)

    def settled(self) -> Settled:
        """What fires because nothing can reach it any more, and what waits."""
        front, new = self.front, self.new
        at_once = [wave for wave in new if wave not in front.waves and self._at_once(wave)]
        counts = self._counts(at_once)
        fired = [*self.fired, *((wave, tuple(new[wave])) for wave in at_once)]
        closed = self.closed if self.absorbed or front.absorbed else ()
        waves = [wave for wave in counts if wave not in closed]
        fired += [(w, (*front.waves.get(w, ()), *new.get(w, ()))) for w in waves if not counts[w]]
        still = {wave: count for wave, count in counts.items() if count}
        waiting = tuple(arrival for wave, some in new.items() if wave in still for arrival in some)
        return Settled(
            tuple(fired), waiting, still, tuple(self.absorbed), (*self.ended, *self._items()), tuple(self.emptied)
        )

    def _at_once(self, wave: Wave) -> bool:
        """Cases that need no counting: nothing else can arrive there, or nothing else is active.

        Where a node was activated several times in one wave, so may be what one edge alone leads to.
        """
        front = self.front
        if not front.apart and self.graph.topology.single(wave.node):
            return True
        if len(self.new) > 1 or self.fired or front.waves or front.held:
            return False
        return not any(True for _ in self._tasks())

    def _counts(self, at_once: Sequence[Wave]) -> dict[Wave, int]:
        """Per waiting wave (old and new), and per one that takes no more, how much other work can still reach it."""
        front = self.front
        fresh = [wave for wave in self.new if wave not in front.waves]
        if self.absorbed or self.ended or self.emptied:
            taken = {wave for wave, _ in self.fired if wave in front.waves}
            gone = {*taken, *self.emptied, *at_once}
            waves = [wave for wave in dict.fromkeys((*front.waves, *self.new)) if wave not in gone]
            return _counted(self.reach, list(self._work()), [*waves, *self.closed])
        known = front.blockers if front.blockers is not None else recount(self.graph, front)
        more = [*fresh, *self.apart]
        counts = {wave: count + self._change(wave, more) for wave, count in known.items()}
        late = [wave for wave in fresh if wave not in at_once]
        return counts | (_counted(self.reach, list(self._work()), late) if late else {})

    def _change(self, wave: Wave, more: Sequence[Wave]) -> int:
        """How the work that can reach a wave changes with what leaves and what comes."""
        leaving = self.leaving
        gone = leaving is not None and leaving.call is None and self.reach(leaving.wave, wave)
        return sum(self.reach(one, wave) for one in more) - gone

    def _tasks(self) -> Iterable[Task]:
        """The tasks that stay open; what is not done of a send that ends counts no more than that."""
        gone = self.leaving.id if self.leaving is not None else None
        return (task for task in self.front.tasks.values() if task.id != gone and task.id not in self.ended)

    def _work(self) -> Iterable[Wave]:
        """Where there is work after this commit."""
        yield from (task.wave for task in self._tasks() if task.call is None)
        gone = {*self.emptied, *(wave for wave, _ in self.fired)}
        yield from (wave for wave in self.front.waves if wave not in gone)
        yield from (arrival.wave for arrival in self.front.held)
        yield from (wave for wave, _ in self.fired)
        yield from (wave for wave in self.new if wave not in self.front.waves)

    def _items(self) -> list[TaskId]:
        """The items of sends that are ended."""
        return [task.id for task in self.front.tasks.values() if task.call in self.ended]


def is_enough(graph: Graph, wave: Wave, came: Sequence[Arrival]) -> bool:
    """Whether a wave needs no more arrivals, whatever may still come."""
    needed = graph.needed.get(wave.node)
    return needed is not None and len({arrival.edge for arrival in came}) >= needed


def up_to_enough(graph: Graph, wave: Wave, came: Sequence[Arrival]) -> tuple[Arrival, ...]:
    """Those of the arrivals at a wave that activate its node: all, but for those that came when they were enough."""
    found: list[Arrival] = []
    for arrival in came:
        found.append(arrival)
        if is_enough(graph, wave, found):
            break
    return tuple(found)


def check_quorum(graph: Graph, task: Task) -> None:
    """Refuse to run a node at which too few edges have arrived. Raises NodeFailure."""
    wanted = graph.nodes[task.node].quorum
    if wanted is None or task.place or task.call is not None:
        return
    if (came := len(set(task.edges))) < wanted:
        message = f"'{task.node}' needs arrivals over {wanted} edges, and no more than {came} can come"
        raise NodeFailure("join.quorum_not_reached", message, retryable=False)


def recount(graph: Graph, front: Frontier) -> dict[Wave, int]:
    """The counts of all waiting waves, and of those that take no more while something can reach them, from nothing:
    what is kept up to date is checked against this."""
    reach = Reach(graph.topology, front.absorbed)
    counts = _counted(reach, list(front.work()), [*front.waves, *front.absorbed])
    return {wave: count for wave, count in counts.items() if count or wave in front.waves}


def _counted(reach: Reach, work: Sequence[Wave], waves: Iterable[Wave]) -> dict[Wave, int]:
    """Per wave how much of the work can still reach it; a wave that waits is no work for itself."""
    return {wave: sum(one != wave and reach(one, wave) for one in work) for wave in waves}


def free(graph: Graph, front: Frontier, counts: Mapping[Wave, int]) -> list[Wave]:
    """The waiting waves that wait for nothing."""
    return [wave for wave, some in front.waves.items() if not counts[wave] or is_enough(graph, wave, some)]
