"""The openai_chat protocol against model servers on this machine: how they stream, refuse, and break off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

from dispatch._http import Http
from dispatch.openai_chat import OpenAiChat, address_of, check_address
from engine.model import Usage
from engine.outbox import Answered, Refused, Reply, Unreachable
from tests.unit.dispatch.builders import (
    PATIENCE_S,
    Caught,
    Seen,
    a_worker,
    an_envelope,
    answer,
    drop,
    free_port,
    raw,
    some_tools,
)
from tests.unit.dispatch.models import DONE, chunk, completion, says, says_plainly, streams, words

KEY = "sk-hush"


class Client:
    """A transport, and what it tells of what models say."""

    def __init__(self, **limits: Any) -> None:
        self.http, self.inbox = Http(**limits), Caught()
        self.chat = OpenAiChat(some_tools(self.http, self.inbox))

    async def deliver(self, url: str, model: str | None = "m", said: Any = (), **task: Any) -> Reply:
        body = orjson.dumps({"prompt": "hi", "input": {}, "parameters": {}, **task})
        row = a_worker(protocol="openai_chat", url=url, token=KEY, secret="s", model=model)
        async with asyncio.timeout(PATIENCE_S):
            return await self.chat.deliver(row, an_envelope((body,), said=said), PATIENCE_S)

    async def answered(self, url: str, **task: Any) -> Any:
        reply = await self.deliver(url, **task)
        assert isinstance(reply, Answered), reply
        return reply.body

    async def refused(self, url: str, **task: Any) -> Refused:
        reply = await self.deliver(url, **task)
        assert isinstance(reply, Refused), reply
        return reply

    @property
    def told(self) -> str:
        return "".join(part["text"] for _, [report] in self.inbox.reports for part in report["chunks"])


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    found = Client()
    yield found
    await found.http.close()


# ---- what is asked


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h/v1", "http://h/v1/chat/completions"),
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("http://h/d?api-version=1", "http://h/d/chat/completions?api-version=1"),
        ("http://h", "http://h/chat/completions"),
    ],
)
def test_where_a_base_address_leads(url, address):
    assert check_address(url) is None
    assert address_of(url) == address


async def test_a_request_has_the_key_the_model_and_the_messages(client, worker):
    worker.script = [says("done")]
    await client.answered(f"{worker.url}/v1")
    [seen] = worker.seen
    assert (seen.path, seen.headers["Authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert (seen.headers["Idempotency-Key"], "webhook-signature" in seen.headers) == ("t1", False)
    assert seen.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_what_cannot_be_asked_is_never_sent(client, worker):
    reply = await client.refused(worker.url, parameters={"messages_from": "talk"})
    assert (reply.error.code, reply.retryable, worker.seen) == ("request.invalid", False, [])


# ---- what is said


async def test_a_stream_is_told_as_it_comes_and_answers_at_its_end(client, worker):
    heard = asyncio.Event()

    async def slowly(seen: Seen, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        first, *rest = words("Hel", "lo")[1:]
        await response.write(first)
        await heard.wait()
        for part in rest:
            await response.write(part)
        return response

    worker.script = [slowly]
    answering = asyncio.ensure_future(client.answered(worker.url))
    await client.inbox.until(lambda: client.told == "Hel")
    assert not answering.done()
    heard.set()
    body = await answering
    assert (body["output"], body["usage"]) == ("Hello", {"input_tokens": 3, "output_tokens": 2})
    assert client.told == "Hello"
    assert {corr for corr, _ in client.inbox.reports} == {"t1.s"}


async def test_all_that_was_said_is_told_in_order_in_few_reports(client, worker):
    pieces = [f"{number} " for number in range(2000)]
    worker.script = [says(*pieces)]
    body = await client.answered(worker.url)
    assert body["output"] == client.told == "".join(pieces)
    assert len(client.inbox.reports) < 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_server_may_answer_with_json_to_either(client, worker, stream):
    worker.script = [says_plainly("Hello")]
    body = await client.answered(worker.url, parameters={"openai": {"stream": stream}})
    assert (body["output"], worker.seen[0].body["stream"]) == ("Hello", stream)


async def test_a_server_may_stream_what_was_not_to_be_streamed(client, worker):
    worker.script = [says("Hello")]
    assert (await client.answered(worker.url, parameters={"openai": {"stream": False}}))["output"] == "Hello"


@pytest.mark.parametrize(
    "stream",
    [
        b": ping\n\n" + b"".join(words("Hel", "lo")),
        b"".join(words("Hel", "lo")).replace(b"\n", b"\r\n"),
        b"".join(words("Hel", "lo")[:-1]),
        b"".join(words("Hel", "lo")).removesuffix(b"\n\n"),
        b"".join(words("Hel", "lo")).replace(b"\n\n", b"\n"),
        b"".join(words("Hel", "lo", usage=None)),
        b"\n\n" + b"".join(words("Hel", "lo")),
        chunk({"content": "Hello"}) + DONE,
    ],
    ids=["comments", "CRLF", "no DONE", "no last end", "no blank lines", "no usage", "blank first", "no finish"],
)
async def test_streams_of_all_servers_are_understood(client, worker, stream):
    worker.script = [streams([stream[:20], stream[20:]])]
    assert (await client.answered(worker.url))["output"] == "Hello"


async def test_calls_of_tools_are_the_output(client, worker):
    calls = [
        [{"index": 0, "id": "c1", "function": {"name": "add", "arguments": '{"a"'}}],
        [{"index": 0, "function": {"arguments": ":1}"}}],
    ]
    worker.script = [streams([*(chunk({"tool_calls": call}) for call in calls), chunk(finish="tool_calls"), DONE])]
    body = await client.answered(worker.url, tools=[{"type": "function", "function": {"name": "add"}}])
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    assert body["output"] == {"content": None, "tool_calls": [call]}
    assert worker.seen[0].body["tools"][0]["function"]["name"] == "add"


async def test_the_limit_of_requests_is_passed_on(client, worker):
    limits = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}
    worker.script = [streams(words("a"), **limits)]
    assert (await client.answered(worker.url))["rate_limit"] == {"remaining": 0, "reset_ms": 2000}


async def test_connections_are_used_again(client, worker):
    ports = set()

    async def remember(seen: Seen, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return await says("done")(seen, request)

    worker.script = [remember]
    for _ in range(5):
        await client.answered(worker.url)
    assert len(ports) == 1


# ---- the option about usage


async def test_a_server_that_does_not_know_the_option_is_asked_without_it(client, worker):
    async def picky(seen: Seen, request: web.Request) -> web.StreamResponse:
        if "stream_options" in seen.body:
            return await answer({"error": {"message": "unknown field"}}, status=400)(seen, request)
        return await says("done", usage=None)(seen, request)

    worker.script = [picky]
    for _ in range(2):
        assert (await client.answered(worker.url))["output"] == "done"
    assert ["stream_options" in seen.body for seen in worker.seen] == [True, False, False]


async def test_a_bad_request_is_bad_without_the_option_too(client, worker):
    worker.script = [answer({"error": {"message": "too long", "code": "context_length_exceeded"}}, status=400)]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, len(worker.seen)) == ("context_length_exceeded", False, 2)


async def test_an_option_that_the_node_gives_stays(client, worker):
    worker.script = [says("done")]
    await client.answered(worker.url, parameters={"openai": {"stream_options": {"include_usage": False}}})
    assert worker.seen[0].body["stream_options"] == {"include_usage": False}


# ---- when it fails


async def test_where_nobody_listens_nothing_was_sent(client):
    assert isinstance(await client.deliver(f"http://127.0.0.1:{free_port()}/v1"), Unreachable)


@pytest.mark.parametrize(
    "handler",
    [
        drop,
        streams(words("Hel", "lo")[:2], cut=True),
        streams(words("Hel", "lo")[:2]),
        streams([*words("Hel", "lo")[:2], b'data: {"choi']),
    ],
    ids=["nothing", "cut", "ended too soon", "half an event"],
)
async def test_half_an_answer_is_none(client, worker, handler):
    worker.script = [handler]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("worker.connection", True, True)


async def test_an_answer_whose_end_was_seen_is_whole_though_the_connection_broke(client, worker):
    worker.script = [streams(words("Hel", "lo")[:-2], cut=True)]
    assert (await client.answered(worker.url))["output"] == "Hello"


@pytest.mark.parametrize("status", [200, 500])
async def test_an_error_counts_with_any_status(client, worker, status):
    worker.script = [answer({"error": {"message": "no", "type": "server_error", "code": None}}, status=status)]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("server_error", True, False)


async def test_an_error_in_the_middle_of_a_stream_is_the_answer(client, worker):
    error = b'data: {"error": {"message": "out of memory", "code": 500, "type": "oom"}}\n\n'
    worker.script = [streams([*words("Hel")[:2], error, *words("lo")])]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.error.message, reply.retryable) == ("oom", "out of memory", True)
    assert client.told == "Hel"


async def test_who_has_too_much_to_do_says_when_to_come_again(client, worker):
    error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    worker.script = [answer(error, status=429, headers={"Retry-After": "7"})]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, reply.retry_after_ms) == ("rate_limit_exceeded", True, 7000)


@pytest.mark.parametrize(
    "handler",
    [
        raw(b"<html>login</html>", "text/html"),
        raw(b"", "text/event-stream"),
        raw(b'{"models": []}', "application/json"),
        raw(b'{"choices": []}', "application/json"),
        streams([DONE]),
        streams(words()[-2:]),
        raw(b'{"choices": [', "application/json"),
        streams([*words("a")[:2], b"data: {broken\n\n", *words("b")]),
        answer({}, status=202),
    ],
    ids=[
        "a page",
        "nothing",
        "something else",
        "no choices",
        "only an end",
        "only a cost",
        "half",
        "a broken event",
        "accepted",
    ],
)
async def test_what_is_no_completion_is_no_answer(client, worker, handler):
    worker.script = [handler]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("answer.invalid", True, False)


async def test_what_a_stream_without_an_answer_has_cost_is_told(client, worker):
    worker.script = [streams(words()[-2:])]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.told.usage) == ("answer.invalid", Usage(input_tokens=3, output_tokens=2))


async def test_an_answer_that_is_empty_is_one(client, worker):
    worker.script = [streams([chunk({"content": ""}, "stop"), DONE])]
    assert (await client.answered(worker.url))["output"] == ""


async def test_a_cut_off_answer_is_an_error_that_shows_it(client, worker):
    worker.script = [says("Once ", "upon", finish="length")]
    body = await client.answered(worker.url)
    assert (body["error"]["code"], body["content"]) == ("model.length", "Once upon")
    assert body["usage"]["output_tokens"] == 2


async def test_an_event_that_does_not_end_is_not_read_for_ever(client, worker):
    async def endless(seen: Seen, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"data: " + b"x" * 1_000_000)

    worker.script = [endless]
    assert (await client.refused(worker.url)).error.code == "answer.too_large"


async def test_a_long_stream_of_small_events_is_read_to_its_end(client, worker):
    noise = b": " + b"x" * 1_000_000 + b"\n\n"
    worker.script = [streams([*[noise] * 10, *words("done")])]
    assert (await client.answered(worker.url))["output"] == "done"


async def test_an_answer_waits_for_what_was_said_to_be_written_down(client, worker):
    client.inbox.down = True
    worker.script = [says("Hel", "lo")]
    answering = asyncio.ensure_future(client.answered(worker.url))
    await client.inbox.until(lambda: client.inbox.asked > 0)
    assert not answering.done()
    client.inbox.down = False
    assert (await answering)["output"] == client.told == "Hello"


async def test_a_plain_completion_may_have_its_usage_under_another_name(client, worker):
    body = completion("a", usage=None, x_groq={"usage": {"prompt_tokens": 7}})
    worker.script = [answer(body)]
    assert (await client.answered(worker.url))["usage"] == {"input_tokens": 7}
