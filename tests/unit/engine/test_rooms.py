"""Limits of what goes on by itself: who has a place from its beginning to its end, who waits for it, and who gives it
up."""

from __future__ import annotations

from typing import Any

import pytest

from engine import travel
from engine.driver.travel import Asked
from engine.limits import ROOM, Gate, LimitReason, RateRule
from engine.model import RunStatus
from engine.outbox import Answered
from engine.render import open_task_json
from engine.rooms import room_of
from tests.builders import chain, document, task
from tests.simulation.travels import replay
from tests.simulation.world import World
from tests.unit.engine.worlds import begun, sound

LOG = {"type": "array", "reducer": "append"}
STATE: dict[str, Any] = {"log": LOG, "last": {"type": "string"}, "items": {"type": "array"}}
ASK = {"type": "interrupt", "message": "?", "output_key": "log"}
KEY = {"concurrency_key": "k"}
BESIDE = [["__start__", "a"], ["__start__", "b"], ["a", "__end__"], ["b", "__end__"]]


def part(nodes: dict[str, Any], edges: list[Any], **fields: Any) -> dict[str, Any]:
    """A node that runs a graph."""
    made = {key: value for key, value in document(nodes, edges, STATE).items() if key != "id"}
    return {"type": "subgraph", "definition": made, "output_mapping": {"log": "log"}, **fields}


def beside(one: dict[str, Any], other: dict[str, Any] | None = None) -> World:
    """A run with two nodes beside each other."""
    return begun({"a": one, "b": other or one}, BESIDE)


def shown(world: World, node: str) -> list[tuple[str, str | None]]:
    """How open tasks of a node stand, as people see them."""
    found = [open_task_json(world.run, one) for one in world.run.open_tasks() if one.node == node]
    return [(str(one["status"]), one["reason"]) for one in found]


def asked(world: World) -> list[str]:
    return [found.node for found in world.run.interrupts.values()]


def answer(world: World, node: str) -> None:
    """Somebody answers an interrupt."""
    world.resume(next(name for name, found in world.run.interrupts.items() if found.node == node), node)


def has_room(world: World) -> list[str]:
    """The nodes of the tasks that have a place durably."""
    kept = [name for name, kind in world.store.due[world.head.key] if kind == ROOM]
    return sorted(world.run.tasks[name].node for name in kept)


# ---- people


@pytest.mark.parametrize("fields", [KEY, {"concurrency_key": "{{ state.last | default('me') }}"}])
@pytest.mark.parametrize("crash", [False, True])
def test_one_question_at_a_time_is_asked_with_a_key(fields: dict[str, Any], crash: bool) -> None:
    world = beside({**ASK, **fields})
    if crash:
        world.crash()
        world.turn(kept=True)
    first = (asked(world), shown(world, "b"), world.status)
    answer(world, "a")

    assert first == (["a"], [("waiting", "concurrency_key")], RunStatus.INTERRUPTED)
    assert (asked(world), has_room(world), world.status) == (["b"], ["b"], RunStatus.INTERRUPTED)
    answer(world, "b")
    assert (world.status, world.state["log"], has_room(world)) == (RunStatus.COMPLETED, ["a", "b"], [])
    assert sound(world)


def test_a_run_that_waits_for_workers_too_is_not_interrupted() -> None:
    world = begun({"a": {**ASK, **KEY}, "b": {**ASK, **KEY}, "c": task()}, [*BESIDE, *chain("c")])

    assert (world.status, asked(world)) == (RunStatus.RUNNING, ["a"])
    world.answer("c", 1)
    assert world.status is RunStatus.INTERRUPTED


def test_a_task_that_waits_for_a_person_of_its_own_run_lets_it_be_interrupted() -> None:
    world = beside({**ASK, **KEY}, task(**KEY))
    work = next(iter(world.outbox.works.values()))
    assert world.outbox.waits_for(work.task_id) == "concurrency_key"
    world.delivery.waiting(work, "concurrency_key")
    assert world.status is RunStatus.INTERRUPTED

    answer(world, "a")
    world.answer("b", "b")

    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def test_the_time_of_a_question_begins_when_it_is_asked() -> None:
    world = beside({**ASK, **KEY, "expires_in_ms": 100, "on_expire": "late"})
    world.now += 1000
    answer(world, "a")

    (opened,) = world.run.interrupts.values()
    assert opened.expires_at == world.now + 100
    world.fire(opened.task_id, "expiry")
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["a", "late"])


