"""Backups: taken while a server works, put back whole, and a file written anew in which every checkpoint stays."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from engine.errors import Conflict, StoreLocked, StoreUnavailable
from engine.ports import RunFilter
from engine.verify import verify_run
from store._backup import compact, restore
from tests.unit.api.serving import Server, a_server, asking, straight


def clew(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


async def start(server: Server, count: int, workflow: str = "straight") -> list[str]:
    asked = (server.post(f"/workflows/{workflow}/runs", {}, 201) for _ in range(count))
    return [run["id"] for run in await asyncio.gather(*asked)]


async def problems(server: Server) -> list[str]:
    """What is wrong in any run of a server's store; all of them are looked at."""
    page = await server.wired.store.runs(RunFilter(), 1000, None)
    reports = [await verify_run(server.wired.store, head.id, server.wired.workflows.graph) for head in page.items]
    return [problem for report in reports for problem in report.problems]


async def shown(server: Server, run_id: str) -> Any:
    """All checkpoints of a run with their states."""
    return await server.get(f"/runs/{run_id}/checkpoints?state=true&limit=1000")


async def test_a_backup_taken_under_load_restores_to_runs_that_all_verify(tmp_path: Path) -> None:
    copies = [tmp_path / f"copy-{number}.db" for number in range(3)]
    nodes = {f"n{number}": {"type": "transform", "updates": {"n": 1}} for number in range(10)}
    names = ["__start__", *nodes, "__end__"]
    document = straight("long", nodes=nodes, edges=[list(pair) for pair in pairwise(names)])
    async with a_server(tmp_path / "a") as server:
        await server.post("/workflows", document, 201)
        acknowledged: list[list[str]] = [[]]
        for copy in copies:
            load = asyncio.create_task(start(server, 8, "long"))
            await server.wired.store.backup(str(copy))
            acknowledged.append([*acknowledged[-1], *await load])
    for copy, before in zip(copies, acknowledged, strict=False):
        folder = tmp_path / copy.stem
        folder.mkdir()
        restore(copy, folder / "clew.db")
        async with a_server(folder) as server:
            known = {head.id for head in (await server.wired.store.runs(RunFilter(), 1000, None)).items}
            assert set(before) <= known
            assert await problems(server) == []
            ends = [await server.settled(run_id) for run_id in known]
            assert all((run["status"], run["state"]) == ("completed", {"n": 10}) for run in ends)
            assert await problems(server) == []


async def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        target = tmp_path / "copy.db"
        await server.wired.store.backup(str(target))
        kept = target.read_bytes()
        with pytest.raises(Conflict):
            await server.wired.store.backup(str(target))
        assert target.read_bytes() == kept


async def test_a_backup_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        with pytest.raises(StoreUnavailable):
            await server.wired.store.backup(str(tmp_path / "nowhere" / "copy.db"))
    assert not list(tmp_path.glob("**/*.part"))


async def test_a_database_that_is_served_is_not_replaced_or_written_anew(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.wired.store.backup(str(tmp_path / "copy.db"))
        with pytest.raises(StoreLocked):
            restore(tmp_path / "copy.db", tmp_path / "clew.db", replace=True)
        with pytest.raises(StoreLocked):
            compact(tmp_path / "clew.db")


async def test_over_http_backups_go_into_the_folder_that_is_set(tmp_path: Path) -> None:
    async with a_server(tmp_path, backups=tmp_path / "copies") as server:
        found = await server.post("/admin/backup", {"name": "one.db"})
        again = await server.refused("POST", "/admin/backup", 409, json={"name": "one.db"})
        await server.refused("POST", "/admin/backup", 422, json={"name": "../one.db"})
        timed = await server.post("/admin/backup")
    assert (found["file"], found["bytes"] > 0) == (str(tmp_path / "copies" / "one.db"), True)
    assert again["code"] == "backup.exists"
    assert Path(timed["file"]).is_file()


async def test_a_server_without_a_folder_writes_no_backup(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        assert (await server.refused("POST", "/admin/backup", 409, json={}))["code"] == "backup.no_folder"


async def test_a_store_in_memory_has_no_backups(tmp_path: Path) -> None:
    async with a_server(tmp_path, db="memory://", backups=tmp_path) as server:
        assert (await server.refused("POST", "/admin/backup", 422, json={}))["code"] == "backup.unsupported"


async def test_after_it_was_written_anew_every_checkpoint_reads_the_same(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in (straight(), asking()):
            await server.post("/workflows", document, 201)
        gone, kept = await start(server, 60), await start(server, 3)
        waits = await start(server, 1, "asking")
        for run_id in gone:
            await server.settled(run_id)
            assert (await server.http.delete(f"/runs/{run_id}")).status_code == 204
        before = [await shown(server, run_id) for run_id in (*kept, *waits)]
    sizes = compact(tmp_path / "clew.db")
    async with a_server(tmp_path) as server:
        assert [await shown(server, run_id) for run_id in (*kept, *waits)] == before
        assert await problems(server) == []
        await server.post(f"/runs/{waits[0]}/resume", {"resume": 1})
        assert (await server.settled(waits[0]))["status"] == "completed"
    assert sizes[1] < sizes[0]


# ---- the commands


async def test_the_commands_copy_put_back_and_replace_only_when_told(tmp_path: Path) -> None:
    database, copy = f"sqlite:///{tmp_path}/clew.db", tmp_path / "copy.db"
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight(), 201)
        beside = await asyncio.to_thread(clew, "backup", copy, "--db", database, "--json")
    refused = clew("restore", copy, "--db", database)
    assert (beside.exit_code, orjson.loads(beside.output)["file"]) == (0, str(copy))
    assert (refused.exit_code, "--replace" in refused.stderr) == (1, True)
    assert clew("restore", copy, "--db", database, "--replace").exit_code == 0
    assert clew("compact", "--db", database).exit_code == 0
    async with a_server(tmp_path) as server:
        assert (await server.get("/workflows/straight"))["version"] == 1


def test_what_is_no_backup_is_not_restored(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader, " * 100)
    result = clew("restore", tmp_path / "letter.txt", "--db", f"sqlite:///{tmp_path}/clew.db")
    assert (result.exit_code, "letter.txt is no backup of Clew" in result.stderr) == (1, True)
    assert not (tmp_path / "clew.db").exists()


def test_a_backup_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = clew("restore", tmp_path / "none.db", "--db", f"sqlite:///{tmp_path}/clew.db")
    assert (result.exit_code, "does not exist" in result.stderr) == (1, True)
