"""Streams of tasks are kept short, and nothing is cut that somebody still needs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from dispatch._redis_address import target_of
from dispatch._redis_broker import trim
from engine.ports import WorkerRow
from tests.redis_parts import inbox, proxy, redis, row, sent, stream_of, transport, wire
from tests.redis_worker import GROUP

__all__ = ["inbox", "proxy", "redis", "row", "transport", "wire"]


async def test_a_stream_is_cut_to_about_what_it_may_hold(redis, transport, row):
    short = replace(row, metadata={"max_len": 100})
    for number in range(400):
        await sent(transport, short, f"t{number}")
        [[_, [[entry_id, _]]]] = await redis.xreadgroup(GROUP, "me", {stream_of(row): ">"}, count=1)
        await redis.xack(stream_of(row), GROUP, entry_id)
    assert 100 <= await redis.xlen(stream_of(row)) <= 320


async def filled(redis: Redis, row: WorkerRow, *, read: int, acknowledged: int) -> list[bytes]:
    """A stream of 1,000 entries, of which the first were read and acknowledged; the ids of all."""
    stream = stream_of(row)
    await redis.xgroup_create(stream, GROUP, "0", mkstream=True)
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(1_000):
            pipe.xadd(stream, {"n": number})
        ids = await pipe.execute()
    await redis.xreadgroup(GROUP, "me", {stream: ">"}, count=read)
    if acknowledged:
        await redis.xack(stream, GROUP, *ids[:acknowledged])
    return ids


@pytest.mark.parametrize(
    ("read", "acknowledged", "kept"),
    [(1_000, 1_000, 100), (1_000, 500, 500), (500, 500, 500), (500, 0, 1_000), (1, 0, 1_000)],
)
async def test_nothing_is_cut_that_is_not_acknowledged(redis, wire, row, read, acknowledged, kept):
    ids = await filled(redis, row, read=read, acknowledged=acknowledged)
    await trim(wire.ask, target_of(replace(row, metadata={"max_len": 100})))
    left = [entry_id for entry_id, _ in await redis.xrange(stream_of(row))]
    assert left == ids[-len(left) :]
    assert kept <= len(left) <= kept + 100  # a node of a stream holds 100 entries


async def test_what_another_group_has_not_read_is_kept_for_it(redis, wire, row):
    await filled(redis, row, read=1_000, acknowledged=1_000)
    await redis.xgroup_create(stream_of(row), "others", "0")
    await trim(wire.ask, target_of(replace(row, metadata={"max_len": 100})))
    assert await redis.xlen(stream_of(row)) == 1_000


async def test_a_stream_that_nobody_reads_is_left_whole(redis, wire, row):
    for number in range(300):
        await redis.xadd(stream_of(row), {"n": number})
    await trim(wire.ask, target_of(replace(row, metadata={"max_len": 100})))
    assert await redis.xlen(stream_of(row)) == 300
