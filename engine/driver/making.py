"""Runs that are made: held in memory for that, and forgotten where it is refused, or where whoever asked has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from engine.driver.loop import Loop
from engine.driver.turn import Live, Turn
from engine.errors import EngineError

T = TypeVar("T")


async def make(loop: Loop, live: Live, act: Callable[[Turn, Live], T], *, answer_first: bool = False) -> T:
    """Have a new run begin with what `act` does; durable on return, raises what it raised. A run that is begun goes on
    also where nobody waits for that any more."""
    begun = False

    def begin(turn: Turn, found: Live) -> T:
        nonlocal begun
        begun = True
        return act(turn, found)

    loop.adopt(live)
    try:
        return await loop.do(live, begin, answer_first=answer_first)
    except EngineError:
        loop.drop(live.run.key)
        raise
    except asyncio.CancelledError:
        if not begun:
            loop.drop(live.run.key)
        raise
