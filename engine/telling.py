"""What commits, and the events between them, are in a stream: names and data, in an order that never changes.

A row of the log is told in parts. Which parts it has, and their numbers, follow from the row alone, so that a stream
can go on after any of them, whatever modes it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from engine.answer import AnswerInvalid, parse_answer, told_in
from engine.frame import names_of
from engine.model import CAUSAL, TURNS, Commit, Kind, Task, TaskStatus
from engine.ports import EventRow
from engine.rebuild import REPORTS
from engine.render import address_of, branch_name, checkpoint_id, finishes_task, output_of, updates_json
from engine.times import rfc3339
from engine.values import dataclass

MODE_OF = {"values": "values", "updates": "updates", "task": "tasks", "custom": "custom", "run": ""}
"""The mode that tells an event by its name; the empty one is in all modes, and what is not here is in `debug`."""
DEBUG = "debug"
CUSTOM = ("stage", "progress", "message", "chunks", "data")
"""What a worker may report; other fields of its events stay in the record of the task."""

DETAILED = frozenset({"tasks", DEBUG})
"""The modes that tell how far tasks are between commits."""
ALOUD = frozenset({"run", "progress", "turn"})
"""The events between commits that other modes tell too."""

TASK_EVENTS = {
    "dispatch": ("NODE_STARTED", TaskStatus.RUNNING),
    "waiting": ("NODE_WAITING", TaskStatus.WAITING),
    "retry": ("NODE_RETRYING", TaskStatus.RETRYING),
}
_DISPATCH = {"dispatch": "sent", "waiting": "waiting", "accepted": "accepted", "late": "late", "rebound": "rebound"}
_BODY = ("worker", "reason", "deadline", "due_at", "error", "why", "to", "actor")
_TIMES = frozenset({"deadline", "due_at", "until"})


@dataclass(frozen=True, slots=True)
class Part:
    """One event of a row. `number` counts from 1 and grows; the data of `values` is for who keeps the run's state."""

    number: int
    name: str
    data: dict[str, Any]


def mode_of(name: str) -> str:
    """The mode that an event belongs to."""
    return MODE_OF.get(name, DEBUG)


def is_told(name: str, modes: frozenset[str]) -> bool:
    """Whether a stream with these modes tells an event of this name."""
    return DEBUG in modes or not (mode := mode_of(name)) or mode in modes


# ---- commits


def parts_of(commit: Commit, before: str | None, run_id: str) -> list[Part]:
    """The parts of a commit; `before` is the run's status after the commit before it."""
    found = enumerate(_slots(commit, before, run_id), start=1)
    return [Part(number, *slot) for number, slot in found if slot is not None]


_Slot = tuple[str, dict[str, Any]] | None


def _slots(commit: Commit, before: str | None, run_id: str) -> Iterator[_Slot]:
    """Everything that a commit can tell, in order; what it does not tell keeps its place."""
    base = {"checkpoint_id": checkpoint_id(run_id, commit.seq), **_when(commit.seq, commit.at, _around(commit))}
    begins = commit.kind is Kind.START and commit.task is None
    moves = commit.status != before or commit.kind in TURNS
    run = ("run", _run(commit, run_id)) if moves else None
    yield run if begins else None
    yield _started(commit)
    for event in reported(commit.answer):
        yield "custom", _custom(commit, event)
    yield _ended(commit)
    for gone in commit.cancelled:
        place = {"attempt": gone.attempt, "worker": gone.worker}
        yield "task", {**_task(commit, gone.task, "NODE_CANCELLED", TaskStatus.CANCELLED), **place}
    changes = (commit.kind in CAUSAL and not begins) or commit.writes
    yield ("updates", {**base, **_of(commit), "updates": updates_json(commit.writes)}) if changes else None
    yield ("values", {**base, **_of(commit)})
    yield from _detail(commit, base)
    yield ("checkpoint", {**base, **_of(commit), **_outcome(commit)})
    yield None if begins else run


