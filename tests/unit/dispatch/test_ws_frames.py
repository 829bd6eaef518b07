"""The frames of a worker's socket: what is understood, what is refused, and the schema that is kept of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from dispatch._envelope import envelope
from dispatch._inbox import Receipt
from dispatch._ws_frames import (
    ENDS,
    FrameInvalid,
    Heartbeat,
    Result,
    acknowledged,
    cancelled,
    described,
    dispatched,
    drained,
    fault,
    read_frame,
    rebound,
    registered,
)
from engine.answer import parse_answer
from tests.unit.dispatch.builders import NOW, a_work, an_envelope

KEPT = Path(__file__).parents[3] / "docs/reference/ws-frames.json"
CORR = "t1.s"


def test_the_kept_schema_is_that_of_the_code() -> None:
    assert orjson.loads(KEPT.read_bytes()) == described(), (
        "write it anew: python -m dispatch._ws_frames > docs/reference/ws-frames.json"
    )


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "result", "id": "1", "corr": CORR, "body": {"output": 1}},
        {"type": "task.result", "id": "1", "corr": CORR, "body": {"output": 1}, "later": "unknown"},
    ],
)
def test_a_result_is_read_under_all_of_its_names(frame: Any) -> None:
    assert read_frame(frame) == Result(id="1", corr=CORR, body={"output": 1})


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"code": "E.X", "message": "no"}},
        {"code": "E.X", "message": "no"},
        {"body": {"error": {"code": "E.X", "message": "no"}}},
        {"body": {"code": "E.X", "message": "no"}},
        {"error": {}, "body": {"code": "E.X", "message": "no", "output": 1}},
        {"error": None, "body": {"error": "", "code": "E.X", "message": "no"}},
    ],
)
def test_an_error_of_a_command_is_a_result(said: Any) -> None:
    frame = read_frame({"type": "command.error", "id": "1", "corr": CORR, **said})
    assert frame == Result(id="1", corr=CORR, body={"error": {"code": "E.X", "message": "no"}})


@pytest.mark.parametrize(
    "said",
    [{}, {"body": {}}, {"body": [1]}, {"body": {"output": 1, "error": False}}]
    + [{"error": empty} for empty in ("", {}, None, False, 0, 7, [], ["x"], True)],
)
def test_an_error_of_a_command_that_says_nothing_is_an_error_all_the_same(said: Any) -> None:
    frame = read_frame({"type": "command.error", "id": "1", "corr": CORR, **said})
    assert isinstance(frame, Result)
    error = parse_answer(frame.body).error
    assert error is not None
    assert (error.code, error.message) == ("worker.error", "the worker sent command.error without an error")


@pytest.mark.parametrize("said", [{"error": "it broke"}, {"body": "it broke"}, {"body": {"error": "it broke"}}])
def test_an_error_of_a_command_may_be_a_text(said: Any) -> None:
    frame = read_frame({"type": "command.error", "id": "1", "corr": CORR, **said})
    assert frame == Result(id="1", corr=CORR, body={"error": "it broke"})


def test_an_error_of_a_command_keeps_what_its_body_says_beside_it() -> None:
    told = {"usage": {"input_tokens": 3}, "events": [{"stage": "s"}], "rate_limit": {"remaining": 0}}
    frame = read_frame({"type": "command.error", "corr": CORR, "body": {"code": "E.X", "message": "no", **told}})
    assert isinstance(frame, Result)
    assert frame.body == {"error": {"code": "E.X", "message": "no"}, **told}


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ([], "a frame is a JSON object with a `type`"),
        ({"type": 1}, "a frame has a `type`, which is a text"),
        ({"type": "hello"}, "'hello' is no type of a frame; known: register, heartbeat, ack, feedback, result, drain"),
        ({"type": "result", "id": "1", "body": 1}, "result: corr: Field required"),
        ({"type": "result", "id": "1", "corr": CORR}, "result: body: Field required"),
        (
            {"type": "feedback", "corr": CORR, "progress": 1.5},
            "feedback: progress: Input should be less than",
        ),
        (
            {"type": "feedback", "corr": CORR, "progress": -1},
            "feedback: progress: Input should be greater",
        ),
        ({"type": "register", "id": "a b"}, "register: id: expected a name that a path can hold"),
        ({"type": "register", "id": "a", "max_concurrent": 0}, "register: max_concurrent: Input should be greater"),
        ({"type": "register", "id": "a", "holding": [{"task_id": "t"}]}, "register: holding.0.corr: Field required"),
    ],
)
def test_what_is_no_frame_is_refused_with_the_reason(frame: Any, why: str) -> None:
    with pytest.raises(FrameInvalid) as refused:
        read_frame(frame)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    ("frame", "corr"),
    [
        ({"type": "result", "id": "r1", "corr": CORR}, "r1"),
        ({"type": "feedback", "corr": CORR, "progress": 2}, CORR),
        ({"type": 1, "id": "x"}, "x"),
        ({"type": "other", "id": {}}, None),
        ({"type": "other", "id": "x" * 1001}, None),
        ("text", None),
    ],
)
def test_a_refusal_says_which_frame_it_is_of(frame: Any, corr: str | None) -> None:
    with pytest.raises(FrameInvalid) as refused:
        read_frame(frame)
    assert refused.value.corr == corr
    told = orjson.loads(fault("frame.invalid", "why", refused.value.corr))
    assert told == {"type": "error", "code": "frame.invalid", "message": "why", **({"corr": corr} if corr else {})}


def test_a_refusal_repeats_no_values() -> None:
    with pytest.raises(FrameInvalid) as refused:
        read_frame({"type": "result", "id": {"secret": "s3cret"}, "corr": "s3cret", "body": 1})
    assert "s3cret" not in str(refused.value)


def test_what_the_server_writes_fits_the_schema() -> None:
    schema = {**described(), "$ref": "#/$defs/FromServer"}
    task = envelope(a_work(secret="s"), NOW, "http://clew.test/", correlates=True)
    for text in (
        registered("w1", 10_000, ["t1"]),
        dispatched(task, "t1.1", 5000, "cmd.dispatch"),
        acknowledged("r1", Receipt()),
        acknowledged("r1", Receipt(code="task.late", message="too late")),
        cancelled("t1"),
        rebound("t1"),
        drained(draining=True),
        drained(draining=False),
        fault("frame.invalid", "no"),
        ENDS,
    ):
        jsonschema_rs.validate(schema, orjson.loads(text))


def test_a_dispatch_asks_for_an_acknowledgement_and_carries_the_task_as_it_was_written() -> None:
    text = dispatched(an_envelope((b'{"a": ', b'"\xc3\xbc"}')), "t1.1", 5000, "dispatch")
    assert text.endswith(',"task":{"a": "ü"}}')
    frame = orjson.loads(text)
    assert (frame["id"], frame["corr"], frame["message_id"], frame["ack_ms"]) == ("t1.1", CORR, "t1", 5000)
    assert frame["ack"] == {"request": True}


def test_what_a_worker_leaves_out_is_not_said() -> None:
    frame = read_frame({"type": "heartbeat", "metrics": {"load": 1, "gpu": None}, "resources": [], "inventory": None})
    assert isinstance(frame, Heartbeat)
    assert frame.said() == {"metrics": {"load": 1, "gpu": None}, "resources": []}
