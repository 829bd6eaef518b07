"""Which nodes can run in parallel: the sweep finds what moving two pieces of work around finds."""

from __future__ import annotations

import random
from collections.abc import Iterator

from engine.checks.parallel import Parallel
from engine.graph import Edge
from engine.model import START
from engine.topology import Topology, bits
from tests.unit.test_topology import Drawn, drawn, shape


def forks_of(topology: Topology) -> list[list[int]]:
    """The edges of one node by one handle are taken together."""
    found = []
    for by_handle in topology.out.values():
        for edges in by_handle.values():
            targets = sorted({topology.number[edge.target] for edge in edges})
            if len(targets) > 1:
                found.append(targets)
    return found


def moved(topology: Topology, forks: list[list[int]]) -> set[frozenset[int]]:
    """Pairs of nodes that run at one time: two pieces of work from a fork move until they meet; who can be reached by
    the other one waits."""
    after = reach(topology)
    todo = [(one, other) for group in forks for one in group for other in group if one != other]
    seen = set(todo)
    together = set()
    while todo:
        one, other = todo.pop()
        if not after[one] >> other & 1 and not after[other] >> one & 1:
            together.add(frozenset((one, other)))
        steps: list[tuple[int, int]] = []
        if not after[other] >> one & 1:
            steps += [(to, other) for to in nexts(topology, one)]
        if not after[one] >> other & 1:
            steps += [(one, to) for to in nexts(topology, other)]
        for pair in steps:
            if pair[0] != pair[1] and pair not in seen:
                seen.add(pair)
                todo.append(pair)
    return together


def nexts(topology: Topology, node: int) -> Iterator[int]:
    return (topology.targets[edge] for edge in topology.leaving[node] if edge not in topology.walk.back)


def reach(topology: Topology) -> list[int]:
    after = [0] * len(topology.names)
    for node in reversed(topology.walk.order):
        for to in nexts(topology, node):
            after[node] |= after[to] | 1 << to
    return after


def found(topology: Topology, forks: list[list[int]]) -> set[frozenset[int]]:
    parallel = Parallel(topology, forks)
    numbers = range(len(topology.names))
    return {
        frozenset((one, other)) for one in numbers for other in numbers if one < other and parallel.both(one, other)
    }


def pairs(topology: Topology) -> set[str]:
    names = topology.names
    return {" ".join(sorted(names[node] for node in pair)) for pair in found(topology, forks_of(topology))}


def test_the_branches_of_a_fork_run_in_parallel_until_they_join() -> None:
    topology = shape("a b c j z", "^ > a", "a > b", "a > c", "b > j", "c > j", "j > z", "z > $")

    assert pairs(topology) == {"b c"}


def test_a_route_takes_one_of_its_edges() -> None:
    topology = shape("r a b j", "^ > r", "r:x > a", "r:y > b", "a > j", "b > j", "j > $")

    assert pairs(topology) == set()


def test_what_a_route_after_a_join_chooses_between_is_not_parallel() -> None:
    topology = shape("a b j l r", "^ > a", "^ > b", "a > j", "b > j", "j:x > l", "j:y > r", "l > $", "r > $")

    assert pairs(topology) == {"a b"}


def test_a_branch_that_a_route_leads_past_the_join_runs_beside_what_follows() -> None:
    topology = shape("a r k z", "^ > a", "^ > r", "a > k", "r:in > k", "r:past > z", "k > $", "z > $")

    assert pairs(topology) == {"a r", "a z", "k z"}


def test_the_sweep_agrees_with_moving_work_around() -> None:
    for seed in range(400):
        topology = drawn(seed)
        assert found(topology, forks_of(topology)) == moved(topology, forks_of(topology)), seed


def test_the_sweep_agrees_on_larger_graphs_without_cycles() -> None:
    for seed in range(60):
        chance = random.Random(seed)
        names = [f"n{number}" for number in range(12)]
        ends = [(START, names[0]), *(sorted(chance.sample(names, 2), key=names.index) for _ in range(24))]
        lines = dict.fromkeys((source, chance.choice([None, "x", "y"]), target) for source, target in ends)
        edges = tuple(
            Edge(index=at, source=source, handle=handle, target=target)
            for at, (source, handle, target) in enumerate(lines)
        )
        topology = Topology(Drawn(dict.fromkeys(names), edges))
        assert found(topology, forks_of(topology)) == moved(topology, forks_of(topology)), seed


def test_among_names_those_that_are_parallel_to_another_one() -> None:
    topology = shape("a b c j z", "^ > a", "a > b", "a > c", "b > j", "c > j", "j > z", "z > $")
    parallel = Parallel(topology, forks_of(topology))

    chosen = parallel.among(topology.number[name] for name in ("a", "b", "c", "z"))

    assert sorted(topology.names[node] for node in chosen) == ["b", "c"]
    assert list(bits(0b1010)) == [1, 3]
