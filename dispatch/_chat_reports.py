"""Tells what a model says while it says it: in order, nothing left out, and not more often than can be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from dispatch._inbox import Inbox
from engine.errors import StoreUnavailable
from engine.model import TaskId

PAUSE_S = 0.05
"""At least so long between two reports of a task: what is said meanwhile is told together."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
"""How long it is waited before a report is given again that could not be written down."""

log = structlog.get_logger(__name__)


class Reports:
    """The reports of one delivery. Once nobody waits for the task nothing more is told."""

    def __init__(self, inbox: Inbox, correlation_id: str, task_id: TaskId) -> None:
        self._inbox, self._correlation_id, self._task_id = inbox, correlation_id, task_id
        self._said: list[tuple[str, list[str]]] = []
        self._wanted = True
        self._changed, self._ended = asyncio.Event(), asyncio.Event()

    def add(self, channel: str, text: str) -> None:
        """Have a text told soon."""
        if not self._wanted:
            return
        if self._said and self._said[-1][0] == channel:
            self._said[-1][1].append(text)
        else:
            self._said.append((channel, [text]))
        self._changed.set()

    def end(self) -> None:
        """Nothing more will be said: what is left is told at once."""
        self._ended.set()
        self._changed.set()

    async def tell(self) -> None:
        """Tell what is said until it has ended."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._said:
                said, self._said = self._said, []
                await self._report([{"channel": channel, "text": "".join(texts)} for channel, texts in said])
            if self._ended.is_set() and not self._said:
                return
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PAUSE_S):
                await self._ended.wait()
        except TimeoutError:
            return

    async def _report(self, chunks: list[dict[str, str]]) -> None:
        """Have a report written down, however often that takes: the delivery bounds it."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                receipt = await self._inbox.report(self._correlation_id, [{"chunks": chunks}])
                break
            except StoreUnavailable:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        if not receipt.taken:
            log.info("chat.untold", task_id=self._task_id, code=receipt.code)
        self._wanted = receipt.wanted


@asynccontextmanager
async def reporting(inbox: Inbox, correlation_id: str, task_id: TaskId) -> AsyncIterator[Reports]:
    """Reports that are all told when the block has ended. What fails inside must not be raised out of it."""
    reports = Reports(inbox, correlation_id, task_id)
    async with asyncio.TaskGroup() as group:
        group.create_task(reports.tell())
        try:
            yield reports
        finally:
            reports.end()
