"""Runs as tasks of Agent2Agent: what each status, question, output and failure is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from api.a2a.files import told_here
from api.a2a.replies import reply_in
from dispatch._a2a.model import PAUSED, Artifact, Message, Part, Role, State, Status, Task
from dispatch._a2a.read import Unreadable, read_message
from engine.kinds import AUTH
from engine.model import RunStatus
from engine.values import replace

NOTE = "a2a"
"""The key of a run's metadata below which it is kept what was said to begin it."""
OUTPUT = "output"
REJECTED = "rejected"
"""The code of an error by which a workflow says that it does not take what it was given."""
STATES: Mapping[str, State] = {
    RunStatus.QUEUED: State.SUBMITTED,
    RunStatus.RUNNING: State.WORKING,
    RunStatus.INTERRUPTED: State.INPUT_REQUIRED,
    RunStatus.COMPLETED: State.COMPLETED,
    RunStatus.FAILED: State.FAILED,
    RunStatus.CANCELLED: State.CANCELED,
}

Shape = Mapping[str, Any]
"""A run as the interface shows it."""


def context_of(run: Shape) -> str:
    """The context of a run: its session; a run without one is a context of its own."""
    return str(run["session_id"] or run["id"])


def task_of(run: Shape, *, history: Sequence[Message] = (), artifacts: bool = True) -> Task:
    """A run as a task, with what was said in it."""
    return Task(
        id=run["id"],
        context_id=context_of(run),
        status=status_of(run),
        artifacts=artifacts_of(run) if artifacts else None,
        history=tuple(history),
        metadata=_about(run),
    )


def messages_of(run: Shape, base_url: str, turns: Sequence[Shape] = ()) -> Iterator[Message]:
    """All that was said, oldest first, as messages of this task: how it began, and its later turns. Files that came
    along are told by their addresses below `base_url`."""
    noted = (run.get("metadata") or {}).get(NOTE)
    given = [noted.get("message")] if isinstance(noted, dict) else []
    for turn in turns:
        given += turn["messages"] if isinstance(turn.get("messages"), list) else []
    for message in given:
        if isinstance(message, dict):
            with suppress(Unreadable):  # metadata are anybody's: what is no message there is none
                found = read_message({**message, "taskId": run["id"], "contextId": context_of(run)})
                yield told_here(found, base_url)


def _about(run: Shape) -> dict[str, Any]:
    """The newest checkpoint of a run, and the one that it was forked from."""
    origin = run.get("forked_from") or {}
    told = {"checkpointId": run.get("latest_checkpoint_id"), "forkedFrom": origin.get("checkpoint_id")}
    return {name: value for name, value in told.items() if value is not None}


def status_of(run: Shape) -> Status:
    """Where a run is, with what has to be said of it."""
    state = STATES[run["status"]]
    if state is State.FAILED and (run["error"] or {}).get("code") == REJECTED:
        state = State.REJECTED
    if state is State.INPUT_REQUIRED and {one["kind"] for one in _open(run)} == {AUTH}:
        state = State.AUTH_REQUIRED
    return Status(state=state, message=_said(run, state), timestamp=run["finished_at"] or run["updated_at"])


def artifacts_of(run: Shape) -> tuple[Artifact, ...]:
    """What a run brought forth, once it has completed: what its reply has, or its output."""
    if run["status"] != RunStatus.COMPLETED or run.get("output") is None:
        return ()
    reply = reply_in(run["output"])
    if reply is not None and reply.flaw is None:
        return reply.artifacts
    return (Artifact(artifact_id=OUTPUT, name=OUTPUT, parts=parts_of(run["output"])),)


def message_of(run: Shape) -> Message | None:
    """The message with which a run answers instead of a task; it belongs to the context alone."""
    reply = reply_in(run.get("output")) if run["status"] == RunStatus.COMPLETED else None
    if reply is None or not reply.message:
        return None
    return replace(_by_agent(run, reply.message), task_id=None)


def parts_of(output: Any) -> tuple[Part, ...]:
    """A value as parts: a text as text, anything else as data."""
    return (Part(text=output),) if isinstance(output, str) else (Part(data=output),)


def _said(run: Shape, state: State) -> Message | None:
    """What the agent says in a status: its questions, why it failed, or what its reply says."""
    if state in PAUSED:
        return _by_agent(run, _questions(_open(run)))
    if state in (State.FAILED, State.REJECTED) and run["error"]:
        told = {name: run["error"].get(name) for name in ("code", "message", "node")}
        return _by_agent(run, (Part(text=str(told["message"])), Part(data={"error": told})))
    reply = reply_in(run.get("output")) if state is State.COMPLETED else None
    if reply is None:
        return None
    flaw = (Part(text=f"The reply of the workflow cannot be told: {reply.flaw}"),) if reply.flaw else ()
    parts = flaw or reply.message or reply.status
    return _by_agent(run, parts) if parts else None


def _open(run: Shape) -> list[Shape]:
    return [one for one in run.get("interrupts") or () if one["status"] == "open"]


def _questions(interrupts: Sequence[Shape]) -> tuple[Part, ...]:
    """Open questions: in words, and as data with the ids by which they are answered."""
    asked = [{"id": one["id"], "value": one["message"], "responseSchema": one["schema"]} for one in interrupts]
    words = "\n".join(one["value"] if isinstance(one["value"], str) else "Please answer." for one in asked)
    return (Part(text=words), Part(data={"interrupts": asked}))


def _by_agent(run: Shape, parts: tuple[Part, ...]) -> Message:
    """Something that the agent says of a run; its id follows from where the run is."""
    return Message(
        message_id=f"{run['id']}.{run['checkpoint_count']}",
        role=Role.AGENT,
        parts=parts,
        context_id=context_of(run),
        task_id=run["id"],
    )
