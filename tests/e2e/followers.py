"""Users of a server that is killed again and again: each starts runs and follows each by its stream to the end.

They answer what a run asks, edit it, fork it, replay it and go back.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.e2e.evidence import Edits, differs
from tests.e2e.processes import Client, Told
from tests.e2e.shapes import SHAPES, WORD, Shape, chain, diamond, edited, loop, retries, send

PATIENCE_S = 600.0
"""For a run and all that a user does with it, over all the restarts meanwhile."""
AGAIN_S = 0.02
LISTEN_S = 60.0
GONE = (aiohttp.ClientError, ConnectionError)
REUSED = (chain, diamond, loop, send, retries)
"""Shapes of which a fork that takes over what was answered asks no worker for anything."""


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
    edits: Edits = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)
    acts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    async def one(self) -> None:
        """One user: a run after the other, until it is time to end."""
        while not self.ending.is_set():
            shape = random.choice(list(SHAPES.values()))
            given, key = shape.given(), f"start-{random.random()}"
            try:
                async with asyncio.timeout(PATIENCE_S):
                    run = await self.again(lambda: self.client.start(shape.name, key=key, input=given))  # noqa: B023
                    self.shown[run["id"]] = run["checkpoint_count"]
                    await act(self, run["id"], shape, given)
            except TimeoutError:
                self.faults.append(f"{shape.name} started with {key} was not at its end within {PATIENCE_S:.0f} s")
            except Told as told:
                self.faults.append(f"{shape.name} started with {key}: {told}")

    async def pause(self) -> None:
        """Wait until the server is there again."""
        await asyncio.sleep(AGAIN_S)
        await self.up.wait()

    async def again(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What `ask` gives, once the server is there."""
        while True:
            try:
                return await ask()
            except GONE:
                await self.pause()

    async def follow(self, run_id: str, shape: Shape, given: dict[str, Any]) -> None:
        """Follow a run from where it was left to its end, which must be completed with what its input leads to."""
        await self._watch(run_id)
        run, expected = await self.again(lambda: self.client.run(run_id)), shape.expected(given)
        if run["status"] != "completed" or differs(run_id, run["state"], expected, self.edits):
            self.faults.append(f"{run_id} is {run['status']} with {run['state']} and not with {expected}")

    async def listen_again(self) -> None:
        """Have the streams of all runs told at one go: they must be what they were over all the restarts."""
        for run_id, ids in self.told.items():
            again: list[str] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTEN_S):
                    again = [event["id"] async for event in self._events(run_id, None) if event["event"] != "end"]
            if ids != again:
                self.faults.append(f"the stream of {run_id} told {ids} over restarts, and {again} at one go")

    async def _watch(self, run_id: str) -> None:
        """Note all events of a run to its end, over as many connections as it takes; answer what it asks."""
        ids = self.told.setdefault(run_id, [])
        while True:
            try:
                await self._answer(run_id)
                async for event in self._events(run_id, ids[-1] if ids else None):
                    if event["event"] == "end":
                        return
                    ids.append(event["id"])
                    self._see(run_id, event)
                    if event["data"].get("status") == "interrupted":
                        await self._answer(run_id)
            except GONE:
                await self.pause()

    async def _answer(self, run_id: str) -> None:
        """Answer what a run waits for, unless time is to do that."""
        run = await self.client.run(run_id)
        asked = (found for found in run["interrupts"] if found["expires_at"] is None)
        answers = {found["id"]: None if found["kind"] == "breakpoint" else WORD for found in asked}
        if answers:
            try:
                await self.client.ask("POST", f"/runs/{run_id}/resume", {"resume": answers})
            except Told as told:
                if told.status != 409:  # it was answered before the server was killed
                    raise

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


# ---- what users do with a run


async def act(users: Users, run_id: str, shape: Shape, given: dict[str, Any]) -> None:
    """Follow a run to its end, and most times do something with it before or after that."""
    doing = random.choice(("fork", "fork at the end", "replay", "nothing"))
    if shape is edited:
        doing = "edit"
        await _edit(users, run_id)
    if doing == "fork":
        await _fork(users, run_id, shape, given, reuse=False)
    await users.follow(run_id, shape, given)
    if doing == "fork at the end":
        await _fork(users, run_id, shape, given, reuse=shape in REUSED and random.random() < 0.5)
    elif doing == "replay":
        await _replay(users, run_id, shape, given)
        await _back(users, run_id, shape, given)
    users.acts[doing] += 1


async def _edit(users: Users, run_id: str) -> None:
    """Add to the state, now and after a node, while the run is under way; an edit that nobody confirmed may count."""
    for more in ({}, {"after_node": "c"}, {}):
        least, most = users.edits.get(run_id, (0, 0))
        try:
            users.edits[run_id] = (least, most + 1)
            done = await users.client.ask("POST", f"/runs/{run_id}/state", {"updates": {"extra": 1}, **more})
            if done["checkpoint"] is not None:
                users.edits[run_id] = (least + 1, most + 1)
                users.shown[run_id] = max(users.shown[run_id], done["checkpoint"]["seq"])
        except GONE:
            await users.pause()
        except Told as told:
            if told.status != 409:
                raise
            users.edits[run_id] = (least, most)  # the run was over


def _somewhere(run: dict[str, Any]) -> dict[str, str]:
    """A checkpoint that something follows from: the last two of a run that is over are its last node and its end."""
    return {"checkpoint_id": f"{run['id']}.{random.randint(1, max(1, run['checkpoint_count'] - 2))}"}


async def _fork(users: Users, run_id: str, shape: Shape, given: dict[str, Any], *, reuse: bool) -> None:
    """Fork from any checkpoint: the worker says the same to the same, so the fork ends as the run does."""
    run, key = await users.again(lambda: users.client.run(run_id)), f"fork-{random.random()}"
    asked = _somewhere(run)
    if reuse:
        asked["reuse"] = "unchanged"
    fork = await users.again(lambda: users.client.ask("POST", f"/runs/{run_id}/fork", asked, key))
    users.shown[fork["id"]] = fork["checkpoint_count"]
    if reuse:
        users.reused.add(fork["id"])
    await users.follow(fork["id"], shape, given)


async def _replay(users: Users, run_id: str, shape: Shape, given: dict[str, Any]) -> None:
    """Begin a new branch, once: whether it was begun when the server was killed, the run says."""
    run = await users.again(lambda: users.client.run(run_id))
    asked = _somewhere(run)
    while len(run["branches"]) == 1:
        try:
            run = await users.client.ask("POST", f"/runs/{run_id}/replay", asked)
        except GONE:
            await users.pause()
            run = await users.again(lambda: users.client.run(run_id))
    await users.follow(run_id, shape, given)


async def _back(users: Users, run_id: str, shape: Shape, given: dict[str, Any]) -> None:
    """Go back to the branch that was left at its end."""

    async def checkout() -> None:
        try:
            await users.client.ask("POST", f"/runs/{run_id}/branches/main/checkout")
        except Told as told:
            if told.body["code"] != "branch.current":  # it was checked out before the server was killed
                raise

    await users.again(checkout)
    await users.follow(run_id, shape, given)
