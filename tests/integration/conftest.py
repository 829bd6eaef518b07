"""A server for each test, and a worker that it may register."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.builders import HttpWorker, answer, http_worker


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A server with the workflows that the test's module names as DOCUMENTS."""
    async with a_server(tmp_path) as found:
        for document in getattr(request.module, "DOCUMENTS", ()):
            await found.post("/workflows", document, 201)
        yield found


@pytest.fixture
async def worker() -> AsyncIterator[HttpWorker]:
    """A worker that answers `{"output": "done"}` until a test scripts it."""
    async with http_worker() as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[HttpWorker]:
    """One that is told of something, and says `{}` to it until a test scripts it."""
    async with http_worker() as found:
        found.script = [answer({})]
        yield found
