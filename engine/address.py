"""Names that follow from where a task stands: its id, and the origin of its messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from engine.model import InterruptId, Task, TaskId, Wave
from engine.run import Run


def task_id_of(run: Run, wave: Wave, causes: Iterable[str], edges: Iterable[int], index: int | None) -> TaskId:
    """A task's id: a pure function of run, branch, place, the ids of the causing tasks, edges and index (3.1)."""
    text = f"{run.id}|{run.branch}|{wave.frame}|{wave.node}|{wave.rounds}|{wave.generation}|{index}"
    parts = (text, *causes, "|".join(map(str, edges)))
    return TaskId(hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32])


def origin_of(run: Run, task: Task) -> str:
    """What a task's messages are named after: the run they first belonged to and the task's address (2.1)."""
    wave = task.wave
    text = f"{run.origin_id}|{wave.frame}|{wave.node}|{wave.rounds}|{wave.generation}|{task.index}"
    if task.call is not None:  # several sends, or one send several times, may run a node for one index
        text = f"{text}|{run.frontier.tasks[task.call].node}|{task.slot}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def interrupt_id_of(task: Task, before: int = 0) -> InterruptId:
    """The id of an interrupt that a task opens; `before` is how many it has opened."""
    text = f"{task.id}|interrupt" if not before else f"{task.id}|interrupt|{before}"
    return InterruptId(hashlib.sha256(text.encode()).hexdigest()[:32])
