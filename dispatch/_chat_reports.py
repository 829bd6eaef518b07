"""Tells what a model or an agent says while it says it: in order, nothing left out, no more often than can be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from dispatch._inbox import Inbox, Receipt
from engine.errors import StoreUnavailable

PAUSE_S = 0.05
"""At least so long between two reports of a task: what is said meanwhile is told together."""
MOST = 1000
"""So many reports are told at a time."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
"""How long it is waited before a report is given again that could not be written down."""


class Reports:
    """The reports of one delivery. Once nobody waits for the task nothing more is told."""

    def __init__(self, inbox: Inbox, correlation_id: str) -> None:
        self._inbox, self._correlation_id = inbox, correlation_id
        self._said: list[tuple[str, list[str]] | Mapping[str, Any]] = []
        self._beat = False
        self._wanted = True
        self._changed, self._ended = asyncio.Event(), asyncio.Event()

    def add(self, channel: str, text: str) -> None:
        """Have a text told soon."""
        last = self._said[-1] if self._said else None
        if isinstance(last, tuple) and last[0] == channel:
            last[1].append(text)
        else:
            self._note((channel, [text]))
        self._changed.set()

    def note(self, report: Mapping[str, Any]) -> None:
        """Have a report told soon, as workers report; in order with the texts."""
        self._note(report)

    def beat(self) -> None:
        """Have it told soon that the worker is at it, where nothing else is said."""
        self._beat = True
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
                reports = _reports(said)
                for start in range(0, len(reports), MOST):
                    found = reports[start : start + MOST]
                    await self._send(partial(self._inbox.report, self._correlation_id, found))
            elif self._beat:
                await self._send(partial(self._inbox.heartbeat, self._correlation_id))
            self._beat = False
            if self._ended.is_set() and not self._said:
                return
            await self._pause()

    def _note(self, said: tuple[str, list[str]] | Mapping[str, Any]) -> None:
        if self._wanted:
            self._said.append(said)
            self._changed.set()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PAUSE_S):
                await self._ended.wait()
        except TimeoutError:
            return

    async def _send(self, send: Callable[[], Awaitable[Receipt]]) -> None:
        """Have something written down, however often that takes: the delivery bounds it."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                receipt = await send()
                break
            except StoreUnavailable:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        self._wanted = receipt.wanted


def _reports(said: Sequence[tuple[str, list[str]] | Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What was said as reports: texts that follow one another are one."""
    found: list[Mapping[str, Any]] = []
    chunks: list[dict[str, str]] | None = None
    for one in said:
        if isinstance(one, tuple):
            if chunks is None:
                chunks = []
                found.append({"chunks": chunks})
            chunks.append({"channel": one[0], "text": "".join(one[1])})
        else:
            chunks = None
            found.append(one)
    return found


@asynccontextmanager
async def reporting(inbox: Inbox, correlation_id: str) -> AsyncIterator[Reports]:
    """Reports that are all told when the block has ended. What fails inside must not be raised out of it."""
    reports = Reports(inbox, correlation_id)
    async with asyncio.TaskGroup() as group:
        group.create_task(reports.tell())
        try:
            yield reports
        finally:
            reports.end()
