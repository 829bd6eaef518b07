"""Tasks a second over each transport, of workers that do nothing, beside clients that only send them the same.

Beside what goes over HTTP stands an aiohttp client as it comes, in a process of its own.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.bare import BODY, bare
from bench.documents import asking
from bench.mqtts import asked as asked_over_mqtt
from bench.pulls import asked as asked_by_pulling
from bench.report import Figure, Section
from bench.rest import AT_ONCE, LIMITS, Place, Variants, Work
from bench.sockets import asked
from bench.streams import asked as asked_over_redis
from tests.e2e.processes import Client, client_of, serving, working

LENGTH = 200
"""Tasks of a run: so many that they are measured, and not the starts of runs, which `rates` measures."""
MOST_ADDED_MS = 3.0
AS_JSON = {"openai": {"stream": False, "response_format": {"type": "json_object"}}}


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker that is there: what it registers with (None: it has registered itself), what sends it one request and
    has its answer, without us, and what sends it so many in each of 32 lanes, by the client that does so."""

    row: Mapping[str, Any] | None
    ask: Callable[[], Awaitable[object]]
    crowds: Mapping[str, Callable[[int], Awaitable[object]]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One transport: `least` tasks a second are wanted of it, a bare client is to do `most` times as many requests, and
    `open` has a worker there, given a folder and a client. `parameters` are those of the nodes that ask it."""

    open: Callable[[Path, Client], AbstractAsyncContextManager[Worker]]
    least: float | None = None
    most: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def _over_http(path: str, folder: Path, client: Client, **row: Any) -> AsyncIterator[Worker]:
    """A worker that answers POSTs to a path below the address that it registers with `row`."""
    folder.mkdir()
    async with (
        working("bench.worker", folder) as address,
        bare(address + path) as plain,
        bare(address + path, "--uvloop") as fast,
    ):

        async def ask() -> None:
            async with client.session.post(address + path, data=BODY) as response:
                await response.read()

        given = {"url": f"{address}{path}".removesuffix("/chat/completions"), **row}
        yield Worker(row=given, ask=ask, crowds={"aiohttp": plain.send, "aiohttp on uvloop": fast.send})


@asynccontextmanager
async def _over_a_socket(folder: Path, client: Client) -> AsyncIterator[Worker]:
    """A worker that dials in."""
    async with asked(folder, client.url, BODY) as asking:
        yield Worker(row=None, ask=asking.ask)


@asynccontextmanager
async def _over_mqtt(folder: Path, client: Client) -> AsyncIterator[Worker]:
    """A worker behind a broker."""
    async with asked_over_mqtt(folder, BODY) as asking:
        yield Worker(row={"url": asking.url}, ask=asking.ask)


@asynccontextmanager
async def _over_redis(folder: Path, client: Client) -> AsyncIterator[Worker]:
    """A worker that reads a stream."""
    async with asked_over_redis(folder, BODY) as asking:
        yield Worker(row={"url": asking.url}, ask=asking.ask)


@asynccontextmanager
async def _by_pulling(folder: Path, client: Client) -> AsyncIterator[Worker]:
    """A worker that comes for its tasks."""
    async with asked_by_pulling(folder, client.url, BODY) as asking:
        yield Worker(row=None, ask=asking.ask)


WAYS: Mapping[str, Way] = {
    "webhook": Way(open=partial(_over_http, "/answer"), least=2500, most=4.0),
    "api_chat": Way(open=partial(_over_http, "/answer")),
    "openai_chat": Way(open=partial(_over_http, "/v1/chat/completions", model="none"), parameters=AS_JSON),
    "websocket": Way(open=_over_a_socket, least=2500),
    "redis_stream": Way(open=_over_redis, least=2500),
    "mqtt": Way(open=_over_mqtt, least=1500),
    "pull": Way(open=_by_pulling, least=1000),
}


async def transports(quick: bool) -> list[Section]:
    """Every transport in turns, so that what changes on the machine meets all of them."""
    each, times = 1, 3 if quick else 7
    with tempfile.TemporaryDirectory(prefix="clew-bench-") as name:
        folder = Path(name)
        async with serving(folder, env=LIMITS) as server, client_of(server.url) as client, AsyncExitStack() as ends:
            found = Place(server, client, "")
            work: dict[str, tuple[int, Work]] = {}
            for protocol, way in WAYS.items():
                worker = await ends.enter_async_context(way.open(folder / protocol, client))
                await _prepared(client, protocol, way, worker)
                work |= _work_of(found, protocol, worker, each)
            variants = await Variants(found).take(times, work)
    return [_section(variants, protocol, way) for protocol, way in WAYS.items()]


async def _prepared(client: Client, protocol: str, way: Way, worker: Worker) -> None:
    """Have a worker registered, and its workflow saved."""
    if worker.row is not None:
        row = {"id": protocol, "protocol": protocol, "tags": ["bench"], "max_concurrent": 64, **worker.row}
        await client.ask("POST", "/workers", row)
    await client.save(asking(LENGTH, protocol=protocol, parameters=dict(way.parameters)))


def _work_of(found: Place, protocol: str, worker: Worker, each: int) -> dict[str, tuple[int, Work]]:
    """Runs and bare requests, many at once and one after the other."""
    runs = f"asking-{LENGTH}-{protocol}"

    async def tasks(count: int) -> None:
        for _ in range(count):
            await found.run(runs)

    async def requests(count: int) -> None:
        for _ in range(count * LENGTH):
            await worker.ask()

    async def at_once(work: Callable[[int], Awaitable[None]]) -> None:
        await asyncio.gather(*(work(each) for _ in range(AT_ONCE)))

    total = each * LENGTH
    crowds = worker.crowds or {"": lambda _: at_once(requests)}
    return {
        f"{protocol} tasks": (AT_ONCE * total, partial(at_once, tasks)),
        **{f"{protocol} requests {name}": (AT_ONCE * total, partial(crowd, total)) for name, crowd in crowds.items()},
        f"{protocol} one task": (total, partial(tasks, each)),
        f"{protocol} one request": (total, partial(requests, each)),
    }


def _section(variants: Variants, protocol: str, way: Way) -> Section:
    tasks, requests = f"{protocol} tasks", f"{protocol} requests "
    crowds = [name.removeprefix(requests) for name in variants.found if name.startswith(requests)]
    added = 1000 / variants.rate(f"{protocol} one task") - 1000 / variants.rate(f"{protocol} one request")
    section = Section(
        f"{protocol}: a worker that only answers",
        [variants.figure(tasks, "32 runs at once, each task durable", "tasks/s", way.least)],
    )
    for place, name in enumerate(crowds):
        bare_rate, ratio = variants.rate(requests + name), variants.ratio(tasks, requests + name)
        section.figures += [
            Figure(name="a bare client, 32 at once", value=bare_rate, unit="requests/s", note=name),
            Figure(name="… ratio", value=ratio, unit="", most=None if place else way.most),
        ]
    label = "one task after the other: added to a bare request"
    section.figures.append(Figure(name=label, value=added, unit="ms", most=MOST_ADDED_MS))
    return section
