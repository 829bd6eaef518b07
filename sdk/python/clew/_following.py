"""Streams that go on by themselves: after a lost connection, and after a restart of the server."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx

from clew._backoff import Backoff
from clew._http import Http
from clew._sse import Decoder, Sent
from clew.errors import ClewError, NotNow
from clew.models.events import CLASSES, DebugEvent, Event


def event_of(sent: Sent) -> Event:
    """The event with its types."""
    kind = CLASSES.get(sent.event, DebugEvent)
    return kind.model_validate({"id": sent.id, "event": sent.event, "data": json.loads(sent.data)})


@dataclass(slots=True)
class Following:
    """One stream over as many connections as it needs. Every event has an id; a new connection names the last one, and
    an event that came in part only was not counted, so that nothing is lost and nothing comes twice.

    `last` says which event is the last one. `is_over` is asked where a connection ends without it: whether there is
    nothing more to come.
    """

    http: Http
    path: str
    query: Mapping[str, Any]
    after: str | None
    last: Callable[[Event], bool]
    is_over: Callable[[], Awaitable[bool]] | None = None
    _was_over: bool = field(default=False, init=False)
    _told: bool = field(default=False, init=False)
    _failure: ClewError | None = field(default=None, init=False)

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events. Raises Problem for a refusal, Unreachable when no connection comes about for too long."""
        backoff = Backoff(self.http.patience_s)
        while True:
            self._told = False
            async with aclosing(self._connection()) as events:
                async for event in events:
                    yield event
                    if self.last(event):
                        return
            if self._told:
                backoff.begin()
            if self._failure is None and await self._nothing_left():
                return
            if not await backoff.wait():
                raise self._failure or self.http.unreachable(ConnectionError("the stream ends again and again"))

    async def _connection(self) -> AsyncGenerator[Event, None]:
        """The events that come over one connection; why it ended is in `_failure`, None where it was closed."""
        self._failure = None
        try:
            async with aclosing(self._read()) as events:
                async for event in events:
                    yield event
        except httpx.TransportError as error:
            self._failure = self.http.unreachable(error)
        except NotNow as refusal:
            self._failure = refusal

    async def _read(self) -> AsyncGenerator[Event, None]:
        headers = {"Accept": "text/event-stream"} | ({} if self.after is None else {"Last-Event-ID": self.after})
        decoder = Decoder()
        async with self.http.stream(self.path, self.query, headers) as response:
            async for chunk in response.aiter_bytes():
                for sent in decoder.feed(chunk):
                    self.after, self._told = sent.id, True
                    yield event_of(sent)

    async def _nothing_left(self) -> bool:
        """Whether a stream that ends without a last event has none: it began after that event. Asked twice, since the
        run may have ended just now, and its last events be on their way."""
        if self._told or self.is_over is None:
            return False
        was_over, self._was_over = self._was_over, await self.is_over()
        return was_over and self._was_over
