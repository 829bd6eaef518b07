"""Processes for end-to-end tests and measurements: servers and workers on free ports, ended whatever happens."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
CLEW = Path(sys.executable).with_name("clew")
START_S = 120.0
STOP_S = 20.0
KEEP_S = 3.0
"""For less than the server keeps a connection that is idle, so that nothing is sent over one that it is closing."""
LOOK_EVERY_S = 0.005

_FLOCK = "hhqqi0q"  # struct flock: type, whence, start, len, pid
_WRITE_LOCK = 120  # the byte of the -shm file that SQLite locks while a write transaction is open


class NotReady(Exception):
    """A process did not say that it is ready; the message ends with what it said instead."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Program:
    """A subprocess that prints `ready …` once it can be used; its output goes to a file."""

    def __init__(
        self, command: Sequence[str | Path], output: Path, env: Mapping[str, str] | None = None, folder: Path = ROOT
    ) -> None:
        self.command = [str(part) for part in command]
        self.output, self.folder = output, folder
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith(("CLEW_", "PYTHON"))}, **(env or {})}
        self.running: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        """The process id; the program must have been started."""
        assert self.running is not None
        return self.running.pid

    @property
    def alive(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self.running is not None and self.running.poll() is None

    def cpu_s(self) -> float:
        """Processor time of all its threads so far, in seconds; 0 where the system does not tell."""
        found = 0
        for thread in Path(f"/proc/{self.pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                found += int(thread.read_text().split()[0])
        return found / 1e9

    def memory(self) -> int:
        """Bytes of memory that it holds now; 0 where the system does not tell."""
        with suppress(OSError):
            found = Path(f"/proc/{self.pid}/status").read_text().partition("VmRSS:")[2].split()
            return 1024 * int(found[0])
        return 0

    async def start(self) -> float:
        """Start, and wait until it is ready; how long that took, in seconds. Raises NotReady."""
        begun, at = time.perf_counter(), self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as output:
            self.running = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder, env=self.env
            )
        self.starts += 1
        while time.perf_counter() - begun < START_S:
            said = self.said(at)
            if any(line.startswith("ready") for line in said.splitlines()):
                return time.perf_counter() - begun
            if not self.alive:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        self.kill()
        raise NotReady(f"{' '.join(self.command)} is not ready: {self.said(at)[-2000:]}")

    def said(self, since: int = 0) -> str:
        """What it has printed, from a byte of its output on."""
        with self.output.open("rb") as output:
            output.seek(since)
            return output.read().decode(errors="replace")

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.running is not None:
            self.running.kill()
            self.running.wait(STOP_S)

    async def stop(self) -> int:
        """SIGTERM, and wait for the end; the exit code. After some seconds it is killed."""
        if self.running is None:
            return 0
        self.running.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.running.wait, STOP_S)
        self.kill()
        return int(self.running.returncode)


class Server(Program):
    """`clew serve` on a database file. It has the same port over restarts."""

    def __init__(
        self, folder: Path, *, env: Mapping[str, str] | None = None, wrap: Sequence[str] = (), port: int | None = None
    ) -> None:
        self.db = folder / "clew.db"
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command: list[str | Path] = [*wrap, CLEW, "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--db", f"sqlite:///{self.db}"]
        super().__init__(command, folder / "server.log", {"CLEW_LOG_LEVEL": "warning", **(env or {})})

    # ---- the transaction, seen from outside

    def halt(self) -> None:
        """SIGSTOP, and wait until every thread stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def in_transaction(self) -> bool:
        """Whether this process holds SQLite's write lock now: a transaction is open, from BEGIN to the end of COMMIT.

        Asks the kernel who holds the lock and takes none, so that nothing is disturbed.
        """
        with suppress(FileNotFoundError), self.db.with_name(self.db.name + "-shm").open("rb+") as shared:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _WRITE_LOCK, 1, 0)
            kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(shared, fcntl.F_GETLK, asked))
            return bool(kind != fcntl.F_UNLCK and pid == self.pid)
        return False


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[Program]:
    """A program that is started, and stopped in the end."""
    try:
        await program.start()
        yield program
    finally:
        await program.stop()


@asynccontextmanager
async def serving(
    folder: Path, *, env: Mapping[str, str] | None = None, wrap: Sequence[str] = ()
) -> AsyncIterator[Server]:
    """A server on a new database file in a folder."""
    server = Server(folder, env=env, wrap=wrap)
    async with running(server):
        yield server


@asynccontextmanager
async def working(module: str, folder: Path, *args: str) -> AsyncIterator[str]:
    """A worker process of `python -m module --port N`; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", module, "--port", str(port), *args]
    async with running(Program(command, folder / f"{module}.log")):
        yield f"http://127.0.0.1:{port}"


# ---- talking to a server


class Told(Exception):
    """The server answered with an error: its status and problem document."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class Client:
    """A client of a server's interface below `/v1`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = f"{url}/v1", session

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None, **query: str | int) -> Any:
        """The JSON answer; `key` is an Idempotency-Key. Raises Told for an error, aiohttp.ClientError when there is no
        answer."""
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self.session.request(method, self.url + path, json=body, params=query, headers=headers) as response:
            found = await response.json(content_type=None) if response.status != 204 else None
            if response.status >= 400:
                raise Told(response.status, found)
            return found

    async def save(self, document: Mapping[str, Any]) -> None:
        """Save a workflow."""
        await self.ask("POST", "/workflows", document)

    async def register(self, worker_id: str, url: str, tags: Sequence[str] = (), max_concurrent: int = 64) -> None:
        """Register a webhook worker."""
        row = {"id": worker_id, "url": url, "protocol": "webhook", "tags": list(tags), "max_concurrent": max_concurrent}
        await self.ask("POST", "/workers", row)

    async def start(self, workflow_id: str, *, wait: float | None = None, key: str | None = None, **fields: Any) -> Any:
        """Start a run; with `wait` the run as it is after so many seconds, or at its end."""
        query = {} if wait is None else {"wait": str(wait)}
        return await self.ask("POST", f"/workflows/{workflow_id}/runs", fields, key, **query)

    async def run(self, run_id: str) -> Any:
        """A run."""
        return await self.ask("GET", f"/runs/{run_id}")


@asynccontextmanager
async def client_of(url: str, connections: int = 0) -> AsyncIterator[Client]:
    """A client; `connections` bounds how many it opens."""
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_S)
    timeout = aiohttp.ClientTimeout(total=300, sock_connect=10)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Client(url, session)
