"""One connection from its first frame to its last: who registers, what is read, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog

from dispatch._ws_desk import LEFT, REFUSED, Times
from dispatch._ws_frames import (
    ENDS,
    Acknowledge,
    Feedback,
    FrameInvalid,
    Heartbeat,
    Held,
    Leave,
    Register,
    Result,
    fault,
    read_frame,
)
from dispatch._ws_line import Channel, Line
from engine.codec import MAX_DEPTH, CodecError, loads
from engine.errors import EngineError, StoreUnavailable, stable_code
from engine.values import dataclass

FRAMING = 4
"""So many levels of JSON may stand around an answer in a frame."""
FAREWELL_S = 1.0
"""For so long it is tried to send what is in line at the end."""
ENDING, LATER, BROKEN, FINE = 1012, 1013, 1011, 1000
"""Close codes from the registry of RFC 6455: the service restarts; try again later; a mistake of the server; nothing
was wrong."""

log = structlog.get_logger(__name__)


class Registry(Protocol):
    """Where workers are put that dial in."""

    async def dialled(self, frame: Register) -> None:
        """Have a worker registered. Raises EngineError where it may not be, or cannot be now."""

    async def noted(self, worker_id: str, frame: Heartbeat) -> None:
        """Note what a worker says it has. Raises EngineError."""


class Desks(Protocol):
    """The workers as their connections see them."""

    async def unwanted(self, holding: Sequence[Held]) -> list[str]:
        """What of the tasks that a worker holds nobody wants any more."""

    def join(self, line: Line, frame: Register, drop: Iterable[str]) -> bool:
        """A worker that is registered is here; False where that comes too late."""

    async def heard(self, line: Line, frame: Heartbeat | Acknowledge | Feedback | Result | Leave | Register) -> None:
        """Take a frame, once there is room for what it asks."""

    def leave(self, line: Line) -> None:
        """A connection is over. Idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all connections: the registry, when the server is to end, how long a worker may take, and how deep
    the JSON of an answer may be."""

    registry: Registry
    ending: asyncio.Event
    times: Times
    max_depth: int = MAX_DEPTH


class Unwelcome(Exception):
    """A connection is ended before its worker is registered."""

    def __init__(self, close_code: int, code: str, message: str) -> None:
        super().__init__(message)
        self.close_code, self.code, self.message = close_code, code, message


async def talk(channel: Channel, desks: Desks, terms: Terms) -> None:
    """Serve a connection until it is over, or the server is to end."""
    line = Line(channel, terms.times.send / 1000)
    sending = asyncio.ensure_future(line.run())
    ended = asyncio.ensure_future(terms.ending.wait())
    reading = asyncio.ensure_future(_reading(channel, line, desks, terms))
    parts = (sending, ended, reading)
    try:
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        if terms.ending.is_set():
            line.put(ENDS)
            line.close(ENDING, "the server ends")
        line.close(FINE, "")
        await asyncio.wait((sending,), timeout=FAREWELL_S)
    finally:
        desks.leave(line)
        for part in parts:
            part.cancel()
        await asyncio.wait(parts)
        await line.end()


async def _reading(channel: Channel, line: Line, desks: Desks, terms: Terms) -> None:
    try:
        frame = await _registered(channel, terms)
        if frame is None or not desks.join(line, frame, await desks.unwanted(frame.holding)):
            return
        while (text := await channel.receive()) is not None:
            await _heard(line, frame.id, text, desks, terms)
    except Unwelcome as unwelcome:
        log.info("websocket.unwelcome", code=unwelcome.code, error=unwelcome.message)
        line.put(fault(unwelcome.code, unwelcome.message))
        line.close(unwelcome.close_code, unwelcome.message)
    except Exception:  # the root of a connection: what breaks it must not break the others
        log.exception("websocket.failed")
        line.close(BROKEN, "the server made a mistake; its log says more")


async def _registered(channel: Channel, terms: Terms) -> Register | None:
    """The first frame, once the worker is registered; None where nothing came. Raises Unwelcome."""
    try:
        async with asyncio.timeout(terms.times.register / 1000):
            text = await channel.receive()
    except TimeoutError:
        raise Unwelcome(LEFT, "frame.missing", f"no `register` came within {terms.times.register} ms") from None
    if text is None:
        return None
    try:
        frame = _read(text, terms)
    except FrameInvalid as invalid:
        raise Unwelcome(LEFT, "frame.invalid", str(invalid)) from None
    if not isinstance(frame, Register):
        raise Unwelcome(LEFT, "frame.unexpected", "the first frame of a connection is `register`")
    try:
        await terms.registry.dialled(frame)
    except StoreUnavailable as away:
        raise Unwelcome(LATER, away.code, away.message) from away
    except EngineError as error:
        raise Unwelcome(REFUSED, stable_code(error), error.message) from error
    return frame


async def _heard(line: Line, worker_id: str, text: str, desks: Desks, terms: Terms) -> None:
    try:
        frame = _read(text, terms)
    except FrameInvalid as invalid:
        log.info("websocket.frame", worker_id=worker_id, error=str(invalid))
        return line.put(fault("frame.invalid", str(invalid), invalid.corr))
    await desks.heard(line, frame)
    if isinstance(frame, Heartbeat) and frame.said():
        try:
            await terms.registry.noted(worker_id, frame)
        except EngineError as error:
            log.warning("websocket.unnoted", worker_id=worker_id, error=error.message)


def _read(text: str, terms: Terms) -> Register | Heartbeat | Acknowledge | Feedback | Result | Leave:
    """Raises FrameInvalid."""
    try:
        return read_frame(loads(text, max_depth=terms.max_depth + FRAMING, unique=True))
    except CodecError as error:
        raise FrameInvalid(error.message) from None
