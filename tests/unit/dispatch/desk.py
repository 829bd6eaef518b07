"""An outbox with a scripted transport around it, for the tests of what it does."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from dispatch._envelope import Envelope
from dispatch._outbox import WorkerOutbox
from dispatch._transport import Transport, refused
from engine.outbox import Reply, Unreachable
from engine.ports import WorkerRow
from tests.unit.dispatch.builders import NOW, FakeLater, Told, Watched, a_work, by_id, reply_to

DOWN = Unreachable(message="nobody there")
BROKEN = refused("worker.connection", "dropped", retryable=True, transport=True)


class Scripted(Watched, Transport):
    """A transport whose replies the test gives, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: dict[str, asyncio.Future[Reply]] = {}
        self.workers: dict[str, str] = {}
        self.aborted: list[str] = []
        self.closed = False

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        task_id = task.headers["Idempotency-Key"]
        assert orjson.loads(task.body)["task_id"] == task_id
        self.workers[task_id] = worker.id
        self.under_way[task_id] = asyncio.get_running_loop().create_future()
        self.changed()
        try:
            return await self.under_way[task_id]
        except asyncio.CancelledError:
            self.aborted.append(task_id)
            raise
        finally:
            del self.under_way[task_id]
            self.changed()

    async def close(self) -> None:
        self.closed = True


class Desk:
    """An outbox with everything around it."""

    def __init__(self, transport: Scripted | None = None, **options: Any) -> None:
        self.transport, self.later, self.told, self.now = transport or Scripted(), FakeLater(), Told(), NOW
        self.box = WorkerOutbox(
            {"webhook": self.transport}, clock=lambda: self.now, reply_to=reply_to, later=self.later, **options
        )
        self.box.listen(self.told)

    def workers(self, *rows: WorkerRow) -> None:
        self.box.workers_changed(by_id(*rows))

    def submit(self, *task_ids: str, **fields: object) -> None:
        for task_id in task_ids:
            self.box.submit(a_work(task_id, **fields))

    async def sent(self, task_id: str) -> None:
        """Wait until the transport has a task: a delivery begins in a turn of the loop of its own."""
        await self.transport.until(lambda: task_id in self.transport.under_way)

    async def come_back(self, task_id: str, reply: Reply) -> None:
        """The transport returns a reply, and the outbox has dealt with it."""
        await self.sent(task_id)
        self.transport.under_way[task_id].set_result(reply)
        await self.transport.until(lambda: task_id not in self.transport.under_way)
