"""Who waits for a run is woken by what it waits for, and by nothing else."""

from __future__ import annotations

import asyncio

from engine.driver.watched import Watched

RUN = 7
LONG_S = 10.0


async def woken(watched: Watched, task: asyncio.Task[None], *, aloud: bool) -> bool:
    """Whether a change wakes who waits."""
    watched.notify(RUN, kept=True, aloud=aloud)
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


async def waiting(watched: Watched, *, every: bool) -> asyncio.Task[None]:
    task = asyncio.ensure_future(watched.next_change(RUN, watched.changes(RUN), LONG_S, every=every))
    await asyncio.sleep(0)
    return task


async def test_who_wants_every_change_is_woken_by_each() -> None:
    watched = Watched()
    assert await woken(watched, await waiting(watched, every=True), aloud=False)
    assert await woken(watched, await waiting(watched, every=True), aloud=True)
    assert watched.watchers == {}


async def test_others_sleep_through_what_is_not_aloud() -> None:
    watched = Watched()
    task = await waiting(watched, every=False)
    assert not await woken(watched, task, aloud=False)
    assert await woken(watched, task, aloud=True)


async def test_what_happened_before_somebody_waits_is_not_slept_through() -> None:
    watched = Watched()
    seen = watched.changes(RUN)
    watched.notify(RUN, kept=True, aloud=False)
    async with asyncio.timeout(LONG_S):
        await watched.next_change(RUN, seen, LONG_S * 2, every=False)
