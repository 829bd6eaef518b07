"""The redis_stream protocol against a real Redis: what is added, what is read, and what is acknowledged when."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatch._about import set_about
from dispatch._inbox import Receipt
from dispatch._redis_intake import MAX_BODY
from dispatch.redis_stream import RedisStream
from engine.model import TaskId
from engine.outbox import Accepted, Refused, Unreachable
from tests.redis_parts import BODY, inbox, proxy, redis, row, say, sent, stream_of, transport, until_empty
from tests.redis_worker import GROUP
from tests.servers import own_redis
from tests.unit.dispatch.builders import PATIENCE_S, Caught, a_worker, free_port, some_tools

ROOT = Path(__file__).resolve().parents[2]
__all__ = ["inbox", "proxy", "redis", "row", "transport"]


# ---- tasks


async def test_a_task_is_an_entry_that_waits_for_its_first_worker(redis, transport, row):
    assert await sent(transport, row) == Accepted()
    [[_, [[_, fields]]]] = await redis.xreadgroup(GROUP, "me", {stream_of(row): ">"})
    assert fields == {
        b"task": BODY,
        b"task_id": b"t1",
        b"message_id": b"t1",
        b"attempt": b"1",
        b"reply_to": transport.reply_to(row, "", "").encode(),
        b"corr": b"t1.s",
        b"traceparent": b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
    }


async def test_the_group_is_the_one_that_the_worker_names(redis, transport, row):
    await sent(transport, replace(row, metadata={"group": "mine"}))
    assert [group["name"] for group in await redis.xinfo_groups(stream_of(row))] == [b"mine"]


async def test_a_stream_that_was_deleted_is_made_again_with_its_group(redis, transport, row):
    await sent(transport, row)
    await sent(transport, row)
    await redis.delete(stream_of(row))
    assert await sent(transport, row) == Accepted()
    assert len(await redis.xreadgroup(GROUP, "me", {stream_of(row): ">"})) == 1


async def test_a_cancel_is_an_entry_beside_the_stream(redis, transport, row):
    await transport.cancel(row, TaskId("t1"), "t1.2.0")
    [[_, fields]] = await redis.xrange(f"{stream_of(row)}:cancel")
    assert fields == {b"task_id": b"t1", b"message_id": b"t1.2.0"}


async def test_the_last_thousand_cancels_are_kept(redis, transport, row):
    await asyncio.gather(*(transport.cancel(row, TaskId(f"t{n}"), f"t{n}") for n in range(1_100)))
    assert await redis.xlen(f"{stream_of(row)}:cancel") == 1_000


async def test_a_worker_whose_metadata_says_nothing_is_refused_for_good(transport, row):
    reply = await sent(transport, replace(row, metadata={"max_len": 0}))
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable, reply.transport) == ("worker.invalid", False, False)


async def test_a_task_whose_acknowledgement_is_lost_is_there_for_sure(redis, transport, row, proxy):
    await sent(transport, row, "t0")
    proxy.cut_at_reply = True
    assert await sent(transport, row) == Accepted()
    assert [fields[b"task_id"] for _, fields in await redis.xrange(stream_of(row))] == [b"t0", b"t1", b"t1"]


async def test_a_task_that_was_cut_half_way_is_added_whole(redis, transport, row, proxy):
    await sent(transport, row, "t0")
    proxy.cut_after = 150
    assert await sent(transport, row) == Accepted()
    assert [fields[b"task"] for _, fields in await redis.xrange(stream_of(row))] == [BODY, BODY]


async def test_a_redis_that_can_take_nothing_has_seen_nothing(redis):
    with own_redis(maxmemory="1") as server:
        transport = RedisStream(some_tools())
        reply = await sent(transport, a_worker(url=f"{server.url}/tasks"))
        await transport.close()
    assert isinstance(reply, Unreachable)
    assert "maxmemory" in reply.message


async def test_a_key_that_is_no_stream_is_said_to_be_none(redis, transport, row):
    await redis.set(stream_of(row), "x")
    reply = await sent(transport, row)
    assert isinstance(reply, Unreachable)
    assert "WRONGTYPE" in reply.message


async def test_a_wrong_password_is_not_repeated(redis):
    with own_redis(requirepass="richtig") as server:
        transport = RedisStream(some_tools())
        reply = await sent(transport, a_worker(url=f"{server.url}/tasks", token="falsch"))
        await transport.close()
    assert isinstance(reply, Unreachable)
    assert "falsch" not in reply.message


async def test_a_task_that_may_be_there_is_not_given_up_while_redis_is_away(redis, transport, row, proxy, redis_server):
    await sent(transport, row, "t0")
    proxy.cut_at_reply, proxy.target = True, free_port()
    set_about(names := {"run_id": "r1", "task_id": "t1", "node": "a"})
    with capture_logs() as logs:
        sending = asyncio.ensure_future(sent(transport, row))
        async with asyncio.timeout(PATIENCE_S):
            while proxy.connections < 4:  # noqa: ASYNC110 - it was tried again and again, and nobody was there
                await asyncio.sleep(0)
        proxy.target = redis_server.port
        assert await sending == Accepted()
    unsure = [log for log in logs if log["event"] == "redis.unsure"]
    assert unsure
    assert all(log.items() >= names.items() for log in unsure)


async def test_no_more_is_needed_than_the_rights_that_are_named(redis_server, redis, inbox):
    page = (ROOT / "docs/how-to/reach-workers-over-redis.md").read_text("utf-8")
    [named] = re.findall(r"needs ((?:`X\w+`(?:, | and )?)+)", page)
    stream, user = token_hex(4), token_hex(4)
    keys = ["resetkeys", f"~{stream}", f"~{stream}:cancel", "~clew:*:replies"]
    rights = [f"+{command.lower()}" for command in re.findall(r"X\w+", named)]
    await redis.execute_command("ACL", "SETUSER", user, "on", ">pw", *keys, "-@all", *rights)
    metadata = {"max_len": 1}
    row = a_worker(url=f"{redis_server.url}/{stream}", token=f"{user}:pw", metadata=metadata)
    transport = RedisStream(some_tools(inbox=inbox, server=token_hex(4)))
    with capture_logs() as logs:
        transport.serve([row])
        assert [await sent(transport, row, f"t{number}") for number in range(3)] == [Accepted()] * 3
        await transport.cancel(row, TaskId("t1"), "t1")
        await say(redis, transport, corr="t1.s", body="1")
        await inbox.until(lambda: bool(inbox.results))
        await until_empty(redis, transport.reply_to(row, "", ""))
        await transport.close()
    assert logs == []


# ---- answers


class Slow(Caught):
    """An inbox in which nothing is durable before the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.durable = asyncio.Event()

    async def result(self, correlation_id: str, body: Any) -> Receipt:
        receipt = await super().result(correlation_id, body)
        await self.durable.wait()
        return receipt