def test_as_many_are_asked_at_once_as_the_node_allows() -> None:
    sends = {"type": "send", "items_key": "state.items", "target_node": "one", "output_key": "log"}
    one = part({"ask": ASK}, chain("ask"), max_concurrency=2)
    world = begun({"all": sends, "one": one}, chain("all"), given={"items": [1, 2, 3]})

    assert (asked(world), shown(world, "one")[2]) == (["ask", "ask"], ("waiting", "max_concurrency"))
    assert world.status is RunStatus.INTERRUPTED
    answer(world, "ask")
    assert (asked(world), has_room(world)) == (["ask", "ask"], ["one", "one"])


# ---- graphs


def test_a_graph_has_its_place_from_its_beginning_to_its_end() -> None:
    world = beside(part({"x": task(output_key="log"), "y": task(output_key="log")}, chain("x", "y"), **KEY))
    before = (world.waiting(), shown(world, "b"))
    world.answer("x", 1)
    between = world.waiting()
    world.answer("y", 2)

    assert before == ([("x", None)], [("waiting", "concurrency_key")])
    assert (between, world.waiting(), has_room(world)) == ([("y", None)], [("x", None)], ["b"])


def test_it_keeps_its_place_over_its_tries() -> None:
    retry = {"max_attempts": 2, "initial_interval_ms": 10}
    world = beside(part({"x": task()}, chain("x"), **KEY, retry=retry))
    world.answer("x", {"error": {"code": "boom", "message": "no", "retryable": True}})
    waits = (world.waiting(), has_room(world))
    world.crash()
    world.turn(kept=True)
    world.fire(next(name for name, kind in world.timers.held if kind == "retry"), "retry")

    assert waits == ([], ["a"])
    assert (world.waiting(), shown(world, "b")) == ([("x", None)], [("waiting", "concurrency_key")])
    assert sound(world)


def test_what_is_inside_of_what_has_a_key_has_it_with_it() -> None:
    inner = {"x": task(**KEY), "y": task(**KEY), "q": {**ASK, **KEY}}
    edges = [["__start__", name] for name in inner] + [[name, "__end__"] for name in inner]
    world = begun({"s": part(inner, edges, **KEY)}, chain("s"))
    works = {work.node: work for work in world.outbox.works.values()}

    passed = [node for node, work in works.items() if world.outbox.waits_for(work.task_id) is None]
    assert (len(passed) + len(asked(world)), world.status) == (1, RunStatus.RUNNING)
    for _ in range(3):
        if asked(world):
            answer(world, "q")
            continue
        work = next(one for one in world.outbox.works.values() if world.outbox.waits_for(one.task_id) is None)
        world.answer(work.node, 1)
    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def test_a_graph_inside_a_graph_with_the_same_key_does_not_wait_for_it() -> None:
    deep = part({"t": part({"x": task(**KEY)}, chain("x"), **KEY)}, chain("t"), **KEY)
    world = begun({"s": deep}, chain("s"))
    world.answer("x", 1)

    assert (world.status, has_room(world)) == (RunStatus.COMPLETED, [])


def test_a_node_has_one_room_under_all_its_limits() -> None:
    rate = {"limit": 2, "per_ms": 10}
    world = begun({"s": {**ASK, **KEY, "max_concurrency": 3, "rate_limit": rate}}, chain("s"))
    (found,) = world.run.open_tasks()

    room = room_of(world.run, found)
    assert room.gates == (Gate(LimitReason.CONCURRENCY_KEY, "k", 1), Gate(LimitReason.MAX_CONCURRENCY, "tested:s", 3))
    assert room.rates == (("tested:s", RateRule(2, 10)),)


def test_an_empty_key_bounds_nothing() -> None:
    assert asked(beside({**ASK, "concurrency_key": ""})) == ["a", "b"]


def test_a_key_that_cannot_be_made_fails_the_node() -> None:
    world = beside({**ASK, "concurrency_key": "{{ state.last }}"})

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "template.undefined")


# ---- time


def test_a_wait_has_its_place_while_it_waits_and_its_time_is_counted_from_then() -> None:
    world = beside({"type": "wait", "seconds": 5, **KEY})
    (first,) = world.timers.held
    started = world.now
    world.fire(*first)
    (second,) = world.timers.held

    assert (world.now, world.timers.held[second][0]) == (started + 5000, started + 10_000)
    world.fire(*second)
    assert world.status is RunStatus.COMPLETED


def test_a_node_that_is_done_at_once_is_done_no_more_often_than_its_rate_allows() -> None:
    write = {"type": "transform", "updates": {"log": "x"}, "rate_limit": {"limit": 1, "per_ms": 1000}}
    loop = {"max_iterations": 2, "on_limit": "continue"}
    world = begun({"s": part({"x": write, "y": write}, chain("x", "y"), loop=loop)}, chain("s"))
    first = shown(world, "x")
    world.now += 1000
    for act in world.outbox.laters[:]:
        act()

    assert (first, world.status) == ([("waiting", "node_rate_limit")], RunStatus.COMPLETED)


