"""How long a run may take, or stand still, and what it may cost: crossed, it fails."""

from __future__ import annotations

from typing import Any

import pytest

from engine.checks.document import check_config
from engine.errors import Invalid
from engine.model import RunStatus, TaskId, TaskStatus
from tests.builders import chain, document, graph_of, task
from tests.fakes import ready
from tests.simulation.world import START_OF_TIME, World

PAID: dict[str, Any] = {"output": "x", "usage": {"cost": 0.1}}
WAIT: dict[str, Any] = {"type": "interrupt", "message": "go on?"}


def begun(nodes: dict, edges: list, **config: Any) -> World:
    world = World(graph_of(document(nodes, edges, config=config)))
    world.start()
    return world


def time_out(world: World) -> None:
    world.fire(TaskId(world.run.id), "timeout")


# ---- time


def test_a_run_that_takes_too_long_fails_and_lets_its_workers_finish() -> None:
    world = begun({"a": task(output_key="log"), "b": task()}, chain("a", "b"), timeout_ms=50)
    world.send(next(iter(world.outbox.works)))

    time_out(world)
    before = world.status
    world.answer("a", "x")

    assert (world.now, before, world.status) == (START_OF_TIME + 50, RunStatus.RUNNING, RunStatus.FAILED)
    assert world.run.error is not None and world.run.error.code == "run.timeout"
    assert (world.state["log"], world.waiting()) == (["x"], [])


def test_the_time_of_a_run_survives_a_crash() -> None:
    world = begun({"a": task()}, chain("a"), timeout_ms=50)

    world.crash()
    time_out(world)

    assert (world.status, world.now) == (RunStatus.FAILED, START_OF_TIME + 50)


def test_a_run_that_waits_for_a_person_runs_out_of_time_as_well() -> None:
    world = begun({"ask": WAIT}, chain("ask"), timeout_ms=50)

    time_out(world)

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "run.timeout")


def test_a_run_that_is_done_in_time_leaves_no_timer() -> None:
    world = begun({"a": task()}, chain("a"), timeout_ms=50)

    world.answer("a", "x")

    assert (world.status, world.timers.held, world.store.due[1]) == (RunStatus.COMPLETED, {}, {})


def test_the_time_of_a_fork_is_counted_from_the_fork() -> None:
    world = begun({"a": task()}, chain("a"), timeout_ms=50)
    world.now += 30

    world.fork(1)

    assert world.run.timeout_at == START_OF_TIME + 80


# ---- standstill


def look(world: World) -> None:
    world.fire(TaskId(world.run.id), "stall")


def test_a_run_in_which_something_happens_now_and_then_is_not_at_a_standstill() -> None:
    world = begun({"a": task()}, chain("a"), stall_timeout_ms=50)
    world.now += 40
    world.send(next(iter(world.outbox.works)))

    look(world)
    before, at = world.status, world.now
    look(world)

    assert (before, at, world.status, world.now) == (
        RunStatus.RUNNING, START_OF_TIME + 50, RunStatus.FAILED, START_OF_TIME + 90,
    )  # fmt: skip
    assert world.run.error is not None and world.run.error.code == "run.stalled"


def test_an_attempt_that_nothing_is_heard_of_is_given_up_with_its_run() -> None:
    world = begun({"a": task(retry={"max_attempts": 2})}, chain("a"), stall_timeout_ms=50)
    (work,) = world.outbox.works.values()
    world.send(work.task_id)

    look(world)
    given_up = world.run.progress[work.task_id]

    assert (given_up.status, given_up.attempt, given_up.failed_by) == (TaskStatus.RETRYING, 2, "worker")
    assert world.outbox.given == {}


@pytest.mark.parametrize(
    "node", [WAIT, {"type": "wait", "seconds": 9}, task(retry={"max_attempts": 2, "initial_interval_ms": 900})]
)
def test_who_waits_for_people_or_for_a_time_is_not_at_a_standstill(node: dict[str, Any]) -> None:
    world = begun({"a": node}, chain("a"), stall_timeout_ms=50)
    for work in tuple(world.outbox.works.values()):
        world.answer(work.node, {"error": {"code": "no", "message": "no", "retryable": True}})
    before = world.status

    look(world)
    look(world)

    assert (world.status, world.now) == (before, START_OF_TIME + 100)


def test_a_standstill_is_counted_anew_after_a_restart() -> None:
    world = begun({"a": task()}, chain("a"), stall_timeout_ms=50)
    world.now += 40

    world.crash()
    look(world)

    assert (world.status, world.now) == (RunStatus.FAILED, START_OF_TIME + 90)


def test_a_run_that_ends_is_not_looked_at_again() -> None:
    world = begun({"a": task()}, chain("a"), stall_timeout_ms=50)

    world.answer("a", "x")

    assert (world.status, world.timers.held) == (RunStatus.COMPLETED, {})


# ---- cost


def test_a_run_that_costs_too_much_fails_before_it_goes_on() -> None:
    world = begun({"a": task(), "b": task()}, chain("a", "b"), max_cost=0.05)

    world.answer("a", PAID)

    assert (world.status, world.waiting()) == (RunStatus.FAILED, [])
    assert world.run.error is not None and world.run.error.code == "run.cost_limit"


def test_a_cost_that_reaches_the_limit_has_not_crossed_it() -> None:
    world = begun({name: task() for name in "abc"}, chain("a", "b", "c"), max_cost=0.3)

    for name in "abc":
        world.answer(name, PAID)

    assert (world.run.usage.cost > 0.3, world.status) == (True, RunStatus.COMPLETED)


def test_limits_of_a_retry_stand_in_for_those_of_the_config() -> None:
    world = begun({"a": task()}, chain("a"), max_cost=1, timeout_ms=5, max_steps=3)

    world.run.limits = {"max_cost": 2, "timeout_ms": None}

    assert (world.run.max_cost, world.run.timeout_ms, world.run.max_steps) == (2.0, None, 3)


def test_a_retry_may_switch_off_what_is_off_by_default() -> None:
    world = begun({"a": task(), "b": task()}, chain("a", "b"), max_cost=0.05)
    world.answer("a", PAID)

    with pytest.raises(Invalid, match=r"config\.max_steps"):
        ready(world.travel.retry(world.head.id, {"max_steps": None}, "test"))
    ready(world.travel.retry(world.head.id, {"max_cost": None}, "test"))
    world.crash()
    world.turn(kept=True)
    world.answer("b", PAID)

    assert (world.status, world.run.max_cost) == (RunStatus.COMPLETED, None)


# ---- what is no limit


@pytest.mark.parametrize(
    "config", [{"timeout_ms": 0}, {"timeout_ms": "1"}, {"max_cost": -1}, {"max_steps": 0}, {"max_tasks": 1.5}]
)
def test_a_config_with_what_is_no_limit_is_refused(config: dict) -> None:
    with pytest.raises(Invalid, match=f"config/{next(iter(config))}") as refused:
        check_config(config)
    assert refused.value.reason == "config.invalid"


def test_a_config_may_switch_limits_off_and_hold_anything_else() -> None:
    check_config({"timeout_ms": None, "max_cost": None, "mine": {"x": 1}})
