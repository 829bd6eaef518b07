"""Tasks that are taken from the workers that hold them, and given to others: the same attempt, elsewhere."""

from __future__ import annotations

from engine.driver.delivery import Delivery
from engine.driver.loop import Loop
from engine.driver.places import place_of_task
from engine.driver.turn import Live, Turn
from engine.errors import Conflict
from engine.model import TERMINAL, RunId, Task, TaskId, TaskStatus
from engine.progress import Progress
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks are meant (all that workers hold, where nothing is said), and the worker that gets them."""

    node: str | None = None
    worker: str | None = None
    """Only those that this worker holds."""
    tasks: frozenset[TaskId] | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A task that was taken from a worker."""

    task_id: TaskId
    node: str
    worker: str


class Rebind:
    """Has the open tasks of runs done by other workers."""

    def __init__(self, loop: Loop, delivery: Delivery) -> None:
        self.loop, self.delivery = loop, delivery

    async def rebind(self, run_id: RunId, wanted: Wanted, actor: str = "api") -> list[Moved]:
        """Take the tasks that are meant from their workers, who are told, and send them to others. Those that are with
        the worker already that is to have them stay there. Durable on return. Raises NotFound, or Conflict for a run
        that is over."""

        def act(turn: Turn, live: Live) -> list[Moved]:
            if live.run.status in TERMINAL:
                raise Conflict(f"the run is {live.run.status}: no worker holds a task of it", "run.terminal")
            return [self._move(turn, live, task, wanted, actor) for task in _meant(live, wanted)]

        return await self.loop.on_run(run_id, act)

    def _move(self, turn: Turn, live: Live, task: Task, wanted: Wanted, actor: str) -> Moved:
        progress = live.run.progress[task.id]
        held_by = _with(progress) or ""
        body = {**place_of_task(task, progress.attempt), "worker": held_by, "to": wanted.to, "actor": actor}
        live.run.set_status(task.id, TaskStatus.PENDING)
        progress.rebind(held_by, wanted.to, turn.now)
        live.run.ready.append(task.id)
        turn.note(live, "rebound", task.id, body)
        turn.effects.append(lambda: self.delivery.rebind(task.id))
        return Moved(task_id=task.id, node=task.node, worker=held_by)


def _meant(live: Live, wanted: Wanted) -> list[Task]:
    run = live.run
    held = [(run.tasks[task_id], progress) for task_id, progress in run.progress.items() if task_id not in run.calls]
    return [
        task
        for task, progress in held
        if _is_with(progress, wanted)
        and (wanted.node is None or wanted.node == task.node)
        and (wanted.tasks is None or task.id in wanted.tasks)
    ]


def _is_with(progress: Progress, wanted: Wanted) -> bool:
    """Whether a task is with a worker that it is to be taken from, or waits for one that was named before."""
    worker = _with(progress)
    return worker is not None and worker != wanted.to and wanted.worker in (None, worker)


def _with(progress: Progress) -> str | None:
    """The worker that holds a task, or that it waits for since it was given to it."""
    if progress.status is TaskStatus.RUNNING:
        return progress.worker
    return progress.bound_to if progress.status is TaskStatus.WAITING else None
