"""Requests whose bodies are too long to be held in memory: they are put aside as they come, and read from there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request

from api.requests import StrictRoute, read_parts
from engine.driver.spool import Spool


class SpooledRoute(StrictRoute):
    """A route whose handler is given its body as a `Spool`, of at most `max_import` bytes."""

    @asynccontextmanager
    async def received(self, request: Request, has_body: bool) -> AsyncIterator[tuple[Request, Any]]:
        with Spool() as spool:
            async for part in read_parts(request, request.app.state.settings.max_import):
                spool.write(part)
            request.state.spool = spool
            yield request, {"sha256": spool.digest}


async def _spooled(request: Request) -> Spool:
    spool: Spool = request.state.spool
    return spool


Spooled = Annotated[Spool, Depends(_spooled)]
"""The body of a request on such a route."""
