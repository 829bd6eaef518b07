"""What workers send over MQTT: taken in the order in which it came for each request, many requests at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import structlog

from dispatch._body import answer_in
from dispatch._inbox import Inbox, Receipt
from dispatch._mqtt_wire import Letter
from engine.codec import CodecError, loads
from engine.errors import StoreUnavailable

AT_ONCE = 256
"""So many requests are heard at a time: what comes for them shares commits."""
MOST = 10_000
"""So many are kept in line; what comes beyond that and is not kept by the broker is dropped."""
AGAIN_S, LONGEST_S = 0.1, 5.0
"""Waits until what could not be written down is tried again: the first, and the longest."""
GRACE_S = 2.0
"""At the end, what has come gets so long to be settled; the rest the broker gives again."""

KINDS = ("", "progress", "heartbeat")

log = structlog.get_logger(__name__)


class Replies:
    """Takes what comes below `prefix`: `<prefix>/<correlation id>[/progress|/heartbeat]`."""

    def __init__(self, inbox: Inbox, prefix: str) -> None:
        self._inbox, self._prefix = inbox, f"{prefix}/"
        self._lanes: dict[str, deque[tuple[str, Letter]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._ending = asyncio.Event()

    def take(self, letter: Letter) -> None:
        """Take what came. It is acknowledged when what it says is durable, or changes nothing for good."""
        if self._ending.is_set():
            return
        corr, _, kind = letter.topic.removeprefix(self._prefix).partition("/")
        if not letter.topic.startswith(self._prefix) or kind not in KINDS or not corr:
            log.warning("mqtt.unknown", task_id=_task_of(corr), kind=kind[:80])
            letter.acknowledge()
            return
        if (lane := self._lanes.get(corr)) is not None:
            lane.append((kind, letter))
        elif len(self._lanes) >= MOST and not letter.lasting:
            log.warning("mqtt.too_many", task_id=_task_of(corr))
        else:
            self._begin(corr, deque([(kind, letter)]))

    async def close(self) -> None:
        """Settle what has come, for a moment; nothing is taken any more. Idempotent."""
        self._ending.set()
        if tasks := set(self._tasks):
            await asyncio.wait(tasks, timeout=GRACE_S)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _begin(self, corr: str, lane: deque[tuple[str, Letter]]) -> None:
        self._lanes[corr] = lane
        task = asyncio.get_running_loop().create_task(self._serve(corr, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, corr: str, lane: deque[tuple[str, Letter]]) -> None:
        """Settle what came for a request, one after the other."""
        try:
            while lane:
                kind, letter = lane[0]
                await self._settle(corr, kind, letter)
                lane.popleft()
        finally:
            del self._lanes[corr]

    async def _settle(self, corr: str, kind: str, letter: Letter) -> None:
        wait = AGAIN_S
        while not letter.given_again:
            try:
                async with self._room:
                    await self._heard(corr, kind, letter.payload)
            except StoreUnavailable:
                if await self._ends_within(wait):
                    return
                wait = min(2 * wait, LONGEST_S)
                continue
            except Exception:  # the root of a reply: one that nobody can take must not keep the others back
                log.exception("mqtt.failed", task_id=_task_of(corr))
            letter.acknowledge()
            return

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._ending.wait()
        except TimeoutError:
            return False

    async def _heard(self, corr: str, kind: str, payload: bytes) -> Receipt:
        """Raises StoreUnavailable."""
        match kind:
            case "":
                return await self._inbox.result(corr, answer_in(payload))
            case "heartbeat":
                return await self._inbox.heartbeat(corr)
            case _:
                return await self._inbox.report(corr, [_report(payload)])


def _report(payload: bytes) -> Any:
    """The report; what is none is left to the inbox to refuse."""
    try:
        return loads(payload)
    except CodecError:
        return None


def _task_of(corr: str) -> str:
    """The task that a correlation id names; what is behind it is secret."""
    return corr.partition(".")[0][:80]
