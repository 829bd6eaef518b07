"""The `redis_stream` protocol: a task is an entry of the worker's stream, its answer one of our reply stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from dispatch._about import about
from dispatch._envelope import Envelope
from dispatch._redis_address import NoAddress, Place, Target, check, check_address, target_of
from dispatch._redis_broker import Broker
from dispatch._redis_replies import Replies, reply_stream
from dispatch._redis_wire import Away
from dispatch._transport import BrokerState, Tools, Transport, refused
from engine.model import TaskId
from engine.outbox import Reply
from engine.ports import WorkerRow

__all__ = ["RedisStream", "check", "check_address", "open_transport"]

LINGER_S = 900.0
"""For so long the answers of a Redis are read that no worker uses any more: what its last ones still say."""

log = structlog.get_logger(__name__)


def open_transport(tools: Tools) -> RedisStream:
    return RedisStream(tools)


class RedisStream(Transport):
    """Has a broker for each database of a Redis server that workers use, and reads the answers there."""

    correlates = True

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._targets: dict[str, tuple[WorkerRow, Target]] = {}
        self._brokers: dict[Place, Broker] = {}
        self._replies: dict[Place, Replies] = {}
        self._here: dict[Place, bool] = {}
        self._served: dict[str, Place] = {}
        self._leaving: dict[Place, asyncio.TimerHandle] = {}
        self._ends: set[asyncio.Task[None]] = set()

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        try:
            target = self._target(worker)
        except NoAddress as wrong:
            return refused("worker.invalid", str(wrong), retryable=False)
        return await self._broker(target.place).add(target, _fields(task))

    async def cancel(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        """Add an entry to the worker's stream of cancels."""
        try:
            target = self._target(worker)
            await self._broker(target.place).cancel(target, {"task_id": task_id, "message_id": message_id})
        except (NoAddress, Away) as why:
            log.info("cancel.untold", **about(), worker_id=worker.id, error=str(why))

    def reply_to(self, worker: WorkerRow, correlation_id: str, url: str) -> str:
        """The reply stream of this server, in the database of the worker's stream."""
        return reply_stream(self._tools.server)

    def serve(self, workers: Sequence[WorkerRow]) -> None:
        """Read the answers in each database that workers use."""
        served: dict[str, Place] = {}
        for worker in workers:
            try:
                served[worker.id] = self._target(worker).place
            except NoAddress as wrong:
                log.warning("worker.invalid", worker_id=worker.id, error=str(wrong))
        before, self._served = self._served, served
        self._targets = {worker_id: found for worker_id, found in self._targets.items() if worker_id in served}
        for place in set(served.values()):
            self._read(place)
        for place in self._replies.keys() - set(served.values()) - self._leaving.keys():
            self._leaving[place] = asyncio.get_running_loop().call_later(LINGER_S, self._leave, place)
        for worker_id in before.keys() | served.keys():
            self._tell(worker_id)

    def brokers(self) -> Sequence[BrokerState]:
        served: dict[Place, set[str]] = {}
        for worker_id, place in self._served.items():
            served.setdefault(place, set()).add(worker_id)
        return [
            BrokerState(address=str(place), here=self._here.get(place, True), workers=frozenset(workers))
            for place, workers in served.items()
        ]

    async def close(self) -> None:
        for timer in self._leaving.values():
            timer.cancel()
        for place in tuple(self._brokers):
            self._leave(place)
        await asyncio.gather(*self._ends, return_exceptions=True)

    def _target(self, worker: WorkerRow) -> Target:
        """Raises NoAddress."""
        known, target = self._targets.get(worker.id, (None, None))
        if target is None or known is not worker:
            target = target_of(worker)
            self._targets[worker.id] = (worker, target)
        return target

    def _broker(self, place: Place) -> Broker:
        if (broker := self._brokers.get(place)) is None:
            broker = self._brokers[place] = Broker(place)
        return broker

    def _read(self, place: Place) -> None:
        if (timer := self._leaving.pop(place, None)) is not None:
            timer.cancel()
        if place not in self._replies:
            wire, tools = self._broker(place).wire, self._tools
            replies = Replies(place, tools.server, tools.inbox, wire, lambda here: self._heard(place, here))
            self._replies[place] = replies
            replies.start()

    def _heard(self, place: Place, here: bool) -> None:
        """Redis came, or is away: so are all who are reached there."""
        self._here[place] = here
        for worker_id, served_at in self._served.items():
            if served_at == place:
                self._tell(worker_id)

    def _tell(self, worker_id: str) -> None:
        """Who is not served here is none of ours, and whoever is next starts as one that is there."""
        place = self._served.get(worker_id)
        self._tools.presence.set(worker_id, place is None or self._here.get(place, True))

    def _leave(self, place: Place) -> None:
        self._leaving.pop(place, None)
        self._here.pop(place, None)
        end = asyncio.get_running_loop().create_task(_end(self._replies.pop(place, None), self._brokers.pop(place)))
        self._ends.add(end)
        end.add_done_callback(self._ends.discard)


def _fields(task: Envelope) -> dict[str, Any]:
    """The fields of a task's entry."""
    return {
        "task": task.body,
        "task_id": task.task_id,
        "message_id": task.message_id,
        "attempt": task.attempt,
        "reply_to": task.reply_to,
        "corr": task.correlation_id,
        "traceparent": task.headers.get("traceparent", ""),
    }


async def _end(replies: Replies | None, broker: Broker) -> None:
    if replies is not None:
        await replies.close()
    await broker.close()
