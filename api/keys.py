"""Requests with an `Idempotency-Key`: the same one again gets the first answer, and makes nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any
from weakref import WeakValueDictionary

import structlog
from fastapi import Depends, Header, Request
from starlette.responses import Response

from engine.claims import KEPT_MS, Claim, ClaimRow
from engine.codec import digest
from engine.errors import Conflict, Invalid, StoreUnavailable
from engine.ports import Store
from engine.values import replace

HEADER = "idempotency-key"
MAX_KEY = 255
BY_CONTENT = ("/artifacts",)
"""The ends of the paths at which what is made is named by its content: the same again is the same, with any key."""
MAX_KEPT = 1024 * 1024
"""A longer answer is not kept: what was made is shown as it is by then."""
_KEPT_HEADERS = ("content-type", "location", "etag")

log = structlog.get_logger(__name__)

Handle = Callable[[Request], Awaitable[Response]]


async def claimed(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(description="The same key with the same body, within 24 hours, gets the first answer again."),
    ] = None,
) -> Claim | None:
    """The key of a request; who takes it writes it together with what is made."""
    found: Claim | None = getattr(request.state, "claim", None)
    return found


Claimed = Annotated[Claim | None, Depends(claimed)]
"""What a handler that makes something is given, and passes on; a route without it refuses keys."""


def takes_keys(dependencies: list[Any]) -> bool:
    """Whether a handler with these dependencies writes keys."""
    return any(found.call is claimed for found in dependencies)


class Keys:
    """Answers requests with keys. `clock` gives milliseconds since the epoch.

    One process serves a database: requests with one key wait for each other here.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self.store, self.clock = store, clock
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def answer(self, request: Request, body: Any, handle: Handle) -> Response:
        """The first answer, or that of `handle`. Raises Conflict where the key came with another body."""
        async with self.turn(_claim(request, body)) as (asked, known):
            if known is not None and known.status is not None:
                return Response(known.body, known.status, {**known.headers, "Idempotency-Replayed": "true"})
            request.state.claim = asked
            response = await handle(request)
            await self._keep(asked, response)
            return response

    @asynccontextmanager
    async def turn(self, asked: Claim) -> AsyncIterator[tuple[Claim, ClaimRow | None]]:
        """The turn of a request with its key: what it has made already, and what is kept of that. Raises Conflict where
        the key came with another body."""
        async with self._turns.setdefault((asked.scope, asked.key), asyncio.Lock()):
            known = await self.store.claim(asked.scope, asked.key)
            if known is None or known.at <= self.clock() - KEPT_MS:
                yield asked, None
            elif known.fingerprint != asked.fingerprint:
                raise Conflict("this Idempotency-Key was used with another body", "idempotency.mismatch")
            else:
                yield replace(asked, made=known.made), known

    async def _keep(self, asked: Claim, response: Response) -> None:
        """Keep an answer: what was made is durable already, so a store that does not take it changes nothing."""
        body: bytes | None = getattr(response, "body", None)  # a stream has none
        if body is None or len(body) > MAX_KEPT or response.status_code >= 300:
            return
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        row = replace(asked.on("", 0), status=response.status_code, headers=headers, body=body)
        try:
            await self.store.keep_answer(row)
        except StoreUnavailable as error:
            log.warning("idempotency.answer_not_kept", error=error.message)


def _claim(request: Request, body: Any) -> Claim:
    key = request.headers[HEADER]
    if not 0 < len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(f"an Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters", "idempotency.invalid")
    return Claim(scope=f"{request.method} {request.url.path}", key=key, fingerprint=digest(body))
