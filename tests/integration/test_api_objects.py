"""A server whose large artifacts are kept in an object store."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from engine.errors import StoreUnavailable
from tests.e2e.processes import CLEW
from tests.integration.command_line import clew
from tests.servers import ObjectServer
from tests.unit.api.serving import Server, a_server

CONTENT = bytes(number % 251 for number in range(3_000_000))


@pytest.fixture
def address(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in object_server.env.items():
        monkeypatch.setenv(name, value)
    return object_server.address(uuid4().hex)


async def send(server: Server, content: bytes) -> Any:
    found = await server.http.post("/artifacts", content=content)
    assert found.status_code == 201, found.text
    return found.json()


async def test_what_is_sent_is_fetched_whole_and_in_parts_also_after_a_restart(tmp_path: Path, address: str) -> None:
    async with a_server(tmp_path, artifacts=address) as server:
        path = f"/artifacts/{(await send(server, CONTENT))['sha256']}"
    async with a_server(tmp_path, artifacts=address) as server:
        part = await server.http.get(path, headers={"Range": "bytes=1000000-1000009"})
        assert (part.status_code, part.content) == (206, CONTENT[1_000_000:1_000_010])
        assert (await server.http.get(path)).content == CONTENT
        assert (await server.http.delete(path)).status_code == 204
        assert (await server.refused("GET", path, 404))["code"] == "not_found"
    assert not list(tmp_path.glob("clew.db.artifacts/??"))


async def test_what_cannot_be_read_now_is_told_before_it_begins(tmp_path: Path, address: str) -> None:
    async with a_server(tmp_path, artifacts=address) as server:
        path = f"/artifacts/{(await send(server, CONTENT))['sha256']}"
    async with a_server(tmp_path) as server:
        assert (await server.refused("GET", path, 503))["code"] == "store.unavailable"


async def test_a_server_does_not_start_on_the_artifacts_of_another(tmp_path: Path, address: str) -> None:
    async with a_server(tmp_path / "one", artifacts=address):
        pass
    with pytest.raises(StoreUnavailable, match="has the artifacts of another database"):
        async with a_server(tmp_path / "two", artifacts=address):
            pass
    async with a_server(tmp_path / "one", artifacts=address):
        pass


def test_a_place_that_is_none_is_told(tmp_path: Path) -> None:
    words = ["serve", "--port", "0", "--db", f"sqlite:///{tmp_path}/clew.db", "--artifacts", "bucket"]
    told = subprocess.run([CLEW, *words], capture_output=True, text=True, timeout=60)
    assert told.returncode == 1
    assert "'bucket' is no address of objects: it is s3://bucket/prefix" in told.stderr


def test_a_run_that_is_kept_nowhere_needs_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEW_ARTIFACTS", "s3://bucket/prefix")
    told = clew("run", "docs/examples/transform.json", "--input", '{"name": "Ada"}')
    assert told.exit_code == 0, told.output
