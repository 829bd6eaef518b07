"""A real server for the SDK to talk to: one for many tests, or one that a test may stop and start."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from clew import Client
from examples.tour.processes import Children
from tests.e2e.processes import ROOT, Server, running


def a_server(folder: Path) -> Server:
    """`clew serve` on a new database file, not started yet."""
    server = Server(folder)
    server.command[:1] = [sys.executable, "-m", "api.cli"]
    return server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that many tests share: each asks for its own things alone."""
    folder = tmp_path_factory.mktemp("shared")
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--db", f"sqlite:///{folder / 'clew.db'}"]
    with Children() as children:
        yield children.start("server", "api.cli", arguments, ROOT, folder / "server.log").url


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server process of this test."""
    found = a_server(tmp_path)
    async with running(found):
        yield found


@pytest.fixture
async def clew(shared: str) -> AsyncIterator[Client]:
    """A client of the shared server."""
    async with Client(shared) as client:
        yield client


@pytest.fixture
async def own(server: Server) -> AsyncIterator[Client]:
    """A client of the server of this test."""
    async with Client(server.url) as client:
        yield client


@pytest.fixture
def options(transport: str, request: pytest.FixtureRequest) -> list[str]:
    """How a worker is started over the transport. Each test has a stream or topic of its own, and an id."""
    found = ["--transport", transport, "--id", f"kit-{uuid4().hex[:8]}"]
    if transport == "redis_stream":
        found += ["--broker", request.getfixturevalue("redis_server").url]
    elif transport == "mqtt":
        found += ["--broker", request.getfixturevalue("mosquitto").url]
    return found
