"""`clew serve` as a process: when it begins, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.unit.api.serving import asking, straight, working
from tests.unit.dispatch.builders import answer, free_port, http_worker

PATIENCE_S = 20.0
PROMPT_S = 10.0
"""The longest that a server may take to end, on a busy machine."""

COMMAND = (sys.executable, "-m", "api.cli", "serve")


@dataclass(slots=True)
class Process:
    """A server that has said that it is ready."""

    process: asyncio.subprocess.Process
    url: str
    errors: Path

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"{self.url}/v1", timeout=PATIENCE_S)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code, which has to come promptly."""
        self.process.send_signal(number)
        async with asyncio.timeout(PROMPT_S):
            return await self.process.wait()


def environment(**given: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLEW_")}
    return {**own, **given}


async def launched(folder: Path, *options: str, **given: str) -> tuple[asyncio.subprocess.Process, Path]:
    errors = folder / "stderr.txt"
    with errors.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *options, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment(**given), cwd=Path.cwd()
        )
    return process, errors


@asynccontextmanager
async def serving(folder: Path, *options: str, **given: str) -> AsyncIterator[Process]:
    """A server on the database in a folder, on a free port."""
    process, errors = await launched(folder, "--db", f"sqlite:///{folder}/clew.db", "--port", "0", *options, **given)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready http://127.0.0.1:"), (line, errors.read_text())
        yield Process(process, line.removeprefix("ready ").rstrip("\n"), errors)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def refusal(folder: Path, *options: str, **given: str) -> tuple[int, str]:
    """The exit code and the words of a server that cannot begin; it says nothing on standard output."""
    process, errors = await launched(folder, *options, **given)
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    assert output == b""
    assert "Traceback" not in errors.read_text()
    return process.returncode or 0, errors.read_text()


# ---- the beginning


async def test_it_is_ready_when_it_says_so_on_the_port_that_it_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.client() as http:
        assert (await http.get(f"{server.url}/health")).json() == {"status": "ok"}
        assert (await http.get("/admin/info")).json()["public_url"] == server.url
        assert await server.end() == 0


async def test_options_may_come_from_the_environment(tmp_path: Path) -> None:
    given = {"CLEW_TOKEN": "t", "CLEW_PUBLIC_URL": "https://clew.example/base/"}
    async with serving(tmp_path, **given) as server, server.client() as http:
        assert (await http.get("/runs")).status_code == 401
        info = await http.get("/admin/info", headers={"Authorization": "Bearer t"})
        assert info.json()["public_url"] == "https://clew.example/base"


