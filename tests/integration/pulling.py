"""A worker of the protocol `pull` for tests: it asks, answers and reports over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from dispatch._outbox import WorkerOutbox
from engine.model import RunId, TaskId, TaskStatus
from engine.ports import WorkerRow
from engine.progress import Progress
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import Watched

P = {"id": "p1", "protocol": "pull", "tags": ["w"]}
PATIENCE_MS, PATIENCE_S = 10_000, 10.0


class Asked(Watched):
    """Counts those that have asked a server for tasks, on their way to it."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        assert isinstance(server.wired.outbox, WorkerOutbox)
        self.outbox, self.count = server.wired.outbox, 0
        server.wired.leases.asks.serve(self)

    def asked(self, worker: WorkerRow, *, visits: bool) -> None:
        self.outbox.asked(worker, visits=visits)
        self.count += 1
        self.changed()

    def lost(self, task_id: TaskId) -> None:
        self.outbox.lost(task_id)


async def leased(server: Server, count: int = 1, **asked: Any) -> list[Any]:
    """The tasks that somebody with the tag `w` gets, once there are so many."""
    body = {"max": count, "wait_ms": PATIENCE_MS, **({} if "worker_id" in asked else {"tags": ["w"]}), **asked}
    found: list[Any] = []
    while len(found) < count:
        got = (await server.post("/tasks/lease", {**body, "max": count - len(found)}))["items"]
        assert got, "nothing came"
        found += got
    return found


def path_of(reply_to: str) -> str:
    """The path below `/v1` at which a task is answered."""
    parts = urlsplit(reply_to)
    return f"{parts.path.removeprefix('/v1')}?{parts.query}"


async def answered(server: Server, item: Any, body: Any) -> Any:
    """Post an answer to what was leased."""
    return await server.post(path_of(item["reply_to"]), body)


async def beats(server: Server, item: Any, status: int = 200) -> Any:
    """Send a heartbeat of what was leased."""
    return await server.post(path_of(item["reply_to"]).replace("/result", "/heartbeat"), status=status)


async def begun(server: Server, workflow: str = "working") -> str:
    """A run of a workflow whose job a worker has to do."""
    run: str = (await server.post(f"/workflows/{workflow}/runs", {}, 201))["id"]
    return run


def retrying(workflow_id: str = "retrying", **policy: Any) -> dict[str, Any]:
    """A workflow whose job may fail."""
    document = working(workflow_id)
    document["nodes"]["job"]["retry"] = {"max_attempts": 1, "initial_interval_ms": 1, **policy}
    return document


def held(progress: Progress) -> bool:
    """Whether a worker has accepted a task."""
    return progress.status is TaskStatus.RUNNING and progress.accepted


def waits(progress: Progress) -> bool:
    """Whether a task waits for a worker."""
    return progress.status is TaskStatus.WAITING


async def until(server: Server, run_id: str, holds: Callable[[Progress], bool]) -> Any:
    """The task of a run, once something holds of it, durably."""
    loop = server.wired.engine.loop
    key = loop.keys[RunId(run_id)]

    def there() -> bool:
        live = loop.lives.get(key)
        return live is not None and not live.undurable and any(map(holds, live.run.progress.values()))

    await loop.changed(key, there, PATIENCE_S)
    assert there()
    return (await server.get(f"/runs/{run_id}"))["tasks"][0]
