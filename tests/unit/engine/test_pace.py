"""Long work rests when it is time, and not before."""

from __future__ import annotations

import asyncio

import pytest

from engine.driver import pace


async def test_others_have_their_turn_whenever_a_slice_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now, others = 0.0, 0
    monkeypatch.setattr(pace, "perf_counter", lambda: now)
    long, turns = pace.Pace(), list[int]()

    async def count() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for milliseconds in (3, 4, 5, 8, 9.5, 13):
        now = milliseconds / 1000
        await long.rest()
        turns.append(others)
    counting.cancel()

    assert turns == [0, 0, 1, 1, 2, 2]
