"""The webhook protocol against real servers on this machine."""

from __future__ import annotations

import asyncio
import hmac
import socket
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
from aiohttp import web

from dispatch._http import Http
from dispatch._secrets import new_secret
from dispatch.webhook import Webhook
from engine.outbox import Accepted, Answered, Refused, Reply, Unreachable
from tests.unit.dispatch.builders import (
    NOW,
    PATIENCE_S,
    a_worker,
    an_envelope,
    answer,
    drop,
    free_port,
    raw,
    some_tools,
)

BODY = b'{"task_id":"t1"}'


class Client:
    """A webhook transport whose limits a test may choose."""

    def __init__(self, **limits: Any) -> None:
        self.http = Http(**limits)
        self.webhook = Webhook(some_tools(self.http))

    async def deliver(self, url: str, body: bytes = BODY, timeout_s: float = PATIENCE_S, **fields: Any) -> Reply:
        async with asyncio.timeout(PATIENCE_S):
            return await self.webhook.deliver(a_worker(url=url, **fields), an_envelope((body,)), timeout_s)

    async def refused(self, url: str, **fields: Any) -> Refused:
        reply = await self.deliver(url, **fields)
        assert isinstance(reply, Refused)
        return reply


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    found = Client()
    yield found
    await found.http.close()


# ---- what is sent


async def test_the_task_is_posted_as_json_with_its_key(client, worker):
    await client.deliver(f"{worker.url}/a?b=c")
    [seen] = worker.seen
    assert (seen.raw, seen.path) == (BODY, "/a")
    assert (seen.headers["Idempotency-Key"], seen.headers["Content-Type"]) == ("t1", "application/json")
    assert "Authorization" not in seen.headers
    assert "webhook-signature" not in seen.headers


async def test_token_and_own_headers_go_along(client, worker):
    await client.deliver(worker.url, token="tok", headers={"X-Key": "v", "idempotency-key": "forged"})
    [seen] = worker.seen
    assert (seen.headers["Authorization"], seen.headers["X-Key"]) == ("Bearer tok", "v")
    assert seen.headers.getall("Idempotency-Key") == ["t1"]


async def test_an_own_header_may_authorise_where_there_is_no_token(client, worker):
    await client.deliver(worker.url, headers={"authorization": "Basic eA=="})
    assert worker.seen[0].headers["Authorization"] == "Basic eA=="


