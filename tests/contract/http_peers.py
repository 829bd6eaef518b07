"""Peers of the protocols over HTTP: workers that get a task or a message, and a model that answers with a text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from tests.unit.dispatch.builders import PATIENCE_S, HttpWorker, a_worker, answer, free_port, hang, http_worker
from tests.unit.dispatch.models import says


class HttpPeer:
    """A worker that is asked by POST, and whose response answers."""

    def __init__(self, worker: HttpWorker) -> None:
        self.worker = worker
        self.row = a_worker(url=f"{worker.url}/work")
        self.nobody = a_worker(url=f"http://127.0.0.1:{free_port()}/")

    def answers(self, body: Any) -> None:
        self.worker.script = [answer(body)]

    def accepts(self) -> None:
        self.worker.script = [answer({}, status=202)]

    def fails(self, error: Any) -> None:
        self.worker.script = [answer({"error": error}, status=500)]

    def hangs(self) -> None:
        self.worker.script = [hang]

    def got(self) -> list[tuple[bytes, str]]:
        return [(seen.raw, seen.headers["idempotency-key"]) for seen in self.worker.seen]

    async def until_asked(self) -> None:
        await self.worker.until(lambda: bool(self.worker.seen))

    async def until_left(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.worker.hung_up.wait()


class ModelPeer(HttpPeer):
    """A model: what it says is a text, streamed in two pieces."""

    def answers(self, body: Any) -> None:
        text = text_of(body)
        self.worker.script = [says(text[:2], text[2:])]

    def accepts(self) -> None:
        raise AssertionError("a model answers at once")


def text_of(body: Any) -> str:
    return body if isinstance(body, str) else orjson.dumps(body).decode()


@asynccontextmanager
async def http_peer() -> AsyncIterator[HttpPeer]:
    async with http_worker() as worker:
        yield HttpPeer(worker)


@asynccontextmanager
async def model_peer() -> AsyncIterator[ModelPeer]:
    async with http_worker() as worker:
        worker.script = [says("done")]
        yield ModelPeer(worker)
