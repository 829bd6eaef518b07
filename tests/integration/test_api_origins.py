"""Web pages that post: those of other origins are refused, whatever the browser lets them send."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.api.serving import a_server, straight

PAGE = "https://page.example"
HERE = {"Origin": "http://clew.test"}
FOREIGN = [
    {"Origin": "http://evil.test"}, {"Origin": "null"}, {"Origin": "http://clew.test:81"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://x.clew.test", "Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": ""},
]  # fmt: skip
OWN = [
    {"Origin": "http://alias.test:5", "Host": "alias.test:5"},
    {}, HERE, {"Sec-Fetch-Site": "same-origin"}, {**HERE, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
    {"Origin": "https://proxy.test", "Sec-Fetch-Site": "same-origin"}, {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"},
]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN)
async def test_what_a_page_of_another_origin_posts_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    async with a_server(tmp_path, cors_origins=(PAGE,)) as server:
        problem = await server.refused("POST", "/workflows", 403, json=straight(), headers=headers)
        assert problem["code"] == "origin.refused"
        assert (await server.get("/workflows", headers=headers))["items"] == []


@pytest.mark.parametrize("headers", OWN)
async def test_programs_and_pages_of_its_own_may_post(tmp_path: Path, headers: dict[str, str]) -> None:
    async with a_server(tmp_path, cors_origins=(PAGE,)) as server:
        await server.post("/workflows", straight(), 201, headers=headers)
