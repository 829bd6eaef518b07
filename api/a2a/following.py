"""A run as a stream of Agent2Agent: the task first, then what changes of it, until it ends or asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import sha256
from typing import Any

from api.a2a.history import told_task
from api.a2a.replies import piece_in
from api.a2a.tasks import artifacts_of, context_of, status_of
from api.wiring import Wired
from dispatch._a2a.model import Artifact, ArtifactUpdate, Event, Part, State, Status, StatusUpdate
from engine.driver.stream import Position, StreamEvent
from engine.model import TERMINAL, RunId, RunStatus, seq_of
from engine.values import dataclass, replace

STEPS = frozenset({"NODE_COMPLETED", "NODE_FAILED", "NODE_SKIPPED"})
MODES = frozenset({"tasks", "custom"})
ENDS = TERMINAL | {RunStatus.INTERRUPTED}


Change = StatusUpdate | ArtifactUpdate


@dataclass(frozen=True, slots=True)
class Told:
    """What a stream tells, with the place after which it goes on; None where there is none to go on from."""

    event: Event
    place: str | None


async def here(server: Wired, run_id: str) -> str:
    """The place of what has happened in a run so far. Raises NotFound."""
    head = await server.reader.head(run_id)
    return str(Position(seq_of(head.head), await server.store.last_event(head.key)))


async def follow(
    server: Wired, run_id: RunId, after: str | None, *, snapshot: bool, history: int | None = None, waits: bool = False
) -> AsyncIterator[Told]:
    """What happens in a run after a place, or from its beginning, until it ends or asks; the task first where a
    `snapshot` is wanted. Who `waits` and finds it asking is told how it goes on after that, and so is who hears that it
    needs a right: that may be given elsewhere (1.0.1, 7.6.1)."""
    run = await server.reader.run(run_id)
    if snapshot:
        shown = _begun(run) if after is None else run  # all that has happened since is told next
        yield Told(await told_task(server, shown, history), after)
        if after is not None and run["status"] in (TERMINAL if waits else ENDS):
            return
    changes, goes_on = Changes(server, run), True
    while goes_on:
        events = server.streams.stream(run_id, modes=MODES, after=after, from_now=False, until=RunStatus.INTERRUPTED)
        goes_on = False
        async for page in events:
            for event in page:
                async for found in changes.of(event):
                    goes_on = isinstance(found, StatusUpdate) and found.status.state is State.AUTH_REQUIRED
                    yield Told(replace(found, metadata={**found.metadata, "seq": event.id}), event.id)
                after = event.id


def _begun(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as it was when it began."""
    then = {"status": RunStatus.QUEUED, "updated_at": run["created_at"], "finished_at": None}
    return {**run, **then, "latest_checkpoint_id": None}


class Changes:
    """What the events of a run are to those who follow its task. It knows what has been told of each artifact."""

    def __init__(self, server: Wired, run: Mapping[str, Any]) -> None:
        self.server, self.run_id = server, run["id"]
        self.placed: dict[str, Any] = {"task_id": run["id"], "context_id": context_of(run)}
        self._told: dict[str, _Told] = {}

    async def of(self, event: StreamEvent) -> AsyncIterator[Change]:
        """What an event changes."""
        data = event.data
        match event.event:
            case "task" if data.get("kind") in STEPS:
                for update in self._ended(data["task_id"]):
                    yield update
                step: dict[str, Any] = {name: data[name] for name in ("node", "kind") if name in data}
                yield self._at_work(data, step)
            case "custom":
                for update in self._streamed(data):
                    yield update
            case "run" if data["status"] in ENDS:
                async for change in self._over():
                    yield change
            case "run" if data["status"] == RunStatus.RUNNING:
                yield self._at_work(data, {})

    def _at_work(self, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> StatusUpdate:
        status = Status(state=State.WORKING, timestamp=data.get("at"))
        return StatusUpdate(status=status, metadata=metadata, **self.placed)

    async def _over(self) -> AsyncIterator[Change]:
        """What there is to tell of a run that has ended, or asks."""
        run = await self.server.reader.run(self.run_id)
        for artifact in artifacts_of(run):
            told = self._told.get(artifact.artifact_id)
            if told is None or not told.is_all_of(artifact):
                yield ArtifactUpdate(artifact=artifact, last_chunk=True, **self.placed)
        status = status_of(run)
        yield StatusUpdate(status=status, final=status.state is not State.AUTH_REQUIRED, **self.placed)

    def _streamed(self, data: Mapping[str, Any]) -> Iterator[ArtifactUpdate]:
        """What a worker reports of artifacts: pieces of its channels, and those that it calls artifacts itself."""
        for chunk in data.get("chunks") or ():
            if isinstance(chunk, dict) and isinstance(chunk.get("text"), str):
                name = str(chunk.get("channel"))
                parts = (Part(text=chunk["text"]),)
                yield self._take(Artifact(artifact_id=f"{data['task_id']}.{name}", name=name, parts=parts))
        if (piece := piece_in(data.get("data"))) is not None:
            yield self._take(piece.artifact, append=piece.append, last=piece.last)

    def _ended(self, task_id: str) -> Iterator[ArtifactUpdate]:
        """The ends of the channels of a worker whose task is over."""
        for name, told in self._told.items():
            if name.startswith(f"{task_id}.") and not told.last:
                yield self._take(replace(told.first, parts=(Part(text=""),)), last=True)

    def _take(self, artifact: Artifact, *, append: bool = True, last: bool = False) -> ArtifactUpdate:
        told = self._told.get(artifact.artifact_id)
        append = append and told is not None  # what is told first goes on with nothing
        if told is None or not append:
            told = self._told[artifact.artifact_id] = _Told(artifact)
        told.take(artifact, last)
        return ArtifactUpdate(artifact=artifact, append=append, last_chunk=last, **self.placed)


class _Told:
    """What has been told of an artifact: its name, whether that was all, and what stands for its content."""

    def __init__(self, first: Artifact) -> None:
        self.first, self.last, self._content = replace(first, parts=()), False, sha256()

    def take(self, artifact: Artifact, last: bool) -> None:
        """Note a piece; texts in a row are one, however they came."""
        self.last = last
        for part in artifact.parts:
            plain = part.text is not None and part == Part(text=part.text)
            self._content.update((part.text or "").encode() if plain else repr(part).encode())

    def is_all_of(self, artifact: Artifact) -> bool:
        """Whether all of an artifact has been told, to its end."""
        whole = _Told(artifact)
        whole.take(artifact, last=True)
        return self.last and whole._content.digest() == self._content.digest()
