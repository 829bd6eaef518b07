"""One connection to a real Redis: what goes out together, and what is known when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ResponseError

from dispatch._redis_wire import Cut, NotConnected, Wire
from tests.proxy import Proxy, proxy_to
from tests.redis_parts import place_at
from tests.servers import RedisServer, own_redis
from tests.unit.dispatch.builders import PATIENCE_S, free_port


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[Proxy]:
    async with proxy_to(redis_server.port) as found:
        yield found


@pytest.fixture
async def wire(proxy: Proxy) -> AsyncIterator[Wire]:
    found = Wire(place_at(proxy.port))
    yield found
    await found.close()
    await found.close()


async def test_replies_belong_to_those_who_asked(wire, proxy):
    replies = await asyncio.gather(*(wire.ask(("ECHO", str(n)), ("ECHO", b"x" * n)) for n in range(600)))
    assert replies == [[str(n).encode(), b"x" * n] for n in range(600)]
    assert (wire.connects, proxy.connections) == (1, 1)


async def test_an_error_is_a_reply_and_hurts_nobody_else(wire):
    wrong, right = await asyncio.gather(wire.ask(("NO-SUCH-COMMAND",), ("ECHO", "1")), wire.ask(("ECHO", "2")))
    assert (isinstance(wrong[0], ResponseError), wrong[1], right) == (True, b"1", [b"2"])


async def test_what_nobody_waits_for_any_more_is_not_sent(wire):
    await wire.ask(("SET", "nobody", "0"))
    first = asyncio.ensure_future(wire.ask(("DEBUG", "SLEEP", "0.01"), ("ECHO", "1")))
    second = asyncio.ensure_future(wire.ask(("SET", "nobody", "1")))
    second.cancel()
    await asyncio.wait([first, second])
    assert await wire.ask(("GET", "nobody")) == [b"0"]


async def test_where_nobody_listens_nothing_was_carried_out(wire, proxy):
    proxy.refuse()
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1"):
        await wire.ask(("ECHO", "1"))
    await proxy.accept()
    assert await wire.ask(("ECHO", "1")) == [b"1"]


async def test_a_connection_that_was_closed_meanwhile_is_made_again(redis_server):
    wire, other = (Wire(place_at(redis_server.port)) for _ in range(2))
    [me] = await wire.ask(("CLIENT", "ID"))
    assert await other.ask(("CLIENT", "KILL", "ID", me), ("ECHO", "1")) == [1, b"1"]
    await other.close()
    assert await wire.ask(("ECHO", "2")) == [b"2"]
    assert wire.connects == 2
    await wire.close()


async def test_when_a_reply_is_lost_it_is_not_known_what_was_done(wire, proxy):
    await wire.ask(("SET", "lost", "0"))
    proxy.cut_at_reply = True
    with pytest.raises(Cut):
        await wire.ask(("SET", "lost", "1"))
    assert await wire.ask(("GET", "lost")) == [b"1"]


async def test_a_connection_that_hangs_half_open_is_given_up(proxy):
    wire = Wire(place_at(proxy.port), reply_s=1.0, connect_s=1.0)
    await wire.ask(("ECHO", "1"))
    proxy.half_open()
    with pytest.raises(Cut, match=r"no reply within 1\.0 s"):
        await wire.ask(("ECHO", "2"))
    with pytest.raises(NotConnected, match=r"no connection within 1\.0 s"):
        await wire.ask(("ECHO", "3"))
    proxy.half_open(False)
    assert await wire.ask(("ECHO", "4")) == [b"4"]
    await wire.close()


async def test_a_command_may_block_for_as_long_as_it_said(proxy):
    wire = Wire(place_at(proxy.port), reply_s=1.0)
    assert await wire.ask(("BLPOP", "nothing", "1.5"), wait_s=1.5) == [None]
    await wire.close()


async def test_a_password_is_given_and_never_named():
    with own_redis(requirepass="richtig") as server:
        for place in (place_at(server.port, password="falsch"), place_at(server.port)):
            wire = Wire(place)
            with pytest.raises(NotConnected) as failed:
                await wire.ask(("ECHO", "1"))
            assert "falsch" not in repr(failed.value)
            await wire.close()
        wire = Wire(place_at(server.port, user="default", password="richtig", db=1))
        assert await wire.ask(("ECHO", "1")) == [b"1"]
        await wire.close()


async def test_what_is_asked_when_it_is_closed_fails(wire, proxy):
    await wire.ask(("ECHO", "1"))
    proxy.half_open()
    asked = [asyncio.ensure_future(wire.ask(("ECHO", str(n)))) for n in range(2)]
    await proxy.swallowed()
    asked.append(asyncio.ensure_future(wire.ask(("ECHO", "later"))))
    await asyncio.sleep(0)
    await wire.close()
    async with asyncio.timeout(PATIENCE_S):
        done = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in done] == [Cut, Cut, NotConnected]


async def test_a_server_that_is_not_there_is_named():
    wire = Wire(place_at(free_port()))
    with pytest.raises(NotConnected, match=r"connecting to 127\.0\.0\.1"):
        await wire.ask(("ECHO", "1"))
    await wire.close()
