"""Reads the response of a model server: a stream of chunks, or one JSON body, whichever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dispatch._chat_completion import Completion
from dispatch._chat_errors import Said, error_in
from dispatch._chat_sse import EventReader, TooLong
from dispatch._http import MAX_BODY, Broken, HttpFailure, Incoming, TooLarge

DONE = b"[DONE]"
REST_S = 0.05
"""So long the end of a response is waited for when its answer is there, so that the connection can be used again."""
EXCERPT = 200

Tell = Callable[[str, str], None]


class Malformed(Exception):
    """An event holds no JSON: nobody knows what is missing then."""


class Failed(Exception):
    """The server reports an error in the middle of its answer."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.message)
        self.said = said


@dataclass(slots=True, kw_only=True)
class Heard:
    """What a server said with a status of success: a completion that is whole; or an error (`said`), or something that
    is no completion (`problem`)."""

    status: int
    headers: Mapping[str, str]
    completion: Completion = field(default_factory=Completion)
    said: Said | None = None
    problem: str = ""


async def heard(incoming: Incoming, tell: Tell) -> Heard | HttpFailure:
    """Read a response; `tell(channel, text)` is called with what is said, as it comes. A failure is returned."""
    found = Heard(status=incoming.status, headers=incoming.headers)
    try:
        begin = await _begin(incoming)
        if begin.lstrip().startswith(b"{"):
            _take_whole(found, (await incoming.whole(begin)).body)
        else:
            await _take_stream(found, incoming, begin, tell)
    except Failed as failed:
        found.said = failed.said
    except Malformed as malformed:
        found.problem = str(malformed)
    except HttpFailure as failure:
        return failure
    return found


async def _begin(incoming: Incoming) -> bytes:
    """The body up to the first thing that is said in it."""
    begin = b""
    while not begin.strip() and len(begin) < MAX_BODY and (part := await incoming.part()):
        begin += part
    return begin


def _take_whole(found: Heard, body: bytes) -> None:
    """Read a response that is JSON, whatever was asked for. Raises Failed or Malformed."""
    for _ in _chunks(found.completion, body):
        pass
    if not found.completion.known:
        found.problem = f"the response is no completion: it has no `choices`, but {_excerpt(body)}"


async def _take_stream(found: Heard, incoming: Incoming, begin: bytes, tell: Tell) -> None:
    """Read a stream up to its end. Raises Failed, Malformed, or one of the HttpFailures."""
    stream = _Stream(found.completion, tell)
    part = begin
    try:
        while part and not stream.feed(part):
            part = await incoming.part()
    except Broken:
        if found.completion.finish is None:  # else all was said, and only what it has cost may be missing
            raise
        return
    stream.end()
    if not stream.seen:
        found.problem = f"the response is no completion, but {_excerpt(begin)}"
    elif found.completion.finish is None and not stream.done:
        raise Broken("the stream ended before the answer was whole")
    elif not found.completion.known:
        found.problem = "the stream is no completion: it ended without any `choices`"
    await _rest(incoming)


class _Stream:
    """The events of a stream, added to a completion. `done`: it has said that it ends; `seen`: it had any event."""

    def __init__(self, completion: Completion, tell: Tell) -> None:
        self._completion, self._tell = completion, tell
        self._events = EventReader(MAX_BODY)
        self.done = self.seen = False

    def feed(self, part: bytes) -> bool:
        """Take a part; whether that was all. Raises Failed, Malformed or TooLarge."""
        try:
            self._take(self._events.feed(part))
        except TooLong as error:
            raise TooLarge(str(error)) from error
        return self.done

    def end(self) -> None:
        """Take an event that was not ended, unless it is cut: what is missing then shows in what is not there."""
        if self.done:
            return
        try:
            self._take(self._events.end())
        except Malformed:
            return

    def _take(self, events: Iterator[bytes]) -> None:
        for data in events:
            if not data or self.done:
                continue
            self.seen = True
            if data.strip() == DONE:
                self.done = True
                continue
            for channel, text in _chunks(self._completion, data):
                self._tell(channel, text)
            if self._completion.size > MAX_BODY:
                raise TooLarge(f"the answer is longer than {MAX_BODY} characters")


def _chunks(completion: Completion, data: bytes) -> Iterator[tuple[str, str]]:
    """Add the chunks in the data of an event to a completion. Raises Failed or Malformed."""
    for chunk in _values(data):
        if (said := error_in(chunk)) is not None:
            raise Failed(said)
        yield from completion.take(chunk)


def _values(data: bytes) -> list[Any]:
    """The JSON of an event; of each of its lines, where a server has no blank lines between its events."""
    try:
        return [orjson.loads(data)]
    except orjson.JSONDecodeError as error:
        broken = error
    lines = [line for line in data.split(b"\n") if line.strip() not in (b"", DONE)]
    try:
        return [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError:
        raise Malformed(f"what should be JSON is {_excerpt(data)}") from broken


async def _rest(incoming: Incoming) -> None:
    """Read to the end of the response, where that is at hand."""
    try:
        async with asyncio.timeout(REST_S):
            while await incoming.part():
                pass
    except (TimeoutError, HttpFailure):
        return


def _excerpt(body: bytes) -> str:
    shown = body[: 4 * EXCERPT].decode(errors="replace")[:EXCERPT]
    return repr(shown) if shown.strip() else "empty"