@pytest.mark.parametrize("secret", [new_secret(), "plain text"], ids=["whsec", "plain"])
async def test_the_signature_is_that_of_the_body_that_arrives(client, worker, secret):
    await client.deliver(worker.url, secret=secret)
    [seen] = worker.seen
    key = b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signed = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}.".encode() + seen.raw
    assert seen.headers["webhook-signature"] == f"v1,{b64encode(hmac.digest(key, signed, sha256)).decode()}"
    assert (seen.headers["webhook-id"], seen.headers["webhook-timestamp"]) == ("t1", str(NOW // 1000))


async def test_a_body_of_several_megabytes_arrives_whole(client, worker):
    body = b'"' + b"x" * 5_000_000 + b'"'
    await client.deliver(worker.url, body)
    assert worker.seen[0].raw == body
    assert worker.seen[0].headers["Content-Length"] == str(len(body))


async def test_connections_are_used_again(client, worker):
    ports = set()

    async def remember(seen: Any, request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return web.json_response({"output": 1})

    worker.script = [remember]
    for _ in range(5):
        await client.deliver(worker.url)
    assert len(ports) == 1


async def test_cookies_are_not_kept(client, worker):
    worker.script = [answer({}, headers={"Set-Cookie": "a=b"})]
    await client.deliver(worker.url)
    await client.deliver(worker.url)
    assert "Cookie" not in worker.seen[1].headers


async def test_proxies_of_the_environment_are_not_used(client, worker, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert isinstance(await client.deliver(worker.url), Answered)


# ---- what comes back


async def test_json_and_text_are_answers(client, worker):
    worker.script = [answer({"output": 1}), raw(b"just text", "text/plain"), raw(b"[1]", ""), raw(b"", "")]
    bodies = [await client.deliver(worker.url) for _ in range(4)]
    assert bodies == [Answered(body=body) for body in ({"output": 1}, "just text", [1], None)]


async def test_a_202_says_that_the_answer_follows(client, worker):
    worker.script = [answer({}, status=202)]
    assert await client.deliver(worker.url) == Accepted()


async def test_a_429_says_when_to_come_again(client, worker):
    worker.script = [
        answer({}, status=429, headers={"Retry-After": "7"}),
        answer({}, status=429, headers={"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT"}),
    ]
    waits = [(await client.refused(worker.url)).retry_after_ms for _ in range(2)]
    assert waits == [7_000, 9_000]


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (503, True), (408, True), (400, False), (404, False)])
async def test_a_status_and_an_error_object_are_understood(client, worker, status, retryable):
    worker.script = [answer({"error": {"code": "boom", "message": "it broke"}}, status=status)]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("boom", retryable, False)


async def test_a_redirect_is_not_followed(client, worker):
    worker.script = [raw(b"", "", status=307)]
    worker.script = [answer({}, status=307, headers={"Location": f"{worker.url}/elsewhere"})]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, len(worker.seen)) == ("worker.http_307", False, 1)


async def test_a_body_that_is_too_large_is_refused(worker):
    client = Client(max_body=1000)
    worker.script = [raw(b"x" * 1000, "text/plain"), raw(b"x" * 1001, "text/plain"), answer({"output": 1})]
    assert await client.deliver(worker.url) == Answered(body="x" * 1000)
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("answer.too_large", False, False)
    assert isinstance(await client.deliver(worker.url), Answered)
    await client.http.close()


async def test_an_endless_body_is_not_read_to_its_end(worker):
    client = Client(max_body=1_000_000)

    async def endless(seen: Any, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    worker.script = [endless]
    assert (await client.refused(worker.url)).error.code == "answer.too_large"
    await client.http.close()


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(worker):
    client = Client(max_body=1_000_000)

    async def packed(seen: Any, request: web.Request) -> web.StreamResponse:
        response = web.Response(body=b"x" * 50_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    worker.script = [packed]
    assert (await client.refused(worker.url)).error.code == "answer.too_large"
    await client.http.close()


# ---- when nothing comes back


async def test_where_nobody_listens_nothing_was_sent(client):
    assert isinstance(await client.deliver(f"http://127.0.0.1:{free_port()}/"), Unreachable)


async def test_a_name_that_does_not_resolve_is_one_that_nothing_was_sent_to(client):
    assert isinstance(await client.deliver("http://nowhere.invalid/"), Unreachable)


async def test_a_server_that_takes_no_connection_is_not_waited_for_long():
    client = Client(connect_s=0.1)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        reply = await client.deliver(f"http://127.0.0.1:{address[1]}/")
        for each in waiting:
            each.close()
    assert isinstance(reply, Unreachable)
    await client.http.close()


async def test_a_connection_that_is_dropped_is_a_failure_of_transport(client, worker):
    worker.script = [drop]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("worker.connection", True, True)
    assert len(worker.seen) == 1


async def test_a_connection_that_is_dropped_in_the_middle_of_an_answer_is_one_too(client, worker):
    async def half(seen: Any, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        return await drop(seen, request)

    worker.script = [half]
    reply = await client.refused(worker.url)
    assert (reply.error.code, reply.transport) == ("worker.connection", True)


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "http://", "no url"])
async def test_an_address_that_is_none_is_refused_for_good(client, url):
    reply = await client.refused(url)
    assert (reply.error.code, reply.retryable, reply.transport) == ("worker.invalid", False, False)


async def test_a_token_that_no_header_can_carry_is_refused_without_being_named(client, worker):
    reply = await client.refused(worker.url, token="top\r\nsecret")
    assert (reply.error.code, worker.seen) == ("worker.invalid", [])
    assert "secret" not in reply.error.message


class Impatient:
    """A server that answers the first request on a connection, and hangs up at the second without reading it."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.requests.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(len(BODY)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: application/json\r\n\r\n7")
        await reader.read(1)
        writer.transport.abort()


@pytest.fixture
async def impatient() -> AsyncIterator[tuple[Impatient, str]]:
    found = Impatient()
    async with await asyncio.start_server(found.serve, "127.0.0.1", 0) as server:
        yield found, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_what_was_sent_over_a_stale_connection_is_sent_once_more_over_a_fresh_one(impatient):
    server, url = impatient
    client = Client(idle_s=0.0)
    assert [await client.deliver(f"{url}{path}") for path in "aab"] == [Answered(body=7)] * 3
    assert server.connections == 3
    assert all(b"idempotency-key: t1" in request for request in server.requests)
    await client.http.close()


async def test_a_connection_that_was_just_in_use_is_not_taken_for_a_stale_one(impatient):
    server, url = impatient
    client = Client(idle_s=3.0)
    await client.deliver(url)
    assert (await client.refused(url)).transport
    assert server.connections == 1
    await client.http.close()


async def test_only_a_server_that_was_asked_before_can_have_left_a_stale_connection(impatient, worker):
    client = Client(idle_s=0.0)
    await client.deliver(impatient[1])
    worker.script = [drop]
    assert (await client.refused(worker.url)).transport
    assert len(worker.seen) == 1
    await client.http.close()


async def test_what_is_dropped_twice_is_a_failure(worker):
    client = Client(idle_s=0.0)
    worker.script = [answer(1), drop]
    await client.deliver(worker.url)
    assert (await client.refused(worker.url)).transport
    assert len(worker.seen) == 3
    await client.http.close()


async def test_after_a_drop_a_server_that_is_gone_is_not_one_that_saw_nothing():
    client = Client(idle_s=0.0)
    server: asyncio.Server

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(BODY)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7")
        await reader.readuntil(BODY)
        server.close()
        writer.transport.abort()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await client.deliver(url)
        assert (await client.refused(url)).transport
    await client.http.close()
