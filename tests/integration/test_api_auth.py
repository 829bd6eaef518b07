"""The server's token: what wants it, and how it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.api.serving import ORIGIN, Server, a_server

TOKEN = "correct-horse"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path, token=TOKEN) as found:
        yield found


WRONG = ["", "Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ä", f"Bearer {TOKEN[:-1]}"]


@pytest.mark.parametrize("header", [None, *WRONG])
async def test_without_the_token_nothing_is_told(server: Server, header: str | None) -> None:
    headers = [] if header is None else [(b"Authorization", header.encode())]
    for method, path in (("GET", "/runs"), ("POST", "/workflows"), ("GET", "/nothing"), ("GET", "/ready")):
        response = await server.http.request(method, path, content=b"{", headers=headers)
        assert (response.status_code, response.json()["code"][:5]) == (401, "auth."), path
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER "])
async def test_with_the_token_everything_is(server: Server, kind: str) -> None:
    assert await server.get("/runs", headers={"Authorization": f"{kind} {TOKEN}"}) == {"items": [], "next_cursor": None}


async def test_health_and_the_description_are_open(server: Server) -> None:
    for path in ("/health", f"{ORIGIN}/health", f"{ORIGIN}/openapi.json"):
        await server.get(path)


async def test_the_token_shows_nowhere(server: Server) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    info = await server.get("/admin/info", headers=headers)
    assert info["auth"] is True
    assert TOKEN not in str(info) + repr(server.wired.settings)
