"""Interrupts that nobody answers in time: what comes instead, and that time goes on over restarts and retries."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Conflict
from engine.model import RunStatus, TaskId
from tests.builders import chain, document, graph_of, task, writes
from tests.fakes import ready
from tests.simulation.world import World

ASK = {"type": "interrupt", "message": "Publish?", "output_key": "log", "expires_in_ms": 500}
OTHERWISE = [*chain("w"), ("w:expired", "late"), ("late", "__end__")]


def begun(ask: dict[str, Any], edges: list[tuple[str, str]] | None = None, **nodes: dict[str, Any]) -> World:
    world = World(graph_of(document({"w": ask, **nodes}, edges or chain("w"))))
    world.start()
    return world


def expire(world: World) -> None:
    (timer,) = world.timers.held
    world.fire(*timer)


def retry(world: World) -> None:
    ready(world.travel.retry(world.head.id, {}, "test"))


def test_an_interrupt_says_until_when_it_waits() -> None:
    world = begun(ASK)

    (opened,) = world.run.interrupts.values()

    assert opened.expires_at == world.now + 500
    assert [(row.kind, row.due_at) for row in world.store.due[1].values()] == [("expiry", world.now + 500)]


def test_it_goes_on_with_the_value_for_that() -> None:
    world = begun({**ASK, "on_expire": "nobody came"})

    expire(world)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["nobody came"])
    assert world.run.interrupts == {}


def test_its_edge_for_that_comes_before_the_value() -> None:
    world = begun({**ASK, "on_expire": "unused"}, OTHERWISE, late=writes(log="late"))

    expire(world)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["late"])


def test_without_either_the_node_fails() -> None:
    world = begun(ASK)

    expire(world)

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "interrupt.expired")


def test_an_error_edge_takes_the_failure() -> None:
    edges = [*chain("w"), ("w:error", "h"), ("h", "__end__")]
    world = begun(ASK, edges, h=writes(log="{{ error.code }}"))

    expire(world)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["interrupt.expired"])


def test_a_value_that_came_in_time_counts() -> None:
    world = begun({**ASK, "on_expire": "nobody came"})
    (interrupt,) = world.run.interrupts

    world.resume(interrupt, "yes")

    assert (world.state["log"], world.timers.held, world.store.due[1]) == (["yes"], {}, {})


def test_nothing_can_be_answered_after_it_has_expired() -> None:
    world = begun({**ASK, "on_expire": "nobody came"})
    (interrupt,) = world.run.interrupts
    expire(world)

    with pytest.raises(Conflict):
        world.resume(interrupt, "yes")


def test_a_restart_does_not_begin_the_time_anew() -> None:
    world = begun(ASK)
    before = dict(world.timers.held)
    world.now += 400

    world.crash()

    assert world.timers.held == before


def test_a_timer_that_goes_off_too_early_does_nothing() -> None:
    world = begun(ASK)
    (opened,) = world.run.interrupts.values()

    world.delivery._timer_due(world.run.key, TaskId(opened.task_id), "expiry")

    assert world.status is RunStatus.INTERRUPTED


def test_a_retry_of_the_run_asks_again_under_another_id() -> None:
    world = begun(ASK)
    (first,) = world.run.interrupts
    expire(world)

    retry(world)
    (second,) = world.run.interrupts
    world.resume(second, "yes")

    assert second != first
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["yes"])


def test_the_interrupts_of_a_retried_run_expire_as_before() -> None:
    edges = [("__start__", "w"), ("w", "__end__"), ("__start__", "b"), ("b", "__end__")]
    world = begun(ASK, edges, b=task())
    (opened,) = world.run.interrupts.values()
    world.answer("b", {"error": {"code": "no", "message": "no"}})
    failed = (world.status, dict(world.store.due[1]))

    retry(world)

    assert failed == (RunStatus.FAILED, {})
    assert [(due, kind) for (_, kind), (due, _) in world.timers.held.items()] == [(opened.expires_at, "expiry")]
    assert [row.due_at for row in world.store.due[1].values()] == [opened.expires_at]
