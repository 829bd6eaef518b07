"""A batch waits an instant for those who are about to come, and for nobody else."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.driver import company
from engine.driver.carrier import Carrier
from engine.driver.company import QUIET_TURNS, wait_for_company
from engine.driver.turn import Turn


class Batch:
    """A batch of one run, to which others come. `turns` counts those of the event loop while it waits."""

    def __init__(self, in_flight: int) -> None:
        self.turn, self.turns, self.waits = Turn(now=0), 0, True
        self.carrier = cast(Carrier, SimpleNamespace(in_flight=in_flight))
        self.come()

    def come(self) -> None:
        """Another run has come."""
        self.turn.touched[len(self.turn.touched)] = cast(Any, None)

    async def wait(self, every: int | None = None) -> int:
        """Wait for company, of which one comes `every` so many turns; how many there were in the end."""
        counting = asyncio.create_task(self._count(every))
        await wait_for_company(self.turn, self.carrier)
        self.waits = False
        await counting
        return len(self.turn.touched)

    async def _count(self, every: int | None) -> None:
        while self.waits:
            self.turns += 1
            if every is not None and self.turns % every == 0 and len(self.turn.touched) < 10:
                self.come()
            await asyncio.sleep(0)


@pytest.mark.parametrize("in_flight", [0, 1])
async def test_it_does_not_wait_where_no_other_task_is_with_a_worker(in_flight: int) -> None:
    batch = Batch(in_flight)

    assert (await batch.wait(every=1), batch.turns) == (1, 0)


async def test_it_goes_on_soon_where_nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "LONGEST_S", 60.0)
    batch = Batch(in_flight=9)

    assert (await batch.wait(), batch.turns) == (1, QUIET_TURNS)


async def test_it_waits_for_as_long_as_others_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "LONGEST_S", 60.0)
    batch = Batch(in_flight=9)

    assert await batch.wait(every=QUIET_TURNS - 1) == 10


async def test_it_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "LONGEST_S", 0.0)
    batch = Batch(in_flight=9)

    assert (await batch.wait(every=1), batch.turns) == (1, 0)
