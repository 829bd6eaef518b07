"""What lies between a server and its workers breaks, and nothing is lost or applied twice."""

from __future__ import annotations

import pytest

from tests.e2e import faults, fleet


@pytest.mark.parametrize("transport", faults.TRANSPORTS)
async def test_what_breaks_on_the_way_loses_nothing(transport: str) -> None:
    outcome = await faults.prove(transport, runs=4, batch=2, seed=7)

    assert outcome.faults == []
    assert (outcome.runs, sum(outcome.broken.values())) == (4, 2)


async def test_workers_that_are_killed_in_numbers_leave_nothing_undone_and_have_never_too_much() -> None:
    outcome = await fleet.prove("websocket", workers=30, runs=60, seconds=11.0, seed=7)

    assert outcome.faults == []
    assert (outcome.killed, outcome.tasks >= 120) == (10, True)
