"""Agents that answer what they should not, or nothing: each a precise error, none a wait without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from dispatch._http import Http
from dispatch.a2a import A2A
from engine.outbox import Answered, Refused, Reply, Unreachable
from tests.unit.dispatch.agents import AgentPeer, agent_peer, artifact, never
from tests.unit.dispatch.builders import (
    PATIENCE_S,
    Caught,
    a_worker,
    an_envelope,
    answer,
    free_port,
    http_worker,
    raw,
    some_tools,
)

EVENTS = "text/event-stream"
BODY = orjson.dumps({"task_id": "t1", "prompt": "hi", "input": {}, "state": {}, "session_id": "t1"})


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    found = Http()
    yield found
    await found.close()


@pytest.fixture
async def transport(http: Http) -> AsyncIterator[A2A]:
    found = A2A(some_tools(http, Caught()))
    yield found
    await found.close()


@pytest.fixture
async def agent() -> AsyncIterator[AgentPeer]:
    async with agent_peer() as found:
        yield found


async def asked(transport: A2A, url: str, patience_s: float = PATIENCE_S, **worker: Any) -> Reply:
    before = asyncio.all_tasks()
    row = a_worker(protocol="a2a", url=url, **worker)
    async with asyncio.timeout(PATIENCE_S):
        reply = await transport.deliver(row, an_envelope((BODY,)), patience_s)
    assert {task for task in asyncio.all_tasks() - before if "reporting" in repr(task)} == set()
    return reply


async def refusal(transport: A2A, url: str, **worker: Any) -> Refused:
    reply = await asked(transport, url, **worker)
    assert isinstance(reply, Refused), reply
    return reply


# ---- cards


@pytest.mark.parametrize(
    ("card", "says"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "names no address"),
        (b'{"url": "http://elsewhere.test/rpc"}', "names another place to ask"),
        (b'{"url": "file:///etc/passwd"}', "none for HTTP"),
        (b'{"url": "http://user:pw@127.0.0.1/"}', "none for HTTP"),
        (b'{"url": "http://127.0.0.1/", "preferredTransport": "GRPC"}', "names no address"),
        (b'{"supportedInterfaces": [{"url": "http://127.0.0.1/", "protocolVersion": "9.0"}]}', "the agent speaks 9.0"),
        (b'{"supportedInterfaces": 7, "url": 7, "skills": 7}', "names no address"),
    ],
)
async def test_a_card_that_says_nothing_useful_is_refused(transport: A2A, card: bytes, says: str) -> None:
    async with http_worker() as server:
        server.script = [raw(card, "application/json")]
        reply = await refusal(transport, server.url)
    assert (reply.error.code, reply.retryable) == ("agent.card", False)
    assert says in reply.error.message


@pytest.mark.parametrize(
    ("code", "says", "transport_failed"),
    [(404, "404", False), (503, "503", True), (302, "redirects are not followed", False)],
)
async def test_a_card_that_cannot_be_had_may_be_asked_for_again(
    transport: A2A, code: int, says: str, transport_failed: bool
) -> None:
    async with http_worker() as server:
        server.script = [answer({}, status=code, headers={"Location": "http://169.254.169.254/"})]
        reply = await refusal(transport, server.url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("agent.card", True, transport_failed)
    assert says in reply.error.message


async def test_where_nobody_is_nothing_was_sent(transport: A2A) -> None:
    assert isinstance(await asked(transport, f"http://127.0.0.1:{free_port()}"), Unreachable)


async def test_a_card_is_asked_for_once_for_as_long_as_it_says_and_kept_where_the_next_is_broken(
    transport: A2A, agent: AgentPeer
) -> None:
    agent.card_headers = {"Cache-Control": "max-age=0", "ETag": '"1"'}
    await asked(transport, agent.url)
    agent.card_status = 500
    assert isinstance(await asked(transport, agent.url), Answered)
    assert agent.cards == 2


async def test_an_agent_that_has_moved_is_asked_where_it_is_now(transport: A2A, agent: AgentPeer) -> None:
    agent.card_headers = {"Cache-Control": "max-age=0"}
    async with agent_peer("0.3") as other:
        await asked(transport, agent.url)
        agent.card_changes = {"supportedInterfaces": [], "url": f"{other.url}/rpc", "protocolVersion": "0.3"}
        assert isinstance(await asked(transport, agent.url), Answered)
        assert len(other.said) == 1


async def test_a_worker_may_say_where_and_how_its_agent_is_asked(transport: A2A, agent: AgentPeer) -> None:
    agent.card_changes = {"supportedInterfaces": [{"url": "http://elsewhere.test/", "protocolVersion": "0.3"}]}
    pins = {"a2a_url": f"{agent.url}/rpc", "a2a_version": "1.0"}
    assert isinstance(await asked(transport, agent.url, metadata=pins), Answered)
    assert agent.headers[0]["A2A-Version"] == "1.0"


# ---- what it answers


def says(body: bytes, content_type: str = "application/json", code: int = 200) -> Callable[[], web.StreamResponse]:
    return lambda: web.Response(body=body, headers={"Content-Type": content_type}, status=code)


SENSELESS = {
    "no JSON": (says(b"not json"), "answer.invalid", True),
    "nothing in it": (says(b"{}"), "answer.invalid", True),
    "null": (says(b'{"result": null}'), "answer.invalid", True),
    "another object": (says(b'{"result": {"x": 1}}'), "answer.invalid", True),
    "a task without a status": (says(b'{"result": {"task": {"id": "t"}}}'), "answer.invalid", True),
    "an id that is none": (says(b'{"result": {"id": 7, "status": {"state": "done"}}}'), "answer.invalid", True),
    "an error that is none": (says(b'{"error": "boom"}'), "answer.invalid", True),
    "invalid params": (says(b'{"error": {"code": -32602, "message": "no"}}'), "agent.error", False),
    "internal": (says(b'{"error": {"code": -32603, "message": "no"}}'), "agent.error", None),
    "an error with a status": (says(b'{"error": {"code": -32000, "message": "no"}}', code=500), "agent.error", False),
    "an empty stream": (says(b"", EVENTS), "answer.invalid", True),
    "a stream of comments": (says(b": ping\n\n", EVENTS), "answer.invalid", True),
    "a stream without JSON": (says(b"data: [1\n\n", EVENTS), "answer.invalid", True),
    "an event without an end": (says(b"data: " + b"x" * 9_000_000, EVENTS), "answer.too_large", False),
    "a long answer": (says(b"x" * 9_000_000), "answer.too_large", False),
    "who are you": (says(b"{}", code=401), "worker.http_401", False),
    "500": (says(b"oops", code=500), "worker.http_500", True),
    "503": (says(b"oops", code=503), "worker.http_503", True),
    "202": (says(b"", code=202), "answer.invalid", True),
    "a redirect": (says(b"", code=307), "worker.http_307", False),
}


@pytest.mark.parametrize("what", SENSELESS)
async def test_what_makes_no_sense_is_an_error_that_says_so(transport: A2A, agent: AgentPeer, what: str) -> None:
    response, code, retryable = SENSELESS[what]
    agent.broken["SendStreamingMessage"] = [response]
    reply = await refusal(transport, agent.url)
    assert (reply.error.code, reply.retryable) == (code, retryable)
    assert reply.error.message


async def test_artifacts_have_an_end(transport: A2A, agent: AgentPeer) -> None:
    async def endless(said: Any) -> AsyncIterator[Any]:
        for _ in range(20):
            yield artifact("x" * 1_000_000, append=True, last=False)
        await asyncio.Event().wait()

    agent.script = [endless]
    reply = await refusal(transport, agent.url)
    assert (reply.error.code, reply.retryable) == ("answer.too_large", False)
    await agent.until(lambda: agent.tasks["task-1"].state == "canceled")


async def test_a_task_whose_answers_stay_unreadable_is_given_up(transport: A2A, agent: AgentPeer) -> None:
    agent.streaming, agent.script = False, [never]
    agent.broken["GetTask"] = [says(b"{}") for _ in range(5)]
    reply = await refusal(transport, agent.url)
    assert (reply.error.code, reply.retryable) == ("answer.invalid", True)


async def test_what_passes_on_the_way_is_waited_for(transport: A2A, agent: AgentPeer) -> None:
    agent.streaming = False
    agent.broken["GetTask"] = [says(b"busy", code=503), says(b"", code=429), says(b"{}")]
    assert isinstance(await asked(transport, agent.url), Answered)
    assert len(agent.said) == 1


async def test_an_error_within_a_stream_does_not_lose_the_task(transport: A2A, agent: AgentPeer) -> None:
    begin = orjson.dumps({"result": {"task": {"id": "task-1", "contextId": "c", "status": {"state": "working"}}}})
    error = b'{"error": {"code": -32603, "message": "oops"}}'
    agent.broken["SendStreamingMessage"] = [
        says(b"data: " + begin + b"\n\ndata: " + error + b"\n\n", "text/event-stream")
    ]
    agent._begin({"message": {"parts": []}})
    assert isinstance(await asked(transport, agent.url), Answered)


# ---- who asks


@pytest.mark.parametrize(
    ("schemes", "needs", "header", "value"),
    [
        ({"b": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}}, "b", "Authorization", "Bearer k"),
        ({"k": {"apiKeySecurityScheme": {"location": "header", "name": "X-Key"}}}, "k", "X-Key", "k"),
        ({"k": {"type": "apiKey", "in": "header", "name": "X-Key"}}, "k", "X-Key", "k"),
        ({"h": {"type": "http", "scheme": "basic"}}, "h", "Authorization", "Basic aw=="),
        ({"o": {"type": "oauth2", "flows": {}}}, "o", "Authorization", "Bearer k"),
    ],
)
async def test_the_token_is_said_as_the_card_wants_it(
    transport: A2A, agent: AgentPeer, schemes: Any, needs: str, header: str, value: str
) -> None:
    agent.card_changes = {"securitySchemes": schemes, "securityRequirements": [{"schemes": {needs: {"list": []}}}]}
    await asked(transport, agent.url, token="k")
    assert agent.headers[0][header] == value


async def test_the_token_does_not_go_elsewhere(transport: A2A, agent: AgentPeer) -> None:
    async with http_worker() as elsewhere:
        url = elsewhere.url.replace("127.0.0.1", "localhost")
        agent.card_changes = {"supportedInterfaces": [{"url": url, "protocolVersion": "1.0"}]}
        reply = await refusal(transport, agent.url, token="k")
        assert reply.error.code == "agent.card"
        assert elsewhere.seen == []
