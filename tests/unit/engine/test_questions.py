"""Workers that ask before they answer: the run waits, and the same worker task goes on with what it was told."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Invalid
from engine.model import InterruptId, Kind, RunStatus, TaskStatus
from engine.outbox import Accepted, Answered, Work
from engine.render import done_tasks_json, open_task_json
from tests.builders import chain, document, graph_of, task, writes
from tests.fakes import ready
from tests.simulation.world import World
from tests.unit.engine.worlds import sound

QUESTION = {"interrupt": {"message": "Which one?", "schema": {"type": "string"}, "actions": ["this", "that"]}}
LOG = task(prompt_template="go", output_key="log")


def begun(nodes: dict[str, Any] | None = None, edges: list[tuple[str, str]] | None = None, **given: Any) -> World:
    world = World(graph_of(document(nodes or {"a": LOG}, edges or chain("a"))))
    world.start(given)
    return world


def asked(world: World, question: Any = QUESTION) -> InterruptId:
    """Have the worker of `a` ask; the interrupt's id."""
    world.answer("a", question)
    (interrupt,) = world.run.interrupts
    return interrupt


def work(world: World) -> Work:
    (found,) = world.outbox.works.values()
    return found


def test_the_run_waits_with_what_the_worker_asks() -> None:
    world = begun()

    opened = world.run.interrupts[asked(world)]

    assert (world.status, world.waiting()) == (RunStatus.INTERRUPTED, [])
    assert (opened.kind, opened.node, opened.message) == ("worker", "a", "Which one?")
    assert (opened.schema, opened.actions) == ({"type": "string"}, ["this", "that"])


def test_the_worker_is_asked_the_same_again_with_the_value() -> None:
    world = begun()
    before = work(world)

    world.resume(asked(world), "this")
    after = work(world)

    assert (after.task_id, after.request, after.resume) == (before.task_id, before.request, "this")
    assert (before.message_id, after.message_id) == (before.task_id, f"{before.task_id}.1.1")
    assert after.attempt == before.attempt + 1


def test_what_it_answers_then_is_the_answer() -> None:
    world = begun()
    world.resume(asked(world), "this")

    world.answer("a", "done")

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["done"])


def test_a_worker_may_ask_several_times() -> None:
    world = begun()
    first = asked(world)
    world.resume(first, "one")

    second = asked(world)
    world.resume(second, "two")

    assert first != second
    assert (work(world).resume, work(world).message_id) == ("two", f"{work(world).task_id}.1.2")


def test_a_value_that_the_worker_does_not_take_is_refused() -> None:
    world = begun()
    interrupt = asked(world)

    with pytest.raises(Invalid) as refused:
        world.resume(interrupt, 5)

    assert (refused.value.reason, world.status) == ("resume.invalid", RunStatus.INTERRUPTED)


@pytest.mark.parametrize("value", [None, "the token"])
def test_a_right_may_have_been_given_elsewhere(value: Any) -> None:
    world = begun()
    interrupt = asked(world, {"interrupt": {**QUESTION["interrupt"], "kind": "auth"}})
    kind = world.run.interrupts[interrupt].kind
    with pytest.raises(Invalid):
        world.resume(interrupt, 7)
    world.resume(interrupt, value)
    world.answer("a", "done")

    assert (kind, world.status, world.state["log"]) == ("auth", RunStatus.COMPLETED, ["done"])
    assert sound(world)


def test_a_question_of_no_known_kind_is_one_of_a_worker() -> None:
    world = begun()
    interrupt = asked(world, {"interrupt": {**QUESTION["interrupt"], "kind": "approval"}})
    with pytest.raises(Invalid):
        world.resume(interrupt, None)

    assert world.run.interrupts[interrupt].kind == "worker"


def test_a_question_with_a_broken_schema_is_no_answer() -> None:
    world = begun()

    world.answer("a", {"interrupt": {"message": "?", "schema": {"type": "nonsense"}}})

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "answer.invalid")


@pytest.mark.parametrize("body", [QUESTION, {"output": "old"}, {"error": {"code": "no", "message": "no"}}])
def test_what_comes_for_the_earlier_request_changes_nothing(body: Any) -> None:
    world = begun()
    before = work(world)
    world.resume(asked(world), "this")

    world.reply(before, Answered(body=body))

    assert (world.status, world.run.interrupts, world.state["log"]) == (RunStatus.RUNNING, {}, [])


def test_a_question_that_is_told_twice_is_asked_once() -> None:
    world = begun()
    before = work(world)
    world.send(before.task_id)
    world.reply(before, Accepted())
    world.post(before.task_id, QUESTION)

    world.post(before.task_id, QUESTION)

    assert len(world.run.interrupts) == 1


def test_an_acceptance_that_comes_after_the_question_sets_no_deadline() -> None:
    world = begun()
    before = work(world)
    world.send(before.task_id)
    world.post(before.task_id, QUESTION)

    world.reply(before, Accepted())

    assert (world.timers.held, world.status) == ({}, RunStatus.INTERRUPTED)


def test_the_question_survives_a_restart() -> None:
    world = begun()
    interrupt = asked(world)

    world.crash()
    world.resume(interrupt, "this")

    assert (work(world).resume, work(world).attempt) == ("this", 2)


