"""Back edges, loops and their members, the rounds that edges carry, and what can still reach what."""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import dataclass

import pytest

from engine.graph import Edge
from engine.model import END, START
from engine.topology import NONE, Loop, Topology, bits


@dataclass(frozen=True)
class Drawn:
    nodes: dict[str, None]
    edges: tuple[Edge, ...]


def shape(nodes: str, *edges: str) -> Topology:
    """A topology from names in document order and edges such as `a > b`, `r:again > a`; `^` and `$` are the ends."""
    ends = {"^": START, "$": END}
    found = []
    for index, edge in enumerate(edges):
        source, target = edge.split(" > ")
        node, _, handle = source.partition(":")
        found.append(
            Edge(index=index, source=ends.get(node, node), target=ends.get(target, target), handle=handle or None)
        )
    return Topology(Drawn(dict.fromkeys(nodes.split()), tuple(found)))


def members(topology: Topology, head: str) -> set[str]:
    loop = next(loop for loop in topology.loops if topology.names[loop.head] == head)
    return {topology.names[node] for node in bits(loop.members)}


def back_edges(topology: Topology) -> set[tuple[str, str]]:
    return {(topology.edges[edge].source, topology.edges[edge].target) for edge in topology.walk.back}


def heads_of(topology: Topology, node: str) -> list[str]:
    """The heads of the loops of a node, outermost first."""
    return [topology.names[topology.loops[loop].head] for loop in topology.loops_of[topology.number[node]]]


def carried(topology: Topology, source: str, target: str, rounds: tuple[int, ...]) -> tuple[int, ...]:
    edge = next(e for e in topology.edges if (e.source, e.target) == (source, target))
    return topology.rounds_over(edge.index, rounds)


# ---- back edges


def test_edges_in_document_order_decide_which_edge_closes_a_cycle() -> None:
    one = shape("a b", "^ > a", "^ > b", "a:x > b", "b:y > a")
    other = shape("a b", "^ > b", "^ > a", "a:x > b", "b:y > a")

    assert back_edges(one) == {("b", "a")}
    assert back_edges(other) == {("a", "b")}


def test_the_search_goes_on_from_nodes_that_it_has_not_met() -> None:
    topology = shape("s w x", "^ > s", "s > $", "w > x", "x:again > w")

    assert back_edges(topology) == {("x", "w")}
    assert heads_of(topology, "x") == ["w"]


def test_forward_edges_go_up_in_the_order_of_the_search() -> None:
    topology = shape("c b a", "^ > a", "a > b", "b > c", "a > c", "c:again > a", "c:out > $")

    place = topology.walk.place
    assert all(place[source] < place[target] for source, target in topology.forward())


# ---- loops and their members


def test_two_back_edges_to_one_head_are_one_loop() -> None:
    topology = shape("h a b r", "^ > h", "h > r", "r:x > a", "r:y > b", "a > h", "b > h", "r:out > $")

    assert len(topology.loops) == 1
    assert members(topology, "h") == {"h", "a", "b", "r"}


def test_loops_nest() -> None:
    topology = shape(
        "A h ri k ro", "^ > A", "A > h", "h > ri", "ri:more > h", "ri:leave > k", "k > ro", "ro:more > A", "ro:out > $"
    )

    assert heads_of(topology, "h") == ["A", "h"]
    assert heads_of(topology, "k") == ["A"]
    assert [loop.depth for loop in topology.loops] == [0, 1]


def test_a_node_that_a_route_leaves_the_cycle_for_is_no_member() -> None:
    topology = shape("h r z", "^ > h", "h > r", "r:again > h", "r:out > z", "z > $")

    assert members(topology, "h") == {"h", "r"}


def test_a_node_that_a_plain_edge_leads_to_hangs_off_the_loop() -> None:
    topology = shape("h r log log2", "^ > h", "h > log", "log > log2", "h > r", "r:again > h", "r:out > $")

    assert members(topology, "h") == {"h", "r", "log", "log2"}


