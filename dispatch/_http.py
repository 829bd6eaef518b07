"""The HTTP client that reaches workers: one pool of connections, and failures told apart by what may have been sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from time import monotonic
from typing import Any, TypeVar, cast

import aiohttp
from aiohttp import SocketFactoryType
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from aiohttp.payload import BytesPayload, Payload

from engine.encoding import Pieces
from engine.errors import EngineError
from engine.values import dataclass

MAX_BODY = 8 * 1024 * 1024
"""The largest response body that is read, in bytes, once it is unpacked."""
CONNECT_S = 10.0
"""How long making a connection may take, in seconds; never more than half of the time for the whole request."""
KEEP_S = 4.0
"""How long an idle connection is kept, in seconds: less than most servers keep it, so that we are the one to close."""
IDLE_S = 1.0
"""After so many seconds without use the other side may be closing a connection without our having heard of it."""

_AT_ONCE = 1024 * 1024  # a longer body is written in parts, so that the loop is not held up
_MAX_KNOWN = 10_000
Found = TypeVar("Found")
_DROPPED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class HttpFailure(EngineError):
    """A request without a response."""

    code = "http.failed"


class NotConnected(HttpFailure):
    """No connection could be made: nothing was sent."""


class Broken(HttpFailure):
    """It failed after the connection was made: the other side may have seen the request.

    `dropped`: the connection ended before there was any response.
    """

    def __init__(self, message: str, *, dropped: bool = False) -> None:
        super().__init__(message)
        self.dropped = dropped


class TooLarge(HttpFailure):
    """The response is larger than what is read."""


class Unsendable(HttpFailure):
    """The request cannot be made at all: its address or one of its headers is not valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole response. `content_type` has no parameters; it is empty when none was sent."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content_type: str
    charset: str
    body: bytes


class Incoming:
    """A response whose body is still to be read, once: as a `whole`, or by `part`."""

    def __init__(self, response: aiohttp.ClientResponse, max_body: int) -> None:
        self._response, self._max_body = response, max_body

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def part(self) -> bytes:
        """What has come of the body, unpacked, once there is anything; empty at its end. All parts together may be
        longer than what is read as a whole. Raises Broken where it is cut."""
        try:
            return await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise _broken(error) from error

    async def whole(self, begin: bytes = b"") -> Response:
        """All of it, behind what was read before. Raises Broken, and TooLarge for a body that is too long."""
        parts, size = [begin] if begin else [], len(begin)
        while part := await self.part():
            parts.append(part)
            size += len(part)
            if size > self._max_body:
                raise TooLarge(f"the response is larger than {self._max_body} bytes")
        response = self._response
        return Response(
            status=response.status,
            reason=response.reason or "",
            headers=response.headers,
            content_type=response.content_type if "Content-Type" in response.headers else "",
            charset=response.charset or "utf-8",
            body=parts[0] if len(parts) == 1 else b"".join(parts),
        )


