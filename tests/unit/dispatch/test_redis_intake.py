"""Entries are held from when they are read until they are acknowledged."""

from __future__ import annotations

import asyncio

from dispatch._redis_entries import Entry
from dispatch._redis_intake import Intake
from tests.unit.dispatch.builders import Caught

TURNS = 20
"""So many times everybody else on the loop gets to go on."""


def said(number: int) -> Entry:
    return Entry(b"%d-0" % number, {b"corr": b"t%d.s" % number, b"body": b"1"})


async def test_there_is_room_again_when_something_was_acknowledged():
    durable: list[bytes] = []
    intake = Intake(Caught(), durable.append, most=2)
    for number in (1, 2):
        intake.take(said(number))
    await intake.idle()
    waiting = asyncio.ensure_future(intake.has_room())
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert (intake.room, waiting.done(), durable) == (0, False, [b"1-0", b"2-0"])
    intake.forget(b"1-0")
    await waiting
    await intake.close()


async def test_what_is_held_already_is_not_given_again():
    inbox = Caught()
    intake = Intake(inbox, lambda entry_id: None)
    for _ in range(2):
        intake.take(said(1))
    await intake.idle()
    assert inbox.results == [("t1.s", 1)]
    intake.forget(b"1-0")
    intake.take(said(1))
    await intake.idle()
    assert len(inbox.results) == 2
    await intake.close()
