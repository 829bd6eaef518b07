"""What the tests of redis_stream are made of: a Redis, a proxy before it, a transport, and what a worker says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from secrets import token_hex
from typing import Any

import pytest
from redis.asyncio import Redis

from dispatch._redis_address import Place, target_of
from dispatch._redis_wire import Wire
from dispatch.redis_stream import RedisStream
from engine.ports import WorkerRow
from tests.proxy import Proxy, proxy_to
from tests.redis_worker import client_of
from tests.servers import RedisServer
from tests.unit.dispatch.builders import PATIENCE_S, Caught, a_worker, an_envelope, some_tools

BODY = b'{"task_id":"t1"}'


def place_at(port: int, **fields: object) -> Place:
    return Place(**{"host": "127.0.0.1", "port": port, "db": 0, "tls": False, **fields})  # type: ignore[arg-type]


@pytest.fixture
async def wire(redis_server: RedisServer) -> AsyncIterator[Wire]:
    found = Wire(place_at(redis_server.port))
    yield found
    await found.close()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with client_of(redis_server) as found:
        yield found


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[Proxy]:
    async with proxy_to(redis_server.port) as found:
        yield found


@pytest.fixture
def row(proxy: Proxy) -> WorkerRow:
    """A worker at a stream of its own, reached through the proxy."""
    return a_worker(protocol="redis_stream", url=f"redis://127.0.0.1:{proxy.port}/{token_hex(4)}")


@pytest.fixture
def inbox() -> Caught:
    return Caught()


@pytest.fixture
async def transport(inbox: Caught) -> AsyncIterator[RedisStream]:
    """One that reads a reply stream of its own, once it serves somebody."""
    found = RedisStream(some_tools(inbox=inbox, server=token_hex(4)))
    yield found
    await found.close()


def stream_of(row: WorkerRow) -> str:
    return target_of(row).stream


async def sent(transport: RedisStream, row: WorkerRow, message_id: str = "t1") -> Any:
    task = replace(an_envelope((BODY,), message_id), reply_to=transport.reply_to(row, "", ""))
    async with asyncio.timeout(PATIENCE_S):
        return await transport.deliver(row, task, PATIENCE_S)


async def say(redis: Redis, transport: RedisStream, **fields: Any) -> bytes:
    """An entry of the reply stream."""
    return await redis.xadd(transport.reply_to(a_worker(), "", ""), fields)


async def until_empty(redis: Redis, stream: str, group: str = "clew") -> None:
    """Until everything was acknowledged and deleted."""
    async with asyncio.timeout(PATIENCE_S):
        while await redis.xlen(stream) or (await redis.xpending(stream, group))["pending"]:
            pass
