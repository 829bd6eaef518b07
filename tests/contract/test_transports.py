"""What every transport must do, whatever its protocol: played against each module that the registry finds.

A protocol takes part with a peer: a real counterpart that gets tasks and answers them as the test says. Over some the
answer is the reply to the delivery; over the others the delivery is accepted, and the answer comes into the inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

import orjson
import pytest

from dispatch._http import Http
from dispatch._registry import open_transports, protocols
from dispatch._transport import Transport, refused
from engine.model import TaskId
from engine.outbox import Accepted, Answered, Refused, Unreachable
from engine.ports import WorkerRow
from tests.contract.agent_peers import peer_of_1_0
from tests.contract.http_peers import http_peer, model_peer, text_of
from tests.contract.mqtt_peer import mqtt_peer
from tests.contract.pull_peer import pull_peer
from tests.contract.socket_peer import websocket_peer
from tests.redis_worker import redis_peer
from tests.unit.dispatch.builders import (
    PATIENCE_S,
    Caught,
    a_worker,
    an_envelope,
    some_tools,
)

BODY = orjson.dumps({"task_id": "t1", "prompt": "hi", "state": {"ü": ["\u2028", 1.5]}})


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

    def reports(self, body: Any) -> None:
        """Have the peer report before it answers; only for those of `LATER`."""

    async def dial(self, transport: Transport, ends: AsyncExitStack) -> None:
        """Come to the transport, and go with the stack; only for those of `DIALS`."""

    async def until_asked(self) -> None: ...
    async def until_left(self) -> None:
        """Until the peer has noticed that nobody waits for its answer any more."""


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


PEERS: dict[str, Callable[[], AbstractAsyncContextManager[Peer]]] = {
    "webhook": http_peer,
    "local": local_peer,
    "api_chat": http_peer,
    "openai_chat": model_peer,
    "pull": pull_peer,
    "websocket": websocket_peer,
    "redis_stream": redis_peer,
    "mqtt": mqtt_peer,
    "a2a": peer_of_1_0,
}


AT_ONCE = {"local", "openai_chat", "a2a"}
"""Protocols without a way to answer later."""
LATER = {"mqtt", "pull", "redis_stream", "websocket"}
"""Protocols over which all answers come later, into the inbox."""
DIALS = {"pull", "websocket"}
"""Protocols whose workers come to the server: there is no address at which somebody may be missing."""
MESSAGES = {"api_chat", "openai_chat", "a2a"}
"""Protocols that say what is asked as a message, and not as the task."""
OUTPUTS = {"a2a"}
"""Protocols whose workers say what the output is, and nothing else of an answer."""
MODELS = {"openai_chat"}
"""Protocols whose workers answer with a text, and know of nothing else."""


def test_every_protocol_takes_part():
    assert sorted(PEERS) == list(protocols())


@pytest.fixture(params=sorted(PEERS))
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    async with PEERS[request.param]() as found:
        found.row, found.nobody = (replace(row, protocol=request.param) for row in (found.row, found.nobody))
        yield found


@pytest.fixture
async def inbox() -> Caught:
    return Caught()


@pytest.fixture
async def transport(peer: Peer, inbox: Caught) -> AsyncIterator[Transport]:
    http = Http()
    tools = some_tools(http, inbox)
    found = open_transports(tools)
    if (meets := getattr(peer, "meets", None)) is not None:  # one that comes for its tasks
        meets(tools)
        await asyncio.sleep(0)
    found[peer.row.protocol].serve([peer.row])
    async with AsyncExitStack() as ends:
        if (dial := getattr(peer, "dial", None)) is not None:
            await dial(found[peer.row.protocol], ends)
        yield found[peer.row.protocol]
    for each in found.values():
        await each.close()
        await each.close()
    await http.close()


async def sent(transport: Transport, row: WorkerRow, message_id: str = "t1") -> Any:
    """What comes back from a delivery."""
    task = an_envelope((BODY,), message_id)
    task = replace(task, reply_to=transport.reply_to(row, task.correlation_id, task.reply_to))
    async with asyncio.timeout(PATIENCE_S):
        return await transport.deliver(row, task, PATIENCE_S)


async def deliver(transport: Transport, row: WorkerRow, inbox: Caught, message_id: str = "t1") -> Any:
    """The answer to a delivery: what comes back, or what comes into the inbox later."""
    reply = await sent(transport, row, message_id)
    if row.protocol not in LATER or not isinstance(reply, Accepted):
        return reply
    await inbox.until(lambda: any(corr == f"{message_id}.s" for corr, _ in inbox.results))
    return reply_of_answer(next(body for corr, body in inbox.results if corr == f"{message_id}.s"))


def said(row: WorkerRow, body: Any, reply: Any) -> bool:
    """Whether a reply is this answer: the text or the output of it, where workers say no more."""
    if row.protocol in OUTPUTS:
        return isinstance(reply, Answered) and reply.body["output"] == body
    if row.protocol not in MODELS:
        return bool(reply == Answered(body=body))
    return isinstance(reply, Answered) and reply.body["output"] == text_of(body)


def reply_of_answer(body: Any) -> Answered | Refused:
    """What an answer would have been as a reply: what is said of its error is the same for all protocols."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error = body["error"]
        details = {name: error.get(name) for name in ("retryable", "details")}
        return refused(error["code"], error["message"], **details)
    return Answered(body=body)


