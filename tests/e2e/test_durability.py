"""Nothing is acknowledged, shown, streamed or sent to a worker before it is durable."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from api.app import create_app
from api.settings import Settings
from api.wiring import Wired, running
from engine.errors import StoreUnavailable
from engine.ports import Batch
from store.sql import SqliteStore
from tests.e2e.processes import client_of, serving

TURNS = 200
"""So many times everybody else on the loop gets to go on: enough for any answer that waits for nothing."""
PATIENCE_S = 10.0
OFF, NORMAL, FULL, EXTRA = range(4)

TWO_TASKS = {
    "id": "two",
    "state_schema": {"said": {"type": "array", "reducer": "append"}},
    "nodes": {
        "first": {"type": "task", "worker_tags": ["gate"], "output_key": "said"},
        "second": {"type": "task", "worker_tags": ["gate"], "output_key": "said"},
    },
    "edges": [["__start__", "first"], ["first", "second"], ["second", "__end__"]],
}
ASKS = {
    "id": "asks",
    "state_schema": {"word": {"type": "string"}},
    "nodes": {"ask": {"type": "interrupt", "message": "Well?", "output_key": "word"}},
    "edges": [["__start__", "ask"], ["ask", "__end__"]],
}


class GatedStore(SqliteStore):
    """A store whose commits wait at a gate, and say so. `broken` lets none of them through."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate, self.arrived = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.broken = False

    def shut(self) -> None:
        self.gate.clear()
        self.arrived.clear()

    async def commit(self, batch: Batch, meanwhile: Callable[[], None] | None = None) -> None:
        self.arrived.set()
        await self.gate.wait()
        if self.broken:
            raise StoreUnavailable("the disk is gone")
        await super().commit(batch, meanwhile)


class Gated:
    """A server around a gated store, its client, and what its worker was asked; answers wait until they are given."""

    def __init__(self, store: GatedStore, wired: Wired, client: httpx.AsyncClient) -> None:
        self.store, self.wired, self.client = store, wired, client
        self.asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.answers: dict[str, asyncio.Future[web.Response]] = {}

    async def work(self, request: web.Request) -> web.Response:
        task = await request.json()
        self.answers[task["task_id"]] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(task)
        return await self.answers[task["task_id"]]

    async def task(self) -> dict[str, Any]:
        """The next task that the worker is asked for."""
        return await soon(self.asked.get())

    def answer(self, task: dict[str, Any], output: str) -> None:
        self.answers[task["task_id"]].set_result(web.json_response({"output": output}))

    def accept(self, task: dict[str, Any]) -> None:
        self.answers[task["task_id"]].set_result(web.Response(status=202))

    async def at_the_gate(self) -> None:
        """Wait until a commit stands before the gate, and everything else has gone on as far as it can."""
        await soon(self.store.arrived.wait())
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await soon(self.client.request(method, f"/v1{path}", json=body))
        assert response.status_code < 400, response.text
        return response.json()


async def soon(wanted: Awaitable[Any]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await wanted


@pytest.fixture
async def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gated]:
    store = GatedStore(tmp_path / "clew.db")
    monkeypatch.setattr("api.wiring.store_at", lambda address, artifacts: store)
    settings = Settings(db=f"sqlite:///{tmp_path}/clew.db", grace_s=0)
    async with running(settings, "http://127.0.0.1:1") as wired:
        transport = httpx.ASGITransport(create_app(wired))
        async with httpx.AsyncClient(transport=transport, base_url="http://clew") as client:
            found = Gated(store, wired, client)
            app = web.Application()
            app.add_routes([web.post("/", found.work)])
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            worker = {"id": "w", "url": f"http://127.0.0.1:{port}/", "protocol": "webhook", "tags": ["gate"]}
            await found.ask("POST", "/workers", {**worker, "max_concurrent": 9})
            for document in (TWO_TASKS, ASKS):
                await found.ask("POST", "/workflows", document)
            yield found
            store.broken = False
            store.gate.set()
            for waiting in found.answers.values():
                waiting.cancel()
            await runner.cleanup()


# ---- start


async def test_a_start_is_acknowledged_shown_and_dispatched_only_once_it_is_durable(gated: Gated) -> None:
    gated.store.shut()
    start = asyncio.ensure_future(gated.ask("POST", "/workflows/two/runs", {}))
    await gated.at_the_gate()

    assert not start.done()
    assert (await gated.ask("GET", "/runs"))["items"] == []
    assert gated.asked.empty()

    gated.store.gate.set()
    run = await soon(start)
    assert (await gated.task())["run_id"] == run["id"]


