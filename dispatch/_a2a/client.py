"""Asks an agent: JSON-RPC over HTTP, answered at once or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import orjson

from dispatch._a2a.dialect import Operation
from dispatch._a2a.model import Event
from dispatch._a2a.params import SPEAKS
from dispatch._a2a.read import Unreadable, read_event
from dispatch._chat_sse import EventReader, TooLong
from dispatch._http import MAX_BODY, Broken, Http, Incoming, Response, TooLarge
from engine.codec import CodecError, loads
from engine.errors import EngineError
from engine.values import dataclass

QUIET_S = 60.0
"""A stream that says nothing for so long, not even that it is there, is taken for lost."""
EVENTS = "text/event-stream"


class Said(EngineError):
    """The agent answered with an error of JSON-RPC."""

    code = "agent.error"

    def __init__(self, number: int, message: str, details: Any = None) -> None:
        super().__init__(message or f"the agent answered with the error {number}")
        self.number, self.details = number, details


class NotAnswered(EngineError):
    """There was a response of HTTP that is no answer to what was asked."""

    code = "a2a.not_answered"

    def __init__(self, response: Response) -> None:
        super().__init__(f"the agent answered {response.status} {response.reason}".rstrip())
        self.response = response


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and how many bytes it took."""

    event: Event
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Asks at one address, in one version. All of it raises HttpFailure, Said, NotAnswered or Unreadable."""

    http: Http
    url: str
    version: str
    headers: Mapping[str, str]
    tenant: str | None = None

    def knows(self, operation: Operation) -> bool:
        """Whether an operation exists in the version."""
        return operation in SPEAKS[self.version].methods

    async def call(
        self, operation: Operation, params: Any, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The result of what is asked. The caller ends the wait after `timeout_s`."""
        body = (orjson.dumps(self._request(operation, params)),)
        response = await self.http.post(self.url, body, {**(headers or {}), **self.headers}, timeout_s)
        return _result(response)

    @asynccontextmanager
    async def stream(
        self,
        operation: Operation,
        params: Any,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        quiet_s: Callable[[], float | None] = lambda: QUIET_S,
    ) -> AsyncIterator[AsyncIterator[Told]]:
        """What is told until the agent ends it. When the block is left before that the connection is closed. `quiet_s`
        says for how long the stream may say nothing before it is taken for lost; None: for ever."""
        body = (orjson.dumps(self._request(operation, params)),)
        given = {**(headers or {}), **self.headers, "accept-encoding": "identity"}
        async with self.http.stream(self.url, body, given, timeout_s) as incoming:
            if incoming.status != 200 or not incoming.headers.get("Content-Type", "").startswith(EVENTS):
                response = await incoming.whole()
                yield _once(Told(read_event(_result(response)), len(response.body)))
                return
            async with aclosing(_events(incoming, quiet_s)) as told:
                yield told

    def _request(self, operation: Operation, params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": 1, "method": SPEAKS[self.version].methods[operation], "params": params}


async def _once(told: Told) -> AsyncIterator[Told]:
    yield told


async def _events(incoming: Incoming, quiet_s: Callable[[], float | None]) -> AsyncGenerator[Told, None]:
    reader, at_end = EventReader(MAX_BODY), False
    while not at_end:
        part = await _part(incoming, quiet_s())
        at_end = not part
        try:
            for data in reader.feed(part) if part else reader.end():
                if data.strip():
                    yield Told(read_event(_result_of(data)), len(data))
        except TooLong as long:
            raise TooLarge(str(long)) from long


async def _part(incoming: Incoming, quiet_s: float | None) -> bytes:
    try:
        async with asyncio.timeout(quiet_s):
            return await incoming.part()
    except TimeoutError as error:
        raise Broken(f"the stream said nothing for {quiet_s:g} s") from error


def _result(response: Response) -> Any:
    """What a response says. An error of JSON-RPC is one under every status; only who may not ask is told by HTTP."""
    if response.status in (401, 403):
        raise NotAnswered(response)
    try:
        return _result_of(response.body)
    except Unreadable:
        if response.status != 200:
            raise NotAnswered(response) from None
        raise


def _result_of(body: bytes) -> Any:
    try:
        given = loads(body)
    except CodecError as error:
        raise Unreadable("", f"the answer is no JSON: {error}") from error
    if not isinstance(given, dict) or not ("result" in given or "error" in given):
        raise Unreadable("", "the answer is none of JSON-RPC: it has neither a result nor an error")
    refusal = given.get("error")
    if isinstance(refusal, dict):
        number, message = refusal.get("code"), refusal.get("message")
        raise Said(number if isinstance(number, int) else 0, str(message or ""), refusal.get("data"))
    if refusal is not None or given.get("result") is None:
        raise Unreadable("result", "there is nothing in it")
    return given["result"]
