"""The `pull` transport: the worker asks for tasks, and holds each on a lease. Nobody has to reach it."""

from __future__ import annotations

import asyncio
import logging
from math import inf

import httpx

from clew._backoff import Backoff
from clew.client import Client
from clew.errors import NotFound, NotNow, Unreachable
from clew.models import Leased
from clew.worker._reply import ReplyLine, new_http
from clew.worker.registration import Registration, first_of
from clew.worker.shift import Shift
from clew.worker.transports._options import Options, say_ready

WAIT_MS = 20_000
MOST = 100
"""So many tasks may be asked for at once."""

log = logging.getLogger(__name__)


class Pull:
    """Asks for as many tasks as the worker has room for, again and again."""

    def __init__(self, options: Options) -> None:
        self.options = options

    async def serve(self, shift: Shift) -> None:
        """Register, ask, answer. The registration stays: the next process with this id goes on under it."""
        async with self.options.client() as client, new_http() as http:
            entry = Registration(shift, client, "pull", url=None)
            if await entry.enter():
                say_ready(client.url)
                async with entry.kept():
                    await self._ask(shift, client, http, entry)
            await shift.drained()

    async def _ask(self, shift: Shift, client: Client, http: httpx.AsyncClient, entry: Registration) -> None:
        backoff = Backoff(inf)
        while not shift.closing.is_set():
            await first_of(shift.room(), shift.closing.wait())
            try:
                items = await self._leased(shift, client)
            except NotFound:  # somebody has removed it
                await entry.look()
            except (Unreachable, NotNow) as error:
                log.warning("no tasks can be asked for: %s", error)
                await first_of(shift.closing.wait(), backoff.wait())
            else:
                backoff.begin()
                for item in items:
                    shift.hold(_work(shift, item, http))

    async def _leased(self, shift: Shift, client: Client) -> list[Leased]:
        """What there is to do; nothing where the shift ends. A request that is given up at the end is one that waits:
        what had been given to it in that moment comes again when its lease has lapsed."""
        asking = asyncio.ensure_future(
            client.workers.lease(shift.worker.id, max=min(max(shift.free, 1), MOST), wait_ms=WAIT_MS)
        )
        closing = asyncio.ensure_future(shift.closing.wait())
        try:
            await asyncio.wait({asking, closing}, return_when=asyncio.FIRST_COMPLETED)
            return list(asking.result()) if asking.done() else []
        finally:
            for wait in (asking, closing):
                wait.cancel()
            await asyncio.gather(asking, closing, return_exceptions=True)


async def _work(shift: Shift, item: Leased, http: httpx.AsyncClient) -> None:
    line = ReplyLine(http, item.reply_to, item.lease.heartbeat_ms / 1000)
    await line.answer(await shift.perform(item.task, item.message_id, line))


def open_transport(options: Options) -> Pull:
    """The transport that the options describe."""
    return Pull(options)
