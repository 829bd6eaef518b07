"""Rates over HTTP, with `?wait`: a real server on a file, `synchronous=FULL`, asked by a client in this process."""

from __future__ import annotations

import asyncio
import hmac
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.documents import KILOBYTE, Document, carrying, chain, rounds, said_by_transform, said_by_worker
from bench.report import Figure, Section
from tests.e2e.processes import Client, Server, client_of, serving, working

WAIT_S = 120
AT_ONCE = 32
MEGABYTE = KILOBYTE * 1000
ENVELOPE_BYTES, MESSAGE_BYTES = 700, len(KILOBYTE) + 3
"""How long a request is without messages, and how much each makes it longer."""
LONGEST = b"x" * (ENVELOPE_BYTES + 1000 * MESSAGE_BYTES)
LIMITS = {"CLEW_MAX_NODES": "10000", "CLEW_MAX_BODY": str(64 * 1024 * 1024)}


@dataclass(frozen=True)
class Place:
    """A server that is measured, its client, and the address of the worker."""

    server: Server
    client: Client
    worker: str

    async def run(self, name: str, given: Mapping[str, Any] | None = None) -> float:
        """Seconds that a whole run takes, from the request to the response that it is completed."""
        begun = time.perf_counter()
        run = await self.client.start(name, wait=WAIT_S, input=given or {})
        took = time.perf_counter() - begun
        if run["status"] != "completed":
            raise RuntimeError(f"a run of {name} is {run['status']} after {took:.1f} s: {run['error']}")
        return took

    def size(self) -> int:
        """Bytes of the database, with what is in the write-ahead log."""
        connection = sqlite3.connect(f"{self.server.db.as_uri()}?mode=ro", uri=True)
        try:
            pages = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            return int(pages.fetchone()[0])
        finally:
            connection.close()


@asynccontextmanager
async def place(*documents: Document) -> AsyncIterator[Place]:
    """A server with these workflows and a worker."""
    with tempfile.TemporaryDirectory(prefix="clew-bench-") as name:
        folder = Path(name)
        async with (
            working("bench.worker", folder) as worker,
            serving(folder, env=LIMITS) as server,
            client_of(server.url) as client,
        ):
            for document in documents:
                await client.save(document)
            await client.register("bench", f"{worker}/answer", ["bench"], max_concurrent=64)
            yield Place(server, client, worker)


Work = Callable[[], Awaitable[object]]
Bare = Callable[["Place", int], Awaitable[None]]


@dataclass(frozen=True)
class Sample:
    """One measurement: so many units of work, the time they took, and the processor time of the server meanwhile."""

    units: int
    seconds: float
    cpu_s: float


@dataclass
class Variants:
    """Measurements that are compared: taken in turns, so that what changes on the machine meets all of them."""

    place: Place
    found: dict[str, list[Sample]] = field(default_factory=dict)

    async def take(self, times: int, variants: Mapping[str, tuple[int, Work]]) -> Variants:
        """Measure each variant (units of work, and the work) so many times, after one time that does not count."""
        for name, (units, work) in variants.items():
            await self._once(units, work)
            self.found[name] = []
        for _ in range(times):
            for name, (units, work) in variants.items():
                self.found[name].append(await self._once(units, work))
        return self

    async def _once(self, units: int, work: Work) -> Sample:
        cpu, begun = self.place.server.cpu_s(), time.perf_counter()
        await work()
        return Sample(units, time.perf_counter() - begun, self.place.server.cpu_s() - cpu)

    def rate(self, name: str) -> float:
        """Units a second."""
        return median(sample.units / sample.seconds for sample in self.found[name])

    def seconds(self, name: str) -> float:
        """Of the whole work."""
        return median(sample.seconds for sample in self.found[name])

    def cpu_us(self, name: str) -> float:
        """Processor time of the server for each unit, in microseconds."""
        return median(1e6 * sample.cpu_s / sample.units for sample in self.found[name])

    def ratio(self, over: str, under: str, *, each: bool = True) -> float:
        """How much longer one takes than the other, for each unit or as a whole: the median of the turns."""
        pairs = zip(self.found[over], self.found[under], strict=True)
        return median((a.seconds / b.seconds) * (b.units / a.units if each else 1) for a, b in pairs)

    def figure(self, name: str, label: str, unit: str = "steps/s", least: float | None = None) -> Figure:
        """The rate of a variant."""
        note = f"server: {self.cpu_us(name):,.0f} µs of CPU each"
        return Figure(name=label, value=self.rate(name), unit=unit, least=least, note=note)

    def flatness(self, name: str, of: str, most: float, *, each: bool = True) -> Figure:
        """How the time for each unit (or for all) compares with that of another variant; 1 is flat."""
        cpu = self.cpu_us(name) / self.cpu_us(of)
        if not each:
            cpu *= self.found[name][0].units / self.found[of][0].units
        value = self.ratio(name, of, each=each)
        return Figure(name=f"… time over that of {of}", value=value, unit="", most=most, note=f"CPU alone: {cpu:.2f}")


