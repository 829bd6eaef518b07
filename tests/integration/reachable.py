"""A server on a socket, in this process: for those that call it back, or are called by another one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from api.app import create_app
from api.settings import Settings
from api.wiring import running
from tests.unit.api.serving import Server


@asynccontextmanager
async def reachable(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    """A server that others can reach at `wired.base_url`."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        given: dict[str, Any] = {"db": f"sqlite:///{folder}/clew.db", "grace_s": 0, **settings}
        async with running(Settings(**given), base) as wired:
            ours = uvicorn.Server(uvicorn.Config(create_app(wired), log_level="warning", lifespan="off"))
            serving = asyncio.create_task(ours.serve(sockets=[listening]))
            try:
                async with httpx.AsyncClient(base_url=f"{base}/v1") as http:
                    yield Server(wired, http)
            finally:
                ours.should_exit = True
                await serving
