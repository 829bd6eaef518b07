"""What is heard of tasks, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch._a2a.answering import reply_of
from dispatch._a2a.client import Told
from dispatch._a2a.hearing import Heard
from dispatch._a2a.read import read_event
from engine.outbox import Answered, Refused

URL = "http://host/rpc"


def heard(*events: Any) -> tuple[Heard, list[Any]]:
    """What is known after some events, and what was reported."""
    found, reports = Heard(), []
    for event in events:
        reports += found.take(Told(read_event(event), 100))
    return found, reports


def task(state: str, *parts: Any, **members: Any) -> Any:
    message = {"message": {"messageId": "m", "role": "agent", "parts": list(parts)}} if parts else {}
    return {"id": "t", "contextId": "c", "status": {"state": state, **message}, **members}


def artifact(*parts: Any, name: str = "a", append: bool = False, last: bool = False) -> Any:
    body = {"artifactId": name, "parts": list(parts)}
    return {"taskId": "t", "contextId": "c", "artifact": body, "append": append, "lastChunk": last}


def output(*events: Any) -> Any:
    reply = reply_of(heard(*events)[0], URL)
    assert isinstance(reply, Answered)
    return reply.body["output"]


TEXT, MORE, DATA = {"text": "Hel"}, {"text": "lo"}, {"data": {"n": 1}}
FILE = {"url": "http://x/y", "filename": "y", "mediaType": "image/png"}


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([task("working"), artifact(TEXT), artifact(MORE, append=True), task("completed")], "Hello"),
        ([artifact(TEXT), artifact(MORE, name="b"), task("completed")], "Hel\nlo"),
        ([artifact(TEXT), artifact(MORE), task("completed")], "lo"),
        ([artifact(TEXT, DATA), task("completed")], {"n": 1}),
        ([artifact(DATA), artifact({"data": [2]}, name="b"), task("completed")], [{"n": 1}, [2]]),
        ([artifact({"data": None}), task("completed")], None),
        (
            [artifact(FILE), task("completed")],
            {"files": [{"name": "y", "media_type": "image/png", "url": "http://x/y"}]},
        ),
        ([task("completed", {"text": "said"})], "said"),
        ([task("completed", history=[{"role": "agent", "parts": [TEXT]}])], "Hel"),
        ([task("completed")], None),
        ([artifact(TEXT), task("completed", artifacts=[{"artifactId": "z", "parts": [MORE]}])], "lo"),
        ([{"role": "ROLE_AGENT", "parts": [TEXT, MORE], "contextId": "c"}], "Hel\nlo"),
    ],
)
def test_the_output_is_data_then_text_then_files(events: Any, found: Any) -> None:
    assert output(*events) == found


def test_what_comes_in_parts_is_reported_and_what_comes_whole_is_not() -> None:
    _, reports = heard(artifact(TEXT), artifact(MORE, append=True, last=True), artifact(DATA, name="b", last=True))
    assert reports == [{"chunks": [{"channel": "a", "text": "Hel"}]}, {"chunks": [{"channel": "a", "text": "lo"}]}]


def test_a_message_is_reported_once_and_not_where_it_is_the_answer() -> None:
    _, reports = heard(task("working", TEXT), task("working", TEXT), task("input-required", MORE))
    assert reports == [{"stage": "working", "message": "Hel"}]


def test_a_task_that_is_over_does_not_begin_again() -> None:
    found, _ = heard(task("completed"), task("working"))
    assert found.is_over


def test_a_question_is_an_interrupt_that_another_turn_may_answer() -> None:
    reply = reply_of(heard(task("input-required", TEXT))[0], URL)
    assert isinstance(reply, Answered)
    assert reply.body["interrupt"] == {"message": "Hel", "or_continue": True}
    assert (reply.body["a2a"]["task_id"], reply.body["a2a"]["asked"]) == ("t", "m")


def test_a_question_with_a_schema_takes_it_along() -> None:
    asked = {"interrupts": [{"id": "i1", "value": "n?", "responseSchema": {"type": "integer"}}]}
    reply = reply_of(heard(task("input-required", TEXT, {"data": asked}))[0], URL)
    assert isinstance(reply, Answered)
    assert reply.body["interrupt"]["schema"] == {"type": "integer"}
    assert reply.body["a2a"]["questions"] == ["i1"]


@pytest.mark.parametrize(
    ("state", "code", "retryable"),
    [("failed", "agent.failed", None), ("rejected", "agent.rejected", False), ("canceled", "worker.cancelled", False)],
)
def test_a_bad_end_is_an_error(state: str, code: str, retryable: bool | None) -> None:
    reply = reply_of(heard(task(state, TEXT))[0], URL)
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.error.message, reply.retryable) == (code, "Hel", retryable)
    assert reply.error.details["agent_task_id"] == "t"


def test_an_error_that_the_agent_names_is_the_error() -> None:
    error = {"error": {"code": "page.missing", "message": "gone", "retryable": False}}
    reply = reply_of(heard(task("failed", TEXT, {"data": error}))[0], URL)
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.error.message, reply.retryable) == ("page.missing", "gone", False)
