"""A retry of a run enters again exactly what had failed."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import Kind, RunStatus
from engine.outbox import Work
from tests.builders import chain, document, graph_of, task, writes
from tests.fakes import ready
from tests.simulation.world import World

STATE = {"cap": {"type": "integer", "reducer": "add", "maximum": 4}, "items": {"type": "array", "default": ["p", "q"]}}
NODES = {"s": {"type": "send", "items_key": "items", "target_node": "b"}, "b": writes(cap=3)}


def test_a_send_whose_items_do_not_merge_is_entered_again() -> None:
    world = World(graph_of(document(NODES, chain("s"), STATE)))
    world.start()
    assert world.status is RunStatus.FAILED

    ready(world.travel.retry(world.head.id, {}, "test"))

    failed = [commit for commit in world.commits() if commit.kind is Kind.FAILURE]
    assert world.status is RunStatus.FAILED
    assert [(commit.attempt, commit.error and commit.error.code) for commit in failed] == [
        (1, "state.invalid"), (2, "state.invalid"),
    ]  # fmt: skip


def failed_beside(**waits: Any) -> World:
    """A run that was tried again: while `a` waited `b` has failed."""
    world = World(graph_of(document({"a": task(**waits), "b": task()}, [*chain("a"), *chain("b")])))
    world.start()
    if waits["type"] == "agent":
        world.answer("a", {"output": "one"})
    world.delivery.waiting(work_at(world, "a"), "no_worker")
    world.now += 10
    world.answer("b", {"error": {"code": "boom", "message": "no", "retryable": False}})
    assert world.status is RunStatus.FAILED
    world.now += 10
    ready(world.travel.retry(world.head.id, {}, "test"))
    return world


def work_at(world: World, node: str) -> Work:
    return next(work for work in world.outbox.works.values() if work.node == node)


@pytest.mark.parametrize("kind", [{"type": "task"}, {"type": "agent", "max_turns": 3, "continuation_prompt": "on"}])
@pytest.mark.parametrize("crashes", [0, 1, 2])
def test_what_waited_meanwhile_waits_anew_from_the_retry_on(kind: dict[str, Any], crashes: int) -> None:
    world = failed_beside(**kind, wait_timeout_ms=50)
    retried_at = world.now
    for _ in range(crashes):
        world.now += 1
        world.crash()
        world.turn(kept=True)

    work = work_at(world, "a")
    assert (work.since, world.run.progress[work.task_id].wait_until) == (retried_at, None)


@pytest.mark.parametrize("crashes", [0, 1])
def test_how_long_it_has_waited_since_the_retry_is_kept(crashes: int) -> None:
    world = failed_beside(type="task", wait_timeout_ms=50)
    world.delivery.waiting(work_at(world, "a"), "capacity")
    for _ in range(crashes):
        world.crash()
        world.turn(kept=True)

    assert world.run.progress[work_at(world, "a").task_id].wait_until == world.now + 50


@pytest.mark.parametrize("crash", [False, True])
def test_an_attempt_that_waited_for_its_time_meanwhile_keeps_its_place(crash: bool) -> None:
    nodes = {"a": task(retry={"max_attempts": 3, "initial_interval_ms": 5}), "b": task()}
    world = World(graph_of(document(nodes, [*chain("a"), *chain("b")])))
    world.start()
    world.answer("a", {"error": {"code": "no", "message": "no", "retryable": True}})
    world.now += 1
    world.answer("b", {"error": {"code": "no", "message": "no", "retryable": False}})
    world.now += 100
    ready(world.travel.retry(world.head.id, {}, "test"))
    if crash:
        world.crash()
    ((task_id, _), (due_at, _)) = next(iter(world.timers.held.items()))
    world.fire(task_id, "retry")

    assert work_at(world, "a").since == due_at