async def test_a_second_server_on_a_database_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        other = tmp_path / "other"
        other.mkdir()
        code, said = await refusal(other, "--db", f"sqlite:///{tmp_path}/clew.db", "--port", "0")
        assert code == 1
        assert f"already served by the process with pid {server.process.pid}" in said
        assert await server.end() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--db", "postgresql://x/y"), "no store has addresses like"),
        (("--db", "sqlite:////proc/nothing/clew.db"), "there is no folder /proc/nothing"),
        (("--db", "memory://", "--workflows", "/nowhere"), "/nowhere is not a folder"),
        (("--host", "256.0.0.1", "--token", "t", "--db", "memory://"), "cannot listen on 256.0.0.1"),
    ],
)
async def test_it_says_why_it_cannot_begin(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    got, said = await refusal(tmp_path, "--port", "0", *options)
    assert (got, words in said) == (1, True), said


async def test_a_database_that_is_made_is_told(tmp_path: Path) -> None:
    for times in (1, 1):  # the second time it is there
        async with serving(tmp_path) as process:
            assert process.errors.read_text().count(f"new database {tmp_path}/clew.db\n") == times


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        port = str(urlsplit(server.url).port)
        other = tmp_path / "other"
        other.mkdir()
        code, said = await refusal(other, "--db", "memory://", "--port", port)
        assert (code, f"cannot listen on 127.0.0.1:{port}" in said, "--port" in said) == (1, True, True)


async def test_a_file_that_is_no_database_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clew.db").write_text("this is no database, whatever its name says")
    code, said = await refusal(tmp_path, "--db", f"sqlite:///{tmp_path}/clew.db", "--port", str(free_port()))
    assert (code, "not a database" in said) == (1, True), said


# ---- the end


async def run_of(http: httpx.AsyncClient, document: dict[str, Any], query: str = "?wait=10") -> Any:
    await http.post("/workflows", json=document)
    response = await http.post(f"/workflows/{document['id']}/runs{query}", json={})
    assert response.status_code == 201, response.text
    return response.json()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_at_once_and_open_streams_with_a_farewell(tmp_path: Path, number: int) -> None:
    async with serving(tmp_path) as server, server.client() as http:
        run = await run_of(http, asking())
        async with http.stream("GET", f"/runs/{run['id']}/stream") as response:
            parts = response.aiter_text()
            text = await anext(parts)
            while "interrupted" not in text:
                text += await anext(parts)
            server.process.send_signal(number)
            text += "".join([part async for part in parts])
        assert text.endswith(": the server is closing; reconnect with Last-Event-ID\n\n")
        async with asyncio.timeout(PROMPT_S):
            assert await server.process.wait() == 0


async def test_a_request_that_waits_is_answered_before_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, server.client() as http, http_worker() as worker:
        worker.script = [answer({}, 202)]
        await http.post("/workers", json={"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]})
        waiting = asyncio.create_task(run_of(http, working(), "?wait=300"))
        await worker.until(lambda: bool(worker.seen))
        assert await server.end() == 0
        assert (await waiting)["status"] == "running"


async def test_a_delivery_that_hangs_does_not_hold_it(tmp_path: Path) -> None:
    async with serving(tmp_path, CLEW_GRACE_S="0.2") as server, server.client() as http, http_worker() as worker:
        hangs = asyncio.Event()

        async def hang(seen: Any, request: Any) -> Any:
            await hangs.wait()

        worker.script = [hang]
        await http.post("/workers", json={"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]})
        await run_of(http, working(), "")
        await worker.until(lambda: bool(worker.seen))
        assert await server.end() == 0


# ---- the next one


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_after_a_restart_a_stream_goes_on_with_nothing_lost_or_twice(tmp_path: Path, number: int) -> None:
    async with serving(tmp_path) as server, server.client() as http:
        run = await run_of(http, straight())
        path = f"/runs/{run['id']}/stream?mode=values,updates,tasks"
        whole = (await http.get(path)).text.split("\n\n")
        await server.end(number)
    middle = whole[3].partition("\n")[0].removeprefix("id: ")
    async with serving(tmp_path) as server, server.client() as http:
        assert (await http.get(path, headers={"Last-Event-ID": middle})).text.split("\n\n") == [whole[0], *whole[4:]]
        assert (await http.get(path)).text.split("\n\n") == whole


async def test_a_worker_that_accepted_may_answer_the_next_server(tmp_path: Path) -> None:
    port = str(free_port())
    async with http_worker() as worker:
        worker.script = [answer({}, 202)]
        async with serving(tmp_path, "--port", port) as server, server.client() as http:
            await http.post("/workers", json={"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]})
            run = await run_of(http, working(), "")
            await worker.until(lambda: bool(worker.seen))
            async with asyncio.timeout(PATIENCE_S):
                task = run["tasks"][0]
                while task["dispatch_id"] is None or task["pending_ack"]:
                    task = (await http.get(f"/runs/{run['id']}")).json()["tasks"][0]  # it is seen from outside only
            await server.end(signal.SIGKILL)
        async with serving(tmp_path, "--port", port) as server, server.client() as http:
            response = await http.post(worker.seen[0].body["reply_to"], json={"output": "at last"})
            assert (response.status_code, response.json()) == (200, {"accepted": True})
            found = await http.get(f"/runs/{run['id']}")
            assert (found.json()["status"], found.json()["state"]) == ("completed", {"out": "at last"})
            assert len(worker.seen) == 1