async def test_an_answer_is_acknowledged_only_when_it_is_durable(redis, row):
    inbox = Slow()
    transport = RedisStream(some_tools(inbox=inbox, server=token_hex(4)))
    transport.serve([row])
    entry_id = await say(redis, transport, corr="t1.s", body="1")
    await inbox.until(lambda: len(inbox.results) == 1)
    stream = transport.reply_to(row, "", "")
    assert [entry["message_id"] for entry in await redis.xpending_range(stream, "clew", "-", "+", 9)] == [entry_id]
    inbox.durable.set()
    await until_empty(redis, stream)
    await transport.close()


async def test_answers_are_given_to_the_inbox_side_by_side(redis, row):
    inbox = Slow()
    transport = RedisStream(some_tools(inbox=inbox, server=token_hex(4)))
    transport.serve([row])
    for number in range(40):
        await say(redis, transport, corr=f"t{number}.s", body="1")
    await inbox.until(lambda: len(inbox.results) == 40)
    inbox.durable.set()
    await transport.close()
    await until_empty(redis, transport.reply_to(row, "", ""))


async def test_no_more_is_read_than_can_be_held(redis, row):
    inbox = Slow()
    transport = RedisStream(some_tools(inbox=inbox, server=token_hex(4)))
    transport.serve([row])
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(400):
            pipe.xadd(transport.reply_to(row, "", ""), {"corr": f"t{number}.s", "body": "1"})
        await pipe.execute()
    await inbox.until(lambda: len(inbox.results) == 256)
    assert (await redis.xpending(transport.reply_to(row, "", ""), "clew"))["pending"] == 256
    inbox.durable.set()
    await inbox.until(lambda: len(inbox.results) == 400)
    await transport.close()


