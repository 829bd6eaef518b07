"""Sockets that break in the middle: stuck and silent workers, and a server that is killed."""

from __future__ import annotations

import asyncio
import signal
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from websockets.asyncio.client import connect

from dispatch._http import Http
from dispatch._outbox import WorkerOutbox
from dispatch._presence import Presence
from dispatch._ws_desk import Times
from dispatch.websocket import Websocket
from engine.outbox import Accepted, Refused
from tests.integration.test_api_server import serving
from tests.proxy import proxy_to
from tests.sockets import PATH, PATIENCE_S, Dialler, socket_server
from tests.unit.api.serving import working
from tests.unit.dispatch.builders import (
    Caught,
    Told,
    a_request,
    a_work,
    a_worker,
    by_id,
    free_port,
    reply_to,
    some_tools,
)

MUCH = "x" * 4_000_000
"""More than the buffers between a server and a worker that does not read can hold."""


class Box:
    """An outbox over sockets whose times a test chooses."""

    def __init__(self, url: str, outbox: WorkerOutbox, told: Told, presence: Presence) -> None:
        self.url, self.outbox, self.told, self.presence = url, outbox, told, presence
        presence.listen(lambda worker_id, here: told.changed())


@asynccontextmanager
async def a_box(**times: int) -> AsyncIterator[Box]:
    """An outbox with two workers that may dial in, `w1` and `w2`, with the tags `x` and `y`."""
    http, inbox, presence, told = Http(), Caught(), Presence(), Told()
    tools = some_tools(http, inbox, presence=presence)
    transport = Websocket(tools, Times(**times))
    outbox = WorkerOutbox({"websocket": transport}, clock=tools.clock, reply_to=reply_to, presence=presence)
    outbox.listen(told)
    rows = [a_worker(f"w{n}", protocol="websocket", tags=(tag,), max_concurrent=10) for n, tag in ((1, "x"), (2, "y"))]
    outbox.workers_changed(by_id(*rows))
    try:
        async with socket_server(transport) as url:
            yield Box(url, outbox, told, presence)
    finally:
        await outbox.close(0)
        await http.close()


async def deaf(url: str, worker_id: str) -> socket.socket:
    """A worker that registers and reads nothing from then on."""
    place = url.removeprefix("ws://").rstrip("/")
    host, _, port = place.partition(":")
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(found, (host, int(port)))
    key = b64encode(b"0123456789abcdef").decode()
    head = f"GET / HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    await loop.sock_sendall(found, f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    text = orjson.dumps({"type": "register", "id": worker_id})
    await loop.sock_sendall(found, bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)
    return found


# ---- workers


async def test_a_worker_that_does_not_read_is_dropped_and_holds_up_nobody() -> None:
    async with a_box(send=300) as box, Dialler.at(box.url, "w2") as other:
        stuck = await deaf(box.url, "w1")
        with stuck:
            for number in range(4):
                box.outbox.submit(a_work(f"t{number}", request=a_request(input=MUCH)))
            box.outbox.submit(a_work("quick", tags=("y",)))
            frame = await other.take()
            assert frame["task"]["task_id"] == "quick"
            assert isinstance(await box.told.reply("quick"), Accepted)
            await box.told.until(lambda: ("t3", "unreachable") in box.told.reasons)


async def test_a_worker_that_acknowledges_nothing_is_left_alone_until_it_dials_again() -> None:
    async with a_box(ack=50) as box:
        async with Dialler.at(box.url) as worker:
            box.outbox.submit(a_work())
            assert len({(await worker.hear("dispatch"))["id"] for _ in range(3)}) == 1
            reply = await box.told.reply("t1")
            assert isinstance(reply, Refused)
            assert (reply.error.code, reply.transport) == ("worker.unacknowledged", True)
            assert await worker.closed() == (4408, "a dispatch was not acknowledged")
        box.outbox.submit(a_work("t2"))
        assert box.told.reasons[-1] == ("t2", "unreachable")
        async with Dialler.at(box.url) as worker:
            assert (await worker.take())["task"]["task_id"] == "t2"


