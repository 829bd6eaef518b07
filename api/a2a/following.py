"""A run as a stream of Agent2Agent: the task first, then what changes of it, until it ends or asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.a2a.tasks import artifacts_of, context_of, status_of, task_of
from api.wiring import Wired
from dispatch._a2a.model import Artifact, ArtifactUpdate, Event, Part, State, Status, StatusUpdate
from engine.driver.stream import Position, StreamEvent
from engine.model import RunId, RunStatus, seq_of

MODES = frozenset({"tasks", "custom"})
ENDS = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Told:
    """What a stream tells, with the place after which it goes on; None where there is none to go on from."""

    event: Event
    place: str | None


async def here(server: Wired, run_id: str) -> str:
    """The place of what has happened in a run so far. Raises NotFound."""
    head = await server.reader.head(run_id)
    return str(Position(seq_of(head.head), await server.store.last_event(head.key)))


async def follow(server: Wired, run_id: RunId, after: str | None, *, snapshot: bool) -> AsyncIterator[Told]:
    """What happens in a run after a place, or from its beginning."""
    run = await server.reader.run(run_id)
    if snapshot:
        yield Told(task_of(run), after)
        if run["status"] in ENDS and after is not None:
            return
    told = server.streams.stream(run_id, modes=MODES, after=after, from_now=False, until=RunStatus.INTERRUPTED)
    started: set[str] = set()
    async for events in told:
        for event in events:
            async for found in _changes(server, run, event, started):
                yield Told(found, event.id)


async def _changes(
    server: Wired, run: Mapping[str, Any], event: StreamEvent, started: set[str]
) -> AsyncIterator[Event]:
    """What an event of a run is to those who follow its task."""
    data = event.data
    placed: dict[str, Any] = {"task_id": run["id"], "context_id": context_of(run)}
    match event.event:
        case "task" if data.get("kind") in ("NODE_COMPLETED", "NODE_FAILED", "NODE_SKIPPED"):
            step: dict[str, Any] = {name: data[name] for name in ("node", "kind") if name in data}
            step["seq"] = event.id
            status = Status(state=State.WORKING, timestamp=data.get("at"))
            yield StatusUpdate(status=status, metadata=step, **placed)
        case "custom":
            for chunk in data.get("chunks") or ():
                name = f"{data['task_id']}.{chunk['channel']}"
                artifact = Artifact(artifact_id=name, name=chunk["channel"], parts=(Part(text=chunk["text"]),))
                yield ArtifactUpdate(artifact=artifact, append=name in started, **placed)
                started.add(name)
        case "run" if data["status"] in ENDS:
            now = await server.reader.run(run["id"])
            for artifact in artifacts_of(now):
                yield ArtifactUpdate(artifact=artifact, last_chunk=True, **placed)
            yield StatusUpdate(status=status_of(now), final=True, **placed)
        case "run" if data["status"] == RunStatus.RUNNING:
            yield StatusUpdate(status=Status(state=State.WORKING, timestamp=data.get("at")), **placed)
