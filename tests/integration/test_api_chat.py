"""The api_chat protocol against workers on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from dispatch._http import Http
from dispatch._secrets import signature_headers
from dispatch.api_chat import ApiChat, check_address
from engine.outbox import Accepted, Answered, Refused, Unreachable
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import NOW, a_worker, an_envelope, answer, drop, free_port, some_tools

DOCUMENTS = (working(),)


@pytest.fixture
async def chat() -> AsyncIterator[ApiChat]:
    http = Http()
    yield ApiChat(some_tools(http))
    await http.close()


async def sent(chat: ApiChat, url: str, task: Any = None, **fields: Any) -> Any:
    body = {"prompt": "hi", "input": {"a": 1}, "session_id": "s1", "resume": None, **(task or {})}
    return await chat.deliver(a_worker(url=url, **fields), an_envelope((orjson.dumps(body),)), 10.0)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({}, "hi"),
        ({"prompt": None}, '{"a":1}'),
        ({"prompt": None, "input": "text"}, "text"),
        ({"resume": "M"}, "M"),
        ({"resume": {"size": "M"}}, '{"size":"M"}'),
    ],
)
async def test_a_task_is_a_message_of_a_session(chat, worker, task, message):
    assert await sent(chat, worker.url, task) == Answered(body={"output": "done"})
    assert worker.seen[0].body == {"message": message, "session_id": "s1"}


async def test_it_is_signed_and_says_where_to_answer_later(chat, worker):
    worker.script = [answer({}, status=202)]
    assert await sent(chat, f"{worker.url}/chat", secret="s", token="t", headers={"X-Key": "v"}) == Accepted()
    [seen] = worker.seen
    assert seen.headers["Clew-Reply-To"] == "http://clew.test/v1/tasks/t1/result?token=s"
    assert (seen.headers["Authorization"], seen.headers["X-Key"]) == ("Bearer t", "v")
    signed = signature_headers("s", "t1", NOW, (seen.raw,))
    assert {name: seen.headers[name] for name in signed} == signed


async def test_failures_are_those_of_a_webhook(chat, worker):
    worker.script = [drop, answer({"error": {"code": "boom", "message": "no"}}, status=400)]
    broken, refused = [await sent(chat, worker.url) for _ in range(2)]
    assert isinstance(broken, Refused) and isinstance(refused, Refused)
    assert (broken.error.code, broken.transport) == ("worker.connection", True)
    assert (refused.error.code, refused.retryable) == ("boom", False)
    assert isinstance(await sent(chat, f"http://127.0.0.1:{free_port()}"), Unreachable)


def test_an_address_has_no_password():
    assert "use `token`" in str(check_address("http://user:pass@host/"))


async def test_an_answer_may_come_later(server: Server, worker: Any) -> None:
    row = {"id": "w", "protocol": "api_chat", "url": worker.url, "tags": ["w"]}
    await server.post("/workers", row, 201)
    worker.script = [answer({}, status=202)]
    run = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: bool(worker.seen))
    path = worker.seen[0].headers["Clew-Reply-To"].partition("/v1")[2]
    await server.post(path, {"reply": "at last"})
    assert (await server.settled(run["id"]))["state"] == {"out": "at last"}
    assert (await server.refused("POST", path, 409, json={"reply": "again"}))["code"] == "task.late"
