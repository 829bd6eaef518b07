"""How a worker enters itself at the server, and leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any, Unpack

from clew._backoff import Backoff
from clew._json import given
from clew.client import Client
from clew.errors import ClewError, Conflict, NotFound, NotNow, Unreachable
from clew.fields import WorkerFields
from clew.worker.shift import Shift

DRAINING = "draining"
REST_S = 5.0
"""So long it is tried to tell the server that a worker takes nothing more."""

log = logging.getLogger(__name__)


class Registration:
    """A worker's entry at the server, under its id. Somebody there may remove it: it enters itself again then, unless
    it was drained before, for then it is to go."""

    def __init__(self, shift: Shift, client: Client, protocol: str, **fields: Unpack[WorkerFields]) -> None:
        worker = shift.worker
        self._shift, self._client, self._protocol = shift, client, protocol
        self._said: Any = {
            "tags": worker.tags,
            "max_concurrent": worker.max_concurrent,
            **given(model=worker.model),
            **fields,
            "metadata": {**worker.metadata, **fields.get("metadata", {})},
        }
        self._again = Backoff(inf)
        self._looking = asyncio.Lock()
        self._drained = False

    async def enter(self) -> bool:
        """Register, or change what is registered under its id; False where the shift ends before.

        A server that is not there yet is waited for. Raises Problem where it refuses the worker.
        """
        backoff = Backoff(inf)
        while not self._shift.closing.is_set():
            try:
                await self._put()
                return True
            except (Unreachable, NotNow) as error:
                log.warning("the worker cannot be registered yet: %s", error)
            await first_of(self._shift.closing.wait(), backoff.wait())
        return False

    async def _put(self) -> None:
        workers, worker_id = self._client.workers, self._shift.worker.id
        with suppress(NotFound):
            await workers.change(worker_id, protocol=self._protocol, **self._said)
            return
        with suppress(Conflict):  # another process with this id was faster
            await workers.register(worker_id, protocol=self._protocol, **self._said)
            return
        await workers.change(worker_id, protocol=self._protocol, **self._said)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """As long as this lasts, the server hears now and then how the worker is, and has it registered."""
        beating = asyncio.create_task(self._beat_on())
        self._shift.beat = self.look
        try:
            yield
        finally:
            self._shift.beat = None
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _beat_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._shift.worker.heartbeat_s)

    async def look(self) -> None:
        """Say how the worker is; where it was removed, enter again."""
        async with self._looking:
            if self._shift.closing.is_set():
                return
            try:
                beaten = await self._client.workers.heartbeat(self._shift.worker.id, **await self._shift.condition())
                self._note(beaten.status == DRAINING)
                self._again.begin()
            except NotFound:
                await self._removed()
            except ClewError as error:
                log.debug("the server does not hear how the worker is: %s", error)

    def _note(self, drained: bool) -> None:
        if drained is not self._drained:
            log.info(
                "worker '%s' %s",
                self._shift.worker.id,
                "is drained: it gets nothing more" if drained else "gets tasks again",
            )
        self._drained = drained

    async def _removed(self) -> None:
        worker_id = self._shift.worker.id
        if self._drained:
            log.warning("worker '%s' was drained and removed at the server: it ends", worker_id)
            self._shift.close()
            return
        log.warning("worker '%s' was removed at the server: it registers again", worker_id)
        try:
            if await self.enter():
                log.info("worker '%s' is registered again", worker_id)
        except ClewError as error:
            log.error("worker '%s' cannot be registered again: %s", worker_id, error)
        await first_of(self._shift.closing.wait(), self._again.wait())

    async def rest(self) -> None:
        """Say that nothing more is taken; the entry stays. Whoever serves under the id next, or still does, is asked
        again as soon as it says how it is."""
        try:
            async with asyncio.timeout(REST_S):
                await self._client.workers.heartbeat(self._shift.worker.id, status=DRAINING)
        except (ClewError, TimeoutError) as error:
            log.warning("the server does not know that nothing more is taken: %s", error)

    async def leave(self, url: str) -> None:
        """Remove the worker, unless somebody at another address has taken its place."""
        workers, worker_id = self._client.workers, self._shift.worker.id
        try:
            if (await workers.get(worker_id)).url == url:
                await workers.remove(worker_id)
        except NotFound:
            return
        except ClewError as error:
            log.warning("the worker stays registered: %s", error)


async def first_of(*waits: Any) -> None:
    """Wait until one of these is over; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