@pytest.mark.parametrize("body", ["text", {"output": {"ü": [1, None]}}, [1, 2.5], None, {}])
async def test_an_answer_comes_back_as_it_was_given(transport, peer, inbox, body):
    peer.answers(body)
    assert said(peer.row, body, await deliver(transport, peer.row, inbox))


@pytest.mark.parametrize("peer", sorted(PEERS.keys() - MESSAGES), indirect=True)
async def test_the_envelope_arrives_byte_for_byte_with_its_key(transport, peer, inbox):
    await deliver(transport, peer.row, inbox)
    assert peer.got() == [(BODY, "t1")]


@pytest.mark.parametrize("peer", sorted(MESSAGES), indirect=True)
async def test_what_is_asked_arrives_with_its_key(transport, peer, inbox):
    await deliver(transport, peer.row, inbox)
    [(body, key)] = peer.got()
    assert (b'"hi"' in body, key) == (True, "t1")


@pytest.mark.parametrize("peer", sorted(PEERS.keys() - AT_ONCE), indirect=True)
async def test_a_task_may_be_accepted_to_be_answered_later(transport, peer):
    peer.accepts()
    assert isinstance(await sent(transport, peer.row), Accepted)


async def test_an_error_that_the_worker_reports_is_not_one_of_transport(transport, peer, inbox):
    peer.fails({"code": "boom", "message": "it broke", "retryable": False, "details": {"d": 1}})
    reply = await deliver(transport, peer.row, inbox)
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.error.message, reply.error.details) == ("boom", "it broke", {"d": 1})
    assert (reply.retryable, reply.transport) == (False, False)


async def test_where_nobody_is_nothing_was_sent(transport, peer):
    assert isinstance(await sent(transport, peer.nobody), Unreachable)


async def test_it_recovers_when_somebody_is_there_again(transport, peer, inbox):
    await sent(transport, peer.nobody)
    assert isinstance(await deliver(transport, peer.row, inbox), Answered)


async def test_many_deliveries_at_a_time_do_not_get_mixed_up(transport, peer, inbox):
    peer.answers({"output": 1})
    replies = await asyncio.gather(*(deliver(transport, peer.row, inbox, f"t{number}") for number in range(50)))
    assert all(said(peer.row, {"output": 1}, reply) for reply in replies)
    assert len(peer.got()) == 50


@pytest.mark.parametrize("peer", sorted(PEERS.keys() - LATER), indirect=True)
async def test_a_delivery_that_is_cancelled_leaves_nothing_behind(transport, peer):
    peer.hangs()
    delivery = asyncio.ensure_future(sent(transport, peer.row))
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
            await transport.cancel(replace(row, metadata={"cancel": True}), TaskId("t1"), "t1")


@pytest.mark.parametrize("peer", sorted(LATER), indirect=True)
async def test_what_cannot_be_written_down_is_taken_later(transport, peer, inbox):
    inbox.down = True
    peer.answers({"output": 1})
    assert isinstance(await sent(transport, peer.row), Accepted)
    await inbox.until(lambda: inbox.asked > 0)
    inbox.down = False
    await inbox.until(lambda: bool(inbox.results))
    assert inbox.results[0] == ("t1.s", {"output": 1})


@pytest.mark.parametrize("peer", sorted(LATER), indirect=True)
async def test_what_a_worker_reports_comes_before_its_answer(transport, peer, inbox):
    peer.reports({"stage": "reading", "progress": 0.5})
    peer.answers({"output": 1})
    assert await deliver(transport, peer.row, inbox) == Answered(body={"output": 1})
    assert inbox.reports == [("t1.s", [{"stage": "reading", "progress": 0.5}])]
