"""Deliveries: each task's way to its worker and back, and what else workers are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from dispatch._envelope import Envelope
from dispatch._ready import sealed
from dispatch._transport import Transport, refused
from engine.codec import CodecError
from engine.outbox import Reply, Work
from engine.ports import WorkerRow

TELL_S = 10.0
MAX_TELLING = 32
"""For so long, and so many at a time, workers are told that a task is cancelled."""

log = structlog.get_logger(__name__)


class Deliveries:
    """What is under way, over transports by protocol. `reply_to` is the address at which a worker may answer later."""

    def __init__(self, transports: Mapping[str, Transport], reply_to: Callable[[Work], str]) -> None:
        self._transports, self._reply_to = transports, reply_to
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling = asyncio.Semaphore(MAX_TELLING)

    def begin(
        self, work: Work, worker: WorkerRow, deadline: int, made: Envelope | None, settle: Callable[[Reply], None]
    ) -> asyncio.Task[None]:
        """Bring a task to a worker; `settle` is told what came back, unless the delivery is cancelled."""
        delivery = self._deliver(work, worker, deadline, made, settle)
        task = asyncio.get_running_loop().create_task(delivery, name=f"deliver {work.task_id}")
        self._keep(task, work)
        return task

    def cancel(self, work: Work, worker: WorkerRow) -> None:
        """Tell a worker that nobody wants its answer any more, where it can be told."""
        self._keep(asyncio.get_running_loop().create_task(self._tell_worker(work, worker)), work)

    async def close(self, grace_s: float) -> None:
        """Give what is under way `grace_s` seconds, abort the rest, close the transports. Idempotent."""
        if tasks := set(self._tasks):
            await asyncio.wait(tasks, timeout=grace_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for transport in self._transports.values():
            await transport.close()

    async def _tell_worker(self, work: Work, worker: WorkerRow) -> None:
        try:
            async with self._telling, asyncio.timeout(TELL_S):
                await self._transports[worker.protocol].cancel(worker, work.task_id, work.message_id)
        except TimeoutError:
            log.info("cancel.untold", worker_id=worker.id, run_id=work.run_id, task_id=work.task_id)

    async def _deliver(
        self, work: Work, worker: WorkerRow, deadline: int, made: Envelope | None, settle: Callable[[Reply], None]
    ) -> None:
        try:
            reply = await self._reply(work, worker, deadline, made)
        except Exception as broken:  # the root of a delivery: whatever a protocol does wrong fails this attempt alone
            log.exception("dispatch.failed", run_id=work.run_id, task_id=work.task_id, worker_id=worker.id)
            reply = refused("dispatch.failed", f"the task could not be sent: {type(broken).__name__}")
        settle(reply)

    async def _reply(self, work: Work, worker: WorkerRow, deadline: int, made: Envelope | None) -> Reply:
        transport = self._transports[worker.protocol]
        try:
            task = made or sealed(work, worker, transport, deadline, self._reply_to(work))
        except CodecError as error:
            return refused("request.invalid", f"the task's input cannot be sent: {error}", retryable=False)
        timeout_s = work.timeout_ms / 1000
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await transport.deliver(worker, task, timeout_s)
        except TimeoutError:
            if not limit.expired():
                raise
            return refused("timeout", f"no answer within {work.timeout_ms} ms", retryable=True, transport=True)

    def _keep(self, task: asyncio.Task[None], work: Work) -> None:
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, work))

    def _ended(self, work: Work, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dispatch.listener_failed", run_id=work.run_id, task_id=work.task_id, exc_info=error)
