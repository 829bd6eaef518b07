"""Limits of nodes as the core sees them: what an attempt says of its turn, and what items of a send wait for."""

from __future__ import annotations

from typing import Any

import pytest

from engine import travel
from engine.limits import NO_LIMITS, Limits, RateRule, rate_problem
from engine.model import ErrorInfo, RunStatus
from engine.outbox import Refused, Work
from engine.render import open_task_json
from engine.validate import validate
from tests.builders import chain, document, graph_of, task
from tests.simulation.world import START_OF_TIME, World
from tests.unit.engine.test_planner import sent
from tests.unit.engine.worlds import begun

KEYED = {"max_concurrency": 3, "concurrency_key": "{{ state.last }}", "rate_limit": {"limit": 5, "per_ms": 60_000}}


def asked(world: World) -> Work:
    (work,) = world.outbox.works.values()
    return work


def test_an_attempt_says_what_bounds_it_over_all_runs() -> None:
    world = begun({"a": task(**KEYED)}, chain("a"), given={"last": "ann"})

    assert asked(world).limits == Limits(node="tested:a", max_concurrency=3, key="ann", rate=RateRule(5, 60_000))


@pytest.mark.parametrize("fields", [{}, {"concurrency_key": "{{ state.last }}"}])
def test_an_empty_key_bounds_nothing(fields: dict[str, Any]) -> None:
    world = begun({"a": task(**fields)}, chain("a"), given={"last": ""})

    assert asked(world).limits in (NO_LIMITS, Limits(node="tested:a"))


def test_a_key_that_cannot_be_made_fails_the_node() -> None:
    world = begun({"a": task(concurrency_key="{{ state.last }}")}, chain("a"), given={})

    assert world.status is RunStatus.FAILED
    assert world.run.error is not None
    assert world.run.error.code == "template.undefined"


def test_a_node_of_a_graph_inside_has_a_name_of_its_own() -> None:
    inner = document({"b": task(max_concurrency=1)}, chain("b"))
    world = begun({"part": {"type": "subgraph", "definition": inner}}, chain("part"), given={})

    assert asked(world).limits == Limits(node="tested/part:b", max_concurrency=1)


def test_the_place_of_an_attempt_is_that_of_its_task_and_of_a_retry_that_of_its_time() -> None:
    world = begun({"a": task(retry={"max_attempts": 2, "initial_interval_ms": 500})}, chain("a"), given={})
    first = asked(world)
    world.now += 100
    world.send(first.task_id)
    world.reply(first, Refused(error=ErrorInfo(code="boom", message="no"), retryable=True))
    world.fire(first.task_id, "retry")

    assert (first.since, asked(world).since) == (START_OF_TIME, START_OF_TIME + 600)


@pytest.mark.parametrize("reason", ["max_concurrency", "concurrency_key", "node_rate_limit", "max_in_flight"])
def test_patience_with_workers_does_not_end_while_a_task_waits_for_its_turn(reason: str) -> None:
    world = begun({"a": task(wait_timeout_ms=50)}, chain("a"), given={})
    work = asked(world)
    world.delivery.waiting(work, reason)
    assert world.timers.held == {}
    world.delivery.waiting(work, "capacity")
    (timer,) = world.timers.held
    world.delivery.waiting(work, reason)
    world.fire(*timer)

    assert world.status is RunStatus.RUNNING


def shown(world: World) -> list[tuple[str, str | None]]:
    """Items as people see them."""
    tasks = [open_task_json(world.run, found) for found in world.run.open_tasks() if found.index is not None]
    return [(str(found["status"]), found["reason"]) for found in tasks]


def test_items_that_wait_for_others_say_so_also_after_a_crash() -> None:
    world = sent(["x", "y", "z"], on={"max_concurrency": 1})
    wanted = [("pending", None), ("waiting", "max_concurrency"), ("waiting", "max_concurrency")]
    before = shown(world)
    world.crash()
    assert (before, shown(world)) == (wanted, wanted)
    world.turn(kept=True)
    world.answer("t", "x", 0)
    assert shown(world) == wanted[:2]


def test_they_wait_for_the_same_after_a_retry_of_the_run() -> None:
    world = sent(["x", "y", "z"], on={"max_concurrency": 1})
    world.answer("t", {"error": {"code": "boom", "message": "no", "retryable": False}}, 0)
    assert world.status is RunStatus.FAILED

    world.turn(lambda turn, live: world.delivery.take(turn, live, travel.retry(live.run, {}, turn.now, "test")))
    assert ("waiting", "max_concurrency") in shown(world)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"limit": 1, "per_ms": 1}, False),
        ({"limit": 0, "per_ms": 1}, True),
        ({"limit": True, "per_ms": 1}, True),
        ({"limit": 1}, True),
        ({"limit": 1, "per_ms": 1, "burst": 2}, True),
        ({"limit": 10_001, "per_ms": 1}, True),
        ("10/s", True),
    ],
)
def test_a_rate_is_two_whole_numbers(given: Any, wrong: bool) -> None:
    assert (rate_problem(given) is not None) is wrong


def test_graphs_say_what_bounds_their_nodes() -> None:
    spec = graph_of(document({"a": task(**KEYED)}, chain("a"))).nodes["a"].spec
    assert spec.limits.max_concurrency == 3


def test_an_item_has_waited_since_its_send_let_it_go_on() -> None:
    world = sent(["x", "y"], on={"max_concurrency": 1})
    world.now += 70
    world.answer("t", "x", 0)
    assert asked(world).since == START_OF_TIME + 70
    world.crash()
    world.turn(kept=True)
    assert asked(world).since == START_OF_TIME + 70


def test_what_was_with_a_worker_in_a_crash_is_sent_before_others() -> None:
    world = begun({"a": task(**KEYED)}, chain("a"), given={"last": "ann"})
    world.send(asked(world).task_id)
    world.crash()
    world.turn(kept=True)
    assert asked(world).since == 0


# ---- nodes that are done at once


@pytest.mark.parametrize(
    "own",
    [{"type": "transform", "updates": {"last": "x"}}, {"type": "route", "rules": [], "default": "on"}],
    ids=["transform", "route"],
)
def test_limits_of_what_is_done_at_once_are_checked_and_hold_by_themselves(own: dict[str, Any]) -> None:
    on = "a:on" if own["type"] == "route" else "a"
    limits = {"max_concurrency": 1, "concurrency_key": "{{ state.last }}"}
    edges = [["__start__", "a"], [on, "__end__"]]
    given = document({"a": {**own, **limits}}, edges, {"last": {"type": "string"}})
    wrong = document({"a": {**own, **limits, "concurrency_key": "{{ state.lost }}"}}, edges, given["state_schema"])

    world = World(graph_of(given))
    world.start()

    assert world.status is RunStatus.COMPLETED
    assert [(found.code, found.path) for found in validate(wrong)] == [
        ("reference.state", "/nodes/a/concurrency_key"),
    ]
