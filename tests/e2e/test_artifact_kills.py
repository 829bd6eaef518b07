"""A server that is killed between the bytes of an artifact and the commit that refers to them: nothing is lost, and
nothing is left behind.

A trigger in the database has the server stand still at one statement, in the middle of its transaction. There it is
killed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from contextlib import closing, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import obstore
import orjson
import pytest
from aiohttp import web
from obstore.store import from_url

from tests.e2e.processes import CLEW, Client, Server, client_of, serving
from tests.servers import ObjectServer
from tests.unit.api.serving import working
from tests.unit.dispatch.builders import Handler, HttpWorker, Seen, answer, http_worker

ROW, LARGE = 400_000, 2_000_000
"""Outputs that are rows of the database, and that are not; neither stays in a state."""
JSON = {"Content-Type": "application/json"}
PATIENCE_S = 90.0
LOOK_EVERY_S = 0.01
HALTS = """
CREATE VIEW for_ever AS WITH RECURSIVE found(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM found) SELECT n FROM found;
CREATE TRIGGER halts BEFORE INSERT ON {table} BEGIN SELECT count(*) FROM for_ever; END;
"""
GOES_ON = "DROP TRIGGER halts; DROP VIEW for_ever; UPDATE artifacts SET expires_at = 0, held_until = 0;"
"""It can go on; and the time is over for which an artifact stays that is about to be referred to."""


@dataclass
class Kept:
    """Where the bytes of artifacts are, beside the rows that know of them."""

    folder: Path
    address: str | None

    async def names(self) -> list[str]:
        """The SHA-256 of all that is whole, and no row."""
        if self.address is not None:
            found = [meta["path"] async for page in obstore.list(from_url(self.address)) for meta in page]
            return sorted(path.replace("/", "") for path in found if path != "clew-owner")
        files = self.folder.glob("clew.db.artifacts/??/*")
        return sorted(file.parent.name + file.name for file in files)


def told(db: Path, statement: str) -> list[Any]:
    """What a database says, beside the server."""
    with closing(sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def change(db: Path, script: str) -> None:
    with closing(sqlite3.connect(db, timeout=30)) as connection:
        connection.executescript(script)


async def halted(server: Server, place: Kept, table: str) -> None:
    """Wait until the server stands still at its first row of a table: what comes before that is there."""
    async with asyncio.timeout(PATIENCE_S):
        while not (server.in_transaction() and await _is_stored(server, place, table)):  # noqa: ASYNC110 - a process
            await asyncio.sleep(LOOK_EVERY_S)


async def _is_stored(server: Server, place: Kept, table: str) -> bool:
    if table == "artifacts":
        return bool(await place.names())
    return bool(told(server.db, "SELECT n FROM artifacts"))


async def collected(client: Client, place: Kept, orphan: str) -> None:
    """Wait until nothing knows of an artifact any more."""
    async with asyncio.timeout(PATIENCE_S):
        while orphan in await place.names() or orphan in await listed(client):  # noqa: ASYNC110 - a process
            await asyncio.sleep(LOOK_EVERY_S)


async def listed(client: Client) -> list[str]:
    return [found["sha256"] for found in (await client.ask("GET", "/artifacts"))["items"]]


def later(output: str, db: Path) -> Handler:
    """A handler that accepts the task, and gives the answer to `reply_to` until it is taken; not before the log says
    that the task was accepted, for the two may be written as one, and a server that is killed then asks again."""

    async def give(reply_to: str) -> None:
        while not told(db, "SELECT n FROM events WHERE kind = 'accepted'"):  # noqa: ASYNC110 - a process
            await asyncio.sleep(LOOK_EVERY_S)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    body = BytesIO(orjson.dumps({"output": output}))
                    async with session.post(reply_to, data=body, headers=JSON) as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(LOOK_EVERY_S)

    async def handle(seen: Seen, request: web.Request) -> web.StreamResponse:
        giving.add(asyncio.create_task(give(seen.body["reply_to"])))
        return web.Response(status=202)

    giving: set[asyncio.Task[None]] = set()
    return handle


async def begun(client: Client, worker: HttpWorker) -> str:
    """A run whose task is with the worker."""
    await client.save(working())
    await client.register("w1", worker.url, ["w"])
    return str((await client.start("working"))["id"])


async def finished(client: Client, run_id: str) -> Any:
    run = await client.ask("GET", f"/runs/{run_id}")
    async with asyncio.timeout(PATIENCE_S):
        while run["status"] != "completed":
            await asyncio.sleep(LOOK_EVERY_S)
            run = await client.ask("GET", f"/runs/{run_id}")
    return run


async def content_of(client: Client, sha256: str) -> Any:
    async with client.session.get(f"{client.url}/artifacts/{sha256}") as response:
        assert response.status == 200
        return orjson.loads(await response.read())


def verified(server: Server, run_id: str) -> str:
    found = subprocess.run([CLEW, "verify", run_id, "--db", f"sqlite:///{server.db}"], capture_output=True, text=True)
    return found.stdout


@pytest.fixture(params=["beside", "objects"])
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Kept, dict[str, str]]:
    """Where large artifacts are, and the settings of a server that keeps them there."""
    env = {"CLEW_SWEEP_S": "1"}
    if request.param == "beside":
        return Kept(tmp_path, None), env
    objects: ObjectServer = request.getfixturevalue("object_server")
    for name, value in objects.env.items():
        monkeypatch.setenv(name, value)
    address = objects.address(uuid4().hex)
    return Kept(tmp_path, address), {**env, "CLEW_ARTIFACTS": address}


@pytest.mark.parametrize(("table", "size"), [("artifacts", LARGE), ("artifact_refs", LARGE), ("artifact_refs", ROW)])
async def test_what_was_stored_for_nobody_goes_and_the_worker_is_asked_again(
    tmp_path: Path, kept: tuple[Kept, dict[str, str]], table: str, size: int
) -> None:
    place, env = kept
    first, second = "first " * (size // 6), "second " * (size // 6)
    async with http_worker() as worker, serving(tmp_path, env=env) as server, client_of(server.url) as client:
        worker.script = [answer({"output": first}), answer({"output": second})]
        change(server.db, HALTS.format(table=table))
        run_id = await begun(client, worker)
        await halted(server, place, table)
        server.kill()
        names = await place.names()
        known = [name for (name,) in told(server.db, "SELECT sha256 FROM artifacts")]
        assert (len(names), len(known)) == (int(size == LARGE), int(table == "artifact_refs"))
        assert told(server.db, "SELECT * FROM artifact_refs") == []
        orphan = [*names, *known][0]

        change(server.db, GOES_ON)
        await server.start()
        run = await finished(client, run_id)
        ref = run["state"]["out"]
        assert await content_of(client, ref["sha256"]) == second
        await collected(client, place, orphan)
        assert await listed(client) == [ref["sha256"]]
        assert await place.names() == ([ref["sha256"]] if size == LARGE else [])
        assert [run["artifacts"]["count"], run["tasks"][0]["attempt"]] == [1, 1]
    assert len(worker.seen) == 2
    assert len({seen.headers["Idempotency-Key"] for seen in worker.seen}) == 1
    assert "nothing is wrong" in verified(server, run_id)


@pytest.mark.parametrize("table", ["artifacts", "artifact_refs"])
async def test_an_answer_that_comes_later_is_taken_when_it_comes_again(
    tmp_path: Path, kept: tuple[Kept, dict[str, str]], table: str
) -> None:
    place, env = kept
    output = "later " * (LARGE // 6)
    async with http_worker() as worker, serving(tmp_path, env=env) as server, client_of(server.url) as client:
        worker.script = [later(output, server.db)]
        change(server.db, HALTS.format(table=table))
        run_id = await begun(client, worker)
        await halted(server, place, table)
        server.kill()
        [name] = await place.names()

        change(server.db, GOES_ON)
        await server.start()
        run = await finished(client, run_id)
        assert run["state"]["out"]["sha256"] == name
        assert await content_of(client, name) == output
        assert await place.names() == [name]
    assert len(worker.seen) == 1
    assert "nothing is wrong" in verified(server, run_id)
