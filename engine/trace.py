"""A run in time: its tasks from their activation to their end, what they waited for, and what came of joins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from engine.frame import graph_in, names_of
from engine.graph import Edge, Graph
from engine.model import START, Arrival, Commit, ErrorInfo, Kind, Ref, Task, TaskStatus, Wave
from engine.ports import EventRow, InterruptRow
from engine.render import address_of, finishes_task, open_status
from engine.run import Run
from engine.times import rfc3339
from engine.values import dataclass

NameOf = Callable[[Ref], str]
"""The checkpoint id of a ref."""
Causes = Mapping[Ref, Commit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A task in time; one that is open has no end. `ended` is the commit that ended it."""

    task: Task
    status: TaskStatus
    created_at: int
    started_at: int | None
    finished_at: int | None = None
    ended: Ref | None = None
    attempt: int = 1
    worker: str | None = None
    reused: bool = False
    cached: bool = False
    error: ErrorInfo | None = None


def spans_of(commit: Commit) -> list[Span]:
    """The tasks that end with a commit: the one that it finishes or that fails with it, and those that it cancels."""
    found = []
    failed = commit.kind is Kind.FAILURE
    if commit.task is not None and (finishes_task(commit) or failed):
        status = commit.task_status or (TaskStatus.FAILED if failed else TaskStatus.COMPLETED)
        found.append(
            Span(
                task=commit.task, status=status, created_at=commit.created_at or commit.at,
                started_at=commit.started_at or commit.at, finished_at=commit.at, ended=commit.ref,
                attempt=commit.attempt, worker=commit.worker, error=commit.error,
                reused=commit.reused, cached=commit.cached,
            )
        )  # fmt: skip
    return found + [
        Span(
            task=one.task, status=TaskStatus.CANCELLED, created_at=one.created_at, started_at=one.started_at,
            finished_at=commit.at, ended=commit.ref, attempt=one.attempt, worker=one.worker,
        )
        for one in commit.cancelled
    ]  # fmt: skip


def open_spans(run: Run) -> list[Span]:
    """The tasks that are open, as far as they are. One that has failed is not: a commit says so."""
    found = []
    for task in run.open_tasks():
        progress = run.progress[task.id]
        if progress.status is not TaskStatus.FAILED:
            found.append(
                Span(
                    task=task, status=open_status(run, task), created_at=progress.created_at,
                    started_at=progress.started_at, attempt=progress.attempt, worker=progress.worker,
                    error=progress.error,
                )
            )  # fmt: skip
    return found


def span_json(
    span: Span,
    graph: Graph,
    causes: Causes,
    name_of: NameOf,
    events: Sequence[EventRow],
    interrupts: Iterable[InterruptRow],
) -> dict[str, Any]:
    """A task as a trace shows it. `graph` is the run's, in the version that it ran in."""
    task, graph = span.task, graph_in(graph, span.task.wave.frame)
    told = [event for event in events if span.finished_at is None or event.at <= span.finished_at]
    return {
        "id": task.id,
        "node": task.node,
        "ns": names_of(task.wave.frame),
        "index": task.index,
        "address": address_of(task),
        "rounds": list(task.wave.rounds),
        "level": task.level,
        "send_id": task.call,
        "status": span.status,
        "attempt": span.attempt,
        "worker_id": span.worker,
        "reused": span.reused,
        "cached": span.cached,
        "error": None if span.error is None else span.error.as_json(),
        "created_at": rfc3339(span.created_at),
        "started_at": rfc3339(span.started_at),
        "finished_at": rfc3339(span.finished_at),
        "checkpoint_id": None if span.ended is None else name_of(span.ended),
        "causes": [_cause_json(causes[ref], name_of) for ref in task.causes if ref in causes],
        "edges": [_edge_json(graph.edges[edge]) for edge in task.edges],
        "join": join_of(graph, span, causes, name_of),
        "waits": waits_of(told, span.finished_at),
        "attempts": attempts_of(told, span),
        "interrupts": [_interrupt_json(row) for row in interrupts],
    }


def _cause_json(commit: Commit, name_of: NameOf) -> dict[str, Any]:
    task = commit.task
    return {
        "checkpoint_id": name_of(commit.ref),
        "kind": commit.kind,
        "task_id": None if task is None else task.id,
        "address": None if task is None else address_of(task),
        "at": rfc3339(commit.at),
    }


def _edge_json(edge: Edge) -> dict[str, Any]:
    source = edge.source if edge.handle is None else f"{edge.source}:{edge.handle}"
    return {"index": edge.index, "from": source, "to": edge.target}


