"""Workers that are to get nothing more, and tasks that are taken from them."""

from __future__ import annotations

from typing import Any

from api.render_workers import moved_json
from api.schemas_workers import DrainWorker, RebindRun
from api.workers import Workers
from engine.driver import Engine
from engine.driver.rebind import Wanted
from engine.errors import Conflict, NotFound
from engine.model import RunId, TaskId
from engine.ports import WorkerRow

HAND_BACK = "hand_back"


class WorkerDrains:
    """Drains workers, and moves what they hold."""

    def __init__(self, workers: Workers, engine: Engine) -> None:
        self.workers, self.engine = workers, engine

    async def drain(self, worker_id: str, asked: DrainWorker) -> tuple[WorkerRow, list[dict[str, Any]]]:
        """Have a worker get nothing more, or tasks again; what was taken from it. Idempotent. Raises NotFound."""
        row = await self.workers.set_status(worker_id, "draining" if asked.draining else "active")
        if not asked.draining or asked.mode != HAND_BACK:
            return row, []
        return row, await self._hand_back(worker_id)

    async def rebind(self, run_id: str, asked: RebindRun) -> dict[str, Any]:
        """Take tasks of a run from their workers. Idempotent where it says to whom, or from whom. Raises NotFound,
        or Conflict for a run that is over and for a worker that gets nothing."""
        if asked.worker_id is not None and (row := await self.workers.get(asked.worker_id)).status != "active":
            raise Conflict(f"worker '{row.id}' is {row.status}: it gets no tasks", "worker.draining")
        wanted = Wanted(node=asked.node, worker=asked.held_by, to=asked.worker_id)
        moved = await self.engine.rebinding.rebind(RunId(run_id), wanted)
        drained = list(dict.fromkeys(found.worker for found in moved)) if asked.drain else []
        for worker_id in drained:
            await self._drain_known(worker_id)
        return {"items": [moved_json(RunId(run_id), found) for found in moved], "drained": drained}

    async def _drain_known(self, worker_id: str) -> None:
        try:
            await self.workers.set_status(worker_id, "draining")
        except NotFound:  # it is not registered any more, or never was
            return

    async def _hand_back(self, worker_id: str) -> list[dict[str, Any]]:
        held: dict[RunId, set[TaskId]] = {}
        for task in self.workers.outbox.held_by(worker_id):
            held.setdefault(task.run_id, set()).add(task.task_id)
        found: list[dict[str, Any]] = []
        for run_id, tasks in held.items():
            try:
                moved = await self.engine.rebinding.rebind(run_id, Wanted(worker=worker_id, tasks=frozenset(tasks)))
            except (NotFound, Conflict):  # the run has ended meanwhile
                continue
            found += [moved_json(run_id, one) for one in moved]
        return found