def test_a_route_that_hangs_off_does_not_leave_the_cycle_again() -> None:
    topology = shape("h r t x", "^ > h", "h > t", "t:yes > x", "h > r", "r:again > h", "r:out > $", "x > $")

    assert members(topology, "h") == {"h", "r", "t", "x"}


def test_a_node_with_a_second_way_in_from_outside_does_not_hang_off() -> None:
    topology = shape("o h r x", "^ > h", "^ > o", "h > x", "o > x", "h > r", "r:again > h", "r:out > $")

    assert members(topology, "h") == {"h", "r"}


def test_a_node_hangs_off_an_inner_loop_also_where_it_lies_on_the_outer_cycle() -> None:
    """Only its ways in count, not where it leads."""
    topology = shape(
        "b h r x q", "^ > b", "b > h", "h > r", "r:again > h", "h > x", "x > q", "q:more > b", "q:out > $", "r:out > $"
    )

    assert members(topology, "h") == {"h", "r", "x", "q"}
    assert members(topology, "b") == {"b", "h", "r", "x", "q"}
    assert carried(topology, "q", "b", (2, 3)) == (3,)


def test_the_end_belongs_to_no_loop() -> None:
    topology = shape("h r", "^ > h", "h > r", "r:again > h", "h > $")

    assert heads_of(topology, END) == []


def test_a_loop_that_hangs_off_is_inside_the_other_one() -> None:
    topology = shape(
        "h r x q", "^ > h", "h > r", "r:again > h", "r:out > $", "h > x", "x > q", "q:again > x", "q:out > $"
    )

    assert members(topology, "h") == {"h", "r", "x", "q"}
    assert heads_of(topology, "q") == ["h", "x"]


def test_a_cycle_that_only_partly_hangs_off_is_no_part_of_the_loop() -> None:
    topology = shape(
        "o h r c d", "^ > h", "^ > o", "h > r", "r:again > h", "r:out > $", "h > c", "c:x > d", "d:y > c", "o > d"
    )

    assert members(topology, "h") == {"h", "r"}


def test_a_loop_of_nodes_off_the_start_may_hang_off_one_that_is_found_later() -> None:
    topology = shape("x h r", "^ > $", "x:again > x", "h > x", "h > r", "r:again > h")

    assert heads_of(topology, "x") == ["h", "x"]


# ---- rounds


def test_rounds_begin_at_0_grow_along_back_edges_and_are_dropped_on_leaving() -> None:
    topology = shape(
        "A h ri k ro", "^ > A", "A > h", "h > ri", "ri:more > h", "ri:leave > k", "k > ro", "ro:more > A", "ro:out > $"
    )

    assert carried(topology, START, "A", ()) == (0,)
    assert carried(topology, "A", "h", (4,)) == (4, 0)
    assert carried(topology, "h", "ri", (4, 2)) == (4, 2)
    assert carried(topology, "ri", "h", (4, 2)) == (4, 3)
    assert carried(topology, "ri", "k", (4, 2)) == (4,)
    assert carried(topology, "ro", "A", (4,)) == (5,)
    assert carried(topology, "ro", END, (4,)) == ()


def test_an_edge_out_of_two_loops_into_another_begins_there() -> None:
    topology = shape(
        "a b r c q", "^ > a", "a > b", "b > r", "r:in > b", "r:out > a", "r:on > c", "c > q", "q:again > c", "q:end > $"
    )

    assert carried(topology, "r", "c", (1, 2)) == (0,)


# ---- what may arrive in a wave


def test_a_node_with_one_edge_in_has_one_arrival_per_wave() -> None:
    topology = shape("a b c", "^ > a", "a > b", "a > c", "b > c", "c > $")

    assert topology.single("b")
    assert not topology.single("c")


def test_an_edge_that_drops_a_round_brings_arrivals_of_several_rounds_into_one_wave() -> None:
    topology = shape("h r x", "^ > h", "h > r", "r:again > h", "r:out > x", "x > $")

    assert not topology.single("x")
    assert topology.single("r")


