"""Streams as server-sent events: framed once, kept alive, ended with a word when the server closes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping

import structlog
from anyio import CancelScope
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from api.closing import Closing
from api.settings import Settings
from engine.codec import write
from engine.driver.stream import StreamEvent
from engine.errors import EngineError

RETRY_MS = 1000
CHUNK = 64 * 1024
"""Frames are sent together until they are so long, in bytes."""
FAREWELL = b": the server is closing; reconnect with Last-Event-ID\n\n"
BROKEN = b": the stream cannot go on now; reconnect with Last-Event-ID\n\n"

log = structlog.get_logger(__name__)

Events = AsyncIterator[list[StreamEvent]]


class Stream(EventSourceResponse):
    """A response of events. A client that takes nothing for `send_timeout` seconds is hung up on; it can come back."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("stream.abandoned", path=scope["path"])


def stream(
    events: Events,
    closing: Closing,
    settings: Settings,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Stream:
    """The response that tells these events until they end or the server closes."""
    return Stream(
        _frames(events, closing),
        status_code=status,
        headers=headers,
        ping=settings.ping_s,
        sep="\n",
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        send_timeout=settings.send_timeout_s,
    )


def frame(event: StreamEvent) -> bytes:
    """An event as it stands in the stream, made once; JSON has no line breaks, so the data is one line."""
    if event.frame is None:
        parts = (event.id.encode(), event.event.encode(), write(event.data))
        event.frame = b"id: %b\nevent: %b\ndata: %b\n\n" % parts
    return event.frame


def chunks(told: list[StreamEvent]) -> Iterator[bytes]:
    """Events as bytes, several at a time, so that one that nobody reads is not made yet."""
    parts, size = [], 0
    for event in told:
        parts.append(frame(event))
        size += len(parts[-1])
        if size >= CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


async def _frames(events: Events, closing: Closing) -> AsyncGenerator[bytes, None]:
    yield b"retry: %d\n\n" % RETRY_MS
    try:
        while not closing.is_set() and (told := await closing.cut(anext(events, _END))) is not _END:
            for chunk in chunks(told or []):
                yield chunk
        if closing.is_set():
            yield FAREWELL
    except EngineError as error:
        log.error("stream.broken", code=error.code, error=error.message)
        yield BROKEN
    finally:
        if isinstance(events, AsyncGenerator):
            with CancelScope(shield=True):
                await events.aclose()


_END: list[StreamEvent] = []
