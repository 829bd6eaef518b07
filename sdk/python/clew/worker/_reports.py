"""What a task reports, on its way to the server: in order, together where much comes at once, never in its way."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from clew.models import Json

MOST = 10_000
"""So many reports wait at most; of more the oldest are left out."""
BATCH = 200

log = logging.getLogger(__name__)


class LineDown(Exception):
    """What was sent has not come through; it may later."""


class Line(Protocol):
    """How a task is spoken of to whoever waits for its answer. Both give whether the answer is still wanted.

    `beat_s`: after so many seconds of silence there has to be a heartbeat.
    """

    beat_s: float

    async def report(self, reports: Sequence[Json]) -> bool:
        """Pass reports on. Raises LineDown."""

    async def heartbeat(self) -> bool:
        """Say that the work goes on. Raises LineDown."""


class Outage:
    """Says of all tasks of a worker when their reports begin to wait, and when none waits any more: once each, however
    many there are and however much they report."""

    def __init__(self) -> None:
        self._waiting: set[object] = set()

    def begin(self, task: object, why: LineDown) -> None:
        """A task's reports have not come through."""
        if not self._waiting:
            log.warning("reports wait: %s", why)
        self._waiting.add(task)

    def end(self, task: object) -> None:
        """They have."""
        if self.leave(task) and not self._waiting:
            log.info("reports go on")

    def leave(self, task: object) -> bool:
        """The task has ended; whether its reports have waited. They go with its answer."""
        waited = task in self._waiting
        self._waiting.discard(task)
        return waited


class Reports:
    """The reports of one task. `unwanted` is called once, when the server says that nobody wants the answer."""

    def __init__(self, line: Line, unwanted: Callable[[], None], outage: Outage) -> None:
        self._line = line
        self._unwanted = unwanted
        self._outage = outage
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Json] = deque(maxlen=MOST)
        self._wake = asyncio.Event()
        self._ending = False

    def add(self, report: Json) -> None:
        """Take a report; from any thread."""
        self._waiting.append(report)
        self.wake()

    def follow(self, line: Line) -> None:
        """Go on over another line: the one before belongs to an attempt that was given up."""
        self._line = line
        self.wake()

    def wake(self) -> None:
        """Have something sent now: what waits, or else a heartbeat; from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Send until the end, or until nobody wants to hear it."""
        try:
            while await self._woken():
                if not await self._came_through():
                    self._unwanted()
                    return
        finally:
            self._outage.leave(self)

    async def _came_through(self) -> bool:
        """Send; False where nobody wants to hear it."""
        try:
            wanted = await self._send()
        except LineDown as error:
            self._outage.begin(self, error)
            return True
        self._outage.end(self)
        return wanted

    async def _woken(self) -> bool:
        """Wait until there is something to send, or it has been silent for too long; False at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._line.beat_s):
                await self._wake.wait()
        self._wake.clear()
        return not self._ending

    def end(self) -> None:
        """Send nothing more. What is being sent is sent to its end."""
        self._ending = True
        self._wake.set()

    def left(self) -> list[Json]:
        """What was not sent: it goes with the answer."""
        return together(self._waiting)

    async def _send(self) -> bool:
        if not self._waiting:
            return await self._line.heartbeat()
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
        try:
            return await self._line.report(together(batch))
        except LineDown:
            self._waiting.extendleft(reversed(batch))
            raise


def together(reports: Sequence[Json] | deque[Json]) -> list[Json]:
    """The reports, with pieces of text that follow each other on one channel made one."""
    found: list[Json] = []
    for report in reports:
        last, piece = _piece(found[-1]) if found else None, _piece(report)
        if last is not None and piece is not None and last[0] == piece[0]:
            found[-1] = {"chunks": [{"channel": last[0], "text": last[1] + piece[1]}]}
        else:
            found.append(report)
    return found


def _piece(report: Json) -> tuple[str, str] | None:
    """Channel and text of a report that is one piece of a text, not a line of a log."""
    if report.keys() != {"chunks"} or len(report["chunks"]) != 1:
        return None
    [chunk] = report["chunks"]
    return None if chunk["channel"] == "log" else (chunk["channel"], chunk["text"])
