"""The `pull` protocol: workers ask for tasks (`POST /v1/tasks/lease`), and have each on a lease.

Nobody has to reach them: they may sit behind a firewall, and be a shell script. A task that only they can take waits
until one of them asks.
"""

from __future__ import annotations

from dispatch._asks import Asks
from dispatch._envelope import Envelope
from dispatch._transport import Tools, Transport
from engine.outbox import Accepted, Reply, Unreachable
from engine.ports import WorkerRow

ADDRESSED = False
"""Its workers have no `url`."""


def open_transport(tools: Tools) -> Pull:
    return Pull(tools.asks)


def check_address(address: str) -> str | None:
    """What is wrong with an address: there is nothing to be reached."""
    return "a pull worker asks for its tasks and has no address: leave `url` out"


class Pull(Transport):
    """Gives tasks to those that ask. A cancel is told on the next heartbeat, which says that nobody wants the task."""

    def __init__(self, asks: Asks) -> None:
        self.asks = asks

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        lease_ms = self.asks.hand(worker.id, task)
        if lease_ms is None:
            return Unreachable(message=f"worker '{worker.id}' does not ask for tasks now")
        return Accepted(lease_ms=lease_ms)
