"""What came of an answer that was there already is marked, wherever a run is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration.command_line import said, told
from tests.unit.api.serving import a_server, working
from tests.unit.dispatch.builders import http_worker


@pytest.fixture(params=["reused", "cached"])
def mark(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(mark: str, tmp_path: Path) -> str:
    """A run whose task took over an answer, by a fork or from a cache."""

    async def play() -> Any:
        document = working()
        if mark == "cached":
            document["nodes"]["job"]["cache"] = {"ttl_ms": 60_000}
        async with http_worker() as worker, a_server(tmp_path) as server:
            await server.post("/workers", {"id": "w1", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
            await server.post("/workflows", document, 201)
            first = await server.post("/workflows/working/runs?wait=10", {}, 201)
            if mark == "cached":
                return await server.post("/workflows/working/runs?wait=10", {}, 201)
            fork = await server.post("/runs/fork", {"checkpoint_id": f"{first['id']}.1", "reuse": "unchanged"}, 201)
            return await server.settled(fork["id"])

    return str(asyncio.run(play())["id"])


def test_what_was_there_already_is_marked(run: str, mark: str, tmp_path: Path) -> None:
    db = ("--db", f"sqlite:///{tmp_path}/clew.db")
    shown = told("runs", "show", f"{run}.2", *db)
    assert (shown["reused"], shown["cached"]) == (mark == "reused", mark == "cached")
    assert f"node job ({mark})\n" in said("runs", "show", f"{run}.2", *db)
    assert f"node      job ({mark})" in said("runs", "show", run, *db)
    assert f"  job completed ({mark})\n" in said("runs", "tree", run, *db)
    assert f"job completed ({mark}) at w1\n" in said("runs", "tail", run, *db)
    assert f" {mark} w1" in said("runs", "trace", run, *db)
    (ended,) = [
        event["data"]
        for event in map(orjson.loads, said("runs", "tail", run, "--json", *db).splitlines())
        if event["event"] == "task" and event["data"]["status"] == "completed"
    ]
    assert ended[mark] is True
