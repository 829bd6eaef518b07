"""How long a task waits for a worker: `wait_timeout_ms` of its node."""

from __future__ import annotations

from engine.model import RunStatus
from engine.outbox import Unreachable, Work
from tests.builders import chain, document, graph_of, task, writes
from tests.simulation.world import START_OF_TIME, World

EDGES = [*chain("a"), ("a:error", "h"), ("h", "__end__")]


def waiting(**fields: object) -> World:
    """A run whose task finds no worker."""
    nodes = {"a": task(wait_timeout_ms=50, **fields), "h": writes(last="{{ error.code }}")}
    world = World(graph_of(document(nodes, EDGES)))
    world.start()
    world.delivery.waiting(work_of(world), "no_worker")
    return world


def work_of(world: World) -> Work:
    return next(iter(world.outbox.works.values()))


def give_up(world: World) -> None:
    (task_id,) = [name for name, kind in world.timers.held if kind == "unserved"]
    world.fire(task_id, "unserved")


def test_a_task_that_no_worker_takes_in_time_fails_by_the_rules_of_its_node() -> None:
    world = waiting()

    give_up(world)

    assert (world.status, world.state["last"], world.now) == (RunStatus.COMPLETED, "worker.none", START_OF_TIME + 50)
    assert world.outbox.works == {}


def test_it_is_not_tried_again() -> None:
    world = waiting(retry={"max_attempts": 3})

    give_up(world)

    assert (world.status, world.state["last"]) == (RunStatus.COMPLETED, "worker.none")


def test_a_worker_that_takes_it_in_time_has_the_time_of_an_attempt() -> None:
    world = waiting()
    work = work_of(world)
    world.send(work.task_id)

    give_up(world)
    before = world.status
    world.answer("a", {"output": 1})

    assert (before, world.status, "last" in world.state) == (RunStatus.RUNNING, RunStatus.COMPLETED, False)


def test_a_worker_that_cannot_be_reached_does_not_begin_the_time_anew() -> None:
    world = waiting()
    work = work_of(world)
    world.now += 40
    world.send(work.task_id)
    world.reply(work, Unreachable(message="refused"))
    world.delivery.waiting(work, "unreachable")

    give_up(world)

    assert (world.state["last"], world.now) == ("worker.none", START_OF_TIME + 50)


def test_the_time_goes_on_over_a_restart() -> None:
    world = waiting()
    world.now += 30
    world.crash()
    world.turn()
    world.delivery.waiting(work_of(world), "no_worker")

    give_up(world)

    assert (world.state["last"], world.now) == ("worker.none", START_OF_TIME + 50)


def test_without_a_limit_nothing_is_timed() -> None:
    world = World(graph_of(document({"a": task()}, chain("a"))))
    world.start()

    world.delivery.waiting(work_of(world), "no_worker")

    assert world.timers.held == {}