# ---- rates


async def rates(quick: bool) -> list[Section]:
    """Steps a second: one run after the other, many at once, long ones, with a large graph, with a large state."""
    times = 3 if quick else 7
    each = 5 if quick else 10
    async with place(chain(20), chain(100), chain(5000), rounds(), carrying()) as found:

        def one(name: str, runs: int = 1, **given: Any) -> Work:
            return lambda: _in_turn(found, name, runs, given)

        variants = await Variants(found).take(
            times,
            {
                "chain": (1000, one("chain-100", 10)),
                "many": (AT_ONCE * each * 20, lambda: _at_once(found, "chain-20", each)),
                "large": (5000, one("chain-5000")),
                "short": (500, one("rounds", count=250)),
                "long": (5000, one("rounds", count=2500)),
                "small": (1000, one("carrying", blob="x" * 1000)),
                "big": (1000, one("carrying", blob=MEGABYTE)),
            },
        )
    return [
        Section(
            "rates over REST",
            [
                variants.figure("chain", "one client, chains of 100 transforms", least=3000),
                variants.figure("many", "32 clients, chains of 20 transforms", least=5000),
                variants.figure("large", "one run of 5,000 nodes", least=3000),
                variants.flatness("large", "chain", 1.5),
                variants.figure("short", "loop, 500 steps", least=3000),
                variants.figure("long", "loop, 5,000 steps", least=3000),
                variants.flatness("long", "short", 1.5),
                variants.figure("small", "1,000 steps of 100 bytes, state of 1 KB", least=3000),
                variants.figure("big", "1,000 steps of 100 bytes, state of 1 MB"),
                variants.flatness("big", "small", 1.5),
            ],
        )
    ]


async def _in_turn(found: Place, name: str, runs: int, given: Mapping[str, Any] | None = None) -> None:
    for _ in range(runs):
        await found.run(name, given)


async def _at_once(found: Place, name: str, runs: int) -> None:
    await asyncio.gather(*(_in_turn(found, name, runs) for _ in range(AT_ONCE)))


# ---- appended messages


async def appended(quick: bool) -> list[Section]:
    """Lists that grow: 500 and 1,000 messages of 1 KB, by a transform, by ids, and by a worker that reads them all."""
    times = 2 if quick else 5
    transforms = [said_by_transform("append"), said_by_transform("add_messages")]
    sections = [(await _appended(document, times))[0] for document in transforms]
    section, variants = await _appended(said_by_worker(), times, _on_the_wire)
    return [*sections, replace(section, figures=[*section.figures, *_beside_the_wire(variants)])]


def _beside_the_wire(variants: Variants) -> list[Figure]:
    """What of it is the requests, which grow as well: a thousand of them are four times the bytes of five hundred."""
    takes = {name: variants.seconds(name) for name in ("500", "1,000", "500 bare", "1,000 bare")}
    own = {name: takes[name] - takes[f"{name} bare"] for name in ("500", "1,000")}
    bare = 1000 * takes["1,000 bare"]
    return [
        Figure(name="… of the 1,000, a bare client that sends and signs the same", value=bare, unit="ms"),
        Figure(name="… time over that of 500, without that", value=own["1,000"] / own["500"], unit="", most=2.3),
    ]


async def _on_the_wire(found: Place, count: int) -> None:
    """The same requests from a client that does nothing else, one after the other, each signed."""
    for size in range(count):
        body = memoryview(LONGEST)[: size * MESSAGE_BYTES + ENVELOPE_BYTES]
        signed = {"webhook-signature": hmac.digest(b"secret", body, "sha256").hex()}
        async with found.client.session.post(f"{found.worker}/say", data=body, headers=signed) as response:
            await response.read()


async def _appended(document: Document, times: int, bare: Bare | None = None) -> tuple[Section, Variants]:
    growth: list[float] = []
    async with place(document) as found:
        await found.client.ask("PATCH", "/workers/bench", {"url": f"{found.worker}/say"})

        def say(count: int) -> Work:
            async def work() -> None:
                before = found.size()
                await found.run(document["id"], {"count": count})
                if count == 1000:
                    growth.append((found.size() - before) / (count * len(KILOBYTE)))

            return work

        work = {"500": (1000, say(500)), "1,000": (2000, say(1000))}
        if bare is not None:
            work |= {"500 bare": (500, partial(bare, found, 500)), "1,000 bare": (1000, partial(bare, found, 1000))}
        variants = await Variants(found).take(times, work)
    section = Section(
        f"messages of 1 KB, {document['id']}: two steps each",
        [
            variants.figure("500", f"500 messages, in {1000 * variants.seconds('500'):,.0f} ms"),
            variants.figure("1,000", f"1,000 messages, in {1000 * variants.seconds('1,000'):,.0f} ms"),
            variants.flatness("1,000", "500", 2.3, each=False),
            Figure(name="database to data", value=median(growth), unit="", most=3.0),
        ],
    )
    return section, variants
