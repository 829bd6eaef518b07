"""What the tests of deliveries are made of: work, workers, a listener that remembers, and a worker that speaks HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from dispatch._envelope import Envelope
from dispatch._http import Http
from dispatch._inbox import Inbox, Receipt
from dispatch._presence import Presence
from dispatch._transport import Tools
from engine.errors import StoreUnavailable
from engine.model import RunId, TaskId
from engine.outbox import Reply, Stay, Work
from engine.ports import WorkerRow
from engine.view import Request

PATIENCE_S = 10.0
"""How long a test waits for what has to happen."""
NOW = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""


def a_request(**changes: Any) -> Request:
    values: dict[str, Any] = {"prompt": "hi", "input": {}, "state": {}, "parameters": {}, "config": {}}
    return Request(**(values | changes))


def a_work(task_id: str = "t1", **changes: Any) -> Work:
    values: dict[str, Any] = {
        "run_id": RunId("run-1"),
        "task_id": TaskId(task_id),
        "workflow_id": "flow",
        "workflow_version": 1,
        "node": "a",
        "attempt": 1,
        "request": a_request(),
        "tags": ("x",),
        "timeout_ms": 60_000,
    }
    return Work(**(values | changes))


def a_worker(worker_id: str = "w1", **changes: Any) -> WorkerRow:
    values: dict[str, Any] = {"id": worker_id, "protocol": "webhook", "tags": ("x",), "max_concurrent": 1}
    return WorkerRow(**(values | changes))


def an_envelope(pieces: tuple[bytes, ...], message_id: str = "t1", **changes: Any) -> Envelope:
    """A request of a task as transports get it."""
    values: dict[str, Any] = {
        "pieces": pieces,
        "headers": {"Idempotency-Key": message_id, "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"},
        "task_id": TaskId(message_id),
        "message_id": message_id,
        "attempt": 1,
        "reply_to": f"http://clew.test/v1/tasks/{message_id}/result?token=s",
        "correlation_id": f"{message_id}.s",
    }
    return Envelope(**(values | changes))


def some_tools(http: Http | None = None, inbox: Inbox | None = None, **changes: Any) -> Tools:
    """What transports are given; an inbox that nobody looks into where none is given."""
    values: dict[str, Any] = {
        "http": http or Http(),
        "clock": lambda: NOW,
        "inbox": inbox or Caught(),
        "presence": Presence(),
        "server": "test",
    }
    return Tools(**(values | changes))


def by_id(*workers: WorkerRow) -> dict[str, WorkerRow]:
    return {worker.id: worker for worker in workers}


def reply_to(work: Work) -> str:
    return f"http://clew.test/v1/tasks/{work.task_id}/result?token=s"


class Watched:
    """Something in which a test waits for what has to happen."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Something has happened: who waits looks again."""
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; looked at again whenever something has happened."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class Caught(Watched):
    """An inbox that remembers what came; `down` has it refuse everything for now, as a store does that is away."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[tuple[str, Any]] = []
        self.reports: list[tuple[str, Any]] = []
        self.beats: list[str] = []
        self.receipt = Receipt()
        self._down = False
        self.asked = 0

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        self._down = down
        self.changed()

    async def result(self, correlation_id: str, body: Any) -> Receipt:
        return self._noted(self.results, (correlation_id, body))

    async def report(self, correlation_id: str, reports: Any) -> Receipt:
        return self._noted(self.reports, (correlation_id, list(reports)))

    async def heartbeat(self, correlation_id: str) -> Receipt:
        return self._noted(self.beats, correlation_id)

    def _noted(self, into: list[Any], what: Any) -> Receipt:
        self.asked += 1
        self.changed()
        if self.down:
            raise StoreUnavailable("the store is away")
        into.append(what)
        return self.receipt


class Told(Watched):
    """A listener that remembers what it was told, and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatches: list[tuple[str, str]] = []
        self.deadlines: dict[str, tuple[int, int]] = {}
        self.reasons: list[tuple[str, str]] = []
        self.rooms: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.on_reply: Callable[[Work, Reply], None] = lambda work, reply: None
        self.on_dispatch: Callable[[Work], None] = lambda work: None

    def dispatched(self, work: Work, worker_id: str, at: int, deadline: int, ack_by: int | None = None) -> None:
        self.dispatches.append((work.task_id, worker_id))
        self.deadlines[work.task_id] = (at, deadline)
        self.on_dispatch(work)
        self.changed()

    def waiting(self, work: Work, reason: str) -> None:
        self.reasons.append((work.task_id, reason))
        self.changed()

    def replied(self, work: Work, worker_id: str, reply: Reply) -> None:
        self.replies[work.task_id] = reply
        self.on_reply(work, reply)
        self.changed()

    def moved_in(self, stay: Stay) -> None:
        self.rooms.append(stay.task_id)

    def kept_out(self, stay: Stay, reason: str, passed: int) -> None:
        self.reasons.append((stay.task_id, reason))

    async def reply(self, task_id: str) -> Reply:
        await self.until(lambda: task_id in self.replies)
        return self.replies[task_id]

    @property
    def order(self) -> list[str]:
        return [task_id for task_id, _ in self.dispatches]


