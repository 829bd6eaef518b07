"""What one engine leaves another takes over, and what a broken connection has lost comes again."""

from __future__ import annotations

from secrets import token_hex

from dispatch._redis_replies import Replies, reply_stream
from dispatch._redis_wire import Wire
from dispatch.redis_stream import RedisStream
from tests.redis_parts import inbox, place_at, proxy, redis, row, say, transport, until_empty, wire
from tests.servers import RedisServer
from tests.unit.dispatch.builders import Caught, some_tools

__all__ = ["inbox", "proxy", "redis", "row", "transport", "wire"]


def replies_at(server: RedisServer, name: str, inbox: Caught, wire: Wire, take_over_ms: int = 1) -> Replies:
    return Replies(place_at(server.port), name, inbox, wire, lambda here: None, take_over_ms=take_over_ms)


async def test_another_engine_takes_over_what_one_has_left(redis, redis_server, wire, inbox):
    name = token_hex(4)
    stream = reply_stream(name)
    await redis.xgroup_create(stream, "clew", "0", mkstream=True)
    for number in range(300):
        await redis.xadd(stream, {"corr": f"t{number}.s", "body": "1"})
    await redis.xreadgroup("clew", "dead", {stream: ">"}, count=300)
    replies = replies_at(redis_server, name, inbox, wire)
    replies.start()
    await inbox.until(lambda: len(inbox.results) == 300)
    await until_empty(redis, stream)
    await replies.close()
    assert {corr for corr, _ in inbox.results} == {f"t{number}.s" for number in range(300)}


async def test_what_one_engine_cannot_write_down_another_can(redis, redis_server, wire, inbox):
    name, down = token_hex(4), Caught()
    down.down = True
    first, second = replies_at(redis_server, name, down, wire, 60_000), replies_at(redis_server, name, inbox, wire)
    first.start()
    await redis.xadd(reply_stream(name), {"corr": "t1.s", "body": "1"})
    await down.until(lambda: down.asked > 0)
    second.start()
    await inbox.until(lambda: inbox.results == [("t1.s", 1)])
    await until_empty(redis, reply_stream(name))
    await second.close()
    await first.close(within_s=0)


async def test_what_was_deleted_and_not_acknowledged_is_forgotten(redis, redis_server, wire, inbox):
    name = token_hex(4)
    stream = reply_stream(name)
    await redis.xgroup_create(stream, "clew", "0", mkstream=True)
    entry_id = await redis.xadd(stream, {"corr": "t1.s", "body": "1"})
    await redis.xreadgroup("clew", "dead", {stream: ">"})
    await redis.xdel(stream, entry_id)
    replies = replies_at(redis_server, name, inbox, wire)
    replies.start()
    await until_empty(redis, stream)
    await replies.close()
    assert inbox.results == []


async def test_an_answer_that_was_lost_on_the_way_comes_again(redis, transport, row, inbox, proxy):
    transport.serve([row])
    await say(redis, transport, corr="t1.s", body="1")
    await inbox.until(lambda: len(inbox.results) == 1)
    await until_empty(redis, transport.reply_to(row, "", ""))
    proxy.mute = True
    await say(redis, transport, corr="t2.s", body="2")
    await proxy.swallowed()
    proxy.mute = False
    proxy.cut()
    await inbox.until(lambda: len(inbox.results) == 2)
    assert inbox.results[1] == ("t2.s", 2)


async def test_a_reply_stream_that_was_deleted_is_made_again(redis, transport, row, inbox):
    transport.serve([row])
    await say(redis, transport, corr="t1.s", body="1")
    await inbox.until(lambda: len(inbox.results) == 1)
    await redis.delete(transport.reply_to(row, "", ""))
    await say(redis, transport, corr="t2.s", body="2")
    await inbox.until(lambda: len(inbox.results) == 2)


def listened(inbox: Caught) -> tuple[RedisStream, list[bool]]:
    """A transport, and what is heard of whether its workers are there."""
    heard: list[bool] = []

    def hear(worker_id: str, here: bool) -> None:
        heard.append(here)
        inbox.changed()

    tools = some_tools(inbox=inbox, server=token_hex(4))
    tools.presence.listen(hear)
    return RedisStream(tools), heard


async def test_workers_are_away_while_redis_is_and_back_with_it(row, proxy, inbox, redis):
    transport, heard = listened(inbox)
    proxy.refuse()
    transport.serve([row])
    await inbox.until(lambda: heard == [False])
    await say(redis, transport, corr="t1.s", body="1")
    await proxy.accept()
    await inbox.until(lambda: heard == [False, True] and bool(inbox.results))
    transport.serve([])
    await transport.close()


async def test_a_worker_that_leaves_while_redis_is_away_is_forgotten(row, proxy, inbox):
    transport, heard = listened(inbox)
    proxy.refuse()
    transport.serve([row])
    await inbox.until(lambda: heard == [False])
    transport.serve([])
    assert heard == [False, True]
    await transport.close()


async def test_answers_are_read_for_a_while_where_no_worker_is_left(redis, transport, row, inbox):
    transport.serve([row])
    transport.serve([])
    await say(redis, transport, corr="t1.s", body="1")
    await inbox.until(lambda: bool(inbox.results))
