"""An agent between its turns: whether it goes on, and what all its answers come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

from engine.answer import Answer, parse_answer
from engine.missing import MISSING
from engine.model import Task, TaskId, Updates
from engine.run import Run
from engine.values import dataclass, replace
from engine.view import Request
from engine.views import view_of

EARLIER = "turns"
"""The field of a recorded answer that holds those of earlier turns, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTurn:
    """An agent has answered and goes on; nothing of it is applied yet."""

    task_id: TaskId
    answer: Any
    worker: str | None


def goes_on(run: Run, task: Task, answer: Answer) -> bool:
    """Whether another turn follows this answer. One that says where to go next is the last. Raises NodeFailure."""
    turns = run.node_of(task).spec.turns
    if turns is None or answer.goto is not None:
        return False
    goes: bool = turns.goes_on(1 + len(run.progress[task.id].turns), answer.said, view_of(run, task).names())
    return goes


def leaves_open(run: Run, task: Task, answer: Answer) -> bool:
    """Whether nobody has to answer the question of an agent: it may go on without that, and has another turn, or has
    had enough. Raises NodeFailure."""
    if answer.interrupt is None or not answer.interrupt.or_continue:
        return False
    turns = run.node_of(task).spec.turns
    has_enough = turns is not None and turns.has_enough(answer.said, view_of(run, task).names())
    return has_enough or goes_on(run, task, answer)


def next_turn(request: Request, answers: Sequence[Any]) -> tuple[Request, tuple[tuple[str | None, Any], ...]]:
    """What an agent is asked after so many answers, and the turns that are over, oldest first: the prompt of each
    (None: it had none) and its answer."""
    if request.agent is None or not answers:
        return request, ()
    further = request.agent["continuation"]
    prompts = (request.prompt, *repeat(further, len(answers) - 1))
    return replace(request, prompt=further), tuple(zip(prompts, answers, strict=True))


def recorded(raw: Any, earlier: Sequence[Any]) -> Any:
    """The answer of an agent as it is recorded, with those of its earlier turns."""
    body = raw if isinstance(raw, Mapping) and parse_answer(raw).output is not raw else {"output": raw}
    return {**body, EARLIER: list(earlier)} if earlier else body


def earlier_in(raw: Any) -> list[Answer]:
    """The answers of earlier turns in a recorded one."""
    found = raw.get(EARLIER, ()) if isinstance(raw, Mapping) else ()
    return [parse_answer(body) for body in found]


def all_updates(earlier: Sequence[Answer], answer: Answer) -> Updates:
    """What the answers of all turns write, in their order."""
    return tuple(update for one in (*earlier, answer) for update in one.updates)


def last_good(run: Run, task: Task, code: str) -> Any:
    """The answer of the last turn, where that counts because the next one took too long; MISSING where not."""
    turns = run.node_of(task).spec.turns
    if turns is None or turns.timeout_ms is None or code != "timeout":
        return MISSING
    done = run.progress[task.id].turns
    return done[-1] if done else MISSING