def _interrupt_json(row: InterruptRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "status": row.status,
        "asked_at": rfc3339(row.created_at),
        "ended_at": rfc3339(row.resolved_at),
        "assignee": row.assignee,
    }


# ---- joins


def join_of(graph: Graph, span: Span, causes: Causes, name_of: NameOf) -> dict[str, Any] | None:
    """What came to a node that several edges lead to, and over which of them nothing came; None for other tasks."""
    task = span.task
    if task.call is not None or not task.edges or len(_entering(graph, task.node)) < 2:
        return None
    came = _by_source([causes[ref] for ref in task.causes if ref in causes])
    arrived = []
    for edge in task.edges:
        waiting = came.get(graph.edges[edge].source, [])
        arrived.append((edge, waiting.pop(0) if len(waiting) > 1 else waiting[0] if waiting else None))
    first = min((cause.at for _, cause in arrived if cause is not None), default=span.created_at)
    return {**_join(graph, task.wave, arrived, name_of), "waited_ms": max(0, span.created_at - first)}


def open_join_json(
    graph: Graph, wave: Wave, arrivals: Iterable[Arrival], causes: Causes, name_of: NameOf
) -> dict[str, Any]:
    """A join that still waits; `graph` is the run's."""
    graph = graph_in(graph, wave.frame)
    arrived = [(one.edge, causes.get(one.cause)) for one in arrivals if one.edge >= 0]
    place = {"node": wave.node, "ns": names_of(wave.frame), "rounds": list(wave.rounds)}
    return {**place, **_join(graph, wave, arrived, name_of)}


def _join(graph: Graph, wave: Wave, arrived: Sequence[tuple[int, Commit | None]], name_of: NameOf) -> dict[str, Any]:
    there = {edge for edge, _ in arrived}
    return {
        "mode": graph.nodes[wave.node].join,
        "needed": graph.needed.get(wave.node),
        "arrived": [
            {
                **_edge_json(graph.edges[edge]),
                "checkpoint_id": None if cause is None else name_of(cause.ref),
                "at": None if cause is None else rfc3339(cause.at),
            }
            for edge, cause in arrived
        ],
        "missing": [_edge_json(graph.edges[edge]) for edge in _entering(graph, wave.node) if edge not in there],
    }


def _entering(graph: Graph, node: str) -> list[int]:
    return graph.topology.entering[graph.topology.number[node]]


def _by_source(causes: Iterable[Commit]) -> dict[str, list[Commit]]:
    found: dict[str, list[Commit]] = {}
    for commit in causes:
        source = START if commit.task is None or commit.kind is Kind.START else commit.task.node
        found.setdefault(source, []).append(commit)
    return found


# ---- what happened between commits

_MOVES = frozenset({"dispatch", "waiting", "retry", "rebound"})
"""The events after which a task does something else than before."""


def waits_of(events: Sequence[EventRow], end: int | None) -> list[dict[str, Any]]:
    """When a task waited for a worker, or for its time, and why."""
    moves = [event for event in events if event.kind in _MOVES]
    ends = [*(event.at for event in moves[1:]), end]
    return [
        {"reason": event.body["reason"], "from": rfc3339(event.at), "until": rfc3339(until)}
        for event, until in zip(moves, ends, strict=False)
        if event.kind == "waiting"
    ]


def attempts_of(events: Sequence[EventRow], span: Span) -> list[dict[str, Any]]:
    """The requests to workers, in order: one that was sent again after a restart comes twice."""
    found: list[dict[str, Any]] = []
    for event in events:
        if event.kind == "dispatch":
            found.append(_attempt(event))
        elif found and event.kind == "accepted":
            found[-1]["accepted_at"] = rfc3339(event.at)
        elif found and event.kind == "rebound" and found[-1]["outcome"] is None:
            found[-1].update(finished_at=rfc3339(event.at), outcome="rebound")
        elif found and event.kind == "retry":
            found[-1].update(finished_at=rfc3339(event.at), outcome="failed", error=event.body.get("error"))
    if found and found[-1]["outcome"] is None and span.finished_at is not None:
        found[-1].update(finished_at=rfc3339(span.finished_at), outcome=span.status)
    return found


def _attempt(event: EventRow) -> dict[str, Any]:
    return {
        "attempt": event.body["attempt"],
        "worker_id": event.body["worker"],
        "started_at": rfc3339(event.at),
        **dict.fromkeys(("accepted_at", "finished_at", "outcome", "error")),
    }
