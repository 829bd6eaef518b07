"""A notice on its way: one POST, signed as Standard Webhooks says, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dispatch._http import Http, HttpFailure, Response, Unsendable
from dispatch._reply import retry_after_ms
from dispatch._secrets import signature_headers
from engine.model import Hook
from engine.notices import Attempt, Notice

GONE = 410
"""Whoever answers so does not want to be told any more."""


class NoticePost:
    """Sends notices. `clock` gives milliseconds since the epoch; an answer has to come within `timeout_s`."""

    def __init__(self, http: Http, clock: Callable[[], int], timeout_s: float) -> None:
        self._http, self._clock, self._timeout_s = http, clock, timeout_s

    async def __call__(self, notice: Notice, hook: Hook) -> Attempt:
        """Send a notice once. Its id is the same each time, its timestamp and signature are not."""
        body, now = (notice.body,), self._clock()
        headers = {"content-type": "application/json", "webhook-id": notice.id, "webhook-timestamp": str(now // 1000)}
        if hook.secret is not None:
            headers |= signature_headers(hook.secret, notice.id, now, body)
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                response = await self._http.post(notice.url, body, headers, self._timeout_s)
        except HttpFailure as failure:
            return Attempt(error=failure.message, final=isinstance(failure, Unsendable))
        except TimeoutError:
            if not limit.expired():
                raise
            return Attempt(error=f"no answer within {self._timeout_s:g} s")
        return attempt_of(response, self._clock())


def attempt_of(response: Response, now: int) -> Attempt:
    """What an answer means: any 2xx is an arrival, all else is tried again but 410. Redirects are not followed."""
    if 200 <= response.status < 300:
        return Attempt()
    error = f"HTTP {response.status} {response.reason}".rstrip()
    wait = retry_after_ms(response.headers.get("Retry-After"), now)
    return Attempt(error=error, final=response.status == GONE, retry_after_ms=wait)
