"""A server with something of everything in it, so that requests meet what is there: `furnished(folder)`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from uuid_utils import uuid7

from tests.e2e.processes import LOOK_EVERY_S, Client, Server, client_of, serving, working
from tests.e2e.shapes import edges, line, task, transform
from tests.files import renamed

WAIT_S = 30
MANY = 10_000
"""Tasks that the worker may hold: those of held runs are never answered."""
NOBODY = "http://127.0.0.1:9/"
"""The discard port of this machine: nobody listens there."""

ENV = {"CLEW_WEBHOOK_GIVE_UP_S": "0"}

STATE = {
    "n": {"type": "integer", "reducer": "add"},
    "log": {"type": "array", "reducer": "append"},
    "said": {"type": "array", "reducer": "add_messages"},
    "items": {"type": "array", "default": [1, 2]},
    "results": {"type": "array"},
    "word": {"type": "string"},
}


def _document(name: str, nodes: dict[str, Any], between: list[list[str]], **more: Any) -> dict[str, Any]:
    return {"id": name, "state_schema": STATE, "nodes": nodes, "edges": between, **more}


def _ask(**more: Any) -> dict[str, Any]:
    return {"type": "interrupt", "message": "well?", "output_key": "word", "schema": {"type": "string"}, **more}


DOCUMENTS = (
    _document(
        "done",
        {
            "a": task(),
            "b": transform(n=1, said={"role": "user", "content": "hello"}),
            "each": {"type": "send", "items_key": "state.items", "target_node": "one", "output_key": "results"},
            "one": task(prompt="{{ item }}"),
            "more": {"type": "route", "rules": [{"when": "state.n >= 2", "to": "no"}], "default": "yes"},
            "last": transform(n=10),
        },
        edges("__start__ a, a b, b each, each more, more:yes a, more:no last, last __end__"),
        tags=["shown"],
    ),
    _document(
        "waits",
        {"a": transform(n=1), "ask": _ask(), "two": _ask(), "z": task()},
        edges("__start__ a, a ask, a two, ask z, two z, z __end__"),
    ),
    _document("asked", {"a": task("ask"), "z": transform(n=1)}, line("a", "z")),
    _document("stops", {"a": transform(n=1), "z": transform(n=1)}, line("a", "z"), interrupt_before=["z"]),
    _document("held", {"a": transform(n=1), "b": task("hold"), "z": task()}, line("a", "b", "z")),
    _document("fails", {"a": transform(n=1), "b": task("fail"), "z": task()}, line("a", "b", "z")),
    _document("idle", {"a": transform(n=1)}, line("a")),
)
"""Workflows whose runs end completed, wait for answers (of two kinds), stop, are under way, and fail."""

SESSIONS = {"waits": "talk", "idle": "over"}
"""The workflows whose runs are in sessions."""
PLACES = ("n", "log[0]", "said[0].content", "results", "word", "")
NODES = ("a", "b", "z", "ask", "__end__")


@dataclass
class Found:
    """A run, and what belongs to it."""

    run_id: str
    workflow_id: str
    checkpoints: list[str]
    tasks: list[str]
    interrupts: list[str]
    branches: list[str]


@dataclass
class Ids:
    """What a server holds, by what it is; `twice` is a workflow that has two versions."""

    twice: str = ""
    runs: list[Found] = field(default_factory=list)
    workflows: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    file: bytes = b""
    """A run that is there, as a file."""
    imported: str = ""
    """A run that came in from a file, and is held."""


@dataclass
class Furnished:
    """A server, its client, and the address of its worker."""

    server: Server
    client: Client
    worker: str
    times: int = 0

    async def furnish(self) -> Ids:
        """Put everything in once more, whatever was done to what is there, and tell what is there now."""
        await self._emptied()
        self.times += 1
        await self.client.register("counter", self.worker, ["count"], max_concurrent=MANY)
        await asyncio.gather(*(self.client.save(self._named(document)) for document in DOCUMENTS))
        await self.client.ask("PUT", f"/workflows/idle-{self.times}", self._named({**DOCUMENTS[-1], "tags": ["again"]}))
        await self._changed(*await asyncio.gather(*self._runs()))
        return await self._ids()

    def _named(self, document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "id": f"{document['id']}-{self.times}"}

    def _runs(self) -> Iterator[Any]:
        for document in DOCUMENTS:
            wait = None if document["id"] == "held" else WAIT_S
            more: dict[str, Any] = {"webhook": NOBODY} if document["id"] == "idle" else {}
            if document["id"] in SESSIONS:
                more["session_id"] = f"{SESSIONS[document['id']]}-{self.times}"
            yield self.client.start(self._named(document)["id"], wait=wait, tags=["t"], **more)

    async def _emptied(self) -> None:
        await self.client.ask("POST", "/admin/drain", {"draining": False})
        rows = (await self.client.ask("GET", "/workers", limit=1000))["items"]
        for row in rows:
            await self.client.ask("DELETE", f"/workers/{quote(row['id'], safe='')}")

    async def _changed(self, done: Any, waits: Any, *_: Any) -> None:
        """Branches, forks, an edit, an interrupt that somebody looks after, and a job."""
        ask = self.client.ask
        await ask("POST", f"/runs/{done['id']}/replay", {"checkpoint_id": f"{done['id']}.3", "updates": {"n": 5}})
        await ask("POST", "/runs/fork", {"checkpoint_id": f"{done['id']}.2", "goto": "last"})
        await ask("POST", f"/runs/{waits['id']}/state", {"updates": {"n": 1}})
        await ask("POST", f"/interrupts/{waits['interrupts'][0]['id']}/claim", {"assignee": "ann"})
        await ask("POST", "/runs/bulk", {"action": "retry", "filter": {"ids": [done["id"]]}})

    async def _ids(self) -> Ids:
        found = Ids(twice=f"idle-{self.times}", notices=await self._given_up())
        for path in ("/runs", "/workflows", "/workers", "/interrupts", "/dead-letters", "/sessions", "/jobs"):
            one = await self.client.ask("GET", path, limit=1)
            found.cursors += [one["next_cursor"]] if one["next_cursor"] else []
        found.workflows = [row["id"] for row in (await self.client.ask("GET", "/workflows", limit=100))["items"]]
        found.workers = [row["id"] for row in (await self.client.ask("GET", "/workers", limit=100))["items"]]
        found.sessions = [row["id"] for row in (await self.client.ask("GET", "/sessions", limit=10))["items"]]
        found.jobs = [row["id"] for row in (await self.client.ask("GET", "/jobs", limit=10))["items"]]
        found.artifacts = [await self._artifact(text) for text in (b"one", f"more {self.times}".encode())]
        found.letters = [row["id"] for row in (await self.client.ask("GET", "/dead-letters", limit=100))["items"]]
        rows = (await self.client.ask("GET", "/runs", limit=2 * len(DOCUMENTS)))["items"]
        found.runs = [await self._found(row["id"]) for row in rows]
        names = {run.workflow_id.rpartition("-")[0]: run.run_id for run in reversed(found.runs)}  # the newest of each
        found.file, found.imported = await self._file(names["idle"]), str(uuid7())
        await self._take(renamed(await self._file(names["held"]), names["held"], found.imported))
        return found

    async def _given_up(self) -> list[str]:
        """The notices that reached nobody, once the last one is given up."""
        async with asyncio.timeout(WAIT_S):
            while (await self.client.ask("GET", "/notices", status="pending", limit=1))["items"]:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY_S)  # it is seen from outside only
        return [row["id"] for row in (await self.client.ask("GET", "/notices", status="failed", limit=10))["items"]]

    async def _artifact(self, text: bytes) -> str:
        headers = {"Content-Type": "text/plain"}
        async with self.client.session.post(f"{self.server.url}/v1/artifacts", data=text, headers=headers) as response:
            assert response.status == 201, await response.text()
            return str((await response.json())["sha256"])

    async def _file(self, run_id: str) -> bytes:
        async with self.client.session.get(f"{self.server.url}/v1/runs/{run_id}/export") as response:
            return await response.read()

    async def _take(self, text: bytes) -> None:
        async with self.client.session.post(f"{self.server.url}/v1/runs/import", data=text) as response:
            assert response.status == 201, await response.text()

    async def _found(self, run_id: str) -> Found:
        run = await self.client.run(run_id)
        page = await self.client.ask("GET", f"/runs/{run_id}/checkpoints", limit=4)
        return Found(
            run_id=run_id,
            workflow_id=run["workflow_id"],
            checkpoints=[row["id"] for row in page["items"]] + [f"{run_id}.1"],
            tasks=[row["id"] for row in run["tasks"]],
            interrupts=[row["id"] for row in run["interrupts"]],
            branches=[row["id"] for row in run["branches"]],
        )


@asynccontextmanager
async def furnished(folder: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Furnished]:
    """A server with a worker, to be furnished."""
    async with (
        working("tests.e2e.counting_worker", folder, "--slow-ms", "1") as worker,
        serving(folder, env={"CLEW_BACKUPS": str(folder / "backups"), **ENV, **(env or {})}) as server,
        client_of(server.url) as client,
    ):
        yield Furnished(server, client, worker)
