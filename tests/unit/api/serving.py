"""A server without a socket for tests: the real store and outbox behind an HTTP client, and documents to run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from api.app import create_app
from api.settings import Settings
from api.wiring import Wired, running
from engine.model import RunId

ORIGIN = "http://clew.test"
PATIENCE_S = 10.0

PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Server:
    """A wired server, and a client below its `/v1`."""

    wired: Wired
    http: httpx.AsyncClient

    async def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer with this status."""
        response = await self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        return orjson.loads(response.content) if response.content else None

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return await self.call("GET", path, status, **options)

    async def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        return await self.call("POST", path, status, json=body, **options)

    async def refused(self, method: str, path: str, status: int, **options: Any) -> Any:
        """The problem document of a refusal; it is checked to be one."""
        response = await self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        assert response.headers["content-type"] == PROBLEM
        problem = orjson.loads(response.content)
        assert problem["status"] == status
        assert {"type", "title", "detail", "code", "errors"} <= problem.keys()
        return problem

    async def settled(self, run_id: str) -> Any:
        """The run, once it is terminal or interrupted."""
        await self.wired.engine.wait(RunId(run_id), PATIENCE_S)
        return await self.get(f"/runs/{run_id}")


@asynccontextmanager
async def a_server(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    """A server on the database in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"db": f"sqlite:///{folder}/clew.db", "grace_s": 0, **settings}
    async with running(Settings(**given), ORIGIN) as wired:
        transport = httpx.ASGITransport(create_app(wired))
        async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/v1") as http:
            yield Server(wired, http)


def straight(workflow_id: str = "straight", **fields: Any) -> dict[str, Any]:
    """A workflow of one transform, which adds 1 to `n`."""
    return {
        "id": workflow_id,
        "state_schema": {"n": {"type": "integer", "reducer": "add"}},
        "nodes": {"a": {"type": "transform", "updates": {"n": 1}}},
        "edges": [["__start__", "a"], ["a", "__end__"]],
        **fields,
    }


def asking(workflow_id: str = "asking") -> dict[str, Any]:
    """A workflow that waits for a number."""
    return {
        "id": workflow_id,
        "state_schema": {"answer": {"type": "integer"}},
        "nodes": {"ask": {"type": "interrupt", "message": "how many?", "output_key": "answer"}},
        "edges": [["__start__", "ask"], ["ask", "__end__"]],
    }


def working(workflow_id: str = "working") -> dict[str, Any]:
    """A workflow that asks a worker with the tag `w`."""
    return {
        "id": workflow_id,
        "state_schema": {"out": {}},
        "nodes": {"job": {"type": "task", "worker_tags": ["w"], "prompt_template": "go", "output_key": "out"}},
        "edges": [["__start__", "job"], ["job", "__end__"]],
    }


def broken(workflow_id: str = "broken") -> dict[str, Any]:
    """A document with an edge to nowhere."""
    return straight(workflow_id, edges=[["__start__", "a"], ["a", "ghost"], ["a", "__end__"]])
