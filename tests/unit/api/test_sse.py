"""Frames of streams, and how streams end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.closing import Closing, before
from api.sse import BROKEN, CHUNK, FAREWELL, _frames, chunks, frame
from engine.driver.stream import StreamEvent
from engine.errors import StoreUnavailable


async def told(*events: StreamEvent, error: Exception | None = None) -> AsyncIterator[list[StreamEvent]]:
    for event in events:
        yield [event]
    if error is not None:
        raise error


async def forever(event: StreamEvent, ended: asyncio.Event) -> AsyncIterator[list[StreamEvent]]:
    try:
        yield [event]
        await asyncio.Event().wait()
    finally:
        ended.set()


ONE = StreamEvent("1.0.1", "updates", {"text": "a\nb\u2028\r"})


def test_an_event_is_three_lines_whatever_it_holds() -> None:
    text = frame(ONE).decode()
    assert text == 'id: 1.0.1\nevent: updates\ndata: {"text":"a\\nb\u2028\\r"}\n\n'


def test_an_event_is_put_into_words_once_for_all_that_listen() -> None:
    event = StreamEvent("1.0.2", "updates", {"n": 1})
    assert frame(event) is frame(event)


def test_events_are_sent_together_and_long_ones_when_it_is_their_turn() -> None:
    events = [StreamEvent(f"{n}.0.1", "values", {"text": "x" * CHUNK}) for n in (1, 2)]
    parts = chunks([ONE, ONE, *events])
    assert next(parts) == frame(ONE) * 2 + frame(events[0])
    assert events[1].frame is None
    assert list(parts) == [frame(events[1])]


async def test_a_stream_that_ends_says_no_farewell() -> None:
    assert [part async for part in _frames(told(ONE), Closing())] == [b"retry: 1000\n\n", frame(ONE)]


async def test_a_stream_ends_with_the_server() -> None:
    closing, ended = Closing(), asyncio.Event()
    parts = _frames(forever(ONE, ended), closing)
    found = [await anext(parts), await anext(parts)]
    asyncio.get_running_loop().call_soon(closing.set)
    assert [*found[1:], *[part async for part in parts]] == [frame(ONE), FAREWELL]
    assert ended.is_set()


async def test_a_stream_that_is_closed_closes_what_it_reads() -> None:
    ended = asyncio.Event()
    parts = _frames(forever(ONE, ended), Closing())
    await anext(parts)
    await anext(parts)
    await parts.aclose()
    assert ended.is_set()


async def test_a_store_that_fails_ends_the_stream_with_a_word() -> None:
    parts = _frames(told(ONE, error=StoreUnavailable("full")), Closing())
    assert [part async for part in parts][1:] == [frame(ONE), BROKEN]


async def test_work_is_done_before_the_end_or_ended_with_it() -> None:
    closing = asyncio.Event()

    async def quick() -> int:
        return 7

    assert await before(closing, quick()) == 7
    asyncio.get_running_loop().call_soon(closing.set)
    assert await before(closing, asyncio.Event().wait()) is None


async def test_who_waits_is_cut_short_by_the_end_and_goes_on() -> None:
    closing, ended = Closing(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def answer() -> int:
        return 7

    assert await closing.cut(answer()) == 7
    asyncio.get_running_loop().call_soon(closing.set)
    assert await closing.cut(work()) is None
    assert ended.is_set()
    await asyncio.sleep(0)  # nothing is left of the interruption


async def test_who_is_cancelled_while_the_server_closes_stays_cancelled() -> None:
    closing = Closing()
    task = asyncio.ensure_future(closing.cut(asyncio.Event().wait()))
    await asyncio.sleep(0)
    closing.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
