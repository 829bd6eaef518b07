"""A notice on its way: one POST, signed as Standard Webhooks says or with the token of a push, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dispatch._http import Http, HttpFailure, Response, Unsendable
from dispatch._reply import retry_after_ms
from dispatch._secrets import signature_headers
from engine.model import Hook, Push
from engine.notices import Attempt, Notice

GONE = 410
"""Whoever answers so does not want to be told any more."""


class NoticePost:
    """Sends notices: to webhooks by one client, to pushes by another one, which goes only where strangers may have it
    go. `clock` gives milliseconds since the epoch; an answer has to come within `timeout_s`."""

    def __init__(self, http: Http, pushes: Http, clock: Callable[[], int], timeout_s: float) -> None:
        self._http, self._pushes, self._clock, self._timeout_s = http, pushes, clock, timeout_s

    async def __call__(self, notice: Notice, to: Hook | Push) -> Attempt:
        """Send a notice once. Its id is the same each time, its timestamp and signature are not."""
        headers = headers_of(notice, to, self._clock())
        http = self._pushes if isinstance(to, Push) else self._http
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                response = await http.post(to.url, (notice.body,), headers, self._timeout_s)
        except HttpFailure as failure:
            return Attempt(error=failure.message, final=isinstance(failure, Unsendable))
        except TimeoutError:
            if not limit.expired():
                raise
            return Attempt(error=f"no answer within {self._timeout_s:g} s")
        return attempt_of(response, self._clock())


def headers_of(notice: Notice, to: Hook | Push, now: int) -> dict[str, str]:
    """What goes along with a notice: its id, and that it comes from here."""
    headers = {"content-type": notice.media_type, "webhook-id": notice.id, "webhook-timestamp": str(now // 1000)}
    if isinstance(to, Hook):
        signed = {} if to.secret is None else signature_headers(to.secret, notice.id, now, (notice.body,))
        return {**headers, **signed}
    if to.token is not None:
        headers["x-a2a-notification-token"] = to.token
    if to.scheme is not None and to.credentials is not None:
        headers["authorization"] = f"{to.scheme} {to.credentials}"
    return headers


def attempt_of(response: Response, now: int) -> Attempt:
    """What an answer means: any 2xx is an arrival, all else is tried again but 410. Redirects are not followed."""
    if 200 <= response.status < 300:
        return Attempt()
    error = f"HTTP {response.status} {response.reason}".rstrip()
    wait = retry_after_ms(response.headers.get("Retry-After"), now)
    return Attempt(error=error, final=response.status == GONE, retry_after_ms=wait)
