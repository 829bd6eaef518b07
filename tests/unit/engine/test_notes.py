"""What is only noted of runs, while it waits for what comes of them."""

from __future__ import annotations

import asyncio
from typing import cast

from engine.driver.notes import Notes
from engine.driver.turn import Live, Turn
from engine.model import RunHead
from engine.run import Run

NEVER_S = 3600.0


def a_live() -> Live:
    return Live(run=cast("Run", None), head=cast("RunHead", None))


def nothing(turn: Turn) -> None:
    return None


def something(turn: Turn) -> None:
    return None


async def test_a_note_waits_for_what_comes_of_its_run() -> None:
    due: list[list[Live]] = []
    notes, live = Notes(NEVER_S, due.append), a_live()
    notes.add(live, nothing)
    assert (live.notes, live.inbox, due) == ([nothing], [], [])
    notes.close()


async def test_a_note_stays_behind_what_was_asked_before() -> None:
    notes, live = Notes(NEVER_S, lambda due: None), a_live()
    live.inbox.append(something)
    notes.add(live, nothing)
    assert (live.notes, live.inbox) == ([], [something, nothing])


async def test_the_first_note_ends_the_wait_of_all() -> None:
    due: asyncio.Future[list[Live]] = asyncio.get_running_loop().create_future()
    notes, one, other = Notes(0.001, due.set_result), a_live(), a_live()
    notes.add(one, nothing)
    notes.add(other, nothing)
    assert await due == [one, other]
    assert not notes


async def test_a_run_that_was_planned_meanwhile_is_not_due() -> None:
    due: list[list[Live]] = []
    notes, live = Notes(NEVER_S, due.append), a_live()
    notes.add(live, nothing)
    live.notes.clear()
    notes.hurry()
    assert due == [[]]