def test_the_value_survives_a_restart() -> None:
    world = begun()
    world.resume(asked(world), "this")
    before = work(world)

    world.crash()
    world.turn()

    assert (work(world).resume, work(world).attempt, work(world).message_id) == ("this", 2, before.message_id)


def test_the_retries_of_a_request_begin_anew_when_its_worker_is_asked_again() -> None:
    world = begun({"a": {**LOG, "retry": {"max_attempts": 2, "initial_interval_ms": 10}}})
    world.answer("a", {"error": {"code": "no", "message": "no"}})
    world.fire(*next(iter(world.timers.held)))
    world.resume(asked(world), "this")

    world.answer("a", {"error": {"code": "no", "message": "no"}})

    assert world.run.progress[next(iter(world.run.progress))].status is TaskStatus.RETRYING


def test_the_time_that_a_task_waits_for_a_worker_begins_anew_when_it_is_asked_again() -> None:
    world = begun({"a": {**LOG, "wait_timeout_ms": 100}})
    world.delivery.waiting(work(world), "capacity")
    waited = world.run.progress[work(world).task_id].wait_until

    world.resume(asked(world), "this")

    assert (waited, world.run.progress[work(world).task_id].wait_until) == (world.now + 100, None)


def test_an_item_of_a_send_may_ask() -> None:
    send = {"type": "send", "items_key": "items", "target_node": "a"}
    world = begun({"s": send, "a": task()}, chain("s"), items=["x", "y"])
    world.answer("a", "second", 1)

    world.answer("a", QUESTION, 0)
    (interrupt,) = world.run.interrupts
    stopped = world.status
    world.resume(interrupt, "this")
    world.answer("a", "first", 0)

    assert stopped is RunStatus.INTERRUPTED
    assert (world.status, world.state["send_results"]) == (RunStatus.COMPLETED, ["first", "second"])


def test_a_question_that_nobody_answers_in_time_fails_the_node() -> None:
    edges = [*chain("a"), ("a:error", "h"), ("h", "__end__")]
    world = begun({"a": LOG, "h": writes(log="{{ error.code }}")}, edges)
    asked(world, {"interrupt": {"message": "?", "expires_in_ms": 100}})

    world.fire(*next(iter(world.timers.held)))

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["interrupt.expired"])


def test_what_a_question_has_cost_is_counted() -> None:
    world = begun()
    world.resume(asked(world, {**QUESTION, "usage": {"cost": 1.5}}), "this")

    world.answer("a", {"output": "done", "usage": {"cost": 0.5}})

    assert world.head.usage.cost == 2.0


def test_what_a_task_has_used_is_the_sum_of_its_questions_and_its_answer() -> None:
    world = begun()
    for cost in (1.0, 2.0):
        world.resume(asked(world, {**QUESTION, "usage": {"cost": cost, "input_tokens": 1}}), "this")
    open_task = open_task_json(world.run, world.run.open_tasks()[0])
    world.crash()
    world.turn()

    world.answer("a", {"output": "done", "usage": {"cost": 0.5}})

    assert open_task["usage"] == {"input_tokens": 2, "output_tokens": 0, "cost": 3.0}
    done = next(commit for commit in world.commits() if commit.kind is Kind.NODE)
    assert done_tasks_json(done)[0]["usage"] == {"input_tokens": 2, "output_tokens": 0, "cost": 3.5}
    assert done.usage.cost == 0.5


def test_what_failed_attempts_have_used_is_counted_with_the_one_that_succeeds() -> None:
    world = begun({"a": {**LOG, "retry": {"max_attempts": 3}}})
    for _ in range(2):
        world.answer("a", {"error": {"code": "boom", "message": "no"}, "usage": {"cost": 1.0}})
        world.crash()
        world.fire(*next(iter(world.timers.held)))

    world.answer("a", {"output": "done", "usage": {"cost": 0.5}})

    assert (world.status, world.head.usage.cost) == (RunStatus.COMPLETED, 2.5)


def test_what_a_failed_attempt_has_used_is_counted_once_where_a_question_follows() -> None:
    world = begun({"a": {**LOG, "retry": {"max_attempts": 3}}})
    world.answer("a", {"error": {"code": "boom", "message": "no"}, "usage": {"cost": 1.0}})
    world.fire(*next(iter(world.timers.held)))
    world.resume(asked(world, {**QUESTION, "usage": {"cost": 0.25}}), "this")

    world.answer("a", {"output": "done", "usage": {"cost": 0.5}})

    assert world.head.usage.cost == 1.75


def test_what_a_failure_has_used_counts_for_its_task_after_a_retry_of_the_run() -> None:
    world = begun()
    broken = {"error": {"code": "boom", "message": "no", "retryable": False}, "usage": {"cost": 2.0}}
    world.answer("a", broken)
    ready(world.travel.retry(world.head.id, {}, "test"))

    world.answer("a", {"output": "done", "usage": {"cost": 0.5}})

    done = next(commit for commit in world.commits() if commit.kind is Kind.NODE)
    assert (done_tasks_json(done)[0]["usage"]["cost"], world.head.usage.cost) == (2.5, 2.5)
