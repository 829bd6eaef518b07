"""One Redis server as a broker: tasks and cancels are added to the streams of workers, and kept short there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from redis.exceptions import ResponseError

from dispatch._about import about
from dispatch._redis_address import CANCELS, Place, Target
from dispatch._redis_entries import EntryId, floor_of, pairs
from dispatch._redis_wire import Away, Command, Cut, NotConnected, Wire, pauses
from engine.outbox import Accepted, Unreachable

KEPT_CANCELS = 1_000
TRIMS = 10
"""A stream is trimmed each time that this part of what it may hold has been added."""

log = structlog.get_logger(__name__)


class Broker:
    """Adds entries over one connection, many at a time. `wire` is that connection."""

    def __init__(self, place: Place) -> None:
        self.name = str(place)
        self.wire = Wire(place)
        self._made: set[tuple[str, str]] = set()
        self._made_over = 0
        self._added: dict[str, int] = {}
        self._trimming: set[asyncio.Task[None]] = set()

    async def add(self, target: Target, fields: dict[str, Any]) -> Accepted | Unreachable:
        """Add a task. When the connection is cut meanwhile it may have been added: it is added again, until that is
        known to have succeeded: a worker may get a task twice, and must not miss one. The caller ends the wait."""
        add: Command = ("XADD", target.stream, "NOMKSTREAM", "*", *_flat(fields))
        sure = True
        for pause in pauses():
            try:
                entry_id = await self._added_by(target, add)
            except NotConnected as away:
                if sure:
                    return Unreachable(message=f"{self.name}: {away}")
            except Cut as cut:
                sure = False
                log.info("redis.unsure", **about(), broker=self.name, error=str(cut))
            else:
                if isinstance(entry_id, bytes):
                    self._count(target)
                    return Accepted()
                if sure:
                    return Unreachable(message=f"{self.name}: Redis says: {entry_id}")
            await asyncio.sleep(pause)
        raise AssertionError("there is always another try")

    async def cancel(self, target: Target, fields: dict[str, Any]) -> None:
        """Tell whoever reads the cancels of a stream. Raises Away."""
        stream = target.stream + CANCELS
        [reply] = await self.wire.ask(("XADD", stream, "MAXLEN", KEPT_CANCELS, "*", *_flat(fields)))
        if isinstance(reply, ResponseError):
            raise Away(f"Redis says: {reply}")

    async def close(self) -> None:
        """Idempotent."""
        for task in tuple(self._trimming):
            task.cancel()
        await asyncio.gather(*self._trimming, return_exceptions=True)
        await self.wire.close()

    async def _added_by(self, target: Target, add: Command) -> Any:
        """The id of the new entry, or an error. The group is made before the first entry over a connection, and where
        the stream is gone: what comes before the first worker waits in it."""
        create: Command = ("XGROUP", "CREATE", target.stream, target.group, "0", "MKSTREAM")
        if self._is_made(target):
            [found] = await self.wire.ask(add)
            if found is not None:
                return found
        made, found = await self.wire.ask(create, add)
        if isinstance(made, ResponseError) and "BUSYGROUP" not in str(made):
            return made if found is None else found
        self._made.add((target.stream, target.group))
        return found

    def _is_made(self, target: Target) -> bool:
        if self._made_over != self.wire.connects:
            self._made_over = self.wire.connects
            self._made.clear()
        return (target.stream, target.group) in self._made

    # ---- trimming

    def _count(self, target: Target) -> None:
        added = self._added.get(target.stream, 0) + 1
        if is_due := added * TRIMS >= target.max_len:
            task = asyncio.get_running_loop().create_task(self._trim(target), name=f"redis trim {self.name}")
            self._trimming.add(task)
            task.add_done_callback(self._trimming.discard)
        self._added[target.stream] = 0 if is_due else added

    async def _trim(self, target: Target) -> None:
        try:
            await trim(self.wire.ask, target)
        except Away as away:
            log.info("redis.untrimmed", broker=self.name, stream=target.stream, error=str(away))
        except Exception:  # the root of a task
            log.exception("redis.trim_failed", broker=self.name, stream=target.stream)


async def trim(ask: Callable[..., Any], target: Target) -> None:
    """Cut a stream to about as many entries as it is to keep: nothing that any group has not acknowledged. Only whole
    nodes of a stream are cut, which is cheap. Raises Away."""
    length, groups = await ask(("XLEN", target.stream), ("XINFO", "GROUPS", target.stream))
    if isinstance(length, ResponseError) or isinstance(groups, ResponseError) or length <= target.max_len:
        return
    found = [pairs(group) for group in groups]
    waiting = await ask(*(("XPENDING", target.stream, group[b"name"]) for group in found)) if found else []
    floors: list[tuple[EntryId, EntryId | None]] = [
        (group[b"last-delivered-id"], summary[1])
        for group, summary in zip(found, waiting, strict=True)
        if not isinstance(summary, ResponseError)
    ]
    if len(floors) == len(found) and (floor := floor_of(floors)) is not None:
        await ask(("XTRIM", target.stream, "MINID", "~", floor, "LIMIT", length - target.max_len))


def _flat(fields: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(part for pair in fields.items() for part in pair)