async def test_a_run_gets_the_key_of_another_only_once_its_end_is_durable(gated: Gated) -> None:
    first, second = [await gated.ask("POST", "/workflows/asks/runs", {"concurrency_key": "k"}) for _ in range(2)]
    gated.store.shut()
    end = asyncio.ensure_future(gated.ask("POST", f"/runs/{first['id']}/cancel"))
    await gated.at_the_gate()

    assert not end.done()
    assert (await gated.ask("GET", f"/runs/{second['id']}"))["status"] == "queued"
    assert gated.wired.engine.door.waiting == 1

    gated.store.gate.set()
    await soon(end)
    await gated.wired.engine.wait(second["id"], PATIENCE_S)
    assert (await gated.ask("GET", f"/runs/{second['id']}"))["status"] == "interrupted"


async def test_a_run_whose_beginning_could_not_be_written_begins_once_the_store_is_well(gated: Gated) -> None:
    first, second = [await gated.ask("POST", "/workflows/asks/runs", {"concurrency_key": "k"}) for _ in range(2)]
    gated.store.shut()
    end = asyncio.ensure_future(gated.ask("POST", f"/runs/{first['id']}/cancel"))
    await gated.at_the_gate()
    gated.wired.engine.loop.on_moved, moved = lambda heads: None, gated.wired.engine.loop.on_moved
    gated.store.gate.set()
    await soon(end)
    gated.store.broken = True
    moved([gated.wired.engine.loop.lives[1].head])
    await soon(gated.wired.engine.loop.idle())
    assert (await gated.ask("GET", f"/runs/{second['id']}"))["status"] == "queued"

    gated.wired.engine.loop.on_moved, gated.store.broken = moved, False
    await gated.wired.engine.wait(second["id"], PATIENCE_S)
    assert (await gated.ask("GET", f"/runs/{second['id']}"))["status"] == "interrupted"


async def test_a_start_that_could_not_be_written_is_an_error_and_leaves_nothing(gated: Gated) -> None:
    gated.store.broken = True

    response = await soon(gated.client.post("/v1/workflows/two/runs", json={}))

    assert response.status_code == 503
    assert (await gated.ask("GET", "/runs"))["items"] == []
    assert gated.asked.empty()


# ---- answers


async def test_an_answer_is_shown_and_followed_only_once_it_is_durable(gated: Gated) -> None:
    run = await gated.ask("POST", "/workflows/two/runs", {})
    first = await gated.task()
    await gated.wired.engine.loop.idle()
    gated.store.shut()
    gated.answer(first, "one")
    await gated.at_the_gate()

    shown = await gated.ask("GET", f"/runs/{run['id']}")
    page = await gated.ask("GET", f"/runs/{run['id']}/checkpoints")
    assert [(task["node"], task["finished_at"]) for task in shown["tasks"]] == [("first", None)]
    assert shown["state"] == {"said": []}
    assert [checkpoint["kind"] for checkpoint in page["items"]] == ["start"]
    assert gated.asked.empty()

    gated.store.gate.set()
    assert (await gated.task())["node"] == "second"


async def test_a_posted_result_is_acknowledged_only_once_it_is_durable(gated: Gated) -> None:
    await gated.ask("POST", "/workflows/two/runs", {})
    first = await gated.task()
    gated.accept(first)
    await gated.wired.engine.loop.idle()
    path = first["reply_to"].partition("/v1")[2]
    gated.store.shut()
    posted = asyncio.ensure_future(gated.ask("POST", path, {"output": "one"}))
    await gated.at_the_gate()

    assert not posted.done()
    assert gated.asked.empty()

    gated.store.gate.set()
    assert await soon(posted) == {"accepted": True}
    assert (await gated.task())["node"] == "second"


async def test_a_posted_result_that_could_not_be_written_is_refused(gated: Gated) -> None:
    await gated.ask("POST", "/workflows/two/runs", {})
    first = await gated.task()
    gated.accept(first)
    await gated.wired.engine.loop.idle()
    gated.store.broken = True

    path = first["reply_to"].partition("/v1")[2]
    response = await soon(gated.client.post(f"/v1{path}", json={"output": "one"}))

    assert response.status_code == 503


# ---- interrupts and streams


