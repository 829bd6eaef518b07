"""A call in the thread for COMMIT neither stops the event loop nor is given up half way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from time import perf_counter

import pytest

from store import _handover
from store._handover import PATIENCE_S, Handover

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


async def test_others_go_on_beside_the_call(thread: Handover) -> None:
    go_on = threading.Event()
    asyncio.get_running_loop().call_soon(go_on.set)
    assert await thread.run(lambda: go_on.wait(LONG_S))


class Looks:
    """A lock that counts how often it was looked at."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock, self.count = lock, 0

    def acquire(self, timeout: float) -> bool:
        self.count += 1
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        self._lock.release()


@pytest.mark.parametrize(("usual_s", "looked_at"), [(0.0, True), (LONG_S, False)])
async def test_who_has_something_to_do_is_kept_from_it_only_when_the_call_may_be_over(
    thread: Handover, monkeypatch: pytest.MonkeyPatch, usual_s: float, looked_at: bool
) -> None:
    monkeypatch.setattr(_handover, "PATIENCE_S", LONG_S)
    monkeypatch.setattr(_handover, "GLIMPSE_S", 0)
    go_on, looks, found = threading.Event(), Looks(thread._ended), list[int]()
    thread._usual_s, thread._ended = usual_s, looks  # type: ignore[assignment]

    async def busy() -> None:
        for _ in range(20):
            until = perf_counter() + 2 * _handover.IDLE_TURN_S
            while perf_counter() < until:
                pass
            await asyncio.sleep(0)
        found.append(looks.count)
        go_on.set()

    task = asyncio.create_task(busy())
    await asyncio.sleep(0)
    await thread.run(lambda: go_on.wait(LONG_S))
    await task
    assert (found[0] > 0) is looked_at


async def test_a_loop_that_has_nothing_to_do_stands_aside_at_once(
    thread: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_handover, "PATIENCE_S", LONG_S)
    monkeypatch.setattr(_handover, "GLIMPSE_S", LONG_S)
    looks = Looks(thread._ended)
    thread._usual_s, thread._ended = LONG_S, looks  # type: ignore[assignment]
    begun = perf_counter()
    assert await thread.run(lambda: 1) == 1
    assert looks.count == 1
    assert perf_counter() - begun < LONG_S / 2, "it looked only when the call might be over"


async def test_one_call_that_took_long_does_not_put_off_the_end_of_the_next(thread: Handover) -> None:
    thread._usual_s = 100 * LONG_S
    begun = perf_counter()
    await thread.run(lambda: threading.Event().wait(2 * PATIENCE_S))
    assert perf_counter() - begun < LONG_S


async def test_a_call_that_begins_late_is_not_taken_for_the_next(
    thread: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_handover, "PATIENCE_S", 0)
    assert [await thread.run(lambda n=n: n) for n in range(100)] == list(range(100))
    assert not thread._under_way.acquire(blocking=False)


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
