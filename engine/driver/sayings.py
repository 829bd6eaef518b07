"""What was said to a run: messages that are not part of its state, kept in its log with what they have led to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.driver.turn import Turn
from engine.model import RunId, TaskId
from engine.ports import Store

SAYINGS = TaskId("sayings")
"""The id below which they stand, where others have that of a task."""
KIND = "said"


def say(turn: Turn, run_id: RunId, body: Mapping[str, Any]) -> None:
    """Note what was said to a run that this turn changes; it is written in the same transaction."""
    live = next(live for live in turn.touched.values() if live.run.id == run_id)
    turn.note(live, KIND, SAYINGS, dict(body))


async def said_to(store: Store, run_key: int) -> list[Mapping[str, Any]]:
    """What was said to a run, oldest first."""
    return [event.body for event in await store.task_events(run_key, SAYINGS)]