def test_what_comes_too_often_waits_until_the_rate_allows_it() -> None:
    sends = {"type": "send", "items_key": "state.items", "target_node": "one", "output_key": "log"}
    sends["rate_limit"] = {"limit": 1, "per_ms": 1000}  # type: ignore[assignment]
    world = begun({"all": sends, "one": task()}, chain("all"), given={"items": [1, 2]})
    assert (world.waiting(), shown(world, "one")) == ([("one", 0)], [("pending", None), ("waiting", "node_rate_limit")])

    world.now += 1000
    world.outbox.laters.pop()()
    world.turn()

    assert world.waiting() == [("one", 0), ("one", 1)]


# ---- lines that are left


def test_a_run_that_is_cancelled_gives_up_its_places() -> None:
    world = beside(part({"x": task()}, chain("x"), **KEY))
    world.cancel()

    assert (has_room(world), world.outbox.gates._behind, world.outbox.gates.waiting) == ([], {}, 0)


def test_a_line_that_is_left_gives_up_its_places_and_the_new_one_takes_its_turn() -> None:
    world = beside(part({"x": task(), "y": task()}, chain("x", "y"), **KEY))
    world.answer("x", 1)
    replay(world, world.run.seq, Asked())

    assert (world.waiting(), has_room(world)) == ([("y", None)], ["a"])
    assert shown(world, "b") == [("waiting", "concurrency_key")]
    for node in ("y", "x", "y"):
        world.answer(node, 1)
    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def test_what_was_only_on_the_line_that_was_left_gives_up_its_place() -> None:
    world = begun({"x": task(), "a": {**ASK, **KEY}}, chain("x", "a"))
    world.answer("x", 1)
    before = has_room(world)
    replay(world, 1, Asked())

    assert (before, has_room(world), world.outbox.gates._behind) == (["a"], [], {})
    assert world.waiting() == [("x", None)]


def test_a_run_that_has_failed_has_no_places_and_asks_anew_on_a_retry() -> None:
    world = beside({**ASK, **KEY}, task())
    (before,) = world.run.interrupts
    world.answer("b", {"error": {"code": "boom", "message": "no", "retryable": False}})
    assert (world.status, world.outbox.gates._behind) == (RunStatus.FAILED, {})

    world.turn(lambda turn, live: world.travel.again(turn, live, {}, "test"), kept=True)

    (after,) = world.run.interrupts
    assert after != before
    assert (world.store.asked[before][1], world.store.asked[after][1]) == ("cancelled", "open")
    assert has_room(world) == ["a"]
    world.answer("b", 1)
    answer(world, "a")
    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def test_what_is_inside_of_a_graph_goes_on_after_a_retry_once_that_has_its_place_again() -> None:
    world = begun({"s": part({"x": task()}, chain("x"), **KEY)}, chain("s"))
    world.answer("x", {"error": {"code": "boom", "message": "no", "retryable": False}})
    other = Gate(LimitReason.CONCURRENCY_KEY, "k", 1)
    world.outbox.gates._pass(_Somebody(), other)  # another run has the key meanwhile

    world.turn(lambda turn, live: world.delivery.take(turn, live, travel.retry(live.run, {}, turn.now, "test")))

    assert (world.waiting(), shown(world, "s")) == ([], [("waiting", "concurrency_key")])


class _Somebody:
    passed, order, gates, name, within, holds = 0, (0, -1), (), "", (), False


# ---- rings


def keyed(own: str, inner: str) -> dict[str, Any]:
    """A graph with a key, that asks a worker for something with another one."""
    nodes = {"x": task(), "y": task(concurrency_key=inner)}
    return part(nodes, chain("x", "y"), concurrency_key=own)


@pytest.mark.parametrize("crash", [False, True])
def test_what_waits_for_one_another_in_a_ring_does_not_wait_for_ever(crash: bool) -> None:
    world = beside(keyed("k", "l"), keyed("l", "k"))
    world.answer("x", 1)
    work = next(work for work in world.outbox.works.values() if work.node == "y")
    before = world.outbox.waits_for(work.task_id)
    world.answer("x", 1)
    if crash:
        world.crash()
        world.turn(kept=True)

    passed = [world.outbox.waits_for(work.task_id) is None for work in world.outbox.works.values()]
    assert (before, sorted(passed), world.outbox.gates.rings) == ("concurrency_key", [False, True], 1)
    for _ in range(2):
        free = next(one for one in world.outbox.works.values() if world.outbox.waits_for(one.task_id) is None)
        world.send(free.task_id)
        world.reply(free, Answered(body=1))
    assert (world.status, world.outbox.gates._behind) == (RunStatus.COMPLETED, {})
    assert sound(world)
