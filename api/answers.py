"""What workers post about their tasks: whose it is, and whether it may be posted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from api.errors import Refused, code_of
from dispatch._secrets import secret_matches, task_secret
from engine.driver import Engine
from engine.driver.answering import Sent
from engine.driver.reports import Report
from engine.errors import Conflict, EngineError, Invalid, NotFound
from engine.model import RunId, TaskId
from engine.progress import Progress

NAMED = 80
"""Characters of a task's id that are logged where nobody knows it."""

log = structlog.get_logger(__name__)


def task_token(key: bytes, run_id: RunId, task_id: TaskId, requests: int, attempt: int, moves: int) -> str:
    """What authorises a worker to answer a request of this task of this run, and names the run, the request, the
    attempt and how often the task had been taken from a worker."""
    place = f"{run_id}.{requests}.{attempt}.{moves}"
    return f"{place}.{task_secret(key, _bound(place, task_id))}"


def sent_with(key: bytes, task_id: TaskId, token: str) -> tuple[RunId, Sent]:
    """The run and the request that a token was made for. Raises Refused (403) for a token that is not this task's.
    Those of earlier versions name no moves, no attempt, or not even the first request."""
    place, _, secret = token.rpartition(".")
    if not secret_matches(key, _bound(place, task_id), secret):
        raise Refused(403, "task.token", "the token is not the one of this task")
    run_id, *numbers = place.split(".")
    requests, attempt, moves = (*map(int, numbers), None, None, None)[:3]
    return RunId(run_id), Sent(requests=requests or 0, attempt=attempt, moves=moves)


def _bound(place: str, task_id: TaskId) -> TaskId:
    return TaskId(f"{place}/{task_id}")


class Answers:
    """Takes results to the engine. `key` is the secret from which the tokens are made. What changes nothing is refused,
    logged and counted, whichever way it came."""

    def __init__(self, engine: Engine, key: bytes) -> None:
        self.engine, self.key, self.refusals = engine, key, 0

    async def take(self, task_id: TaskId, token: str | None, body: Any, raw: bytes | None = None) -> None:
        """Apply a result; durable on return. Without a token it is for a task that is open now. `raw` is its JSON text.

        Raises NotFound, Refused, Invalid (`artifact.missing`), or Conflict (`task.late`) when it changes nothing; it is
        recorded then too.
        """
        with self._refusing("result", task_id, token):
            run_id, sent = self._request(task_id, token)
            if not await self.engine.result(run_id, task_id, body, sent, raw):
                raise Conflict("the result came too late; it was recorded and changes nothing", "task.late")

    async def report(self, task_id: TaskId, token: str | None, reports: Sequence[Report]) -> Progress:
        """Note what a worker reports; durable on return. Raises NotFound, Refused, or Conflict (`task.over`, or
        `task.moved` where it was taken from that worker)."""
        with self._refusing("progress", task_id, token):
            run_id, sent = self._request(task_id, token)
            return await self.engine.reports.progress(run_id, task_id, sent, reports)

    async def heartbeat(self, task_id: TaskId, token: str | None) -> Progress:
        """Note that a worker is at it. Raises as `report`."""
        with self._refusing("heartbeat", task_id, token):
            run_id, sent = self._request(task_id, token)
            return await self.engine.reports.heartbeat(run_id, task_id, sent)

    def refuse(self, kind: str, task_id: TaskId, token: str | None, why: EngineError) -> None:
        """Log and count that something which a worker said of a task changes nothing."""
        self.refusals += 1
        log.info("answer.refused", kind=kind, code=code_of(why), **self._names(task_id, token))

    @contextmanager
    def _refusing(self, kind: str, task_id: TaskId, token: str | None) -> Iterator[None]:
        try:
            yield
        except (Refused, NotFound, Conflict, Invalid) as why:
            self.refuse(kind, task_id, token, why)
            raise

    def _names(self, task_id: TaskId, token: str | None) -> dict[str, str]:
        """What the log calls a task that somebody named: with its run and node where those are known for sure. What
        stands behind a dot may be a secret."""
        names = {"task_id": task_id.partition(".")[0][:NAMED]}
        try:
            run_id, _ = self._request(task_id, token)
        except EngineError:
            return names
        live = self.engine.loop.live(run_id)
        task = None if live is None else live.run.tasks.get(task_id)
        return {**names, "run_id": run_id, **({} if task is None else {"node": task.node})}

    def _request(self, task_id: TaskId, token: str | None) -> tuple[RunId, Sent | None]:
        return (self._holder(task_id), None) if token is None else sent_with(self.key, task_id, token)

    def _holder(self, task_id: TaskId) -> RunId:
        """The run in which a task is open: while a worker is asked, the engine holds it in memory."""
        self.engine.loop.recovery.require_store()
        for live in self.engine.loop.lives.values():
            if live.run.open_task(task_id) is not None:
                return live.run.id
        raise NotFound(f"no worker is asked for a task '{task_id[:80]}' now")
