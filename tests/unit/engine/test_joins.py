"""When a join fires: once everything that can still come has come, and once for each wave."""

from __future__ import annotations

from engine.frontier import Frontier
from engine.graph import Graph
from engine.joins import recount, settle
from engine.model import Arrival, Task, TaskId, Wave, make_ref
from engine.reach import Reach
from tests.builders import document, graph_of, route, task, writes
from tests.unit.engine.worlds import begun

AGAIN = route("done", ("meta.step < 4", "again"))
LONG = route("done", ("meta.step < 9", "again"))


def shape_of(nodes: dict, edges: list) -> Graph:
    return graph_of(document(nodes, edges))


def reaches(graph: Graph, one: Wave, other: Wave, *absorbed: Wave) -> bool:
    return Reach(graph.topology, absorbed)(one, other)


def work(node: str, *rounds: int) -> Task:
    name = f"{node}{rounds}"
    return Task(id=TaskId(name), wave=Wave(node, rounds), causes=(make_ref(1, 1),), level=1)


def front_of(*tasks: Task) -> Frontier:
    return Frontier(tasks={one.id: one for one in tasks})


def arrival(node: str, *rounds: int, edge: int = 0) -> Arrival:
    return Arrival(edge, make_ref(1, 2), Wave(node, rounds))


FORK = shape_of(
    {"a": task(), "b": task(), "j": task()},
    [("__start__", "a"), ("__start__", "b"), ("a", "j"), ("b", "j"), ("j", "__end__")],
)
LOOP = shape_of(
    {"a": task(), "r": AGAIN, "z": task()},
    [("__start__", "a"), ("a", "r"), ("r:again", "a"), ("r:done", "z"), ("__start__", "z"), ("z", "__end__")],
)


def test_a_join_waits_for_work_that_can_reach_it() -> None:
    found = settle(FORK, front_of(work("a"), work("b")), work("a"), [arrival("j", edge=2)])

    assert found.fired == ()
    assert found.waiting == (arrival("j", edge=2),)
    assert found.blockers == {Wave("j"): 1}


def test_a_join_fires_with_all_that_has_arrived() -> None:
    front = front_of(work("b"))
    front.waves, front.blockers = {Wave("j"): [arrival("j", edge=2)]}, {Wave("j"): 1}

    found = settle(FORK, front, work("b"), [arrival("j", edge=3)])

    assert found.fired == ((Wave("j"), (arrival("j", edge=2), arrival("j", edge=3))),)
    assert (found.waiting, found.blockers) == ((), {})


def test_a_branch_that_ends_elsewhere_is_not_waited_for() -> None:
    front = front_of(work("b"))
    front.waves, front.blockers = {Wave("j"): [arrival("j", edge=2)]}, {Wave("j"): 1}

    found = settle(FORK, front, work("b"), [])

    assert found.fired == ((Wave("j"), (arrival("j", edge=2),)),)


def test_what_arrives_together_fires_together() -> None:
    found = settle(FORK, front_of(), None, [arrival("j", edge=2), arrival("j", edge=3)])

    assert found.fired == ((Wave("j"), (arrival("j", edge=2), arrival("j", edge=3))),)


def test_counts_that_are_not_known_are_counted_anew() -> None:
    front = front_of(work("a"), work("b"))
    front.waves, front.blockers = {Wave("j"): [arrival("j")]}, None

    found = settle(FORK, front, work("a"), [])

    assert found.blockers == {Wave("j"): 1}


def test_counting_anew_counts_tasks_and_other_waiting_waves() -> None:
    front = front_of(work("a"), work("b"))
    front.waves = {Wave("j"): [arrival("j")]}

    assert recount(FORK, front) == {Wave("j"): 2}


def test_work_in_a_loop_reaches_later_rounds_and_not_earlier_ones() -> None:
    assert reaches(LOOP, Wave("a", (0,)), Wave("r", (2,)))
    assert not reaches(LOOP, Wave("a", (2,)), Wave("r", (1,)))
    assert reaches(LOOP, Wave("a", (2,)), Wave("r", (2,)))


