"""Waits: a task that is done when its time has come, over restarts, failures and forks."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driver.turn import is_asleep
from engine.model import RunStatus
from engine.validate import validate
from tests.builders import chain, document, graph_of, task
from tests.fakes import ready
from tests.simulation.world import START_OF_TIME, World

LATER = "1970-01-01T01:30:00+01:00"
"""Half an hour after the epoch: after the start of a simulated run."""
LATER_MS = 30 * 60 * 1000


def begun(edges: list[tuple[str, str]] | None = None, nodes: dict[str, Any] | None = None, **fields: Any) -> World:
    made = document({"w": {"type": "wait", **fields}, **(nodes or {})}, edges or chain("w"))
    world = World(graph_of(made))
    world.start()
    return world


def fire(world: World) -> None:
    (timer,) = world.timers.held
    world.fire(*timer)


@pytest.mark.parametrize(
    ("fields", "due_at"),
    [
        ({"seconds": 2.5}, START_OF_TIME + 2500),
        ({"until": LATER}, LATER_MS),
        ({"until": "{{ input.at }}"}, LATER_MS),
        ({"until": {"$expr": "input.at"}}, LATER_MS),
        ({"until": "input.at"}, LATER_MS),
    ],
)
def test_a_wait_has_a_durable_timer(fields, due_at):
    made = document({"w": {"type": "wait", **fields}}, chain("w"))
    made["input_schema"] = {"properties": {"at": {"type": "string"}}}
    world = World(graph_of(made))

    world.start({"at": LATER})

    assert [(row.kind, row.due_at) for row in world.store.due[1].values()] == [("sleep", due_at)]
    assert world.status is RunStatus.RUNNING
    assert is_asleep(world.run)


def test_it_is_done_when_its_time_has_come():
    world = begun(seconds=1)

    fire(world)

    assert world.status is RunStatus.COMPLETED
    assert world.store.due[1] == {}


@pytest.mark.parametrize("fields", [{"seconds": 0}, {"until": "1969-12-31T23:00:00Z"}])
def test_a_time_that_has_passed_is_not_waited_for(fields):
    assert begun(**fields).status is RunStatus.COMPLETED


def test_time_goes_on_while_nobody_runs_it():
    world = begun(seconds=60)
    world.now += 59_000

    world.crash()

    assert [due for due, _ in world.timers.held.values()] == [START_OF_TIME + 60_000]
    fire(world)
    assert world.status is RunStatus.COMPLETED


def test_after_a_retry_of_the_run_it_waits_for_what_was_left():
    edges = [("__start__", "w"), ("__start__", "a"), ("w", "__end__"), ("a", "__end__")]
    world = begun(edges, {"a": task()}, seconds=60)
    world.answer("a", {"error": {"code": "no", "message": "no", "retryable": False}})
    assert (world.status, world.timers.held) == (RunStatus.FAILED, {})
    world.now += 10_000
    world.crash()

    ready(world.travel.retry(world.head.id, {}, "test"))

    assert START_OF_TIME + 60_000 in [due for due, _ in world.timers.held.values()]


def test_a_fork_waits_anew():
    world = begun(seconds=60)
    world.now += 10_000

    world.fork(1)

    assert [due for due, _ in world.timers.held.values()] == [START_OF_TIME + 70_000]


@pytest.mark.parametrize("until", ["'soon'", "'2030-01-01T00:00:00'", "17"])
def test_what_is_no_time_fails_the_node(until):
    world = begun(until=until)

    assert world.status is RunStatus.FAILED
    assert world.run.error.code == "wait.until"


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({}, "document.field", "/nodes/w"),
        ({"seconds": 1, "until": LATER}, "document.field", "/nodes/w"),
        ({"seconds": -1}, "document.type", "/nodes/w/seconds"),
        ({"until": "2030-01-01T00:00:00"}, "document.type", "/nodes/w/until"),
        ({"until": "state.nothing"}, "reference.state", "/nodes/w/until"),
        ({"until": "1 +"}, "expression.syntax", "/nodes/w/until"),
        ({"until": {"at": 1}}, "document.type", "/nodes/w/until"),
    ],
)
def test_a_wait_that_cannot_work_is_refused(fields, code, path):
    problems = validate(document({"w": {"type": "wait", **fields}}, chain("w")))

    assert [(problem.code, problem.path) for problem in problems] == [(code, path)]
