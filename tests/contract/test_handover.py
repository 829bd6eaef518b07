"""A call in the thread for COMMIT neither stops the event loop nor is given up half way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from store import _handover
from store._handover import GLIMPSE_S, PATIENCE_S, Handover

LONG_S = 10.0


@pytest.fixture
def thread() -> Iterator[Handover]:
    found = Handover("test")
    yield found
    found.stop()


async def test_it_gives_what_the_call_gives(thread: Handover) -> None:
    assert [await thread.run(lambda n=n: n * n) for n in range(100)] == [n * n for n in range(100)]
    assert await thread.run(threading.get_ident) != threading.get_ident()


async def test_it_raises_what_the_call_raises_and_goes_on(thread: Handover) -> None:
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0)
    assert await thread.run(lambda: 1) == 1


async def test_the_loop_goes_on_beside_a_long_call(thread: Handover) -> None:
    go_on = threading.Event()
    task = asyncio.create_task(thread.run(lambda: go_on.wait(LONG_S)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    assert await task


async def test_the_loop_stands_aside_for_a_short_call(thread: Handover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_handover, "PATIENCE_S", LONG_S)
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await thread.run(lambda: None)
    assert turns == []


async def test_the_loop_is_hasty_for_some_calls_after_a_long_one(
    thread: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_handover, "HASTY_CALLS", 2)
    waits: list[float] = []
    acquire = thread._ended.acquire

    def first_wait(timeout: float) -> bool:
        """Of every call the first wait ends before the call does."""
        waits.append(timeout)
        if len(waits) % 2:
            return False
        return acquire(timeout=LONG_S)

    monkeypatch.setattr(thread._ended, "acquire", first_wait)
    for _ in range(5):
        await thread.run(lambda: None)
    assert waits[::2] == [PATIENCE_S, GLIMPSE_S, GLIMPSE_S, PATIENCE_S, GLIMPSE_S]


async def test_the_loop_is_patient_again_once_calls_are_short(
    thread: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(_handover, "PATIENCE_S", 0)
    long_call = asyncio.create_task(thread.run(lambda: go_on.wait(LONG_S)))
    await asyncio.sleep(0)
    go_on.set()
    await long_call
    assert thread._hasty
    monkeypatch.setattr(_handover, "GLIMPSE_S", LONG_S)
    await thread.run(lambda: None)
    assert not thread._hasty


async def test_a_cancelled_caller_waits_for_the_end_of_the_call(thread: Handover) -> None:
    go_on, done = threading.Event(), threading.Event()

    def call() -> None:
        go_on.wait(LONG_S)
        done.set()

    task = asyncio.create_task(thread.run(call))
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()
    assert await thread.run(lambda: 1) == 1


async def test_an_error_of_a_cancelled_call_is_not_told(thread: Handover) -> None:
    go_on = threading.Event()
    task = asyncio.create_task(thread.run(lambda: go_on.wait(LONG_S) and 1 // 0))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_busy_loop_does_not_starve_it(thread: Handover) -> None:
    """Each turn of the loop gives up the interpreter's lock for an instant, which is what starves other threads."""
    loop = asyncio.get_running_loop()
    stop = False

    async def busy() -> None:
        while not stop:
            until = loop.time() + 0.00005
            while loop.time() < until:
                pass
            await asyncio.sleep(0)

    task = asyncio.create_task(busy())
    begun = loop.time()
    for _ in range(20):
        await thread.run(lambda: threading.Event().wait(PATIENCE_S * 1.5))
    took = loop.time() - begun
    stop = True
    await task
    assert took < 20 * 0.05


async def test_something_is_done_beside_the_call(thread: Handover) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def call() -> bool:
        begun.set()
        return go_on.wait(LONG_S)

    def meanwhile() -> None:
        assert begun.wait(LONG_S)
        go_on.set()

    assert await thread.run(call, meanwhile)
