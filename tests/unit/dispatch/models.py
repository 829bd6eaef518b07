"""Model servers that do as a test says: handlers for an HTTP worker, which stream as the real ones do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from tests.unit.dispatch.builders import Handler, Seen, answer

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DONE = b"data: [DONE]\n\n"


def chunk(delta: Any = None, finish: str | None = None, **fields: Any) -> bytes:
    """An event of a stream."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return b"data: " + orjson.dumps({"object": "chat.completion.chunk", "choices": [choice], **fields}) + b"\n\n"


def words(*texts: str, finish: str = "stop", usage: Any = USAGE) -> list[bytes]:
    """The events of an answer in these pieces."""
    costs = [b"data: " + orjson.dumps({"choices": [], "usage": usage}) + b"\n\n"] if usage else []
    begin = chunk({"role": "assistant", "content": ""})
    return [begin, *(chunk({"content": text}) for text in texts), chunk(finish=finish), *costs, DONE]


def streams(parts: Iterable[bytes], *, cut: bool = False, **headers: str) -> Handler:
    """A handler that sends these parts, and then ends the response, or breaks it off."""

    async def handle(seen: Seen, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return handle


def says(*texts: str, **fields: Any) -> Handler:
    """A handler that streams an answer in these pieces."""
    return streams(words(*texts, **fields))


def completion(text: str | None, finish: str = "stop", **fields: Any) -> dict[str, Any]:
    """A response that is not streamed."""
    message = {"role": "assistant", "content": text, **fields.pop("message", {})}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": USAGE, **fields}


def says_plainly(text: str | None, **fields: Any) -> Handler:
    """A handler that answers with one JSON body, whatever it was asked for."""
    return answer(completion(text, **fields))
