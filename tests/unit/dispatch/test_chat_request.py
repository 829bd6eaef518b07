"""What models are asked for a task."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dispatch._chat_request import Asked, Unaskable, request_of
from tests.unit.dispatch.builders import a_worker, an_envelope


def asked(task: Any = None, said: Any = (), metadata: Any = None, **parameters: Any) -> Asked:
    body = {"prompt": "hi", "input": {}, "state": {}, "parameters": parameters, **(task or {})}
    worker = a_worker(model="m", metadata=metadata or {})
    return request_of(worker, an_envelope((orjson.dumps(body),), said=said))


def messages(*args: Any, **fields: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in asked(*args, **fields).body["messages"]]


def test_a_prompt_is_what_a_user_says():
    found = asked(openai={"temperature": 0, "model": "other"}, system="Be brief.")
    assert found.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "temperature": 0,
        "stream": True,
    }


@pytest.mark.parametrize(("given", "text"), [("Well", "Well"), ({"a": 1}, '{"a":1}')])
def test_without_a_prompt_the_input_is_said(given, text):
    assert messages({"prompt": None, "input": given}) == [("user", text)]


def test_messages_are_sent_as_they_are_written():
    written = [{"role": "user", "content": [{"type": "text", "text": "x"}], "name": "ann"}]
    assert asked({"prompt": None}, messages=written).body["messages"] == written


def test_messages_of_the_state_lose_what_the_state_keeps_them_by():
    state = [
        {"id": "1", "role": "user", "content": "a"},
        {"id": "2", "role": "agent", "text": "b"},
        {"role": "tool", "content": "c", "tool_call_id": "t"},
    ]
    found = asked({"prompt": None, "state": {"talk": state}}, messages_from="talk", system="S").body["messages"]
    assert found == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "tool", "content": "c", "tool_call_id": "t"},
    ]


def test_a_prompt_follows_the_messages_and_a_system_message_is_there_once():
    known = [{"role": "system", "content": "own"}, {"role": "user", "content": "a"}]
    assert messages(messages=known, system="S") == [("system", "own"), ("user", "a"), ("user", "hi")]


def test_a_turn_goes_on_from_those_before_it():
    said = [("begin", {"output": "one", "finish_reason": "stop"}), ("go on", "two"), (None, {"output": {"a": 1}})]
    found = messages({"prompt": "go on", "input": "the input"}, said, system="S")
    assert found == [
        ("system", "S"), ("user", "begin"), ("assistant", "one"), ("user", "go on"), ("assistant", "two"),
        ("user", "the input"), ("assistant", '{"a":1}'), ("user", "go on"),
    ]  # fmt: skip


def test_an_agents_tools_go_along():
    tools = [{"type": "function", "function": {"name": "add"}}]
    assert asked({"tools": tools}).body["tools"] == tools
    assert asked(openai={"tools": tools}).body["tools"] == tools
    assert "tools" not in asked({"tools": None}).body


def test_who_says_that_nothing_is_streamed():
    assert asked(openai={"stream": False}).body["stream"] is False
    assert asked(metadata={"stream": False}).stream is False
    assert asked(metadata={"stream": False}, openai={"stream": True}).stream is True
    assert "stream_options" not in asked(openai={"stream": False, "stream_options": {}}).body


def test_json_is_expected_where_it_was_asked_for():
    assert asked(openai={"response_format": {"type": "json_schema"}}).as_json
    assert not asked(openai={"response_format": {"type": "text"}}).as_json


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"messages_from": "talk"}, "'talk', which the node does not read: add it to `reads`"),
        ({"messages_from": ["a"]}, "does not read"),
        ({"messages_from": "n"}, "must be a list of messages"),
        ({"messages": ["x"]}, "must be a list of messages"),
        ({"openai": 1}, "must be an object"),
        ({"openai": {"n": 2}}, "must be 1"),
        ({"openai": {"messages": []}}, r"`parameters\.messages`"),
        ({"openai": {"stream": "yes"}}, "true or false"),
        ({"system": 1}, "must be a text"),
    ],
)
def test_what_cannot_be_asked_is_told(parameters, why):
    with pytest.raises(Unaskable, match=why):
        asked({"state": {"n": 1}}, **parameters)


def test_there_has_to_be_something_to_ask():
    with pytest.raises(Unaskable, match="nothing to ask"):
        asked({"prompt": None}, messages=[{"role": "system", "content": "S"}])
