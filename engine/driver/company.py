"""Company: a batch waits an instant for those who are about to come, so that one COMMIT is for many.

A batch costs its COMMIT, whatever is in it. Where workers hold tasks of other runs, some are answered just now: their
answers stand in sockets that have not been read. A few turns of the event loop take them up, and cost next to nothing
where nobody comes. PostgreSQL does the same with time (`commit_delay` and `commit_siblings`, its manual, 19.5).
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from engine.driver.carrier import Carrier
from engine.driver.turn import Turn

QUIET_TURNS = 4
"""It goes on once nobody has come for so many turns: an answer is read, parsed, handed on and planned in about four."""
LONGEST_S = 0.003
"""For so long it waits at most, however many come."""


async def wait_for_company(turn: Turn, carrier: Carrier) -> None:
    """Return when those who were about to come have come to a batch; at once where there are no others."""
    if (there := len(turn.touched)) >= carrier.in_flight:
        return
    until, quiet = perf_counter() + LONGEST_S, 0
    while quiet < QUIET_TURNS and perf_counter() < until:
        await asyncio.sleep(0)
        quiet = quiet + 1 if len(turn.touched) == there else 0
        there = len(turn.touched)
