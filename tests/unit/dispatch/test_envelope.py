"""The body that workers get."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import orjson
import pytest

from dispatch._envelope import AgentEnvelope, TaskEnvelope, constant_part, envelope, rfc3339, traceparent
from engine.model import RunId
from tests.unit.dispatch.builders import NOW, a_request, a_work

VARYING = {"attempt", "turn", "resume", "deadline", "reply_to", "trace"}


def test_it_has_every_field_that_workers_are_promised():
    request = a_request(
        prompt="do it", input={"q": 1}, state={"k": [1]}, parameters={"p": 2}, config={"c": 3}, item={"i": 4}, index=5
    )
    body = orjson.loads(envelope(a_work(request=request, attempt=2, tags=("t",)), NOW, "http://c/r").body)
    assert body == {
        "task_id": "t1",
        "run_id": "run-1",
        "workflow_id": "flow",
        "workflow_version": 1,
        "node": "a",
        "attempt": 2,
        "ns": [],
        "worker_tags": ["t"],
        "prompt": "do it",
        "input": {"q": 1},
        "state": {"k": [1]},
        "parameters": {"p": 2},
        "item": {"i": 4},
        "index": 5,
        "resume": None,
        "session_id": "t1",
        "turn": 1,
        "config": {"c": 3},
        "deadline": "2026-01-01T00:00:00.000Z",
        "reply_to": "http://c/r",
        "trace": {"traceparent": traceparent(a_work(attempt=2))},
    }


def test_a_task_says_the_session_of_its_run():
    body = orjson.loads(envelope(a_work(session="talk"), NOW, "http://c/r").body)

    assert body["session_id"] == "talk"


def test_the_documented_shape_of_an_agents_turn_is_its_real_shape():
    session = {"continuation": "go on", "tools": [{"name": "search"}], "max_iterations": 4}
    work = a_work(request=replace(a_work().request, agent=session), turn=2)

    body = envelope(work, NOW, "http://c/v1/tasks/t/result?token=s").body

    found = AgentEnvelope.model_validate_json(body)
    assert found.model_dump(exclude_unset=True).keys() == orjson.loads(body).keys()
    assert (found.mode, found.turn, found.tools, found.max_iterations) == ("agent", 2, [{"name": "search"}], 4)
    assert found.callback_url == "http://c/v1/tasks/t/progress?token=s"


def test_its_documented_shape_is_its_real_shape():
    body = envelope(a_work(), NOW, "http://c/r").body
    found = TaskEnvelope.model_validate_json(body)
    assert found.model_dump(exclude_unset=True).keys() == orjson.loads(body).keys()


def test_one_that_is_answered_by_another_way_than_an_address_says_what_names_it():
    request = replace(a_work().request, agent={"tools": [], "max_iterations": 1})
    body = orjson.loads(envelope(a_work(secret="s", request=request), NOW, "a/topic", correlates=True).body)
    assert (body["reply_to"], body["correlation_id"]) == ("a/topic", "t1.s")
    assert "callback_url" not in body


def test_attempts_differ_only_in_what_may_vary():
    request = a_request(prompt="ü", state={"k": {"b": 1, "a": 2}}, config={"z": 1, "a": 2})
    first = envelope(a_work(request=request), NOW, "http://c/1")
    second = envelope(a_work(request=request, attempt=2), NOW + 1, "http://c/2")
    one, two = orjson.loads(first.body), orjson.loads(second.body)
    assert {key for key in one if one[key] != two[key]} <= VARYING
    same = constant_part(a_work(request=request))[:-1]
    assert first.body.startswith(same)
    assert second.body.startswith(same)
    assert not VARYING & orjson.loads(same + b"}").keys()
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == "t1"


def test_state_that_is_encoded_already_stands_in_it_as_it_is():
    text = b'{"spaced" :  [1, 2.50]}'
    body = envelope(a_work(request=a_request(state={"k": orjson.Fragment(text)})), NOW, "r").body
    assert b'"state":{"k":' + text + b"}" in body


def test_a_large_state_that_is_encoded_already_is_not_walked():
    messages = [orjson.Fragment(orjson.dumps({"role": "user", "content": "x" * 1000})) for _ in range(1000)]
    work = a_work(request=a_request(state={"messages": messages}))
    begun = time.process_time()
    for _ in range(20):
        body = envelope(work, NOW, "r").body
    assert len(body) > 1_000_000
    assert (time.process_time() - begun) / 20 < 0.01


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOW + 1, "2026-01-01T00:00:00.001Z"),
        (NOW + 999, "2026-01-01T00:00:00.999Z"),
        (NOW + 1000, "2026-01-01T00:00:01.000Z"),
        (10**18, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(at, text):
    assert rfc3339(at) == text


def test_the_trace_is_the_run_and_the_span_the_attempt():
    first, retried, other = a_work(), a_work(attempt=2), a_work(run_id=RunId("run-2"))
    traces = [traceparent(work).split("-") for work in (first, retried, other)]
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", "-".join(trace)) for trace in traces)
    assert traces[0][1] == traces[1][1] != traces[2][1]
    assert traces[0][2] != traces[1][2]
    assert envelope(first, NOW, "r").headers["traceparent"] == traceparent(first)
