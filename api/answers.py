"""What workers post about their tasks: whose it is, and whether it may be posted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.errors import Refused
from dispatch._secrets import secret_matches, task_secret
from engine.driver import Engine
from engine.driver.reports import Report
from engine.errors import Conflict, NotFound
from engine.model import RunId, TaskId
from engine.progress import Progress


def task_token(key: bytes, run_id: RunId, task_id: TaskId, requests: int = 0) -> str:
    """What authorises a worker to answer a request of this task of this run, and names the run and the request."""
    place = f"{run_id}.{requests}" if requests else run_id
    return f"{place}.{task_secret(key, _bound(place, task_id))}"


def request_of_token(key: bytes, task_id: TaskId, token: str) -> tuple[RunId, int]:
    """The run and the request that a token was made for: how many the task had before it. Raises Refused (403) for
    a token that is not this task's."""
    place, _, secret = token.rpartition(".")
    run_id, _, requests = place.partition(".")
    if not secret_matches(key, _bound(place, task_id), secret):
        raise Refused(403, "task.token", "the token is not the one of this task")
    return RunId(run_id), int(requests or 0)


def _bound(place: str, task_id: TaskId) -> TaskId:
    return TaskId(f"{place}/{task_id}")


class Answers:
    """Takes results to the engine. `key` is the secret from which the tokens are made."""

    def __init__(self, engine: Engine, key: bytes) -> None:
        self.engine, self.key = engine, key

    async def take(self, task_id: TaskId, token: str | None, body: Any, raw: bytes | None = None) -> None:
        """Apply a result; durable on return. Without a token it is for a task that is open now. `raw` is its JSON text.

        Raises NotFound, Refused, Invalid (`artifact.missing`), or Conflict (`task.late`) when it changes nothing; it is
        recorded then too.
        """
        run_id, requests = self._request(task_id, token)
        if not await self.engine.result(run_id, task_id, body, requests, raw):
            raise Conflict("the result came too late; it was recorded and changes nothing", "task.late")

    async def report(self, task_id: TaskId, token: str | None, reports: Sequence[Report]) -> Progress:
        """Note what a worker reports; durable on return. Raises NotFound, Refused, or Conflict (`task.over`)."""
        return await self.engine.reports.progress(self._request(task_id, token)[0], task_id, reports)

    async def heartbeat(self, task_id: TaskId, token: str | None) -> Progress:
        """Note that a worker is at it. Raises NotFound, Refused, or Conflict (`task.over`)."""
        return await self.engine.reports.heartbeat(self._request(task_id, token)[0], task_id)

    def _request(self, task_id: TaskId, token: str | None) -> tuple[RunId, int | None]:
        return (self._holder(task_id), None) if token is None else request_of_token(self.key, task_id, token)

    def _holder(self, task_id: TaskId) -> RunId:
        """The run in which a task is open: while a worker is asked, the engine holds it in memory."""
        self.engine.loop.recovery.require_store()
        for live in self.engine.loop.lives.values():
            if live.run.open_task(task_id) is not None:
                return live.run.id
        raise NotFound(f"no worker is asked for a task '{task_id[:80]}' now")
