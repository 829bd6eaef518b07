"""A server and a client of it, for tests that need a real process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.processes import Client, Server, client_of, serving


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """`clew serve` on a new database file."""
    async with serving(tmp_path) as found:
        yield found


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    """A client of the server."""
    async with client_of(server.url) as found:
        yield found
