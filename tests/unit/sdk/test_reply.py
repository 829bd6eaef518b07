"""What is said over a `reply_to` goes to the right address, and shows its token to nobody."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from clew.worker._reply import ReplyLine
from clew.worker._reports import LineDown

REPLY_TO = "http://clew.test/base/v1/tasks/t%2F1/result?token=run.secret"


class Far:
    """A server as seen from a worker: it answers with these statuses and bodies, one after the other."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        status, body = self.answers.pop(0)
        return httpx.Response(status, json=body)

    def line(self) -> ReplyLine:
        return ReplyLine(httpx.AsyncClient(transport=httpx.MockTransport(self)), REPLY_TO)


async def test_each_word_has_its_own_address_and_the_token_is_a_header(caplog: pytest.LogCaptureFixture) -> None:
    far = Far((200, {"accepted": True}), (200, {"wanted": True}), (200, {"accepted": True}))
    line = far.line()
    with caplog.at_level(logging.INFO):
        assert await line.report([{"stage": "s"}])
        assert await line.heartbeat()
        assert await line.answer({"output": 1})
    assert [str(request.url) for request in far.seen] == [
        f"http://clew.test/base/v1/tasks/t%2F1/{what}" for what in ("progress", "heartbeat", "result")
    ]
    assert {request.headers["X-Clew-Token"] for request in far.seen} == {"run.secret"}
    assert json.loads(far.seen[0].content) == {"events": [{"stage": "s"}]}
    assert "secret" not in caplog.text


@pytest.mark.parametrize(("status", "body"), [(200, {"wanted": False}), (409, {}), (404, {}), (403, {})])
async def test_it_says_when_nobody_wants_the_answer(status: int, body: Any) -> None:
    assert not await Far((status, body)).line().heartbeat()


async def test_a_report_that_is_refused_is_not_the_end() -> None:
    assert await Far((422, {"detail": "no"})).line().report([{"stage": 1}])


@pytest.mark.parametrize(("code", "retryable"), [("artifact.missing", True), ("json.depth", False)])
async def test_an_answer_that_cannot_be_taken_is_a_failure_at_once(code: str, retryable: bool) -> None:
    far = Far((422, {"code": code, "detail": "no"}), (200, {"accepted": True}))
    assert await far.line().answer({"output": 1})
    error = {"code": code, "message": "no", "retryable": retryable}
    assert json.loads(far.seen[1].content) == {"error": error}


@pytest.mark.parametrize("status", [403, 404, 409])
async def test_an_answer_that_nobody_waits_for_is_given_once(status: int) -> None:
    far = Far((status, {"code": "task.late", "detail": "no"}))
    assert not await far.line().answer({"output": 1})
    assert len(far.seen) == 1


async def test_a_failure_that_cannot_be_taken_is_the_end() -> None:
    far = Far((422, {"detail": "no"}), (422, {"detail": "no"}))
    assert not await far.line().answer({"output": 1})
    assert len(far.seen) == 2


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_what_may_work_later_is_told_as_that(status: int) -> None:
    with pytest.raises(LineDown):
        await Far((status, {"detail": "not now"})).line().heartbeat()


async def test_an_answer_is_given_until_it_is_taken_or_refused() -> None:
    far = Far((503, {}), (500, {}), (200, {}))
    assert await far.line().answer({})
    assert len(far.seen) == 3
    assert not await Far((409, {"detail": "too late"})).line().answer({})