async def test_a_resume_is_acknowledged_and_shown_only_once_it_is_durable(gated: Gated) -> None:
    run = await gated.ask("POST", "/workflows/asks/runs?wait=5", {})
    gated.store.shut()
    resume = asyncio.ensure_future(gated.ask("POST", f"/runs/{run['id']}/resume", {"resume": "yes"}))
    await gated.at_the_gate()

    assert not resume.done()
    assert (await gated.ask("GET", f"/runs/{run['id']}"))["status"] == "interrupted"
    assert len((await gated.ask("GET", "/interrupts?status=open"))["items"]) == 1

    gated.store.gate.set()
    await soon(resume)
    assert (await gated.ask("GET", "/interrupts?status=open"))["items"] == []


async def test_a_wait_ends_only_once_the_end_is_durable(gated: Gated) -> None:
    run = await gated.ask("POST", "/workflows/two/runs", {})
    gated.answer(await gated.task(), "one")
    second = await gated.task()
    await gated.wired.engine.loop.idle()
    gated.store.shut()
    gated.answer(second, "two")
    await gated.at_the_gate()
    waiting = asyncio.ensure_future(gated.wired.engine.wait(run["id"], PATIENCE_S))
    await gated.at_the_gate()

    assert not waiting.done()

    gated.store.gate.set()
    await soon(waiting)
    assert (await gated.ask("GET", f"/runs/{run['id']}"))["status"] == "completed"


async def test_a_stream_tells_nothing_that_is_not_durable(gated: Gated) -> None:
    run = await gated.ask("POST", "/workflows/two/runs", {})
    first = await gated.task()
    await gated.wired.engine.loop.idle()
    told: list[str] = []

    async def listen() -> None:
        modes = frozenset({"updates", "values", "tasks"})
        stream = gated.wired.streams.stream(run["id"], modes=modes, after=None, from_now=True, until=None)
        async for events in stream:
            told.extend(event.event for event in events)

    listening = asyncio.ensure_future(listen())
    gated.store.shut()
    gated.answer(first, "one")
    await gated.at_the_gate()

    assert told == []

    gated.store.gate.set()
    second = await gated.task()
    gated.answer(second, "two")
    await soon(listening)
    assert told[-1] == "end"


# ---- the disk


async def test_the_connection_that_writes_is_durable_at_every_commit(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "clew.db")
    await store.open()
    try:
        assert store._writer is not None
        found = {
            name: store._writer.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "fullfsync")
        }
    finally:
        await store.close()

    assert found["synchronous"] in (FULL, EXTRA)
    assert found["journal_mode"] == "wal"
    assert found["fullfsync"] == 1


def _can_trace() -> bool:
    if sys.platform != "linux" or shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not _can_trace(), reason="needs strace, and the right to trace a process")
async def test_the_log_is_synced_between_its_last_write_and_the_response(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "trace=pwrite64,pwritev,fdatasync,fsync,write,writev,sendto,sendmsg"
    wrap = ["strace", "-D", "-f", "-y", "-s", "64", "-e", calls, "-o", str(trace)]

    async with serving(tmp_path, wrap=wrap) as server, client_of(server.url) as client:
        await client.save(ASKS)
        await client.start("asks", wait=10)

    await _ended(trace)
    events = list(_events(trace.read_text(errors="replace")))
    assert "response" in events
    for place, event in enumerate(events):
        if event == "response" and "write" in events[:place]:
            last = max(at for at in range(place) if events[at] in ("write", "sync"))
            assert events[last] == "sync", f"a response left before the log was synced: {events[: place + 1]}"


async def _ended(trace: Path) -> None:
    """Wait until the tracer has written down the end of the server, which is its last word."""
    end = re.compile(r"^\d+ +\+\+\+ exited with \d+ \+\+\+\s*\Z", re.MULTILINE)
    for _ in range(1000):
        if end.search(trace.read_text(errors="replace")):
            return
        await asyncio.sleep(0.01)


def _events(trace: str) -> Any:
    """Writes to the write-ahead log, its syncs as they end, and responses that say that something was created."""
    syncing: set[str] = set()
    for line in trace.splitlines():
        thread = line.split(maxsplit=1)[0]
        if re.search(r"pwrite(64|v)\(\d+<[^>]*-wal>", line):
            yield "write"
        elif re.search(r"f(data)?sync\(\d+<[^>]*-wal>", line):
            if "unfinished" in line:
                syncing.add(thread)
            else:
                yield "sync"
        elif thread in syncing and "sync resumed" in line:
            syncing.discard(thread)
            yield "sync"
        elif "HTTP/1.1 201" in line:
            yield "response"
