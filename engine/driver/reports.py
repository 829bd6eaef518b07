"""What workers report while they work: progress and log lines, and that they are still at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.driver.answering import Sent, require_held
from engine.driver.loop import Loop
from engine.driver.turn import Live, Turn
from engine.errors import Conflict
from engine.model import TERMINAL, RunId, TaskId
from engine.outbox import Outbox
from engine.progress import Progress
from engine.telling import told_of

HEARTBEAT_MS = 5000
"""Of the heartbeats of a task one is written down in so many milliseconds."""

Report = Mapping[str, Any]


class Reports:
    """Writes reports down. They are acknowledged once they are durable, and share their transactions: who reports
    waits a few milliseconds for company."""

    def __init__(self, loop: Loop, outbox: Outbox) -> None:
        self.loop, self.outbox = loop, outbox

    async def progress(self, run_id: RunId, task_id: TaskId, sent: Sent | None, reports: Sequence[Report]) -> Progress:
        """Note what a worker reports of a task that it was `sent` (None: of the attempt that is open). Raises NotFound,
        or Conflict when it is over or was taken from that worker."""

        def act(turn: Turn, live: Live) -> Progress:
            progress = self._heard(turn, live, task_id, sent)
            for report in reports:
                note(turn, live, task_id, report, None if sent is None else sent.attempt)
            return progress

        return await self.loop.on_run(run_id, act, patient=True)

    async def heartbeat(self, run_id: RunId, task_id: TaskId, sent: Sent | None) -> Progress:
        """Note that a worker is at a task. Raises as `progress`."""

        def act(turn: Turn, live: Live) -> Progress:
            progress = self._heard(turn, live, task_id, sent)
            if sent is not None and _is_earlier(sent.attempt, progress):
                return progress
            if progress.heard_at is None or turn.now - progress.heard_at >= HEARTBEAT_MS:
                progress.heard_at = turn.now
                turn.note(live, "heartbeat", task_id, {"attempt": progress.attempt})
            return progress

        return await self.loop.on_run(run_id, act, patient=True)

    def _heard(self, turn: Turn, live: Live, task_id: TaskId, sent: Sent | None) -> Progress:
        """A worker is at a task that is open, which extends its lease, unless that is another worker's: this one is
        still at an attempt that was given up. Raises Conflict where it is over, or was taken from this worker."""
        progress = _open(live, task_id)
        require_held(sent, progress)
        if sent is None or not _is_earlier(sent.attempt, progress):
            turn.patient.append(lambda: self.outbox.alive(task_id))
        return progress


def _is_earlier(attempt: int | None, progress: Progress) -> bool:
    return attempt is not None and attempt < progress.attempt


def note(turn: Turn, live: Live, task_id: TaskId, report: Report, attempt: int | None = None) -> None:
    """Note one report of a task that is open: of an `attempt`, else of the one that it has come to."""
    progress, task = live.run.progress[task_id], live.run.tasks[task_id]
    said = {name: value for name, value in told_of(report).items() if value is not None}
    if _is_earlier(attempt, progress):
        number, worker = attempt, None
    else:
        number, worker = progress.attempt, progress.worker
        progress.heard_at, progress.report = turn.now, said
    body = {"attempt": number, "node": task.node, "worker": worker, **said}
    if task.index is not None:
        body["index"] = task.index
    turn.note(live, "progress", task_id, body)


def _open(live: Live, task_id: TaskId) -> Progress:
    progress = live.run.progress.get(task_id)
    if progress is None or live.run.status in TERMINAL:
        raise Conflict("the task is over, or is not wanted any more: nobody waits for its answer", "task.over")
    return progress
