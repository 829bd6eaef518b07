"""Answers on their way in: what is too large for a state goes to the store before anything refers to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from engine.answer import told_in
from engine.artifacts import HOLD_MS, MARK, Lease, reference, references_in
from engine.codec import write
from engine.driver.loop import Loop
from engine.driver.turn import Live
from engine.errors import EngineError, Invalid, NodeFailure, NotFound
from engine.lodging import GROWTH, output_in, stays, with_output
from engine.missing import MISSING
from engine.model import ErrorInfo, RunId, TaskId
from engine.outbox import Answered, Refused, Reply, Work
from engine.planner import ask_of

JSON = "application/json"
MOST_TOLD = 20

log = structlog.get_logger(__name__)
Apply = Callable[[Work, str, Reply, Any], None]
"""Applies a reply; the last one is the output itself, where the answer only refers to it (else MISSING)."""


class Incoming:
    """Makes answers ready to be applied. The usual small one is only looked at."""

    def __init__(self, loop: Loop, apply: Apply) -> None:
        self.loop, self.apply = loop, apply
        self.limit = loop.options.max_inline_bytes

    def holds(self, work: Work, worker_id: str, reply: Answered) -> bool:
        """Whether an answer has to go to the store first; it is applied by itself then."""
        if self._is_ready(reply.body, reply.raw):
            return False
        self.loop.start(self._take_aside(work, worker_id, reply))
        return True

    async def _take_aside(self, work: Work, worker_id: str, reply: Answered) -> None:
        try:
            body, output = await self.ready(work.run_id, work.task_id, reply.body, reply.raw)
        except NotFound:
            return  # the run was deleted
        except EngineError as error:
            code = error.reason if isinstance(error, Invalid) else error.code
            failed = ErrorInfo(code=code, message=error.message)
            refusal = Refused(error=failed, retryable=True, told=told_in(reply.body))
            self.apply(work, worker_id, refusal, MISSING)
        except Exception:  # the root of an answer's way in: the worker is asked again when its time is up
            log.exception("answer.not_taken", **work.names)
        else:
            self.apply(work, worker_id, Answered(body=body), output)

    async def ready(self, run_id: RunId, task_id: TaskId, body: Any, raw: bytes | None) -> tuple[Any, Any]:
        """An answer as it is applied, and its output itself where the answer only refers to it by now (else MISSING).
        `raw` is the JSON text that it was read from, if there is one. Raises NotFound, StoreUnavailable; Invalid
        `artifact.missing` for an answer that refers to what is not there."""
        if self._is_ready(body, raw):
            return body, MISSING
        text = write(body)
        if named := references_in(text):
            await self._hold(named)
        if named or len(text) <= self.limit or await self._stays(run_id, task_id):
            return body, MISSING
        output = output_in(body)
        found = MISSING if output is MISSING else await self._lodge(write(output))
        return (body, MISSING) if found is MISSING else (with_output(body, found), output)

    def _is_ready(self, body: Any, raw: bytes | None) -> bool:
        text = write(body) if raw is None else raw
        most = len(text) if raw is None else len(text) * GROWTH
        return most <= self.limit and MARK not in text

    async def _hold(self, named: set[str]) -> None:
        missing = sorted(await self.loop.store.hold_artifacts(named, self.loop.clock() + HOLD_MS))
        if missing:
            raise artifacts_missing("the answer", missing)

    async def _stays(self, run_id: RunId, task_id: TaskId) -> bool:
        live = self.loop.live(run_id)
        if live is not None:
            return stays(live.run, task_id)
        return await self.loop.on_run(run_id, lambda turn, found: stays(found.run, task_id))

    async def _lodge(self, text: bytes) -> Any:
        """The reference to an output, once that is durable; MISSING for one that is small enough."""
        if len(text) <= self.limit:
            return MISSING
        now = self.loop.clock()
        async with self.loop.store.receive() as upload:
            await upload.write(text)
            found = await upload.finish(JSON, Lease(now=now, expires_at=now, held_until=now + HOLD_MS))
        return reference(found.sha256, found.size, JSON)


def artifacts_missing(what: str, missing: list[str]) -> Invalid:
    """The refusal of something that refers to artifacts which are not there."""
    first, more = missing[0], f" and {len(missing) - 1} others" if len(missing) > 1 else ""
    problems = [{"path": "", "message": f"there is no artifact '{name}'"} for name in missing[:MOST_TOLD]]
    message = f"{what} refers to artifact '{first}'{more}, which is not here: send it first (POST /v1/artifacts)"
    return Invalid(message, "artifact.missing", problems)


def remember_input(live: Live, task_id: TaskId) -> None:
    """Work out what a task was asked whose answer comes, after a restart, before it is sent again."""
    run, task = live.run, live.run.open_task(task_id)
    try:
        asked = ask_of(run, task) if task is not None else None
    except NodeFailure:
        return  # it was never asked; the answer meets the same failure
    if asked is not None:
        run.progress[task_id].input_hash = run.encoder.take(asked.request)[1]
