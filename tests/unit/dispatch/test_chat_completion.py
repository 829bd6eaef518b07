"""Completions that are put together, and what they mean as answers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch._chat_answer import answer_of
from dispatch._chat_completion import Completion
from engine.answer import parse_answer
from tests.unit.dispatch.models import completion


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def taken(*chunks: Any) -> Completion:
    found = Completion()
    for chunk in chunks:
        list(found.take(chunk))
    return found


def answered(*chunks: Any, as_json: bool = False, partial: bool = False) -> dict[str, Any]:
    body = answer_of(taken(*chunks), as_json=as_json, partial=partial)
    parse_answer(orjson.loads(orjson.dumps(body)))
    return body


def test_texts_are_joined_and_told_as_they_come():
    found = Completion()
    chunks = [delta(role="assistant", content=""), delta(content="He"), delta(content="llo"), delta("stop")]
    assert [said for chunk in chunks for said in found.take(chunk)] == [("llm", "He"), ("llm", "llo")]
    assert answer_of(found, as_json=False, partial=False)["output"] == "Hello"


def test_a_response_that_is_not_streamed_is_the_same():
    body = answered(completion("Hello", model="m-1"))
    assert (body["output"], body["model"], body["finish_reason"]) == ("Hello", "m-1", "stop")
    assert body["usage"] == {"input_tokens": 3, "output_tokens": 2}


def test_the_last_usage_counts_and_may_come_without_choices():
    usages = ({"prompt_tokens": 1, "completion_tokens": n, "cost": 0.5} for n in (1, 2))
    chunks = [{"choices": [], "usage": usage} for usage in usages]
    body = answered(delta("stop", content="a"), *chunks, {"choices": [], "usage": None})
    assert body["usage"] == {"input_tokens": 1, "output_tokens": 2, "cost": 0.5}


@pytest.mark.parametrize("usage", [None, [], "x", {"prompt_tokens": -1, "completion_tokens": "2", "cost": True}])
def test_a_usage_that_cannot_be_counted_spoils_nothing(usage):
    assert "usage" not in answered({**delta("stop", content="a"), "usage": usage})


def test_what_a_model_thinks_is_apart_from_what_it_says():
    chunks = [delta(reasoning_content="Hm"), delta(reasoning="m."), delta("stop", content="Yes")]
    assert next(said for chunk in chunks for said in Completion().take(chunk)) == ("reasoning", "Hm")
    body = answered(*chunks)
    assert (body["reasoning"], body["output"]) == ("Hmm.", "Yes")


def test_calls_of_tools_are_put_together_by_their_index():
    first = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "add", "arguments": ""}},
        {"index": 1, "id": "b", "function": {"name": "sub", "arguments": '{"x"'}},
    ]
    more = [
        {"index": 0, "function": {"arguments": '{"y":1}'}},
        {"index": 1, "id": None, "function": {"arguments": ":2}"}},
    ]
    body = answered(delta(content="Let me see"), delta(tool_calls=first), delta("tool_calls", tool_calls=more))
    calls = body["output"]["tool_calls"]
    assert body["output"]["content"] == "Let me see"
    assert calls[0] == {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"y":1}'}}
    assert (calls[1]["id"], calls[1]["function"]["arguments"]) == ("b", '{"x":2}')


@pytest.mark.parametrize("index", [{}, {"index": 0}])
def test_calls_without_an_index_of_their_own_are_told_apart_by_their_ids(index):
    calls = [
        {**index, "id": name, "function": {"name": name, "arguments": {"x": number}}}
        for number, name in enumerate(("a", "b"))
    ]
    found = answered(*(delta(tool_calls=[call]) for call in calls), delta("stop"))["output"]["tool_calls"]
    assert [(call["id"], call["function"]["arguments"]) for call in found] == [("a", '{"x":0}'), ("b", '{"x":1}')]


@pytest.mark.parametrize(
    ("finish", "fields", "code", "retryable"),
    [
        ("length", {"content": "Once upon"}, "model.length", False),
        ("content_filter", {"content": "Once"}, "model.content_filter", False),
        ("stop", {"refusal": "I cannot"}, "model.refusal", False),
        ("error", {"content": "On"}, "worker.error", True),
    ],
)
def test_an_answer_that_does_not_do_is_an_error_that_has_cost_something(finish, fields, code, retryable):
    body = answered({**delta(finish, **fields), "usage": {"completion_tokens": 2}})
    assert (body["error"]["code"], body["error"]["retryable"]) == (code, retryable)
    assert body["usage"] == {"output_tokens": 2}
    assert body["content"] == fields.get("content", "")


def test_a_text_that_was_cut_off_does_where_the_node_says_so():
    chunk = delta("length", content="Once upon")
    assert answered(chunk, partial=True)["output"] == "Once upon"
    assert answered(chunk, partial=True, as_json=True)["error"]["code"] == "model.length"


def test_content_that_is_asked_for_as_json_is_read():
    assert answered(delta("stop", content='{"a": [1]}'), as_json=True)["output"] == {"a": [1]}
    error = answered(delta("stop", content='{"a": '), as_json=True)["error"]
    assert (error["code"], error["retryable"]) == ("answer.invalid", True)


def test_other_choices_and_content_in_parts():
    other = {"choices": [{"index": 1, "delta": {"content": "no"}}]}
    parts = [{"type": "text", "text": "y"}, {"type": "image"}, {"type": "text", "text": "es"}]
    assert answered(other, delta("stop", content=parts))["output"] == "yes"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "tool_calls", "function", "index", "usage", "arguments"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4))
def test_whatever_a_server_sends_is_taken_or_left(chunks):
    answered(*chunks)
