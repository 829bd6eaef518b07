"""What lies between a server and its workers breaks, and nothing is lost or applied twice."""

from __future__ import annotations

import pytest

from tests.e2e import faults


@pytest.mark.parametrize("transport", faults.TRANSPORTS)
async def test_what_breaks_on_the_way_loses_nothing(transport: str) -> None:
    outcome = await faults.prove(transport, runs=4, batch=2, seed=7)

    assert outcome.faults == []
    assert (outcome.runs, sum(outcome.broken.values())) == (4, 2)
