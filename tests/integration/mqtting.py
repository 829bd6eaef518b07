"""A transport that speaks MQTT, and what its tests have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from dispatch._http import Http
from dispatch._presence import Presence
from dispatch.mqtt import Mqtt, open_transport
from engine.model import TaskId
from engine.outbox import Reply
from engine.ports import WorkerRow
from tests.unit.dispatch.builders import PATIENCE_S, Caught, Watched, a_worker, an_envelope, some_tools


@dataclass(frozen=True, slots=True)
class Ends:
    """A transport, where what comes is caught, and who is away."""

    mqtt: Mqtt
    inbox: Caught
    presence: Presence
    heard: Watched

    async def until_here(self, here: bool = True, worker_id: str = "w1") -> None:
        """Until a worker is there, or is away."""
        await self.heard.until(lambda: (worker_id not in self.presence) is here)

    async def until_connected(self, row: WorkerRow) -> None:
        """Until something has got through to the broker of a worker."""
        async with asyncio.timeout(PATIENCE_S):
            await self.mqtt.cancel(row, TaskId("none"), "none")

    async def deliver(self, row: WorkerRow, message_id: str = "t1", timeout_s: float = 60, size: int = 0) -> Reply:
        """What comes back from a delivery."""
        corr = f"{message_id}.s"
        reply_to = self.mqtt.reply_to(row, corr, "")
        body = b'{"task_id":"%b","reply_to":"%b","x":"%b"}' % (message_id.encode(), reply_to.encode(), b"x" * size)
        async with asyncio.timeout(PATIENCE_S):
            return await self.mqtt.deliver(row, an_envelope((body,), message_id, reply_to=reply_to), timeout_s)

    async def result(self, message_id: str = "t1") -> Any:
        """The first answer to a task."""
        corr = f"{message_id}.s"
        await self.inbox.until(lambda: any(told == corr for told, _ in self.inbox.results))
        return next(body for told, body in self.inbox.results if told == corr)


@asynccontextmanager
async def speaking(*rows: WorkerRow, inbox: Caught | None = None, server: str | None = None) -> AsyncIterator[Ends]:
    """A transport of a server of this name that serves these workers, as long as the block lasts."""
    http, inbox, presence, heard = Http(), inbox or Caught(), Presence(), Watched()
    presence.listen(lambda worker_id, here: heard.changed())
    tools = some_tools(http, inbox, presence=presence, server=server or uuid4().hex)
    ends = Ends(open_transport(tools), inbox, presence, heard)
    ends.mqtt.serve(rows)
    try:
        yield ends
    finally:
        await ends.mqtt.close()
        await http.close()


def a_row(port: int, topic: str, worker_id: str = "w1", **changes: Any) -> WorkerRow:
    """A worker at a broker of this machine."""
    return a_worker(worker_id, protocol="mqtt", url=f"mqtt://127.0.0.1:{port}/{topic}", **changes)