@dataclass(slots=True)
class FakeTimer:
    """A timer that goes off when the test says so."""

    seconds: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(slots=True)
class FakeLater:
    """Remembers what was arranged for later."""

    timers: list[FakeTimer] = field(default_factory=list)

    def __call__(self, seconds: float, call: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(seconds, call))
        return self.timers[-1]

    @property
    def pending(self) -> list[float]:
        return [timer.seconds for timer in self.timers if not timer.cancelled]

    def fire(self) -> None:
        """All timers that are pending go off."""
        due, self.timers = self.timers, []
        for timer in due:
            if not timer.cancelled:
                timer.call()


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that reached an HTTP worker."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    method: str = "POST"

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)


Handler = Callable[[Seen, web.Request], Awaitable[web.StreamResponse]]


def answer(body: Any, status: int = 200, **options: Any) -> Handler:
    """A handler that always gives this JSON."""

    async def handle(seen: Seen, request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", **options)

    return handle


def raw(body: bytes, content_type: str, status: int = 200) -> Handler:
    """A handler that always gives these bytes."""

    async def handle(seen: Seen, request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={"Content-Type": content_type} if content_type else {})

    return handle


async def hang(seen: Seen, request: web.Request) -> web.StreamResponse:
    """A handler that never answers: it is cancelled when the caller hangs up or the server stops."""
    await asyncio.Event().wait()
    raise AssertionError("nobody waits for this")


async def drop(seen: Seen, request: web.Request) -> web.StreamResponse:
    """A handler that closes the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class HttpWorker(Watched):
    """A worker on a free port of 127.0.0.1. `script` holds a handler per call, the last one repeats."""

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.script: list[Handler] = [answer({"output": "done"})]
        self.seen: list[Seen] = []
        self.active: dict[str, int] = {}
        self.peak = 0
        self.hung_up = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(request.path, request.headers, await request.read(), request.method)
        self.seen.append(seen)
        self.active[seen.path] = self.active.get(seen.path, 0) + 1
        self.peak = max(self.peak, sum(self.active.values()))
        self.changed()
        try:
            return await self.script[min(len(self.seen), len(self.script)) - 1](seen, request)
        except asyncio.CancelledError:
            self.hung_up.set()
            raise
        finally:
            self.active[seen.path] -= 1
            self.changed()


@asynccontextmanager
async def http_worker() -> AsyncIterator[HttpWorker]:
    """Serve an HttpWorker as long as the block lasts."""
    worker = HttpWorker()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", worker.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        worker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield worker
    finally:
        await runner.cleanup()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