class Http:
    """A client without cookies, proxies from the environment, redirects, or memory of what it sent.

    Open connections are bounded by the number of requests under way, which is the caller's to bound, and by `keep_s`.
    `socket_factory` makes the sockets, and may refuse one to an address by an OSError.
    """

    def __init__(
        self,
        *,
        max_body: int = MAX_BODY,
        connect_s: float = CONNECT_S,
        keep_s: float = KEEP_S,
        idle_s: float = IDLE_S,
        socket_factory: SocketFactoryType | None = None,
    ) -> None:
        self._max_body = max_body
        self._socket_factory = socket_factory
        self._connect_s = connect_s
        self._keep_s = keep_s
        self._idle_s = idle_s
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._last_used: dict[str, float] = {}

    async def post(self, url: str, body: Pieces, headers: Mapping[str, str], timeout_s: float) -> Response:
        """POST `body`; the caller ends the wait after `timeout_s`. Raises one of the HttpFailures.

        A connection that lay idle and is dropped before any response had most likely been closed by the other side
        already: the request is sent once more over a fresh one. So a request has to carry an idempotency key.
        """
        return await self._sent(
            url, lambda fresh: self._request("POST", url, _written(body), headers, timeout_s, fresh=fresh)
        )

    @asynccontextmanager
    async def stream(
        self, url: str, body: Pieces, headers: Mapping[str, str], timeout_s: float
    ) -> AsyncIterator[Incoming]:
        """POST `body` as `post` does, for a response that is read while it comes. When the block is left before the
        response has ended, the connection is closed."""
        response = await self._sent(
            url, lambda fresh: self._begun("POST", url, _written(body), headers, timeout_s, fresh=fresh)
        )
        try:
            async with response:
                yield Incoming(response, self._max_body)
        finally:
            self._note_use(url)

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> Response:
        """GET; the caller ends the wait after `timeout_s`. Raises one of the HttpFailures."""
        return await self._sent(url, lambda fresh: self._request("GET", url, None, headers, timeout_s, fresh=fresh))

    async def delete(self, url: str, headers: Mapping[str, str], timeout_s: float) -> Response:
        """DELETE, with no body; the caller ends the wait after `timeout_s`. Raises one of the HttpFailures."""
        return await self._request("DELETE", url, None, headers, timeout_s, fresh=False)

    async def close(self) -> None:
        """Close all connections; idempotent."""
        while self._sessions:
            await self._sessions.popitem()[1].close()

    def _may_be_stale(self, url: str) -> bool:
        """Whether an idle connection to this server can be in the pool, for long enough to have been closed."""
        last_used = self._last_used.get(_server(url))
        return last_used is not None and self._idle_s <= monotonic() - last_used <= self._keep_s

    async def _sent(self, url: str, send: Callable[[bool], Awaitable[Found]]) -> Found:
        """What comes of a request, which `send(fresh)` makes; once more where its connection may have been stale."""
        may_be_stale = self._may_be_stale(url)
        try:
            return await send(False)
        except Broken as broken:
            if not (broken.dropped and may_be_stale):
                raise
        try:
            return await send(True)
        except NotConnected as gone:
            raise Broken(f"the connection was dropped, then: {gone.message}") from gone

    async def _request(
        self, method: str, url: str, data: Any, headers: Mapping[str, str], timeout_s: float, *, fresh: bool
    ) -> Response:
        async with await self._begun(method, url, data, headers, timeout_s, fresh=fresh) as response:
            found = await Incoming(response, self._max_body).whole()
        self._note_use(url)
        return found

    async def _begun(
        self, method: str, url: str, data: Any, headers: Mapping[str, str], timeout_s: float, *, fresh: bool
    ) -> aiohttp.ClientResponse:
        """A response of which the head is there. Whoever gets it closes it."""
        connect_s = min(self._connect_s, timeout_s / 2)
        session = self._sessions.get(fresh) or self._open(fresh=fresh)
        try:
            return await session.request(
                method, url, data=data, headers=headers, allow_redirects=False, timeout=_connecting(connect_s)
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise NotConnected(f"no connection within {connect_s:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise NotConnected(str(error)) from error
        except (aiohttp.NonHttpUrlClientError, ValueError) as error:  # InvalidURL is a ValueError
            raise Unsendable("the address, the token or a header is not one that HTTP can carry") from error
        except aiohttp.ClientError as error:
            raise _broken(error) from error

    def _note_use(self, url: str) -> None:
        """A connection to this server was in use until now."""
        if len(self._last_used) >= _MAX_KNOWN:
            self._last_used.clear()
        self._last_used[_server(url)] = monotonic()

    def _open(self, *, fresh: bool) -> aiohttp.ClientSession:
        """The pool, or the session whose every request has a connection of its own, where it is used first."""
        connector = (
            aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=self._socket_factory)
            if fresh
            else aiohttp.TCPConnector(limit=0, keepalive_timeout=self._keep_s, socket_factory=self._socket_factory)
        )
        session = self._sessions[fresh] = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "clew"},
            trust_env=False,
        )
        return session


class _InPieces(Payload):
    """A body that is written as it lies in memory: no copy of it is made, and what is not sent yet takes no memory of
    its own, so that nothing waits between two pieces."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces, content_type="application/json")
        self._size = sum(map(len, pieces))

    async def write(self, writer: AbstractStreamWriter) -> None:
        body = cast("StreamWriter", writer)
        for piece in self._value:
            for start in range(0, len(piece), _AT_ONCE):
                part = piece if len(piece) <= _AT_ONCE else piece[start : start + _AT_ONCE]
                await body.write(part, drain=len(piece) > _AT_ONCE)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def as_bytes(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"".join(self._value)


def _written(body: Pieces) -> Any:
    """A body as the client takes it."""
    if len(body) > 1 or len(body[0]) >= _AT_ONCE:
        return _InPieces(body)
    return BytesPayload(body[0])  # as the client would find out by asking for each kind of body in turn


@lru_cache(maxsize=1024)
def _connecting(seconds: float) -> aiohttp.ClientTimeout:
    """So long a connection may take to be made, and everything else as long as it wants."""
    return aiohttp.ClientTimeout(total=None, connect=seconds)


def _broken(error: aiohttp.ClientError) -> Broken:
    message = f"no complete response: {str(error) or type(error).__name__}"
    return Broken(message, dropped=isinstance(error, _DROPPED))


@lru_cache(maxsize=_MAX_KNOWN)
def _server(url: str) -> str:
    """Scheme, host and port: what connections are pooled by."""
    return "/".join(url.split("/", 3)[:3])
