"""Gives what workers add to a reply stream to the inbox: many requests at a time, each in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from dispatch._body import answer_in
from dispatch._inbox import MAX_BODY, Inbox, Receipt
from dispatch._redis_entries import ANSWER, HEARTBEAT, Entry, EntryId, Said, said_in
from dispatch._redis_wire import pauses
from engine.codec import CodecError, loads
from engine.errors import StoreUnavailable

MOST = 256
"""So many entries are held at a time: read, and not yet acknowledged."""

log = structlog.get_logger(__name__)


class Intake:
    """Holds entries from when they are read until they are acknowledged. `durable(entry_id)` is called when what an
    entry says is durable, or is refused for good: it can be acknowledged, and `forget` is to follow."""

    def __init__(self, inbox: Inbox, durable: Callable[[EntryId], None], *, most: int = MOST) -> None:
        self._inbox, self._durable, self._most = inbox, durable, most
        self._held: set[EntryId] = set()
        self._lanes: dict[str, deque[tuple[EntryId, Said]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more entries may be read now."""
        return self._most - len(self._held)

    async def has_room(self) -> None:
        """Wait until there is room."""
        while self.room <= 0:
            await self._change()

    async def idle(self) -> None:
        """Wait until everything was given to the inbox."""
        while self._lanes:
            await self._change()

    def take(self, entry: Entry) -> None:
        """Give an entry to the inbox, behind those of the same request. One that is held already comes to nothing."""
        if entry.id in self._held:
            return
        self._held.add(entry.id)
        said = "" if entry.fields is None else said_in(entry.fields)
        if isinstance(said, str):
            if said:  # one that was deleted has been dealt with
                log.warning("redis.entry_dropped", entry_id=entry.id.decode(), error=said)
            self._durable(entry.id)
        elif (lane := self._lanes.get(said.corr)) is not None:
            lane.append((entry.id, said))
        else:
            self._lanes[said.corr] = deque([(entry.id, said)])
            task = asyncio.get_running_loop().create_task(self._serve(said.corr), name="redis intake")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def forget(self, entry_id: EntryId) -> None:
        """An entry was acknowledged."""
        self._held.discard(entry_id)
        self._changed.set()

    async def close(self) -> None:
        """Give nothing more to the inbox; what is held comes again to whoever reads next."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _serve(self, corr: str) -> None:
        """Give what is said of a request to the inbox, until there is no more."""
        lane = self._lanes[corr]
        try:
            while lane:
                entry_id, said = lane[0]
                await self._give(entry_id, said)
                lane.popleft()
                self._durable(entry_id)
        finally:
            del self._lanes[corr]
            self._changed.set()

    async def _give(self, entry_id: EntryId, said: Said) -> None:
        """Return when it is durable, or refused for good."""
        for pause in pauses():
            try:
                await _taken(self._inbox, said)
            except StoreUnavailable:
                await asyncio.sleep(pause)
                continue
            except Exception:  # the root of an entry: whatever is wrong with it, the others go on
                names = {"entry_id": entry_id.decode(), "task_id": said.corr.partition(".")[0]}
                log.exception("redis.entry_failed", **names)
            return


def _taken(inbox: Inbox, said: Said) -> Awaitable[Receipt]:
    """What the inbox makes of what a worker says."""
    if said.kind == HEARTBEAT:
        return inbox.heartbeat(said.corr)
    if said.kind == ANSWER:
        return inbox.result(said.corr, answer_in(said.body))
    return inbox.report(said.corr, _reports(said.body))


def _reports(body: bytes) -> list[Any]:
    """The reports in a body; what is none is left to the inbox to refuse."""
    try:
        found = loads(body) if len(body) <= MAX_BODY else None
    except CodecError:
        found = None
    fields = {name: value for name, value in found.items() if name != "kind"} if isinstance(found, dict) else found
    return [fields]
