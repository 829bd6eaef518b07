"""What an answer says, in each of its shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.answer import (
    NOTHING_TOLD,
    Answer,
    AnswerInvalid,
    RateLimit,
    Told,
    WorkerError,
    parse_answer,
    parse_error,
    told_in,
)
from engine.missing import MISSING
from engine.model import Usage
from engine.view import Pause


@pytest.mark.parametrize(
    "body",
    [
        "just text",
        "",
        7,
        1.5,
        True,
        None,
        [1, 2],
        [],
        {},
        {"foo": 1},
        {"usage": "how to use it"},
        {"usage": {"cpu": 0.5}},
        {"events": ["a", "b"]},
        {"events": [{"title": "meeting"}]},
        {"events": []},
        {"error": None, "rows": 3},
        {"error": "", "rows": 3},
        {"error": False, "rows": 3},
        {"error": {}, "rows": 3},
        {"error": 5},
        {"error": ["a"]},
        {"rate_limit": 3},
        {"rate_limit": {"per": "day"}},
        {"prompt_tokens": "many"},
        {"prompt_tokens": True},
        {"choices": ["red", "green"]},
        {"choices": []},
        {"choices": [{"message": "text"}]},
        {"response": None},
        {"updates": None},
        {"status": "SUCCEEDED"},
        {"status": "ok", "outputs": [1]},
        {"status": "succeeded", "outputs": [1]},
        {"outputs": [1], "metadata": {}},
    ],
)
def test_anything_that_is_no_answer_object_is_the_output_itself(body: Any) -> None:
    assert parse_answer(body) == Answer(raw=body, output=body)


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ({"output": "x"}, "x"),
        ({"output": None}, None),
        ({"output": 0, "response": "other"}, 0),
        ({"output": None, "response": "r"}, "r"),
        ({"response": "r"}, "r"),
        ({"response": {"a": 1}, "score": 3}, {"a": 1}),
        ({"reply": "r"}, "r"),
        ({"choices": [{"message": {"content": "m"}}, {"message": {"content": "n"}}]}, "m"),
        ({"choices": [{"message": {"role": "assistant", "content": None}}]}, None),
        ({"status": "SUCCEEDED", "outputs": {"a": 1}, "metadata": {"m": 1}}, {"a": 1}),
        ({"status": "SUCCEEDED", "outputs": None}, None),
        ({"status": "SUCCEEDED", "outputs": 1, "output": 2}, 2),
        ({"status": "SUCCEEDED", "metadata": {}, "output": None}, None),
        ({"status": "SUCCEEDED", "metadata": {}}, MISSING),
        ({"updates": {"k": 1}}, MISSING),
        ({"updates": {"k": 1}, "outputs": 2}, MISSING),
        ({"usage": {"cost": 1}, "text": "kept in raw"}, MISSING),
        ({"goto": "n"}, MISSING),
    ],
)
def test_the_output_is_found_under_each_of_its_names(body: dict[str, Any], output: Any) -> None:
    answer = parse_answer(body)
    assert (answer.output, answer.raw) == (output, body)


def test_values_are_those_of_the_body_and_not_copies() -> None:
    body = {"output": {"big": []}, "updates": {"k": {"v": []}}, "goto": {"node": "n", "updates": {"g": []}}}
    answer = parse_answer(body)
    assert answer.raw is body
    assert answer.output is body["output"]
    assert answer.updates[0][1] is body["updates"]["k"]
    assert answer.updates[1][1] is body["goto"]["updates"]["g"]


def test_updates_keep_their_order_and_those_of_a_goto_follow() -> None:
    body = {"updates": {"b": 1, "a": 2}, "state_updates": {"b": 3}, "goto": {"node": ["n"], "updates": {"a": 4}}}
    assert parse_answer(body).updates == (("b", 1), ("a", 2), ("b", 3), ("a", 4))


@pytest.mark.parametrize(
    ("goto", "nodes"),
    [
        ("n", ("n",)),
        (["n", "m", "n"], ("n", "m")),
        ([], ()),
        ({"node": "n"}, ("n",)),
        ({"node": ["n", "m"], "updates": None}, ("n", "m")),
        (None, None),
    ],
)
def test_a_goto_names_nodes_each_once(goto: Any, nodes: tuple[str, ...] | None) -> None:
    assert parse_answer({"output": 1, "goto": goto}).goto == nodes


def test_an_interrupt_may_leave_everything_out() -> None:
    body = {"message": "which?", "schema": {"type": "string"}, "actions": ["a"], "expires_in_ms": 5}
    full = Pause(message="which?", schema={"type": "string"}, actions=["a"], expires_in_ms=5)
    assert parse_answer({"interrupt": body}).interrupt == full
    assert parse_answer({"interrupt": {}}).interrupt == Pause(message="")
    assert parse_answer({"output": 1}).interrupt is None


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (
            {"usage": {"input_tokens": 1, "output_tokens": 2, "cost": 0.5}},
            Usage(input_tokens=1, output_tokens=2, cost=0.5),
        ),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, Usage(input_tokens=3, output_tokens=4)),
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(input_tokens=3, output_tokens=4)),
        ({"usage": {"input_tokens": 0}, "prompt_tokens": 9}, Usage()),
        ({"usage": {"input_tokens": None, "prompt_tokens": 2.0, "total_tokens": 9}}, Usage(input_tokens=2)),
        ({"output": 1, "usage": {}}, Usage()),
        ({"output": 1, "usage": None}, Usage()),
        ({"output": 1}, Usage()),
    ],
)
def test_usage_is_understood_under_each_of_its_names(body: dict[str, Any], usage: Usage) -> None:
    assert parse_answer(body).usage == usage


def test_rate_limit_and_events_are_taken_along() -> None:
    events = [{"stage": "plan", "message": "m", "data": 1}, {"other": 2}]
    answer = parse_answer({"rate_limit": {"remaining": 1, "limit": 2, "reset_ms": None}, "events": events, "output": 1})
    assert answer.rate_limit == RateLimit(remaining=1, limit=2)
    assert answer.events == tuple(events)


@pytest.mark.parametrize(
    "body",
    [
        *({"rate_limit": {name: 1}} for name in ("remaining", "limit", "reset_ms")),
        *({"events": [{name: "x"}]} for name in ("stage", "message", "data", "progress", "chunks")),
        *({"usage": {name: 1}} for name in ("input_tokens", "output_tokens", "cost")),
        *({"usage": {name: 1}} for name in ("prompt_tokens", "completion_tokens")),
        {"prompt_tokens": 1},
        {"completion_tokens": 1},
    ],
)
def test_a_report_alone_is_an_answer_without_output(body: dict[str, Any]) -> None:
    assert parse_answer(body).output is MISSING


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            {"code": "c", "message": "m", "retryable": False, "details": [1]},
            WorkerError(code="c", message="m", retryable=False, details=[1]),
        ),
        ({"message": "m", "code": None}, WorkerError(code="worker.error", message="m")),
        ({"code": 404, "message": ""}, WorkerError(code="404", message="the worker reported an error")),
        ({"why": 1}, WorkerError(code="worker.error", message="the worker reported an error")),
        ("it broke", WorkerError(code="worker.error", message="it broke")),
    ],
)
def test_an_error_is_an_object_or_a_text(error: Any, found: WorkerError) -> None:
    assert parse_answer({"error": error}).error == found


@pytest.mark.parametrize("error", [None, "", False, {}])
def test_an_empty_error_is_none(error: Any) -> None:
    assert parse_error(error) is None
    assert parse_answer({"output": 1, "error": error}).error is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"status": "FAILED", "metadata": {}}, "the worker reported that it failed"),
        ({"status": "FAILED", "message": "no disk"}, "no disk"),
        ({"status": "FAILED", "message": ""}, "the worker reported that it failed"),
        ({"status": "FAILED", "message": ["no disk"]}, "the worker reported that it failed"),
        ({"status": "FAILED", "error": {"message": "e"}, "message": "m"}, "e"),
        ({"status": "FAILED", "error": None}, "the worker reported that it failed"),
    ],
)
def test_a_status_of_failed_is_an_error(body: dict[str, Any], message: str) -> None:
    error = parse_answer(body).error
    assert error == WorkerError(code="worker.error", message=message)


def test_usage_counts_beside_an_error() -> None:
    answer = parse_answer({"error": {"code": "c"}, "usage": {"cost": 2}})
    assert (answer.error is not None, answer.usage.cost) == (True, 2.0)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"updates": [1]}, "'updates' must be an object"),
        ({"state_updates": "x"}, "'state_updates' must be an object"),
        ({"output": 1, "updates": "x"}, "'updates' must be an object"),
        ({"goto": 5}, "'goto' must be"),
        ({"goto": [1]}, "'goto' must be"),
        ({"goto": {}}, "'goto' must be"),
        ({"goto": {"node": "n", "updates": [1]}}, "'goto.updates' must be an object"),
        ({"interrupt": "wait"}, "'interrupt' must be an object"),
        ({"interrupt": {"message": 5}}, "'interrupt.message' must be a text"),
        ({"interrupt": {"schema": "string"}}, "'interrupt.schema' must be"),
        ({"interrupt": {"actions": {"a": 1}}}, "'interrupt.actions' must be"),
        ({"interrupt": {"expires_in_ms": -1}}, "'interrupt.expires_in_ms' must be"),
        ({"output": 1, "usage": 5}, "'usage' must be an object"),
        ({"usage": {"input_tokens": -1}}, "'usage.input_tokens' must be"),
        ({"usage": {"input_tokens": "3"}}, "'usage.input_tokens' must be"),
        ({"usage": {"output_tokens": 1.5}}, "'usage.output_tokens' must be"),
        ({"usage": {"output_tokens": True}}, "'usage.output_tokens' must be"),
        ({"usage": {"input_tokens": 2**53}}, "'usage.input_tokens' must be"),
        ({"usage": {"input_tokens": float("inf")}}, "'usage.input_tokens' must be"),
        ({"usage": {"cost": -0.1}}, "'usage.cost' must be"),
        ({"usage": {"cost": "free"}}, "'usage.cost' must be"),
        ({"usage": {"cost": float("nan")}}, "'usage.cost' must be"),
        ({"usage": {"cost": float("inf")}}, "'usage.cost' must be"),
        ({"usage": {"cost": 10**400}}, "'usage.cost' must be"),
        ({"prompt_tokens": -1}, "'usage.input_tokens' must be"),
        ({"output": 1, "rate_limit": []}, "'rate_limit' must be an object"),
        ({"rate_limit": {"limit": "many"}}, "'rate_limit.limit' must be"),
        ({"output": 1, "events": {"stage": "s"}}, "'events' must be"),
        ({"output": 1, "events": ["s"]}, "'events' must be"),
        ({"output": 1, "events": [{"stage": 5}]}, "'events[].stage' must be"),
        ({"output": 1, "events": [{"message": 5}]}, "'events[].message' must be"),
        ({"output": 1, "error": 5}, "'error' must be"),
        ({"output": 1, "error": True}, "'error' must be"),
        ({"error": {"code": ["c"]}}, "'error.code' must be"),
        ({"error": {"code": True}}, "'error.code' must be"),
        ({"error": {"message": {"m": 1}}}, "'error.message' must be"),
        ({"error": {"retryable": "no"}}, "'error.retryable' must be"),
        ({"usage": {"cost": 1}, "choices": []}, "'choices' must have"),
        ({"usage": {"cost": 1}, "choices": [{"text": "old style"}]}, "'choices' must have"),
    ],
)
def test_a_known_field_that_is_not_right_makes_the_answer_invalid(body: dict[str, Any], named: str) -> None:
    with pytest.raises(AnswerInvalid) as caught:
        parse_answer(body)
    assert (caught.value.node_code, caught.value.retryable) == ("answer.invalid", True)
    assert named in str(caught.value)


def test_the_largest_count_is_right() -> None:
    assert parse_answer({"usage": {"input_tokens": 2**53 - 1, "cost": 0}}).usage.input_tokens == 2**53 - 1


def test_a_choice_that_is_not_looked_at_may_be_anything() -> None:
    assert parse_answer({"output": "x", "choices": ["a"]}).output == "x"


@pytest.mark.parametrize("output", [1, None, "", {}, {"output": 2}])
def test_an_output_alone_is_read_as_one_beside_what_nobody_knows(output):
    alone, beside = parse_answer({"output": output}), parse_answer({"output": output, "unknown": 1})
    assert replace(alone, raw=None) == replace(beside, raw=None)
    assert alone.output == output


@pytest.mark.parametrize("wrong", [{"usage": {"cost": -1}}, {"events": [1]}, {"rate_limit": 5}])
def test_what_is_told_beside_an_error_is_read_field_by_field(wrong):
    right = {"usage": {"cost": 1}, "events": [{"stage": "s"}], "rate_limit": {"remaining": 0}, "prompt_tokens": 2}
    told = told_in({"output": 1, "goto": 5, **right})
    assert told == Told(
        usage=Usage(cost=1.0, input_tokens=2), events=({"stage": "s"},), rate_limit=RateLimit(remaining=0)
    )
    [name] = wrong
    assert told_in(right | wrong) == replace(told, **{name: getattr(NOTHING_TOLD, name)})


@pytest.mark.parametrize("body", [None, "text", [], {}, {"error": {"code": "c"}}])
def test_a_body_that_says_only_an_error_tells_nothing_beside_it(body):
    assert told_in(body) == NOTHING_TOLD


def test_of_events_that_are_not_all_right_the_others_are_told():
    events = [{"stage": 5}, {"stage": "s"}, "text", {"message": ["m"]}, {"data": 1}]
    assert told_in({"output": 1, "events": events}).events == ({"stage": "s"}, {"data": 1})