# ---- what can still reach a wave


@pytest.fixture
def review() -> Topology:
    """A loop of `draft` and `judge`, with `x` beside it and `j` after both."""
    return shape(
        "x draft judge j", "^ > x", "x > j", "^ > draft", "draft > judge", "judge:poor > draft", "judge:good > j"
    )


def test_work_in_a_loop_can_reach_a_join_after_it_in_every_round(review: Topology) -> None:
    assert review.can_reach("judge", (7,), "j", ())
    assert not review.can_reach("j", (), "judge", (7,))


def test_work_cannot_reach_an_earlier_round_or_its_own_wave(review: Topology) -> None:
    assert review.can_reach("judge", (1,), "draft", (2,))
    assert not review.can_reach("judge", (1,), "draft", (1,))
    assert not review.can_reach("draft", (1,), "draft", (1,))
    assert not review.can_reach("judge", (2,), "judge", (1,))


def test_work_before_a_loop_can_reach_each_of_its_rounds(review: Topology) -> None:
    assert review.can_reach(START, (), "judge", (0,))
    assert review.can_reach(START, (), "judge", (5,))


def test_a_call_target_without_edges_reaches_nothing_and_is_not_reached() -> None:
    topology = shape("s w", "^ > s", "s > $")

    assert not topology.can_reach("s", (), "w", ())
    assert not topology.can_reach("w", (), "s", ())


def test_who_comes_into_a_loop_beside_its_head_cannot_reach_what_lies_behind_in_round_0() -> None:
    topology = shape("h a b o", "^ > h", "h > a", "a > b", "b:again > h", "b:out > $", "^ > o", "o > b")

    assert topology.loops[0].side_entries
    assert topology.can_reach("o", (), "b", (0,))
    assert not topology.can_reach("o", (), "a", (0,))
    assert topology.can_reach("o", (), "a", (1,))


# ---- properties, on random graphs


def drawn(seed: int) -> Topology:
    """A small graph, mostly with several loops, that a seed decides."""
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(chance.randint(2, 6))]
    lines = [f"^ > {name}" for name in chance.sample(names, chance.randint(1, 2))]
    for _ in range(chance.randint(1, 11)):
        handle = chance.choice(["", "", ":a", ":b"])
        lines.append(f"{chance.choice(names)}{handle} > {chance.choice([*names, '$'])}")
    return shape(" ".join(names), *dict.fromkeys(lines))


SEEDS = range(400)
State = tuple[int, tuple[int, ...]]


def walked(topology: Topology, start: State, bound: int) -> set[State]:
    """The waves at the end of a path of one edge or more, by walking; no round grows beyond the bound."""
    found: set[State] = set()
    todo = [start]
    while todo:
        node, rounds = todo.pop()
        for edge in topology.leaving[node]:
            there = topology.targets[edge], topology.rounds_over(edge, rounds)
            if there not in found and max(there[1], default=0) <= bound:
                found.add(there)
                todo.append(there)
    return found


def waves_of(topology: Topology) -> list[State]:
    """The waves of rounds 0 and 1."""
    numbered = enumerate(topology.loops_of)
    return [(node, rounds) for node, loops in numbered for rounds in itertools.product((0, 1), repeat=len(loops))]


def test_can_reach_is_what_a_walk_over_waves_finds() -> None:
    for seed in SEEDS:
        topology = drawn(seed)
        waves = waves_of(topology)[:60]
        for node, rounds in waves:
            found = walked(topology, (node, rounds), bound=3)
            said = {
                there
                for there in waves
                if topology.can_reach(topology.names[node], rounds, topology.names[there[0]], there[1])
            }
            assert said == found.intersection(waves), seed


def test_no_wave_can_reach_itself_so_that_no_two_waves_wait_for_each_other() -> None:
    for seed in SEEDS:
        topology = drawn(seed)
        for node, loops in enumerate(topology.loops_of):
            start = node, (1,) * len(loops)
            assert start not in walked(topology, start, bound=3), seed