def _detail(commit: Commit, base: Mapping[str, Any]) -> Iterator[_Slot]:
    """What is only told to who wants to see everything."""
    of = {**base, **_of(commit)}
    asked = commit.interrupt
    yield None if asked is None else ("interrupt", {**of, "interrupt_id": asked.id, "message": asked.message})
    resumes = commit.kind is Kind.RESUME
    yield ("resume", {**of, "interrupts": list(commit.resolved), "actor": commit.actor}) if resumes else None
    edits = commit.kind in _EDITS and (commit.writes or commit.kind is not Kind.RESUME)
    updates = updates_json(commit.writes)
    yield ("state", {**of, "updates": updates, "actor": commit.actor}) if edits else None
    yield ("retry", {**of, "actor": commit.actor}) if commit.kind is Kind.RETRY else None
    yield None if commit.error is None else ("error", {**of, "error": commit.error.as_json()})


_EDITS = frozenset({Kind.FORK, Kind.REPLAY, Kind.CHECKOUT, Kind.STATE, Kind.RESUME})


def _when(seq: int, at: int, ns: Sequence[str] = ()) -> dict[str, Any]:
    return {"seq": seq, "at": rfc3339(at), "ns": list(ns)}


def _around(commit: Commit) -> list[str]:
    """The subgraph nodes around what a commit is about."""
    return names_of(
        commit.task.wave.frame if commit.task is not None and commit.kind is not Kind.START else commit.frame
    )


def _of(commit: Commit) -> dict[str, Any]:
    task = commit.task
    return {"kind": commit.kind, "node": task.node if task else None, "task_id": task.id if task else None}


def _outcome(commit: Commit) -> dict[str, Any]:
    return {
        "branch": branch_name(commit.branch),
        "address": address_of(commit.task) if commit.task is not None else None,
        "level": commit.level,
        "chosen": commit.chosen,
        "status": commit.status,
        "actor": commit.actor,
        "opened": [{"task_id": task.id, "node": task.node, "index": task.index} for task in commit.opened],
        "closed": list(commit.closed),
    }


def _run(commit: Commit, run_id: str) -> dict[str, Any]:
    failed = commit.error is not None and commit.kind is Kind.FAILURE
    return {
        "run_id": run_id,
        "status": commit.status,
        "error": commit.error.as_json() if failed and commit.error is not None else None,
        **_when(commit.seq, commit.at),
    }


def _started(commit: Commit) -> _Slot:
    task = commit.task
    if task is None or task.gate or commit.kind is Kind.RESUME or commit.started_at is not None:
        return None
    status = TaskStatus.INTERRUPTED if commit.kind is Kind.INTERRUPT else TaskStatus.RUNNING
    return "task", _task(commit, task, "NODE_STARTED", status)


def _ended(commit: Commit) -> _Slot:
    task = commit.task
    if task is None or not (finishes_task(commit) or commit.kind is Kind.FAILURE):
        return None
    status = commit.task_status or TaskStatus.COMPLETED
    kind = {TaskStatus.FAILED: "NODE_FAILED", TaskStatus.SKIPPED: "NODE_SKIPPED"}.get(status, "NODE_COMPLETED")
    error = {"error": commit.error.as_json()} if commit.error is not None else {}
    marks = {name: True for name in ("reused", "cached") if getattr(commit, name)}
    return "task", {**_task(commit, task, kind, status), **marks, **error}


def _task(commit: Commit, task: Task, kind: str, status: str) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "node": task.node,
        "index": task.index,
        "kind": kind,
        "status": status,
        "attempt": commit.attempt,
        "worker": commit.worker,
        **_when(commit.seq, commit.at, names_of(task.wave.frame)),
    }


def reported(answer: Any) -> tuple[Mapping[str, Any], ...]:
    """The events in an answer; of one that is not valid those that are right themselves."""
    if not isinstance(answer, dict) or not answer.get("events"):
        return ()
    try:
        return parse_answer(answer).events
    except AnswerInvalid:
        return told_in(answer).events


