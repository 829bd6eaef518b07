"""Agents: several turns in one session, which come to one answer."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driver.travel import Asked
from engine.model import RunStatus
from engine.outbox import Accepted, Answered, Work
from engine.validate import validate
from tests.builders import chain, document, graph_of
from tests.fakes import ready
from tests.simulation.travels import checkout, replay
from tests.simulation.world import World

AGENT = {"type": "agent", "prompt_template": "begin", "continuation_prompt": "go on", "max_turns": 3}


def begun(**fields: Any) -> World:
    world = World(graph_of(document({"a": {**AGENT, "output_key": "log", **fields}}, chain("a"))))
    world.start()
    return world


def work(world: World) -> Work:
    (found,) = world.outbox.works.values()
    return found


def test_every_turn_has_its_prompt_its_number_and_the_same_task():
    world = begun()
    first = work(world)
    world.answer("a", {"output": "one"})
    second = work(world)

    assert (first.request.prompt, first.turn, first.message_id) == ("begin", 1, first.task_id)
    assert (second.request.prompt, second.turn, second.message_id) == ("go on", 2, f"{first.task_id}.2.0")
    assert second.task_id == first.task_id
    assert second.served_by == ("worker",)


def test_a_turn_is_told_those_before_it():
    world = begun()
    first = work(world)
    world.answer("a", {"output": "one"})
    second = work(world)
    world.answer("a", "two")
    third = work(world)

    assert first.said == ()
    assert second.said == (("begin", {"output": "one"}),)
    assert third.said == (("begin", {"output": "one"}), ("go on", "two"))


def test_it_ends_after_the_most_turns_with_the_last_output():
    world = begun()

    for output in ("one", "two", "three"):
        world.answer("a", {"output": output})

    assert world.status is RunStatus.COMPLETED
    assert world.state["log"] == ["three"]
    assert [commit.kind for commit in world.commits()] == ["start", "node", "end"]


def test_it_ends_when_its_condition_holds():
    world = begun(stop_when="output == 'done'")

    world.answer("a", {"output": "one"})
    world.answer("a", {"output": "done"})

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["done"])


def test_the_updates_and_the_usage_of_all_turns_count():
    world = begun(max_turns=2)

    world.answer("a", {"output": "x", "updates": {"log": "first"}, "usage": {"input_tokens": 2, "cost": 0.5}})
    world.answer("a", {"output": "y", "updates": {"log": "second"}, "usage": {"input_tokens": 3}})

    assert world.state["log"] == ["first", "second", "y"]
    assert (world.run.usage.input_tokens, world.run.usage.cost) == (5, 0.5)


@pytest.mark.parametrize("crashes", [False, True])
def test_what_turns_have_used_counts_once_also_where_a_later_one_fails_for_good(crashes: bool):
    world = begun(max_turns=3)
    for tokens in (2, 3):
        world.answer("a", {"output": "x", "usage": {"input_tokens": tokens}})
    if crashes:
        world.crash()
        world.turn()
    world.answer("a", {"error": {"code": "no", "message": "no", "retryable": False}, "usage": {"input_tokens": 4}})
    assert (world.status, world.run.usage.input_tokens) == (RunStatus.FAILED, 9)
    if crashes:
        world.crash()
    ready(world.travel.retry(world.head.id, {}, "test"))
    if crashes:
        world.crash()
        world.turn()
    world.answer("a", {"output": "z", "usage": {"input_tokens": 5}})
    assert (world.status, world.run.usage.input_tokens) == (RunStatus.COMPLETED, 14)
    assert world.head.usage.input_tokens == 14


def test_after_a_crash_it_goes_on_with_the_turn_that_was_next():
    world = begun()
    world.answer("a", {"output": "one", "updates": {"log": "kept"}})
    world.answer("a", {"output": "two"})

    world.crash()
    world.turn()

    assert (work(world).turn, work(world).request.prompt) == (3, "go on")
    world.answer("a", {"output": "three"})
    assert world.state["log"] == ["kept", "three"]


def test_an_answer_to_an_earlier_turn_is_late():
    world = begun()
    first = work(world)
    world.answer("a", {"output": "one"})

    world.reply(first, Answered(body={"output": "again"}))

    assert work(world).turn == 2
    assert len(world.run.progress[first.task_id].turns) == 1


def test_each_turn_may_be_tried_as_often_as_the_node_says():
    world = begun(retry={"max_attempts": 2, "initial_interval_ms": 10})
    for output in ("one", "two", "three"):
        world.answer("a", {"error": {"code": "busy", "message": "no"}})
        ((timer, kind),) = [name for name in world.timers.held if name[1] == "retry"]
        world.fire(timer, kind)
        world.answer("a", {"output": output})

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["three"])


def time_out(world: World) -> None:
    asked = work(world)
    world.send(asked.task_id)
    world.reply(asked, Accepted())
    world.fire(asked.task_id, "deadline")


def test_a_turn_that_takes_too_long_ends_it_with_the_last_good_answer():
    world = begun(turn_timeout_ms=1000)
    world.answer("a", {"output": "one"})
    assert work(world).timeout_ms == 1000

    time_out(world)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["one"])


def test_a_first_turn_that_takes_too_long_is_a_failure():
    world = begun(turn_timeout_ms=1000)

    time_out(world)

    assert (world.status, world.run.error.code) == (RunStatus.FAILED, "timeout")


def test_without_a_time_for_turns_a_time_out_is_a_failure():
    world = begun()
    world.answer("a", {"output": "one"})

    time_out(world)

    assert (world.status, world.run.error.code) == (RunStatus.FAILED, "timeout")


def test_state_that_is_injected_between_turns_is_there_after_the_node():
    world = begun(max_turns=2)
    world.answer("a", {"output": "one"})

    ready(world.travel.inject(world.head.id, {"log": "injected"}, "test"))
    world.answer("a", {"output": "two"})

    assert world.state["log"] == ["injected", "two"]


def test_it_may_ask_somebody_in_the_middle_of_its_turns():
    world = begun(max_turns=2)
    world.answer("a", {"output": "one"})
    world.answer("a", {"interrupt": {"message": "Which?"}})
    (asked,) = world.run.interrupts

    world.crash()
    world.resume(asked, "this")

    assert (work(world).turn, work(world).resume, work(world).message_id[-4:]) == (2, "this", ".2.1")
    world.answer("a", {"output": "two"})
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["two"])


def test_an_answer_that_says_where_to_go_is_the_last():
    world = begun()

    world.answer("a", {"output": "one", "goto": "__end__"})

    assert world.status is RunStatus.COMPLETED


def test_reuse_takes_over_what_all_turns_came_to():
    from engine.driver.travel import Asked
    from tests.simulation.travels import replay

    world = begun(max_turns=2)
    world.answer("a", {"output": "x", "updates": {"log": "first"}})
    world.answer("a", {"output": "y"})

    replay(world, 1, Asked(reuse=True))

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["first", "y"])
    assert not world.outbox.works


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"stop_when": "output =="}, "expression.syntax", "/nodes/a/stop_when"),
        ({"stop_when": "item == 1"}, "reference.name", "/nodes/a/stop_when"),
        ({"continuation_prompt": "{{ output }}"}, "reference.name", "/nodes/a/continuation_prompt"),
        ({"max_turns": 0}, "document.type", "/nodes/a/max_turns"),
        ({"tools": "hammer"}, "document.type", "/nodes/a/tools"),
    ],
)
def test_an_agent_that_cannot_work_is_refused(fields, code, path):
    problems = validate(document({"a": {**AGENT, **fields}}, chain("a")))

    assert [(problem.code, problem.path) for problem in problems] == [(code, path)]


OFFER = {"output": "an offer", "interrupt": {"message": "this one?", "or_continue": True}}


def dismissed(world: World) -> list[tuple[str, Any]]:
    return [(left.worker, left.said) for left in world.outbox.dismissed]


def test_one_that_has_had_enough_asks_nobody_and_its_worker_is_told() -> None:
    world = begun(stop_when="output == 'an offer'")

    world.answer("a", OFFER)

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["an offer"])
    assert dismissed(world) == [("worker", OFFER)]


def test_one_that_has_no_turn_left_asks() -> None:
    world = begun(max_turns=1, stop_when="output == 'another'")

    world.answer("a", OFFER)

    assert (world.status, dismissed(world)) == (RunStatus.INTERRUPTED, [])


def test_a_question_that_somebody_has_to_answer_is_asked_also_where_it_has_had_enough() -> None:
    world = begun(stop_when="output == 'an offer'")

    world.answer("a", {**OFFER, "interrupt": {"message": "may I?"}})

    assert (world.status, dismissed(world)) == (RunStatus.INTERRUPTED, [])


@pytest.mark.parametrize("is_taken", [True, False])
def test_the_worker_of_a_turn_that_takes_too_long_is_told_of_the_one_before_unless_it_has_it(is_taken: bool) -> None:
    world = begun(turn_timeout_ms=1000)
    world.answer("a", OFFER)

    if is_taken:
        time_out(world)
    else:
        world.answer("a", {"error": {"code": "timeout", "message": "no answer"}})

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["an offer"])
    assert dismissed(world) == ([] if is_taken else [("worker", OFFER)])


def test_what_is_taken_over_from_another_line_tells_no_worker() -> None:
    from engine.driver.travel import Asked
    from tests.simulation.travels import replay

    world = begun(stop_when="output == 'an offer'")
    world.answer("a", OFFER)

    replay(world, 1, Asked(reuse=True))

    assert world.status is RunStatus.COMPLETED
    assert len(dismissed(world)) == 1


def try_again(world: World, *, crash: bool) -> None:
    """Retry the run; with a `crash`, it is read again before and after that."""
    if crash:
        world.crash()
    world.turn(lambda turn, live: world.travel.again(turn, live, {}, "test"), kept=True)
    if crash:
        world.crash()
        world.turn(kept=True)


@pytest.mark.parametrize("crash", [False, True])
def test_a_retry_of_a_line_that_was_left_goes_on_after_the_turns_that_it_has_had(crash: bool) -> None:
    world = begun()
    world.answer("a", {"output": "one"})
    world.answer("a", {"error": {"code": "no", "message": "no", "retryable": False}})
    failed = world.status
    replay(world, 1, Asked())
    checkout(world, 1)
    try_again(world, crash=crash)

    assert (failed, work(world).turn) == (RunStatus.FAILED, 2)
    assert work(world).said == (("begin", {"output": "one"}),)


@pytest.mark.parametrize("crash", [False, True])
def test_an_agent_whose_question_another_one_goes_on_with_is_told_once(crash: bool) -> None:
    world = begun()
    world.answer("a", OFFER)
    world.delivery.dispatched(work(world), "another", world.now, world.now + 1000)
    if crash:
        world.crash()
        world.turn(kept=True)
        world.delivery.dispatched(work(world), "another", world.now, world.now + 1000)
    told = dismissed(world)
    world.cancel()

    assert (told, dismissed(world)) == ([("worker", OFFER)], told)


def test_an_agent_that_is_asked_again_itself_is_told_nothing() -> None:
    world = begun()
    world.answer("a", OFFER)
    world.send(work(world).task_id)

    assert dismissed(world) == []


@pytest.mark.parametrize("crash", [False, True])
def test_a_retry_of_the_run_asks_the_agent_of_the_turn_before_first(crash: bool) -> None:
    world = begun()
    world.answer("a", {"output": "one"})
    world.answer("a", {"error": {"code": "no", "message": "no", "retryable": False}})
    try_again(world, crash=crash)

    assert work(world).served_by == ("worker",)
