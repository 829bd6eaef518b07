"""One connection to Redis: what many ask for at a time goes out together, and the replies come back in order."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import structlog
from redis.asyncio import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from dispatch._redis_address import Place
from engine.values import dataclass

CONNECT_S = 5.0
REPLY_S = 5.0
"""For how long a reply may be awaited, beyond what a command may block by itself and what its size needs."""
BYTES_PER_S = 1024 * 1024
MAX_ASKED, MAX_BYTES = 256, 4 * 1024 * 1024
"""So much goes out together at most, if it is more than one."""

RESP2 = 2
"""Replies have the shape that every server knows."""

Command = tuple[bytes | str | int, ...]
log = structlog.get_logger(__name__)


class Away(Exception):
    """Redis cannot be asked now; the message says why, without credentials."""


class NotConnected(Away):
    """Nothing was carried out."""


class Cut(Away):
    """The connection was lost: it is not known whether anything was carried out."""


@dataclass(frozen=True, slots=True)
class _Asked:
    commands: tuple[Command, ...]
    size: int
    wait_s: float
    replies: asyncio.Future[list[Any]]


class Wire:
    """Connects when something is asked, and again after that was lost. Errors that Redis reports are replies."""

    def __init__(self, place: Place, *, reply_s: float = REPLY_S, connect_s: float = CONNECT_S) -> None:
        self._place, self._reply_s, self._connect_s = place, reply_s, connect_s
        self._queue: deque[_Asked] = deque()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self.connects = 0
        """How often a connection was made: what was learnt over another one may hold no longer."""

    async def ask(self, *commands: Command, wait_s: float = 0.0) -> list[Any]:
        """The replies to commands, which are carried out one after the other, in one transmission; `wait_s` is for how
        long they may block. A reply that is an error is a ResponseError in its place. Raises NotConnected or Cut."""
        loop = asyncio.get_running_loop()
        size = sum(len(part) for command in commands for part in command if isinstance(part, bytes))
        asked = _Asked(commands, size, wait_s, loop.create_future())
        self._queue.append(asked)
        if self._task is None:
            self._task = loop.create_task(self._run(), name=f"redis {self._place}")
        return await asked.replies

    async def close(self) -> None:
        """Drop the connection, and fail what is asked still. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._drop()

    async def _run(self) -> None:
        """Carry out what is asked until nothing is left."""
        batch: list[_Asked] = []
        try:
            while batch := self._batch():
                await self._carry_out(batch)
        except Exception as broken:  # the root of a connection's task: what is asked must not wait for ever
            log.exception("redis.failed", broker=str(self._place))
            await self._drop()
            _fail(batch, Cut(f"the connection failed: {type(broken).__name__}"))
        finally:
            _fail(batch, Cut("the connection was closed"))
            _fail(self._queue, NotConnected("the connection is closed"))
            self._queue.clear()
            self._task = None

    def _batch(self) -> list[_Asked]:
        """What goes out together now: nothing that nobody waits for any more."""
        taken: list[_Asked] = []
        size = 0
        while self._queue and len(taken) < MAX_ASKED and (not taken or size + self._queue[0].size <= MAX_BYTES):
            asked = self._queue.popleft()
            if not asked.replies.done():
                taken.append(asked)
                size += asked.size
        return taken

    async def _carry_out(self, batch: list[_Asked]) -> None:
        try:
            connection = await self._connected()
        except Away as away:
            _fail(batch, away)
            return
        wait_s = self._reply_s + sum(asked.wait_s + asked.size / BYTES_PER_S for asked in batch)
        try:
            async with asyncio.timeout(wait_s):
                packed = [part for asked in batch for command in asked.commands for part in _packed(command)]
                await connection.send_packed_command(packed, check_health=False)
                for asked in batch:
                    replies = [await _reply(connection) for _ in asked.commands]
                    if not asked.replies.done():
                        asked.replies.set_result(replies)
        except TimeoutError:
            await self._lost(batch, Cut(f"no reply within {wait_s:.1f} s"))
        except (BusyLoadingError, AuthenticationError) as error:  # whoever gets it once gets it for everything
            await self._lost(batch, NotConnected(f"Redis says: {error}"))
        except (RedisError, OSError) as error:
            await self._lost(batch, Cut(str(error) or type(error).__name__))
        except BaseException:
            await self._drop()
            raise

    async def _lost(self, batch: list[_Asked], away: Away) -> None:
        await self._drop()
        _fail(batch, away)

    async def _connected(self) -> Connection:
        """The connection, or a new one where there is none that can be used. Raises NotConnected."""
        if self._connection is not None and not await _is_stale(self._connection):
            return self._connection
        await self._drop()
        self._connection = connection = _connection(self._place)
        try:
            async with asyncio.timeout(self._connect_s):
                await connection.connect()  # type: ignore[no-untyped-call]  # the library has no types for it
        except TimeoutError:
            await self._drop()
            raise NotConnected(f"no connection within {self._connect_s:.1f} s") from None
        except (RedisError, OSError) as error:
            await self._drop()
            raise NotConnected(str(error) or type(error).__name__) from None
        except BaseException:
            await self._drop()
            raise
        self.connects += 1
        return connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


def _connection(place: Place) -> Connection:
    """One that does nothing by itself: every wait is bounded by whoever asks, and nothing is tried twice."""
    kind = SSLConnection if place.tls else Connection
    return kind(
        host=place.host,
        port=place.port,
        db=place.db,
        username=place.user,
        password=place.password,
        protocol=RESP2,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_S,
        retry=Retry(NoBackoff(), 0),
    )


def _packed(command: Command) -> Iterator[bytes]:
    """A command as it is sent: an array of strings. The library writes it in three times the time."""
    yield b"*%d\r\n" % len(command)
    for part in command:
        data = part if isinstance(part, bytes) else str(part).encode()
        yield b"$%d\r\n%b\r\n" % (len(data), data)


async def _is_stale(connection: Connection) -> bool:
    """Whether the server has hung up since, or has said what nobody asked for."""
    if not connection.is_connected:
        return True
    try:
        return bool(await connection.can_read())
    except RedisError:
        return True


async def _reply(connection: Connection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


def _fail(batch: Iterable[_Asked], away: Away) -> None:
    for asked in batch:
        if not asked.replies.done():
            asked.replies.set_exception(type(away)(str(away)))


def pauses(first_s: float = 0.1, most_s: float = 5.0) -> Iterator[float]:
    """How long to wait before each try, in seconds: doubled each time, and never quite what others wait."""
    for tries in count():
        yield min(most_s, first_s * 2 ** min(tries, 16)) * random.uniform(0.5, 1.0)