def told_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a report. `progress` goes from 0 to 1; another one is left out, since nobody wants to lose an
    answer for that: it stays in the record."""
    told = {name: report.get(name) for name in CUSTOM}
    progress = told["progress"]
    if isinstance(progress, bool) or not isinstance(progress, int | float) or not 0 <= progress <= 1:
        told["progress"] = None
    return told


def _custom(commit: Commit, event: Mapping[str, Any]) -> dict[str, Any]:
    """A report that came with an answer."""
    task = commit.task
    return {
        "task_id": task.id if task else None,
        "node": task.node if task else None,
        "index": task.index if task else None,
        "attempt": commit.attempt if task else None,
        **told_of(event),
        **_when(commit.seq, commit.at, names_of(task.wave.frame) if task else ()),
    }


# ---- events between commits


def parts_between(event: EventRow, run_id: str) -> list[Part]:
    """The parts of an event that stands between commits."""
    if event.kind == "run":
        data = {"run_id": run_id, "status": event.body["status"], "error": event.body.get("error")}
        data |= {"reason": event.body["reason"]} if "reason" in event.body else {}
        return [Part(1, "run", {**data, **_when(event.seq, event.at)})]
    if event.kind == "progress":
        return [Part(1, "custom", {**_place(event), **told_of(event.body)})]
    if event.kind == "turn":
        return [Part(number, "custom", data) for number, data in enumerate(_turn(event), start=1)]
    found = []
    if event.kind in TASK_EVENTS:
        kind, status = TASK_EVENTS[event.kind]
        worker = event.body.get("worker")
        more = {name: event.body[name] for name in ("reason", "error") if name in event.body}
        found.append(Part(1, "task", {**_place(event), "kind": kind, "status": status, "worker": worker, **more}))
    if event.kind in _DISPATCH:
        found.append(Part(2, "dispatch", {**_place(event), "status": _DISPATCH[event.kind], **_said(event)}))
    elif event.kind == "retry":
        found.append(Part(2, "retry", {**_place(event), **_said(event)}))
        found.append(Part(3, "error", {**_place(event), "error": event.body.get("error")}))
    return found


def _turn(event: EventRow) -> Iterator[dict[str, Any]]:
    """What an agent reported in a turn, and that it goes on."""
    body = event.body
    for report in reported(body["answer"]):
        yield {**_place(event), **told_of(report)}
    done = {"turn": body["turn"], "output": output_of(body["answer"])}
    yield {**_place(event), **dict.fromkeys(CUSTOM), "stage": "turn", "data": done}


def _place(event: EventRow) -> dict[str, Any]:
    body = event.body
    return {
        "task_id": event.task_id,
        "node": body.get("node"),
        "index": body.get("index"),
        "attempt": body.get("attempt"),
        **_when(event.seq, event.at, body.get("ns", ())),
    }


def _said(event: EventRow) -> dict[str, Any]:
    found = {name: event.body[name] for name in _BODY if name in event.body}
    return {name: rfc3339(value) if name in _TIMES else value for name, value in found.items()}


# ---- the record of a task

LOG_LINES = 1000
"""A task is shown with so many of its last log lines."""


def attempts_json(events: Sequence[EventRow], turns: Sequence[Commit]) -> list[dict[str, Any]]:
    """How the attempts of a task went; `turns` are the commits with which it failed for good, or its worker asked."""
    told = [(event.seq, _attempt(event)) for event in events if event.kind not in REPORTS]
    held = {event.body["attempt"]: event.body["worker"] for event in events if event.kind == "dispatch"}
    told += [(commit.seq, _turned(commit, held.get(commit.attempt))) for commit in turns]
    return [shape for _, shape in sorted(told, key=itemgetter(0))]


def _attempt(event: EventRow) -> dict[str, Any]:
    body = event.body if isinstance(event.body, dict) else {}
    times = {name: rfc3339(body[name]) for name in _TIMES & body.keys()}
    return {"kind": event.kind, "at": rfc3339(event.at), **body, **times}


def _turned(commit: Commit, worker: str | None) -> dict[str, Any]:
    at, place = rfc3339(commit.at), {"attempt": commit.attempt, "worker": commit.worker or worker}
    if commit.error is None:
        node = None if commit.task is None else commit.task.node
        return {"kind": "asked", "at": at, **place, "node": node, "answer": commit.answer}
    return {"kind": "failed", "at": at, **place, "node": commit.error.node, "error": commit.error.as_json()}


def log_json(events: Sequence[EventRow], end: Commit | None = None) -> list[dict[str, Any]]:
    """What workers reported of a task, oldest first; `end` is the commit of its answer."""
    lines = [_line(event.body, event.at, event.body) for event in events if event.kind == "progress"]
    if end is not None:
        place = {"attempt": end.attempt, "worker": end.worker}
        lines += [_line(place, end.at, report) for report in reported(end.answer)]
    return lines[-LOG_LINES:]


def _line(place: Mapping[str, Any], at: int, report: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": rfc3339(at), "attempt": place.get("attempt"), "worker": place.get("worker"), **told_of(report)}