async def test_a_worker_without_heartbeats_is_left_alone() -> None:
    async with a_box(heartbeat=50) as box, Dialler.at(box.url) as worker:
        assert await worker.closed() == (4408, "no heartbeat for 150 ms")


async def test_what_a_worker_held_that_stays_away_is_given_back() -> None:
    async with a_box(away=100) as box:
        async with Dialler.at(box.url) as worker:
            box.outbox.submit(a_work())
            await worker.take()
            assert isinstance(await box.told.reply("t1"), Accepted)
            worker.break_off()
            await box.told.until(lambda: isinstance(box.told.replies["t1"], Refused))
        reply: Any = box.told.replies["t1"]
        assert (reply.error.code, reply.retryable, reply.transport) == ("worker.lost", True, True)


async def test_a_worker_that_never_registers_is_sent_off() -> None:
    async with a_box(register=50) as box, connect(box.url) as stranger:
        assert (await Dialler(stranger).hear("error"))["code"] == "frame.missing"
        assert (await Dialler(stranger).closed())[0] == 4400


async def test_a_connection_that_hangs_half_open_is_given_up_and_its_task_sent_over_the_next_one() -> None:
    async with a_box(heartbeat=50, ack=1000) as box:
        async with proxy_to(urlsplit(box.url).port or 0) as proxy, Dialler.at(f"ws://127.0.0.1:{proxy.port}/"):
            proxy.half_open()
            box.outbox.submit(a_work())
            await box.told.until(lambda: "w1" in box.presence)
        async with Dialler.at(box.url) as worker:
            assert (await worker.take())["task"]["task_id"] == "t1"
            assert isinstance(await box.told.reply("t1"), Accepted)


# ---- the server


@pytest.mark.parametrize("answered", [False, True], ids=["at-work", "answered"])
async def test_a_task_outlasts_a_server_that_is_killed(tmp_path: Path, answered: bool) -> None:
    """The worker answers the next server: what it still works at, or what the last one did not acknowledge."""
    port = str(free_port())
    url = f"ws://127.0.0.1:{port}{PATH}"
    async with serving(tmp_path, "--port", port) as server, server.client() as http, Dialler.at(url) as worker:
        await http.post("/workflows", json=working())
        run = (await http.post("/workflows/working/runs", json={})).json()
        frame = await worker.take()
        async with asyncio.timeout(PATIENCE_S):
            task = run["tasks"][0]
            while task["dispatch_id"] is None or task["pending_ack"]:
                task = (await http.get(f"/runs/{run['id']}")).json()["tasks"][0]  # it is seen from outside only
        if answered:
            server.process.send_signal(signal.SIGSTOP)
            await worker.say("result", id="r1", corr=frame["corr"], body={"output": "at last"})
        await server.end(signal.SIGKILL)
    async with serving(tmp_path, "--port", port) as server, server.client() as http:
        held = {"task_id": frame["task"]["task_id"], "corr": frame["corr"]}
        async with Dialler.at(url, holding=[held]) as worker:
            assert await worker.answer(frame, {"output": "at last"}) == {"type": "ack", "corr": "r1"}
        found = (await http.get(f"/runs/{run['id']}")).json()
        assert (found["status"], found["state"]) == ("completed", {"out": "at last"})
        record = (await http.get(f"/runs/{run['id']}/tasks/{held['task_id']}")).json()
        assert [event["kind"] for event in record["attempts"]] == ["dispatch", "accepted"]


async def test_workers_hear_of_the_end_of_a_server(tmp_path: Path) -> None:
    port = str(free_port())
    async with serving(tmp_path, "--port", port) as server, Dialler.at(f"ws://127.0.0.1:{port}{PATH}") as worker:
        ending = asyncio.ensure_future(server.end())
        await worker.hear("drain")
        assert (await worker.closed())[0] == 1012
        assert await ending == 0