def test_loops_nest_or_are_apart_and_hold_their_cycles() -> None:
    for seed in SEEDS:
        loops = drawn(seed).loops
        for loop in loops:
            assert loop.cycle & ~loop.members == 0, seed
            assert loop.parent == NONE or loop.members & ~loops[loop.parent].members == 0, seed
            assert all(loop.members & other.members in (0, loop.members, other.members) for other in loops), seed


def test_a_cycle_is_what_leads_to_its_back_edges_below_its_head() -> None:
    for seed in SEEDS:
        topology = drawn(seed)
        for loop in topology.loops:
            found, todo = {loop.head}, [topology.sources[edge] for edge in loop.back_edges]
            while todo:
                node = todo.pop()
                if node not in found:
                    found.add(node)
                    before = [topology.sources[edge] for edge in topology.entering[node]]
                    todo += [source for source in before if topology.walk.descends(source, loop.head)]
            assert found == set(bits(loop.cycle)), seed


def test_members_are_those_of_the_definition_where_each_cycle_has_one_way_in() -> None:
    for seed in SEEDS:
        topology = drawn(seed)
        if any(loop.side_entries for loop in topology.loops):
            continue
        for loop in topology.loops:
            outer = topology.loops[loop.parent].members if loop.parent != NONE else -1
            assert hanging(topology, loop) & outer == loop.members, seed


def hanging(topology: Topology, loop: Loop) -> int:
    """The cycle, and every node whose forward ways in all come out of the loop, none by a route edge off the cycle."""
    found = loop.cycle
    for node in topology.walk.order:
        ways = [edge for edge in topology.entering[node] if edge not in topology.walk.back]
        inside = all(found >> topology.sources[edge] & 1 for edge in ways)
        left = any(loop.cycle >> topology.sources[e] & 1 and topology.edges[e].handle is not None for e in ways)
        if ways and inside and not left and topology.names[node] != END:
            found |= 1 << node
    return found


def test_nested_loops_a_thousand_deep_are_found_in_no_time() -> None:
    names = [f"a{depth}" for depth in range(1000)] + [f"r{depth}" for depth in range(1000)]
    down = [f"{one} > {other}" for one, other in itertools.pairwise(names[:1000])]
    up = [f"r{depth}:out > r{depth - 1}" for depth in range(1, 1000)]
    rounds = [f"r{depth}:again > a{depth}" for depth in range(1000)]

    topology = shape(" ".join(names), "^ > a0", *down, "a999 > r999", *rounds, *up, "r0:out > $")

    assert topology.loops_of[topology.number["r999"]] == tuple(range(1000))


def test_a_dense_graph_of_nested_loops_costs_little_more_than_its_edges() -> None:
    chance, size = random.Random(1), 2000
    names = [f"n{number}" for number in range(size)]
    edges = [Edge(index=0, source=START, target=names[0], handle=None)]
    for number, name in enumerate(names):
        ahead = [min(number + 1, size - 1), *(chance.randrange(number, size) for _ in range(9))]
        for handle, target in enumerate((*ahead, *(chance.randrange(number + 1) for _ in range(10)))):
            edges.append(Edge(index=len(edges), source=name, target=names[target], handle=f"h{handle}"))

    begun = time.process_time()
    topology = Topology(Drawn(dict.fromkeys(names), tuple(edges)))
    spent = time.process_time() - begun

    assert len(topology.loops) > 1500
    assert max(len(chain) for chain in topology.loops_of) > 1500
    assert spent < 4  # a tenth of that; each loop looking at each edge takes half a minute


def test_an_edge_into_nested_loops_is_a_side_entry_of_the_outermost_alone() -> None:
    topology = shape(
        "o a b c", "^ > o", "o:in > a", "o:side > c", "a > b", "b > c", "c:x > b", "c:y > a", "c:z > o", "o:out > $"
    )

    found = {topology.names[loop.head]: (loop.has_side_entries, loop.side_entries) for loop in topology.loops}

    assert found == {"o": (False, ()), "a": (True, (2,)), "b": (True, ())}
