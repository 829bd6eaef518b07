"""Users of a server that is killed again and again: each starts runs, and follows each by its stream to the end."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.e2e.processes import Client, Told
from tests.e2e.shapes import SHAPES

PATIENCE_S = 120.0
AGAIN_S = 0.02
GONE = (aiohttp.ClientError, ConnectionError)


@dataclass
class Users:
    """What users saw: the runs whose start was acknowledged, and of each the newest commit that was shown.

    They ask while `up` is set: whoever kills the server spares them to knock at a closed door.
    """

    client: Client
    up: asyncio.Event = field(default_factory=asyncio.Event)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    shown: dict[str, int] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    async def one(self) -> None:
        """One user: a run after the other, until it is time to end."""
        while not self.ending.is_set():
            shape = random.choice(list(SHAPES.values()))
            given = shape.given()
            try:
                run = await self.client.start(shape.name, input=given)
            except GONE:
                await self._pause()
                continue
            except Told as told:
                self.faults.append(f"a start of {shape.name} was refused: {told}")
                return
            self.shown[run["id"]] = run["checkpoint_count"]
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self.follow(run["id"], shape.expected(given))
            except TimeoutError:
                self.faults.append(f"{shape.name} {run['id']} was not at its end within {PATIENCE_S:.0f} s")
            except Told as told:
                self.faults.append(f"{shape.name} {run['id']}, whose start was acknowledged: {told}")

    async def _pause(self) -> None:
        await asyncio.sleep(AGAIN_S)
        await self.up.wait()

    async def follow(self, run_id: str, expected: dict[str, Any]) -> None:
        """Follow a run to its end, which must be completed with this state."""
        ids = await self._watch(run_id)
        run = await self._again(lambda: self.client.run(run_id))
        if run["status"] != "completed" or run["state"] != expected:
            self.faults.append(f"{run_id} is {run['status']} with {run['state']} and not with {expected}")
        self.told[run_id] = ids

    async def listen_again(self) -> None:
        """Have the streams of all runs told at one go: they must be what they were over all the restarts."""
        for run_id, ids in self.told.items():
            again = [event["id"] async for event in self._events(run_id, None)]
            if ids != again:
                self.faults.append(f"the stream of {run_id} told {ids} over restarts, and {again} at one go")

    async def _watch(self, run_id: str) -> list[str]:
        """The ids of all events of a run, over as many connections as it takes."""
        ids: list[str] = []
        while True:
            try:
                async for event in self._events(run_id, ids[-1] if ids else None):
                    ids.append(event["id"])
                    self._see(run_id, event)
                    if event["event"] == "end":
                        return ids
            except GONE:
                await self._pause()

    def _see(self, run_id: str, event: dict[str, Any]) -> None:
        seq = event["data"].get("seq", 0) if event["event"] == "updates" else 0
        self.shown[run_id] = max(self.shown[run_id], seq)

    async def _events(self, run_id: str, after: str | None) -> AsyncIterator[dict[str, Any]]:
        headers = {"Last-Event-ID": after} if after else {}
        async with self.client.session.get(f"{self.client.url}/runs/{run_id}/stream", headers=headers) as response:
            if response.status != 200:
                raise Told(response.status, await response.text())
            event: dict[str, Any] = {}
            async for line in response.content:
                name, _, text = line.decode().rstrip("\n").partition(": ")
                if name in ("id", "event"):
                    event[name] = text
                elif name == "data":
                    event["data"] = json.loads(text)
                elif not name and event:
                    yield event
                    event = {}

    async def _again(self, ask: Any) -> Any:
        """What `ask` gives, once the server is there."""
        while True:
            try:
                return await ask()
            except GONE:
                await self._pause()
