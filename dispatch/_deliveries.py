"""Deliveries: each task's way to its worker and back, and what else workers are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from dispatch._about import set_about
from dispatch._envelope import Envelope
from dispatch._ready import sealed
from dispatch._transport import Transport, refused
from dispatch._unsaid import reply_without
from engine.codec import CodecError
from engine.outbox import Accepted, Reply, Unanswered, Work
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
        self._staying: set[asyncio.Task[None]] = set()
        self._telling = asyncio.Semaphore(MAX_TELLING)

    def begin(
        self, work: Work, worker: WorkerRow, deadline: int, made: Envelope | None, settle: Callable[[Reply], None]
    ) -> asyncio.Task[None]:
        """Bring a task to a worker; `settle` is told what came back, unless the delivery is cancelled: twice where the
        transport stays with what was accepted, until it is answered."""
        return self._begin(self._deliver(work, worker, deadline, made, settle), work)

    def resume(self, work: Work, worker: WorkerRow, now: int, settle: Callable[[Reply], None]) -> asyncio.Task[None]:
        """Stay again with a task that a worker had accepted before a restart; `settle` is told the answer."""
        task = self._begin(self._stay(work, worker, now, settle), work)
        self._staying.add(task)
        return task

    def _begin(self, delivery: Coroutine[Any, Any, None], work: Work) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(delivery, name=f"deliver {work.task_id}")
        self._keep(task, **work.names)
        return task

    def cancel(self, work: Work, worker: WorkerRow) -> None:
        """Tell a worker that nobody wants its answer any more, where it can be told."""
        cancel = self._transports[worker.protocol].cancel
        self._tell(partial(cancel, worker, work.task_id, work.message_id), worker, work.names)

    def rebind(self, work: Work, worker: WorkerRow) -> None:
        """The same where another worker gets the task."""
        rebind = self._transports[worker.protocol].rebind
        self._tell(partial(rebind, worker, work.task_id, work.message_id), worker, work.names)

    def dismiss(self, left: Unanswered, worker: WorkerRow) -> None:
        """Tell a worker that nobody goes on with what it said last in a task, where it can be told."""
        dismiss = self._transports[worker.protocol].dismiss
        self._tell(partial(dismiss, worker, left.task_id, left.said), worker, left.names)

    async def gone_on(self, worker: WorkerRow, said: Any) -> bool:
        """Wait until a worker has gone on by itself that said it needs a right; False where that cannot be known."""
        return await self._transports[worker.protocol].gone_on(worker, said)

    def _tell(self, tell: Callable[[], Awaitable[None]], worker: WorkerRow, names: Mapping[str, str]) -> None:
        telling = asyncio.get_running_loop().create_task(self._told(tell, worker, names))
        self._keep(telling, worker_id=worker.id, **names)

    async def close(self, grace_s: float) -> None:
        """Give what is under way `grace_s` seconds, abort the rest, close the transports. What was accepted is found
        again after a restart, and gets no time. Idempotent."""
        for task in self._staying:
            task.cancel()
        if tasks := set(self._tasks):
            await asyncio.wait(tasks, timeout=grace_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for transport in self._transports.values():
            await transport.close()

    async def _told(self, tell: Callable[[], Awaitable[None]], worker: WorkerRow, names: Mapping[str, str]) -> None:
        set_about(names)
        try:
            async with self._telling, asyncio.timeout(TELL_S):
                await tell()
        except TimeoutError:
            log.info("cancel.untold", **names, worker_id=worker.id, error="it took too long")

    async def _deliver(
        self, work: Work, worker: WorkerRow, deadline: int, made: Envelope | None, settle: Callable[[Reply], None]
    ) -> None:
        transport, timeout_s = self._transports[worker.protocol], work.timeout_ms / 1000
        was_taken: list[Any] = []

        def taken(ref: Any) -> None:
            was_taken.append(ref)
            if (staying := asyncio.current_task()) is not None:
                self._staying.add(staying)
            settle(Accepted(ref=ref))

        def attend(task: Envelope) -> Awaitable[Reply]:
            return transport.attend(worker, task, timeout_s, taken)

        reply = await self._reply(work, worker, made or deadline, timeout_s, attend, was_taken)
        if not (was_taken and isinstance(reply, Accepted)):
            settle(reply)

    async def _stay(self, work: Work, worker: WorkerRow, now: int, settle: Callable[[Reply], None]) -> None:
        transport, deadline = self._transports[worker.protocol], work.deadline or now + work.timeout_ms
        timeout_s = max(deadline - now, 0) / 1000

        def resume(task: Envelope) -> Awaitable[Reply]:
            return transport.resume(worker, task, timeout_s, work.accepted_ref)

        reply = await self._reply(work, worker, deadline, timeout_s, resume, [work.accepted_ref])
        if not isinstance(reply, Accepted):
            settle(reply)

    async def _reply(
        self,
        work: Work,
        worker: WorkerRow,
        made: Envelope | int,
        timeout_s: float,
        carry: Callable[[Envelope], Awaitable[Reply]],
        taken: Sequence[Any],
    ) -> Reply:
        """What comes of an envelope that is made, or is to be made with a deadline."""
        set_about(work.names)
        try:
            return reply_without(worker, await self._carried(work, worker, made, timeout_s, carry, taken))
        except Exception as broken:  # the root of a delivery: whatever a protocol does wrong fails this attempt alone
            log.exception("dispatch.failed", **work.names, worker_id=worker.id)
            return refused("dispatch.failed", f"the task could not be sent: {type(broken).__name__}")

    async def _carried(
        self,
        work: Work,
        worker: WorkerRow,
        made: Envelope | int,
        timeout_s: float,
        carry: Callable[[Envelope], Awaitable[Reply]],
        taken: Sequence[Any],
    ) -> Reply:
        transport = self._transports[worker.protocol]
        try:
            task = sealed(work, worker, transport, made, self._reply_to(work)) if isinstance(made, int) else made
        except CodecError as error:
            return refused("request.invalid", f"the task's input cannot be sent: {error}", retryable=False)
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await carry(task)
        except TimeoutError:
            if not limit.expired():
                raise
            why = f"no answer within {work.timeout_ms} ms"
            return refused("timeout", why, retryable=True, transport=not taken, timed_out=True)

    def _keep(self, task: asyncio.Task[None], **names: str) -> None:
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, names))

    def _ended(self, names: Mapping[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._staying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dispatch.listener_failed", **names, exc_info=error)
