"""The worker of the protocol `pull` that the contract suite plays against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dispatch._envelope import Envelope
from dispatch._transport import Tools
from engine.errors import StoreUnavailable
from tests.unit.dispatch.builders import PATIENCE_S, Caught, a_worker


class PullPeer:
    """A worker that asks for tasks, and posts its answers where the test looks for them."""

    def __init__(self) -> None:
        self.row = a_worker()
        self.nobody = a_worker("nobody")
        self.seen: list[Envelope] = []
        self.said: Any = {"output": "done"}
        self.silent = False
        self.report: Any = None

    def meets(self, tools: Tools) -> None:
        self.tools = tools
        self.work = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as answering:
            while True:
                with self.tools.asks.open(self.row, 100, 60_000) as ask:
                    await ask.wait(PATIENCE_S)
                self.seen += ask.taken
                for task in ask.taken:
                    answering.create_task(self._answer(task))

    async def _answer(self, task: Envelope) -> None:
        inbox = self.tools.inbox
        assert isinstance(inbox, Caught)
        if self.report is not None:
            await inbox.report(task.correlation_id, [self.report])
        while not self.silent:
            try:
                await inbox.result(task.correlation_id, self.said)
                return
            except StoreUnavailable:
                await inbox.until(lambda: not inbox.down)

    def answers(self, body: Any) -> None:
        self.said = body

    def accepts(self) -> None:
        self.silent = True

    def fails(self, error: Any) -> None:
        self.said = {"error": error}

    def hangs(self) -> None:
        raise AssertionError("whoever asks has the task, and answers later")

    def reports(self, body: Any) -> None:
        self.report = body

    def got(self) -> list[tuple[bytes, str]]:
        return [(task.body, task.message_id) for task in self.seen]

    async def until_asked(self) -> None:
        raise AssertionError("whoever asks has the task")

    async def until_left(self) -> None:
        raise AssertionError("whoever asks has the task")


@asynccontextmanager
async def pull_peer() -> AsyncIterator[PullPeer]:
    peer = PullPeer()
    yield peer
    peer.work.cancel()
    await asyncio.wait([peer.work])
