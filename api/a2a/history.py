"""The history of a task: what was said to its agent and by it, turn by turn.

The first message is in the metadata of the run. Each later one is noted in the log of the run together with the
question that it answers, in the transaction of what it leads to, so that neither is there without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.a2a.sending import Asked
from api.a2a.tasks import NOTE, messages_of, status_of, task_of
from api.wiring import Wired
from dispatch._a2a.model import Message, Task
from dispatch._a2a.v1 import V1
from engine.driver.engine import Also
from engine.driver.sayings import said_to, say

Shape = Mapping[str, Any]
_WRITTEN = V1()


async def told_task(server: Wired, run: Shape, history: int | None = None, *, artifacts: bool = True) -> Task:
    """A run as a task, with so many of its last messages (None: all of them, 0: none)."""
    said = () if history == 0 else tuple(messages_of(run, server.base_url, await _turns(server, run["id"])))
    kept = said if history is None else said[-history:] if history else ()
    return task_of(run, history=kept, artifacts=artifacts)


def answering(run: Shape, asked: Asked) -> Also:
    """What is noted when a message answers what a run asks, which is as `run` shows it."""
    question = status_of(run).message
    messages = [message for message in (question, asked.message) if message is not None]
    return _noting(messages, asked, answers=True)


def beginning(asked: Asked) -> Also:
    """What is noted when a message begins a run that keeps the metadata of another one, as a fork does."""
    return _noting([asked.message], asked, answers=False)


async def has_taken(server: Wired, run_id: str, asked: Asked) -> bool:
    """Whether this message, with all that it says, has answered what the run asked."""
    return any(turn.get("key") == asked.key for turn in await _turns(server, run_id))


async def was_answered(server: Wired, run_id: str) -> bool:
    """Whether somebody has answered what the run asked, and so must have known of it."""
    return any(turn.get("answers") for turn in await _turns(server, run_id))


def _noting(messages: list[Message], asked: Asked, *, answers: bool) -> Also:
    body = {"messages": [_WRITTEN.message(each) for each in messages], "key": asked.key, "answers": answers}
    return lambda turn, run_id: say(turn, run_id, {NOTE: body})


async def _turns(server: Wired, run_id: str) -> list[Shape]:
    head = await server.reader.head(run_id)
    found = [body.get(NOTE) for body in await said_to(server.store, head.key)]
    return [turn for turn in found if isinstance(turn, dict)]  # a run that was imported may hold anything
