"""How a worker enters itself at the server, and leaves."""

from __future__ import annotations

import asyncio
import logging
from math import inf
from typing import Any, Unpack

from clew._backoff import Backoff
from clew._json import given
from clew.client import Client
from clew.errors import ClewError, Conflict, NotFound, NotNow, Unreachable
from clew.fields import WorkerFields
from clew.worker.shift import Shift

log = logging.getLogger(__name__)


async def enter(shift: Shift, client: Client, protocol: str, **fields: Unpack[WorkerFields]) -> bool:
    """Register the worker of a shift, or change what is registered under its id; False where the shift ends before.

    A server that is not there yet is waited for. Raises Problem where it refuses the worker.
    """
    worker, backoff = shift.worker, Backoff(inf)
    said: Any = {
        "tags": worker.tags,
        "max_concurrent": worker.max_concurrent,
        **given(model=worker.model),
        **fields,
        "metadata": {**worker.metadata, **fields.get("metadata", {})},
    }
    while not shift.closing.is_set():
        try:
            await _put(client, worker.id, protocol, said)
            return True
        except (Unreachable, NotNow) as error:
            log.warning("the worker cannot be registered yet: %s", error)
        await first_of(shift.closing.wait(), backoff.wait())
    return False


async def _put(client: Client, worker_id: str, protocol: str, said: Any) -> None:
    try:
        await client.workers.change(worker_id, protocol=protocol, **said)
    except NotFound:
        try:
            await client.workers.register(worker_id, protocol=protocol, **said)
        except Conflict:  # another process with this id was faster
            await client.workers.change(worker_id, protocol=protocol, **said)


async def leave(client: Client, worker_id: str, url: str) -> None:
    """Remove the worker, unless somebody at another address has taken its place."""
    try:
        if (await client.workers.get(worker_id)).url == url:
            await client.workers.remove(worker_id)
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
