"""A server under load: hundreds of listeners of one run, and thousands of runs that wait for people."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import cast
from urllib.parse import urlsplit

import orjson

from bench.documents import listened, waiting
from bench.report import Figure, Section
from bench.rest import AT_ONCE, Place, place
from tests.e2e.processes import Server

STREAMS, STEPS = 500, 200
LAG_MS = 250.0
FEW, MANY = 5_000, 20_000
BYTES_A_RUN = 2048
PATIENCE_S = 300.0
SETTLED_S = 1.0


class Listener(asyncio.Protocol):
    """One stream of a run, over a bare socket: notes the ids of its events, and how late each came."""

    def __init__(self, path: str, host: str) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode()
        self.ids: list[bytes] = []
        self.lags_ms: list[float] = []
        self.listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for text in whole:
            _, found, rest = text.partition(b"id: ")
            if not found:
                continue
            name, _, more = rest.partition(b"\n")
            if more.startswith(b"event: end"):
                self.over.set_result(None)
                self._transport.close()
                return
            self.ids.append(name)
            if not self.listening.done():
                self.listening.set_result(None)
            if more.startswith(b"event: updates"):
                at = orjson.loads(more.partition(b"data: ")[2])["at"]
                self.lags_ms.append(1000 * (now - datetime.fromisoformat(at).timestamp()))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the stream was cut"))


async def load(quick: bool) -> list[Section]:
    """The listeners, then the runs that wait."""
    return [await _listeners(100 if quick else STREAMS), await _waiting(*((500, 2_000) if quick else (FEW, MANY)))]


async def _listeners(count: int) -> Section:
    """One run whose worker takes its time, with so many listeners before it begins."""
    async with place(listened(STEPS)) as found:
        await found.client.ask("PATCH", "/workers/bench", {"url": f"{found.worker}/slow"})
        run = await found.client.start("listened", wait=PATIENCE_S)
        path = f"/v1/runs/{run['id']}/stream"
        listeners = await _listen(found.server, path, count)
        begun, cpu = time.perf_counter(), found.server.cpu_s()
        await found.client.ask("POST", f"/runs/{run['id']}/resume", {"resume": True})
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(listener.over for listener in listeners))
        took, cpu = time.perf_counter() - begun, found.server.cpu_s() - cpu
        (whole,) = await _listen(found.server, path, 1)
        await whole.over
    lags = sorted(lag for listener in listeners for lag in listener.lags_ms)
    wrong = sum(listener.ids != whole.ids for listener in listeners)
    late = lags[int(len(lags) * 0.99)]
    note = f"median {lags[len(lags) // 2]:.0f}, most {lags[-1]:.0f}; server: {100 * cpu / took:.0f} % of a core"
    return Section(
        f"{count} streams of one run, {STEPS / took:.0f} commits a second",
        [
            Figure(
                name="from the commit to the listener, 99th percentile", value=late, unit="ms", most=LAG_MS, note=note
            ),
            Figure(name="streams that lost or repeated an event", value=wrong, unit="", most=0),
            Figure(name="events told", value=sum(len(listener.ids) for listener in listeners) / took, unit="events/s"),
        ],
    )


async def _listen(server: Server, path: str, count: int) -> list[Listener]:
    loop, host = asyncio.get_running_loop(), urlsplit(server.url).netloc
    made = [loop.create_connection(lambda: Listener(path, host), "127.0.0.1", server.port) for _ in range(count)]
    listeners = [listener for _, listener in await asyncio.gather(*made)]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(listener.listening for listener in listeners))
    return listeners


async def _waiting(few: int, many: int) -> Section:
    """So many runs that wait for an answer: what each adds to the memory of the server."""
    async with place(waiting()) as found:
        await _started(found, few)
        before = await _settled(found)
        begun = time.perf_counter()
        await _started(found, many - few)
        took, after = time.perf_counter() - begun, await _settled(found)
    each = (after - before) / (many - few)
    note = f"{before / 2**20:.1f} MiB with {few:,}, {after / 2**20:.1f} MiB with {many:,}"
    return Section(
        f"{many:,} runs that wait for people",
        [
            Figure(name="memory of the server for each", value=each, unit="bytes", most=BYTES_A_RUN, note=note),
            Figure(name="started by 32 clients", value=(many - few) / took, unit="runs/s"),
        ],
    )


async def _started(found: Place, count: int) -> None:
    async def some(share: int) -> None:
        for _ in range(share):
            await found.client.start("waiting")

    await asyncio.gather(*(some(count // AT_ONCE + (place < count % AT_ONCE)) for place in range(AT_ONCE)))


async def _settled(found: Place) -> int:
    """Bytes of memory that the server holds once no run is under way."""
    until = time.monotonic() + PATIENCE_S
    while (await found.client.ask("GET", "/runs", status="running,queued", limit=1))["items"]:
        if time.monotonic() > until:
            raise RuntimeError("the runs do not come to rest")
        await asyncio.sleep(SETTLED_S)
    await asyncio.sleep(SETTLED_S)
    return found.server.memory()
