"""What every transport must do, whatever its protocol: played against each module that the registry finds.

A protocol takes part with a peer: a real counterpart that gets tasks and answers them as the test says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

import orjson
import pytest

from dispatch._http import Http
from dispatch._registry import open_transports, protocols
from dispatch._transport import Tools, Transport
from engine.model import TaskId
from engine.outbox import Accepted, Answered, Refused, Unreachable
from engine.ports import WorkerRow
from tests.unit.dispatch.builders import (
    NOW,
    PATIENCE_S,
    HttpWorker,
    a_worker,
    answer,
    free_port,
    hang,
    http_worker,
)

HEADERS = {"Idempotency-Key": "t1", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
BODY = orjson.dumps({"task_id": "t1", "state": {"ü": ["\u2028", 1.5]}})


class Peer(Protocol):
    """A worker of one protocol, at `row`; `nobody` is the address of one that is not there."""

    row: WorkerRow
    nobody: WorkerRow

    def answers(self, body: Any) -> None: ...
    def accepts(self) -> None: ...
    def fails(self, error: Any) -> None: ...
    def hangs(self) -> None: ...
    def got(self) -> list[tuple[bytes, str]]:
        """The bodies that arrived, each with its idempotency key."""

    async def until_asked(self) -> None: ...
    async def until_left(self) -> None:
        """Until the peer has noticed that nobody waits for its answer any more."""


class WebhookPeer:
    def __init__(self, worker: HttpWorker) -> None:
        self.worker = worker
        self.row = a_worker(url=f"{worker.url}/work")
        self.nobody = a_worker(url=f"http://127.0.0.1:{free_port()}/")

    def answers(self, body: Any) -> None:
        self.worker.script = [answer(body)]

    def accepts(self) -> None:
        self.worker.script = [answer({}, status=202)]

    def fails(self, error: Any) -> None:
        self.worker.script = [answer({"error": error}, status=500)]

    def hangs(self) -> None:
        self.worker.script = [hang]

    def got(self) -> list[tuple[bytes, str]]:
        return [(seen.raw, seen.headers["idempotency-key"]) for seen in self.worker.seen]

    async def until_asked(self) -> None:
        await self.worker.until(lambda: bool(self.worker.seen))

    async def until_left(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.worker.hung_up.wait()


@asynccontextmanager
async def webhook_peer() -> AsyncIterator[Peer]:
    async with http_worker() as worker:
        yield WebhookPeer(worker)


class LocalPeer:
    """Functions of this module, which ask the peer that there is."""

    def __init__(self) -> None:
        self.row = a_worker(url=f"{__name__}:work")
        self.nobody = a_worker(url=f"{__name__}:nobody")
        self.seen: list[Any] = []
        self.said: Any = {"output": "done"}
        self.asked, self.left = asyncio.Event(), asyncio.Event()
        self.hanging = False

    async def work(self, task: Any) -> Any:
        self.seen.append(task)
        self.asked.set()
        if isinstance(self.said, Exception):
            raise self.said
        try:
            if self.hanging:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        return self.said

    def answers(self, body: Any) -> None:
        self.said = body

    def accepts(self) -> None:
        raise AssertionError("a function answers when it returns")

    def fails(self, error: Any) -> None:
        self.said = type("Broken", (Exception,), error)(error["message"])

    def hangs(self) -> None:
        self.hanging = True

    def got(self) -> list[tuple[bytes, str]]:
        return [(orjson.dumps(task), task["task_id"]) for task in self.seen]

    async def until_asked(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.asked.wait()

    async def until_left(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.left.wait()


local: list[LocalPeer] = []


async def work(task: Any) -> Any:
    return await local[-1].work(task)


@asynccontextmanager
async def local_peer() -> AsyncIterator[Peer]:
    local.append(LocalPeer())
    yield local[-1]
    local.clear()


PEERS: dict[str, Callable[[], AbstractAsyncContextManager[Peer]]] = {"webhook": webhook_peer, "local": local_peer}


AT_ONCE = {"local"}
"""Protocols without a way to answer later."""


def test_every_protocol_takes_part():
    assert sorted(PEERS) == list(protocols())


@pytest.fixture(params=sorted(PEERS))
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    async with PEERS[request.param]() as found:
        found.row, found.nobody = (a_worker(protocol=request.param, url=row.url) for row in (found.row, found.nobody))
        yield found


@pytest.fixture
async def transport(peer: Peer) -> AsyncIterator[Transport]:
    http = Http()
    found = open_transports(Tools(http=http, clock=lambda: NOW))
    yield found[peer.row.protocol]
    for each in found.values():
        await each.close()
        await each.close()
    await http.close()


async def deliver(transport: Transport, row: WorkerRow) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await transport.deliver(row, (BODY,), HEADERS, PATIENCE_S)


@pytest.mark.parametrize("body", ["text", {"output": {"ü": [1, None]}}, [1, 2.5], None, {}])
async def test_an_answer_comes_back_as_it_was_given(transport, peer, body):
    peer.answers(body)
    assert await deliver(transport, peer.row) == Answered(body=body)


async def test_the_envelope_arrives_byte_for_byte_with_its_key(transport, peer):
    await deliver(transport, peer.row)
    assert peer.got() == [(BODY, "t1")]


@pytest.mark.parametrize("peer", sorted(PEERS.keys() - AT_ONCE), indirect=True)
async def test_a_task_may_be_accepted_to_be_answered_later(transport, peer):
    peer.accepts()
    assert await deliver(transport, peer.row) == Accepted()


async def test_an_error_that_the_worker_reports_is_not_one_of_transport(transport, peer):
    peer.fails({"code": "boom", "message": "it broke", "retryable": False, "details": {"d": 1}})
    reply = await deliver(transport, peer.row)
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.error.message, reply.error.details) == ("boom", "it broke", {"d": 1})
    assert (reply.retryable, reply.transport) == (False, False)


async def test_where_nobody_is_nothing_was_sent(transport, peer):
    assert isinstance(await deliver(transport, peer.nobody), Unreachable)


async def test_it_recovers_when_somebody_is_there_again(transport, peer):
    await deliver(transport, peer.nobody)
    assert isinstance(await deliver(transport, peer.row), Answered)


async def test_many_deliveries_at_a_time_do_not_get_mixed_up(transport, peer):
    peer.answers({"output": 1})
    replies = await asyncio.gather(*(deliver(transport, peer.row) for _ in range(50)))
    assert replies == [Answered(body={"output": 1})] * 50
    assert len(peer.got()) == 50


async def test_a_delivery_that_is_cancelled_leaves_nothing_behind(transport, peer):
    peer.hangs()
    delivery = asyncio.ensure_future(deliver(transport, peer.row))
    await peer.until_asked()
    tasks = asyncio.all_tasks() - {delivery}
    delivery.cancel()
    await asyncio.wait([delivery])
    assert delivery.cancelled()
    await peer.until_left()
    assert not {task for task in asyncio.all_tasks() - tasks if task is not asyncio.current_task()}


async def test_telling_a_worker_that_a_task_is_cancelled_harms_nobody(transport, peer):
    for row in (peer.row, peer.nobody):
        async with asyncio.timeout(PATIENCE_S):
            await transport.cancel(replace(row, metadata={"cancel": True}), TaskId("t1"), HEADERS)
