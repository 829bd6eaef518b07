"""Peers of `a2a`: agents of both versions that do what a contract test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from tests.unit.dispatch.agents import AgentPeer, agent_peer, artifact, never, status
from tests.unit.dispatch.builders import PATIENCE_S, a_worker, free_port


class A2APeer:
    """An agent: what it answers is its one artifact, and what it reports an error of its task."""

    def __init__(self, agent: AgentPeer) -> None:
        self.agent = agent
        self.row = a_worker(url=agent.url)
        self.nobody = a_worker("w0", url=f"http://127.0.0.1:{free_port()}/")

    def answers(self, body: Any) -> None:
        async def script(said: Any) -> AsyncIterator[Any]:
            yield artifact({"data": body})
            yield status("completed")

        self.agent.script = [script]

    def accepts(self) -> None:
        raise AssertionError("an agent is followed until it answers")

    def fails(self, error: Any) -> None:
        async def script(said: Any) -> AsyncIterator[Any]:
            yield status("failed", {"data": {"error": error}})

        self.agent.script = [script]

    def hangs(self) -> None:
        self.agent.script = [never]

    def reports(self, body: Any) -> None:
        raise AssertionError("an agent reports by its events")

    def got(self) -> list[tuple[bytes, str]]:
        return [(orjson.dumps(said), said["messageId"]) for said in self.agent.said]

    async def until_asked(self) -> None:
        await self.agent.until(lambda: bool(self.agent.said))

    async def until_left(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.agent.left.wait()


@asynccontextmanager
async def peer_of_1_0() -> AsyncIterator[A2APeer]:
    async with agent_peer("1.0") as agent:
        yield A2APeer(agent)