GARBAGE: list[Mapping[str, Any]] = [
    {"no": "fields"},
    {"corr": b"\xff\xfe", "body": "1"},
    {"corr": "t1.s"},
    {"corr": "t1.s", "kind": "joke", "body": "1"},
]


async def test_entries_that_say_nothing_are_dropped_and_stop_nobody(redis, transport, row, inbox):
    transport.serve([row])
    for fields in GARBAGE:
        await say(redis, transport, **fields)
    await say(redis, transport, corr="t1.s", body="1")
    await inbox.until(lambda: bool(inbox.results))
    await until_empty(redis, transport.reply_to(row, "", ""))
    assert inbox.results == [("t1.s", 1)]


@pytest.mark.parametrize(
    ("body", "said"), [(b"all done", "all done"), (b"", None), (b'{"output": ', '{"output": '), (b"null", None)]
)
async def test_an_answer_that_is_no_json_is_a_text(redis, transport, row, inbox, body, said):
    transport.serve([row])
    await say(redis, transport, corr="t1.s", body=body)
    await inbox.until(lambda: bool(inbox.results))
    assert inbox.results == [("t1.s", said)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"1" * 30, "state.invalid"),
        (b"\xff", "answer.invalid"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_failed_attempt(redis, transport, row, inbox, body, code):
    transport.serve([row])
    await say(redis, transport, corr="t1.s", body=body)
    await inbox.until(lambda: bool(inbox.results))
    [(_, answer)] = inbox.results
    assert (answer["error"]["code"], answer["error"]["retryable"]) == (code, code == "answer.invalid")


async def test_an_answer_that_is_too_large_is_a_failed_attempt(redis, transport, row, inbox):
    transport.serve([row])
    await say(redis, transport, corr="t1.s", body=b'"' + b"x" * MAX_BODY + b'"')
    await inbox.until(lambda: bool(inbox.results))
    assert inbox.results[0][1]["error"]["code"] == "answer.too_large"


async def test_reports_and_heartbeats_come_in_their_order(redis, transport, row, inbox):
    transport.serve([row])
    for number in range(20):
        await say(redis, transport, corr="t1.s", kind="progress", body=b'{"kind":"progress","stage":"%d"}' % number)
    await say(redis, transport, corr="t1.s", kind="heartbeat")
    await say(redis, transport, corr="t1.s", body="1")
    await inbox.until(lambda: bool(inbox.results))
    assert inbox.reports == [("t1.s", [{"stage": str(number)}]) for number in range(20)]
    assert inbox.beats == ["t1.s"]


async def test_what_the_inbox_refuses_is_acknowledged_too(redis, transport, row, inbox):
    inbox.receipt = Receipt(code="task.late", message="too late", wanted=False)
    transport.serve([row])
    await say(redis, transport, corr="t1.s", body="1")
    await inbox.until(lambda: bool(inbox.results))
    await until_empty(redis, transport.reply_to(row, "", ""))


async def test_a_fault_of_the_inbox_costs_one_entry_alone(redis, row):
    class Broken(Caught):
        async def result(self, correlation_id: str, body: Any) -> Receipt:
            if body == "bad":
                raise RuntimeError("boom")
            return await super().result(correlation_id, body)

    inbox = Broken()
    transport = RedisStream(some_tools(inbox=inbox, server=token_hex(4)))
    transport.serve([row])
    await say(redis, transport, corr="t1.s", body='"bad"')
    await say(redis, transport, corr="t1.s", body='"good"')
    await inbox.until(lambda: inbox.results == [("t1.s", "good")])
    await until_empty(redis, transport.reply_to(row, "", ""))
    await transport.close()
