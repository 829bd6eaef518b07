"""Functions as workers: plain and async ones, from modules and from files, and what they may do wrong."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from dispatch.local import Local, check_address
from engine.outbox import Answered, Refused, Reply, Unreachable
from tests.e2e.processes import CLEW, Program
from tests.unit.api.serving import a_server, working
from tests.unit.dispatch.builders import PATIENCE_S, a_worker, an_envelope

TASK = {"task_id": "t1", "prompt": "go"}


@pytest.fixture
async def transport() -> AsyncIterator[Local]:
    found = Local()
    yield found
    await found.close()


async def called(transport: Local, address: str) -> Reply:
    row = a_worker(protocol="local", url=address)
    return await transport.deliver(row, an_envelope((orjson.dumps(TASK),)), PATIENCE_S)


def written(folder: Path, text: str, name: str = "work.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


async def test_a_plain_function_runs_beside_the_loop(transport: Local, tmp_path: Path) -> None:
    file = written(tmp_path, "import threading\ndef f(task):\n    return [task['prompt'], threading.get_ident()]\n")
    reply = await called(transport, f"{file}:f")
    assert isinstance(reply, Answered)
    assert reply.body[0] == "go"
    assert reply.body[1] != threading.get_ident()


async def test_an_async_function_runs_on_the_loop(transport: Local, tmp_path: Path) -> None:
    file = written(tmp_path, "import threading\nasync def f(task):\n    return threading.get_ident()\n")
    assert await called(transport, f"{file}:f") == Answered(body=threading.get_ident())


async def test_a_function_of_a_module_is_found(transport: Local) -> None:
    assert await called(transport, "json:dumps") == Answered(body='{"task_id": "t1", "prompt": "go"}')


async def test_a_file_that_changed_is_read_again(transport: Local, tmp_path: Path) -> None:
    file = written(tmp_path, "def f(task):\n    return 1\n")
    assert await called(transport, f"{file}:f") == Answered(body=1)
    written(tmp_path, "def f(task):\n    return 2\n")
    os.utime(file, ns=(1, 1))
    assert await called(transport, f"{file}:f") == Answered(body=2)


@pytest.mark.parametrize("address", ["no.such.module:f", "json:nothing", "/no/such/file.py:f", "json:__name__"])
async def test_what_is_not_there_is_unreachable(transport: Local, address: str) -> None:
    assert isinstance(await called(transport, address), Unreachable)


async def test_a_file_that_cannot_be_read_is_unreachable_until_it_is_mended(transport: Local, tmp_path: Path) -> None:
    file = written(tmp_path, "def f(task:\n")
    assert isinstance(await called(transport, f"{file}:f"), Unreachable)
    written(tmp_path, "def f(task):\n    return 1\n")
    assert await called(transport, f"{file}:f") == Answered(body=1)


@pytest.mark.parametrize(
    ("line", "code", "retryable"),
    [
        ("raise KeyError('x')", "worker.exception", True),
        ("raise SystemExit(1)", "worker.exception", True),
        ("raise StopIteration", "worker.exception", True),
        ("raise type('E', (Exception,), {'code': 'mine', 'retryable': False})()", "mine", False),
        ("return {1, 2}", "answer.invalid", True),
        ("return float('nan')", "answer.invalid", True),
    ],
)
async def test_what_goes_wrong_fails_the_attempt(
    transport: Local, tmp_path: Path, line: str, code: str, retryable: bool
) -> None:
    file = written(tmp_path, f"def f(task):\n    {line}\n")
    reply = await called(transport, f"{file}:f")
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable, reply.transport) == (code, retryable, False)


@pytest.mark.parametrize(
    "what", ["SystemExit(3)", "KeyboardInterrupt()", "asyncio.CancelledError()", "GeneratorExit()"]
)
async def test_an_async_function_that_would_end_the_program_fails_its_attempt_alone(
    transport: Local, tmp_path: Path, what: str
) -> None:
    file = written(tmp_path, f"import asyncio\nasync def f(task):\n    await asyncio.sleep(0)\n    raise {what}\n")
    reply = await asyncio.create_task(called(transport, f"{file}:f"))
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable) == ("worker.exception", True)


async def test_a_file_that_ends_the_program_when_it_is_read_is_unreachable(transport: Local, tmp_path: Path) -> None:
    file = written(tmp_path, "import sys\nsys.exit(3)\n")
    assert isinstance(await called(transport, f"{file}:f"), Unreachable)


async def test_a_module_beside_which_the_server_was_started_is_found(tmp_path: Path) -> None:
    written(tmp_path, "from beside import WORD\ndef f(task):\n    return WORD\n", "sparrow.py")
    written(tmp_path, "WORD = 'found'\n", "beside.py")
    written(tmp_path, "raise ImportError('what is installed goes first')\n", "sqlalchemy.py")
    serve = [CLEW, "serve", "--port", "0", "--local-workers", "--db", "memory://"]
    server = Program(serve, tmp_path / "server.log", folder=tmp_path)
    await server.start()
    try:
        [url] = (line.split()[1] for line in server.said().splitlines() if line.startswith("ready "))
        async with httpx.AsyncClient(base_url=f"{url}/v1", timeout=30) as http:
            row = {"id": "f", "protocol": "local", "url": "sparrow:f", "tags": ["w"]}
            assert (await http.post("/workers", json=row)).status_code == 201
            assert (await http.post("/workflows", json=working())).status_code == 201
            run = (await http.post("/workflows/working/runs?wait=10", json={})).json()
    finally:
        await server.stop()
    assert (run["status"], run["state"]) == ("completed", {"out": "found"})


@pytest.mark.parametrize("address", ["f", ":f", "m:", "a b:f", "m:f()", "m:f g", "http://x/y"])
def test_what_names_no_function_is_refused(address: str) -> None:
    assert check_address(address)


async def test_a_run_is_done_by_functions(tmp_path: Path) -> None:
    file = written(tmp_path, "def f(task):\n    return {'output': task['prompt'].upper()}\n")
    async with a_server(tmp_path, local_workers=True) as server:
        await server.post("/workflows", working(), 201)
        await server.refused("POST", "/workers", 422, json={"id": "f", "protocol": "local", "url": "nothing"})
        row: dict[str, Any] = {"id": "f", "protocol": "local", "url": f"{file}:f", "tags": ["w"]}
        await server.post("/workers", row, 201)
        run = await server.post("/workflows/working/runs?wait=10", {}, 201)
        assert (run["status"], run["state"]) == ("completed", {"out": "GO"})