def test_work_reaches_nothing_in_another_generation_or_frame() -> None:
    assert not reaches(FORK, Wave("a", generation="g"), Wave("j"))
    assert not reaches(FORK, Wave("a", frame="f"), Wave("j"))


def test_a_join_behind_a_loop_waits_for_the_whole_loop() -> None:
    world = begun(
        {"a": task(), "r": AGAIN, "b": task(), "z": task()},
        [
            ("__start__", "a"), ("a", "r"), ("r:again", "a"), ("r:done", "z"),
            ("__start__", "b"), ("b", "z"), ("z", "__end__"),
        ],
    )  # fmt: skip

    world.answer("b", 0)
    rounds = []
    while world.waiting() == [("a", None)]:
        rounds.append(world.run.frontier.waves.keys() == {Wave("z")})
        world.answer("a", 0)

    assert rounds == [True, True]
    assert world.waiting() == [("z", None)]


def test_a_join_in_a_loop_fires_once_in_every_round() -> None:
    world = begun(
        {"h": writes(log="h"), "a": task(), "b": task(), "j": writes(log="j"), "r": LONG},
        [
            ("__start__", "h"), ("h", "a"), ("h", "b"), ("a", "j"), ("b", "j"), ("j", "r"),
            ("r:again", "h"), ("r:done", "__end__"),
        ],
    )  # fmt: skip

    for _ in range(3):
        world.answer("b", 0)
        world.answer("a", 0)

    assert world.status == "completed"
    assert world.state["log"] == ["h", "j"] * 3


def test_the_head_of_a_loop_waits_for_work_on_the_cycle_of_the_round_before() -> None:
    world = begun(
        {"h": task(), "a": task(), "r": route("done", ("meta.step < 4", "again")), "s": AGAIN},
        [
            ("__start__", "h"), ("h", "r"), ("h", "a"), ("a", "s"), ("r:again", "h"), ("r:done", "__end__"),
            ("s:again", "h"), ("s:done", "__end__"),
        ],
    )  # fmt: skip

    world.answer("h", 0)
    before = world.waiting()
    world.answer("a", 0)

    assert before == [("a", None)]
    assert world.waiting() == [("h", None)]


def test_a_failed_branch_that_is_skipped_is_not_waited_for() -> None:
    world = begun(
        {"a": task(on_error="skip"), "b": task(), "j": task()},
        [("__start__", "a"), ("__start__", "b"), ("a", "j"), ("b", "j"), ("j", "__end__")],
    )

    world.answer("b", 0)
    world.answer("a", {"error": "no"})

    assert world.waiting() == [("j", None)]
    assert len(world.run.tasks) == 1


def test_the_causes_of_a_join_stand_in_canonical_order() -> None:
    world = begun(
        {"j": task(), "a": task(), "b": task()},
        [("__start__", "a"), ("__start__", "b"), ("b", "j"), ("a", "j"), ("j", "__end__")],
    )

    world.answer("b", 0)
    world.answer("a", 0)
    (opened,) = world.run.tasks.values()

    assert [ref & 0xFF for ref in opened.causes] == [3, 2]
    assert opened.edges == (3, 2)


TWICE = (
    {"a": task(output_key="log"), "b": task(output_key="log"), "e": task(join="each", reads=["log"]), "z": task()},
    [("__start__", "a"), ("__start__", "b"), ("a", "e"), ("b", "e"), ("e", "z"), ("z", "__end__")],
)


def test_each_activates_its_node_with_every_arrival_and_what_follows_joins() -> None:
    world = begun(*TWICE)

    world.answer("b", "b")
    first = world.waiting()
    world.answer("a", "a")
    world.answer("e", 0)
    between = [one.node for one in world.run.tasks.values()]
    world.answer("e", 0)

    assert first == [("a", None), ("e", None)]
    assert between == ["e"]
    assert world.waiting() == [("z", None)]


def test_a_task_of_each_sees_what_its_own_arrival_saw() -> None:
    world = begun(*TWICE)

    world.answer("b", "b")
    world.answer("a", "a")

    seen = [work.request.state for work in world.outbox.works.values()]
    assert seen == [{"log": ["b"]}, {"log": ["a"]}]
