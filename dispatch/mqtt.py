"""The `mqtt` protocol: a task is a message on the worker's topic, its answer one on the response topic."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial

import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from dispatch._about import about
from dispatch._envelope import Envelope
from dispatch._mqtt_address import CANCEL, V5, BadAddress, Broker, Place, check, check_address, place_of
from dispatch._mqtt_properties import Published
from dispatch._mqtt_session import Down, Session, topic_of_replies
from dispatch._mqtt_wire import Lost, TooLong
from dispatch._transport import BrokerState, Tools, Transport, refused
from engine.codec import write
from engine.model import TaskId
from engine.outbox import Accepted, Reply, Unreachable
from engine.ports import WorkerRow

RETIRE_S = 3600.0
"""A session that no worker uses any more lives on for so long: what is under way may still be answered."""

_FINE, _NOBODY = 0x00, 0x10
_NOT_NOW = frozenset({0x80, 0x83, 0x87, 0x97})  # unspecified, implementation specific, not authorized, quota exceeded

__all__ = ["Mqtt", "check", "check_address", "open_transport"]

log = structlog.get_logger(__name__)


def open_transport(tools: Tools) -> Mqtt:
    return Mqtt(tools)


class Mqtt(Transport):
    """Publishes tasks with QoS 1, in one session for each broker, user and version of MQTT. A task is accepted when the
    broker has acknowledged it; one that the broker acknowledges as of no subscriber waits for somebody to come."""

    correlates = True

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._sessions: dict[Broker, Session] = {}
        self._workers: dict[Broker, set[str]] = {}
        self._away: set[str] = set()
        self._retiring: dict[Broker, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._known: dict[str, tuple[WorkerRow, Place, str]] = {}

    def reply_to(self, worker: WorkerRow, correlation_id: str, url: str) -> str:
        try:
            return f"{self._find(worker)[1]}/{correlation_id}"
        except BadAddress:
            return url  # nothing will be sent there

    def _find(self, worker: WorkerRow) -> tuple[Place, str]:
        """Where a worker is, and the topic below which its answers come. Raises BadAddress."""
        row, place, replies = self._known.get(worker.id, (None, None, ""))
        if row is not worker or place is None:
            place = place_of(worker)
            replies = topic_of_replies(place.broker.name(self._tools.server))
            self._known[worker.id] = (worker, place, replies)
        return place, replies

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        try:
            place, _ = self._find(worker)
        except BadAddress as wrong:
            return refused("worker.invalid", str(wrong), retryable=False)
        properties = _of_task(task, timeout_s) if place.broker.version == V5 else None
        try:
            reason = await self._session(place).publish(place.topic, task.body, properties)
        except Down as down:
            return Unreachable(message=str(down))
        except Lost as lost:
            if not lost.sent:
                return Unreachable(message=str(lost))
            return refused("worker.connection", str(lost), retryable=True, transport=True)
        except TooLong as long:
            return refused("request.too_large", str(long), retryable=False)
        return self._reply(reason, worker, task, place)

    def _reply(self, reason: int, worker: WorkerRow, task: Envelope, place: Place) -> Reply:
        """What the broker's reason code means for an attempt."""
        if reason == _FINE:
            return Accepted()
        said = ReasonCode(PacketTypes.PUBACK, identifier=reason).getName()
        message = f"the broker {place.broker.address} refused a message on the topic '{place.topic}': {said}"
        if reason == _NOBODY:
            message = f"nobody has subscribed to the topic '{place.topic}'"
        log.warning("mqtt.undelivered", **about(), worker_id=worker.id, error=message)
        if reason == _NOBODY or reason in _NOT_NOW:
            return Unreachable(message=message)
        return refused("broker.refused", message, retryable=False)

    async def cancel(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        try:
            place, _ = self._find(worker)
            told = write({"task_id": task_id, "message_id": message_id})
            properties = Published() if place.broker.version == V5 else None
            await self._session(place).publish(place.topic + CANCEL, told, properties)
        except (BadAddress, Down, Lost, TooLong) as failure:
            log.info("cancel.untold", **about(), worker_id=worker.id, error=str(failure))

    # ---- sessions

    def serve(self, workers: Sequence[WorkerRow]) -> None:
        """Keep a session with each broker that a worker names, with the password of the row that was changed last."""
        before, self._workers = self._workers, {}
        self._known.clear()
        for worker in sorted(workers, key=lambda row: row.updated_at):
            try:
                place = place_of(worker)
            except BadAddress as wrong:
                log.warning("mqtt.invalid", worker_id=worker.id, error=str(wrong))
                continue
            self._workers.setdefault(place.broker, set()).add(worker.id)
            session = self._session(place)
            session.use(place.password)
            self._tell(worker.id, not session.away)
        for worker_id in set().union(*before.values()) - set().union(*self._workers.values()):
            self._tell(worker_id, True)  # whatever takes its name is not away because of us
        for broker in self._retiring.keys() & self._workers.keys():
            self._retiring.pop(broker).cancel()
        for broker in self._sessions.keys() - self._workers.keys() - self._retiring.keys():
            self._retire_later(broker)

    def brokers(self) -> Sequence[BrokerState]:
        return [
            BrokerState(address=broker.address, here=not self._sessions[broker].away, workers=frozenset(workers))
            for broker, workers in self._workers.items()
        ]

    def _session(self, place: Place) -> Session:
        if (session := self._sessions.get(place.broker)) is None:
            session = Session(place, self._tools, partial(self._heard, place.broker))
            self._sessions[place.broker] = session
            if place.broker not in self._workers:
                self._retire_later(place.broker)
        return session

    def _heard(self, broker: Broker, here: bool) -> None:
        """A broker came, or is away, and its workers with it."""
        for worker_id in self._workers.get(broker, ()):
            self._tell(worker_id, here)

    def _tell(self, worker_id: str, here: bool) -> None:
        """Tell that a worker is away, or is not any more; others may know of other reasons."""
        if here and worker_id in self._away:
            self._away.discard(worker_id)
            self._tools.presence.set(worker_id, True)
        elif not here:
            self._away.add(worker_id)
            self._tools.presence.set(worker_id, False)

    def _retire_later(self, broker: Broker) -> None:
        self._retiring[broker] = asyncio.get_running_loop().call_later(RETIRE_S, self._retire, broker)

    def _retire(self, broker: Broker) -> None:
        del self._retiring[broker]
        ending = asyncio.get_running_loop().create_task(self._sessions.pop(broker).close())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        for timer in self._retiring.values():
            timer.cancel()
        self._retiring.clear()
        await asyncio.gather(*(session.close() for session in self._sessions.values()), *self._ending)
        self._sessions.clear()


def _of_task(task: Envelope, timeout_s: float) -> Published:
    """What goes with a task. A broker drops one that nobody has fetched before its time is up."""
    user = [("message-id", task.message_id)]
    if (trace := task.headers.get("traceparent")) is not None:
        user.append(("traceparent", trace))
    return Published(
        expiry_s=max(math.ceil(timeout_s), 1),
        response_topic=task.reply_to,
        correlation=task.correlation_id.encode(),
        user=user,
    )
